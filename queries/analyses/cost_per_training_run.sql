/*
id: cost_per_training_run
title: What each training job cost
version: 1
owner: finops-ledger
why: >
  A line per training job on the bill, with all that was charged for it, how it ended, and the MLflow run and experiment that it
  was for. The lines with a cost add up to all that was billed for training. A run of MLflow without a job on the bill has a line
  too, which says so and has no cost.
misses: >
  What a job cost outside the period. Training on machines that are billed as machines and not as jobs. Where several runs name one
  job, the outermost has its cost, else the earliest; a run that had several jobs has a line for each of them.
reads: [focus.cost_and_usage, inventory.resources, ledger.dimensions]
params:
  period: {type: period, default: last-30-days, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  JobName: The job's name; empty for charges that name no resource, and for runs without a job on the bill
  Outcome: completed, failed, stopped, running; unknown where neither the inventory nor MLflow knows the job
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: All charges of the job in the period, amortised; empty for a run without a job on the bill
  BilledHours: Machine-hours as the bill counts them; empty if it counts something else
  SpotPercent: Part of the cost that was spot capacity, in percent
  WorkloadKind: training, training.spot, training.warmpool, training.hyperpod and so on
  Experiment: MLflow's experiment
  Run: MLflow's run
  MLflowRuns: How many runs name the job
  State: The provider's word for how the job stands, else MLflow's
  FailureReason: What the provider says why it failed
  FirstDay: First day with a charge
  LastDay: Last day with a charge
  Note: What is not known, and why
  Provider: Who bills it
  AccountId: The account or project
  Region: Where it ran
  ResourceId: The job, as the bill names it; of a run without a job on the bill, the run
*/
WITH cost_per_training_run AS (
    SELECT
        JobName,
        Outcome,
        BillingCurrency,
        EffectiveCost,
        BilledHours,
        round(100.0 * SpotCost / NULLIF(EffectiveCost, 0), 1) AS SpotPercent,
        WorkloadKind,
        Experiment,
        Run,
        MLflowRuns,
        State,
        FailureReason,
        FirstDay,
        LastDay,
        CASE
            WHEN NOT is_billed AND jobs_named = [] THEN 'not on the bill: the run names no job'
            WHEN NOT is_billed THEN 'not on the bill: no training charge is of ' || array_to_string(jobs_named, ', ')
            WHEN job_key IS NULL THEN 'the bill names no resource'
            WHEN State IS NULL AND NOT is_known THEN 'no inventory knows it'
            WHEN MLflowRuns > 1 THEN MLflowRuns || ' runs name it; the outermost has its cost'
        END AS Note,
        Provider, AccountId, Region,
        ResourceId
    FROM findings.training_jobs($period_start, $period_end)
)
SELECT * FROM cost_per_training_run
ORDER BY BillingCurrency NULLS LAST, EffectiveCost DESC NULLS LAST, FirstDay, ResourceId
