/*
id: by_usage
title: Shared cost, in proportion to what each team used
version: 1
owner: finops-ledger
order: 140
method: split
splits: pools
why: >
  Tokens, requests or GPU hours tell who used a shared model or cluster better than cost does. The column basis of pools.csv names
  a metric of utilisation.daily, or several of one unit that are added (input_tokens;output_tokens), measured over the pool's
  window. What was used is the team's to which tagging gave all charges of the resource, else of the key, else of the project or
  account; else the team's that keys.csv, projects.csv or (for kubernetes.* metrics) namespaces.csv names.
misses: >
  What was used by resources that have no team, or two, takes no part; the reason of each share says how much that was. So do
  teams that are not among the pool's. Different units are an error, but a token of a large model weighs as much as one of a small.
reads: [allocation.gap, allocation.namespace_team, allocation.pool_window, allocation.remaining, allocation.tagged,
        ledger.dimensions, mapping.keys, mapping.pools, mapping.pool_teams, mapping.projects, utilisation.daily]
*/
WITH metrics AS (
    SELECT DISTINCT pool, trim(unnest(string_split(basis, ';'))) AS metric
    FROM mapping.pools
    WHERE split = 'by_usage'
),

activity AS (
    SELECT m.pool, u.resource_id, u.day, u.unit, u.value
    FROM metrics AS m
    JOIN utilisation.daily AS u ON u.metric = m.metric AND coalesce(u.statistic, 'Sum') = 'Sum'
),

-- 'openai/PROJECT/MODEL' is of a project, 'anthropic/WORKSPACE/MODEL' of a workspace
words AS (
    SELECT DISTINCT resource_id,
        unnest([resource_id, nullif(regexp_extract(resource_id, '^(?:openai|anthropic)/([^/]+)/', 1), '')]) AS word
    FROM activity
),

dimensions AS (
    SELECT x_DimensionId, ResourceId, x_ApiKeyId, SubAccountId
    FROM ledger.dimensions
    WHERE NOT allocation.is_fee(x_WorkloadKind, ChargeCategory, ChargeClass, ResourceId)
),

witnesses AS (
    SELECT w.resource_id, 1 AS rank, d.x_DimensionId FROM words AS w JOIN dimensions AS d ON d.ResourceId = w.word
    UNION ALL
    SELECT w.resource_id, 2, d.x_DimensionId FROM words AS w JOIN dimensions AS d ON d.x_ApiKeyId = w.word
    UNION ALL
    SELECT w.resource_id, 3, d.x_DimensionId FROM words AS w JOIN dimensions AS d ON d.SubAccountId = w.word
),

-- what tagging has decided and when; 'unallocated' where it is open
decided AS (
    SELECT x_DimensionId, CASE WHEN NOT is_pool THEN Team END AS team, ValidFrom, ValidUntil
    FROM allocation.tagged
    UNION ALL
    SELECT r.x_DimensionId, NULL, coalesce(g.open_from, TIMESTAMP '0001-01-01'), coalesce(g.open_until, TIMESTAMP '9999-12-31')
    FROM allocation.remaining AS r
    LEFT JOIN allocation.gap AS g ON g.dimension_id = r.x_DimensionId
),

owners AS (
    SELECT DISTINCT w.resource_id, w.rank, d.team, d.ValidFrom, d.ValidUntil
    FROM witnesses AS w
    JOIN decided AS d ON d.x_DimensionId = w.x_DimensionId
),

days AS (
    SELECT DISTINCT resource_id, day FROM activity
),

found AS (
    SELECT d.resource_id, d.day, o.rank, min(o.team) AS team
    FROM days AS d
    JOIN owners AS o ON o.resource_id = d.resource_id AND o.ValidFrom <= d.day AND o.ValidUntil > d.day
    GROUP BY d.resource_id, d.day, o.rank
    HAVING count(DISTINCT o.team) = 1 AND bool_and(o.team IS NOT NULL)
    UNION ALL
    SELECT d.resource_id, d.day, 4, k.team
    FROM days AS d
    JOIN words AS w ON w.resource_id = d.resource_id
    JOIN mapping.keys AS k ON k.key_id = w.word
    WHERE (k.valid_from IS NULL OR k.valid_from <= d.day) AND (k.valid_until IS NULL OR k.valid_until > d.day)
    UNION ALL
    SELECT d.resource_id, d.day, 5, p.team
    FROM days AS d
    JOIN words AS w ON w.resource_id = d.resource_id
    JOIN mapping.projects AS p ON p.project_id = w.word
    WHERE (p.valid_from IS NULL OR p.valid_from <= d.day) AND (p.valid_until IS NULL OR p.valid_until > d.day)
    UNION ALL
    SELECT d.resource_id, d.day, CASE WHEN n.is_exact THEN 6 ELSE 7 END, n.team
    FROM days AS d
    JOIN allocation.namespace_team AS n ON n.resource_id = d.resource_id AND n.valid_from <= d.day AND n.valid_until > d.day
),

teams AS (
    SELECT resource_id, day, min_by(team, rank) AS team
    FROM found
    GROUP BY resource_id, day
),

units AS (
    SELECT
        p.pool,
        CASE WHEN count(DISTINCT coalesce(a.unit, '')) > 1
            THEN error(concat('pool ''', p.pool, ''' (pools.csv:', p.line, ') adds up what is measured in different units: ',
                              string_agg(DISTINCT a.unit, ', ' ORDER BY a.unit), '; its basis is ''', p.basis, ''''))
            ELSE min(a.unit) END AS unit
    FROM mapping.pools AS p
    JOIN activity AS a ON a.pool = p.pool
    GROUP BY p.pool, p.line, p.basis
),

used AS (
    SELECT a.pool, w.Month, w.WindowStart, w.WindowEnd, t.team, sum(a.value) AS value
    FROM activity AS a
    JOIN allocation.pool_window AS w ON w.Pool = a.pool AND a.day >= w.WindowStart AND a.day < w.WindowEnd
    LEFT JOIN teams AS t ON t.resource_id = a.resource_id AND t.day = a.day
    GROUP BY ALL
),

weighed AS (
    SELECT *, sum(value) OVER months AS total, sum(value) FILTER (team IS NULL) OVER months AS nobodys
    FROM used
    WINDOW months AS (PARTITION BY pool, Month)
),

by_usage AS (
    SELECT
        u.pool AS Pool,
        u.team AS Team,
        CAST(u.value AS DECIMAL(38, 18)) AS Weight,
        u.Month AS ValidFrom,
        CAST(u.Month + INTERVAL 1 MONTH AS DATE) AS ValidUntil,
        concat('by ', replace(p.basis, ';', ' and '), ' in ', allocation.window_name(u.WindowStart, u.WindowEnd),
               CASE WHEN u.nobodys > 0 THEN concat('; of ', allocation.plain_number(u.total), ' ' || n.unit, ', ',
                                                   allocation.plain_number(u.nobodys), ' are no team''s and take no part')
               END) AS x_AllocationReason
    FROM weighed AS u
    JOIN mapping.pools AS p ON p.pool = u.pool
    JOIN units AS n ON n.pool = u.pool
    JOIN mapping.pool_teams AS t ON t.pool = u.pool AND t.team = u.team
)

SELECT Pool, Team, Weight, ValidFrom, ValidUntil, x_AllocationReason
FROM by_usage
