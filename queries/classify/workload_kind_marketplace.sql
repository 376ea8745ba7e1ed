/*
id: workload_kind_marketplace
title: What is bought from others through a provider's marketplace
version: 1
owner: finops-ledger
order: 90
writes: [x_WorkloadKind]
why: >
  A third party's software on the provider's invoice is nobody's compute. It comes last: Bedrock's models are sold through
  the marketplace too, and they are tokens.
misses: >
  Where a bill names no seller, a marketplace charge cannot be told from the provider's own. A provider's own service that a
  reseller sells is no marketplace charge; a seller's product under the name of such a service is not told apart.
reads: [ledger.dimensions, mapping.service_categories]
*/
WITH charges AS (
    SELECT
        x_DimensionId,
        x_UsageType,
        ledger.provider_of(coalesce(HostProviderName, ProviderName)) AS host,
        ledger.provider_of(ServiceProviderName) AS seller,
        lower(ServiceName) AS service
    FROM ledger.dimensions
),

sold_by_others AS (
    SELECT c.x_DimensionId
    FROM charges AS c
    ANTI JOIN mapping.service_categories AS own ON own.provider = c.host AND own.service = c.service
    WHERE c.seller <> c.host
),

workload_kind_marketplace AS (
    SELECT x_DimensionId, 'marketplace' AS x_WorkloadKind
    FROM charges
    WHERE x_UsageType LIKE '%MP:%' OR x_DimensionId IN (SELECT x_DimensionId FROM sold_by_others)
)

SELECT x_DimensionId, x_WorkloadKind
FROM workload_kind_marketplace
