/*
id: team_tag
title: The team tag on the resource
version: 2
owner: finops-ledger
order: 10
method: direct
why: >
  The team that runs a resource knows best, and says so in a tag. Spellings of keys and values are folded and looked up in
  declared aliases: queries/allocate/tag_aliases.csv for keys, your mappings/tag_aliases.csv and teams.csv for both.
misses: >
  A value that is no team and no alias is left to the next rule; the check unknown_team_tags lists such values. With no
  teams.csv every value is taken as a team. Where two tags name two teams the first alias wins; the check
  conflicting_team_tags lists them.
reads: [ledger.dimensions, mapping.tag_keys, mapping.tag_values, mapping.teams]
*/
WITH ranked AS (
    SELECT
        x_DimensionId,
        Team,
        'tag ' || Key || '=' || Value AS reason,
        ROW_NUMBER() OVER (PARTITION BY x_DimensionId ORDER BY Priority, Key) AS place
    FROM allocation.team_tags
    WHERE Bearer = 'resource'
),

team_tag AS (
    SELECT x_DimensionId, Team, reason AS x_AllocationReason
    FROM ranked
    WHERE place = 1
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM team_tag
