/*
id: failed_job
title: Jobs that failed or were stopped, and what their hours cost
version: 2
owner: finops-ledger
order: 90
why: >
  A training, processing or transform job that failed is billed like one that succeeded. Its hours bought nothing: 'idle',
  confidence high, by the provider's own word. One that was stopped did not get to its end: 'underused', confidence low. The money
  is spent, so no saving is named. Completed and running jobs are 'active', so that every job has a verdict.
misses: >
  What a job left behind before its end: checkpoints of a failed one can be gone on from, and a model can be good enough when it
  is stopped; stops by its tuning job are meant, and are 'active'. Failed attempts within a job that was tried again and
  succeeded. How a job ended that no inventory has: it is 'active', confidence low, and 'unknown' where the inventory could not be
  read. So are Azure's spot computers, which are billed without their jobs: 'active', confidence low.
recommended_action: >
  Read why it ended; mend it before the next run, and try it on little data or a small machine first. Write checkpoints.
check:
  AWS training-job: aws sagemaker describe-training-job --training-job-name {name} --region {region}
  AWS processing-job: aws sagemaker describe-processing-job --processing-job-name {name} --region {region}
  AWS transform-job: aws sagemaker describe-transform-job --transform-job-name {name} --region {region}
  GCP customJobs: gcloud ai custom-jobs describe {name} --region={region} --project={account}
  GCP hyperparameterTuningJobs: gcloud ai hp-tuning-jobs describe {name} --region={region} --project={account}
params:
  window_days: {type: integer, default: 30, unit: days, help: The days before today in which the job was billed.}
reads: [findings.resource_day, findings.account_day, findings.resource, findings.monitoring]
*/
WITH jobs AS (
    SELECT
        *,
        CASE
            WHEN regexp_matches(lower(state), '(succeeded|completed)$') THEN 'completed'
            WHEN regexp_matches(lower(state), '(failed|expired)$') THEN 'failed'
            WHEN regexp_matches(lower(state), '(stopped|cancelled)$') THEN 'stopped'
            WHEN regexp_matches(lower(state), '(running|inprogress|stopping|cancelling|pending|queued|starting|paused)$')
                THEN 'running'
        END AS outcome,
        (properties ->> '$.TuningJobArn') IS NOT NULL AS is_tuned,
        nullif(trim(split_part(properties ->> '$.FailureReason', chr(10), 1)), '') AS failure,
        findings.problem_of(inventory_problem, ['sagemaker', 'aiplatform']) AS problem
    FROM findings.judged(
        ['training', 'training.spot', 'training.autopilot', 'processing', 'inference.batch'], $today, $window_days
    )
    WHERE billed_hours > 0
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN outcome = 'failed' THEN 'idle'
            WHEN outcome = 'stopped' AND NOT is_tuned THEN 'underused'
            WHEN outcome IS NOT NULL THEN 'active'
            WHEN problem IS NOT NULL OR known THEN 'unknown'
            ELSE 'active'
        END AS status
    FROM jobs
),

failed_job AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE WHEN outcome IS NULL OR status = 'underused' THEN 'low' ELSE 'high' END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving,
        currency,
        CASE
            WHEN outcome IN ('failed', 'stopped') THEN outcome || ' after ' || findings.number(hours_seen) || ' billed hours'
                || CASE WHEN outcome = 'stopped' AND is_tuned THEN ' by its tuning job' ELSE '' END
                || coalesce(' (' || CASE WHEN length(failure) > 120 THEN left(failure, 119) || '…' ELSE failure END || ')', '')
            WHEN outcome = 'completed' THEN 'completed'
            WHEN outcome = 'running' THEN 'it runs, for ' || findings.number(hours_seen) || ' billed hours so far'
            WHEN status = 'unknown' THEN 'no verdict: how it ended is not known: '
                || coalesce('the inventory could not be read (' || problem || ')', 'the inventory does not say')
            WHEN provider = 'Azure'
                THEN 'last billed on ' || last_day || '; what ran on it is not known, because Azure bills no jobs'
            ELSE 'last billed on ' || last_day || '; how it ended is not known, because no inventory has it'
        END
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE status
            WHEN 'idle' THEN '; it is spent: no saving is named'
            WHEN 'underused' THEN '; what it left behind is not known, and it is spent: no saving is named'
            ELSE ''
        END AS reason,
        json_merge_patch(evidence, json_object(
            'outcome', outcome, 'failure_reason', failure, 'family', properties ->> '$.Family', 'inventory_problem', problem
        )) AS evidence
    FROM verdicts
)

SELECT * FROM failed_job
