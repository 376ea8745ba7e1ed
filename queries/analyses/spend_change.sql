/*
id: spend_change
title: What changed against the period before
version: 1
owner: finops-ledger
why: >
  The answer to "why is it more than last week?": every team, service and resource whose cost moved, the largest move first.
  The changes add up to the change of the total.
misses: >
  A resource that got another id (a new training job of the same series) is one line "gone" and one line "new".
reads: [allocation.charges, focus.cost_and_usage]
params:
  period: {type: period, default: last-week, help: "The days to explain, by the day on which a charge begins (UTC)"}
columns:
  Change: '"new" (nothing in the period before), "gone" (nothing in this one), "more" or "less"'
  Team: Who answers for it
  ServiceName: As on the bill
  ResourceName: Its name on the bill; empty for charges without a resource
  WorkloadKind: What it is for
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost in the period, amortised
  PreviousEffectiveCost: The same in the period before
  EffectiveCostChange: The difference of the two
  SharePercent: Part of the change of the currency's total, in percent; over 100 where others fell
  ResourceId: The provider's identifier; empty for charges without a resource
*/
WITH reach AS (             -- the day on which the ledger begins, per currency
    SELECT BillingCurrency, CAST(min(ChargePeriodStart) AS DATE) AS first_day
    FROM focus.cost_and_usage
    GROUP BY BillingCurrency
),
shares AS (                 -- each share of a charge in the two periods, where both are in the ledger
    SELECT
        charges.Team,
        charges.ServiceName,
        coalesce(CASE WHEN charges.ResourceName = 'default'      -- a Studio app: its space or user says more
                      THEN NULLIF(regexp_extract(charges.ResourceId, '([^/:]+/[^/:]+)/default$', 1), '') END, charges.ResourceName) AS ResourceName,
        charges.ResourceId,
        charges.x_WorkloadKind,
        charges.BillingCurrency,
        charges.AllocatedEffectiveCost AS cost,
        charges.ChargePeriodStart >= CAST($period_start AS DATE) AS is_current
    FROM allocation.charges AS charges
    JOIN reach ON reach.BillingCurrency IS NOT DISTINCT FROM charges.BillingCurrency
    WHERE reach.first_day <= CAST($previous_start AS DATE)
      AND charges.ChargePeriodStart >= CAST($previous_start AS DATE)
      AND charges.ChargePeriodStart < CAST($period_end AS DATE)
),
sums AS (
    SELECT
        Team,
        ServiceName,
        ResourceId,
        max(ResourceName) AS ResourceName,
        max(x_WorkloadKind) AS WorkloadKind,
        BillingCurrency,
        coalesce(sum(cost) FILTER (is_current), 0) AS EffectiveCost,
        coalesce(sum(cost) FILTER (NOT is_current), 0) AS PreviousEffectiveCost,
        count(*) FILTER (is_current) AS current_rows,
        count(*) FILTER (NOT is_current) AS previous_rows
    FROM shares
    GROUP BY Team, ServiceName, ResourceId, BillingCurrency
),
moves AS (
    SELECT
        CASE WHEN previous_rows = 0 THEN 'new'
             WHEN current_rows = 0 THEN 'gone'
             WHEN EffectiveCost > PreviousEffectiveCost THEN 'more'
             ELSE 'less' END AS Change,
        *,
        EffectiveCost - PreviousEffectiveCost AS EffectiveCostChange
    FROM sums
    WHERE EffectiveCost <> PreviousEffectiveCost
),
spend_change AS (
    SELECT
        Change,
        Team,
        ServiceName,
        ResourceName,
        WorkloadKind,
        BillingCurrency,
        EffectiveCost,
        PreviousEffectiveCost,
        EffectiveCostChange,
        round(100.0 * EffectiveCostChange
              / NULLIF(sum(EffectiveCostChange) OVER (PARTITION BY BillingCurrency), 0), 1) AS SharePercent,
        ResourceId
    FROM moves
)
SELECT * FROM spend_change
ORDER BY BillingCurrency, abs(EffectiveCostChange) DESC, Team, ServiceName, ResourceId
