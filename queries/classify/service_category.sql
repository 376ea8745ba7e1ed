/*
id: service_category
title: FOCUS service category and subcategory, where the source does not state them
version: 1
owner: finops-ledger
order: 10
writes: [ServiceCategory, ServiceSubcategory]
why: >
  Only FOCUS exports state categories. Every other bill names a service; service_categories.csv says what that service is.
misses: >
  A service that the table does not know becomes 'Other': the check service_category_fallthrough lists them with their
  money. To add one, copy service_categories.csv into your queries folder.
reads: [ledger.dimensions, mapping.service_categories]
*/
WITH named AS (
    SELECT
        x_DimensionId,
        ServiceCategory AS stated_category,
        ServiceSubcategory AS stated_subcategory,
        ledger.provider_of(coalesce(HostProviderName, ProviderName, ServiceProviderName)) AS provider,
        lower(x_ServiceCode) AS code,
        lower(ServiceName) AS name
    FROM ledger.dimensions
),

service_category AS (
    SELECT
        n.x_DimensionId,
        coalesce(n.stated_category, by_code.ServiceCategory, by_name.ServiceCategory, 'Other') AS ServiceCategory,
        CASE
            WHEN n.stated_subcategory IS NOT NULL THEN n.stated_subcategory
            -- a subcategory counts only within the category that the source states
            WHEN coalesce(n.stated_category, by_code.ServiceCategory) = by_code.ServiceCategory
                THEN by_code.ServiceSubcategory
            WHEN coalesce(n.stated_category, by_name.ServiceCategory) = by_name.ServiceCategory
                THEN by_name.ServiceSubcategory
            ELSE 'Other (' || coalesce(n.stated_category, 'Other') || ')'
        END AS ServiceSubcategory
    FROM named AS n
    LEFT JOIN mapping.service_categories AS by_code ON by_code.provider = n.provider AND by_code.service = n.code
    LEFT JOIN mapping.service_categories AS by_name ON by_name.provider = n.provider AND by_name.service = n.name
)

SELECT x_DimensionId, ServiceCategory, ServiceSubcategory
FROM service_category
