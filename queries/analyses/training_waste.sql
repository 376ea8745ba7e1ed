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
WITH training AS (          -- and every other charge of what was ever billed for training: its volumes, traffic, credits
    SELECT
        lower(ResourceId) AS resource_key,
        ResourceId, ResourceName, HostProviderName, ServiceProviderName, SubAccountId, RegionId, x_WorkloadKind,
        BillingCurrency, ChargePeriodStart, EffectiveCost, ConsumedQuantity,
        coalesce(x_WorkloadKind LIKE 'training%', false) AS is_training,
        CASE
            WHEN regexp_matches(lower(ConsumedUnit), '^1? ?(hours?|hrs?|h)$') THEN 1
            WHEN lower(ConsumedUnit) IN ('minutes', 'minute', 'min') THEN 0.0166666666666667
            WHEN lower(ConsumedUnit) IN ('seconds', 'second', 'sec', 's') THEN 0.000277777777777778
        END AS hours_per_unit,
        -- Google bills a machine's cores and memory beside its GPU: they are money, but no further machine-hours
        coalesce(regexp_matches(SkuMeter, 'Instance (Core|Ram)|Custom (Core|Ram)|[Mm]anagement fee'), false) AS is_part
    FROM focus.cost_and_usage
    WHERE ChargePeriodStart >= CAST($period_start AS DATE) AND ChargePeriodStart < CAST($period_end AS DATE)
      AND (x_WorkloadKind LIKE 'training%' OR lower(ResourceId) IN (
          SELECT lower(ResourceId) FROM ledger.dimensions WHERE x_WorkloadKind LIKE 'training%' AND ResourceId IS NOT NULL
      ))
),
inventory AS (              -- of several snapshots that know a resource, the newest
    SELECT *, lower(resource_id) AS job_key
    FROM inventory.resources
    WHERE resource_id IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (PARTITION BY lower(resource_id) ORDER BY seen_at DESC NULLS LAST, source_id, load_id) = 1
),
known AS (                  -- by each id that a bill or a run may use
    SELECT id, job_key
    FROM (
        SELECT job_key AS id, job_key FROM inventory
        UNION ALL
        SELECT lower(unnest(CAST(json_extract(properties, '$.Aliases') AS VARCHAR[]))), job_key
        FROM inventory
        WHERE json_type(properties, '$.Aliases') = 'ARRAY'
    )
    QUALIFY ROW_NUMBER() OVER (PARTITION BY id ORDER BY id <> job_key, job_key) = 1
),
billed AS (                 -- a job, and its charges in the period; NULL: charges that name no resource
    SELECT
        coalesce(k.job_key, t.resource_key) AS job_key,
        t.BillingCurrency,
        max(t.ResourceId) AS ResourceId,
        max(t.ResourceName) AS ResourceName,
        max(coalesce(t.HostProviderName, t.ServiceProviderName)) AS Provider,
        max(t.SubAccountId) AS AccountId,
        max(t.RegionId) AS Region,
        arg_max(t.x_WorkloadKind, t.EffectiveCost) FILTER (t.is_training) AS WorkloadKind,
        min(CAST(t.ChargePeriodStart AS DATE)) AS FirstDay,
        max(CAST(t.ChargePeriodStart AS DATE)) AS LastDay,
        sum(CAST(round(CAST(t.ConsumedQuantity AS DOUBLE) * t.hours_per_unit, 6) AS DECIMAL(38, 6)))
            FILTER (t.is_training AND NOT t.is_part) AS BilledHours,
        CAST(sum(t.EffectiveCost) AS DECIMAL(38, 18)) AS EffectiveCost,
        CAST(coalesce(sum(t.EffectiveCost) FILTER (t.x_WorkloadKind = 'training.spot'), 0) AS DECIMAL(38, 18)) AS SpotCost
    FROM training AS t
    LEFT JOIN known AS k ON k.id = t.resource_key
    GROUP BY coalesce(k.job_key, t.resource_key), t.BillingCurrency
),
mlflow AS (
    SELECT
        job_key AS run_key,
        account_id AS tracking,
        state,
        created_at,
        properties ->> 'ExperimentId' AS experiment_id,
        coalesce(properties ->> 'ExperimentName', 'experiment ' || (properties ->> 'ExperimentId')) AS experiment,
        properties ->> 'RunName' AS run_name,
        regexp_extract(job_key, '[^/]+$') AS run_id,
        lower(properties ->> 'ParentRunId') AS parent_id,
        CASE WHEN json_type(properties, '$.Jobs') = 'ARRAY' THEN CAST(json_extract(properties, '$.Jobs') AS VARCHAR[]) END AS jobs
    FROM inventory
    WHERE resource_type = 'mlflow.Run'
),
ever AS (                   -- every job that was ever billed
    SELECT DISTINCT coalesce(k.job_key, lower(d.ResourceId)) AS job_key
    FROM ledger.dimensions AS d
    LEFT JOIN known AS k ON k.id = lower(d.ResourceId)
    WHERE d.x_WorkloadKind LIKE 'training%' AND d.ResourceId IS NOT NULL
),
named AS (                  -- by its name, if only one is called so
    SELECT regexp_extract(job_key, '[^/:]+$') AS id, min(job_key) AS job_key
    FROM ever
    GROUP BY regexp_extract(job_key, '[^/:]+$')
    HAVING count(*) = 1
),
said AS (
    SELECT run_key, lower(unnest(jobs)) AS id FROM mlflow
),
linked AS (                 -- which run says that it was which job: by the job's id, another id of it, or its name
    SELECT s.run_key, e.job_key FROM said AS s JOIN ever AS e ON e.job_key = s.id
    UNION
    SELECT s.run_key, e.job_key FROM said AS s JOIN known AS k ON k.id = s.id JOIN ever AS e ON e.job_key = k.job_key
    UNION
    SELECT s.run_key, n.job_key FROM said AS s JOIN named AS n ON n.id = s.id
),
run_of_job AS (             -- several runs of one job are nested: the outermost has its cost, and no other
    SELECT l.job_key, m.*, count(*) OVER (PARTITION BY l.job_key) AS run_count
    FROM linked AS l
    JOIN mlflow AS m ON m.run_key = l.run_key
    QUALIFY ROW_NUMBER() OVER (PARTITION BY l.job_key ORDER BY m.parent_id IS NOT NULL, m.created_at, m.run_key) = 1
),
states AS (                 -- the provider's word, else MLflow's
    SELECT
        b.*,
        r.tracking, r.experiment, r.run_name, r.run_id, r.run_count, r.run_key,
        coalesce(i.state, r.state) AS State,
        i.properties ->> 'FailureReason' AS FailureReason,
        i.job_key IS NOT NULL AS is_known,
        coalesce(i.resource_name, regexp_replace(coalesce(b.ResourceName, b.ResourceId), '^(arn:|//|projects/).*[/:]', ''))
            AS JobName,
        i.properties ->> 'Family' AS family
    FROM billed AS b
    LEFT JOIN run_of_job AS r ON r.job_key = b.job_key
    LEFT JOIN inventory AS i ON i.job_key = b.job_key
),
jobs AS (
    SELECT
        *,
        CASE
            WHEN regexp_matches(lower(State), '(succeeded|completed|finished)$') THEN 'completed'
            WHEN regexp_matches(lower(State), '(failed|expired)$') THEN 'failed'
            WHEN regexp_matches(lower(State), '(stopped|cancelled|killed)$') THEN 'stopped'
            WHEN regexp_matches(lower(State), '(running|inprogress|stopping|cancelling|pending|queued|scheduled|starting)$')
                THEN 'running'
            ELSE 'unknown'
        END AS Outcome
    FROM states
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
