/*
id: by_percent
title: Shared cost, by the percentages of mappings/splits.csv
version: 1
owner: finops-ledger
order: 120
method: split
splits: pools
why: >
  The percentages that were agreed, from the day on which they hold until the day on which they end. On every day they add up to
  100, or nothing is built. A receiver may be another pool.
misses: >
  Agreements grow old: nothing here sees whether the percentages still fit what is used.
reads: [mapping.pools, mapping.splits]
*/
WITH by_percent AS (
    SELECT
        s.pool AS Pool,
        s.team AS Team,
        s.percent AS Percent,
        s.valid_from AS ValidFrom,
        s.valid_until AS ValidUntil,
        allocation.plain_number(s.percent) || ' %, line ' || s.line || ' of splits.csv' AS x_AllocationReason
    FROM mapping.pools AS p
    JOIN mapping.splits AS s ON s.pool = p.pool
    WHERE p.split = 'by_percent'
)

SELECT Pool, Team, Percent, ValidFrom, ValidUntil, x_AllocationReason
FROM by_percent
