/*
id: shared_costs
title: Shared cost, and who bears it
version: 3
owner: finops-ledger
why: >
  A team that is given a share asks of what, by which rule, and how much. Per month and pool: what came in, the part of each
  team and what that part costs it. The parts of a pool add up to what came in.
misses: >
  A pool that feeds another is one line per team here: 'finops explain' shows the steps between. Months are those in which
  charges begin.
grain: period
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
  SharePercent: The share in percent of what the pool costs in the month; empty where that is not known
  PoolEffectiveCost: What the pool costs in the month, all teams; empty where one team sees its own part only
*/
WITH shares AS (
    SELECT
        CAST(date_trunc('month', ChargePeriodStart) AS DATE) AS Month,
        CASE WHEN starts_with(x_AllocationPool, x_AllocationPoolRuleId || ':') THEN x_AllocationPoolRuleId
             ELSE x_AllocationPool END AS Pool,
        coalesce(starts_with(x_AllocationPool, x_AllocationPoolRuleId || ':'), false) AS is_many,
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
        bool_or(is_many) AS is_many,
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
pools AS (                 -- a team sees a pool whole if it has all of it; what a rule shares by itself is many pools in one line
    SELECT
        *,
        sum(EffectiveCost) OVER pool AS pool_cost,
        $team IS NULL OR coalesce(NOT is_many AND min(Weight) OVER pool = 1, false) AS is_whole
    FROM sums
    WINDOW pool AS (PARTITION BY Month, Pool, BillingCurrency)
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
        CASE WHEN is_whole THEN round(100.0 * EffectiveCost / NULLIF(pool_cost, 0), 1)
             WHEN NOT is_many THEN CAST(round(100 * Weight, 1) AS DOUBLE) END AS SharePercent,
        CASE WHEN is_whole THEN pool_cost END AS PoolEffectiveCost
    FROM pools
)
SELECT * FROM shared_costs
ORDER BY BillingCurrency, Month DESC, PoolEffectiveCost DESC NULLS LAST, Pool, EffectiveCost DESC, Team, RuleId
