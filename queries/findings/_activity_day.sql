-- What resources did per UTC day: utilisation.daily of the last $horizon_days days, by what a metric tells (its signal). What was
-- measured before a resource's creation was its dead namesake's, and on the day of the creation of both: it is left out.
WITH signals (metric, signal, is_sum_over_gpus) AS (
    VALUES
        ('invocations', 'requests', false), ('inferences', 'requests', false), ('requests', 'requests', false),
        ('requestcount', 'requests', false), ('prediction_count', 'requests', false), ('response_count', 'requests', false), ('request_count', 'requests', false), ('azureopenairequests', 'requests', false),
        ('requestsperminute', 'requests', false), ('model_invocation_count', 'requests', false),
        ('modelrequests', 'requests', false), ('consumedreadrequestsunits', 'requests', false),
        ('consumedwriterequestsunits', 'requests', false), ('clientconnections', 'requests', false),
        ('private/response_count', 'requests', false),
        ('approximatebacklogsize', 'backlog', false),
        ('serverlessprovisionedconcurrencyinvocations', 'requests', false),
        ('serverlessprovisionedconcurrencyutilization', 'concurrency', false),
        -- sums over the GPUs of a machine at SageMaker: 0 to 800 percent
        ('gpuutilization', 'gpu', true), ('gpumemoryutilization', 'gpu_memory', true),
        ('gpuutilizationpercentage', 'gpu', false), ('gpumemoryutilizationpercentage', 'gpu_memory', false),
        ('gpu_utilization', 'gpu', false), ('gpu_memory_utilization', 'gpu_memory', false),
        ('cpu_utilization', 'cpu', false), ('memory_utilization', 'memory', false),
        ('nvidia_smi_utilization_gpu', 'gpu', false), ('nvidia_smi_utilization_memory', 'gpu_memory', false),
        ('neuroncore_utilization', 'gpu', false), ('dcgm_fi_dev_gpu_util', 'gpu', false),
        ('dcgm_fi_prof_gr_engine_active', 'gpu', false), ('dcgm_fi_dev_fb_used_percent', 'gpu_memory', false),
        ('accelerator/duty_cycle', 'gpu', false), ('accelerator/utilization', 'gpu', false),
        ('accelerator/tensorcore_utilization', 'gpu', false), ('tpu/duty_cycle', 'gpu', false),
        ('tpu/tensorcore_utilization', 'gpu', false), ('accelerator/memory/utilization', 'gpu_memory', false),
        ('gpu/utilization', 'gpu', false), ('gpu/memory/utilization', 'gpu_memory', false),
        ('cpuutilization', 'cpu', false), ('cpu/utilization', 'cpu', false), ('cpuutilizationpercentage', 'cpu', false),
        ('percentage cpu', 'cpu', false), ('memoryutilization', 'memory', false), ('memory/utilization', 'memory', false),
        ('cpumemoryutilizationpercentage', 'memory', false),
        ('node_gpu_utilization', 'gpu', false), ('kube_pod_gpu_requests', 'gpu_pods', false), ('kube_node_gpus', 'node_gpus', false),
        ('inputtokencount', 'tokens', false), ('outputtokencount', 'tokens', false), ('token_count', 'tokens', false),
        ('input_tokens', 'tokens', false), ('output_tokens', 'tokens', false),
        ('provisionedmodelutilization', 'throughput', false), ('azureopenaiprovisionedmanagedutilizationv2', 'throughput', false),
        ('provisioned_throughput/utilization', 'throughput', false)
),

-- a metric's name is matched whole, or by its end after a slash; Managed Prometheus adds /gauge
metrics AS (
    SELECT DISTINCT metric, regexp_replace(lower(metric), '/(gauge|counter|unknown)$', '') AS folded
    FROM utilisation.daily
),

told AS (
    SELECT m.metric, s.signal, s.is_sum_over_gpus, ROW_NUMBER() OVER (ORDER BY m.metric) AS metric_number
    FROM metrics AS m
    JOIN signals AS s ON m.folded = s.metric OR ends_with(m.folded, '/' || s.metric)
    QUALIFY ROW_NUMBER() OVER (PARTITION BY m.metric ORDER BY length(s.metric) DESC) = 1
),

known AS (
    SELECT alias AS id, resource_key FROM findings.alias
    UNION ALL
    SELECT DISTINCT resource_key, resource_key FROM findings.resource_day WHERE resource_key NOT IN (SELECT alias FROM findings.alias)
),

