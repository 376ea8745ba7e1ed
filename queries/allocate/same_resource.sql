/*
id: same_resource
title: The team tag that the same resource bears on its other charges
version: 2
owner: finops-ledger
order: 20
method: inherited
why: >
  A tag counts from the day on which it is activated, and refunds, credits and fees of a resource bear none. The resource is the
  same, so its untagged charges go to the team that its tagged ones name. Where it changed teams, each has it from its first
  tagged charge until the next team's.
misses: >
  A resource that two teams tag at the same time keeps its untagged charges for the next rule. After a change of teams, what is
  untagged between the old team's last tagged charge and the new team's first is the old team's.
reads: [allocation.remaining, allocation.tagged, ledger.dimensions, ledger.charge]
*/
WITH untagged AS (
    SELECT x_DimensionId, SubAccountId, allocation.folded_resource(ResourceId) AS resource
    FROM allocation.remaining
    WHERE trim(ResourceId) <> ''
),

witnesses AS (
    SELECT t.x_DimensionId, t.Team, t.ValidFrom, t.ValidUntil, d.SubAccountId, allocation.folded_resource(d.ResourceId) AS resource
    FROM allocation.tagged AS t
    JOIN ledger.dimensions AS d ON d.x_DimensionId = t.x_DimensionId
    WHERE t.x_AllocationMethod = 'direct' AND d.ResourceId IS NOT NULL
      -- a foundation model is everybody's, not one caller's
      AND d.ResourceId NOT LIKE '%:foundation-model/%'
),

resources AS (
    SELECT SubAccountId, resource, min(Team) AS team, count(DISTINCT Team) AS teams
    FROM witnesses
    GROUP BY SubAccountId, resource
),

always AS (
    SELECT u.x_DimensionId, r.team, NULL::TIMESTAMP AS begins, NULL::TIMESTAMP AS ends,
        'other charges of the same resource are tagged ' || r.team AS reason
    FROM untagged AS u
    JOIN resources AS r ON r.resource = u.resource AND r.SubAccountId IS NOT DISTINCT FROM u.SubAccountId
    WHERE r.teams = 1
),

-- when which team tagged it: from the first tagged charge to the last
times AS (
    SELECT w.SubAccountId, w.resource, w.Team, min(c.ChargePeriodStart) AS first, max(c.ChargePeriodStart) AS last
    FROM witnesses AS w
    JOIN resources AS r ON r.resource = w.resource AND r.SubAccountId IS NOT DISTINCT FROM w.SubAccountId AND r.teams > 1
    SEMI JOIN untagged AS u ON u.resource = w.resource AND u.SubAccountId IS NOT DISTINCT FROM w.SubAccountId
    JOIN ledger.charge AS c ON c.dimension_id = w.x_DimensionId
        AND c.ChargePeriodStart >= w.ValidFrom AND c.ChargePeriodStart < w.ValidUntil
    GROUP BY ALL
),

turns AS (
    SELECT *, lag(last) OVER turn AS before, lead(first) OVER turn AS next
    FROM times
    WINDOW turn AS (PARTITION BY SubAccountId, resource ORDER BY first, last, Team)
),

in_turn AS (
    SELECT * FROM turns
    QUALIFY NOT bool_or(coalesce(before >= first, FALSE)) OVER (PARTITION BY SubAccountId, resource)
),

changed AS (
    SELECT u.x_DimensionId, t.Team AS team, CASE WHEN t.before IS NOT NULL THEN t.first END AS begins, t.next AS ends,
        'the same resource is tagged ' || t.Team || ' from ' || strftime(t.first, '%Y-%m-%d') || ' on' AS reason
    FROM untagged AS u
    JOIN in_turn AS t ON t.resource = u.resource AND t.SubAccountId IS NOT DISTINCT FROM u.SubAccountId
),

same_resource AS (
    SELECT x_DimensionId, team AS Team, begins AS ValidFrom, ends AS ValidUntil, reason AS x_AllocationReason
    FROM (FROM always UNION ALL FROM changed)
)

SELECT x_DimensionId, Team, ValidFrom, ValidUntil, x_AllocationReason
FROM same_resource
