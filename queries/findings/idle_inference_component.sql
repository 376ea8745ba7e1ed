/*
id: idle_inference_component
title: Inference components that hold copies and that nobody calls
version: 1
owner: finops-ledger
why: >
  A component keeps accelerators and memory of its endpoint's machines for its copies, called or not. It is idle if it had no
  request in the whole window while its endpoint was billed: measured as zero, confidence high; without a datapoint, while the
  endpoint's hardware was measured, medium.
misses: >
  What a component costs: the machines of its endpoint are billed as one. Components that hold no copy have no row; an endpoint
  without any is judged by the rule idle_endpoint. Components that were deleted are not looked at.
recommended_action: >
  Ask the owner who still needs it; then delete the component, or let its copies shrink to none. Money is saved only when its
  endpoint can do with fewer machines.
check:
  AWS: aws sagemaker describe-inference-component --inference-component-name {name} --region {region}
change:
  AWS: aws sagemaker delete-inference-component --inference-component-name {name} --region {region}
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today in which nobody called.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH endpoints AS (
    FROM findings.judged(['inference.endpoint', 'inference.async'], $today, $window_days) WHERE billed_hours > 0
),

components AS (
    SELECT
        *,
        TRY_CAST(properties ->> '$.CopyCount' AS INTEGER) AS copies,
        ledger.endpoint_of(resource_key, properties) AS endpoint_key,
        string_agg(resource_name, ', ') OVER (PARTITION BY endpoint_key ORDER BY resource_name
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW) AS others
    FROM findings.resource
    WHERE ledger.is_component(resource_key, resource_type)
),

activity AS (
    SELECT
        resource_key, sum(hours) AS hours, sum(total) AS requests, max(day) FILTER (total > 0) AS last_day,
        string_agg(DISTINCT metric, ', ' ORDER BY metric) AS metric
    FROM findings.activity_day
    WHERE resource_key IN (SELECT resource_key FROM components)
      AND signal = 'requests' AND day >= CAST($today AS DATE) - $window_days AND day < $today
    GROUP BY resource_key
),

joined AS (
    SELECT
        e.provider, e.account_id, e.region, c.resource_id, c.resource_name, c.resource_type, e.workload_kind, e.currency,
        e.window_start, e.window_end, e.billed_hours, e.cost_in_window, e.machine, e.hours_seen, e.still_billed, e.last_day,
        e.evidence,
        e.resource_id AS endpoint, coalesce(e.resource_name, regexp_extract(e.resource_id, '[^/:]+$')) AS endpoint_name,
        c.copies, c.others, a.requests, coalesce(a.hours, 0) AS request_hours, a.last_day AS last_request_day, a.metric,
        coalesce(greatest(c.created_at, c.changed_at), e.since) AS since,
        e.metrics_problem,
        regexp_extract(e.inventory_problem, '(?:^|; )(sagemaker .*)', 1) AS inventory_problem,
        findings.covers(a.hours, e.hours_seen, $measured_percent) AS requests_measured,
        findings.covers(e.hardware_hours, e.hours_seen, $measured_percent) AS hardware_measured,
        e.hardware_hours
    FROM components AS c
    JOIN endpoints AS e ON e.resource_key = c.endpoint_key
    LEFT JOIN activity AS a ON a.resource_key = c.resource_key
    WHERE coalesce(c.copies, 1) > 0
),

judged AS (
    SELECT
        *,
        CASE
            WHEN metrics_problem IS NOT NULL THEN 'its metrics could not be read (' || metrics_problem || ')'
            WHEN inventory_problem <> '' THEN 'whether it still is there could not be read (' || inventory_problem || ')'
            WHEN since > window_start THEN 'it is younger than the window: made or changed on ' || strftime(since, '%Y-%m-%d')
            WHEN copies IS NULL THEN 'how many copies it holds is not known'
        END AS obstacle
    FROM joined
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN requests > 0 THEN 'active'
            WHEN NOT still_billed THEN 'active'
            WHEN obstacle IS NOT NULL THEN 'unknown'
            WHEN requests_measured OR hardware_measured THEN 'idle'
            ELSE 'unknown'
        END AS status
    FROM judged
),

idle_inference_component AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE
            WHEN status = 'unknown' THEN 'low'
            WHEN status = 'active' OR requests_measured THEN 'high'
            ELSE 'medium'
        END AS confidence,
        window_start, window_end,
        CAST(NULL AS DECIMAL(38, 18)) AS billed_hours,
        CAST(NULL AS DECIMAL(38, 18)) AS cost_in_window,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving,
        currency,
        CASE
            WHEN requests > 0 THEN findings.grouped(requests) || ' requests in ' || $window_days || ' days, the last on '
                || last_request_day
            WHEN status = 'active' THEN 'its endpoint was last billed on ' || last_day
            WHEN obstacle IS NOT NULL THEN 'no verdict: ' || obstacle
            WHEN status = 'unknown' THEN 'no verdict: its requests were not measured ('
                || findings.coverage(request_hours, hours_seen) || ')'
            WHEN requests_measured THEN 'no request in ' || $window_days || ' days ('
                || findings.coverage(request_hours, hours_seen) || ')'
            ELSE 'no datapoint of a request in ' || $window_days || ' days, while its endpoint''s machines were measured ('
                || findings.coverage(hardware_hours, hours_seen) || '): requests are published only when there are any'
        END
        || coalesce('; it holds ' || copies || if(copies = 1, ' copy', ' copies'), '')
        || ' on endpoint ' || endpoint_name || coalesce(' beside ' || others, ', which has no other component')
        || '; the endpoint: '
        || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || ' as one, so no part of it is the component''s' AS reason,
        json_object(
            'window_days', $window_days,
            'endpoint', endpoint, 'resource_ids', json_array(endpoint), 'copies', copies, 'other_components', others, 'endpoint_billing', evidence,
            'requests', json_object('metric', metric, 'hours_measured', request_hours, 'total', CAST(requests AS DOUBLE),
                                    'last_day', CAST(last_request_day AS VARCHAR)),
            'samples_expected', CAST(hours_seen AS DOUBLE)
        ) AS evidence
    FROM verdicts
)

SELECT * FROM idle_inference_component
