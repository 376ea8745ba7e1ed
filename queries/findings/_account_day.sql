-- The days for which a billing account has any usage (fees, tax and credits can be ahead of it): hours that nobody has billed yet are no idle hours.
WITH days AS (
    SELECT DISTINCT slice_id, CAST(ChargePeriodStart AS DATE) AS day
    FROM ledger.charge
    WHERE dimension_id IN (SELECT x_DimensionId FROM ledger.dimensions WHERE ChargeCategory = 'Usage')
      AND ChargePeriodStart >= CAST($today AS DATE) - CAST($horizon_days AS INTEGER)
      AND ChargePeriodStart < CAST($today AS DATE)
      AND ChargePeriodMicroseconds <= 25 * 3600000000
),

account_day AS (
    SELECT DISTINCT s.billing_account_id, d.day
    FROM days AS d
    JOIN ledger.slice AS s ON s.slice_id = d.slice_id
)

SELECT * FROM account_day
