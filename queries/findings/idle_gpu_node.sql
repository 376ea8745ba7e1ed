/*
id: idle_gpu_node
title: GPU nodes of Kubernetes that no pod uses
version: 1
owner: finops-ledger
why: >
  A cluster keeps a GPU node as long as its node group says so, and the machine is billed. It is idle if in the whole window no pod
  asked for a GPU on it, or if none of its GPUs was above 5 percent; underused if its GPUs stayed below 10 percent in 95 of 100
  hours.
misses: >
  Pods that use a GPU without asking for one, unless the GPUs are measured. Pods that ask for a GPU and leave it alone: to see
  these, run DCGM. Machines that neither tags nor kube-state-metrics name as nodes: the rule idle_gpu_instance.
recommended_action: >
  Ask who needs the node; then let its group shrink: a minimum of zero and an autoscaler, or one node less. A cordoned and
  drained node that stays is billed on.
check:
  AWS: aws ec2 describe-instances --instance-ids {name} --region {region}
  GCP: gcloud compute instances describe {name} --zone={zone} --project={account}
  Azure: az resource show --ids {id}
change:
  AWS: aws autoscaling terminate-instance-in-auto-scaling-group --instance-id {name} --should-decrement-desired-capacity --region {region}
  GCP: gcloud compute instance-groups managed delete-instances INSTANCE_GROUP --instances={name} --zone={zone} --project={account}
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today in which nothing ran.}
  idle_percent: {type: integer, default: 5, unit: percent, help: A GPU that never reached this did nothing.}
  underused_percent: {type: integer, default: 10, unit: percent, help: Below this in 95 of 100 hours its GPUs are underused.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.alias, findings.monitoring,
        ledger.dimensions]
*/
WITH nodes AS (
    SELECT
        *,
        coalesce(CAST(properties ->> '$.GpuCount' AS BIGINT), CASE WHEN provider <> 'AWS' THEN CAST(node_gpus AS BIGINT) END, gpus)
            AS gpus_expected,
        findings.covers(gpu_hours, hours_seen, $measured_percent) AND gpu_greatest_known AS gpu_covered,
        findings.covers(gpu_pods_hours, hours_seen, $measured_percent) AS pods_covered
    FROM findings.judged(['gpu.ec2', 'gpu.gce', 'gpu.azure'], $today, $window_days)
    WHERE billed_hours > 0
      AND NOT regexp_matches(resource_key, '^cr-|/reservations/')
      AND resource_key IN (FROM findings.kubernetes_nodes())
),

measured AS (
    SELECT *, gpu_covered AND NOT (gpu_parts > 0 AND gpu_parts < gpus_expected) AS gpu_measured FROM nodes
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN gpu_p95 >= $underused_percent THEN 'active'
            WHEN gpu_most >= $idle_percent AND NOT gpu_measured THEN 'active'
            WHEN NOT still_billed THEN 'active'
            WHEN obstacle IS NOT NULL THEN CASE WHEN gpu_most >= $idle_percent THEN 'active' ELSE 'unknown' END
            WHEN gpu_most >= $idle_percent THEN 'underused'
            WHEN pods_covered AND gpu_pods_most = 0 THEN 'idle'
            WHEN gpu_measured THEN 'idle'
            ELSE 'unknown'
        END AS status
    FROM measured
),

idle_gpu_node AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE status WHEN 'unknown' THEN 'low' ELSE 'high' END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_if_deleted END AS monthly_saving,
        currency,
        CASE
            WHEN status = 'active' AND gpu_most >= $idle_percent THEN
                'its GPUs reached ' || findings.number(gpu_most) || ' percent in ' || $window_days || ' days'
            WHEN status = 'active' THEN 'last billed on ' || last_day
            WHEN obstacle IS NOT NULL THEN 'no verdict: ' || obstacle
            WHEN status = 'underused' THEN 'in 95 of 100 hours its GPUs stayed below ' || $underused_percent || ' percent ('
                || findings.number(gpu_p95) || ', at most ' || findings.number(gpu_most) || '; '
                || findings.coverage(gpu_hours, hours_seen) || ')'
            WHEN pods_covered AND gpu_pods_most = 0 THEN 'no pod asked for a GPU in ' || $window_days || ' days ('
                || findings.coverage(gpu_pods_hours, hours_seen) || ')'
                || CASE WHEN gpu_most IS NOT NULL THEN ', no GPU above ' || findings.number(gpu_most) || ' percent' ELSE '' END
            WHEN status = 'idle' THEN 'no GPU above ' || findings.number(gpu_most) || ' percent in ' || $window_days || ' days ('
                || findings.coverage(gpu_hours, hours_seen) || ')'
                || CASE WHEN gpu_pods_most > 0 THEN ', though pods asked for up to ' || findings.number(gpu_pods_most) ELSE '' END
            WHEN gpu_parts > 0 AND gpu_parts < gpus_expected THEN
                'no verdict: only ' || gpu_parts || ' of ' || gpus_expected || ' GPUs were measured'
            WHEN gpu_hours > 0 THEN
                'no verdict: its GPUs were not measured all the time (' || findings.coverage(gpu_hours, hours_seen) || ')'
            WHEN gpu_pods_most > 0 THEN 'no verdict: pods asked for up to ' || findings.number(gpu_pods_most)
                || ' GPUs, but what these did was not measured'
            ELSE 'no verdict: neither its GPUs nor its pods were measured ('
                || findings.coverage(greatest(gpu_hours, gpu_pods_hours), hours_seen) || ')'
        END
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE status WHEN 'idle' THEN findings.unsaved_note(committed_cost, 0, currency) ELSE '' END AS reason,
        json_merge_patch(evidence, json_object(
            'idle_percent', $idle_percent, 'underused_percent', $underused_percent,
            'gpus', gpus_expected, 'gpus_measured', gpu_parts
        )) AS evidence
    FROM verdicts
)

SELECT * FROM idle_gpu_node
