/*
id: allocation_coverage
title: How spend found its team
version: 1
owner: finops-ledger
why: >
  Allocation is as good as its weakest method. The part that is tagged directly should grow, the part that is split or
  belongs to nobody should shrink.
reads: [allocation.charges]
params:
  period: {type: period, default: last-week, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  AllocationMethod: direct (a tag), inherited, mapped, split, default; "unallocated" if no rule found a team
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised
  SharePercent: Part of the currency's cost in the period, in percent
  ChargeCount: Rows of the bill, or shares of rows
*/
WITH shares AS (
    SELECT
        CASE WHEN Team = 'unallocated' THEN 'unallocated' ELSE x_AllocationMethod END AS AllocationMethod,
        BillingCurrency,
        AllocatedEffectiveCost
    FROM allocation.charges
    WHERE ChargePeriodStart >= CAST($period_start AS DATE)
      AND ChargePeriodStart < CAST($period_end AS DATE)
),
sums AS (
    SELECT AllocationMethod, BillingCurrency, sum(AllocatedEffectiveCost) AS EffectiveCost, count(*) AS ChargeCount
    FROM shares
    GROUP BY AllocationMethod, BillingCurrency
),
allocation_coverage AS (
    SELECT
        AllocationMethod,
        BillingCurrency,
        EffectiveCost,
        round(100.0 * EffectiveCost / NULLIF(sum(EffectiveCost) OVER (PARTITION BY BillingCurrency), 0), 1) AS SharePercent,
        ChargeCount
    FROM sums
)
SELECT * FROM allocation_coverage
ORDER BY BillingCurrency, EffectiveCost DESC, AllocationMethod
