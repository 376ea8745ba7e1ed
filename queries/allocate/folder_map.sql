/*
id: folder_map
title: Folders and organizational units, from mappings/folders.csv
version: 1
owner: finops-ledger
order: 65
method: mapped
why: >
  Organizations sort projects and accounts into folders, often by who answers for them. A folder is listed by its path from the
  top: Google Cloud's as the bill has it, AWS's organizational units as the inventory has them (Root/Workloads/Research), or by the
  unit's id. Everything below it is in it, and the deepest folder that is listed wins.
misses: >
  Units of AWS are known only if the organization is collected, and as they are today. Azure's bills name no management groups.
  Fees without a resource follow the usage first.
reads: [allocation.remaining, inventory.resources, mapping.folders]
*/
WITH units AS (
    SELECT DISTINCT resource_id AS account, (properties ->> 'UnitPath') AS path, CAST((properties -> 'UnitIds') AS VARCHAR[]) AS ids
    FROM inventory.resources
    WHERE (properties ->> 'UnitPath') IS NOT NULL OR (properties -> 'UnitIds') IS NOT NULL
),

places AS (
    SELECT DISTINCT r.SubAccountId, r.x_FolderPath, string_split(trim(coalesce(r.x_FolderPath, u.path), '/'), '/') AS names, u.ids
    FROM (SELECT DISTINCT SubAccountId, x_FolderPath FROM allocation.remaining) AS r
    LEFT JOIN units AS u ON u.account = r.SubAccountId
    WHERE coalesce(r.x_FolderPath, u.path, '') <> '' OR u.ids IS NOT NULL
),

-- each folder above a project or account, by its path and by its id
folders AS (
    SELECT SubAccountId, x_FolderPath, unnest(list_transform(range(1, len(names) + 1),
        lambda depth: {'depth': depth, 'folder': array_to_string(names[1:depth], '/')})) AS place
    FROM places
    UNION ALL
    SELECT SubAccountId, x_FolderPath, unnest(list_transform(range(1, len(ids) + 1),
        lambda depth: {'depth': depth, 'folder': ids[depth]})) AS place
    FROM places
),

-- the strongest line at each time
spans AS (
    SELECT coalesce(f.SubAccountId, '') AS account, coalesce(f.x_FolderPath, '') AS path,
        unnest(mapping.at_each_time(list_sort(list({'strength': [-f.place.depth, m.line], 'line': m.line, 'valid_from': m.valid_from, 'valid_until': m.valid_until})))) AS span
    FROM folders AS f
    JOIN mapping.folders AS m ON m.folder = f.place.folder
    GROUP BY ALL
),

folder_map AS (
    SELECT
        r.x_DimensionId,
        m.team AS Team,
        'folder ' || m.folder || ' in folders.csv' AS x_AllocationReason,
        s.span.valid_from AS ValidFrom,
        s.span.valid_until AS ValidUntil
    FROM allocation.remaining AS r
    JOIN spans AS s ON s.account = coalesce(r.SubAccountId, '') AND s.path = coalesce(r.x_FolderPath, '')
    JOIN mapping.folders AS m ON m.line = s.span.line
    WHERE NOT allocation.is_fee(r.x_WorkloadKind, r.ChargeCategory, r.ChargeClass, r.ResourceId)
)

SELECT x_DimensionId, Team, x_AllocationReason, ValidFrom, ValidUntil
FROM folder_map
