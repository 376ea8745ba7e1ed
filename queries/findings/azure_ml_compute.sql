/*
id: azure_ml_compute
title: Azure ML computes that nobody has touched
version: 2
owner: finops-ledger
why: >
  A compute instance bills until it is stopped, and a cluster as long as its minimum of nodes is above zero. One that was billed
  to the end, on which nothing was done in the whole window (its last operation is older) and whose machines did not work, where
  they were measured, is idle: confidence medium, for working in a notebook is no operation.
misses: >
  The bill does not say whether a compute is somebody's instance or a cluster, and no collector of finops reads Azure ML:
  without an inventory of yours (properties LastOperationAt) there is no verdict. Spot computes are training and not listed.
recommended_action: >
  Ask the owner; stop it, and set an idle shutdown, and a minimum of zero nodes for clusters.
check:
  Azure: az resource show --ids {id}
change:
  Azure: az ml compute stop --name {name} --resource-group {path4} --workspace-name {parent} --subscription {account}
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today in which nothing was done.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
  busy_percent: {type: integer, default: 5, unit: percent, help: 'A GPU at this or above works; without a GPU: the CPU.'}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH computes AS (
    SELECT
        *,
        TRY_CAST(properties ->> '$.LastOperationAt' AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS last_operation,
        coalesce(CASE WHEN gpu_hours > 0 THEN gpu_most WHEN NOT findings.has_accelerator(machine) THEN cpu_most END, 0) AS most,
        CASE WHEN gpu_hours > 0 THEN 'GPU' ELSE 'CPU' END AS device,
        CASE WHEN gpu_hours > 0 THEN gpu_hours WHEN NOT findings.has_accelerator(machine) THEN cpu_hours ELSE 0 END AS device_hours
    FROM findings.judged(['compute.azureml'], $today, $window_days)
    WHERE billed_hours > 0
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN most >= $busy_percent THEN 'works'
            WHEN last_operation >= window_start THEN 'operated'
            WHEN NOT still_billed THEN 'gone'
            WHEN obstacle IS NOT NULL THEN 'obstacle'
            WHEN last_operation IS NULL THEN 'unmeasured'
            ELSE 'untouched'
        END AS ground
    FROM computes
),

azure_ml_compute AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        CASE WHEN ground IN ('works', 'operated', 'gone') THEN 'active' WHEN ground = 'untouched' THEN 'idle' ELSE 'unknown'
        END AS status,
        CASE WHEN ground IN ('works', 'gone') THEN 'high' WHEN ground = 'untouched' THEN 'medium' ELSE 'low' END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE ground WHEN 'untouched' THEN monthly_saveable END AS monthly_saving,
        currency,
        CASE ground
            WHEN 'works' THEN 'its ' || device || ' reached ' || findings.number(most) || ' percent in ' || $window_days || ' days'
            WHEN 'operated' THEN 'last operation on ' || strftime(last_operation, '%Y-%m-%d')
            WHEN 'gone' THEN 'last billed on ' || last_day
            WHEN 'obstacle' THEN 'no verdict: ' || obstacle
            WHEN 'unmeasured' THEN 'no verdict: when it was last used is not known, and its activity has not been measured'
            ELSE 'last operation on ' || strftime(last_operation, '%Y-%m-%d') || ', before the ' || $window_days || ' days'
                || coalesce('; state ' || state, '')
                || CASE WHEN findings.covers(device_hours, hours_seen, $measured_percent)
                        THEN '; its ' || device || ' reached ' || findings.number(most) || ' percent ('
                            || findings.coverage(device_hours, hours_seen) || ')'
                        ELSE '; its machines were not measured' END
        END
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE ground WHEN 'untouched' THEN findings.unsaved_note(committed_cost, other_cost, currency) ELSE '' END AS reason,
        json_merge_patch(evidence, json_object('last_operation', strftime(last_operation, '%Y-%m-%dT%H:%M:%SZ'))) AS evidence
    FROM verdicts
)

SELECT * FROM azure_ml_compute
