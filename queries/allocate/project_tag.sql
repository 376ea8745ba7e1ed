/*
id: project_tag
title: The team label on the project or resource group
version: 2
owner: finops-ledger
order: 30
method: inherited
why: >
  Projects are labelled more faithfully than resources. What bears no tag of its own takes its project's.
misses: >
  Folders and management groups have no labels on the bill; map them in mappings/folders.csv. Fees follow the project's usage first.
reads: [allocation.remaining, mapping.tag_keys, mapping.tag_values, mapping.teams]
*/
WITH tags AS (
    SELECT x_DimensionId, SubAccountId, unnest(map_keys(x_ProjectTags)) AS key, unnest(map_values(x_ProjectTags)) AS value
    FROM allocation.remaining
    WHERE x_ProjectTags IS NOT NULL AND NOT allocation.is_fee(x_WorkloadKind, ChargeCategory, ChargeClass, ResourceId)
),

team_tags AS (
    SELECT
        t.x_DimensionId, t.SubAccountId, t.key, t.value, k.priority,
        coalesce(v.team, CASE WHEN (SELECT count(*) FROM mapping.teams) = 0 THEN allocation.folded_value(t.value) END) AS team
    FROM tags AS t
    JOIN mapping.tag_keys AS k ON k.key = allocation.folded_key(t.key)
    LEFT JOIN mapping.tag_values AS v ON v.value = allocation.folded_value(t.value)
    WHERE trim(t.value) <> ''
),

ranked AS (
    SELECT
        x_DimensionId,
        team,
        'project ' || coalesce(SubAccountId, '') || ' is tagged ' || key || '=' || value AS reason,
        ROW_NUMBER() OVER (PARTITION BY x_DimensionId ORDER BY priority, key) AS place
    FROM team_tags
    WHERE team IS NOT NULL
),

project_tag AS (
    SELECT x_DimensionId, team AS Team, reason AS x_AllocationReason
    FROM ranked
    WHERE place = 1
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM project_tag
