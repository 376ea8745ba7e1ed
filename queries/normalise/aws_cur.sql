/*
id: aws_cur
title: AWS Cost and Usage Report, legacy and 2.0, to FOCUS 1.4
version: 1
owner: finops-ledger
provider: AWS
why: >
  The CUR is the bill in its finest grain. Legacy CSV, legacy Parquet and CUR 2.0 differ in the spelling of their columns
  only, so one mapping serves all three.
sources:
  - AWS, Data dictionary of Cost and Usage Report and CUR 2.0
  - FOCUS 1.4, Cost and Usage; amortisation as in AWS's own guidance for EffectiveCost
misses: >
  A CUR does not say which commitment covered a credit, and names no capacity reservation on covered usage; those columns
  stay NULL. Split cost allocation rows (EKS, ECS) stand next to their parents as delivered: they cost nothing themselves and
  name their parent in AllocatedResourceId; how the parent's cost would be split is not read yet.
detect: [line_item_usage_start_date, line_item_product_code, line_item_usage_type, line_item_unblended_cost]
nulls: ['', 'None']
reads:
  bill_bill_type: text
  bill_billing_entity: text
  bill_billing_period_start_date: timestamp
  bill_invoice_id: text
  bill_invoicing_entity: text
  bill_payer_account_id: text
  bill_payer_account_name: text
  cost_category: {type: map, prefix: [costCategory/, cost_category_]}
  discount: map
  line_item_availability_zone: text
  line_item_currency_code: text
  line_item_iam_principal: text
  line_item_legal_entity: text
  line_item_line_item_description: text
  line_item_line_item_type: text
  line_item_net_unblended_cost: money
  line_item_net_unblended_rate: number
  line_item_operation: text
  line_item_product_code: text
  line_item_resource_id: text
  line_item_tax_type: text
  line_item_unblended_cost: money
  line_item_unblended_rate: number
  line_item_usage_account_id: text
  line_item_usage_account_name: text
  line_item_usage_amount: quantity
  line_item_usage_end_date: timestamp
  line_item_usage_start_date: timestamp
  line_item_usage_type: text
  usage_month: {type: month, from: line_item_usage_start_date}
  pricing_currency: text
  pricing_lease_contract_length: text
  pricing_offering_class: text
  pricing_public_on_demand_cost: {type: money, lenient: 'nise writes the word "convertible" here on reserved rows'}
  pricing_public_on_demand_rate: {type: number, lenient: 'as for the cost'}
  pricing_purchase_option: text
  pricing_rate_code: text
  pricing_rate_id: text
  pricing_term: text
  pricing_unit: text
  product: map
  product_instance_type: {type: text, from: [product_instance_type, 'product[instance_type]']}
  product_product_family: {type: text, from: [product_product_family, 'product[product_family]']}
  product_product_name: {type: text, from: [product_product_name, 'product[product_name]']}
  product_servicename: {type: text, from: [product_servicename, 'product[servicename]']}
  product_region_code: {type: text, from: [product_region_code, product_region, 'product[region]']}
  product_location: {type: text, from: [product_location, 'product[location]']}
  product_sku: text
  reservation_effective_cost: money
  reservation_net_effective_cost: money
  reservation_reservation_a_r_n: text
  reservation_unused_amortized_upfront_fee_for_billing_period: money
  reservation_unused_recurring_fee: money
  reservation_net_unused_amortized_upfront_fee_for_billing_period: money
  reservation_net_unused_recurring_fee: money
  resource_tags: {type: map, prefix: [resourceTags/, resource_tags_]}
  tags: map
  savings_plan_net_savings_plan_effective_cost: money
  savings_plan_offering_type: text
  savings_plan_savings_plan_a_r_n: text
  savings_plan_savings_plan_effective_cost: money
  savings_plan_total_commitment_to_date: money
  savings_plan_used_commitment: money
  split_line_item_parent_resource_id: text
*/
SELECT
    -- what was billed, and what it cost once commitments are spread over the usage they paid for
    coalesce(line_item_net_unblended_cost, line_item_unblended_cost) AS BilledCost,
    CASE line_item_line_item_type           -- net columns count only where the account has net prices; elsewhere AWS leaves 0.0
        WHEN 'SavingsPlanCoveredUsage'
            THEN coalesce(if(line_item_net_unblended_cost IS NULL, NULL, savings_plan_net_savings_plan_effective_cost),
                          savings_plan_savings_plan_effective_cost, 0)
        WHEN 'SavingsPlanRecurringFee'      -- the part of the hourly commitment that nothing used
            THEN coalesce(savings_plan_total_commitment_to_date, 0) - coalesce(savings_plan_used_commitment, 0)
        WHEN 'SavingsPlanNegation' THEN 0
        WHEN 'SavingsPlanUpfrontFee' THEN 0
        WHEN 'DiscountedUsage'
            THEN coalesce(if(line_item_net_unblended_cost IS NULL, NULL, reservation_net_effective_cost),
                          reservation_effective_cost, 0)
        WHEN 'RIFee'                        -- the part of the reservation that nothing used
            THEN coalesce(if(line_item_net_unblended_cost IS NULL, NULL,
                             reservation_net_unused_amortized_upfront_fee_for_billing_period),
                          reservation_unused_amortized_upfront_fee_for_billing_period, 0)
               + coalesce(if(line_item_net_unblended_cost IS NULL, NULL, reservation_net_unused_recurring_fee),
                          reservation_unused_recurring_fee, 0)
        WHEN 'Fee'                          -- an upfront reservation fee is spread over the usage that it covers
            THEN if(reservation_reservation_a_r_n IS NULL,
                    coalesce(line_item_net_unblended_cost, line_item_unblended_cost), 0)
        ELSE coalesce(line_item_net_unblended_cost, line_item_unblended_cost)
    END AS EffectiveCost,
    CASE line_item_line_item_type           -- the negotiated price before commitments: their discount is not in it
        WHEN 'SavingsPlanNegation' THEN 0
        WHEN 'DiscountedUsage' THEN coalesce(pricing_public_on_demand_cost, reservation_effective_cost, 0)
        ELSE coalesce(line_item_net_unblended_cost, line_item_unblended_cost)
    END AS ContractedCost,
    CASE WHEN line_item_line_item_type IN ('Usage', 'SavingsPlanCoveredUsage', 'DiscountedUsage')
            THEN coalesce(pricing_public_on_demand_cost, line_item_unblended_cost)
         WHEN line_item_line_item_type = 'SavingsPlanNegation' THEN 0
         ELSE line_item_unblended_cost
    END AS ListCost,
    line_item_unblended_cost AS x_DeliveredCost,

    line_item_usage_start_date AS ChargePeriodStart,
    line_item_usage_end_date AS ChargePeriodEnd,
    date_trunc('month', coalesce(bill_billing_period_start_date, usage_month)) AS BillingPeriodStart,
    date_trunc('month', coalesce(bill_billing_period_start_date, usage_month)) + INTERVAL 1 MONTH
        AS BillingPeriodEnd,

    -- quantities and prices exist only where there is a SKU to price
    CASE WHEN line_item_line_item_type IN ('Usage', 'SavingsPlanCoveredUsage', 'DiscountedUsage')
              OR line_item_line_item_type IS NULL
         THEN line_item_usage_amount END AS ConsumedQuantity,
    CASE WHEN line_item_line_item_type IN ('Usage', 'SavingsPlanCoveredUsage', 'DiscountedUsage')
              OR line_item_line_item_type IS NULL
         THEN pricing_unit END AS ConsumedUnit,
    CASE WHEN coalesce(pricing_rate_code, pricing_rate_id) IS NOT NULL THEN line_item_usage_amount END AS PricingQuantity,
    CASE WHEN coalesce(pricing_rate_code, pricing_rate_id) IS NOT NULL THEN pricing_unit END AS PricingUnit,
    CASE WHEN coalesce(pricing_rate_code, pricing_rate_id) IS NOT NULL THEN pricing_public_on_demand_rate END AS ListUnitPrice,
    CASE WHEN coalesce(pricing_rate_code, pricing_rate_id) IS NOT NULL
         THEN coalesce(line_item_net_unblended_rate, line_item_unblended_rate) END AS ContractedUnitPrice,
    CASE WHEN line_item_line_item_type IN ('Usage', 'SavingsPlanCoveredUsage', 'DiscountedUsage')
         THEN CASE
             WHEN savings_plan_savings_plan_a_r_n IS NOT NULL OR reservation_reservation_a_r_n IS NOT NULL THEN 'Committed'
             WHEN line_item_usage_type LIKE '%SpotUsage%' OR pricing_purchase_option LIKE 'Spot%'
                  OR line_item_usage_type LIKE '%TrSpt:%' THEN 'Dynamic'
             ELSE 'Standard' END
    END AS PricingCategory,

    CASE
        WHEN line_item_line_item_type = 'Tax' THEN 'Tax'
        WHEN line_item_line_item_type = 'Credit' THEN 'Credit'
        WHEN line_item_line_item_type IN ('Fee', 'RIFee', 'SavingsPlanUpfrontFee', 'SavingsPlanRecurringFee') THEN 'Purchase'
        ELSE 'Usage'
    END AS ChargeCategory,
    CASE WHEN line_item_line_item_type = 'Refund' THEN 'Correction' END AS ChargeClass,
    line_item_line_item_description AS ChargeDescription,
    CASE
        WHEN line_item_line_item_type IN ('RIFee', 'SavingsPlanRecurringFee') THEN 'Recurring'
        WHEN line_item_line_item_type IN ('Fee', 'SavingsPlanUpfrontFee', 'Credit', 'Refund', 'Tax') THEN 'One-Time'
        ELSE 'Usage-Based'
    END AS ChargeFrequency,

    coalesce(savings_plan_savings_plan_a_r_n, reservation_reservation_a_r_n) AS CommitmentDiscountId,
    CASE WHEN savings_plan_savings_plan_a_r_n IS NOT NULL THEN 'Spend'
         WHEN reservation_reservation_a_r_n IS NOT NULL THEN 'Usage' END AS CommitmentDiscountCategory,
    CASE WHEN savings_plan_savings_plan_a_r_n IS NOT NULL THEN 'Savings Plan'
         WHEN reservation_reservation_a_r_n IS NOT NULL THEN 'Reserved Instance' END AS CommitmentDiscountType,
    savings_plan_offering_type AS CommitmentDiscountName,
    CASE WHEN line_item_line_item_type IN ('SavingsPlanCoveredUsage', 'DiscountedUsage') THEN 'Used'
         WHEN line_item_line_item_type IN ('SavingsPlanRecurringFee', 'RIFee') THEN 'Unused' END AS CommitmentDiscountStatus,
    CASE WHEN line_item_usage_type LIKE '%UnusedBox:%' OR line_item_usage_type LIKE '%UnusedDed:%' THEN 'Unused'
         WHEN line_item_resource_id LIKE '%:capacity-reservation/%' THEN 'Used' END AS CapacityReservationStatus,
    CASE WHEN line_item_resource_id LIKE '%:capacity-reservation/%' THEN line_item_resource_id END AS CapacityReservationId,

    coalesce(bill_payer_account_id, line_item_usage_account_id) AS BillingAccountId,
    bill_payer_account_name AS BillingAccountName,
    line_item_currency_code AS BillingCurrency,
    line_item_usage_account_id AS SubAccountId,
    line_item_usage_account_name AS SubAccountName,
    CASE WHEN line_item_usage_account_id IS NOT NULL THEN 'Member account' END AS SubAccountType,
    'Payer account' AS BillingAccountType,
    bill_invoice_id AS InvoiceId,
    coalesce(bill_invoicing_entity, line_item_legal_entity, 'AWS') AS InvoiceIssuerName,
    CASE WHEN bill_billing_entity = 'AWS Marketplace' THEN coalesce(line_item_legal_entity, 'AWS Marketplace') ELSE 'AWS' END
        AS ServiceProviderName,
    'AWS' AS HostProviderName,
    'AWS' AS ProviderName,
    coalesce(line_item_legal_entity, 'AWS') AS PublisherName,
    coalesce(product_product_name, product_servicename, line_item_product_code) AS ServiceName,

    product_region_code AS RegionId,
    CASE WHEN product_location <> product_region_code THEN product_location END AS RegionName,
    line_item_availability_zone AS AvailabilityZone,
    line_item_resource_id AS ResourceId,
    CASE WHEN line_item_resource_id LIKE 'arn:%'       -- arn:partition:service:region:account:type/name or :type:name
         THEN regexp_extract(line_item_resource_id, '([^/:]+)$', 1)
         ELSE line_item_resource_id END AS ResourceName,
    CASE WHEN line_item_resource_id LIKE 'arn:%'
         THEN nullif(regexp_extract(line_item_resource_id, '^arn:[^:]*:[^:]*:[^:]*:[^:]*:([^/:]+)[/:].+', 1), '')
         WHEN line_item_resource_id LIKE 'i-%' THEN 'instance'
         WHEN line_item_resource_id LIKE 'vol-%' THEN 'volume'
         WHEN line_item_resource_id LIKE 'nat-%' THEN 'natgateway' END AS ResourceType,
    product_sku AS SkuId,
    coalesce(pricing_rate_code, pricing_rate_id) AS SkuPriceId,
    line_item_usage_type AS SkuMeter,
    CASE WHEN product_instance_type IS NOT NULL THEN json_object('InstanceType', product_instance_type) END AS SkuPriceDetails,
    pricing_currency AS PricingCurrency,

    aws_tags(resource_tags, tags) AS Tags,
    CASE WHEN split_line_item_parent_resource_id IS NOT NULL THEN split_line_item_parent_resource_id END AS AllocatedResourceId,
    CASE WHEN split_line_item_parent_resource_id IS NOT NULL THEN 'AWS split cost allocation data' END AS AllocatedMethodId,

    line_item_product_code AS x_ServiceCode,
    line_item_usage_type AS x_UsageType,
    line_item_operation AS x_Operation,
    line_item_line_item_type AS x_LineItemType,
    bill_bill_type AS x_BillType,
    product_product_family AS x_ProductFamily,
    product_instance_type AS x_InstanceType,
    line_item_iam_principal AS x_CallerId,
    cost_category AS x_CostCategories
FROM delivered
