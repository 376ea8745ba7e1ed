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
  the day's maximum. Samples are hours; where most days of a metric have more than 24, they are minutes, or five of them, and so on.
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
-- how many samples of a metric make a whole day: as most of its days have, rounded up to what monitoring is set to
WITH periods AS (
    SELECT
        metric,
        list_min(list_filter([24, 48, 96, 144, 288, 1440, 8640, 86400], lambda each: each >= mode(samples) FILTER (samples > 0))) AS of_a_day,
        -- a share of one that nobody has called so: none of its values is greater
        regexp_matches(lower(metric), '(util|utilization|duty_cycle|engine_active)$') AND max(value) > 0 AND max(value) <= 1 AS is_share
    FROM delivered
    GROUP BY metric
),

spelled AS (
    SELECT
        d.* REPLACE (CASE lower(statistic)
            WHEN 'sum' THEN 'Sum' WHEN 'total' THEN 'Sum'
            WHEN 'average' THEN 'Average' WHEN 'avg' THEN 'Average' WHEN 'mean' THEN 'Average'
            WHEN 'maximum' THEN 'Maximum' WHEN 'max' THEN 'Maximum'
            WHEN 'minimum' THEN 'Minimum' WHEN 'min' THEN 'Minimum'
            WHEN 'samplecount' THEN 'SampleCount'
            WHEN 'hourmaximum' THEN 'HourMaximum' WHEN 'hourminimum' THEN 'HourMinimum'
            ELSE nullif(statistic, '')
        END AS statistic,
        CASE WHEN coalesce(lower(unit), '') IN ('', 'none') AND p.is_share THEN '1' ELSE unit END AS unit),
        p.of_a_day
    FROM delivered AS d
    LEFT JOIN periods AS p USING (metric)
)

SELECT
    d.resource_id,
    d.metric,
    d.statistic,
    nullif(d.part, '') AS part,
    CAST(d.day AS DATE) AS day,
    CASE WHEN lower(d.unit) IN ('1', 'ratio', '10^2.%') AND coalesce(d.statistic, '') <> 'Sum' THEN 100 * d.value ELSE d.value END
        AS value,
    CASE WHEN lower(d.unit) IN ('1', 'ratio', '10^2.%') AND coalesce(d.statistic, '') <> 'Sum' THEN 'Percent' ELSE d.unit END AS unit,
    -- how many hours of the day were measured; not said, or one value for the day: all of them
    CAST(CASE WHEN d.samples IS NULL OR d.samples = 1 THEN 24
              WHEN d.of_a_day > 24 THEN floor(least(24, d.samples * 24 / d.of_a_day))
              ELSE d.samples END AS BIGINT) AS samples
FROM spelled AS d
WHERE d.value IS NOT NULL
