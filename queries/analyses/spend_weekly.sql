/*
id: spend_weekly
title: Spend by week and team, thirteen weeks
version: 1
owner: finops-ledger
why: One week says little; a quarter shows the direction, and whose it is.
grain: period
reads: [allocation.charges, ledger.days]
params:
  period: {type: period, default: last-week, help: "The week of its last day is the last of the thirteen"}
columns:
  WeekStart: The Monday, UTC
  Team: Who answers for it; "unallocated" if nobody
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised
  BilledCost: What the invoice charges for the same rows
  DaysInLedger: Days of that week on which the currency has charges at all; fewer than 7 is a part of a week
*/
WITH weeks AS (
    SELECT
        CAST(date_trunc('week', CAST($period_end AS DATE) - 1) AS DATE) - 84 AS first_monday,
        CAST(date_trunc('week', CAST($period_end AS DATE) - 1) AS DATE) + 7 AS end_monday
),
shares AS (
    SELECT
        CAST(date_trunc('week', ChargePeriodStart) AS DATE) AS WeekStart,
        Team,
        BillingCurrency,
        AllocatedEffectiveCost,
        AllocatedBilledCost
    FROM allocation.charges
    WHERE ChargePeriodStart >= (SELECT first_monday FROM weeks)
      AND ChargePeriodStart < (SELECT end_monday FROM weeks)
),
days AS (
    SELECT CAST(date_trunc('week', day) AS DATE) AS WeekStart, BillingCurrency, count(*) AS DaysInLedger
    FROM ledger.days
    GROUP BY ALL
),
sums AS (
    SELECT
        WeekStart,
        Team,
        BillingCurrency,
        sum(AllocatedEffectiveCost) AS EffectiveCost,
        sum(AllocatedBilledCost) AS BilledCost
    FROM shares
    GROUP BY WeekStart, Team, BillingCurrency
),
spend_weekly AS (
    SELECT sums.WeekStart, sums.Team, sums.BillingCurrency, sums.EffectiveCost, sums.BilledCost, days.DaysInLedger
    FROM sums
    JOIN days ON days.WeekStart = sums.WeekStart AND days.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
)
SELECT * FROM spend_weekly
ORDER BY BillingCurrency, WeekStart, EffectiveCost DESC, Team
