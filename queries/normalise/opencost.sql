/*
id: opencost
title: Kubernetes allocation by OpenCost or Kubecost, to daily activity
version: 1
owner: finops-ledger
provider: Kubernetes
why: >
  What each namespace of a cluster took on a day, as OpenCost measured it: the answers of its allocation API (JSON) and its CSV
  export. Its costs are list prices and no bill, so they are weights in utilisation.daily and never money in the ledger.
sources:
  - OpenCost, API, /allocation and /allocation/compute
  - OpenCost, CSV export (columns Date, Namespace, Cluster, …, TotalCost)
  - Kubecost, Allocation API, /model/allocation
misses: >
  The CSV states no hours of CPU, GPU and memory, and older ones no cluster: it is then called 'unnamed'. What stands for more than
  one day is divided over its days by time; ask for windows of whole days (step=1d), because of two deliveries the newer one
  has a day. Of idle cost and of what has no namespace, names are __idle__, __unmounted__ and __unallocated__.
records: data
yields: utilisation
detect:
  - [totalCost, bucket_allocation_set]
  - [cpuCoreRequestAverage, bucket_allocation_set]
  - [namespace, properties, properties.namespace, properties.cluster, bucket_allocation_set]
  - [Date, start, window, WindowStart, bucket_allocation_set]
nulls: ['', 'null']
reads:
  begins: {type: timestamp, from: [start, WindowStart, Date, window.start]}
  ends: {type: timestamp, from: [end, WindowEnd, window.end]}
  cluster: {type: text, from: [properties.cluster, Cluster]}
  name: text
  namespace: {type: text, from: [properties.namespace, Namespace]}
  cpu_core_hours: {type: number, from: cpuCoreHours}
  gpu_hours: {type: number, from: gpuHours}
  ram_byte_hours: {type: number, from: ramByteHours}
  total_cost: {type: number, from: totalCost}
*/
WITH named AS (
    SELECT
        -- idle cost may state no properties: its name is '__idle__' or 'cluster/__idle__'
        concat('kubernetes:', coalesce(cluster, nullif(regexp_extract(name, '^([^/]+)/__(?:idle|unmounted|unallocated)__$', 1), ''),
                                       'unnamed'),
               '/', coalesce(namespace, nullif(regexp_extract(name, '__(?:idle|unmounted|unallocated)__'), ''),
                             '__unallocated__')) AS resource_id,
        begins,
        greatest(coalesce(ends, begins), begins + INTERVAL 1 SECOND) AS ends,
        [
            {'metric': 'kubernetes.total_cost', 'value': total_cost, 'unit': 'cost'},
            {'metric': 'kubernetes.cpu_core_hours', 'value': cpu_core_hours, 'unit': 'core hours'},
            {'metric': 'kubernetes.gpu_hours', 'value': gpu_hours, 'unit': 'GPU hours'},
            -- a GiB is 2^30 bytes
            {'metric': 'kubernetes.ram_gib_hours', 'unit': 'GiB hours',
             'value': CAST(CAST(trunc(ram_byte_hours) AS HUGEINT) * 1000000000 // 1073741824 AS DECIMAL(29, 0))
                      * CAST('0.000000001' AS DECIMAL(9, 9))}
        ] AS measures
    FROM delivered
),

measured AS (
    SELECT resource_id, begins, ends, unnest(measures) AS measure FROM named
),

days AS (
    SELECT *, unnest(range(date_trunc('day', begins), ends, INTERVAL 1 DAY)) AS day FROM measured
),

-- of several days each gets its part of the time: what was taken until its end, cut after nine places, less what until its begin
parts AS (
    SELECT *,
        CASE WHEN begins < day THEN CAST(trunc(measure.value * 1000000000) AS HUGEINT)
            * CAST(epoch(day) - epoch(begins) AS BIGINT) // CAST(epoch(ends) - epoch(begins) AS BIGINT) END AS before,
        CASE WHEN ends > day + INTERVAL 1 DAY THEN CAST(trunc(measure.value * 1000000000) AS HUGEINT)
            * CAST(epoch(day + INTERVAL 1 DAY) - epoch(begins) AS BIGINT) // CAST(epoch(ends) - epoch(begins) AS BIGINT)
            END AS until
    FROM days
    WHERE measure.value IS NOT NULL
)

SELECT
    resource_id,
    measure.metric AS metric,
    CAST(day AS DATE) AS day,
    coalesce(CAST(until AS DECIMAL(29, 0)) * CAST('0.000000001' AS DECIMAL(9, 9)), measure.value)
        - coalesce(CAST(before AS DECIMAL(29, 0)) * CAST('0.000000001' AS DECIMAL(9, 9)), 0) AS value,
    measure.unit AS unit,
    1 AS samples
FROM parts
