/*
id: studio_owner
title: The owner of the SageMaker Studio space, user profile or domain
version: 1
owner: finops-ledger
order: 25
method: inherited
why: >
  What runs in SageMaker Studio bears no tags of a team unless they are propagated, but always names its space, user profile and
  domain. The nearest of the three that has an owner gives it its team: by its tags in the inventory, by its own tagged charges, or,
  for a space or user profile, by the one team that other charges of it are tagged with.
misses: >
  A domain is shared by its users: what some of its charges are tagged with says nothing about the others. A user profile that two
  teams tag gives nothing. Map such ARNs in mappings/tags.csv.
reads: [allocation.remaining, allocation.tagged, ledger.dimensions, inventory.resources]
*/
WITH tags AS (
    SELECT x_DimensionId, unnest(map_keys(Tags)) AS key, unnest(map_values(Tags)) AS arn
    FROM ledger.dimensions
    WHERE Tags IS NOT NULL
),

-- sagemaker:space-arn, aws:sagemaker:shared-space-arn, aws_sagemaker_user_profile_arn
studio_keys AS (
    SELECT key, word, list_position(['space', 'user-profile', 'domain'], word) AS distance
    FROM (
        SELECT key, regexp_extract(replace(lower(key), '_', '-'),
            '(?:^|[:/-])sagemaker[:-](?:shared-)?(space|user-profile|domain)-arn$', 1) AS word
        FROM (SELECT DISTINCT key FROM tags)
    )
    WHERE word <> ''
),

named AS (
    SELECT t.x_DimensionId, t.arn, k.word, k.distance
    FROM tags AS t
    JOIN studio_keys AS k ON k.key = t.key
    WHERE trim(t.arn) <> ''
),

of_its_own AS (
    SELECT d.ResourceId AS arn, t.Team
    FROM allocation.tagged AS t
    JOIN ledger.dimensions AS d ON d.x_DimensionId = t.x_DimensionId
    WHERE t.x_AllocationMethod = 'direct' AND d.ResourceId IN (SELECT arn FROM named)
    UNION ALL
    SELECT n.arn, t.Team
    FROM named AS n
    JOIN allocation.tagged AS t ON t.x_DimensionId = n.x_DimensionId
    WHERE t.x_AllocationMethod = 'direct' AND n.word <> 'domain'
),

owners AS (
    SELECT ResourceId AS arn, Team, 'is tagged ' || Key || '=' || Value AS reason, 1 AS place FROM allocation.inventory_teams
    UNION ALL
    SELECT arn, min(Team), 'has other charges, all tagged ' || min(Team), 2
    FROM of_its_own
    GROUP BY arn
    HAVING count(DISTINCT Team) = 1
),

ranked AS (
    SELECT
        n.x_DimensionId,
        o.Team,
        n.word || ' ' || n.arn || ' ' || o.reason AS reason,
        ROW_NUMBER() OVER (PARTITION BY n.x_DimensionId ORDER BY n.distance, o.place, n.arn) AS place
    FROM named AS n
    SEMI JOIN allocation.remaining AS r ON r.x_DimensionId = n.x_DimensionId
    JOIN owners AS o ON o.arn = n.arn
),

studio_owner AS (
    SELECT x_DimensionId, Team, reason AS x_AllocationReason
    FROM ranked
    WHERE place = 1
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM studio_owner
