/*
id: top_resources
title: Resources by cost
version: 3
owner: finops-ledger
why: >
  The single things that cost most. Rows without a resource (tokens, support, tax) are one line per service.
grain: period
reads: [allocation.charges, ledger.reach]
params:
  period: {type: period, default: last-week, help: "The days to add up, by the day on which a charge begins (UTC)"}
  rows: {type: integer, default: 1000, help: "How many lines of a currency; what costs less is added up by team"}
columns:
  ResourceName: >
    Its name on the bill, if it has one; "N smaller" for what is added up, "part of POOL" where a team's part of what is divided is
    looked at
  ServiceName: As on the bill
  Team: 'Who answers for it; "shared: POOL" for what is divided among teams'
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
WITH charges AS (           -- of what is divided, a team sees its part of the pool, and all see the resource
    SELECT
        *,
        CASE WHEN $team IS NOT NULL AND x_AllocationPool IS NOT NULL THEN 'part of ' || split_part(x_AllocationPool, ':', 1) END AS part,
        CASE WHEN $team IS NULL AND x_AllocationPool IS NOT NULL THEN 'shared: ' || split_part(x_AllocationPool, ':', 1)
             ELSE Team END AS owner
    FROM allocation.charges
    WHERE ChargePeriodStart >= CAST($previous_start AS DATE)
      AND ChargePeriodStart < CAST($period_end AS DATE)
),
shares AS (                 -- each share of a charge in the two periods
    SELECT
        coalesce(part, ResourceId) AS ResourceId,
        coalesce(part, ResourceName) AS bill_name,
        CASE WHEN part IS NULL THEN x_WorkloadKind END AS workload_kind,
        ServiceName,
        owner AS Team,
        BillingCurrency,
        AllocatedEffectiveCost AS cost,
        AllocatedBilledCost AS billed,
        ChargePeriodStart >= CAST($period_start AS DATE) AS is_current
    FROM charges
),
sums AS (
    SELECT
        ResourceId, ServiceName, Team,
        max(bill_name) AS bill_name,
        max(workload_kind) AS WorkloadKind,
        BillingCurrency,
        coalesce(sum(cost) FILTER (is_current), 0) AS EffectiveCost,
        coalesce(sum(billed) FILTER (is_current), 0) AS BilledCost,
        coalesce(sum(cost) FILTER (NOT is_current), 0) AS previous_cost
    FROM shares
    GROUP BY ResourceId, ServiceName, Team, BillingCurrency
),
ranked AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY BillingCurrency
                           ORDER BY greatest(abs(EffectiveCost), abs(previous_cost)) DESC, ResourceId, ServiceName, Team)
            <= CAST($rows AS BIGINT) AS is_large
    FROM sums
),
folded AS (                 -- what is small has no name of its own
    SELECT
        CASE WHEN is_large THEN ResourceId END AS ResourceId,
        CASE WHEN is_large THEN ServiceName END AS ServiceName,
        Team,
        CASE WHEN NOT is_large THEN NULL
             WHEN bill_name = 'default'                             -- a Studio app: its space or user says more
                  THEN coalesce(NULLIF(regexp_extract(ResourceId, '([^/:]+/[^/:]+)/default$', 1), ''), bill_name)
             WHEN length(bill_name) <= 2 AND regexp_full_match(bill_name, '[0-9]+')       -- a model's version
                  THEN regexp_extract(ResourceId, '([^/]+)$', 1)
             ELSE bill_name END AS ResourceName,
        CASE WHEN is_large THEN WorkloadKind END AS WorkloadKind,
        BillingCurrency,
        EffectiveCost, BilledCost, previous_cost, is_large
    FROM ranked
),
lines AS (
    SELECT
        ResourceId, ServiceName, Team,
        CASE WHEN is_large THEN ResourceName ELSE count(*) || ' smaller' END AS ResourceName,
        WorkloadKind,
        BillingCurrency,
        sum(EffectiveCost) AS EffectiveCost,
        sum(BilledCost) AS BilledCost,
        sum(previous_cost) AS previous_cost
    FROM folded
    GROUP BY ResourceId, ServiceName, Team, folded.ResourceName, WorkloadKind, BillingCurrency, is_large
),
comparable AS (             -- before the ledger begins, the cost is unknown and not zero
    SELECT
        lines.*,
        CASE WHEN reach.first_day <= CAST($previous_start AS DATE) THEN lines.previous_cost END
            AS PreviousEffectiveCost
    FROM lines
    JOIN ledger.reach AS reach ON reach.BillingCurrency IS NOT DISTINCT FROM lines.BillingCurrency
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
