/*
id: sources_freshness
title: How fresh is each source?
version: 3
owner: finops-ledger
why: A source that stopped delivering looks like a saving. Here it looks like what it is.
misses: >
  A source with one currency that stops and another that goes on is called current. Charges of the last day or two still
  grow at most providers.
reads: [ops.sources, ops.loads, focus.cost_and_usage]
params:
  period: {type: period, default: last-week, help: "The days that the report speaks about"}
  stale_after_days: {type: integer, default: 1, unit: days, help: "Days at the end of the period that may lack charges"}
columns:
  SourceId: The source as it is called in finops.toml
  Status: >
    "current", "stale" (the last days of the period, or before today if it is not over, have no charges), "missing" (configured,
    nothing was ever loaded) or what the last collection reported. A source that states no charges, such as an inventory, is as
    its last collection ended
  DataThrough: The last day with a charge of use, up to the end of the period
  DaysMissing: Days between it and the end of the period, or today if that is earlier
  LastDelivery: When the provider made the newest file that counts, UTC
  BillingMonths: Billing months in the ledger
  ChargeCount: Rows in the ledger
  Detail: What the last collection said
  Grade: What its bills lack against line items; empty, if nothing
*/
WITH deliveries AS (
    SELECT
        source_id AS SourceId,
        max(delivered_at) AS LastDelivery,
        count(DISTINCT billing_period_start) AS BillingMonths,
        max(grade) FILTER (grade <> '') AS Grade
    FROM ops.loads
    WHERE status = 'current'
    GROUP BY source_id
),
charged AS (
    SELECT
        x_SourceId AS SourceId,
        max(CAST(ChargePeriodStart AS DATE)) FILTER (ChargeCategory = 'Usage'
            AND ChargePeriodStart < CAST($period_end AS DATE)) AS DataThrough,
        count(*) AS ChargeCount
    FROM focus.cost_and_usage
    GROUP BY x_SourceId
),
configured AS (             -- the newest word on each source
    SELECT
        source_id AS SourceId,
        max_by(status, coalesce(last_seen_at, TIMESTAMP '1970-01-01')) AS status,
        max_by(detail, coalesce(last_seen_at, TIMESTAMP '1970-01-01')) AS Detail
    FROM ops.sources
    GROUP BY source_id
),
sources AS (
    SELECT SourceId FROM deliveries
    UNION
    SELECT SourceId FROM charged
    UNION
    SELECT SourceId FROM configured
),
sources_freshness AS (
    SELECT
        sources.SourceId,
        CASE WHEN configured.status IN ('denied', 'expired', 'missing', 'incomplete', 'changed', 'refused', 'unapproved', 'failed')
                  THEN configured.status
             WHEN deliveries.BillingMonths = 0 THEN 'current'
             WHEN charged.ChargeCount IS NULL THEN 'missing'
             WHEN charged.DataThrough IS NULL
                  OR datediff('day', charged.DataThrough, least(CAST($period_end AS DATE), CAST($today AS DATE))) - 1
                     > CAST($stale_after_days AS INTEGER) THEN 'stale'
             ELSE 'current' END AS Status,
        charged.DataThrough,
        datediff('day', charged.DataThrough, least(CAST($period_end AS DATE), CAST($today AS DATE))) - 1 AS DaysMissing,
        deliveries.LastDelivery,
        deliveries.BillingMonths,
        charged.ChargeCount,
        configured.Detail,
        deliveries.Grade
    FROM sources
    LEFT JOIN deliveries ON deliveries.SourceId = sources.SourceId
    LEFT JOIN charged ON charged.SourceId = sources.SourceId
    LEFT JOIN configured ON configured.SourceId = sources.SourceId
)
SELECT * FROM sources_freshness
ORDER BY CASE Status WHEN 'current' THEN 1 ELSE 0 END, SourceId
