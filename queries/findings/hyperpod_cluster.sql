/*
id: hyperpod_cluster
title: HyperPod clusters whose GPUs are not measured
version: 1
owner: finops-ledger
why: >
  A cluster of accelerators is the most expensive thing to forget, and it bills the same with and without a job.
misses: >
  Clusters that were deleted before the last billed day. Jobs on a cluster are not billed apart: a cluster that waits costs as
  much as one that trains.
recommended_action: >
  Look for running jobs; if there are none, delete the cluster or scale its instance groups to zero.
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today that are looked at.}
reads: [findings.resource_day, findings.account_day]
*/
WITH billed AS (
    SELECT * FROM findings.billed_in_window(['training.hyperpod'], $today, $window_days)
    WHERE billed_hours > 0 AND still_billed
),

hyperpod_cluster AS (
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

SELECT * FROM hyperpod_cluster