ids AS (
    SELECT u.resource_id, u.id, k.resource_key
    FROM (SELECT resource_id, ledger.resource_key(resource_id) AS id FROM utilisation.daily GROUP BY resource_id) AS u
    LEFT JOIN known AS k ON k.id = u.id
),

-- what goes on after a resource's id is a part of it: …/variant/blue, …/deployedModels/7, i-0abc/gpu/3
starts AS (
    SELECT i.resource_id, k.resource_key, regexp_extract(i.id, '[^/:#|]+$') AS part
    FROM ids AS i
    CROSS JOIN unnest(['[/:#|][^/:#|]+$', '([/:#|][^/:#|]+){2}$', '([/:#|][^/:#|]+){3}$']) AS e (ending)
    JOIN known AS k ON k.id = regexp_replace(i.id, e.ending, '')
    WHERE i.resource_key IS NULL
    QUALIFY ROW_NUMBER() OVER (PARTITION BY i.resource_id ORDER BY length(k.id) DESC) = 1
),

keyed AS (
    SELECT i.resource_id, coalesce(i.resource_key, s.resource_key, i.id) AS resource_key, s.part
    FROM ids AS i
    LEFT JOIN starts AS s ON s.resource_id = i.resource_id
),

-- whose it is, and from which day on, once for each id: rows are put together by number, which takes half of the time
resources AS (
    SELECT
        k.resource_id, k.resource_key, k.part, dense_rank() OVER (ORDER BY k.resource_key) AS resource_number,
        -- no two jobs share a name, and most live for a day
        CASE WHEN r.created_at IS NULL THEN CAST($today AS DATE) - CAST($horizon_days AS INTEGER)
             WHEN regexp_matches(r.resource_type, 'Job$|TrainingPipeline$') OR r.created_at = date_trunc('day', r.created_at)
                 THEN CAST(r.created_at AS DATE)
             ELSE CAST(r.created_at AS DATE) + 1 END AS first_day
    FROM keyed AS k
    LEFT JOIN findings.resource AS r ON r.resource_key = k.resource_key
),

-- a request to an inference component is one of its endpoint's variant too
components AS (
    SELECT DISTINCT ledger.endpoint_of(resource_key, properties) AS endpoint_key, resource_name AS part
    FROM findings.resource
    WHERE ledger.is_component(resource_key, resource_type)
),

measured AS (
    SELECT
        r.resource_number,
        t.metric_number,
        coalesce(u.statistic, CASE WHEN t.signal IN ('requests', 'tokens') THEN 'Sum' ELSE 'Maximum' END) AS statistic,
        coalesce(u.part, r.part) AS part,
        c.part IS NOT NULL AS is_component,
        u.day,
        u.value,
        coalesce(u.samples, 24) AS samples
    FROM utilisation.daily AS u
    JOIN told AS t ON t.metric = u.metric
    JOIN resources AS r ON r.resource_id = u.resource_id
    LEFT JOIN components AS c ON c.endpoint_key = r.resource_key AND c.part = coalesce(u.part, r.part)
    WHERE u.day >= CAST($today AS DATE) - CAST($horizon_days AS INTEGER) AND u.day < CAST($today AS DATE) AND u.day >= r.first_day
      AND coalesce(u.samples, 24) > 0
      -- how many values there are says nothing; a percentage is never added up, and its least proves nothing
      AND CASE WHEN t.signal IN ('requests', 'tokens') THEN coalesce(u.statistic, 'Sum') NOT IN ('SampleCount', 'Minimum')
               ELSE coalesce(u.statistic, 'Maximum') NOT IN ('Sum', 'SampleCount', 'Minimum', 'HourMaximum', 'HourMinimum') END
),

-- a part's metric on a day: what one resource, or one variant of it, did
per_part AS (
    SELECT
        resource_number, metric_number, day, part, is_component,
        sum(value) FILTER (statistic = 'Sum') AS total,
        max(value) FILTER (statistic IN ('Maximum', 'Sum')) AS most_known,
        max(value) FILTER (statistic = 'p95') AS p95_known,
        max(value) FILTER (statistic = 'Maximum') AS maximum,
        max(value) AS most_of_any,
        sum(value) FILTER (statistic = 'HourMaximum') AS hour_most,
        sum(value) FILTER (statistic = 'HourMinimum') AS hour_least,
        max(samples) AS samples,
        sum(least(24, samples)) FILTER (statistic = 'Sum') AS part_hours
    FROM measured
    GROUP BY resource_number, metric_number, day, part, is_component
),

