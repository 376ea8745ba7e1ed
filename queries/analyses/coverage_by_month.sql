/*
id: coverage_by_month
title: How spend found its team, month by month
version: 1
owner: finops-ledger
why: >
  Coverage is a number to watch over time: more that is tagged directly, less that is split, mapped or nobody's. Thirteen
  months, each against the one before.
misses: >
  The month of the period's last day may have begun only: DaysInLedger says how much of it there is. Months are those in which
  charges begin; a booked month keeps the allocation that it was booked with.
grain: period
reads: [allocation.charges, ledger.days]
params:
  period: {type: period, default: last-week, help: "The month of its last day is the last of the thirteen"}
columns:
  Month: The first day of the month
  AllocationMethod: direct (a tag), inherited, mapped, split, default; "unallocated" if no rule found a team
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised
  SharePercent: Part of the currency's cost in the month, in percent
  PreviousEffectiveCost: EffectiveCost in the month before; empty if the currency has no charges in it
  PreviousSharePercent: Its part of the month before, in percent
  ShareChangePoints: SharePercent less PreviousSharePercent, in percentage points
  DaysInLedger: Days of the month on which the currency has charges at all
*/
WITH months AS (
    SELECT
        CAST(date_trunc('month', CAST($period_end AS DATE) - 1) AS DATE) AS last_month,
        CAST(date_trunc('month', CAST($period_end AS DATE) - 1) - INTERVAL 13 MONTH AS DATE) AS before_first,
        CAST(date_trunc('month', CAST($period_end AS DATE) - 1) + INTERVAL 1 MONTH AS DATE) AS end_month
),
shares AS (
    SELECT
        CAST(date_trunc('month', ChargePeriodStart) AS DATE) AS Month,
        CASE WHEN Team = 'unallocated' THEN 'unallocated' ELSE x_AllocationMethod END AS AllocationMethod,
        BillingCurrency,
        AllocatedEffectiveCost
    FROM allocation.charges
    WHERE ChargePeriodStart >= (SELECT before_first FROM months)
      AND ChargePeriodStart < (SELECT end_month FROM months)
),
days AS (
    SELECT CAST(date_trunc('month', day) AS DATE) AS Month, BillingCurrency, count(*) AS DaysInLedger
    FROM ledger.days
    GROUP BY ALL
),
in_ledger AS (
    SELECT shares.Month, shares.BillingCurrency, days.DaysInLedger, sum(shares.AllocatedEffectiveCost) AS total
    FROM shares
    JOIN days ON days.Month = shares.Month AND days.BillingCurrency IS NOT DISTINCT FROM shares.BillingCurrency
    GROUP BY shares.Month, shares.BillingCurrency, days.DaysInLedger
),
methods AS (
    SELECT DISTINCT AllocationMethod, BillingCurrency FROM shares
),
sums AS (
    SELECT Month, AllocationMethod, BillingCurrency, sum(AllocatedEffectiveCost) AS cost
    FROM shares
    GROUP BY Month, AllocationMethod, BillingCurrency
),
filled AS (                 -- a method that has nothing in a month has zero of it; a month that is not in the ledger is no row
    SELECT
        in_ledger.Month,
        methods.AllocationMethod,
        in_ledger.BillingCurrency,
        coalesce(sums.cost, 0) AS EffectiveCost,
        round(100.0 * coalesce(sums.cost, 0) / NULLIF(in_ledger.total, 0), 1) AS SharePercent,
        in_ledger.DaysInLedger
    FROM in_ledger
    JOIN methods ON methods.BillingCurrency IS NOT DISTINCT FROM in_ledger.BillingCurrency
    LEFT JOIN sums ON sums.Month = in_ledger.Month AND sums.AllocationMethod = methods.AllocationMethod
        AND sums.BillingCurrency IS NOT DISTINCT FROM in_ledger.BillingCurrency
),
coverage_by_month AS (
    SELECT
        now.Month,
        now.AllocationMethod,
        now.BillingCurrency,
        now.EffectiveCost,
        now.SharePercent,
        before.EffectiveCost AS PreviousEffectiveCost,
        before.SharePercent AS PreviousSharePercent,
        round(now.SharePercent - before.SharePercent, 1) AS ShareChangePoints,
        now.DaysInLedger
    FROM filled AS now
    LEFT JOIN filled AS before ON before.Month = now.Month - INTERVAL 1 MONTH AND before.AllocationMethod = now.AllocationMethod
        AND before.BillingCurrency IS NOT DISTINCT FROM now.BillingCurrency
    WHERE now.Month > (SELECT before_first FROM months)
      AND (now.EffectiveCost <> 0 OR before.EffectiveCost <> 0)
)
SELECT * FROM coverage_by_month
ORDER BY BillingCurrency, Month DESC, EffectiveCost DESC, AllocationMethod
