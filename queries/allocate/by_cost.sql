/*
id: by_cost
title: Shared cost, in proportion to what each team costs
version: 1
owner: finops-ledger
order: 130
method: split
splits: pools
why: >
  Who spends more pays more of what is shared. The basis is the EffectiveCost of what tagging gave to each team that takes part,
  in the pool's window (its month, the previous month, or the three months before) and in the pool's currency. The shared cost itself
  is not in the basis, nor is anything else that is split (other pools; tax, support and credits that follow usage). A team whose
  credits exceed its cost has no share.
misses: >
  What is unallocated takes no part, so teams that tag pay for those who don't. Months before the first bill have no basis: the
  pool's fallback decides.
reads: [allocation.pool_window, allocation.team_month, mapping.pools, mapping.pool_teams]
*/
WITH costs AS (
    SELECT Month, Team, BillingCurrency, sum(EffectiveCost) AS cost
    FROM allocation.team_month
    WHERE NOT is_pool AND BillingCurrency IS NOT NULL
    GROUP BY ALL
),

by_cost AS (
    SELECT
        p.pool AS Pool,
        t.team AS Team,
        sum(c.cost) AS Weight,
        c.BillingCurrency,
        w.Month AS ValidFrom,
        CAST(w.Month + INTERVAL 1 MONTH AS DATE) AS ValidUntil,
        'by EffectiveCost in ' || allocation.window_name(w.WindowStart, w.WindowEnd) AS x_AllocationReason
    FROM mapping.pools AS p
    JOIN allocation.pool_window AS w ON w.Pool = p.pool
    JOIN mapping.pool_teams AS t ON t.pool = p.pool
    JOIN costs AS c ON c.Team = t.team AND c.Month >= w.WindowStart AND c.Month < w.WindowEnd
    WHERE p.split = 'by_cost'
    GROUP BY p.pool, t.team, c.BillingCurrency, w.Month, w.WindowStart, w.WindowEnd
)

SELECT Pool, Team, Weight, BillingCurrency, ValidFrom, ValidUntil, x_AllocationReason
FROM by_cost
