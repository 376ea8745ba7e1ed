/*
id: spend_daily
title: Spend by day, thirteen weeks
version: 1
owner: finops-ledger
why: A day that stands out is easier to explain than a month that does.
misses: Fees, support and tax fall on the day that the provider names, mostly the first of a month.
reads: [focus.cost_and_usage]
params:
  period: {type: period, default: last-week, help: "Its last day is the last of the thirteen weeks"}
columns:
  Day: The day on which the charges begin, UTC
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised
  BilledCost: What the invoice charges for the same rows
  ChargeCount: Rows of the bill
*/
WITH charges AS (
    SELECT CAST(ChargePeriodStart AS DATE) AS Day, BillingCurrency, EffectiveCost, BilledCost
    FROM focus.cost_and_usage
    WHERE ChargePeriodStart >= CAST($period_end AS DATE) - 91
      AND ChargePeriodStart < CAST($period_end AS DATE)
),
spend_daily AS (            -- a day without a row is not in the ledger: unknown, not zero
    SELECT
        Day,
        BillingCurrency,
        sum(EffectiveCost) AS EffectiveCost,
        sum(BilledCost) AS BilledCost,
        count(*) AS ChargeCount
    FROM charges
    GROUP BY Day, BillingCurrency
)
SELECT * FROM spend_daily
ORDER BY BillingCurrency, Day
