/*
id: on_demand_training
title: Families of training jobs that never run on spot
version: 1
owner: finops-ledger
why: >
  Spot capacity costs a fraction and may be interrupted; training that writes checkpoints goes on where it was. A family is the
  runs whose names differ in a date, a number or a hash at the end. Where it ran three times and never on spot, it is worth a
  question: advice, confidence low. Its resource_id is family/ACCOUNT/NAME. Each run's money stands in the run's own finding, so
  this one has no cost: the sum is in its reason and its evidence, and no dollar is counted twice.
misses: >
  Whether a job can be interrupted: only its owner knows. What spot costs: no bill says so before. Families whose names differ
  before their end; jobs that the bill names by number and no inventory knows. Jobs in training plans are paid ahead and left out.
recommended_action: >
  Ask the owner whether a run may be interrupted; if so, write checkpoints and turn on managed spot training (AWS) or the SPOT
  scheduling strategy (Google) for the next run.
check:
  AWS: aws sagemaker list-training-jobs --name-contains {name} --region {region}
  GCP: gcloud ai custom-jobs list --filter=displayName:{name} --region={region} --project={account}
params:
  window_days: {type: integer, default: 30, unit: days, help: The days before today in which the family ran.}
  min_runs: {type: integer, default: 3, unit: runs, help: A family of fewer runs is no habit.}
reads: [findings.resource_day, findings.account_day, findings.resource]
*/
WITH runs AS (
    SELECT
        *,
        workload_kind = 'training.spot' OR coalesce(CAST(properties ->> '$.Spot' AS BOOLEAN), false) AS is_spot,
        coalesce(properties ->> '$.Family', CASE
            -- as the inventory makes it of a job's name; a number alone is no name
            WHEN NOT regexp_matches(run_name, '^[0-9]+$') THEN coalesce(nullif(regexp_replace(
                run_name, '([-_. :]+(v?[0-9]+|[0-9a-f]{6,}|[0-9][0-9a-z]*))+$', '', 'i'), ''), run_name) END) AS family
    FROM (
        SELECT *, coalesce(resource_name, regexp_extract(resource_id, '[^/:]+$')) AS run_name
        FROM findings.judged(['training', 'training.spot'], $today, $window_days)
        WHERE billed_hours > 0 AND provider IS DISTINCT FROM 'Azure'  -- which bills machines, and no jobs
    )
    WHERE (properties ->> '$.TrainingPlanArn') IS NULL
),

families AS (
    SELECT
        provider, account_id, family, currency,
        CASE WHEN count(DISTINCT region) = 1 THEN min(region) END AS region,
        count(DISTINCT resource_id) AS run_count,
        sum(billed_hours) AS hours,
        CAST(sum(cost_in_window) AS DECIMAL(38, 18)) AS cost,
        nullif(string_agg(DISTINCT machine, ', ' ORDER BY machine), '') AS machines,
        min(window_start) AS window_start,
        max(window_end) AS window_end,
        -- the costliest: they tell whose it is
        list(resource_id ORDER BY cost_in_window DESC, resource_id)[:20] AS runs
    FROM runs
    WHERE family IS NOT NULL
    GROUP BY provider, account_id, family, currency
    HAVING count(DISTINCT resource_id) >= $min_runs AND NOT bool_or(is_spot)
),

on_demand_training AS (
    SELECT
        provider, account_id, region,
        'family/' || coalesce(account_id, '') || '/' || family AS resource_id,
        family AS resource_name,
        'family of training jobs' AS resource_type,
        'training' AS workload_kind,
        'underused' AS status,
        'low' AS confidence,
        window_start, window_end,
        CAST(NULL AS DECIMAL(38, 18)) AS billed_hours,
        CAST(NULL AS DECIMAL(38, 18)) AS cost_in_window,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving,
        currency,
        run_count || ' runs in ' || $window_days || ' days, none on spot; '
            || findings.billed_words(hours, machines, cost, currency)
            || ' with the runs, so no cost is named here; no saving is named, because no bill tells the price on spot' AS reason,
        CAST(json_object(
            'window_days', $window_days,
            'min_runs', $min_runs,
            'runs_in_window', run_count,
            'hours_of_runs', CAST(CAST(hours AS DECIMAL(38, 6)) AS VARCHAR),
            'cost_of_runs', CAST(cost AS VARCHAR),
            'resource_ids', runs,
            'excluded', 'credits, tax, jobs in training plans'
        ) AS JSON) AS evidence
    FROM families
)

SELECT * FROM on_demand_training
