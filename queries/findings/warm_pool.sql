/*
id: warm_pool
title: Training warm pools that no job used
version: 2
owner: finops-ledger
why: >
  A warm pool keeps a training job's machines after its end and bills them, for nothing but a faster start of the next job. The
  inventory says what became of it: taken over by a job, or ended without one. Its kept-alive hours then bought nothing:
  confidence high.
misses: >
  Whether the faster start was worth the hours. A pool that still waits is 'unknown' as long as it is younger than the window. Pools
  of jobs that the inventory does not know.
recommended_action: >
  Shorten the keep-alive period, or leave the warm pool out where jobs are rare.
check:
  AWS: aws sagemaker describe-training-job --training-job-name {name} --region {region}
change:
  AWS: aws sagemaker update-training-job --training-job-name {name} --resource-config KeepAlivePeriodInSeconds=0 --region {region}
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today that are looked at.}
reads: [findings.resource_day, findings.account_day, findings.resource, findings.monitoring]
*/
WITH pools AS (
    SELECT
        *,
        lower(properties ->> '$.WarmPoolStatus') AS pool,
        nullif(properties ->> '$.WarmPoolReusedBy', '') AS reused_by,
        findings.problem_of(inventory_problem, ['sagemaker']) AS problem
    FROM findings.judged(['training.warmpool'], $today, $window_days)
    WHERE billed_hours > 0
),

doubts AS (
    SELECT
        *,
        reused_by IS NOT NULL OR coalesce(pool IN ('reused', 'inuse'), false) AS is_used,
        CASE
            WHEN pool IS NULL THEN 'what became of the pool is not known: '
                || coalesce('the inventory could not be read (' || problem || ')',
                            CASE WHEN known THEN 'the inventory does not say' ELSE 'the inventory does not have its job' END)
            WHEN pool = 'available' AND too_young
                THEN 'it waits for a job since ' || strftime(since, '%Y-%m-%d') || ', for less than the window'
            WHEN pool NOT IN ('available', 'terminated') THEN 'its state is ' || pool
        END AS doubt
    FROM pools
),

verdicts AS (
    SELECT *, CASE WHEN is_used THEN 'active' WHEN doubt IS NOT NULL THEN 'unknown' ELSE 'idle' END AS status FROM doubts
),

warm_pool AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE status WHEN 'unknown' THEN 'low' ELSE 'high' END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        -- an ended pool bills no more
        CASE WHEN status = 'idle' AND still_billed AND pool = 'available' THEN monthly_saveable END AS monthly_saving,
        currency,
        CASE
            WHEN is_used THEN 'its machines were taken over' || coalesce(' by ' || regexp_extract(reused_by, '[^/:]+$'), '')
            WHEN status = 'unknown' THEN 'no verdict: ' || doubt
            WHEN pool = 'available' THEN 'no job has used the pool in ' || $window_days || ' days, and it still waits'
            ELSE 'the pool ended, and no job had used it'
        END
        || '; billed ' || findings.number(hours_seen) || ' of ' || hours_expected || ' hours in ' || $window_days || ' days; '
        || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE WHEN other_cost > 0
                THEN ', ' || findings.money(cost_in_window - other_cost, currency) || ' of it for the pool and the rest for its job'
                ELSE '' END
        || CASE
            WHEN status = 'active' THEN ''
            WHEN status = 'idle' AND still_billed AND pool = 'available' THEN findings.unsaved_note(committed_cost, 0, currency)
            WHEN status = 'idle' THEN '; it is spent: no saving is named'
            ELSE '; no saving is named'
        END AS reason,
        json_merge_patch(evidence, json_object(
            'warm_pool_status', properties ->> '$.WarmPoolStatus', 'reused_by', reused_by,
            'keep_alive_seconds', CAST(properties ->> '$.KeepAliveSeconds' AS BIGINT)
        )) AS evidence
    FROM verdicts
)

SELECT * FROM warm_pool
