/*
id: idle_async_endpoint
title: Asynchronous endpoints without a request and without a queue
version: 1
owner: finops-ledger
why: >
  An asynchronous endpoint can shrink to no machine while its queue is empty. One that is billed, had no request in the whole
  window and has nothing queued serves nobody: both measured as zero, confidence high; one of them, or a hardware metric that
  shows that measuring works, medium, for SageMaker publishes Invocations only when there are any.
misses: >
  An endpoint that shrinks to zero has no billed hours and no row. One with a little traffic and machines kept between is
  'active'.
recommended_action: >
  Ask the owner who still needs it; delete the endpoint, or let it shrink to zero machines (MinCapacity 0) while its queue is
  empty.
check:
  AWS: aws sagemaker describe-endpoint --endpoint-name {name} --region {region}
change:
  AWS: aws sagemaker delete-endpoint --endpoint-name {name} --region {region}
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today in which nobody called.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH billed AS (
    SELECT
        *,
        CASE WHEN parts_measured = 0 THEN 1
             ELSE greatest(parts_measured, coalesce(json_array_length(properties, '$.Variants'), 1)) END AS parts
    FROM findings.judged(['inference.async', 'inference.endpoint'], $today, $window_days)
    WHERE billed_hours > 0
      AND (workload_kind = 'inference.async' OR coalesce(CAST(properties ->> '$.Async' AS BOOLEAN), false))
),

endpoints AS (
    SELECT
        *,
        findings.covers(request_part_hours, hours_seen * parts, $measured_percent) AS requests_measured,
        findings.covers(backlog_hours, hours_seen, $measured_percent) AS backlog_measured,
        findings.covers(hardware_hours, hours_seen, $measured_percent) AS hardware_measured
    FROM billed
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN requests > 0 OR backlog_most > 0 THEN 'active'
            WHEN NOT still_billed THEN 'active'
            WHEN obstacle IS NOT NULL THEN 'unknown'
            WHEN requests_measured OR backlog_measured OR hardware_measured THEN 'idle'
            ELSE 'unknown'
        END AS status
    FROM endpoints
),

idle_async_endpoint AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE
            WHEN status = 'unknown' THEN 'low'
            WHEN status = 'active' OR (requests_measured AND backlog_measured) THEN 'high'
            ELSE 'medium'
        END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_if_deleted END AS monthly_saving,
        currency,
        CASE
            WHEN requests > 0 THEN findings.grouped(requests) || ' requests in ' || $window_days || ' days, the last on '
                || last_request_day
            WHEN backlog_most > 0 THEN 'up to ' || findings.number(backlog_most) || ' requests queued in ' || $window_days
                || ' days'
            WHEN status = 'active' THEN 'last billed on ' || last_day
            WHEN obstacle IS NOT NULL THEN 'no verdict: ' || obstacle
            WHEN status = 'unknown' THEN 'no verdict: neither its requests nor its queue were measured ('
                || findings.coverage(greatest(request_hours, backlog_hours, hardware_hours), hours_seen) || ')'
            ELSE CASE WHEN requests_measured
                      THEN 'no request in ' || $window_days || ' days (' || findings.coverage(request_hours, hours_seen) || ')'
                      ELSE 'no datapoint of a request in ' || $window_days
                        || ' days (they are published only when there are any)' END
                || CASE WHEN backlog_measured THEN ', its queue empty (' || findings.coverage(backlog_hours, hours_seen) || ')'
                        ELSE ', its queue not measured' END
                || CASE WHEN NOT requests_measured AND NOT backlog_measured
                        THEN ', while its machines were measured (' || findings.coverage(hardware_hours, hours_seen) || ')'
                        ELSE '' END
        END
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE status WHEN 'idle' THEN findings.unsaved_note(committed_cost, 0, currency) ELSE '' END AS reason,
        evidence
    FROM verdicts
)

SELECT * FROM idle_async_endpoint