-- most signals of a resource have one metric of one part, once a day; of the others parts and metrics are put together
series AS (
    SELECT
        p.resource_number, p.metric_number, k.resource_key, t.signal, t.metric,
        -- SageMaker adds up the GPUs of a machine; elsewhere a metric of that name is one GPU's, or their mean
        t.is_sum_over_gpus AND k.resource_key LIKE '%:sagemaker:%' AS is_sum_over_gpus,
        sum(p.parts) OVER (PARTITION BY p.resource_number, t.signal) = 1 AS is_alone
    FROM (
        SELECT resource_number, metric_number, count(*) AS parts
        FROM (SELECT DISTINCT resource_number, metric_number, part FROM per_part)
        GROUP BY resource_number, metric_number
    ) AS p
    JOIN told AS t ON t.metric_number = p.metric_number
    JOIN (SELECT DISTINCT resource_number, resource_key FROM resources) AS k ON k.resource_number = p.resource_number
),

per_metric AS (
    SELECT *, if(part IS NULL, [], [part]) AS parts, if(part IS NOT NULL AND most_of_any > 0, [part], []) AS active_parts
    FROM per_part
    JOIN series USING (resource_number, metric_number)
    WHERE is_alone
    UNION ALL BY NAME
    SELECT
        resource_number, metric_number, resource_key, signal, metric, is_sum_over_gpus, is_alone, day,
        greatest(sum(total) FILTER (NOT is_component), sum(total) FILTER (is_component)) AS total,
        max(most_known) AS most_known,
        max(p95_known) AS p95_known,
        max(maximum) AS maximum,
        max(most_of_any) AS most_of_any,
        greatest(sum(hour_most) FILTER (NOT is_component), sum(hour_most) FILTER (is_component)) AS hour_most,
        greatest(sum(hour_least) FILTER (NOT is_component), sum(hour_least) FILTER (is_component)) AS hour_least,
        max(samples) AS samples,
        -- hours of all parts: two variants have 48 in a day
        sum(part_hours) AS part_hours,
        coalesce(list(part) FILTER (part IS NOT NULL), []) AS parts,
        coalesce(list(part) FILTER (part IS NOT NULL AND most_of_any > 0), []) AS active_parts
    FROM per_part
    JOIN series USING (resource_number, metric_number)
    WHERE NOT is_alone
    GROUP BY ALL
),

told_day AS (
    SELECT
        resource_key, signal, day, is_alone, is_sum_over_gpus, metric,
        -- the greatest value; where only an average was kept, that
        coalesce(most_known, p95_known, most_of_any) AS most,
        most_known IS NOT NULL AS is_greatest,
        -- what 95 percent of the hours stay below; where nobody knows, the greatest
        coalesce(p95_known, maximum, most_of_any) AS p95,
        coalesce(p95_known, maximum) IS NOT NULL AS is_p95_known,
        -- where nobody added up: an average or a maximum above none is traffic, of at least so much
        if(signal IN ('requests', 'tokens'), coalesce(total, ceil(coalesce(most_known, p95_known, most_of_any))), total) AS total,
        hour_most, hour_least,
        least(24, samples) AS hours,
        if(signal IN ('requests', 'tokens'), coalesce(part_hours, least(24, samples)), part_hours) AS part_hours,
        parts, active_parts
    FROM per_metric
),

activity_day AS (
    SELECT * EXCLUDE (is_alone) FROM told_day WHERE is_alone
    UNION ALL BY NAME
    SELECT
        resource_key, signal, day,
        bool_and(is_sum_over_gpus) AS is_sum_over_gpus,
        array_to_string(list_sort(list(metric)), ', ') AS metric,
        -- two metrics of requests count the same calls; tokens in and out are different ones
        CASE signal WHEN 'tokens' THEN sum(total) ELSE max(total) END AS total,
        max(most) AS most,
        bool_or(is_greatest) AS is_greatest,
        max(p95) AS p95,
        bool_or(is_p95_known) AS is_p95_known,
        max(hour_most) AS hour_most,
        max(hour_least) AS hour_least,
        max(hours) AS hours,
        max(part_hours) AS part_hours,
        list_distinct(flatten(list(parts))) AS parts,
        list_distinct(flatten(list(active_parts))) AS active_parts
    FROM told_day
    WHERE NOT is_alone
    GROUP BY resource_key, signal, day
)

SELECT * FROM activity_day
