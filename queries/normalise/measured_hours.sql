/*
id: measured_hours
title: Metrics of cloud resources by the hour, to daily activity
version: 1
owner: finops-ledger
provider: any
why: >
  CloudWatch, Cloud Monitoring and Prometheus keep a metric per hour and give it back by statistic. A day says the same in a few
  rows: what was added up, the greatest, the usual, and in how many hours anything was measured at all.
sources:
  - AWS CloudWatch, GetMetricData; Google Cloud Monitoring, ListTimeSeries; Prometheus, query_range; as the collectors write them
misses: >
  An hour without a value is not measured, and is not zero. p95 is that of the hours' values, not of the seconds in them.
yields: utilisation
detect: [resource_id, metric, statistic, hour, value]
reads:
  hour: timestamp
  metric: text
  part: text
  resource_id: text
  statistic: text
  unit: text
  value: number
*/
WITH spelled AS (
    SELECT
        * REPLACE (CASE lower(statistic)
            WHEN 'sum' THEN 'Sum' WHEN 'total' THEN 'Sum'
            WHEN 'average' THEN 'Average' WHEN 'avg' THEN 'Average' WHEN 'mean' THEN 'Average'
            WHEN 'maximum' THEN 'Maximum' WHEN 'max' THEN 'Maximum'
            WHEN 'minimum' THEN 'Minimum' WHEN 'min' THEN 'Minimum'
            WHEN 'samplecount' THEN 'SampleCount'
            ELSE statistic
        END AS statistic)
    FROM delivered
    WHERE value IS NOT NULL
),

hours AS (
    SELECT
        resource_id,
        metric,
        nullif(part, '') AS part,
        CAST(hour AS DATE) AS day,
        statistic,
        -- shares of one are percent everywhere to the right of here
        CASE WHEN lower(unit) IN ('1', 'ratio', '10^2.%') AND statistic <> 'Sum' THEN 'Percent' ELSE unit END AS unit,
        CASE WHEN lower(unit) IN ('1', 'ratio', '10^2.%') AND statistic <> 'Sum' THEN 100 * value ELSE value END AS value
    FROM spelled
),

days AS (
    SELECT
        resource_id, metric, part, day, statistic, unit,
        count(*) AS samples,
        sum(value) AS total,
        min(value) AS least,
        max(value) AS most,
        quantile_disc(value, 0.5) AS usual,
        quantile_disc(value, 0.95) AS p95
    FROM hours
    GROUP BY resource_id, metric, part, day, statistic, unit
),

measured_hours AS (
    SELECT resource_id, metric, part, day, statistic, unit, samples,
           CASE statistic
               WHEN 'Sum' THEN total
               WHEN 'SampleCount' THEN total
               WHEN 'Minimum' THEN least
               WHEN 'Average' THEN CAST(total / samples AS DECIMAL(38, 18))
               ELSE most
           END AS value
    FROM days
    UNION ALL
    -- of what is added up also the busiest and the quietest hour: a health check is the same in each
    SELECT resource_id, metric, part, day, 'HourMaximum', unit, samples, most FROM days WHERE statistic = 'Sum'
    UNION ALL
    SELECT resource_id, metric, part, day, 'HourMinimum', unit, samples, least FROM days WHERE statistic = 'Sum'
    UNION ALL
    SELECT resource_id, metric, part, day, 'p95', unit, samples, p95 FROM days WHERE statistic = 'Average'
)

SELECT resource_id, metric, statistic, part, day, value, unit, samples
FROM measured_hours
