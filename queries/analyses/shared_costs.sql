/*
id: shared_costs
title: Shared cost, and who bears it
version: 1
owner: finops-ledger
why: >
  A team that is given a share asks of what, by which rule, and how much. Per month and pool: what came in, the part of each
  team and what that part costs it. The parts of a pool add up to what came in.
misses: >
  A pool that feeds another is one line per team here: 'finops explain' shows the steps between. Months are those in which
  charges begin.
reads: [allocation.charges, mapping.pools]
params:
  period: {type: period, default: last-month, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  Month: The first day of the month
  Pool: What is shared, as in mappings/pools.csv; the rule, for charges that a rule shares by itself
  PoolName: Its name in mappings/pools.csv
  RuleId: The rule that divided it
  Team: Who bears the share; "unallocated" for what could not be divided
  Weight: The team's part, of 1; empty if it is not the same for all charges of the month
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: The team's share, cost of record, amortised
  BilledCost: The team's share of what the invoice charges
  SharePercent: The share in percent of what the pool costs in the month
  PoolEffectiveCost: What the pool costs in the month, all teams
*/
WITH shares AS (
    SELECT
        CAST(date_trunc('month', ChargePeriodStart) AS DATE) AS Month,
        CASE WHEN starts_with(x_AllocationPool, x_AllocationPoolRuleId || ':') THEN x_AllocationPoolRuleId
             ELSE x_AllocationPool END AS Pool,
        x_AllocationRuleId AS RuleId,
        Team,
        BillingCurrency,
        x_AllocationWeight AS weight,
        AllocatedEffectiveCost,
        AllocatedBilledCost
    FROM allocation.charges
    WHERE ChargePeriodStart >= CAST($period_start AS DATE)
      AND ChargePeriodStart < CAST($period_end AS DATE)
      AND x_AllocationPool IS NOT NULL
),
sums AS (
    SELECT
        Month,
        shares.Pool AS Pool,
        any_value(pools.name) AS PoolName,
        RuleId,
        Team,
        CASE WHEN min(weight) = max(weight) THEN max(weight) END AS Weight,
        BillingCurrency,
        sum(AllocatedEffectiveCost) AS EffectiveCost,
        sum(AllocatedBilledCost) AS BilledCost
    FROM shares
    LEFT JOIN mapping.pools AS pools ON pools.pool = shares.Pool
    GROUP BY Month, shares.Pool, RuleId, Team, BillingCurrency
),
shared_costs AS (
    SELECT
        Month,
        Pool,
        PoolName,
        RuleId,
        Team,
        Weight,
        BillingCurrency,
        EffectiveCost,
        BilledCost,
        round(100.0 * EffectiveCost
              / NULLIF(sum(EffectiveCost) OVER (PARTITION BY Month, Pool, BillingCurrency), 0), 1) AS SharePercent,
        sum(EffectiveCost) OVER (PARTITION BY Month, Pool, BillingCurrency) AS PoolEffectiveCost
    FROM sums
)
SELECT * FROM shared_costs
ORDER BY BillingCurrency, Month DESC, PoolEffectiveCost DESC, Pool, EffectiveCost DESC, Team, RuleId
