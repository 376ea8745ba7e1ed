/*
id: currencies_present
title: Every charge names its currency
version: 1
owner: finops-ledger
grade: warn
why: >
  Money is never added across currencies. A charge without one is in a group of its own and cannot be compared.
misses: >
  A wrong currency.
reads: [ledger.dimensions, ledger.charge]
*/
WITH currencies_present AS (
    SELECT
        d.HostProviderName,
        d.BillingCurrency,
        count(*) AS charges,
        sum(c.BilledCost) AS billed_cost
    FROM ledger.charge AS c
    JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
    WHERE d.BillingCurrency IS NULL OR NOT regexp_full_match(d.BillingCurrency, '[A-Z]{3}')
    GROUP BY d.HostProviderName, d.BillingCurrency
)

SELECT * FROM currencies_present
