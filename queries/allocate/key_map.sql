/*
id: key_map
title: API keys of LLM vendors, from mappings/keys.csv
version: 1
owner: finops-ledger
order: 52
method: mapped
why: >
  Within a project or workspace a key says who calls the model. A key is listed by its id or by its name, as the inventory knows
  it; the id wins.
misses: >
  Bills that are not grouped by key name none. Names are known only if the vendor's keys are collected.
reads: [allocation.remaining, inventory.resources, mapping.keys]
*/
WITH keys AS (
    SELECT DISTINCT x_ApiKeyId FROM allocation.remaining WHERE x_ApiKeyId IS NOT NULL
),

words AS (
    SELECT x_ApiKeyId, x_ApiKeyId AS word, 1 AS rank FROM keys
    UNION
    SELECT k.x_ApiKeyId, i.resource_name, 2
    FROM keys AS k
    JOIN inventory.resources AS i ON i.resource_id = k.x_ApiKeyId
),

-- the strongest line at each time
spans AS (
    SELECT w.x_ApiKeyId, unnest(mapping.at_each_time(list_sort(list({'strength': [w.rank, m.line], 'line': m.line, 'valid_from': m.valid_from,
        'valid_until': m.valid_until})))) AS span
    FROM words AS w
    JOIN mapping.keys AS m ON m.key_id = w.word
    GROUP BY w.x_ApiKeyId
),

key_map AS (
    SELECT
        r.x_DimensionId,
        m.team AS Team,
        'key ' || m.key_id || ' in keys.csv' AS x_AllocationReason,
        s.span.valid_from AS ValidFrom,
        s.span.valid_until AS ValidUntil
    FROM allocation.remaining AS r
    JOIN spans AS s ON s.x_ApiKeyId = r.x_ApiKeyId
    JOIN mapping.keys AS m ON m.line = s.span.line
)

SELECT x_DimensionId, Team, x_AllocationReason, ValidFrom, ValidUntil
FROM key_map
