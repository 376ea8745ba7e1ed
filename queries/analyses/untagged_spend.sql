/*
id: untagged_spend
title: Spend that belongs to nobody
version: 1
owner: finops-ledger
why: What no team answers for grows unseen. By account and service, so that somebody can be asked.
grain: period
reads: [allocation.charges]
params:
  period: {type: period, default: last-week, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  SubAccountName: The account, project or subscription by name, if the bill states one
  ServiceName: As on the bill
  ChargeCategory: Usage, Purchase, Tax, Credit or Adjustment
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised
  BilledCost: What the invoice charges for the same rows
  SharePercent: Part of everything spent in the currency in the period, in percent
  ResourceCount: Distinct resources among the charges
  ChargeCount: Rows of the bill of which at least a part is nobody's
  SubAccountId: The account, project or subscription
*/
WITH shares AS (
    SELECT
        coalesce(SubAccountId, BillingAccountId) AS SubAccountId,
        coalesce(SubAccountName, BillingAccountName) AS account_name,
        ServiceName,
        ChargeCategory,
        BillingCurrency,
        ResourceId,
        Team,
        x_ChargeCount,
        AllocatedEffectiveCost,
        AllocatedBilledCost
    FROM allocation.charges
    WHERE ChargePeriodStart >= CAST($period_start AS DATE)
      AND ChargePeriodStart < CAST($period_end AS DATE)
),
totals AS (
    SELECT BillingCurrency, sum(AllocatedEffectiveCost) AS total
    FROM shares
    GROUP BY BillingCurrency
),
sums AS (
    SELECT
        max(account_name) AS SubAccountName,
        ServiceName,
        ChargeCategory,
        BillingCurrency,
        sum(AllocatedEffectiveCost) AS EffectiveCost,
        sum(AllocatedBilledCost) AS BilledCost,
        count(DISTINCT ResourceId) AS ResourceCount,
        CAST(sum(x_ChargeCount) AS BIGINT) AS ChargeCount,
        SubAccountId
    FROM shares
    WHERE Team = 'unallocated'
    GROUP BY SubAccountId, ServiceName, ChargeCategory, BillingCurrency
),
untagged_spend AS (
    SELECT
        sums.SubAccountName,
        sums.ServiceName,
        sums.ChargeCategory,
        sums.BillingCurrency,
        sums.EffectiveCost,
        sums.BilledCost,
        round(100.0 * sums.EffectiveCost / NULLIF(totals.total, 0), 1) AS SharePercent,
        sums.ResourceCount,
        sums.ChargeCount,
        sums.SubAccountId
    FROM sums
    JOIN totals ON totals.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
)
SELECT * FROM untagged_spend
ORDER BY BillingCurrency, EffectiveCost DESC, SubAccountId, ServiceName, ChargeCategory
