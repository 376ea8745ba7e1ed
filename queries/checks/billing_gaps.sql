/*
id: billing_gaps
title: Days of a finished month without any charge
version: 1
owner: finops-ledger
grade: warn
why: >
  A day that no line of a bill mentions is nearly always a file that is missing, not a day on which everything was off.
misses: >
  Days of the month that is still running, and a day of which only a part is missing. An account that was opened or closed in
  the month: only days between its first and last charge count.
reads: [ledger.charge, ledger.slice]
*/
WITH days AS (
    SELECT DISTINCT slice_id, CAST(ChargePeriodStart AS DATE) AS day
    FROM ledger.charge
    WHERE ChargePeriodMicroseconds <= 25 * 3600000000
),

account_days AS (
    SELECT DISTINCT s.source_id, s.billing_account_id, d.day
    FROM days AS d
    JOIN ledger.slice AS s ON s.slice_id = d.slice_id
),

followed AS (
    SELECT
        source_id,
        billing_account_id,
        day AS last_day_before,
        lead(day) OVER (PARTITION BY source_id, billing_account_id ORDER BY day) AS next_day
    FROM account_days
),

periods AS (
    SELECT source_id, billing_account_id, CAST(billing_period_start AS DATE) AS first, CAST(billing_period_end AS DATE) AS last
    FROM ledger.slice
    WHERE billing_period_end <= CAST($today AS TIMESTAMP)
),

-- only the part of a gap that lies in a month that is loaded: what lies in another is a month not loaded
billing_gaps AS (
    SELECT
        f.source_id,
        f.billing_account_id,
        greatest(f.last_day_before + 1, p.first) AS first_missing_day,
        least(f.next_day, p.last) - 1 AS last_missing_day,
        least(f.next_day, p.last) - greatest(f.last_day_before + 1, p.first) AS missing_days
    FROM followed AS f
    JOIN periods AS p
        ON p.source_id = f.source_id
       AND p.billing_account_id IS NOT DISTINCT FROM f.billing_account_id
       AND f.next_day > p.first
       AND f.last_day_before + 1 < p.last
    WHERE f.next_day > f.last_day_before + 1
)

SELECT * FROM billing_gaps
ORDER BY first_missing_day
