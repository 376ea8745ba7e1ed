/*
id: spend_by_service
title: Spend by service
version: 1
owner: finops-ledger
why: >
  What the money was spent on, in the names that the provider uses on the bill.
grain: period
reads: [focus.cost_and_usage, ledger.reach]
params:
  period: {type: period, default: last-week, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  ServiceName: As on the bill
  ServiceProviderName: Who sells it
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised; commitments and their fees spread over what they cover
  BilledCost: What the invoice charges for the same rows
  PreviousEffectiveCost: EffectiveCost in the period before; empty if the ledger does not reach back that far
  EffectiveCostChange: The difference of the two; empty if there is nothing to compare with
  ChangePercent: The difference in percent of the period before
  SharePercent: Part of the currency's EffectiveCost in the period, in percent
*/
WITH shares AS (            -- each charge in the two periods
    SELECT
        ServiceName,
        ServiceProviderName,
        BillingCurrency,
        EffectiveCost AS cost,
        BilledCost AS billed,
        ChargePeriodStart >= CAST($period_start AS DATE) AS is_current
    FROM focus.cost_and_usage
    WHERE ChargePeriodStart >= CAST($previous_start AS DATE)
      AND ChargePeriodStart < CAST($period_end AS DATE)
),
sums AS (
    SELECT
        ServiceName, ServiceProviderName,
        BillingCurrency,
        coalesce(sum(cost) FILTER (is_current), 0) AS EffectiveCost,
        coalesce(sum(billed) FILTER (is_current), 0) AS BilledCost,
        coalesce(sum(cost) FILTER (NOT is_current), 0) AS previous_cost
    FROM shares
    GROUP BY ServiceName, ServiceProviderName, BillingCurrency
),
comparable AS (             -- before the ledger begins, the cost is unknown and not zero
    SELECT
        sums.*,
        CASE WHEN reach.first_day <= CAST($previous_start AS DATE) THEN sums.previous_cost END
            AS PreviousEffectiveCost
    FROM sums
    JOIN ledger.reach AS reach ON reach.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
),
spend_by_service AS (
    SELECT
        ServiceName, ServiceProviderName,
        BillingCurrency,
        EffectiveCost,
        BilledCost,
        PreviousEffectiveCost,
        EffectiveCost - PreviousEffectiveCost AS EffectiveCostChange,
        round(100.0 * (EffectiveCost - PreviousEffectiveCost) / NULLIF(abs(PreviousEffectiveCost), 0), 1) AS ChangePercent,
        round(100.0 * EffectiveCost / NULLIF(sum(EffectiveCost) OVER (PARTITION BY BillingCurrency), 0), 1) AS SharePercent
    FROM comparable
)
SELECT * FROM spend_by_service
ORDER BY BillingCurrency, EffectiveCost DESC, ServiceName, ServiceProviderName
