/*
id: azure_ml_compute
title: Azure ML computes that run and are not measured
version: 1
owner: finops-ledger
why: >
  A compute instance bills until it is stopped, and a cluster as long as its minimum of nodes is above zero.
misses: >
  The bill does not say whether a compute is somebody's instance or a cluster. Spot computes are training and not listed.
recommended_action: >
  Look at the compute's last operation in the workspace; set an idle shutdown, and a minimum of zero nodes for clusters.
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today that are looked at.}
reads: [findings.resource_day, findings.account_day]
*/
WITH billed AS (
    SELECT * FROM findings.billed_in_window(['compute.azureml'], $today, $window_days)
    WHERE billed_hours > 0 AND still_billed
),

azure_ml_compute AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        'unknown' AS status, 'low' AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving,
        currency,
        'billed ' || findings.number(hours_seen) || ' of ' || hours_expected || ' hours in ' || $window_days || ' days ('
            || findings.number(billed_hours) || ' machine- or GPU-hours); ' || coalesce(machine || '; ', '')
            || findings.money(cost_in_window, currency)
            || '; no saving is named, because its activity has not been measured' AS reason,
        evidence
    FROM billed
)

SELECT * FROM azure_ml_compute
