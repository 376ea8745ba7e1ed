/*
id: same_resource
title: The team tag that the same resource bears on its other charges
version: 1
owner: finops-ledger
order: 20
method: inherited
why: >
  A tag counts from the day on which it is activated, and refunds and fees of a resource bear none. The resource is the same:
  if all of its tagged charges name one team, the untagged ones follow.
misses: >
  A resource that changed teams keeps its untagged charges for the next rule.
reads: [allocation.remaining, allocation.tagged, ledger.dimensions]
*/
WITH tagged AS (
    SELECT d.SubAccountId, d.ResourceId, min(t.Team) AS team
    FROM allocation.tagged AS t
    JOIN ledger.dimensions AS d ON d.x_DimensionId = t.x_DimensionId
    WHERE t.x_AllocationMethod = 'direct' AND d.ResourceId IS NOT NULL
      -- a foundation model is everybody's, not one caller's
      AND d.ResourceId NOT LIKE '%:foundation-model/%'
    GROUP BY d.SubAccountId, d.ResourceId
    HAVING count(DISTINCT t.Team) = 1
),

same_resource AS (
    SELECT
        r.x_DimensionId,
        t.team AS Team,
        'other charges of the same resource are tagged ' || t.team AS x_AllocationReason
    FROM allocation.remaining AS r
    JOIN tagged AS t ON t.ResourceId = r.ResourceId AND t.SubAccountId IS NOT DISTINCT FROM r.SubAccountId
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM same_resource
