-- Under which other ids a bill or a metric may name a resource: a project's number for its id, a bare id for an ARN, the name
-- where it is one resource's alone (for metrics only: a name on a bill is an id).
WITH ids AS (
    SELECT resource_key AS alias, resource_key, 1 AS rank FROM findings.resource
    UNION ALL
    SELECT ledger.resource_key(unnest(CAST(json_extract(properties, '$.Aliases') AS VARCHAR[]))), resource_key, 2
    FROM findings.resource
    WHERE json_type(properties, '$.Aliases') = 'ARRAY'
),

-- names in the inventory, and the ends of ids on the bill
called AS (
    SELECT lower(resource_name) AS alias, resource_key, false AS is_billed
    FROM findings.resource
    WHERE resource_name IS NOT NULL
    UNION
    SELECT regexp_extract(b.resource_key, '[^/:]+$'), coalesce(i.resource_key, b.resource_key), true
    FROM (
        SELECT DISTINCT ledger.resource_key(ResourceId) AS resource_key
        FROM ledger.dimensions
        WHERE ResourceId IS NOT NULL AND x_WorkloadKind IS NOT NULL
    ) AS b
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
    SELECT * FROM ids UNION ALL SELECT * FROM names
),

alias AS (
    SELECT alias, resource_key, rank >= 3 AS is_name
    FROM every
    WHERE alias IS NOT NULL AND alias <> ''
    QUALIFY ROW_NUMBER() OVER (PARTITION BY alias ORDER BY rank, resource_key) = 1
)

SELECT * FROM alias
