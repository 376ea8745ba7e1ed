/*
id: resource_map
title: Resources by id or name, from mappings/resources.csv
version: 1
owner: finops-ledger
order: 40
method: mapped
why: >
  What cannot be tagged can be named. A pattern is a regular expression that matches the whole id or the whole name. Patterns
  without special characters are exact names, 'abc.*' is a prefix: those are looked up, so thousands of them cost nothing.
misses: >
  Exact names win over prefixes, prefixes over other patterns, and among equals the first line wins.
reads: [allocation.remaining, mapping.resources]
*/
WITH remaining AS (
    SELECT x_DimensionId, unnest([ResourceId, ResourceName]) AS word
    FROM allocation.remaining
    WHERE ResourceId IS NOT NULL
),

words AS (
    SELECT DISTINCT word FROM remaining WHERE word IS NOT NULL
),

exact AS (
    SELECT w.word, min(m.line) AS line
    FROM words AS w
    JOIN mapping.resources AS m ON m.shape = 'exact' AND m.literal = w.word
    GROUP BY w.word
),

-- prefixes of one length are one look-up
prefixed AS (
    SELECT w.word, min(m.line) AS line
    FROM (SELECT word FROM words ANTI JOIN exact USING (word)) AS w
    CROSS JOIN (SELECT DISTINCT length FROM mapping.resources WHERE shape = 'prefix') AS n
    JOIN mapping.resources AS m ON m.shape = 'prefix' AND m.length = n.length AND m.literal = left(w.word, n.length)
    GROUP BY w.word
),

-- mapping.resources_pattern gives the first line whose pattern matches the whole word
patterned AS (
    SELECT word, mapping.resources_pattern(word) AS line
    FROM words
    ANTI JOIN exact USING (word)
    ANTI JOIN prefixed USING (word)
),

found AS (
    SELECT word, line, 1 AS rank FROM exact
    UNION ALL
    SELECT word, line, 2 FROM prefixed
    UNION ALL
    SELECT word, line, 3 FROM patterned WHERE line IS NOT NULL
),

ranked AS (
    SELECT
        r.x_DimensionId,
        m.team,
        'resource ' || f.word || ' matches line ' || m.line || ' of resources.csv' AS reason,
        ROW_NUMBER() OVER (PARTITION BY r.x_DimensionId ORDER BY f.rank, m.line, f.word) AS place
    FROM remaining AS r
    JOIN found AS f ON f.word = r.word
    JOIN mapping.resources AS m ON m.line = f.line
),

resource_map AS (
    SELECT x_DimensionId, team AS Team, reason AS x_AllocationReason
    FROM ranked
    WHERE place = 1
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM resource_map
