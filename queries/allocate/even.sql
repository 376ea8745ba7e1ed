/*
id: even
title: Shared cost, to each team the same
version: 1
owner: finops-ledger
order: 110
method: split
splits: pools
why: >
  Where nothing better is known, or what is shared serves all alike, each team that takes part (the column among of pools.csv,
  else all of teams.csv) pays the same.
misses: >
  A team of two pays as much as a team of fifty.
reads: [mapping.pools, mapping.pool_teams]
*/
WITH even AS (
    SELECT t.pool AS Pool, t.team AS Team, 1 AS Weight
    FROM mapping.pools AS p
    JOIN mapping.pool_teams AS t ON t.pool = p.pool
    WHERE p.split = 'even'
)

SELECT Pool, Team, Weight
FROM even
