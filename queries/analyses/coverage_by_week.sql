/*
id: coverage_by_week
title: How spend found its team, week by week
version: 1
owner: finops-ledger
why: A rule or a tag that broke shows in the week in which it broke, not at the end of the month.
grain: period
reads: [allocation.charges, ledger.days]
params:
  period: {type: period, default: last-week, help: "The week of its last day is the last of the thirteen"}
columns:
  WeekStart: The Monday, UTC
  AllocationMethod: direct (a tag), inherited, mapped, split, default; "unallocated" if no rule found a team
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised
  SharePercent: Part of the currency's cost in the week, in percent
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
        CASE WHEN Team = 'unallocated' THEN 'unallocated' ELSE x_AllocationMethod END AS AllocationMethod,
        BillingCurrency,
        AllocatedEffectiveCost
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
    SELECT WeekStart, AllocationMethod, BillingCurrency, sum(AllocatedEffectiveCost) AS EffectiveCost
    FROM shares
    GROUP BY WeekStart, AllocationMethod, BillingCurrency
),
coverage_by_week AS (
    SELECT
        sums.WeekStart,
        sums.AllocationMethod,
        sums.BillingCurrency,
        sums.EffectiveCost,
        round(100.0 * sums.EffectiveCost
              / NULLIF(sum(sums.EffectiveCost) OVER (PARTITION BY sums.WeekStart, sums.BillingCurrency), 0), 1) AS SharePercent,
        days.DaysInLedger
    FROM sums
    JOIN days ON days.WeekStart = sums.WeekStart AND days.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
)
SELECT * FROM coverage_by_week
ORDER BY BillingCurrency, WeekStart, EffectiveCost DESC, AllocationMethod
