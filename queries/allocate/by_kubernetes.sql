/*
id: by_kubernetes
title: A cluster of Kubernetes, by what its namespaces took
version: 1
owner: finops-ledger
order: 150
method: split
splits: pools
why: >
  The bill knows nodes; who runs on them, OpenCost or Kubecost measured: its cost of each namespace (kubernetes.total_cost in
  utilisation.daily, from their CSV or API answers) is the weight of the team that mappings/namespaces.csv names for it. The
  column basis of pools.csv is the cluster's name. Only proportions are used: the money is the bill's, whatever prices or
  currency OpenCost reckons with.
misses: >
  What nobody runs (__idle__, __unmounted__, __unallocated__) and namespaces that namespaces.csv lacks, such as kube-system, are
  shared by the others in proportion; the reason of each share names the latter and what they took. Only days that OpenCost
  measured count.
reads: [allocation.namespace_team, allocation.pool_window, mapping.pools, mapping.pool_teams, utilisation.daily]
*/
WITH measured AS (
    SELECT p.pool, w.Month, w.WindowStart, w.WindowEnd, u.resource_id, u.day, u.value,
        substr(u.resource_id, length('kubernetes:' || trim(p.basis) || '/') + 1) AS namespace
    FROM mapping.pools AS p
    JOIN allocation.pool_window AS w ON w.Pool = p.pool
    JOIN utilisation.daily AS u ON u.metric = 'kubernetes.total_cost' AND u.day >= w.WindowStart AND u.day < w.WindowEnd
        AND starts_with(u.resource_id, 'kubernetes:' || trim(p.basis) || '/')
    WHERE p.split = 'by_kubernetes'
),

teams AS (
    SELECT d.resource_id, d.day, max_by(n.team, n.is_exact) AS team
    FROM (SELECT DISTINCT resource_id, day FROM measured) AS d
    JOIN allocation.namespace_team AS n ON n.resource_id = d.resource_id AND n.valid_from <= d.day AND n.valid_until > d.day
    GROUP BY d.resource_id, d.day
),

costs AS (
    SELECT m.pool, m.Month, m.WindowStart, m.WindowEnd, m.namespace, t.team, sum(m.value) AS cost
    FROM measured AS m
    LEFT JOIN teams AS t ON t.resource_id = m.resource_id AND t.day = m.day
    WHERE m.namespace NOT IN ('__idle__', '__unmounted__', '__unallocated__') AND NOT contains(m.namespace, '/')
    GROUP BY ALL
),

nobodys AS (
    SELECT pool, Month, string_agg(concat(namespace, ' (', allocation.plain_number(cost), ')'), ', ' ORDER BY cost DESC, namespace) AS told
    FROM costs
    WHERE team IS NULL
    GROUP BY pool, Month
),

receivers AS (
    SELECT pool, team FROM mapping.pool_teams
    UNION ALL
    SELECT p.pool, q.pool FROM mapping.pools AS p CROSS JOIN mapping.pools AS q
),

by_kubernetes AS (
    SELECT
        c.pool AS Pool,
        c.team AS Team,
        CAST(sum(c.cost) AS DECIMAL(38, 18)) AS Weight,
        c.Month AS ValidFrom,
        CAST(c.Month + INTERVAL 1 MONTH AS DATE) AS ValidUntil,
        concat('by OpenCost''s cost of the namespaces of cluster ', trim(p.basis), ' in ',
               allocation.window_name(c.WindowStart, c.WindowEnd),
               '; shared in proportion, as no team''s: ' || n.told) AS x_AllocationReason
    FROM costs AS c
    JOIN mapping.pools AS p ON p.pool = c.pool
    JOIN receivers AS r ON r.pool = c.pool AND r.team = c.team
    LEFT JOIN nobodys AS n ON n.pool = c.pool AND n.Month = c.Month
    GROUP BY c.pool, c.team, c.Month, c.WindowStart, c.WindowEnd, p.basis, n.told
)

SELECT Pool, Team, Weight, ValidFrom, ValidUntil, x_AllocationReason
FROM by_kubernetes
