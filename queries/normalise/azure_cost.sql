/*
id: azure_cost
title: Azure cost and usage details, actual and amortised, to FOCUS 1.4
version: 1
owner: finops-ledger
provider: Microsoft
why: >
  Microsoft has renamed the columns of its exports with every agreement: Enterprise (old and new), Customer Agreement,
  pay-as-you-go, in CamelCase, in lower case, and in German with the English name in brackets. They are one format.
sources:
  - Microsoft, Cost and usage details file schema, and its version history
  - Microsoft, Convert cost and usage data to FOCUS; finops-toolkit issue 1125 on committed usage in BilledCost
misses: >
  A row does not say whether its file is of actual or of amortised cost. EffectiveCost is the cost as delivered: in an
  amortised file that is the effective cost; in an actual file the purchase of a commitment costs its full price on its day
  and the usage that it covers nothing, so that no money is lost. Load one of the two, best the amortised one, never both.
  BilledCost is 0 on committed usage, which its purchase has paid; an amortised file lacks that purchase. x_CostBasis says
  Actual or Amortized where a row can only be the one. A quantity is priced per block ('100 Hours'); PricingQuantity is
  given where the block is 1. The list price of a unit is kept in the currency in which it is stated. Without a billing
  account (pay-as-you-go) the subscription stands for it.
detect: [[CostInBillingCurrency, Cost, PreTaxCost, ExtendedCost], [SubscriptionId, SubscriptionGuid], [MeterCategory],
         [Date, UsageDateTime, UsageDate], [ConsumedService, ResourceLocation, InstanceId, ResourceId]]
nulls: ['', 'NULL', 'null']
timestamps: ['%m/%d/%y', '%m/%d/%Y', '%Y-%m-%d', '%Y-%m-%dT%H:%M:%SZ', '%Y-%m-%dT%H:%M:%S', '%Y-%m-%d %H:%M:%S',
             '%m/%d/%Y %H:%M:%S', '%m/%d/%Y %I:%M:%S %p', '%Y-%m-%dT%H:%M:%S.%fZ']
reads:
  account_name: {type: text, from: AccountName}
  availability_zone: {type: text, from: AvailabilityZone}
  benefit_id: {type: text, from: [benefitId, ReservationId]}
  benefit_name: {type: text, from: [benefitName, ReservationName]}
  billing_account_id: {type: text, from: BillingAccountId}
  billing_account_name: {type: text, from: BillingAccountName}
  billing_currency: {type: text, from: [BillingCurrency, BillingCurrencyCode, Currency]}
  billing_period_start: {type: month, from: BillingPeriodStartDate}
  billing_profile_id: {type: text, from: BillingProfileId}
  billing_profile_name: {type: text, from: BillingProfileName}
  charge_type: {type: text, from: ChargeType}
  consumed_service: {type: text, from: ConsumedService}
  cost: {type: money, from: [CostInBillingCurrency, Cost, PreTaxCost, ExtendedCost]}
  cost_allocation_rule: {type: text, from: CostAllocationRuleName}
  cost_center: {type: text, from: CostCenter}
  cost_in_pricing_currency: {type: money, from: CostInPricingCurrency}
  date: {type: timestamp, from: [Date, UsageDateTime, UsageDate]}
  frequency: {type: text, from: Frequency}
  invoice_id: {type: text, from: InvoiceId}
  invoice_section: {type: text, from: [InvoiceSectionName, InvoiceSection]}
  location: {type: text, from: Location}
  meter_category: {type: text, from: MeterCategory}
  meter_id: {type: text, from: MeterId}
  meter_name: {type: text, from: MeterName}
  meter_sub_category: {type: text, from: MeterSubCategory}
  offer_id: {type: text, from: OfferId}
  part_number: {type: text, from: PartNumber}
  payg_cost: {type: money, from: PaygCostInBillingCurrency}
  payg_price: {type: number, from: PayGPrice}
  pricing_currency: {type: text, from: [PricingCurrency, PricingCurrencyCode]}
  pricing_model: {type: text, from: PricingModel}
  product: {type: text, from: [ProductName, Product]}
  product_id: {type: text, from: ProductId}
  product_order_name: {type: text, from: ProductOrderName}
  publisher_name: {type: text, from: PublisherName}
  publisher_type: {type: text, from: PublisherType}
  quantity: {type: quantity, from: [Quantity, UsageQuantity, ConsumedQuantity]}
  quantity_stated: {type: stated, from: [Quantity, UsageQuantity, ConsumedQuantity]}
  resource_group: {type: text, from: [ResourceGroupName, ResourceGroup]}
  resource_id: {type: text, from: [ResourceId, InstanceId, InstanceName]}
  resource_location: {type: text, from: ResourceLocation}
  resource_name: {type: text, from: ResourceName}
  resource_type: {type: text, from: ResourceType}
  service_family: {type: text, from: ServiceFamily}
  service_type: {type: text, from: 'AdditionalInfo[ServiceType]', narrow: true,
                 lenient: 'AdditionalInfo is free text of each service'}
  subscription_id: {type: text, from: [SubscriptionGuid, SubscriptionId]}
  subscription_name: {type: text, from: SubscriptionName}
  tags: {type: map, from: Tags}
  term: {type: text, from: Term}
  unit_of_measure: {type: text, from: UnitOfMeasure}
  unit_price: {type: number, from: [UnitPrice, ResourceRate]}
  usage_month: {type: month, from: [Date, UsageDateTime, UsageDate]}
*/
SELECT
    -- usage that a commitment covers was paid by the commitment's purchase
    CASE WHEN pricing_model IN ('Reservation', 'SavingsPlan')
              AND coalesce(charge_type, 'Usage') IN ('Usage', 'UnusedReservation', 'UnusedSavingsPlan') THEN 0
         ELSE cost END AS BilledCost,
    cost AS EffectiveCost,
    CASE WHEN coalesce(pricing_model, 'OnDemand') NOT IN ('Reservation', 'SavingsPlan') THEN cost END AS ContractedCost,
    payg_cost AS ListCost,
    cost AS x_DeliveredCost,
    cost_in_pricing_currency AS PricingCurrencyEffectiveCost,

    date AS ChargePeriodStart,
    date + INTERVAL 1 DAY AS ChargePeriodEnd,
    coalesce(billing_period_start, usage_month) AS BillingPeriodStart,
    coalesce(billing_period_start, usage_month) + INTERVAL 1 MONTH AS BillingPeriodEnd,

    CASE coalesce(charge_type, 'Usage')
        WHEN 'Usage' THEN 'Usage'
        WHEN 'UnusedReservation' THEN 'Usage'
        WHEN 'UnusedSavingsPlan' THEN 'Usage'
        WHEN 'Purchase' THEN 'Purchase'
        WHEN 'Refund' THEN if(pricing_model IN ('Reservation', 'SavingsPlan'), 'Purchase', 'Usage')
        WHEN 'Tax' THEN 'Tax'
        WHEN 'Credit' THEN 'Credit'
        WHEN 'RoundingAdjustment' THEN 'Adjustment'
        WHEN 'Adjustment' THEN 'Adjustment'
    END AS ChargeCategory,
    CASE WHEN charge_type = 'Refund' THEN 'Correction' END AS ChargeClass,
    coalesce(product, product_order_name, concat_ws(' - ', meter_category, meter_sub_category, meter_name)) AS ChargeDescription,
    CASE WHEN frequency IS NULL AND charge_type IS NULL THEN 'Usage-Based'
         ELSE one_of(frequency, ['One-Time', 'Recurring', 'Usage-Based']) END AS ChargeFrequency,
    CASE pricing_model
        WHEN 'OnDemand' THEN 'Standard'
        WHEN 'On Demand' THEN 'Standard'
        WHEN 'Spot' THEN 'Dynamic'
        WHEN 'Reservation' THEN 'Committed'
        WHEN 'SavingsPlan' THEN 'Committed'
    END AS PricingCategory,

    CASE WHEN unit_of_measure IS NOT NULL THEN quantity END AS ConsumedQuantity,     -- a rounding row has a quantity of nothing
    -- '1 Hour' and '100 Hours' both count hours; '10K' stays as it is
    CASE WHEN quantity_stated
         THEN regexp_replace(regexp_replace(unit_of_measure, '^[0-9.,]+ +', ''), '^Hour$', 'Hours') END AS ConsumedUnit,
    CASE WHEN unit_of_measure LIKE '1 %' THEN quantity END AS PricingQuantity,
    CASE WHEN unit_of_measure LIKE '1 %' AND quantity_stated THEN unit_of_measure END AS PricingUnit,
    CASE WHEN coalesce(pricing_currency, billing_currency) = billing_currency THEN payg_price END AS ListUnitPrice,
    CASE WHEN coalesce(pricing_currency, billing_currency) = billing_currency THEN unit_price END AS ContractedUnitPrice,
    pricing_currency AS PricingCurrency,
    CASE WHEN pricing_currency IS NOT NULL THEN payg_price END AS PricingCurrencyListUnitPrice,
    CASE WHEN pricing_currency IS NOT NULL THEN unit_price END AS PricingCurrencyContractedUnitPrice,

    CASE WHEN pricing_model IN ('Reservation', 'SavingsPlan') THEN benefit_id END AS CommitmentDiscountId,
    CASE WHEN pricing_model IN ('Reservation', 'SavingsPlan') THEN benefit_name END AS CommitmentDiscountName,
    CASE WHEN benefit_id IS NULL THEN NULL WHEN pricing_model = 'Reservation' THEN 'Usage'
         WHEN pricing_model = 'SavingsPlan' THEN 'Spend' END AS CommitmentDiscountCategory,
    CASE WHEN benefit_id IS NULL THEN NULL WHEN pricing_model = 'Reservation' THEN 'Reservation'
         WHEN pricing_model = 'SavingsPlan' THEN 'Savings plan' END AS CommitmentDiscountType,
    CASE WHEN charge_type IN ('UnusedReservation', 'UnusedSavingsPlan') THEN 'Unused'
         WHEN pricing_model IN ('Reservation', 'SavingsPlan') AND benefit_id IS NOT NULL
              AND coalesce(charge_type, 'Usage') = 'Usage' THEN 'Used' END AS CommitmentDiscountStatus,

    -- a Customer Agreement bills each profile by itself; an enrollment is its own profile
    CASE WHEN billing_account_id LIKE '%:%' THEN coalesce(billing_profile_id, billing_account_id)
         ELSE coalesce(billing_account_id, billing_profile_id, subscription_id) END AS BillingAccountId,
    CASE WHEN billing_account_id LIKE '%:%' THEN coalesce(billing_profile_name, billing_account_name)
         ELSE coalesce(billing_account_name, billing_profile_name) END AS BillingAccountName,
    CASE WHEN billing_account_id LIKE '%:%' AND billing_profile_id IS NOT NULL THEN 'Billing profile'
         WHEN coalesce(billing_account_id, billing_profile_id) IS NULL THEN 'Subscription'
         ELSE 'Billing account' END AS BillingAccountType,
    billing_currency AS BillingCurrency,
    subscription_id AS SubAccountId,
    subscription_name AS SubAccountName,
    CASE WHEN subscription_id IS NOT NULL THEN 'Subscription' END AS SubAccountType,
    invoice_id AS InvoiceId,
    'Microsoft' AS InvoiceIssuerName,
    CASE WHEN publisher_type = 'Marketplace' THEN coalesce(publisher_name, 'Microsoft') ELSE 'Microsoft' END
        AS ServiceProviderName,
    'Microsoft' AS HostProviderName,
    'Microsoft' AS ProviderName,
    coalesce(publisher_name, 'Microsoft') AS PublisherName,
    coalesce(meter_category, consumed_service, product) AS ServiceName,

    -- the id is 'westeurope' or 'EastUS2'; 'EU West' is a name
    CASE WHEN resource_location NOT LIKE '% %' THEN lower(resource_location) END AS RegionId,
    coalesce(location, CASE WHEN resource_location LIKE '% %' THEN resource_location END) AS RegionName,
    availability_zone AS AvailabilityZone,
    resource_id AS ResourceId,
    coalesce(resource_name, nullif(regexp_extract(resource_id, '([^/]+)$', 1), '')) AS ResourceName,
    coalesce(nullif(regexp_extract(resource_id, '/providers/.*/([^/]+)/[^/]+$', 1), ''), resource_type) AS ResourceType,
    coalesce(product_id, part_number, meter_id) AS SkuId,
    meter_name AS SkuMeter,
    CASE WHEN service_type IS NOT NULL THEN json_object('InstanceType', service_type) END AS SkuPriceDetails,
    tags AS Tags,
    cost_allocation_rule AS AllocatedMethodId,

    consumed_service AS x_ServiceCode,
    meter_name AS x_UsageType,
    charge_type AS x_LineItemType,
    service_family AS x_ProductFamily,
    service_type AS x_InstanceType,
    resource_group AS x_ResourceGroup,
    cost_center AS x_CostCenter,
    CASE WHEN charge_type IN ('UnusedReservation', 'UnusedSavingsPlan') THEN 'Amortized'
         WHEN pricing_model IN ('Reservation', 'SavingsPlan') AND charge_type IN ('Purchase', 'Refund') THEN 'Actual' END
        AS x_CostBasis,
    stated(json_object('MeterId', meter_id, 'MeterSubCategory', meter_sub_category, 'InvoiceSection', invoice_section,
                       'AccountName', account_name, 'OfferId', offer_id, 'Term', term)) AS x_Details
FROM delivered
