/*
id: idle_endpoint
title: Real-time endpoints that nobody calls
version: 2
owner: finops-ledger
why: >
  An endpoint bills its machines around the clock, called or not. It is idle if in the whole window no variant or component of
  it had a request: measured as zero, confidence high; or without a datapoint where the provider documents that it publishes
  only when there is traffic (SageMaker's Invocations), while a hardware metric shows that measuring works, confidence medium.
  Medium too: no copy of an inference component is on its machines, or its GPU was measured and did nothing.
misses: >
  Traffic that answers nobody, such as health checks: the rule canary_endpoint. Endpoints deleted before the last billed day are
  'active': they cost nothing any more. Serverless endpoints without provisioned concurrency are never billed idle. Google and
  Azure do not document that an endpoint without requests has no datapoint: without a zero there is no verdict, unless its GPU
  has one.
recommended_action: >
  Ask the owner who still needs it; then delete the endpoint. Its model and its configuration stay and cost nothing.
check:
  AWS: aws sagemaker describe-endpoint --endpoint-name {name} --region {region}
  GCP: gcloud ai endpoints describe {name} --region={region} --project={account}
  Azure: az resource show --ids {id}
change:
  AWS: aws sagemaker delete-endpoint --endpoint-name {name} --region {region}
  GCP: gcloud ai endpoints undeploy-model {name} --deployed-model-id=DEPLOYED_MODEL_ID --region={region} --project={account}
  Azure: az resource delete --ids {id}
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today in which nobody called.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
  busy_percent: {type: integer, default: 5, unit: percent, help: A GPU at this or above computes something.}
  busy_cpu_percent: {type: integer, default: 50, unit: percent, help: 'Without an accelerator: so does a processor.'}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH component_requests AS (
    SELECT resource_key, sum(hours) AS hours, sum(total) AS requests, max(day) FILTER (total > 0) AS last_day
    FROM findings.activity_day
    WHERE signal = 'requests' AND day >= CAST($today AS DATE) - $window_days AND day < $today
    GROUP BY resource_key
),

-- components that hold copies; how many is not always said
components AS (
    SELECT
        ledger.endpoint_of(r.resource_key, r.properties) AS endpoint_key,
        count(*) AS holding,
        min(coalesce(a.hours, 0)) AS least_hours,
        sum(a.requests) AS requests,
        max(a.last_day) AS last_day
    FROM findings.resource AS r
    LEFT JOIN component_requests AS a ON a.resource_key = r.resource_key
    WHERE ledger.is_component(r.resource_key, r.resource_type)
      AND coalesce(TRY_CAST(r.properties ->> '$.CopyCount' AS INTEGER), 1) > 0
    GROUP BY endpoint_key
),

billed AS (
    SELECT
        e.* EXCLUDE (requests, last_request_day),
        greatest(e.requests, c.requests) AS requests,
        greatest(e.last_request_day, c.last_day) AS last_request_day,
        c.holding AS components,
        c.least_hours,
        coalesce(CAST(e.properties ->> '$.InferenceComponents' AS BOOLEAN), false) AND c.holding IS NULL
            -- by a list of today, not by an old one
            AND NOT regexp_matches(coalesce(e.inventory_problem, ''), '(^|; )sagemaker ') AS is_empty,
        CASE WHEN e.parts_measured = 0 THEN 1
             ELSE greatest(e.parts_measured, coalesce(json_array_length(e.properties, '$.Variants'), 1)) END AS parts
    FROM findings.judged(['inference.endpoint'], $today, $window_days) AS e
    LEFT JOIN components AS c ON c.endpoint_key = e.resource_key
    WHERE e.billed_hours > 0 AND NOT coalesce(CAST(e.properties ->> '$.Async' AS BOOLEAN), false)
),

endpoints AS (
    SELECT
        *,
        CASE WHEN components > 0 THEN findings.covers(least_hours, hours_seen, $measured_percent)
             ELSE findings.covers(request_part_hours, hours_seen * parts, $measured_percent) END AS requests_measured,
        findings.covers(hardware_hours, hours_seen, $measured_percent) AS hardware_measured,
        findings.covers(gpu_hours, hours_seen, $measured_percent) AND gpu_most = 0 AND gpu_greatest_known
            AND (gpu_parts = 0 OR gpu_parts >= coalesce(json_array_length(properties, '$.DeployedModels'), parts)) AS gpu_still
    FROM billed
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN requests > 0 THEN 'called'
            WHEN NOT still_billed THEN 'gone'
            WHEN obstacle IS NOT NULL THEN 'obstacle'
            WHEN is_empty THEN 'empty'
            WHEN requests_measured THEN 'measured'
            WHEN provider = 'AWS' AND hardware_measured AND coalesce(gpu_most, 0) < $busy_percent
                AND (coalesce(findings.has_accelerator(machine), false) OR coalesce(cpu_p95, 0) < $busy_cpu_percent) THEN 'published'
            WHEN gpu_still THEN 'still'
            ELSE 'unmeasured'
        END AS ground
    FROM endpoints
),

idle_endpoint AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        CASE WHEN ground IN ('called', 'gone') THEN 'active' WHEN ground IN ('obstacle', 'unmeasured') THEN 'unknown' ELSE 'idle'
        END AS status,
        CASE WHEN ground IN ('obstacle', 'unmeasured') THEN 'low'
             WHEN ground IN ('empty', 'published', 'still') THEN 'medium'
             ELSE 'high'
        END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE WHEN status = 'idle' THEN monthly_if_deleted END AS monthly_saving,
        currency,
        CASE ground
            WHEN 'called' THEN findings.grouped(requests) || ' requests in ' || $window_days || ' days, the last on '
                || last_request_day
            WHEN 'gone' THEN 'last billed on ' || last_day
            WHEN 'obstacle' THEN 'no verdict: ' || obstacle
            WHEN 'empty' THEN 'no copy of an inference component is on its machines, and no request was measured in '
                || $window_days || ' days'
            WHEN 'measured' THEN CASE
                    WHEN components > 0 THEN 'none of its ' || components || ' inference components had a request in '
                    WHEN parts_measured > 0 THEN parts_measured || ' of ' || parts || ' variants had no request in '
                    ELSE 'no request in ' END
                || $window_days || ' days (' || findings.coverage(coalesce(least_hours, request_hours), hours_seen) || ')'
            WHEN 'published' THEN
                CASE WHEN request_hours > 0 THEN 'no request was measured in ' ELSE 'no datapoint of a request in ' END
                || $window_days || ' days, while its machines were measured (' || findings.coverage(hardware_hours, hours_seen)
                || '): requests are published only when there are any'
            WHEN 'still' THEN 'its GPU did nothing in ' || $window_days || ' days (' || findings.coverage(gpu_hours, hours_seen)
                || '); its requests were not measured'
            ELSE 'no verdict: its requests were not measured ('
                || findings.coverage(greatest(request_hours, hardware_hours), hours_seen) || ')'
                || CASE WHEN gpu_most >= $busy_percent
                        THEN ', and its GPU reached ' || findings.number(gpu_most) || ' percent'
                        WHEN hardware_measured AND cpu_p95 >= $busy_cpu_percent
                        THEN ', and p95 of its CPU is ' || findings.number(cpu_p95) || ' percent' ELSE '' END
        END
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE WHEN status = 'idle' THEN findings.unsaved_note(committed_cost, 0, currency) ELSE '' END AS reason,
        evidence
    FROM verdicts
)

SELECT * FROM idle_endpoint
