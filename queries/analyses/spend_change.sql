/*
id: spend_change
title: What changed against the period before
version: 3
owner: finops-ledger
why: >
  The answer to "why is it more than last week?": every team, service and resource whose cost moved, the largest move first.
  The changes add up to the change of the total, and so do what is new, what is gone, volume, price and the rest.
misses: >
  Volume is the change of the quantity at the price of the period before, price is what the new quantity costs more or less than at
  that price, each by SKU and unit. A discount that was negotiated, a tier that was reached and a commitment that covers more or
  less than before all show as price. Where a SKU has no quantity, or none in one of the periods (another machine type, a new
  model), both cannot be told apart, and its change is the rest. Of volume the digits after the sixth are price.
grain: period
reads: [allocation.charges, ledger.reach]
params:
  period: {type: period, default: last-week, help: "The days to explain, by the day on which a charge begins (UTC)"}
  rows: {type: integer, default: 1000, help: "How many lines of a currency; smaller moves are added up by team and Change"}
columns:
  Change: '"new" (nothing in the period before), "gone" (nothing in this one), "more" or "less"'
  Team: 'Who answers for it; "shared: POOL" for what is divided among teams'
  ServiceName: As on the bill
  ResourceName: >
    Its name on the bill; "nightly-*" for jobs of one series (nightly-20261013, nightly-20261020), which come and go; empty for
    charges without a resource; "N smaller" for moves that are added up
  WorkloadKind: What it is for
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost in the period, amortised
  PreviousEffectiveCost: The same in the period before
  EffectiveCostChange: The difference of the two
  SharePercent: Part of the change of the currency's total, in percent; over 100 where others fell
  ResourceId: The provider's identifier; empty for a series and for charges without a resource
  VolumeChange: The part of the change that is more or less use; empty for what is new or gone, and where it cannot be told
  PriceChange: The part that is another price for the same use; empty like VolumeChange
  RestChange: The part of which it cannot be told; zero for what is new or gone
*/
WITH charges AS (           -- of what is divided, a team sees its part of the pool, and all see the resource
    SELECT
        *,
        CASE WHEN $team IS NOT NULL AND x_AllocationPool IS NOT NULL THEN 'part of ' || split_part(x_AllocationPool, ':', 1) END AS part,
        CASE WHEN $team IS NULL AND x_AllocationPool IS NOT NULL THEN 'shared: ' || split_part(x_AllocationPool, ':', 1)
             ELSE Team END AS owner,
        ChargePeriodStart >= CAST($period_start AS DATE) AS is_current
    FROM allocation.charges
    WHERE ChargePeriodStart >= CAST($previous_start AS DATE)
      AND ChargePeriodStart < CAST($period_end AS DATE)
),
sums AS (                   -- each SKU of each resource in the two periods, where both are in the ledger
    SELECT
        charges.owner AS Team,
        charges.ServiceName,
        coalesce(charges.part, charges.ResourceId) AS ResourceId,
        coalesce(charges.SkuId, charges.x_UsageType, charges.SkuMeter) AS sku,
        charges.ConsumedUnit AS unit,
        charges.BillingCurrency,
        max(coalesce(charges.part, charges.ResourceName)) AS bill_name,
        max(CASE WHEN charges.part IS NULL THEN charges.x_WorkloadKind END) AS WorkloadKind,
        coalesce(sum(AllocatedEffectiveCost) FILTER (is_current), 0) AS cost,
        coalesce(sum(AllocatedEffectiveCost) FILTER (NOT is_current), 0) AS cost_before,
        sum(AllocatedConsumedQuantity) FILTER (is_current) AS quantity,
        sum(AllocatedConsumedQuantity) FILTER (NOT is_current) AS quantity_before,
        count(*) = count(AllocatedConsumedQuantity) AS has_quantities,
        bool_or(is_current) AS is_now,
        bool_or(NOT is_current) AS was_before
    FROM charges
    JOIN ledger.reach AS reach ON reach.BillingCurrency IS NOT DISTINCT FROM charges.BillingCurrency
    WHERE reach.first_day <= CAST($previous_start AS DATE)
    GROUP BY ALL
),
better AS (                 -- a name that says which one it is
    SELECT
        *,
        CASE WHEN bill_name = 'default'                             -- a Studio app: its space or user says more
                  THEN coalesce(NULLIF(regexp_extract(ResourceId, '([^/:]+/[^/:]+)/default$', 1), ''), bill_name)
             WHEN length(bill_name) <= 2 AND regexp_full_match(bill_name, '[0-9]+')       -- a model's version
                  THEN regexp_extract(ResourceId, '([^/]+)$', 1)
             ELSE bill_name END AS ResourceName
    FROM sums
),
resources AS (
    SELECT
        Team,
        ServiceName,
        ResourceId,
        BillingCurrency,
        max(ResourceName) AS ResourceName,
        max(WorkloadKind) AS WorkloadKind,
        -- what ran in one of the periods only, and whose name ends in a date or a number, is one of a series
        CASE WHEN NOT (bool_or(is_now) AND bool_or(was_before))
             THEN NULLIF(regexp_replace(max(ResourceName), '[-_.][0-9]{6,}$', '-*'), max(ResourceName)) END AS series
    FROM better
    GROUP BY Team, ServiceName, ResourceId, BillingCurrency
),
lines AS (
    SELECT
        *,
        series IS NOT NULL AND count(*) OVER (PARTITION BY Team, ServiceName, BillingCurrency, WorkloadKind, series) > 1 AS is_series
    FROM resources
),
named AS (
    SELECT
        sums.* EXCLUDE (bill_name, WorkloadKind, ResourceId),
        CASE WHEN lines.is_series THEN lines.series ELSE lines.ResourceName END AS ResourceName,
        CASE WHEN NOT lines.is_series THEN sums.ResourceId END AS ResourceId,
        lines.WorkloadKind
    FROM sums
    JOIN lines ON lines.Team = sums.Team
        AND lines.ServiceName IS NOT DISTINCT FROM sums.ServiceName
        AND lines.ResourceId IS NOT DISTINCT FROM sums.ResourceId
        AND lines.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
),
skus AS (
    SELECT
        Team,
        ServiceName,
        ResourceName,
        ResourceId,
        WorkloadKind,
        BillingCurrency,
        sku,
        unit,
        sum(cost) AS cost,
        sum(cost_before) AS cost_before,
        coalesce(sum(quantity), 0) AS quantity,
        coalesce(sum(quantity_before), 0) AS quantity_before,
        bool_and(has_quantities) AND sku IS NOT NULL AND unit IS NOT NULL AS has_quantities,
        bool_or(is_now) AS is_now,
        bool_or(was_before) AS was_before
    FROM named
    GROUP BY Team, ServiceName, ResourceName, ResourceId, WorkloadKind, BillingCurrency, sku, unit
),
whole AS (                  -- quantities as whole numbers, because DuckDB divides decimals as floating point
    SELECT
        *,
        CASE WHEN greatest(quantity, quantity_before) < 100000000000000
             THEN CAST(CAST(quantity AS DECIMAL(23, 9)) * 1000000000 AS HUGEINT) ELSE CAST(trunc(quantity) AS HUGEINT) END AS used,
        CASE WHEN greatest(quantity, quantity_before) < 100000000000000
             THEN CAST(CAST(quantity_before AS DECIMAL(23, 9)) * 1000000000 AS HUGEINT)
             ELSE CAST(trunc(quantity_before) AS HUGEINT) END AS used_before
    FROM skus
),
volumes AS (                -- the cost of the period before, as many times as the quantity grew
    SELECT
        *,
        CASE WHEN has_quantities AND used > 0 AND used_before > 0
             THEN TRY_CAST(trunc(cost_before, 6) AS DECIMAL(20, 6))
                  * (TRY_CAST(CAST(used * 1000000000000 // NULLIF(used_before, 0) AS DECIMAL(38, 0)) * 0.000000000001
                              AS DECIMAL(18, 12)) - 1)
        END AS volume
    FROM whole
),
changes AS (
    SELECT
        Team,
        ServiceName,
        ResourceName,
        ResourceId,
        WorkloadKind,
        BillingCurrency,
        sum(cost) AS EffectiveCost,
        sum(cost_before) AS PreviousEffectiveCost,
        sum(volume) AS volume,
        sum(cost - cost_before) FILTER (volume IS NOT NULL) - sum(volume) AS price,
        bool_or(is_now) AS is_now,
        bool_or(was_before) AS was_before
    FROM volumes
    GROUP BY Team, ServiceName, ResourceName, ResourceId, WorkloadKind, BillingCurrency
),
moves AS (
    SELECT
        CASE WHEN NOT was_before THEN 'new'
             WHEN NOT is_now THEN 'gone'
             WHEN EffectiveCost > PreviousEffectiveCost THEN 'more'
             ELSE 'less' END AS Change,
        *,
        EffectiveCost - PreviousEffectiveCost AS moved,
        row_number() OVER (PARTITION BY BillingCurrency
                           ORDER BY abs(EffectiveCost - PreviousEffectiveCost) DESC, Team, ServiceName, ResourceId, ResourceName)
            <= CAST($rows AS BIGINT) AS is_large
    FROM changes
    WHERE EffectiveCost <> PreviousEffectiveCost
),
folded AS (                 -- what is small has no name of its own
    SELECT
        * EXCLUDE (ServiceName, ResourceName, WorkloadKind, ResourceId),
        CASE WHEN is_large THEN ServiceName END AS ServiceName,
        CASE WHEN is_large THEN ResourceName END AS ResourceName,
        CASE WHEN is_large THEN WorkloadKind END AS WorkloadKind,
        CASE WHEN is_large THEN ResourceId END AS ResourceId
    FROM moves
),
spend_change AS (
    SELECT
        Change,
        Team,
        ServiceName,
        CASE WHEN is_large THEN ResourceName ELSE count(*) || ' smaller' END AS ResourceName,
        WorkloadKind,
        BillingCurrency,
        sum(EffectiveCost) AS EffectiveCost,
        sum(PreviousEffectiveCost) AS PreviousEffectiveCost,
        sum(moved) AS EffectiveCostChange,
        round(100.0 * sum(moved) / NULLIF(sum(sum(moved)) OVER (PARTITION BY BillingCurrency), 0), 1) AS SharePercent,
        ResourceId,
        CAST(sum(volume) AS DECIMAL(38, 18)) AS VolumeChange,
        CAST(sum(price) AS DECIMAL(38, 18)) AS PriceChange,
        CAST(sum(CASE WHEN is_now AND was_before THEN moved - coalesce(volume, 0) - coalesce(price, 0) ELSE 0 END)
             AS DECIMAL(38, 18)) AS RestChange
    FROM folded
    GROUP BY Change, Team, ServiceName, folded.ResourceName, WorkloadKind, BillingCurrency, ResourceId, is_large
)
SELECT * FROM spend_change
ORDER BY BillingCurrency, abs(EffectiveCostChange) DESC, Team, ServiceName, ResourceId, ResourceName
