/*
id: long_running_job
title: Training and processing jobs that ran for more than a day
version: 1
owner: finops-ledger
why: >
  Long jobs on large machines are where a hung data loader costs most. Whether the GPU was busy the bill cannot tell: the
  verdict is 'unknown', with the hours and the money.
misses: >
  Short jobs. Jobs that failed are billed like jobs that succeeded. Platforms that bill without a resource id per job.
recommended_action: >
  Look at the job's GPU utilisation; set a maximum runtime, use checkpoints and spot capacity.
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today in which the job was billed.}
  long_hours: {type: integer, default: 24, unit: hours, help: A job that was billed in more clock hours than this is long.}
reads: [findings.resource_day, findings.account_day]
*/
WITH jobs AS (
    SELECT * FROM findings.billed_in_window(
        ['training', 'training.spot', 'training.autopilot', 'processing', 'inference.batch'], $today, $window_days
    )
    -- in one go: every day but the first and the last is a full one; a job that runs every night is not long
    WHERE hours_seen > $long_hours AND full_days >= days_billed - 2
),

long_running_job AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        'unknown' AS status, 'low' AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving,
        currency,
        'billed in ' || findings.number(hours_seen) || ' hours of ' || $window_days || ' days ('
            || findings.number(billed_hours) || ' machine- or GPU-hours); ' || coalesce(machine || '; ', '')
            || findings.money(cost_in_window, currency)
            || '; no saving is named, because its GPU has not been measured and a job ends' AS reason,
        evidence
    FROM jobs
)

SELECT * FROM long_running_job
