/*
id: gpu_instance_always_on
title: Machines with accelerators that run around the clock and are not measured
version: 1
owner: finops-ledger
why: >
  Accelerators are rented by the hour. One that runs day and night since it was started is either important or forgotten; the
  bill cannot tell which.
misses: >
  Machines that run less than that, or have been ended. A busy CPU says nothing about a GPU: without GPU metrics there is no
  verdict. Nodes of Kubernetes are judged as machines.
recommended_action: >
  Measure the accelerator (CloudWatch agent, Ops Agent, DCGM), or ask who uses it; stop what nobody uses.
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today that are looked at.}
  always_on_percent: {type: integer, default: 90, unit: percent, help: Billed for at least this share of the hours is always on.}
reads: [findings.resource_day, findings.account_day]
*/
WITH billed AS (
    SELECT * FROM findings.billed_in_window(['gpu.ec2', 'gpu.gce', 'gpu.azure', 'tpu'], $today, $window_days)
    WHERE billed_hours > 0 AND still_billed
      AND hours_seen * 100 >= hours_since_first * $always_on_percent
),

gpu_instance_always_on AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        'unknown' AS status, 'low' AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving,
        currency,
        'billed ' || findings.number(hours_seen) || ' of ' || hours_expected || ' hours in ' || $window_days || ' days ('
            || findings.number(billed_hours) || ' machine-, GPU- or chip-hours); ' || coalesce(machine || '; ', '')
            || findings.money(cost_in_window, currency)
            || '; no saving is named, because its activity has not been measured' AS reason,
        evidence
    FROM billed
)

SELECT * FROM gpu_instance_always_on
