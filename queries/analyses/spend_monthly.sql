/*
id: spend_monthly
title: Spend by month and team, thirteen months
version: 1
owner: finops-ledger
why: A month beside the same month of last year; budgets and invoices are monthly.
misses: >
  Months are those in which charges begin. Months differ in their days: DaysInLedger says how many of each there are.
grain: period
reads: [allocation.charges, ledger.days]
params:
  period: {type: period, default: last-month, help: "The month of its last day is the last of the thirteen"}
columns:
  Month: The first day of the month, UTC
  Team: Who answers for it; "unallocated" if nobody
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised
  BilledCost: What the invoice charges for the same rows
  DaysInLedger: Days of that month on which the currency has charges at all; fewer than DaysInMonth is a part of a month
  DaysInMonth: Days of that month
*/
WITH in_ledger AS (
    SELECT CAST(date_trunc('month', day) AS DATE) AS Month, BillingCurrency, count(*) AS DaysInLedger
    FROM ledger.days
    GROUP BY ALL
),
sums AS (
    SELECT
        CAST(date_trunc('month', ChargePeriodStart) AS DATE) AS Month,
        Team,
        BillingCurrency,
        CAST(sum(AllocatedEffectiveCost) AS DECIMAL(38, 18)) AS EffectiveCost,
        CAST(sum(AllocatedBilledCost) AS DECIMAL(38, 18)) AS BilledCost
    FROM allocation.charges
    WHERE ChargePeriodStart >= date_trunc('month', CAST($period_end AS DATE) - 1) - INTERVAL 12 MONTH
      AND ChargePeriodStart < date_trunc('month', CAST($period_end AS DATE) - 1) + INTERVAL 1 MONTH
    GROUP BY Month, Team, BillingCurrency
),
spend_monthly AS (
    SELECT
        sums.Month,
        sums.Team,
        sums.BillingCurrency,
        sums.EffectiveCost,
        sums.BilledCost,
        in_ledger.DaysInLedger,
        day(last_day(sums.Month)) AS DaysInMonth
    FROM sums
    JOIN in_ledger ON in_ledger.Month = sums.Month
        AND in_ledger.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
)
SELECT * FROM spend_monthly
ORDER BY BillingCurrency, Month, EffectiveCost DESC, Team
