/*
id: oci_cost
title: Oracle Cloud cost report, to FOCUS 1.4
version: 1
owner: finops-ledger
provider: Oracle
why: >
  Tenancies that have not moved to Oracle's FOCUS report still get the proprietary cost report, with columns such as
  lineItem/tenantId and cost/myCost and one column per tag.
sources:
  - Oracle, Cost and usage reports overview, cost report schema
misses: >
  Oracle delivers a month in many files, several a day. The files of a folder are read as one delivery; a folder that holds
  only some days of a month replaces the month by those days. The usage report (without costs) is not read. The report states
  no list price, no commitments and no invoice. cost/myCostOverage is the part of cost/myCost that is overage, and not added
  to it; cost/attributedCost is what a service consumes for another and not added either.
detect: [lineItem/tenantId, lineItem/intervalUsageStart, product/service, cost/myCost]
nulls: ['', 'NULL', 'null']
reads:
  availability_domain: {type: text, from: product/availabilityDomain}
  billed_quantity: {type: quantity, from: usage/billedQuantity}
  billed_quantity_stated: {type: stated, from: usage/billedQuantity}
  compartment_id: {type: text, from: product/compartmentId}
  compartment_name: {type: text, from: product/compartmentName}
  currency_code: {type: text, from: cost/currencyCode}
  description: {type: text, from: product/Description}
  interval_usage_end: {type: timestamp, from: lineItem/intervalUsageEnd}
  interval_usage_start: {type: timestamp, from: lineItem/intervalUsageStart}
  is_correction: {type: text, from: lineItem/isCorrection}
  my_cost: {type: money, from: cost/myCost}
  overage_flag: {type: text, from: cost/overageFlag}
  product_sku: {type: text, from: cost/productSku}
  region: {type: text, from: product/region}
  resource: {type: text, from: product/resource}
  resource_id: {type: text, from: product/resourceId}
  service: {type: text, from: product/service}
  sku_unit_description: {type: text, from: [cost/skuUnitDescription, cost/billingUnitReadable]}
  subscription_id: {type: text, from: cost/subscriptionId}
  tags: {type: map, from: tags, prefix: [tags/]}
  tenant_id: {type: text, from: lineItem/tenantId}
  unit_price: {type: number, from: cost/unitPrice}
  usage_month: {type: month, from: lineItem/intervalUsageStart}
*/
SELECT
    my_cost AS BilledCost,
    my_cost AS EffectiveCost,
    my_cost AS ContractedCost,
    my_cost AS x_DeliveredCost,

    interval_usage_start AS ChargePeriodStart,
    interval_usage_end AS ChargePeriodEnd,
    usage_month AS BillingPeriodStart,
    usage_month + INTERVAL 1 MONTH AS BillingPeriodEnd,

    'Usage' AS ChargeCategory,
    CASE WHEN lower(is_correction) = 'true' THEN 'Correction' END AS ChargeClass,
    description AS ChargeDescription,
    'Usage-Based' AS ChargeFrequency,
    billed_quantity AS ConsumedQuantity,
    CASE WHEN billed_quantity_stated THEN sku_unit_description END AS ConsumedUnit,
    billed_quantity AS PricingQuantity,
    CASE WHEN billed_quantity_stated THEN sku_unit_description END AS PricingUnit,
    unit_price AS ContractedUnitPrice,

    coalesce(subscription_id, tenant_id) AS BillingAccountId,
    CASE WHEN subscription_id IS NOT NULL THEN 'Subscription' ELSE 'Tenancy' END AS BillingAccountType,
    currency_code AS BillingCurrency,
    tenant_id AS SubAccountId,
    CASE WHEN tenant_id IS NOT NULL THEN 'Tenancy' END AS SubAccountType,
    'Oracle' AS InvoiceIssuerName,
    'Oracle' AS ServiceProviderName,
    'Oracle' AS HostProviderName,
    'Oracle' AS ProviderName,
    'Oracle' AS PublisherName,
    service AS ServiceName,

    region AS RegionId,
    availability_domain AS AvailabilityZone,
    resource_id AS ResourceId,
    nullif(regexp_extract(resource_id, '^ocid[0-9]+\.([^.]+)\.', 1), '') AS ResourceType,
    product_sku AS SkuId,
    coalesce(resource, description) AS SkuMeter,
    tags AS Tags,

    service AS x_ServiceCode,
    coalesce(resource, description) AS x_UsageType,
    coalesce(compartment_name, compartment_id) AS x_ResourceGroup,
    stated(json_object('CompartmentId', compartment_id, 'Overage', overage_flag)) AS x_Details
FROM delivered
