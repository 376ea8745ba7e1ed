-- Under which other ids a bill or a metric may name a resource: a project's number for its id, a bare id for an ARN, the name
-- where it is one resource's alone (a bill's name, where its account has but one that is called so).
WITH billed AS (
    SELECT
        resource_key,
        account_id,
        count(*) OVER (PARTITION BY resource_key) AS accounts,
        -- a bill knows a project by both, its number and its id
        regexp_replace(resource_key, '^(//[^/]+/projects/)[0-9]+/', '\1' || lower(account_id) || '/') AS by_project
    FROM (
        SELECT DISTINCT ledger.resource_key(ResourceId) AS resource_key, SubAccountId AS account_id
        FROM ledger.dimensions
        WHERE ResourceId IS NOT NULL AND x_WorkloadKind IS NOT NULL
    )
),

-- what has no machines may be called like what has
called_so AS (
    SELECT b.resource_key AS alias, min(r.resource_key) AS resource_key
    FROM billed AS b
    JOIN findings.resource AS r
        ON b.resource_key = lower(coalesce(r.resource_name, regexp_extract(r.resource_key, '[^/:]+$'))) AND b.account_id = r.account_id
    WHERE b.accounts = 1 AND NOT regexp_matches(b.resource_key, '[/:]')
      AND NOT regexp_matches(r.resource_key, '[/:](model|endpoint-config|disks|snapshots|volume|snapshot)/[^/]+$')
    GROUP BY b.resource_key
    HAVING count(*) = 1
),

ids AS (
    SELECT resource_key AS alias, resource_key, 1 AS rank FROM findings.resource
    UNION ALL
    SELECT ledger.resource_key(unnest(CAST(json_extract(properties, '$.Aliases') AS VARCHAR[]))), resource_key, 2
    FROM findings.resource
    WHERE json_type(properties, '$.Aliases') = 'ARRAY'
    UNION ALL
    SELECT alias, resource_key, 2 FROM called_so
    UNION ALL
    SELECT b.resource_key, r.resource_key, 2
    FROM billed AS b
    JOIN findings.resource AS r ON r.resource_key = b.by_project
    WHERE b.by_project <> b.resource_key
    UNION ALL
    -- Google's APIs leave the service out
    SELECT regexp_replace(resource_key, '^//[^/]+/', ''), resource_key, 2
    FROM findings.resource
    WHERE starts_with(resource_key, '//')
),

-- names in the inventory, and the ends of ids on the bill
called AS (
    SELECT lower(resource_name) AS alias, resource_key, false AS is_billed
    FROM findings.resource
    WHERE resource_name IS NOT NULL
    UNION
    SELECT regexp_extract(b.resource_key, '[^/:]+$'), coalesce(i.resource_key, b.resource_key), true
    FROM billed AS b
    LEFT JOIN ids AS i ON i.alias = b.resource_key
),

-- two of one kind make a name nobody's; of an endpoint and its model that are called alike, the one that is billed
candidates AS (
    SELECT
        alias, resource_key, bool_or(is_billed) AS is_billed,
        count(*) OVER (PARTITION BY alias, regexp_extract(resource_key, '([^/:]+)[/:][^/:]+$', 1)) AS of_kind
    FROM called
    GROUP BY alias, resource_key
),

names AS (
    SELECT alias, coalesce(min(resource_key) FILTER (is_billed), min(resource_key)) AS resource_key, 3 AS rank
    FROM candidates
    GROUP BY alias
    HAVING max(of_kind) = 1 AND (count(*) = 1 OR count(*) FILTER (is_billed) = 1)
),

every AS (
    SELECT * FROM ids
    UNION ALL
    SELECT * FROM names
    UNION ALL
    -- what is billed, as metrics may name it
    SELECT unnest([b.by_project, regexp_replace(b.resource_key, '^//[^/]+/', ''), regexp_replace(b.by_project, '^//[^/]+/', '')]),
        coalesce(i.resource_key, b.resource_key), 3
    FROM billed AS b
    LEFT JOIN ids AS i ON i.alias = b.resource_key
    WHERE starts_with(b.resource_key, '//')
),

alias AS (
    SELECT alias, resource_key, rank >= 3 AS is_name
    FROM every
    WHERE alias IS NOT NULL AND alias <> ''
    QUALIFY ROW_NUMBER() OVER (PARTITION BY alias ORDER BY rank, resource_key) = 1
)

SELECT * FROM alias
