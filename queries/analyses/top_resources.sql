/*
id: top_resources
title: Resources by cost
version: 2
owner: finops-ledger
why: >
  The single things that cost most. Rows without a resource (tokens, support, tax) are one line per service.
grain: period
reads: [allocation.charges, ledger.reach]
params:
  period: {type: period, default: last-week, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  ResourceName: Its name on the bill, if it has one
  ServiceName: As on the bill
  Team: Who answers for it
  WorkloadKind: What it is for
  ResourceId: The provider's identifier; empty for charges without a resource
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised; commitments and their fees spread over what they cover
  BilledCost: What the invoice charges for the same rows
  PreviousEffectiveCost: EffectiveCost in the period before; empty if the ledger does not reach back that far
  EffectiveCostChange: The difference of the two; empty if there is nothing to compare with
  ChangePercent: The difference in percent of the period before
  SharePercent: Part of the currency's EffectiveCost in the period, in percent
*/
WITH shares AS (            -- each share of a charge in the two periods
    SELECT
        ResourceId,
        coalesce(CASE WHEN ResourceName = 'default'      -- a Studio app: its space or user says more
                      THEN NULLIF(regexp_extract(ResourceId, '([^/:]+/[^/:]+)/default$', 1), '')
                      WHEN regexp_full_match(ResourceName, '[0-9]{1,2}')     -- a model's version
                      THEN regexp_extract(ResourceId, '([^/]+)$', 1) END, ResourceName) AS resource_name,
        x_WorkloadKind AS workload_kind,
        ServiceName,
        Team,
        BillingCurrency,
        AllocatedEffectiveCost AS cost,
        AllocatedBilledCost AS billed,
        ChargePeriodStart >= CAST($period_start AS DATE) AS is_current
    FROM allocation.charges
    WHERE ChargePeriodStart >= CAST($previous_start AS DATE)
      AND ChargePeriodStart < CAST($period_end AS DATE)
),
sums AS (
    SELECT
        ResourceId, ServiceName, Team,
        max(resource_name) AS ResourceName,
        max(workload_kind) AS WorkloadKind,
        BillingCurrency,
        coalesce(sum(cost) FILTER (is_current), 0) AS EffectiveCost,
        coalesce(sum(billed) FILTER (is_current), 0) AS BilledCost,
        coalesce(sum(cost) FILTER (NOT is_current), 0) AS previous_cost
    FROM shares
    GROUP BY ResourceId, ServiceName, Team, BillingCurrency
),
comparable AS (             -- before the ledger begins, the cost is unknown and not zero
    SELECT
        sums.*,
        CASE WHEN reach.first_day <= CAST($previous_start AS DATE) THEN sums.previous_cost END
            AS PreviousEffectiveCost
    FROM sums
    JOIN ledger.reach AS reach ON reach.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
),
top_resources AS (
    SELECT
        ResourceName, ServiceName, Team, WorkloadKind, ResourceId,
        BillingCurrency,
        EffectiveCost,
        BilledCost,
        PreviousEffectiveCost,
        EffectiveCost - PreviousEffectiveCost AS EffectiveCostChange,
        round(100.0 * (EffectiveCost - PreviousEffectiveCost) / NULLIF(abs(PreviousEffectiveCost), 0), 1) AS ChangePercent,
        round(100.0 * EffectiveCost / NULLIF(sum(EffectiveCost) OVER (PARTITION BY BillingCurrency), 0), 1) AS SharePercent
    FROM comparable
)
SELECT * FROM top_resources
ORDER BY BillingCurrency, EffectiveCost DESC, ResourceName, ServiceName, Team, WorkloadKind, ResourceId
