/*
id: underused_endpoint
title: Real-time endpoints whose machines are too big for their traffic
version: 1
owner: finops-ledger
why: >
  It is called, and for 95 percent of the hours of each day its GPUs and their memory are nearly free; without an accelerator:
  its processors and memory. A smaller machine, fewer of them, or machines shared with other models would do.
misses: >
  A GPU that is not measured: a quiet CPU says nothing about it, there is no row. Utilisation is each hour's average, so short
  peaks within an hour are not seen: confidence medium. Google measures an endpoint's memory in bytes: there is no row where
  nothing else tells a share of it. Asynchronous endpoints work in bursts and are not judged. vCPUs are counted by the machine's
  size.
recommended_action: >
  Try a smaller machine or fewer instances under the same load (SageMaker Inference Recommender, or a variant with a little of
  the traffic); put several small models on one endpoint as inference components.
check:
  AWS: aws sagemaker describe-endpoint --endpoint-name {name} --region {region}
  GCP: gcloud ai endpoints describe {name} --region={region} --project={account}
  Azure: az resource show --ids {id}
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today that are looked at.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
  gpu_percent: {type: integer, default: 20, unit: percent, help: A GPU that stays below is hardly used.}
  gpu_memory_percent: {type: integer, default: 40, unit: percent, help: 'So does its memory: the model would fit on a smaller one.'}
  cpu_percent: {type: integer, default: 20, unit: percent, help: 'Without an accelerator: processors and memory that stay below.'}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH judged AS (
    SELECT *, coalesce(json_array_length(properties, '$.Variants'), json_array_length(properties, '$.DeployedModels'), 1) AS parts
    FROM findings.judged(['inference.endpoint'], $today, $window_days)
),

endpoints AS (
    SELECT
        * EXCLUDE (cpu_p95),
        -- SageMaker adds up the cores
        cpu_p95 / CASE provider WHEN 'AWS' THEN findings.vcpu_count(machine) ELSE 1 END AS cpu_p95,
        CASE WHEN gpu_hours > 0 OR findings.has_accelerator(machine) THEN true
             WHEN CAST(json_extract(properties, '$.DeployedModels[*].AcceleratorType') AS VARCHAR) LIKE '%"%' THEN true
             -- unknown where the bill names no machine
             ELSE findings.has_accelerator(machine) END AS has_accelerator,
        findings.covers(gpu_hours, hours_seen, $measured_percent)
            AND findings.covers(gpu_memory_hours, hours_seen, $measured_percent)
            -- every variant or deployed model, and not by averages alone
            AND gpu_p95_known AND (gpu_least_parts = 0 OR gpu_least_parts >= parts) AS gpu_measured,
        findings.covers(cpu_hours, hours_seen, $measured_percent)
            AND findings.covers(memory_hours, hours_seen, $measured_percent)
            AND cpu_p95_known AND (cpu_least_parts = 0 OR cpu_least_parts >= parts) AS cpu_measured
    FROM judged
    WHERE billed_hours > 0 AND still_billed AND NOT too_young AND requests > 0
      AND NOT coalesce(CAST(properties ->> '$.Async' AS BOOLEAN), false)
),

quiet AS (
    SELECT *
    FROM endpoints
    WHERE CASE
        WHEN has_accelerator THEN gpu_measured AND gpu_p95 < $gpu_percent AND gpu_memory_p95 < $gpu_memory_percent
        WHEN NOT has_accelerator THEN cpu_measured AND cpu_p95 < $cpu_percent AND memory_p95 < $cpu_percent
        ELSE false
    END
),

underused_endpoint AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        'underused' AS status, 'medium' AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving,
        currency,
        CASE WHEN has_accelerator
             THEN 'p95 of its GPU ' || findings.number(gpu_p95) || ' percent, of GPU memory '
                || findings.number(gpu_memory_p95) || ' percent'
                || CASE WHEN gpus > 1 THEN ' (of each of ' || gpus || ' GPUs)' ELSE '' END
             ELSE 'p95 of its CPU ' || findings.number(cpu_p95) || ' percent, of memory ' || findings.number(memory_p95)
                || ' percent' END
            || ' in ' || $window_days || ' days ('
            || findings.coverage(if(has_accelerator, gpu_hours, cpu_hours), hours_seen) || '), '
            || findings.grouped(requests) || ' requests; '
            || findings.billed_words(billed_hours, machine, cost_in_window, currency)
            || '; what a smaller machine costs is not in the bill, so no saving is named' AS reason,
        json_merge_patch(evidence, json_object(
            'gpus', gpus, 'gpu_p95', CAST(gpu_p95 AS DOUBLE), 'gpu_memory_p95', CAST(gpu_memory_p95 AS DOUBLE),
            'cpu_p95', CAST(cpu_p95 AS DOUBLE), 'memory_p95', CAST(memory_p95 AS DOUBLE),
            'below', json_object('gpu', $gpu_percent, 'gpu_memory', $gpu_memory_percent, 'cpu_and_memory', $cpu_percent)
        )) AS evidence
    FROM quiet
)

SELECT * FROM underused_endpoint
