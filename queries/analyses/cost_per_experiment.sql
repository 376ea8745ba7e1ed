/*
id: cost_per_experiment
title: What each experiment cost
version: 1
owner: finops-ledger
why: >
  Training jobs put together by the MLflow experiment whose runs name them. Jobs that no run names are the line without an
  experiment; all lines add up to all that was billed for training.
misses: >
  Runs that name no job. Where runs of several experiments name one job, the outermost run, else the earliest, has its cost: no
  job is counted twice. 'finops analyze cost_per_training_run' shows each job.
reads: [focus.cost_and_usage, inventory.resources, ledger.dimensions]
params:
  period: {type: period, default: last-30-days, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  Experiment: MLflow's experiment; "no experiment" for jobs that no run names
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: All charges of its jobs in the period, amortised
  WastedCost: The part of it that was charged for jobs that failed or were stopped
  SpotPercent: Part of the cost that was spot capacity, in percent
  SharePercent: Part of the currency's training cost, in percent
  Jobs: How many jobs were billed
  Runs: How many runs they were
  BilledHours: Machine-hours as the bill counts them
  TrackingServer: Where MLflow runs, or the source's name
*/
WITH sums AS (
    SELECT
        coalesce(j.Experiment, 'no experiment') AS Experiment,
        TrackingServer,
        BillingCurrency,
        CAST(sum(EffectiveCost) AS DECIMAL(38, 18)) AS EffectiveCost,
        CAST(coalesce(sum(EffectiveCost) FILTER (Outcome IN ('failed', 'stopped')), 0) AS DECIMAL(38, 18)) AS WastedCost,
        sum(SpotCost) AS spot,
        count(DISTINCT job_key) AS Jobs,
        count(DISTINCT run_key) AS Runs,
        sum(BilledHours) AS BilledHours
    FROM findings.training_jobs($period_start, $period_end) AS j
    WHERE is_billed
    GROUP BY coalesce(j.Experiment, 'no experiment'), TrackingServer, BillingCurrency
),
cost_per_experiment AS (
    SELECT
        Experiment,
        BillingCurrency,
        EffectiveCost,
        WastedCost,
        round(100.0 * spot / NULLIF(EffectiveCost, 0), 1) AS SpotPercent,
        round(100.0 * EffectiveCost / NULLIF(sum(EffectiveCost) OVER (PARTITION BY BillingCurrency), 0), 1) AS SharePercent,
        Jobs,
        Runs,
        BilledHours,
        TrackingServer
    FROM sums
)
SELECT * FROM cost_per_experiment
ORDER BY BillingCurrency, EffectiveCost DESC, Experiment, TrackingServer
