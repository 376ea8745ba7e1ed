/*
id: unused_reservation
title: Reservations and committed use that cover nothing
version: 1
owner: finops-ledger
why: >
  The unused part of a reservation is billed and buys nothing. Every bill that amortises commitments states it
  (CommitmentDiscountStatus 'Unused'): confidence high.
misses: >
  What could have been covered but was not. A charge counts on the day on which its period starts: a monthly fee is in the
  window as a whole or not at all.
recommended_action: >
  Move steady usage under it, share it across accounts, sell or exchange it where the provider allows, and buy less at renewal.
check:
  AWS reserved-instances: aws ec2 describe-reserved-instances --reserved-instances-ids {name} --region {region}
params:
  window_days: {type: integer, default: 30, unit: days, help: The days before today that are looked at.}
  least_percent: {type: integer, default: 5, unit: percent, help: Less unused than this share of the commitment is fine.}
  idle_percent: {type: integer, default: 90, unit: percent, help: From this unused share on it is idle instead of underused.}
reads: [findings.commitment_day]
*/
WITH commitments AS (
    SELECT
        provider, commitment_id, currency,
        arg_max(account_id, effective_cost) FILTER (status = 'Unused') AS account_id,
        arg_max(region, effective_cost) FILTER (status = 'Unused') AS region,
        max(commitment_name) AS commitment_name,
        max(commitment_type) AS commitment_type,
        min(day) AS first_day,
        max(day) AS last_day,
        coalesce(sum(effective_cost) FILTER (status = 'Unused'), 0) AS unused_cost,
        sum(effective_cost) AS cost
    FROM findings.commitment_day
    WHERE category = 'Usage' AND day >= $today - $window_days AND day < $today
    GROUP BY provider, commitment_id, currency
),

judged AS (
    SELECT
        *,
        CASE WHEN unused_cost * 100 >= cost * $idle_percent THEN 'idle'
             WHEN unused_cost * 100 >= cost * $least_percent THEN 'underused'
             ELSE 'active' END AS status,
        findings.number(CAST(unused_cost AS DOUBLE) / nullif(CAST(cost AS DOUBLE), 0) * 100) AS unused_percent
    FROM commitments
    WHERE cost > 0 AND unused_cost > 0
),

unused_reservation AS (
    SELECT
        provider, account_id, region,
        commitment_id AS resource_id,
        commitment_name AS resource_name,
        commitment_type AS resource_type,
        'commitment' AS workload_kind,
        status,
        'high' AS confidence,
        CAST($today - $window_days AS TIMESTAMP) AS window_start,
        CAST($today AS TIMESTAMP) AS window_end,
        CAST(NULL AS DECIMAL(38, 18)) AS billed_hours,
        CAST(unused_cost AS DECIMAL(38, 18)) AS cost_in_window,
        findings.monthly(unused_cost, $window_days) AS monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving,
        currency,
        findings.money(unused_cost, currency) || ' of ' || findings.money(cost, currency) || ' (' || unused_percent
            || ' %) covered nothing in ' || $window_days
            || ' days; no saving is named, because a commitment is paid to the end of its term' AS reason,
        json_object('window_days', $window_days, 'unused_cost', CAST(unused_cost AS VARCHAR),
                    'used_cost', CAST(cost - unused_cost AS VARCHAR), 'first_billed_day', CAST(first_day AS VARCHAR),
                    'last_billed_day', CAST(last_day AS VARCHAR), 'excluded', 'credits, tax') AS evidence
    FROM judged
)

SELECT * FROM unused_reservation
