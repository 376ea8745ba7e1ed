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
        -- SageMaker adds up the GPUs of a machine: 0 to 800 percent
        ('gpuutilization', 'gpu', true), ('gpumemoryutilization', 'gpu_memory', true),
        ('gpuutilizationpercentage', 'gpu', false), ('gpumemoryutilizationpercentage', 'gpu_memory', false),
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
    SELECT m.metric, s.signal, s.is_sum_over_gpus
    FROM metrics AS m
    JOIN signals AS s ON m.folded = s.metric OR ends_with(m.folded, '/' || s.metric)
    QUALIFY ROW_NUMBER() OVER (PARTITION BY m.metric ORDER BY length(s.metric) DESC) = 1
),

measured AS (
    SELECT
        coalesce(a.resource_key, ledger.resource_key(u.resource_id)) AS resource_key,
        t.signal,
        t.is_sum_over_gpus,
        u.metric,
        coalesce(u.statistic, CASE WHEN t.signal IN ('requests', 'tokens') THEN 'Sum' ELSE 'Maximum' END) AS statistic,
        u.part,
        u.day,
        u.value,
        coalesce(u.samples, 24) AS samples
    FROM utilisation.daily AS u
    JOIN told AS t ON t.metric = u.metric
    LEFT JOIN findings.alias AS a ON a.alias = ledger.resource_key(u.resource_id)
    WHERE u.day >= CAST($today AS DATE) - CAST($horizon_days AS INTEGER) AND u.day < CAST($today AS DATE)
      AND coalesce(u.samples, 24) > 0
      -- what is counted is added up, and its average is no count; a percentage is never added up, and its least proves nothing
      AND CASE WHEN t.signal IN ('requests', 'tokens') THEN coalesce(u.statistic, 'Sum') IN ('Sum', 'HourMaximum', 'HourMinimum')
               ELSE coalesce(u.statistic, 'Maximum') NOT IN ('Sum', 'SampleCount', 'Minimum', 'HourMaximum', 'HourMinimum') END
),

-- a request to an inference component is one of its endpoint's variant too
components AS (
    SELECT DISTINCT ledger.resource_key(properties ->> '$.EndpointArn') AS endpoint_key, resource_name AS part
    FROM findings.resource
    WHERE resource_type = 'AWS::SageMaker::InferenceComponent'
),

per_metric AS (
    SELECT
        m.resource_key,
        m.signal,
        m.metric,
        m.day,
        bool_and(m.is_sum_over_gpus) AS is_sum_over_gpus,
        greatest(sum(m.value) FILTER (m.statistic = 'Sum' AND c.part IS NULL),
                 sum(m.value) FILTER (m.statistic = 'Sum' AND c.part IS NOT NULL)) AS total,
        -- the greatest value; where only an average was kept, that
        coalesce(max(m.value) FILTER (m.statistic IN ('Maximum', 'Sum')), max(m.value) FILTER (m.statistic = 'p95'),
                 max(m.value)) AS most,
        bool_or(m.statistic IN ('Maximum', 'Sum')) AS is_greatest,
        -- what 95 percent of the hours stay below; where nobody knows, the greatest
        coalesce(max(m.value) FILTER (m.statistic = 'p95'), max(m.value) FILTER (m.statistic = 'Maximum'), max(m.value)) AS p95,
        bool_or(m.statistic IN ('p95', 'Maximum')) AS is_p95_known,
        greatest(sum(m.value) FILTER (m.statistic = 'HourMaximum' AND c.part IS NULL),
                 sum(m.value) FILTER (m.statistic = 'HourMaximum' AND c.part IS NOT NULL)) AS hour_most,
        greatest(sum(m.value) FILTER (m.statistic = 'HourMinimum' AND c.part IS NULL),
                 sum(m.value) FILTER (m.statistic = 'HourMinimum' AND c.part IS NOT NULL)) AS hour_least,
        least(24, max(m.samples)) AS hours,
        -- hours of all parts: two variants have 48 in a day
        sum(least(24, m.samples)) FILTER (m.statistic = 'Sum') AS part_hours,
        list_distinct(list(m.part) FILTER (m.part IS NOT NULL)) AS parts,
        list_distinct(list(m.part) FILTER (m.part IS NOT NULL AND m.value > 0)) AS active_parts
    FROM measured AS m
    LEFT JOIN findings.resource AS r ON r.resource_key = m.resource_key
    LEFT JOIN components AS c ON c.endpoint_key = m.resource_key AND c.part = m.part
    WHERE r.created_at IS NULL OR CAST(m.day AS TIMESTAMP) >= r.created_at
       -- no two jobs share a name, and most live for a day
       OR (regexp_matches(r.resource_type, 'Job$|TrainingPipeline$') AND m.day >= CAST(r.created_at AS DATE))
    GROUP BY m.resource_key, m.signal, m.metric, m.day
),

activity_day AS (
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
    FROM per_metric
    GROUP BY resource_key, signal, day
)

SELECT * FROM activity_day
