/*
id: gcp_skus
title: SKUs of Google Cloud's public catalogue
version: 1
owner: finops-ledger
provider: Google Cloud
why: >
  A bill says a SKU's id and description. The catalogue says what kind of thing it is (family, group, on demand or committed) and
  in which regions it is sold, which is what a charge is classified and explained by.
sources:
  - Cloud Billing API v1, services.list and services.skus.list, as finops writes them, a line per SKU
misses: >
  Prices: list prices are not what a customer pays, so none is read. Services of the marketplace. SKUs that are no longer sold.
yields: skus
detect: [sku.skuId, service.serviceId, sku.serviceRegions]
reads:
  category: {type: json, from: sku.category}
  description: {type: text, from: sku.description}
  regions: {type: json, from: sku.serviceRegions}
  seller: {type: text, from: sku.serviceProviderName}
  service_id: {type: text, from: service.serviceId}
  service_name: {type: text, from: service.displayName}
  sku_id: {type: text, from: sku.skuId}
  usage_unit: {type: text, from: sku.usageUnit}
*/
SELECT
    'Google Cloud' AS provider,
    sku_id,
    description AS sku_name,
    service_id,
    service_name,
    category,
    usage_unit AS unit,
    CAST(regions AS VARCHAR[]) AS regions,
    stated(json_object('ServiceProviderName', seller)) AS properties
FROM delivered
