/*
id: gcp_billing_export
title: Google Cloud billing export, standard and detailed, to FOCUS 1.4
version: 1
owner: finops-ledger
provider: Google Cloud
why: >
  The export is one table of nested rows, but it reaches people in many shapes: nested JSON lines and Parquet as BigQuery
  extracts them, CSV with flattened or dotted names, lists as JSON or as Python prints them. One mapping serves them all.
sources:
  - Google Cloud, Structure of the detailed and of the standard data export
  - Google Cloud's own FOCUS view of the export, with its defects left out (values in lower case, inclusive period end,
    the billing account as sub account)
misses: >
  The export does not say on which invoice a row ended, who else than Google issued it, names of regions, or the list price
  where a price is not for one unit. Buying a commitment is not marked as a purchase: such rows are Usage, as in Google's
  view. An unused commitment is seen as its fee without credits. A flattened CSV has two columns 'labels': the second,
  'labels_1', is shown as x_ProjectTags.
detect: [billing_account_id, [service.id, service], [sku.id, sku], usage_start_time, cost, currency]
nulls: ['', 'null', 'NULL', 'None']
reads:
  adjustment_id: {type: text, from: adjustment_info.id}
  adjustment_mode: {type: text, from: adjustment_info.mode}
  adjustment_type: {type: text, from: adjustment_info.type}
  adjustment_description: {type: text, from: adjustment_info.description}
  ancestors: {type: records, from: [project.ancestors, ancestors], fields: {resource_name: text, display_name: text}}
  ancestry_numbers: {type: text, from: [project.ancestry_numbers, ancestry_numbers]}
  applied_subscription_instance_id: {type: text, from: consumption_model.applied_subscription_instance_id}
  billing_account_id: text
  consumption_model: {type: text, from: consumption_model.description}
  cost: money
  cost_at_default: {type: money, from: cost_at_effective_price_default}
  cost_at_list: money
  cost_type: text
  credits: {type: records, fields: {amount: money}}
  credit_amount: {type: money, from: credits_amount}
  credit_kinds: {type: records, from: credits, narrow: true, fields: {full_name: text, id: text, type: text}}
  currency: text
  invoice_month: {type: timestamp, from: invoice.month}
  labels: pairs
  location: {type: text, from: [location.region, location.location]}
  zone: {type: text, from: location.zone}
  price_effective: {type: number, from: [price.effective_price_default, price.effective_price]}
  price_list: {type: number, from: price.list_price}
  price_quantity: {type: number, from: price.pricing_unit_quantity}
  price_tier: {type: text, from: price.tier_start_amount}
  price_unit: {type: text, from: price.unit}
  pricing_quantity: {type: quantity, from: usage.amount_in_pricing_units}
  pricing_unit: {type: text, from: usage.pricing_unit}
  project_id: {type: text, from: project.id}
  project_labels: {type: pairs, from: [project.labels, labels_1]}
  project_name: {type: text, from: project.name}
  publisher_type: {type: text, from: invoice.publisher_type}
  resource_global_name: {type: text, from: resource.global_name}
  resource_name: {type: text, from: resource.name}
  seller_name: text
  service_description: {type: text, from: service.description}
  service_id: {type: text, from: service.id}
  sku_description: {type: text, from: sku.description}
  sku_id: {type: text, from: sku.id}
  subscription_instance_id: {type: text, from: subscription.instance_id}
  system_labels: pairs
  tags: pairs
  transaction_type: text
  usage_amount: {type: quantity, from: usage.amount}
  usage_end_time: timestamp
  usage_month: {type: month, from: usage_start_time}
  usage_start_time: timestamp
  usage_unit: {type: text, from: usage.unit}
*/
SELECT
    -- credits are negative and belong to the row that earned them; Google invoices the sum. A flattened file may have their
    -- amount alone; beside the list it is the first credit again
    cost + coalesce(if(credits IS NULL, credit_amount, list_sum(list_transform(credits, lambda c: c.amount))), 0) AS BilledCost,
    cost + coalesce(if(credits IS NULL, credit_amount, list_sum(list_transform(credits, lambda c: c.amount))), 0) AS EffectiveCost,
    coalesce(cost_at_default, cost) AS ContractedCost,      -- before committed use discounts, where the export states it
    cost_at_list AS ListCost,
    cost AS x_DeliveredCost,

    usage_start_time AS ChargePeriodStart,
    usage_end_time AS ChargePeriodEnd,
    -- late usage and corrections are on a later invoice than their day: the invoice's month is the billing period
    date_trunc('month', coalesce(invoice_month, usage_month)) AS BillingPeriodStart,
    date_trunc('month', coalesce(invoice_month, usage_month)) + INTERVAL 1 MONTH AS BillingPeriodEnd,

    CASE coalesce(cost_type, 'regular')
        WHEN 'regular' THEN 'Usage'
        WHEN 'tax' THEN 'Tax'
        WHEN 'credit' THEN 'Credit'
        WHEN 'adjustment' THEN 'Adjustment'
        WHEN 'rounding_error' THEN 'Adjustment'
        WHEN 'roundoff' THEN 'Adjustment'
    END AS ChargeCategory,
    CASE WHEN coalesce(adjustment_id, adjustment_mode, adjustment_type) IS NOT NULL THEN 'Correction' END AS ChargeClass,
    coalesce(adjustment_description, sku_description) AS ChargeDescription,
    CASE WHEN cost_type IN ('tax', 'credit', 'adjustment', 'rounding_error', 'roundoff') THEN 'One-Time'
         WHEN sku_description LIKE 'Commitment%' THEN 'Recurring'
         ELSE 'Usage-Based' END AS ChargeFrequency,

    -- quantities and prices only where something was used
    CASE WHEN coalesce(cost_type, 'regular') = 'regular' THEN usage_amount END AS ConsumedQuantity,
    CASE WHEN coalesce(cost_type, 'regular') = 'regular' THEN usage_unit END AS ConsumedUnit,
    CASE WHEN coalesce(cost_type, 'regular') = 'regular' THEN pricing_quantity END AS PricingQuantity,
    CASE WHEN coalesce(cost_type, 'regular') = 'regular' THEN coalesce(pricing_unit, price_unit) END AS PricingUnit,
    CASE WHEN coalesce(cost_type, 'regular') = 'regular' AND coalesce(price_quantity, 1) = 1 THEN price_list END AS ListUnitPrice,
    CASE WHEN coalesce(cost_type, 'regular') = 'regular' AND coalesce(price_quantity, 1) = 1 THEN price_effective END
        AS ContractedUnitPrice,
    CASE
        WHEN coalesce(cost_type, 'regular') <> 'regular' THEN NULL
        WHEN sku_description LIKE 'Commitment%' OR subscription_instance_id IS NOT NULL
             OR applied_subscription_instance_id IS NOT NULL
             OR lower(consumption_model) LIKE '%cud%' OR lower(consumption_model) LIKE '%commit%'
             OR len(list_filter(credit_kinds, lambda c: c.type LIKE 'COMMITTED_US%')) > 0 THEN 'Committed'
        WHEN sku_description LIKE 'Spot %' OR sku_description LIKE '%Preemptible%' THEN 'Dynamic'
        ELSE 'Standard'
    END AS PricingCategory,

    -- a commitment is known by the subscription it was bought as, else by the credit that it gave
    coalesce(subscription_instance_id, applied_subscription_instance_id,
             list_filter(credit_kinds, lambda c: c.type LIKE 'COMMITTED_US%')[1].id) AS CommitmentDiscountId,
    list_filter(credit_kinds, lambda c: c.type LIKE 'COMMITTED_US%')[1].full_name AS CommitmentDiscountName,
    CASE WHEN coalesce(subscription_instance_id, applied_subscription_instance_id,
                       list_filter(credit_kinds, lambda c: c.type LIKE 'COMMITTED_US%')[1].id) IS NOT NULL
         THEN CASE WHEN list_filter(credit_kinds, lambda c: c.type LIKE 'COMMITTED_US%')[1].type LIKE '%DOLLAR_BASE'
                        OR sku_description LIKE 'Commitment - dollar based%' THEN 'Spend'
                   ELSE 'Usage' END      -- a commitment to machines: 'Commitment v1: N2 Cpu in Iowa'
    END AS CommitmentDiscountCategory,
    CASE WHEN coalesce(subscription_instance_id, applied_subscription_instance_id,
                       list_filter(credit_kinds, lambda c: c.type LIKE 'COMMITTED_US%')[1].id) IS NOT NULL
         THEN 'Committed use discount' END AS CommitmentDiscountType,
    CASE WHEN len(list_filter(credit_kinds, lambda c: c.type LIKE 'COMMITTED_US%')) > 0
              AND coalesce(subscription_instance_id, applied_subscription_instance_id,
                           list_filter(credit_kinds, lambda c: c.type LIKE 'COMMITTED_US%')[1].id) IS NOT NULL
         THEN 'Used' END AS CommitmentDiscountStatus,

    billing_account_id AS BillingAccountId,
    'Cloud Billing account' AS BillingAccountType,
    currency AS BillingCurrency,
    project_id AS SubAccountId,
    project_name AS SubAccountName,
    CASE WHEN project_id IS NOT NULL THEN 'Project' END AS SubAccountType,
    'Google Cloud' AS InvoiceIssuerName,
    CASE WHEN transaction_type LIKE 'THIRD_PARTY%' OR lower(publisher_type) = 'partner' THEN coalesce(seller_name, 'Google Cloud')
         ELSE 'Google Cloud' END AS ServiceProviderName,
    'Google Cloud' AS HostProviderName,
    'Google Cloud' AS ProviderName,
    CASE WHEN transaction_type LIKE 'THIRD_PARTY%' OR lower(publisher_type) = 'partner' THEN coalesce(seller_name, 'Google Cloud')
         ELSE 'Google Cloud' END AS PublisherName,
    service_description AS ServiceName,

    location AS RegionId,
    zone AS AvailabilityZone,
    coalesce(resource_global_name, resource_name) AS ResourceId,
    resource_name AS ResourceName,
    nullif(regexp_extract(resource_global_name, '/([a-zA-Z]+)/[^/]+$', 1), '') AS ResourceType,
    sku_id AS SkuId,
    sku_description AS SkuMeter,
    CASE WHEN price_tier IS NOT NULL THEN concat_ws('_', billing_account_id, sku_id, price_tier) END AS SkuPriceId,

    -- a resource's own label wins over a resource manager tag of the same key
    map_or_null(map_concat(coalesce(tags, MAP {}), coalesce(labels, MAP {}))) AS Tags,
    project_labels AS x_ProjectTags,
    system_labels AS x_SystemTags,
    -- from the organisation down: acme.example/research/vision
    coalesce(nullif(array_to_string(list_transform(
                 list_filter(list_reverse(ancestors), lambda a: a.resource_name NOT LIKE 'projects/%'),
                 lambda a: coalesce(a.display_name, a.resource_name)), '/'), ''),
             nullif(trim(ancestry_numbers, '/'), '')) AS x_FolderPath,
    nullif(array_to_string(list_sort(list_distinct(list_transform(credit_kinds, lambda c: c.type))), ','), '') AS x_CreditTypes,

    service_id AS x_ServiceCode,
    sku_description AS x_UsageType,
    cost_type AS x_LineItemType,
    system_labels['compute.googleapis.com/machine_spec'] AS x_InstanceType,
    stated(json_object('ConsumptionModel', consumption_model)) AS x_Details
FROM delivered
