/*
id: utilisation_daily
title: Daily activity that somebody else has measured
version: 1
owner: finops-ledger
provider: any
why: >
  Any monitoring can fill utilisation.daily: a CSV or Parquet file with the table's own columns (docs/sources.md). Metrics keep
  the names that their provider gives them, such as Invocations or GPUUtilization.
misses: >
  A day without a row is not measured, and is not zero. Without a statistic, counts are taken as the day's sum and percentages as
  the day's maximum.
yields: utilisation
detect: [resource_id, metric, day, value]
reads:
  day: timestamp
  metric: text
  part: text
  resource_id: text
  samples: number
  statistic: text
  unit: text
  value: number
*/
SELECT
    resource_id,
    metric,
    nullif(statistic, '') AS statistic,
    nullif(part, '') AS part,
    CAST(day AS DATE) AS day,
    CASE WHEN lower(unit) IN ('1', 'ratio', '10^2.%') AND coalesce(statistic, '') <> 'Sum' THEN 100 * value ELSE value END AS value,
    CASE WHEN lower(unit) IN ('1', 'ratio', '10^2.%') AND coalesce(statistic, '') <> 'Sum' THEN 'Percent' ELSE unit END AS unit,
    -- how many hours of the day were measured; not said, or one value for the day: all of them
    CAST(CASE WHEN samples IS NULL OR samples = 1 THEN 24 ELSE samples END AS BIGINT) AS samples
FROM delivered
WHERE value IS NOT NULL
