/*
id: caller_map
title: Who called the model, from mappings/callers.csv
version: 2
owner: finops-ledger
order: 50
method: mapped
why: >
  Tokens have no resource to tag, but CUR 2.0 names the IAM principal that called Bedrock. A pattern matches the whole ARN or
  the role's name.
misses: >
  Exports without the caller's identity (legacy CUR, FOCUS) leave tokens to the account. Exact names win over patterns, what
  the whole ARN matches over what the role's name does, and among equals the first line wins.
reads: [allocation.remaining, mapping.callers]
*/
WITH callers AS (
    SELECT DISTINCT x_CallerId, split_part(split_part(x_CallerId, ':', 6), '/', 2) AS role
    FROM allocation.remaining
    WHERE x_CallerId IS NOT NULL
),

-- exact names are looked up; mapping.callers_lines gives the lines whose pattern matches the whole word
found AS (
    SELECT c.x_CallerId, m.line, 1 AS rank
    FROM callers AS c
    JOIN mapping.callers AS m ON m.shape = 'exact' AND m.literal = c.x_CallerId
    UNION ALL
    SELECT c.x_CallerId, m.line, 1
    FROM callers AS c
    JOIN mapping.callers AS m ON m.shape = 'exact' AND m.literal = c.role AND c.role <> c.x_CallerId
    UNION ALL
    SELECT x_CallerId, unnest(mapping.callers_lines(x_CallerId)), 2 FROM callers
    UNION ALL
    SELECT x_CallerId, unnest(mapping.callers_lines(role)), 3 FROM callers
),

-- the strongest line at each time
spans AS (
    SELECT f.x_CallerId, unnest(mapping.at_each_time(list_sort(list({'strength': [f.rank, m.line], 'line': m.line, 'valid_from': m.valid_from,
        'valid_until': m.valid_until})))) AS span
    FROM found AS f
    JOIN mapping.callers AS m ON m.line = f.line
    GROUP BY f.x_CallerId
),

caller_map AS (
    SELECT
        r.x_DimensionId,
        m.team AS Team,
        'caller ' || r.x_CallerId || ' matches line ' || m.line || ' of callers.csv' AS x_AllocationReason,
        s.span.valid_from AS ValidFrom,
        s.span.valid_until AS ValidUntil
    FROM allocation.remaining AS r
    JOIN spans AS s ON s.x_CallerId = r.x_CallerId
    JOIN mapping.callers AS m ON m.line = s.span.line
)

SELECT x_DimensionId, Team, x_AllocationReason, ValidFrom, ValidUntil
FROM caller_map
