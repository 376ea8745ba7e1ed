-- Under which other ids a bill or a metric may name a resource: a project's number for its id, a bare id for an ARN, the name
-- where it is one resource's alone (for metrics only: a name on a bill is an id).
WITH ids AS (
    SELECT resource_key AS alias, resource_key, 1 AS rank FROM findings.resource
    UNION ALL
    SELECT ledger.resource_key(unnest(CAST(json_extract(properties, '$.Aliases') AS VARCHAR[]))), resource_key, 2
    FROM findings.resource
    WHERE json_type(properties, '$.Aliases') = 'ARRAY'
),

names AS (
    SELECT lower(resource_name) AS alias, min(resource_key) AS resource_key, 3 AS rank
    FROM findings.resource
    WHERE resource_name IS NOT NULL
    GROUP BY lower(resource_name)
    HAVING count(*) = 1
),

-- what only the bill knows, by the end of its id
billed AS (
    SELECT DISTINCT ledger.resource_key(ResourceId) AS resource_key
    FROM ledger.dimensions
    WHERE ResourceId IS NOT NULL AND x_WorkloadKind IS NOT NULL
),

ends AS (
    SELECT regexp_extract(resource_key, '[^/:]+$') AS alias, min(resource_key) AS resource_key, 4 AS rank
    FROM billed
    GROUP BY regexp_extract(resource_key, '[^/:]+$')
    HAVING count(*) = 1
),

every AS (
    SELECT * FROM ids UNION ALL SELECT * FROM names UNION ALL SELECT * FROM ends
),

alias AS (
    SELECT alias, resource_key, rank >= 3 AS is_name
    FROM every
    WHERE alias IS NOT NULL AND alias <> ''
    QUALIFY ROW_NUMBER() OVER (PARTITION BY alias ORDER BY rank, resource_key) = 1
)

SELECT * FROM alias
