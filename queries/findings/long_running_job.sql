/*
id: long_running_job
title: Training, processing and transform jobs that ran for more than a day
version: 3
owner: finops-ledger
why: >
  Long jobs on large machines are where a hung data loader costs most. One whose accelerators (on machines without any: whose
  CPUs) were never busy in all the hours that were billed did nothing, confidence high. The window is the job's own hours.
misses: >
  Jobs of a day or less; failed ones: the rule failed_job. A job that hung after it had worked is 'active'. An accelerator that
  was not measured is 'unknown', however quiet the CPU. SageMaker adds up the cores of a CPU; the sum is compared as it is, so one
  busy core counts as work. Platforms that bill without a resource id per job.
recommended_action: >
  Look at the job's log and its GPU utilisation; while it runs and hangs, stop it. Set a maximum runtime, use checkpoints and spot
  capacity.
check:
  AWS training-job: aws sagemaker describe-training-job --training-job-name {name} --region {region}
  AWS processing-job: aws sagemaker describe-processing-job --processing-job-name {name} --region {region}
  AWS transform-job: aws sagemaker describe-transform-job --transform-job-name {name} --region {region}
  GCP customJobs: gcloud ai custom-jobs describe {name} --region={region} --project={account}
  GCP hyperparameterTuningJobs: gcloud ai hp-tuning-jobs describe {name} --region={region} --project={account}
change:
  AWS training-job: aws sagemaker stop-training-job --training-job-name {name} --region {region}
  AWS processing-job: aws sagemaker stop-processing-job --processing-job-name {name} --region {region}
  AWS transform-job: aws sagemaker stop-transform-job --transform-job-name {name} --region {region}
  GCP customJobs: gcloud ai custom-jobs cancel {name} --region={region} --project={account}
  GCP hyperparameterTuningJobs: gcloud ai hp-tuning-jobs cancel {name} --region={region} --project={account}
params:
  window_days: {type: integer, default: 30, unit: days, help: The days before today in which the job was billed.}
  long_hours: {type: integer, default: 24, unit: hours, help: A job that was billed in more clock hours than this is long.}
  busy_percent: {type: integer, default: 5, unit: percent, help: A device that never reached this share was not used.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH billed AS (
    SELECT
        *,
        coalesce(
            CAST(properties ->> '$.AcceleratorCount' AS INTEGER) > 0,
            findings.has_accelerator(coalesce(properties ->> '$.InstanceType', machine))
        ) AS accelerated,
        coalesce(CAST(properties ->> '$.InstanceCount' AS INTEGER), CAST(properties ->> '$.ReplicaCount' AS INTEGER), 1) AS hosts,
        findings.moment(properties, '$.StartedAt') AS started_at,
        findings.moment(properties, '$.EndedAt') AS ended_at
    FROM findings.judged(
        ['training', 'training.spot', 'training.autopilot', 'processing', 'inference.batch'], $today, $window_days
    )
    -- in one go: every day but the first and the last is a full one; a job that runs every night is not long
    WHERE least(hours_seen, billed_hours) > $long_hours AND full_days >= days_billed - 2
      AND NOT coalesce(regexp_matches(lower(state), '(failed|expired)$'), false)
),

hosts AS (
    SELECT resource_key, signal, len(list_distinct(flatten(list(parts)))) AS measured_hosts
    FROM findings.activity_day
    WHERE resource_key IN (SELECT resource_key FROM billed)
      AND signal IN ('gpu', 'cpu') AND day >= CAST($today AS DATE) - CAST($window_days AS INTEGER)
    GROUP BY resource_key, signal
),

jobs AS (
    SELECT
        b.* EXCLUDE (accelerated),
        -- whoever has an accelerator's metric has an accelerator
        coalesce(b.accelerated, false) OR b.gpu_hours > 0 AS accelerated,
        b.accelerated IS NULL AND coalesce(b.gpu_hours, 0) = 0 AS is_unnamed,
        CASE WHEN coalesce(b.accelerated, false) OR b.gpu_hours > 0 THEN b.gpu_most ELSE b.cpu_most END AS busiest,
        CASE WHEN coalesce(b.accelerated, false) OR b.gpu_hours > 0 THEN b.gpu_hours ELSE b.cpu_hours END AS measured_hours,
        CASE WHEN coalesce(b.accelerated, false) OR b.gpu_hours > 0 THEN 'GPU' ELSE 'CPU' END AS device,
        h.measured_hosts,
        b.still_billed AND b.ended_at IS NULL
            AND NOT coalesce(regexp_matches(lower(b.state), '(succeeded|completed|failed|expired|stopped|cancelled)$'), false)
            AS is_running
    FROM billed AS b
    LEFT JOIN hosts AS h
        ON h.resource_key = b.resource_key
       AND h.signal = CASE WHEN coalesce(b.accelerated, false) OR b.gpu_hours > 0 THEN 'gpu' ELSE 'cpu' END
    -- hours that were only touched do not make a job of 23 hours long
    WHERE coalesce(date_diff('minute', b.started_at, b.ended_at) > $long_hours * 60, true)
),

doubts AS (
    SELECT
        *,
        CASE
            WHEN metrics_problem IS NOT NULL THEN 'its metrics could not be read (' || metrics_problem || ')'
            WHEN is_unnamed THEN 'its machine is not known'
            WHEN coalesce(measured_hours, 0) = 0 THEN 'its ' || device || ' was not measured'
            WHEN NOT findings.covers(measured_hours, hours_seen, $measured_percent)
                THEN 'its ' || device || ' was measured in part (' || findings.coverage(measured_hours, hours_seen) || ')'
            WHEN measured_hosts > 0 AND measured_hosts < hosts
                THEN 'the ' || device || ' of ' || measured_hosts || ' of ' || hosts || ' hosts was measured'
        END AS doubt
    FROM jobs
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN busiest >= $busy_percent AND NOT is_unnamed THEN 'active'
            WHEN doubt IS NOT NULL THEN 'unknown'
            ELSE 'idle'
        END AS status
    FROM doubts
),

long_running_job AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE status WHEN 'unknown' THEN 'low' ELSE 'high' END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE WHEN status = 'idle' AND is_running THEN monthly_if_deleted END AS monthly_saving,
        currency,
        CASE status
            WHEN 'unknown' THEN 'no verdict: ' || doubt
            ELSE device || CASE status WHEN 'idle' THEN ' never above ' ELSE ' up to ' END
                || findings.number(busiest) || ' percent in '
                || findings.number(hours_seen) || ' hours (' || findings.coverage(measured_hours, hours_seen) || ')'
        END
        || '; ran for ' || findings.number(hours_seen) || ' hours from '
        || greatest(first_day, CAST(window_start AS DATE)) || ' to ' || last_day
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE
            WHEN status = 'active' THEN ''
            WHEN is_running AND status = 'idle' THEN findings.unsaved_note(committed_cost, 0, currency)
            WHEN is_running THEN '; no saving is named'
            ELSE '; it has ended: no saving is named'
        END AS reason,
        json_merge_patch(evidence, json_object(
            'long_hours', $long_hours, 'busy_percent', $busy_percent, 'device', device, 'busiest_percent', CAST(busiest AS DOUBLE),
            'hours_measured', measured_hours, 'hosts', hosts, 'hosts_measured', measured_hosts, 'gpus_per_host', gpus
        )) AS evidence
    FROM verdicts
)

SELECT * FROM long_running_job
