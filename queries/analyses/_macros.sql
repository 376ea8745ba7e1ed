-- What analyses share. Kept in the warehouse beside the focus.* views, before a first build too, so that a named query's SQL runs
-- in any client.

-- The training jobs that were billed in [period_start, period_end), one row per job and currency, and the runs of MLflow that began
-- in it and have no job on the bill. What the bill charges for training without naming a resource is one row without a job_key.
-- EffectiveCost of the rows adds up to all that was billed for training: a job's volumes, traffic and credits are part of it.
--   is_billed                  false: a run without a job on the bill, which has no cost; jobs_named: the jobs that it names
--   job_key, JobName, Family   the inventory's id, name and family of the job, else what the bill says
--   EffectiveCost, SpotCost    money; SpotCost is the part of it that was spot capacity
--   BilledHours                machine-hours as the bill counts them; NULL if it counts something else
--   State, Outcome             the provider's word, else MLflow's; completed, failed, stopped, running or unknown
--   is_known                   does an inventory know the job?
--   Experiment, Run, run_key, TrackingServer, MLflowRuns   of several runs that name the job the outermost, else the earliest
CREATE OR REPLACE MACRO findings.training_jobs(period_start, period_end) AS TABLE
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
        WHERE ChargePeriodStart >= CAST(period_start AS DATE) AND ChargePeriodStart < CAST(period_end AS DATE)
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
            true AS is_billed,
            i.job_key IS NOT NULL AS is_known,
            coalesce(i.resource_name, regexp_replace(coalesce(b.ResourceName, b.ResourceId), '^(arn:|//|projects/).*[/:]', ''))
                AS JobName,
            i.properties ->> 'Family' AS Family,
            coalesce(i.state, r.state) AS State,
            i.properties ->> 'FailureReason' AS FailureReason,
            r.experiment AS Experiment,
            r.tracking AS TrackingServer,
            coalesce(r.run_name, r.run_id) AS Run,
            r.run_key,
            coalesce(r.run_count, 0) AS MLflowRuns
        FROM billed AS b
        LEFT JOIN run_of_job AS r ON r.job_key = b.job_key
        LEFT JOIN inventory AS i ON i.job_key = b.job_key
    ),

    unbilled AS (               -- runs that began in the period; a run within another is part of it
        SELECT
            false AS is_billed,
            m.state AS State,
            m.experiment AS Experiment,
            m.tracking AS TrackingServer,
            coalesce(m.run_name, m.run_id) AS Run,
            m.run_key,
            1 AS MLflowRuns,
            coalesce(m.jobs, []) AS jobs_named,
            CAST(m.created_at AS DATE) AS FirstDay,
            'MLflow' AS Provider,
            m.tracking AS AccountId,
            m.run_key AS ResourceId
        FROM mlflow AS m
        WHERE m.created_at >= CAST(period_start AS DATE) AND m.created_at < CAST(period_end AS DATE)
          AND m.run_key NOT IN (SELECT run_key FROM linked)
          AND NOT EXISTS (SELECT 1 FROM mlflow AS p WHERE p.tracking = m.tracking AND p.run_id = m.parent_id)
          AND NOT EXISTS (SELECT 1 FROM mlflow AS c JOIN linked AS l ON l.run_key = c.run_key
                          WHERE c.tracking = m.tracking AND c.parent_id = m.run_id)
    )

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
    FROM (FROM states UNION ALL BY NAME FROM unbilled);
