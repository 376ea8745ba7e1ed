-- What ML resources were billed per UTC day (a charge belongs to the day on which its period starts), from the ledger of the
-- last $horizon_days days. Every findings rule reads this instead of ten million charges.
-- A charge of an hour or less marks its hour of the day; a longer one states its hours by quantity.
WITH ml_resources AS (
    SELECT DISTINCT coalesce(ResourceId, CapacityReservationId) AS resource_id
    FROM ledger.dimensions
    WHERE CapacityReservationStatus IS NOT NULL
       OR regexp_matches(
           x_WorkloadKind,
           '^(inference|training|processing|notebook|compute|gpu|tpu|featurestore|mlflow|storage\.(notebook|training|endpoint))'
       )
       -- and what the inventory lists: volumes and file systems that may have been left behind
       OR ledger.resource_key(ResourceId) IN (SELECT alias FROM findings.alias WHERE NOT is_name)
),

-- created_at only where the resource is known: bills of a dead namesake are not its own
known AS (
    SELECT a.alias, a.resource_key, r.created_at, r.region, r.resource_type AS inventory_type
    FROM findings.alias AS a
    JOIN findings.resource AS r ON r.resource_key = a.resource_key
    WHERE NOT a.is_name
),

-- all charges of such a resource, its volumes and its traffic too
dimensions AS (
    SELECT
        x_DimensionId AS dimension_id,
        ledger.provider_of(coalesce(HostProviderName, ProviderName, ServiceProviderName)) AS provider,
        SubAccountId AS account_id,
        -- some bills leave it out; an id may say it
        coalesce(
            RegionId,
            nullif(regexp_extract(ResourceId, '^arn:[^:]*:[^:]*:([^:]+):', 1), ''),
            nullif(regexp_extract(ResourceId, '/(?:locations|regions|zones)/([a-z]+-[a-z]+[0-9]+)', 1), ''),
            k.region
        ) AS region,
        coalesce(ResourceId, CapacityReservationId) AS resource_id,
        ResourceName AS resource_name,
        ResourceType AS resource_type,
        -- a Workbench machine is billed as the virtual machine that it is: only the inventory knows better
        CASE WHEN k.inventory_type = 'notebooks.googleapis.com/Instance' AND (x_WorkloadKind IS NULL OR x_WorkloadKind = 'gpu.gce')
             THEN 'notebook.instance' ELSE x_WorkloadKind END AS workload_kind,
        coalesce(
            x_InstanceType,
            nullif(regexp_extract(coalesce(x_UsageType, SkuMeter), '(ml\.)?[a-z][a-z0-9-]*\.[0-9a-z-]+$'), ''),
            regexp_replace(SkuMeter, ' (running )?in [A-Z].*$', '')
        ) AS machine,
        -- Google bills a machine's cores, memory and fees beside its GPU: they are money, but no further machine-hours
        coalesce(regexp_matches(SkuMeter, 'Instance (Core|Ram)|Custom (Core|Ram)|[Mm]anagement fee'), false) AS is_part,
        BillingCurrency AS currency,
        -- a resource's in a currency: rows are put together by number, which is faster than by names
        dense_rank() OVER (ORDER BY provider, account_id, resource_id, currency) AS resource_number,
        coalesce(k.resource_key, ledger.resource_key(coalesce(ResourceId, CapacityReservationId))) AS resource_key,
        k.created_at,
        CapacityReservationStatus AS capacity_status,
        CapacityReservationId AS capacity_reservation_id,
        coalesce(CommitmentDiscountStatus, '') = 'Used' AS is_committed,
        CASE
            WHEN regexp_matches(lower(ConsumedUnit), '^1? ?(hours?|hrs?|h)$') THEN 3600
            WHEN regexp_matches(lower(ConsumedUnit), '^(10|100|1000) ?(hours?|hrs?|h)$')
                THEN 3600 * CAST(regexp_extract(ConsumedUnit, '^\d+') AS INTEGER)
            WHEN lower(ConsumedUnit) IN ('minutes', 'minute', 'min') THEN 60
            WHEN lower(ConsumedUnit) IN ('seconds', 'second', 'sec', 's') THEN 1
        END AS seconds_per_unit
    FROM ledger.dimensions
    LEFT JOIN known AS k ON k.alias = ledger.resource_key(coalesce(ResourceId, CapacityReservationId))
    WHERE ChargeCategory NOT IN ('Tax', 'Credit')
      AND coalesce(ResourceId, CapacityReservationId) IN (SELECT resource_id FROM ml_resources)
),

billed AS (
    SELECT
        c.slice_id,
        c.dimension_id,
        CAST(c.ChargePeriodStart AS DATE) AS day,
        -- a charge that ended before the resource was made is its dead namesake's
        coalesce(c.ChargePeriodStart + to_microseconds(c.ChargePeriodMicroseconds) <= d.created_at, false) AS is_earlier,
        sum(c.BilledCost + c.EffectiveCostDelta) AS effective_cost,
        sum(c.ConsumedQuantity) AS quantity,
        bit_or(CAST(1 AS UINTEGER) << CAST(hour(c.ChargePeriodStart) AS UINTEGER))
            FILTER (c.ChargePeriodMicroseconds <= 3600000000 AND c.ConsumedQuantity > 0) AS hours_mask,
        sum(c.ConsumedQuantity) FILTER (c.ChargePeriodMicroseconds > 3600000000) AS long_quantity,
        max(c.ChargePeriodMicroseconds) // 3600000000 AS longest_hours
    FROM ledger.charge AS c
    JOIN dimensions AS d ON d.dimension_id = c.dimension_id
    WHERE c.ChargePeriodStart >= CAST($today AS DATE) - CAST($horizon_days AS INTEGER)
      AND c.ChargePeriodStart < CAST($today AS DATE)
    GROUP BY c.slice_id, c.dimension_id, day, is_earlier
),

resource_day AS (
    SELECT
        s.source_id,
        s.billing_account_id,
        d.provider, d.account_id, d.region, d.resource_key, d.resource_id, d.resource_number, b.is_earlier, d.resource_name, d.resource_type,
        d.workload_kind, d.machine, d.is_part,
        d.currency, d.capacity_status, d.capacity_reservation_id,
        b.day,
        CASE WHEN d.seconds_per_unit IS NOT NULL THEN coalesce(b.hours_mask, 0) ELSE 0 END AS hours_mask,
        CASE WHEN d.seconds_per_unit IS NOT NULL AND b.long_quantity IS NOT NULL
             THEN least(b.longest_hours, CAST(b.long_quantity AS DOUBLE) * d.seconds_per_unit / 3600)
             ELSE 0 END AS long_hours,
        CASE d.seconds_per_unit
            WHEN 3600 THEN CAST(b.quantity AS DECIMAL(38, 9))
            ELSE CAST(round(CAST(b.quantity AS DOUBLE) * d.seconds_per_unit / 3600, 6) AS DECIMAL(38, 9))
        END AS billed_hours,
        CAST(b.effective_cost AS DECIMAL(38, 18)) AS effective_cost,
        CAST(CASE WHEN d.is_committed THEN b.effective_cost ELSE 0 END AS DECIMAL(38, 18)) AS committed_cost
    FROM billed AS b
    JOIN dimensions AS d ON d.dimension_id = b.dimension_id
    JOIN ledger.slice AS s ON s.slice_id = b.slice_id
)

SELECT * FROM resource_day
