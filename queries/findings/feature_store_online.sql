/*
id: feature_store_online
title: Online feature stores and vector indexes whose requests are not measured
version: 1
owner: finops-ledger
why: >
  Nodes of an online store or an index bill by the hour, asked or not.
misses: >
  Offline feature stores are storage and queries. On-demand online stores bill by request: they are not listed.
recommended_action: >
  Compare with the request count of the store; delete online stores that nobody reads.
params:
  window_days: {type: integer, default: 30, unit: days, help: The days before today that are looked at.}
reads: [findings.resource_day, findings.account_day]
*/
WITH billed AS (
    SELECT * FROM findings.billed_in_window(['featurestore', 'inference.vector'], $today, $window_days)
    WHERE billed_hours > 0 AND still_billed
),

feature_store_online AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        'unknown' AS status, 'low' AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving,
        currency,
        'billed ' || findings.number(hours_seen) || ' of ' || hours_expected || ' hours in ' || $window_days || ' days ('
            || findings.number(billed_hours) || ' node-hours); ' || coalesce(machine || '; ', '')
            || findings.money(cost_in_window, currency)
            || '; no saving is named, because its activity has not been measured' AS reason,
        evidence
    FROM billed
)

SELECT * FROM feature_store_online
