/*
id: idle_endpoint
title: Real-time endpoints that nobody calls
version: 1
owner: finops-ledger
why: >
  An endpoint bills its machines around the clock, called or not. It is idle if in the whole window no variant or component of it
  had a request: measured as zero, confidence high; or without a datapoint where the provider documents that it publishes only
  when there is traffic (SageMaker's Invocations), while a hardware metric shows that measuring works, confidence medium.
misses: >
  Traffic that answers nobody, such as health checks: the rule canary_endpoint. Endpoints deleted before the last billed day are
  'active': they cost nothing any more. Serverless endpoints without provisioned concurrency are never billed idle.
recommended_action: >
  Ask the owner who still needs it; then delete the endpoint. Its model and its configuration stay and cost nothing.
check:
  AWS: aws sagemaker describe-endpoint --endpoint-name {name} --region {region}
  GCP: gcloud ai endpoints describe {name} --region={region} --project={account}
change:
  AWS: aws sagemaker delete-endpoint --endpoint-name {name} --region {region}
  GCP: gcloud ai endpoints undeploy-model {name} --deployed-model-id=DEPLOYED_MODEL_ID --region={region} --project={account}
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today in which nobody called.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH endpoints AS (
    SELECT
        *,
        json_array_length(properties, '$.Variants') AS variants,
        findings.covers(request_hours, hours_seen, $measured_percent) AS requests_measured,
        findings.covers(hardware_hours, hours_seen, $measured_percent) AS hardware_measured
    FROM findings.judged(['inference.endpoint'], $today, $window_days)
    WHERE billed_hours > 0 AND NOT coalesce(CAST(properties ->> '$.Async' AS BOOLEAN), false)
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN requests > 0 THEN 'active'
            WHEN NOT still_billed THEN 'active'
            WHEN obstacle IS NOT NULL THEN 'unknown'
            WHEN requests_measured AND (parts_measured = 0 OR parts_measured >= coalesce(variants, 0)) THEN 'idle'
            WHEN provider = 'AWS' AND hardware_measured THEN 'idle'
            ELSE 'unknown'
        END AS status
    FROM endpoints
),

idle_endpoint AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE
            WHEN status = 'unknown' THEN 'low'
            WHEN status = 'active' OR requests_measured THEN 'high'
            ELSE 'medium'
        END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_if_deleted END AS monthly_saving,
        currency,
        CASE
            WHEN requests > 0 THEN findings.number(requests) || ' requests in ' || $window_days || ' days, the last on '
                || last_request_day
            WHEN status = 'active' THEN 'not billed any more since ' || last_day
            WHEN obstacle IS NOT NULL THEN 'no verdict: ' || obstacle
            WHEN status = 'unknown' THEN 'no verdict: its requests were not measured ('
                || findings.coverage(greatest(request_hours, hardware_hours), hours_seen) || ')'
            WHEN requests_measured THEN
                CASE WHEN parts_measured > 0
                     THEN parts_measured || ' of ' || greatest(parts_measured, coalesce(variants, 0)) || ' variants had no request in '
                     ELSE 'no request in ' END
                || $window_days || ' days (' || findings.coverage(request_hours, hours_seen) || ')'
            ELSE 'no datapoint of a request in ' || $window_days || ' days, while its machines were measured ('
                || findings.coverage(hardware_hours, hours_seen) || '): requests are published only when there are any'
        END
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE status WHEN 'idle' THEN findings.unsaved_note(committed_cost, 0, currency) ELSE '' END AS reason,
        evidence
    FROM verdicts
)

SELECT * FROM idle_endpoint
