/*
id: project_map
title: Projects of any provider, from mappings/projects.csv
version: 1
owner: finops-ledger
order: 60
method: mapped
why: >
  OpenAI and Anthropic bill by project or workspace, and have no tags. Google Cloud projects may be listed here too.
misses: >
  A project that is used by two teams needs a mapping of something finer.
reads: [allocation.remaining, mapping.projects]
*/
WITH project_map AS (
    SELECT
        r.x_DimensionId,
        m.team AS Team,
        'project ' || r.SubAccountId || ' in projects.csv' AS x_AllocationReason
    FROM allocation.remaining AS r
    JOIN mapping.projects AS m ON m.project_id = r.SubAccountId
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM project_map
