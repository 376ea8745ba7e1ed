/*
id: commitments
title: Commitments, used and unused
version: 1
owner: finops-ledger
why: >
  A savings plan, a reservation or reserved capacity costs the same whether something uses it or not. What nothing uses is
  the first money to save, or the first to stop promising.
misses: >
  Amortised cost only: a fee that is billed for a month on its first day is counted on the days that it covers. GCP's
  spend-based discounts appear as credits and have no unused part on the bill.
grain: period
reads: [focus.cost_and_usage]
params:
  period: {type: period, default: last-week, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  CommitmentName: The last part of its identifier, or its name
  CommitmentType: Savings Plan, Reserved Instance, capacity reservation, in the provider's words
  BillingCurrency: The currency of the bill. Currencies are never added.
  UsedCost: EffectiveCost of the part that usage consumed
  UnusedCost: EffectiveCost of the part that nothing consumed
  CommittedCost: Both
  UtilisationPercent: The used part, in percent
  CommitmentId: The provider's identifier
*/
WITH charges AS (
    SELECT
        coalesce(CommitmentDiscountId, CapacityReservationId) AS CommitmentId,
        coalesce(CommitmentDiscountName, regexp_extract(coalesce(CommitmentDiscountId, CapacityReservationId), '([^/:]+)$', 1))
            AS CommitmentName,
        CASE WHEN CommitmentDiscountId IS NOT NULL THEN coalesce(CommitmentDiscountType, 'commitment')
             ELSE 'Capacity reservation' END AS CommitmentType,
        coalesce(CommitmentDiscountStatus, CapacityReservationStatus) AS status,
        BillingCurrency,
        EffectiveCost
    FROM focus.cost_and_usage
    WHERE ChargePeriodStart >= CAST($period_start AS DATE)
      AND ChargePeriodStart < CAST($period_end AS DATE)
      AND (CommitmentDiscountId IS NOT NULL OR CapacityReservationId IS NOT NULL)
),
sums AS (
    SELECT
        max(CommitmentName) AS CommitmentName,
        CommitmentType,
        BillingCurrency,
        coalesce(sum(EffectiveCost) FILTER (status = 'Used'), 0) AS UsedCost,
        coalesce(sum(EffectiveCost) FILTER (status = 'Unused'), 0) AS UnusedCost,
        CommitmentId
    FROM charges
    GROUP BY CommitmentId, CommitmentType, BillingCurrency
),
commitments AS (
    SELECT
        CommitmentName,
        CommitmentType,
        BillingCurrency,
        UsedCost,
        UnusedCost,
        UsedCost + UnusedCost AS CommittedCost,
        round(100.0 * UsedCost / NULLIF(UsedCost + UnusedCost, 0), 1) AS UtilisationPercent,
        CommitmentId
    FROM sums
    WHERE UsedCost + UnusedCost <> 0
)
SELECT * FROM commitments
ORDER BY BillingCurrency, UnusedCost DESC, CommitmentId
