/*
id: project_map
title: Projects of any provider, from mappings/projects.csv
version: 2
owner: finops-ledger
order: 60
method: mapped
why: >
  OpenAI and Anthropic bill by project or workspace, and have no tags. Google Cloud projects may be listed here too. A project is
  listed by its id or by its name, as the bill or the inventory knows it; the id wins.
misses: >
  A project that is used by two teams needs a mapping of something finer. Fees without a resource follow the usage first.
reads: [allocation.remaining, inventory.resources, mapping.projects]
*/
WITH projects AS (
    SELECT DISTINCT
        SubAccountId,
        SubAccountName,
        coalesce(regexp_matches(SubAccountType, 'project|workspace', 'i'), TRUE) AS is_project
    FROM allocation.remaining
    WHERE SubAccountId IS NOT NULL
),

-- accounts have names too, which are no names of projects
words AS (
    SELECT SubAccountId, SubAccountName, SubAccountId AS word, 1 AS rank FROM projects
    UNION
    SELECT SubAccountId, SubAccountName, SubAccountName, 2 FROM projects WHERE is_project
    UNION
    SELECT p.SubAccountId, p.SubAccountName, i.resource_name, 2
    FROM projects AS p
    JOIN inventory.resources AS i ON i.resource_id = p.SubAccountId
    WHERE p.is_project
),

-- the strongest line at each time
spans AS (
    SELECT w.SubAccountId, coalesce(w.SubAccountName, '') AS name,
        unnest(mapping.at_each_time(list_sort(list({'strength': [w.rank, m.line], 'line': m.line, 'valid_from': m.valid_from, 'valid_until': m.valid_until})))) AS span
    FROM words AS w
    JOIN mapping.projects AS m ON m.project_id = w.word
    GROUP BY ALL
),

project_map AS (
    SELECT
        r.x_DimensionId,
        m.team AS Team,
        'project ' || m.project_id || ' in projects.csv' AS x_AllocationReason,
        s.span.valid_from AS ValidFrom,
        s.span.valid_until AS ValidUntil
    FROM allocation.remaining AS r
    JOIN spans AS s ON s.SubAccountId = r.SubAccountId AND s.name = coalesce(r.SubAccountName, '')
    JOIN mapping.projects AS m ON m.line = s.span.line
    WHERE NOT allocation.is_fee(r.x_WorkloadKind, r.ChargeCategory, r.ChargeClass, r.ResourceId)
)

SELECT x_DimensionId, Team, x_AllocationReason, ValidFrom, ValidUntil
FROM project_map
