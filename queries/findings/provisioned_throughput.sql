/*
id: provisioned_throughput
title: Provisioned model throughput whose use is not measured
version: 1
owner: finops-ledger
why: >
  Model units and PTUs are paid by the hour, invoked or not. Whether anybody invoked them the bill does not say.
misses: >
  Commitments of one and six months are billed by the hour here too: the saving begins only at the end of the term.
recommended_action: >
  Compare the tokens used with the tokens provisioned; delete it, or go back to on-demand tokens, if it is not needed.
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today that are looked at.}
reads: [findings.resource_day, findings.account_day]
*/
WITH billed AS (
    SELECT * FROM findings.billed_in_window(['inference.provisioned'], $today, $window_days)
    WHERE billed_hours > 0 AND still_billed
),

provisioned_throughput AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        'unknown' AS status, 'low' AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving,
        currency,
        'billed ' || findings.number(hours_seen) || ' of ' || hours_expected || ' hours in ' || $window_days || ' days ('
            || findings.number(billed_hours) || ' unit-hours); ' || coalesce(machine || '; ', '')
            || findings.money(cost_in_window, currency)
            || '; no saving is named, because its activity has not been measured' AS reason,
        evidence
    FROM billed
)

SELECT * FROM provisioned_throughput
