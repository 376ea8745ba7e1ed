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

-- exact names are looked up; mapping.callers_pattern gives the first line whose pattern matches the whole word
lines AS (
    SELECT
        c.x_CallerId,
        coalesce(min(m.line), min(mapping.callers_pattern(c.x_CallerId)), min(mapping.callers_pattern(c.role))) AS line
    FROM callers AS c
    LEFT JOIN mapping.callers AS m ON m.shape = 'exact' AND m.literal IN (c.x_CallerId, c.role)
    GROUP BY c.x_CallerId
),

caller_map AS (
    SELECT
        r.x_DimensionId,
        m.team AS Team,
        'caller ' || r.x_CallerId || ' matches line ' || m.line || ' of callers.csv' AS x_AllocationReason
    FROM allocation.remaining AS r
    JOIN lines AS l ON l.x_CallerId = r.x_CallerId
    JOIN mapping.callers AS m ON m.line = l.line
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM caller_map
