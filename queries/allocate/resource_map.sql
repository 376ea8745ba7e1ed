/*
id: resource_map
title: Resources by id or name, from mappings/resources.csv
version: 2
owner: finops-ledger
order: 40
method: mapped
why: >
  What cannot be tagged can be named. A pattern is a regular expression that matches the whole id or the whole name. Patterns
  without special characters are exact names, 'abc.*' is a prefix: those are looked up, so thousands of them cost nothing.
  SageMaker Studio writes into tags which space, user profile and domain a charge is of: these ARNs can be named too.
misses: >
  The resource itself wins over its space, that over the user profile, and that over the domain. Then exact names win over
  prefixes, prefixes over other patterns, and among equals the first line wins.
reads: [allocation.remaining, mapping.resources]
*/
WITH tags AS (
    SELECT x_DimensionId, unnest(coalesce(map_entries(Tags), []) || coalesce(map_entries(x_SystemTags), [])) AS tag
    FROM allocation.remaining
    WHERE EXISTS (FROM mapping.resources) AND (Tags IS NOT NULL OR x_SystemTags IS NOT NULL)
),

-- sagemaker:space-arn and its like, with and without aws: before it
studio_keys AS (
    SELECT key, CASE WHEN key ILIKE '%space%' THEN 2 WHEN key ILIKE '%profile%' THEN 3 ELSE 4 END AS nearness
    FROM (SELECT DISTINCT tag.key AS key FROM tags)
    WHERE regexp_full_match(allocation.folded_key(key), '(aws[:-])?sagemaker[:-](space|user-profile|domain)-arn')
),

remaining AS (
    SELECT x_DimensionId, unnest([ResourceId, ResourceName]) AS word, 1 AS nearness
    FROM allocation.remaining
    WHERE ResourceId IS NOT NULL
    UNION ALL
    SELECT t.x_DimensionId, t.tag.value, k.nearness
    FROM tags AS t
    JOIN studio_keys AS k ON k.key = t.tag.key
),

words AS (
    SELECT DISTINCT word FROM remaining WHERE word IS NOT NULL
),

exact AS (
    SELECT w.word, m.line, m.valid_from IS NULL AND m.valid_until IS NULL AS is_always
    FROM words AS w
    JOIN mapping.resources AS m ON m.shape = 'exact' AND m.literal = w.word
),

-- prefixes of one length are one look-up; MATERIALIZED, or each word is compared with each prefix
starts AS MATERIALIZED (
    SELECT w.word, left(w.word, n.length) AS start
    FROM (SELECT word FROM words ANTI JOIN (FROM exact WHERE is_always) USING (word)) AS w
    JOIN (SELECT DISTINCT length FROM mapping.resources WHERE shape = 'prefix') AS n ON n.length <= length(w.word)
),

prefixed AS (
    SELECT s.word, m.line, m.valid_from IS NULL AND m.valid_until IS NULL AS is_always
    FROM starts AS s
    JOIN mapping.resources AS m ON m.shape = 'prefix' AND m.literal = s.start
),

-- mapping.resources_lines gives the lines whose pattern matches the whole word
patterned AS (
    SELECT word, unnest(mapping.resources_lines(word)) AS line
    FROM words
    ANTI JOIN (FROM exact WHERE is_always) USING (word)
    ANTI JOIN (FROM prefixed WHERE is_always) USING (word)
),

found AS (
    SELECT word, line, 1 AS rank FROM exact
    UNION ALL
    SELECT word, line, 2 FROM prefixed
    UNION ALL
    SELECT word, line, 3 FROM patterned
),

-- the strongest line at each time
spans AS (
    SELECT r.x_DimensionId, unnest(mapping.at_each_time(list_sort(list({'strength': [r.nearness, f.rank, m.line],
        'line': {'number': m.line, 'word': f.word},
        'valid_from': m.valid_from, 'valid_until': m.valid_until})))) AS span
    FROM remaining AS r
    JOIN found AS f ON f.word = r.word
    JOIN mapping.resources AS m ON m.line = f.line
    GROUP BY r.x_DimensionId
),

resource_map AS (
    SELECT
        s.x_DimensionId,
        m.team AS Team,
        'resource ' || s.span.line.word || ' matches line ' || m.line || ' of resources.csv' AS x_AllocationReason,
        s.span.valid_from AS ValidFrom,
        s.span.valid_until AS ValidUntil
    FROM spans AS s
    JOIN mapping.resources AS m ON m.line = s.span.line.number
)

SELECT x_DimensionId, Team, x_AllocationReason, ValidFrom, ValidUntil
FROM resource_map
