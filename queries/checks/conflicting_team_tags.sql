/*
id: conflicting_team_tags
title: Resources that two team tags give to two teams
version: 1
owner: finops-ledger
grade: warn
why: >
  Spellings are folded, so 'team' and 'Team' may stand side by side. Where they name two teams the first alias wins; somebody
  should know.
misses: >
  A resource that changed teams over time bears one tag at a time: that is no conflict.
reads: [ledger.dimensions, mapping.tag_keys, mapping.tag_values]
*/
WITH tags AS (
    SELECT x_DimensionId, ResourceId, SubAccountId, unnest(map_keys(Tags)) AS key, unnest(map_values(Tags)) AS value
    FROM ledger.dimensions
    WHERE Tags IS NOT NULL
),

keys AS (
    SELECT d.key
    FROM (SELECT DISTINCT key FROM tags) AS d
    JOIN mapping.tag_keys AS k ON k.key = allocation.folded_key(d.key)
),

teams AS (
    SELECT t.x_DimensionId, t.ResourceId, t.SubAccountId, t.key, v.team
    FROM tags AS t
    JOIN keys AS k ON k.key = t.key
    JOIN mapping.tag_values AS v ON v.value = allocation.folded_value(t.value)
),

conflicting AS (
    SELECT x_DimensionId, max(ResourceId) AS ResourceId, max(SubAccountId) AS SubAccountId,
        string_agg(key || '=' || team, ', ' ORDER BY key) AS tags
    FROM teams
    GROUP BY x_DimensionId
    HAVING count(DISTINCT team) > 1
),

conflicting_team_tags AS (
    SELECT DISTINCT SubAccountId, ResourceId, tags FROM conflicting
)

SELECT * FROM conflicting_team_tags
