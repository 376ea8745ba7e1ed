-- What resources did in each window that a rule looks at (findings.windows), a row per resource: what judged() joins to their bill.
WITH days AS (              -- the shortest window that a day is in: it is in the longer ones too
    SELECT a.day, min(w.window_days) AS shortest
    FROM (SELECT DISTINCT day FROM findings.activity_day) AS a
    JOIN findings.windows AS w ON a.day >= w.today - w.window_days AND a.day < w.today
    GROUP BY a.day
),

per_stretch AS (            -- each day is added up once, and each stretch of days in every window that it is in
    SELECT
        d.shortest, a.resource_key, a.signal, a.metric, a.parts, a.active_parts,
        bool_and(is_sum_over_gpus) AS is_sum_over_gpus,
        sum(hours) AS hours,
        sum(part_hours) AS part_hours,
        sum(total) AS total,
        max(total) AS day_most,
        min(total) AS day_least,
        max(most) AS most,
        bool_and(is_greatest) AS is_greatest,
        max(p95) AS p95,
        bool_and(is_p95_known) AS is_p95_known,
        max(hour_most) AS hour_most,
        min(hour_least) AS hour_least,
        count(*) FILTER (total > 0) AS active_days,
        max(a.day) FILTER (most > 0) AS last_active_day
    FROM findings.activity_day AS a
    JOIN days AS d ON d.day = a.day
    GROUP BY d.shortest, a.resource_key, a.signal, a.metric, a.parts, a.active_parts
),

per_signal AS (
    SELECT
        w.window_days, s.resource_key, s.signal,
        bool_and(is_sum_over_gpus) AS is_sum_over_gpus,
        array_to_string(list_sort(list_distinct(list(metric))), ', ') AS metric,
        sum(hours) AS hours,
        sum(part_hours) AS part_hours,
        sum(total) AS total,
        max(day_most) AS day_most,
        min(day_least) AS day_least,
        max(most) AS most,
        bool_and(is_greatest) AS is_greatest,
        max(p95) AS p95,
        bool_and(is_p95_known) AS is_p95_known,
        max(hour_most) AS hour_most,
        min(hour_least) AS hour_least,
        CAST(sum(active_days) AS BIGINT) AS active_days,
        max(last_active_day) AS last_active_day,
        coalesce(len(list_distinct(flatten(list(parts) FILTER (parts <> [])))), 0) AS parts,
        coalesce(len(list_distinct(flatten(list(active_parts) FILTER (active_parts <> [])))), 0) AS active_parts
    FROM per_stretch AS s
    JOIN findings.windows AS w ON w.window_days >= s.shortest
    WHERE s.resource_key IN (SELECT resource_key FROM findings.resource_day)
    GROUP BY w.window_days, s.resource_key, s.signal
),

activity_window AS (
    SELECT
        window_days, resource_key,
        max(total) FILTER (signal = 'requests') AS requests,
        coalesce(max(hours) FILTER (signal = 'requests'), 0) AS request_hours,
        coalesce(max(part_hours) FILTER (signal = 'requests'), 0) AS request_part_hours,
        max(day_most) FILTER (signal = 'requests') AS request_day_most,
        max(day_least) FILTER (signal = 'requests') AS request_day_least,
        max(hour_most) FILTER (signal = 'requests') AS request_hour_most,
        max(hour_least) FILTER (signal = 'requests') AS request_hour_least,
        max(active_days) FILTER (signal = 'requests') AS request_days,
        max(last_active_day) FILTER (signal = 'requests') AS last_request_day,
        coalesce(max(parts) FILTER (signal = 'requests'), 0) AS parts_measured,
        coalesce(max(active_parts) FILTER (signal = 'requests'), 0) AS parts_active,
        max(most) FILTER (signal = 'gpu') AS gpu_most,
        max(p95) FILTER (signal = 'gpu') AS gpu_p95,
        coalesce(bool_and(is_sum_over_gpus) FILTER (signal = 'gpu'), false) AS gpu_is_sum,
        coalesce(max(hours) FILTER (signal = 'gpu'), 0) AS gpu_hours,
        coalesce(max(parts) FILTER (signal = 'gpu'), 0) AS gpu_parts,
        coalesce(bool_and(is_greatest) FILTER (signal = 'gpu'), false) AS gpu_greatest_known,
        bool_and(is_p95_known) FILTER (signal IN ('gpu', 'gpu_memory')) AS gpu_p95_known,
        min(parts) FILTER (signal IN ('gpu', 'gpu_memory')) AS gpu_least_parts,
        max(p95) FILTER (signal = 'gpu_memory') AS gpu_memory_p95,
        coalesce(bool_and(is_sum_over_gpus) FILTER (signal = 'gpu_memory'), false) AS gpu_memory_is_sum,
        coalesce(max(hours) FILTER (signal = 'gpu_memory'), 0) AS gpu_memory_hours,
        max(most) FILTER (signal = 'cpu') AS cpu_most,
        max(p95) FILTER (signal = 'cpu') AS cpu_p95,
        coalesce(max(hours) FILTER (signal = 'cpu'), 0) AS cpu_hours,
        coalesce(bool_and(is_greatest) FILTER (signal = 'cpu'), false) AS cpu_greatest_known,
        bool_and(is_p95_known) FILTER (signal IN ('cpu', 'memory')) AS cpu_p95_known,
        min(parts) FILTER (signal IN ('cpu', 'memory')) AS cpu_least_parts,
        max(p95) FILTER (signal = 'memory') AS memory_p95,
        coalesce(max(hours) FILTER (signal = 'memory'), 0) AS memory_hours,
        max(most) FILTER (signal = 'backlog') AS backlog_most,
        coalesce(max(hours) FILTER (signal = 'backlog'), 0) AS backlog_hours,
        max(most) FILTER (signal = 'gpu_pods') AS gpu_pods_most,
        coalesce(max(hours) FILTER (signal = 'gpu_pods'), 0) AS gpu_pods_hours,
        max(most) FILTER (signal = 'node_gpus') AS node_gpus,
        max(most) FILTER (signal = 'concurrency') AS concurrency_most,
        coalesce(max(hours) FILTER (signal = 'concurrency'), 0) AS concurrency_hours,
        max(total) FILTER (signal = 'tokens') AS tokens,
        coalesce(max(hours) FILTER (signal = 'tokens'), 0) AS token_hours,
        max(p95) FILTER (signal = 'throughput') AS throughput_p95,
        coalesce(max(hours) FILTER (signal = 'throughput'), 0) AS throughput_hours,
        coalesce(max(hours) FILTER (signal IN ('gpu', 'cpu', 'memory', 'gpu_memory')), 0) AS hardware_hours,
        json_group_object(signal, json_object(
            'metric', metric, 'hours_measured', hours, 'total', CAST(total AS DOUBLE), 'most', CAST(most AS DOUBLE),
            'p95', CAST(p95 AS DOUBLE), 'last_day', CAST(last_active_day AS VARCHAR)
        )) AS evidence
    FROM per_signal
    GROUP BY window_days, resource_key
)

SELECT * FROM activity_window
