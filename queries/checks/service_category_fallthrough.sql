/*
id: service_category_fallthrough
title: Services that service_categories.csv does not know
version: 1
owner: finops-ledger
grade: warn
why: >
  A service in category 'Other' is invisible in every view by category. The list says which to add, the largest first.
misses: >
  A service that is known under a wrong category. Taxes, credits, fees and marketplace products have no category to find.
params:
  least_percent: {type: integer, default: 1, unit: percent, help: Services with less than this share of a currency's cost are left out.}
reads: [ledger.dimensions, ledger.charge]
*/
WITH costs AS (
    SELECT dimension_id, sum(BilledCost + EffectiveCostDelta) AS cost
    FROM ledger.charge
    GROUP BY dimension_id
),

services AS (
    SELECT
        coalesce(d.HostProviderName, d.ServiceProviderName) AS provider,
        d.x_ServiceCode,
        d.ServiceName,
        d.BillingCurrency AS currency,
        d.ServiceCategory = 'Other' AND d.ChargeCategory = 'Usage'
            AND coalesce(d.x_WorkloadKind, '') NOT IN ('marketplace', 'support', 'commitment') AS is_unknown,
        sum(c.cost) AS cost
    FROM costs AS c
    JOIN ledger.dimensions AS d ON d.x_DimensionId = c.dimension_id
    GROUP BY ALL
),

service_category_fallthrough AS (
    SELECT provider, x_ServiceCode, ServiceName, currency, cost
    FROM services AS s
    JOIN (SELECT currency, sum(abs(cost)) AS total FROM services GROUP BY currency) AS t USING (currency)
    WHERE s.is_unknown AND s.cost * 100 >= t.total * $least_percent AND s.cost > 0
    ORDER BY cost DESC
)

SELECT * FROM service_category_fallthrough
