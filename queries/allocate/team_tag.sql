/*
id: team_tag
title: The team tag on the resource
version: 1
owner: finops-ledger
order: 10
method: direct
why: >
  The team that runs a resource knows best, and says so in a tag. Spellings of keys and values are folded and looked up in
  declared aliases: queries/allocate/tag_aliases.csv for keys, your mappings/tag_aliases.csv and teams.csv for both.
misses: >
  A value that is no team and no alias is left to the next rule; the check unknown_team_tags lists such values. With no
  teams.csv every value is taken as a team.
reads: [ledger.dimensions, mapping.tag_keys, mapping.tag_values, mapping.teams]
*/
WITH tags AS (
    SELECT x_DimensionId, unnest(map_keys(Tags)) AS key, unnest(map_values(Tags)) AS value
    FROM ledger.dimensions
    WHERE Tags IS NOT NULL
),

-- folding a few distinct words is cheap; folding every row's words is not
team_keys AS (
    SELECT d.key, k.priority
    FROM (SELECT DISTINCT key FROM tags) AS d
    JOIN mapping.tag_keys AS k ON k.key = allocation.folded_key(d.key)
),

team_tags AS (
    SELECT t.x_DimensionId, t.key, t.value, k.priority
    FROM tags AS t
    JOIN team_keys AS k ON k.key = t.key
    WHERE trim(t.value) <> ''
),

team_values AS (
    SELECT
        d.value,
        coalesce(v.team, CASE WHEN (SELECT count(*) FROM mapping.teams) = 0 THEN allocation.folded_value(d.value) END) AS team
    FROM (SELECT DISTINCT value FROM team_tags) AS d
    LEFT JOIN mapping.tag_values AS v ON v.value = allocation.folded_value(d.value)
),

ranked AS (
    SELECT
        t.x_DimensionId,
        v.team,
        'tag ' || t.key || '=' || t.value AS reason,
        ROW_NUMBER() OVER (PARTITION BY t.x_DimensionId ORDER BY t.priority, t.key) AS place
    FROM team_tags AS t
    JOIN team_values AS v ON v.value = t.value
    WHERE v.team IS NOT NULL
),

team_tag AS (
    SELECT x_DimensionId, team AS Team, reason AS x_AllocationReason
    FROM ranked
    WHERE place = 1
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM team_tag
