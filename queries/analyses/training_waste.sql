/*
id: training_waste
title: Training that failed or was stopped
version: 1
owner: finops-ledger
why: >
  A job that failed is billed like one that succeeded. Hours and money by how the jobs ended: what went into failed and stopped ones
  apart, and what nobody can tell apart from both. The lines add up to all that was billed for training.
misses: >
  Why they were stopped: an early stop may have saved money. Failed attempts within a job that was tried again and succeeded. The
  provider's word counts; MLflow's only where the inventory does not know the job.
reads: [focus.cost_and_usage, inventory.resources, ledger.dimensions]
params:
  period: {type: period, default: last-30-days, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  Outcome: failed, stopped, unknown (no inventory knows the job, or the bill names none), running, completed
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: All charges of these jobs in the period, amortised
  SharePercent: Part of the currency's training cost, in percent
  BilledHours: Machine-hours as the bill counts them
  Jobs: How many jobs were billed
  LargestJob: The one that cost most
  LargestJobCost: What that one cost
  LargestJobReason: What the provider says why it failed
*/
WITH jobs AS (
    FROM findings.training_jobs($period_start, $period_end) WHERE is_billed
),
sums AS (
    SELECT
        Outcome,
        BillingCurrency,
        CAST(sum(EffectiveCost) AS DECIMAL(38, 18)) AS EffectiveCost,
        sum(BilledHours) AS BilledHours,
        count(DISTINCT job_key) AS Jobs
    FROM jobs
    GROUP BY Outcome, BillingCurrency
),
costliest AS (
    SELECT Outcome, BillingCurrency, JobName, EffectiveCost, FailureReason
    FROM jobs
    WHERE job_key IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (PARTITION BY Outcome, BillingCurrency ORDER BY EffectiveCost DESC, job_key) = 1
),
training_waste AS (
    SELECT
        s.Outcome,
        s.BillingCurrency,
        s.EffectiveCost,
        round(100.0 * s.EffectiveCost / NULLIF(sum(s.EffectiveCost) OVER (PARTITION BY s.BillingCurrency), 0), 1) AS SharePercent,
        s.BilledHours,
        s.Jobs,
        c.JobName AS LargestJob,
        c.EffectiveCost AS LargestJobCost,
        c.FailureReason AS LargestJobReason
    FROM sums AS s
    LEFT JOIN costliest AS c ON c.Outcome = s.Outcome AND c.BillingCurrency IS NOT DISTINCT FROM s.BillingCurrency
)
SELECT * FROM training_waste
ORDER BY BillingCurrency, list_position(['failed', 'stopped', 'unknown', 'running', 'completed'], Outcome)
