/*
id: tag_map
title: Tags that tell the team by another name, from mappings/tags.csv
version: 1
owner: finops-ledger
order: 45
method: mapped
why: >
  Where nobody wrote a team tag, an application, service or cost centre tag says as much. Keys are folded as those of the team tag
  are; a value without special characters is compared without case and spaces around, another one is a regular expression that
  matches the whole value as it stands.
misses: >
  The tags of a workload that shares a resource win over the resource's own, these over the system's, the project's and cost
  categories. Then exact values win over prefixes ('abc.*'), prefixes over other patterns, and among equals the first line wins.
reads: [allocation.remaining, mapping.tags]
*/
WITH bearers AS (
    SELECT x_DimensionId, unnest([
        {'nearness': 1, 'tags': map_entries(AllocatedTags)},
        {'nearness': 2, 'tags': map_entries(Tags)},
        {'nearness': 3, 'tags': map_entries(x_SystemTags)},
        {'nearness': 4, 'tags': CASE WHEN NOT allocation.is_fee(x_WorkloadKind, ChargeCategory, ChargeClass, ResourceId)
            THEN map_entries(x_ProjectTags) END},
        {'nearness': 5, 'tags': map_entries(x_CostCategories)}
    ]) AS bearer
    FROM allocation.remaining
    WHERE EXISTS (FROM mapping.tags)
),

tags AS (
    SELECT x_DimensionId, bearer.nearness, unnest(bearer.tags) AS tag FROM bearers
),

keys AS (
    SELECT d.key, k.key AS folded
    FROM (SELECT DISTINCT tag.key AS key FROM tags) AS d
    JOIN (SELECT DISTINCT key FROM mapping.tags) AS k ON k.key = allocation.folded_key(d.key)
),

remaining AS (
    SELECT t.x_DimensionId, t.nearness, t.tag.key AS key, t.tag.value AS value, k.folded
    FROM tags AS t
    JOIN keys AS k ON k.key = t.tag.key
    WHERE trim(t.tag.value) <> ''
),

words AS (
    SELECT DISTINCT folded, value FROM remaining
),

exact AS (
    SELECT w.folded, w.value, m.line, m.valid_from IS NULL AND m.valid_until IS NULL AS is_always
    FROM words AS w
    JOIN mapping.tags AS m ON m.shape = 'exact' AND m.key = w.folded
        AND allocation.folded_value(m.literal) = allocation.folded_value(w.value)
),

-- prefixes of one length are one look-up; MATERIALIZED, or each value is compared with each prefix
starts AS MATERIALIZED (
    SELECT w.folded, w.value, left(w.value, n.length) AS start
    FROM (FROM words ANTI JOIN (FROM exact WHERE is_always) USING (folded, value)) AS w
    JOIN (SELECT DISTINCT key, length FROM mapping.tags WHERE shape = 'prefix') AS n
        ON n.key = w.folded AND n.length <= length(w.value)
),

prefixed AS (
    SELECT s.folded, s.value, m.line, m.valid_from IS NULL AND m.valid_until IS NULL AS is_always
    FROM starts AS s
    JOIN mapping.tags AS m ON m.shape = 'prefix' AND m.key = s.folded AND m.literal = s.start
),

-- mapping.tags_lines gives the lines whose pattern matches the whole value
patterned AS (
    SELECT folded, value, unnest(mapping.tags_lines(folded, value)) AS line
    FROM words
    ANTI JOIN (FROM exact WHERE is_always) USING (folded, value)
    ANTI JOIN (FROM prefixed WHERE is_always) USING (folded, value)
),

found AS (
    SELECT folded, value, line, 1 AS rank FROM exact
    UNION ALL
    SELECT folded, value, line, 2 FROM prefixed
    UNION ALL
    SELECT folded, value, line, 3 FROM patterned
),

-- the strongest line at each time
spans AS (
    SELECT r.x_DimensionId, unnest(mapping.at_each_time(list_sort(list({'strength': [r.nearness, f.rank, m.line],
        'line': {'number': m.line, 'tag': r.key || '=' || r.value},
        'valid_from': m.valid_from, 'valid_until': m.valid_until})))) AS span
    FROM remaining AS r
    JOIN found AS f ON f.folded = r.folded AND f.value = r.value
    JOIN mapping.tags AS m ON m.line = f.line
    GROUP BY r.x_DimensionId
),

tag_map AS (
    SELECT
        s.x_DimensionId,
        m.team AS Team,
        'tag ' || s.span.line.tag || ' matches line ' || m.line || ' of tags.csv' AS x_AllocationReason,
        s.span.valid_from AS ValidFrom,
        s.span.valid_until AS ValidUntil
    FROM spans AS s
    JOIN mapping.tags AS m ON m.line = s.span.line.number
)

SELECT x_DimensionId, Team, x_AllocationReason, ValidFrom, ValidUntil
FROM tag_map
