/*
id: mlflow_runs
title: Runs of MLflow's experiments, to the inventory
version: 1
owner: finops-ledger
provider: MLflow
why: >
  A bill knows training jobs. MLflow knows what they were for: the experiment, the run, and how it ended. A run that says which job
  it was is joined to what the job cost.
sources:
  - MLflow's tracking server, experiments/search and runs/search, its file store, or exported runs, as the collector writes them
misses: >
  Users, parameters and metrics are not kept. A run that names no job is known, and has no cost. Names of runs are in properties:
  they are no names of cloud resources.
yields: inventory
detect: [mlflow_place, experiment_id, run_id]
reads:
  ended_at: timestamp
  experiment_id: text
  experiment_name: text
  instances: json
  jobs: json
  lifecycle_stage: text
  metric_count: quantity
  mlflow_place: text
  parent_run_id: text
  run_id: text
  run_name: text
  started_at: timestamp
  status: text
  tags: map
*/
SELECT
    'MLflow' AS provider,
    mlflow_place AS account_id,
    'mlflow://' || mlflow_place || '/' || experiment_id || '/' || run_id AS resource_id,
    'mlflow.Run' AS resource_type,
    status AS state,
    started_at AS created_at,
    tags,
    stated(json_object(
        'ExperimentId', experiment_id,
        'ExperimentName', experiment_name,
        'RunName', run_name,
        'StartedAt', strftime(started_at, '%Y-%m-%dT%H:%M:%SZ'),
        'EndedAt', strftime(ended_at, '%Y-%m-%dT%H:%M:%SZ'),
        'ParentRunId', parent_run_id,
        'LifecycleStage', lifecycle_stage,
        -- ARNs and resource ids as the bill has them, or names alone; a run may have had several
        'Jobs', jobs,
        'JobArn', list_filter(CAST(jobs AS VARCHAR[]), lambda each: starts_with(each, 'arn:') OR starts_with(each, '//'))[1],
        'InstanceIds', instances,
        'MetricCount', CAST(metric_count AS BIGINT)
    )) AS properties
FROM delivered
