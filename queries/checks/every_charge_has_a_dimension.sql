/*
id: every_charge_has_a_dimension
title: Every charge belongs to one dimension and one slice
version: 1
owner: finops-ledger
grade: stop
why: >
  The views join charges with dimensions and slices: a charge without one would vanish from every report, and a repeated key
  would count charges twice.
misses: >
  Whether the dimension is the right one.
reads: [ledger.charge, ledger.dimension, ledger.slice, ledger.dimension_class, allocation.dimension_team]
*/
WITH orphans AS (
    SELECT dimension_id, 'charges without their dimension' AS problem, count(*) AS n
    FROM (SELECT dimension_id FROM ledger.charge ANTI JOIN ledger.dimension USING (dimension_id))
    GROUP BY dimension_id
),

homeless AS (
    SELECT CAST(slice_id AS BIGINT) AS id, 'charges without their slice' AS problem, count(*) AS n
    FROM (SELECT slice_id FROM ledger.charge ANTI JOIN ledger.slice USING (slice_id))
    GROUP BY slice_id
),

overlapping AS (
    SELECT dimension_id
    FROM allocation.dimension_team
    QUALIFY valid_from < lag(valid_until) OVER (PARTITION BY book, dimension_id ORDER BY valid_from, valid_until)
),

repeated AS (
    SELECT dimension_id AS id, 'a dimension that is there twice' AS problem, count(*) AS n
    FROM ledger.dimension GROUP BY dimension_id HAVING count(*) > 1
    UNION ALL
    SELECT dimension_id, 'a dimension with two classes', count(*)
    FROM ledger.dimension_class GROUP BY dimension_id HAVING count(*) > 1
    UNION ALL
    SELECT dimension_id, 'a dimension with two teams at one time', count(*)
    FROM overlapping GROUP BY dimension_id
    UNION ALL
    SELECT slice_id, 'a slice that is there twice', count(*)
    FROM ledger.slice GROUP BY slice_id HAVING count(*) > 1
),

every_charge_has_a_dimension AS (
    SELECT problem, dimension_id AS id, n FROM orphans
    UNION ALL
    SELECT problem, id, n FROM homeless
    UNION ALL
    SELECT problem, id, n FROM repeated
)

SELECT * FROM every_charge_has_a_dimension
