/*
id: unknown_team_tags
title: Team tags whose value is no team
version: 2
owner: finops-ledger
grade: warn
why: >
  A misspelt team's money goes to whoever the next rule finds, or to nobody. The list says which aliases to add to
  mappings/tag_aliases.csv.
misses: >
  A misspelt key: 'tema' is no key that we know. Values of cost categories are no tags of a team.
reads: [ledger.dimensions, ledger.charge, mapping.tag_keys, mapping.tag_values, mapping.teams]
*/
WITH tags AS (
    SELECT x_DimensionId, BillingCurrency, unnest(map_keys(Tags)) AS key, unnest(map_values(Tags)) AS value
    FROM ledger.dimensions
    WHERE Tags IS NOT NULL AND (SELECT count(*) FROM mapping.teams) > 0
),

pairs AS (
    SELECT d.key, d.value
    FROM (SELECT DISTINCT key, value FROM tags WHERE trim(value) <> '' AND allocation.tag_bearer(key) <> 'cost category') AS d
    JOIN mapping.tag_keys AS k ON k.key = allocation.folded_key(allocation.bare_key(d.key))
    ANTI JOIN mapping.tag_values AS v ON v.value = allocation.folded_value(d.value)
),

costs AS (
    SELECT dimension_id, sum(BilledCost + EffectiveCostDelta) AS cost
    FROM ledger.charge
    GROUP BY dimension_id
),

unknown_team_tags AS (
    SELECT p.key, p.value, t.BillingCurrency AS currency, sum(c.cost) AS cost
    FROM pairs AS p
    JOIN tags AS t ON t.key = p.key AND t.value = p.value
    JOIN costs AS c ON c.dimension_id = t.x_DimensionId
    GROUP BY p.key, p.value, t.BillingCurrency
    ORDER BY cost DESC
)

SELECT * FROM unknown_team_tags
