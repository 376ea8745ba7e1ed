/*
id: inference_endpoint
title: Real-time and asynchronous endpoints whose traffic is not measured
version: 1
owner: finops-ledger
why: >
  An endpoint bills its machines around the clock, called or not. The bill shows the money but not the calls: 'unknown' is the
  honest verdict, and the largest amounts are where to look first.
misses: >
  Endpoints that were deleted before the last billed day. Serverless endpoints cost nothing without traffic and are never
  listed. Idle or busy: only metrics can tell.
recommended_action: >
  Look at its request count in the provider's own metrics; delete it if nobody calls.
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today that are looked at.}
reads: [findings.resource_day, findings.account_day]
*/
WITH billed AS (
    SELECT * FROM findings.billed_in_window(['inference.endpoint', 'inference.async'], $today, $window_days)
    WHERE billed_hours > 0 AND still_billed
),

inference_endpoint AS (
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

SELECT * FROM inference_endpoint
