/*
id: name_map
title: Names that follow a convention, from mappings/names.csv
version: 1
owner: finops-ledger
order: 55
method: mapped
why: >
  Many companies write the team into names: search-prod, rg-vision-eu. A line says of what kind of thing it matches the names
  (account, project, resource_group, cost_center, key), and its pattern matches the whole name. Names are those of the bill and, of
  accounts, projects and keys, those of the inventory.
misses: >
  The name of the key wins over that of the resource group, then come cost centre, project and account. Then exact names win over
  prefixes ('abc.*'), prefixes over other patterns, and among equals the first line wins. Fees without a resource follow the usage
  first.
reads: [allocation.remaining, inventory.resources, mapping.names]
*/
WITH remaining AS (
    SELECT x_DimensionId, x_ApiKeyId, x_ResourceGroup, x_CostCenter, SubAccountId, SubAccountName,
        CASE
            WHEN SubAccountType IS NULL THEN ['project', 'account']
            WHEN regexp_matches(SubAccountType, 'project|workspace', 'i') THEN ['project']
            ELSE ['account']
        END AS kinds
    FROM allocation.remaining
    WHERE EXISTS (FROM mapping.names)
      AND NOT allocation.is_fee(x_WorkloadKind, ChargeCategory, ChargeClass, ResourceId)
),

-- a subscription's id in the inventory is a path
inventory_names AS (
    SELECT DISTINCT regexp_replace(resource_id, '^/subscriptions/([^/]+)$', '\1', 'i') AS id, resource_name AS name
    FROM inventory.resources
    WHERE resource_name IS NOT NULL
),

named AS (
    SELECT r.x_DimensionId, 'key' AS kind, i.name
    FROM remaining AS r
    JOIN inventory_names AS i ON i.id = r.x_ApiKeyId
    UNION ALL
    SELECT x_DimensionId, 'resource_group', x_ResourceGroup FROM remaining WHERE x_ResourceGroup IS NOT NULL
    UNION ALL
    SELECT x_DimensionId, 'cost_center', x_CostCenter FROM remaining WHERE x_CostCenter IS NOT NULL
    UNION ALL
    SELECT x_DimensionId, unnest(kinds), SubAccountName FROM remaining WHERE SubAccountName IS NOT NULL
    UNION ALL
    SELECT r.x_DimensionId, unnest(r.kinds), i.name
    FROM remaining AS r
    JOIN inventory_names AS i ON i.id = r.SubAccountId
    WHERE i.name IS DISTINCT FROM r.SubAccountName
),

words AS (
    SELECT DISTINCT kind, name FROM named
),

exact AS (
    SELECT w.kind, w.name, m.line, m.valid_from IS NULL AND m.valid_until IS NULL AS is_always
    FROM words AS w
    JOIN mapping.names AS m ON m.shape = 'exact' AND m.kind = w.kind AND m.literal = w.name
),

-- prefixes of one length are one look-up; MATERIALIZED, or each name is compared with each prefix
starts AS MATERIALIZED (
    SELECT w.kind, w.name, left(w.name, n.length) AS start
    FROM (FROM words ANTI JOIN (FROM exact WHERE is_always) USING (kind, name)) AS w
    JOIN (SELECT DISTINCT kind, length FROM mapping.names WHERE shape = 'prefix') AS n
        ON n.kind = w.kind AND n.length <= length(w.name)
),

prefixed AS (
    SELECT s.kind, s.name, m.line, m.valid_from IS NULL AND m.valid_until IS NULL AS is_always
    FROM starts AS s
    JOIN mapping.names AS m ON m.shape = 'prefix' AND m.kind = s.kind AND m.literal = s.start
),

-- mapping.names_lines gives the lines whose pattern matches the whole name
patterned AS (
    SELECT kind, name, unnest(mapping.names_lines(kind, name)) AS line
    FROM words
    ANTI JOIN (FROM exact WHERE is_always) USING (kind, name)
    ANTI JOIN (FROM prefixed WHERE is_always) USING (kind, name)
),

found AS (
    SELECT kind, name, line, 1 AS rank FROM exact
    UNION ALL
    SELECT kind, name, line, 2 FROM prefixed
    UNION ALL
    SELECT kind, name, line, 3 FROM patterned
),

-- the strongest line at each time
spans AS (
    SELECT n.x_DimensionId, unnest(mapping.at_each_time(list_sort(list({
        'strength': [list_position(['key', 'resource_group', 'cost_center', 'project', 'account'], n.kind), f.rank, m.line],
        'line': {'number': m.line, 'kind': n.kind, 'name': n.name},
        'valid_from': m.valid_from, 'valid_until': m.valid_until})))) AS span
    FROM named AS n
    JOIN found AS f ON f.kind = n.kind AND f.name = n.name
    JOIN mapping.names AS m ON m.line = f.line
    GROUP BY n.x_DimensionId
),

name_map AS (
    SELECT
        s.x_DimensionId,
        m.team AS Team,
        replace(s.span.line.kind, '_', ' ') || ' ' || s.span.line.name || ' matches line ' || m.line || ' of names.csv'
            AS x_AllocationReason,
        s.span.valid_from AS ValidFrom,
        s.span.valid_until AS ValidUntil
    FROM spans AS s
    JOIN mapping.names AS m ON m.line = s.span.line.number
)

SELECT x_DimensionId, Team, x_AllocationReason, ValidFrom, ValidUntil
FROM name_map
