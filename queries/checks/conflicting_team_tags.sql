/*
id: conflicting_team_tags
title: Resources that two team tags give to two teams
version: 2
owner: finops-ledger
grade: warn
why: >
  Spellings are folded, so 'team' and 'Team' may stand side by side. Where they name two teams the first alias wins; somebody
  should know.
misses: >
  A resource that changed teams over time bears one tag at a time: that is no conflict. Nor is it one if the caller's or the
  account's tag names another team than the resource's: the resource's counts.
reads: [ledger.dimensions, mapping.tag_keys, mapping.tag_values, mapping.teams]
*/
WITH conflicting AS (
    SELECT x_DimensionId, string_agg(Key || '=' || Team, ', ' ORDER BY Key) AS tags
    FROM allocation.team_tags
    GROUP BY x_DimensionId, Bearer
    HAVING count(DISTINCT Team) > 1
),

conflicting_team_tags AS (
    SELECT DISTINCT d.SubAccountId, d.ResourceId, c.tags
    FROM conflicting AS c
    JOIN ledger.dimensions AS d ON d.x_DimensionId = c.x_DimensionId
)

SELECT * FROM conflicting_team_tags
