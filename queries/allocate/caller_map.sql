/*
id: caller_map
title: Who called the model, from mappings/callers.csv
version: 1
owner: finops-ledger
order: 50
method: mapped
why: >
  Tokens have no resource to tag, but CUR 2.0 names the IAM principal that called Bedrock. A pattern matches the whole ARN or
  the role's name.
misses: >
  Exports without the caller's identity (legacy CUR, FOCUS) leave tokens to the account.
reads: [allocation.remaining, mapping.callers]
*/
WITH callers AS (
    SELECT DISTINCT x_CallerId, split_part(split_part(x_CallerId, ':', 6), '/', 2) AS role
    FROM allocation.remaining
    WHERE x_CallerId IS NOT NULL
),

ranked AS (
    SELECT
        c.x_CallerId,
        m.team,
        m.line,
        ROW_NUMBER() OVER (PARTITION BY c.x_CallerId ORDER BY m.line) AS place
    FROM callers AS c
    JOIN mapping.callers AS m ON regexp_full_match(c.x_CallerId, m.pattern) OR regexp_full_match(c.role, m.pattern)
),

caller_map AS (
    SELECT
        r.x_DimensionId,
        m.team AS Team,
        'caller ' || r.x_CallerId || ' matches line ' || m.line || ' of callers.csv' AS x_AllocationReason
    FROM allocation.remaining AS r
    JOIN ranked AS m ON m.x_CallerId = r.x_CallerId AND m.place = 1
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM caller_map
