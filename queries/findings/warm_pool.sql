/*
id: warm_pool
title: Training warm pools that are kept alive
version: 1
owner: finops-ledger
why: >
  A warm pool bills between jobs, for nothing but a faster start of the next one.
misses: >
  Whether the next job found the pool warm. The bill names no job on a pool's hours.
recommended_action: >
  Shorten the keep-alive period, or leave the warm pool out where jobs are rare.
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today that are looked at.}
reads: [findings.resource_day, findings.account_day]
*/
WITH billed AS (
    SELECT * FROM findings.billed_in_window(['training.warmpool'], $today, $window_days)
    WHERE billed_hours > 0 AND still_billed
),

warm_pool AS (
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

SELECT * FROM warm_pool
