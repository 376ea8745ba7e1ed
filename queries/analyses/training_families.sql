/*
id: training_families
title: Training by family of jobs, and whether they ever ran on spot
version: 1
owner: finops-ledger
why: >
  Runs of one job differ in a date, a number or a hash at the end of their names: without it they are a family. Spot capacity
  costs a fraction and may be interrupted; a family with checkpoints that never ran on it is where to begin. The lines add up to
  all that was billed for training.
misses: >
  Whether a job can be interrupted: only its owner knows. Names that differ before their end. Jobs that the bill names by number are
  one family as long as no inventory knows their names.
reads: [focus.cost_and_usage, inventory.resources, ledger.dimensions]
params:
  period: {type: period, default: last-30-days, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  Family: The jobs' name without a date, number or hash at its end; empty for jobs and charges without a name
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: All charges of its jobs in the period, amortised
  SpotCost: The part of it that was spot capacity
  SpotPercent: The same in percent
  NeverSpot: true if no job of the family ran on spot in the period
  Jobs: How many jobs were billed
  FailedJobs: How many of them failed or were stopped; jobs whose end nobody knows are not among them
  BilledHours: Machine-hours as the bill counts them
  Provider: Who bills it
  AccountId: The account or project
*/
WITH families AS (
    SELECT
        *,
        -- as the inventory makes it of the jobs' names; a number alone is no name
        coalesce(
            Family,
            CASE WHEN regexp_matches(JobName, '^[0-9]+$') THEN NULL
                 ELSE nullif(regexp_replace(JobName, '([-_. :]+(v?[0-9]+|[0-9a-f]{6,}|[0-9][0-9a-z]*))+$', '', 'i'), '') END
        ) AS FamilyName
    FROM findings.training_jobs($period_start, $period_end)
    WHERE is_billed
),
training_families AS (
    SELECT
        FamilyName AS Family,
        BillingCurrency,
        CAST(sum(EffectiveCost) AS DECIMAL(38, 18)) AS EffectiveCost,
        CAST(sum(SpotCost) AS DECIMAL(38, 18)) AS SpotCost,
        round(100.0 * sum(SpotCost) / NULLIF(sum(EffectiveCost), 0), 1) AS SpotPercent,
        NOT bool_or(SpotCost <> 0) AS NeverSpot,
        count(DISTINCT job_key) AS Jobs,
        count(DISTINCT job_key) FILTER (Outcome IN ('failed', 'stopped')) AS FailedJobs,
        sum(BilledHours) AS BilledHours,
        Provider,
        AccountId
    FROM families
    GROUP BY FamilyName, BillingCurrency, Provider, AccountId
)
SELECT * FROM training_families
ORDER BY BillingCurrency, EffectiveCost DESC, Family, Provider, AccountId
