/*
id: idle_provisioned_concurrency
title: Serverless endpoints that are kept warm for nobody
version: 1
owner: finops-ledger
why: >
  Provisioned concurrency is billed by the second from the moment it is set, called or not: usage type
  ProvisionedConcurrency:Mem-. It is idle if its endpoint had no request in the whole window: measured as zero, or its
  concurrency was measured and none of it used, confidence high; without a datapoint although metrics could be read, medium, for
  SageMaker publishes Invocations only when there are any. Requests that the bill shows (ProvisionedConcurrency:Usage-) are
  requests.
misses: >
  Serverless endpoints without provisioned concurrency cost nothing when idle and have no row. Where a bill calls both by the
  usage type ServerlessInf, the inventory must say that concurrency is provisioned and the bill must run around the clock.
  Concurrency that a schedule provisions for a part of the day is judged by the same requests.
recommended_action: >
  Ask the owner whether the cold start matters; take the provisioned concurrency away, and the endpoint costs nothing until it
  is called.
check:
  AWS: aws sagemaker describe-endpoint --endpoint-name {name} --region {region}
change:
  AWS: aws sagemaker update-endpoint --endpoint-name {name} --endpoint-config-name CONFIG_WITHOUT_IT --region {region}
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today in which nobody called.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured (or billed) in at least this share of the hours.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH billed AS (
    FROM findings.judged(['inference.provisioned_concurrency'], $today, $window_days) WHERE billed_hours > 0
    UNION ALL
    FROM findings.judged(['inference.serverless'], $today, $window_days)
    WHERE billed_hours > 0
      AND list_sum(TRY_CAST(json_extract(properties, '$.Variants[*].ProvisionedConcurrency') AS INTEGER[])) > 0
      AND hours_seen * 100 >= hours_since_first * $measured_percent
      AND resource_key NOT IN (
          SELECT resource_key FROM findings.resource_day WHERE workload_kind = 'inference.provisioned_concurrency'
      )
),

-- what was called is billed on its own beside what is kept warm
calls AS (
    SELECT resource_key, CAST(sum(billed_hours) * 3600 AS DECIMAL(38, 1)) AS seconds, max(day) AS last_day
    FROM findings.resource_day
    WHERE workload_kind = 'inference.serverless' AND NOT is_earlier AND billed_hours > 0
      AND day >= CAST($today AS DATE) - $window_days AND day < $today
    GROUP BY resource_key
),

endpoints AS (
    SELECT
        b.*,
        CASE WHEN b.workload_kind = 'inference.provisioned_concurrency' THEN c.seconds END AS seconds_called,
        c.last_day AS last_called,
        findings.covers(b.request_hours, b.hours_seen, $measured_percent) AS requests_measured,
        findings.covers(b.concurrency_hours, b.hours_seen, $measured_percent) AS concurrency_measured,
        -- its metric was asked for, and the answer held nothing
        b.known AND b.metrics_read AND NOT regexp_matches(coalesce(b.inventory_problem, ''), '(^|; )sagemaker ') AS requests_asked
    FROM billed AS b
    LEFT JOIN calls AS c ON c.resource_key = b.resource_key
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN requests > 0 OR concurrency_most > 0 OR seconds_called > 0 THEN 'active'
            WHEN NOT still_billed THEN 'active'
            WHEN obstacle IS NOT NULL THEN 'unknown'
            WHEN requests_measured OR concurrency_measured OR requests_asked THEN 'idle'
            ELSE 'unknown'
        END AS status
    FROM endpoints
),

idle_provisioned_concurrency AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE
            WHEN status = 'unknown' THEN 'low'
            WHEN status = 'active' OR requests_measured OR concurrency_measured THEN 'high'
            ELSE 'medium'
        END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_if_deleted END AS monthly_saving,
        currency,
        CASE
            WHEN requests > 0 THEN findings.grouped(requests) || ' requests in ' || $window_days || ' days, the last on '
                || last_request_day
            WHEN concurrency_most > 0 THEN 'up to ' || findings.number(concurrency_most) || ' percent of its concurrency used in '
                || $window_days || ' days'
            WHEN seconds_called > 0 THEN findings.number(seconds_called) || ' seconds of requests billed in ' || $window_days
                || ' days, the last on ' || last_called
            WHEN status = 'active' THEN 'last billed on ' || last_day
            WHEN obstacle IS NOT NULL THEN 'no verdict: ' || obstacle
            WHEN status = 'unknown' THEN 'no verdict: its requests were not measured ('
                || findings.coverage(greatest(request_hours, concurrency_hours), hours_seen) || ')'
            WHEN requests_measured THEN 'no request in ' || $window_days || ' days ('
                || findings.coverage(request_hours, hours_seen) || ')'
            WHEN concurrency_measured THEN 'none of its concurrency used in ' || $window_days || ' days ('
                || findings.coverage(concurrency_hours, hours_seen) || ')'
            ELSE 'no datapoint of a request in ' || $window_days
                || ' days, though metrics could be read: they are published only when there are any'
        END
        || '; provisioned ' || findings.billed_words(billed_hours, NULL, cost_in_window, currency)
        || CASE status WHEN 'idle' THEN findings.unsaved_note(committed_cost, 0, currency) ELSE '' END AS reason,
        evidence
    FROM verdicts
)

SELECT * FROM idle_provisioned_concurrency
