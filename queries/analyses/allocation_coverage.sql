/*
id: allocation_coverage
title: How spend found its team
version: 2
owner: finops-ledger
why: >
  Allocation is as good as its weakest method. The part that is tagged directly should grow, the part that is split or
  belongs to nobody should shrink.
grain: period
reads: [allocation.charges, ledger.reach]
params:
  period: {type: period, default: last-week, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  AllocationMethod: direct (a tag), inherited, mapped, split, default; "unallocated" if no rule found a team
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised
  SharePercent: Part of the currency's cost in the period, in percent
  PreviousEffectiveCost: EffectiveCost in the period before; empty if the ledger does not reach back that far
  PreviousSharePercent: Its part of the period before, in percent
  ShareChangePoints: SharePercent less PreviousSharePercent, in percentage points
  ChargeCount: Rows of the bill in the period; a row that is shared between methods counts for its parts, rounded up
*/
WITH shares AS (
    SELECT
        CASE WHEN Team = 'unallocated' THEN 'unallocated' ELSE x_AllocationMethod END AS AllocationMethod,
        BillingCurrency,
        AllocatedEffectiveCost AS cost,
        x_AllocationWeight * x_ChargeCount AS part,
        ChargePeriodStart >= CAST($period_start AS DATE) AS is_current
    FROM allocation.charges
    WHERE ChargePeriodStart >= CAST($previous_start AS DATE)
      AND ChargePeriodStart < CAST($period_end AS DATE)
),
sums AS (
    SELECT
        AllocationMethod,
        BillingCurrency,
        coalesce(sum(cost) FILTER (is_current), 0) AS EffectiveCost,
        coalesce(sum(cost) FILTER (NOT is_current), 0) AS previous_cost,
        CAST(ceil(coalesce(sum(part) FILTER (is_current), 0)) AS BIGINT) AS ChargeCount
    FROM shares
    GROUP BY AllocationMethod, BillingCurrency
),
comparable AS (             -- before the ledger begins, the cost is unknown and not zero
    SELECT
        sums.*,
        CASE WHEN reach.first_day <= CAST($previous_start AS DATE) THEN sums.previous_cost END AS PreviousEffectiveCost
    FROM sums
    JOIN ledger.reach AS reach ON reach.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
),
percentages AS (
    SELECT
        *,
        round(100.0 * EffectiveCost / NULLIF(sum(EffectiveCost) OVER (PARTITION BY BillingCurrency), 0), 1) AS SharePercent,
        round(100.0 * PreviousEffectiveCost
              / NULLIF(sum(PreviousEffectiveCost) OVER (PARTITION BY BillingCurrency), 0), 1) AS PreviousSharePercent
    FROM comparable
),
allocation_coverage AS (
    SELECT
        AllocationMethod,
        BillingCurrency,
        EffectiveCost,
        SharePercent,
        PreviousEffectiveCost,
        PreviousSharePercent,
        round(SharePercent - PreviousSharePercent, 1) AS ShareChangePoints,
        ChargeCount
    FROM percentages
)
SELECT * FROM allocation_coverage
ORDER BY BillingCurrency, EffectiveCost DESC, AllocationMethod
