/*
id: coverage_by_team
title: How each team's spend was found, month by month
version: 1
owner: finops-ledger
why: >
  A team whose spend is mostly mapped or split has not tagged its resources. By month, so that the teams that improve can be
  seen.
misses: >
  The month of the period's last day may have begun only. Months are those in which charges begin.
grain: period
reads: [allocation.charges]
params:
  period: {type: period, default: last-week, help: "The month of its last day is the last of the thirteen"}
columns:
  Month: The first day of the month
  Team: Who answers for it; "unallocated" if nobody
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised
  DirectCost: The part that a tag of the resource gave to the team
  InheritedCost: The part that a tag of something else gave to it, such as of the project
  MappedCost: The part that a mapping file gave to it
  SplitCost: The part that are shares of what several teams use
  OtherCost: The rest, by a default or by no rule
  DirectPercent: DirectCost in percent of EffectiveCost
  PreviousEffectiveCost: EffectiveCost in the month before; empty if the currency has no charges in it
  PreviousDirectPercent: DirectPercent of the month before
  DirectChangePoints: DirectPercent less PreviousDirectPercent, in percentage points
  SharePercent: The team's part of the currency's cost in the month, in percent
*/
WITH months AS (
    SELECT
        CAST(date_trunc('month', CAST($period_end AS DATE) - 1) - INTERVAL 13 MONTH AS DATE) AS before_first,
        CAST(date_trunc('month', CAST($period_end AS DATE) - 1) + INTERVAL 1 MONTH AS DATE) AS end_month
),
shares AS (
    SELECT
        CAST(date_trunc('month', ChargePeriodStart) AS DATE) AS Month,
        Team,
        CASE WHEN Team = 'unallocated' THEN 'unallocated' ELSE x_AllocationMethod END AS method,
        BillingCurrency,
        AllocatedEffectiveCost AS cost
    FROM allocation.charges
    WHERE ChargePeriodStart >= (SELECT before_first FROM months)
      AND ChargePeriodStart < (SELECT end_month FROM months)
),
in_ledger AS (
    SELECT Month, BillingCurrency, sum(cost) AS total
    FROM shares
    GROUP BY Month, BillingCurrency
),
sums AS (
    SELECT
        Month,
        Team,
        BillingCurrency,
        sum(cost) AS EffectiveCost,
        coalesce(sum(cost) FILTER (method = 'direct'), 0) AS DirectCost,
        coalesce(sum(cost) FILTER (method = 'inherited'), 0) AS InheritedCost,
        coalesce(sum(cost) FILTER (method = 'mapped'), 0) AS MappedCost,
        coalesce(sum(cost) FILTER (method = 'split'), 0) AS SplitCost,
        coalesce(sum(cost) FILTER (method NOT IN ('direct', 'inherited', 'mapped', 'split')), 0) AS OtherCost
    FROM shares
    GROUP BY Month, Team, BillingCurrency
),
percentages AS (
    SELECT
        sums.*,
        round(100.0 * sums.DirectCost / NULLIF(sums.EffectiveCost, 0), 1) AS DirectPercent,
        round(100.0 * sums.EffectiveCost / NULLIF(in_ledger.total, 0), 1) AS SharePercent
    FROM sums
    JOIN in_ledger ON in_ledger.Month = sums.Month AND in_ledger.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
),
coverage_by_team AS (
    SELECT
        now.Month,
        now.Team,
        now.BillingCurrency,
        now.EffectiveCost,
        now.DirectCost,
        now.InheritedCost,
        now.MappedCost,
        now.SplitCost,
        now.OtherCost,
        now.DirectPercent,
        CASE WHEN known.Month IS NOT NULL THEN coalesce(before.EffectiveCost, 0) END AS PreviousEffectiveCost,
        before.DirectPercent AS PreviousDirectPercent,
        round(now.DirectPercent - before.DirectPercent, 1) AS DirectChangePoints,
        now.SharePercent
    FROM percentages AS now
    LEFT JOIN percentages AS before ON before.Month = now.Month - INTERVAL 1 MONTH AND before.Team = now.Team
        AND before.BillingCurrency IS NOT DISTINCT FROM now.BillingCurrency
    LEFT JOIN in_ledger AS known ON known.Month = now.Month - INTERVAL 1 MONTH
        AND known.BillingCurrency IS NOT DISTINCT FROM now.BillingCurrency
    WHERE now.Month > (SELECT before_first FROM months)
)
SELECT * FROM coverage_by_team
ORDER BY BillingCurrency, Month DESC, EffectiveCost DESC, Team
