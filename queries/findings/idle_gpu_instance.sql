/*
id: idle_gpu_instance
title: GPU machines whose accelerators do nothing
version: 2
owner: finops-ledger
why: >
  Accelerators are rented by the hour, used or not. A machine (EC2 p, g, gr, trn, inf, dl; Compute Engine with a GPU; Azure NC, ND,
  NV) is idle if none of its accelerators was above 5 percent in the hours for which it was billed: confidence high. Without a
  GPU metric a CPU that was quiet all the time is a medium sign; a busy CPU says nothing about a GPU.
misses: >
  What happened in hours in which the machine was not billed: it is judged by the hours that were. Machines that were started in
  the window are too young. Nodes of Kubernetes: the rule idle_gpu_node. A GPU that holds a model in memory and waits is idle here.
recommended_action: >
  Ask the owner who still needs it; then stop it: its volumes stay, and are billed. Without GPU metrics, measure first
  (CloudWatch agent, Ops Agent, DCGM).
check:
  AWS: aws ec2 describe-instances --instance-ids {name} --region {region}
  GCP: gcloud compute instances describe {name} --zone={zone} --project={account}
  Azure: az vm show --ids {id}
change:
  AWS: aws ec2 stop-instances --instance-ids {name} --region {region}
  GCP: gcloud compute instances stop {name} --zone={zone} --project={account}
  Azure: az vm deallocate --ids {id}
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today in which nothing ran.}
  idle_percent: {type: integer, default: 5, unit: percent, help: A GPU that never reached this did nothing.}
  quiet_cpu_percent: {type: integer, default: 5, unit: percent, help: A CPU that never reached this was quiet.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.alias, findings.monitoring,
        ledger.dimensions]
*/
WITH machines AS (
    SELECT
        *,
        -- the inventory knows; else the machine's name does
        coalesce(
            CAST(properties ->> '$.GpuCount' AS BIGINT),
            TRY_CAST(nullif(regexp_extract(machine, '(?:high|mega|ultra)gpu-(\d+)g', 1), '') AS BIGINT),
            gpus
        ) AS gpus_expected,
        findings.covers(gpu_hours, hours_seen, $measured_percent) AS gpu_covered,
        findings.covers(cpu_hours, hours_seen, $measured_percent) AS cpu_covered
    FROM findings.judged(['gpu.ec2', 'gpu.gce', 'gpu.azure'], $today, $window_days)
    WHERE billed_hours > 0
      AND NOT regexp_matches(resource_key, '^cr-|/reservations/')
      AND resource_key NOT IN (FROM findings.kubernetes_nodes())
),

measured AS (
    SELECT
        *,
        -- a metric without parts is that of the whole machine
        gpu_parts > 0 AND gpu_parts < gpus_expected AS is_partial,
        gpu_covered AND gpu_greatest_known AND NOT coalesce(is_partial, false) AS gpu_measured,
        cpu_covered AND cpu_greatest_known AND cpu_most < $quiet_cpu_percent AS cpu_quiet
    FROM machines
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN gpu_most >= $idle_percent THEN 'active'
            WHEN NOT still_billed THEN 'active'
            WHEN obstacle IS NOT NULL THEN 'unknown'
            WHEN gpu_measured THEN 'idle'
            WHEN cpu_quiet THEN 'idle'
            ELSE 'unknown'
        END AS status
    FROM measured
),

idle_gpu_instance AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE
            WHEN status = 'unknown' THEN 'low'
            WHEN status = 'active' OR gpu_measured THEN 'high'
            ELSE 'medium'
        END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_if_deleted END AS monthly_saving,
        currency,
        CASE
            WHEN gpu_most >= $idle_percent
                THEN 'its GPU reached ' || findings.number(gpu_most) || ' percent in ' || $window_days || ' days'
            WHEN status = 'active' THEN 'last billed on ' || last_day
            WHEN obstacle IS NOT NULL THEN 'no verdict: ' || obstacle
            WHEN gpu_measured THEN
                CASE WHEN gpus_expected > 1 AND gpu_parts > 0 THEN 'none of ' || greatest(gpu_parts, gpus_expected) || ' GPUs'
                     ELSE 'its GPU was not' END
                || ' above ' || findings.number(gpu_most) || ' percent in ' || $window_days || ' days ('
                || findings.coverage(gpu_hours, hours_seen) || ')'
            WHEN cpu_quiet THEN
                'CPU only: never above ' || findings.number(cpu_most) || ' percent in ' || $window_days || ' days ('
                || findings.coverage(cpu_hours, hours_seen) || '); its GPU was not measured'
                || CASE WHEN gpu_hours > 0 THEN ' as a whole' ELSE '' END
            WHEN is_partial THEN 'no verdict: only ' || gpu_parts || ' of ' || gpus_expected || ' GPUs were measured'
            WHEN gpu_covered THEN 'no verdict: of its GPU only averages are known, which hide short work'
            WHEN gpu_hours > 0
                THEN 'no verdict: its GPU was not measured all the time (' || findings.coverage(gpu_hours, hours_seen) || ')'
            WHEN cpu_hours > 0 THEN 'no verdict: its GPU was not measured, and its CPU, up to ' || findings.number(cpu_most)
                || ' percent (' || findings.coverage(cpu_hours, hours_seen) || '), says nothing about a GPU'
            ELSE 'no verdict: neither its GPU nor its CPU was measured'
        END
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE status WHEN 'idle' THEN findings.unsaved_note(committed_cost, 0, currency) ELSE '' END AS reason,
        json_merge_patch(evidence, json_object(
            'idle_percent', $idle_percent, 'quiet_cpu_percent', $quiet_cpu_percent,
            'gpus', gpus_expected, 'gpus_measured', gpu_parts
        )) AS evidence
    FROM verdicts
)

SELECT * FROM idle_gpu_instance
