/*
id: charges_are_classed
title: Every charge says what it is, of which service and which account
version: 1
owner: finops-ledger
grade: warn
why: >
  FOCUS demands ChargeCategory, ServiceName and ServiceProviderName. A bill without them still adds up, but tax cannot be told
  from usage, and the money shows under nothing. The column stays NULL, because it is not invented.
misses: >
  A wrong value.
reads: [ledger.dimension, ledger.charge]
*/
WITH lacking AS (
    SELECT
        dimension_id,
        concat_ws(', ', if(ChargeCategory IS NULL, 'ChargeCategory', NULL), if(ServiceName IS NULL, 'ServiceName', NULL),
                  if(ServiceProviderName IS NULL, 'ServiceProviderName', NULL)) AS missing
    FROM ledger.dimension
    WHERE ChargeCategory IS NULL OR ServiceName IS NULL OR ServiceProviderName IS NULL
),
charges_are_classed AS (
    SELECT l.missing, count(*) AS charges, sum(c.BilledCost) AS billed_cost
    FROM ledger.charge AS c
    JOIN lacking AS l ON l.dimension_id = c.dimension_id
    GROUP BY l.missing
)

SELECT * FROM charges_are_classed ORDER BY missing
