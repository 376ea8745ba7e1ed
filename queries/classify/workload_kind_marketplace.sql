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
  Where a bill names no seller, a marketplace charge cannot be told from the provider's own.
reads: [ledger.dimensions]
*/
WITH workload_kind_marketplace AS (
    SELECT x_DimensionId, 'marketplace' AS x_WorkloadKind
    FROM ledger.dimensions
    WHERE ledger.provider_of(ServiceProviderName) <> ledger.provider_of(coalesce(HostProviderName, ProviderName))
       OR x_UsageType LIKE '%MP:%'
)

SELECT x_DimensionId, x_WorkloadKind
FROM workload_kind_marketplace
