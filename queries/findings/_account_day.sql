-- The days for which a billing account has any charge: hours that nobody has billed yet are no idle hours.
WITH days AS (
    SELECT DISTINCT slice_id, CAST(ChargePeriodStart AS DATE) AS day
    FROM ledger.charge
    WHERE ChargePeriodStart >= CAST($today AS DATE) - CAST($horizon_days AS INTEGER)
      AND ChargePeriodStart < CAST($today AS DATE)
      AND ChargePeriodMicroseconds <= 25 * 3600000000
),

account_day AS (
    SELECT DISTINCT s.billing_account_id, d.day
    FROM days AS d
    JOIN ledger.slice AS s ON s.slice_id = d.slice_id
)

SELECT * FROM account_day
