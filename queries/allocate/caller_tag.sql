/*
id: caller_tag
title: The team tag of the IAM principal that called the model
version: 1
owner: finops-ledger
order: 12
method: inherited
why: >
  Tokens have no resource to tag, but the user or role that asked for them has tags, and CUR 2.0 hands them on as
  iamPrincipal/team. A tag of the resource itself, such as an inference profile, comes first.
misses: >
  A role that several teams share names one of them. Callers without tags are mapped in mappings/callers.csv; what a caller's
  other charges are tagged with is no witness, because gateways call for everybody.
reads: [ledger.dimensions, mapping.tag_keys, mapping.tag_values, mapping.teams]
*/
WITH ranked AS (
    SELECT
        x_DimensionId,
        Team,
        'the caller is tagged ' || allocation.bare_key(Key) || '=' || Value AS reason,
        ROW_NUMBER() OVER (PARTITION BY x_DimensionId ORDER BY Priority, Key) AS place
    FROM allocation.team_tags
    WHERE Bearer = 'caller'
),

caller_tag AS (
    SELECT x_DimensionId, Team, reason AS x_AllocationReason
    FROM ranked
    WHERE place = 1
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM caller_tag
