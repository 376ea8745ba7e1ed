/*
id: hyperpod_cluster
title: HyperPod clusters whose accelerators do nothing, and training plans
version: 3
owner: finops-ledger
why: >
  A cluster of accelerators is the most expensive thing to forget, and it bills the same with and without a job. AWS measures
  nothing of it by itself: DCGM or Container Insights do, by machine. All machines measured and never busy in the whole window:
  idle, confidence high. None measured: 'unknown', with the money.
misses: >
  Machines that were replaced in the window make the measuring incomplete: 'unknown'. Clusters that were deleted before the last
  billed day are 'active'. A training plan is paid ahead, so nothing of it can be saved, and what runs on it is measured
  elsewhere: 'unknown'.
recommended_action: >
  Look for running jobs; if there are none, delete the cluster or scale its instance groups to zero.
check:
  AWS cluster: aws sagemaker list-cluster-nodes --cluster-name {id} --region {region}
  AWS training-plan: aws sagemaker describe-training-plan --training-plan-name {name} --region {region}
change:
  AWS cluster: aws sagemaker delete-cluster --cluster-name {id} --region {region}
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today that are looked at.}
  busy_percent: {type: integer, default: 5, unit: percent, help: An accelerator that never reached this share was not used.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH billed AS (
    SELECT
        *,
        workload_kind = 'training.plan' AS is_plan,
        CASE WHEN findings.has_accelerator(machine) THEN 'gpu' ELSE 'cpu' END AS device,
        (   -- a cluster has machines without accelerators beside it, for its scheduler
            SELECT sum(CAST(g ->> '$.CurrentCount' AS INTEGER))
            FROM (SELECT unnest(CAST(properties -> '$.InstanceGroups' AS JSON[])) AS g)
            WHERE coalesce(findings.has_accelerator(g ->> '$.InstanceType'), false)
               OR NOT coalesce(findings.has_accelerator(machine), false)
        ) AS counted_nodes,
        json_array_length(properties, '$.InstanceIds') AS listed_nodes
    FROM findings.judged(['training.hyperpod', 'training.plan'], $today, $window_days)
    WHERE billed_hours > 0 OR (workload_kind = 'training.plan' AND cost_in_window > 0)
),

nodes AS (
    SELECT resource_key, lower(unnest(CAST(properties -> '$.InstanceIds' AS VARCHAR[]))) AS node_key
    FROM billed
    WHERE json_type(properties, '$.InstanceIds') = 'ARRAY'
),

per_node AS (
    SELECT
        n.resource_key, n.node_key, a.signal,
        sum(a.hours) AS hours,
        max(a.most) AS most,
        len(list_distinct(flatten(list(a.parts)))) AS devices,
        string_agg(DISTINCT a.metric, ', ' ORDER BY a.metric) AS metric
    FROM nodes AS n
    JOIN findings.activity_day AS a ON a.resource_key = n.node_key
    WHERE a.signal IN ('gpu', 'cpu') AND a.day >= CAST($today AS DATE) - CAST($window_days AS INTEGER)
    GROUP BY n.resource_key, n.node_key, a.signal
),

measured AS (
    SELECT
        b.resource_key,
        max(p.most) AS nodes_most,
        -- one with eight accelerators of which one is measured is not measured
        count(*) FILTER (findings.covers(p.hours, b.hours_seen, $measured_percent) AND (p.devices = 0 OR p.devices >= b.gpus))
            AS nodes_measured,
        string_agg(DISTINCT p.metric, ', ' ORDER BY p.metric) AS metric
    FROM billed AS b
    JOIN per_node AS p ON p.resource_key = b.resource_key AND p.signal = b.device
    GROUP BY b.resource_key
),

clusters AS (
    SELECT
        b.*,
        m.metric,
        coalesce(m.nodes_measured, 0) AS nodes_measured,
        coalesce(b.counted_nodes, b.listed_nodes) AS nodes_expected,
        greatest(CASE b.device WHEN 'gpu' THEN b.gpu_most ELSE b.cpu_most END, m.nodes_most) AS busiest,
        findings.covers(CASE b.device WHEN 'gpu' THEN b.gpu_hours ELSE b.cpu_hours END, b.hours_seen, $measured_percent)
            AND (b.device = 'cpu' OR b.gpu_parts = 0 OR b.gpu_parts >= coalesce(b.counted_nodes, b.listed_nodes, 1))
            AS is_measured_whole
    FROM billed AS b
    LEFT JOIN measured AS m ON m.resource_key = b.resource_key
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN is_plan THEN 'unknown'
            WHEN busiest >= $busy_percent THEN 'active'
            WHEN NOT still_billed THEN 'active'
            WHEN obstacle IS NOT NULL THEN 'unknown'
            WHEN is_measured_whole OR (nodes_measured > 0 AND nodes_measured >= nodes_expected) THEN 'idle'
            ELSE 'unknown'
        END AS status
    FROM clusters
),

hyperpod_cluster AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE status WHEN 'unknown' THEN 'low' ELSE 'high' END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_if_deleted END AS monthly_saving,
        currency,
        CASE
            WHEN is_plan THEN 'no verdict: a training plan is paid ahead'
                || coalesce(', ' || (properties ->> '$.AvailableInstanceCount')
                || ' of its ' || (properties ->> '$.TotalInstanceCount') || ' instances were free when it was last listed', '')
            WHEN busiest >= $busy_percent THEN upper(device) || ' up to ' || findings.number(busiest) || ' percent in '
                || $window_days || ' days'
            WHEN status = 'active' THEN 'last billed on ' || last_day
            WHEN obstacle IS NOT NULL THEN 'no verdict: ' || obstacle
            WHEN status = 'unknown' AND nodes_measured > 0 THEN 'no verdict: the ' || upper(device) || 's of ' || nodes_measured
                || coalesce(' of ' || nodes_expected, '') || ' machines were measured'
            WHEN status = 'unknown' AND busiest IS NOT NULL THEN 'no verdict: its ' || upper(device) || 's were measured in part'
            WHEN status = 'unknown' THEN 'no verdict: its ' || upper(device) || 's were not measured'
            ELSE upper(device) || ' never above ' || findings.number(busiest) || ' percent in ' || $window_days || ' days ('
                || CASE WHEN is_measured_whole
                        THEN findings.coverage(CASE device WHEN 'gpu' THEN gpu_hours ELSE cpu_hours END, hours_seen)
                        ELSE nodes_measured || ' of ' || nodes_expected || ' machines measured' END || ')'
        END
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE
            WHEN status = 'idle' THEN findings.unsaved_note(committed_cost, 0, currency)
            WHEN status = 'unknown' THEN '; no saving is named'
            ELSE ''
        END AS reason,
        json_merge_patch(evidence, json_object(
            'busy_percent', $busy_percent, 'device', device, 'busiest_percent', CAST(busiest AS DOUBLE),
            'metric_of_machines', metric,
            'machines_measured', nodes_measured, 'machines_expected', nodes_expected, 'plan_ends', properties ->> '$.EndTime'
        )) AS evidence
    FROM verdicts
)

SELECT * FROM hyperpod_cluster
