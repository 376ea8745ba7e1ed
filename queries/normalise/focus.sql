/*
id: focus
title: FOCUS 1.0 to 1.4, of any provider, to FOCUS 1.4
version: 1
owner: finops-ledger
provider: any
why: >
  Providers and tools deliver FOCUS in four versions and in their own dialects: AWS with lower-case names and maps, Microsoft
  with tags as JSON and many x_ columns, Google with lower-case values, Oracle with the names of the 1.0 preview. The columns
  mean the same, so one mapping brings them all to 1.4.
sources:
  - FOCUS 1.0, 1.1, 1.2, 1.3 and 1.4, Cost and Usage
  - FOCUS 1.3, the change from ProviderName and PublisherName to ServiceProviderName and HostProviderName
  - FOCUS 1.4, CAU-EffectiveCost-C-017 (tax and credits cost effectively what they cost)
misses: >
  Costs are taken as delivered: what a generator states wrongly is wrong here. HostProviderName is the service provider where
  no host is stated, as 1.3 demands. FOCUS 1.4 wants prices to be null without a SkuPriceId; a delivered price is kept.
  Billing periods are shown as calendar months; a seller's period that begins in mid-month is shown from the month's first
  day. AWS's x_Discounts differ from row to row and are not kept.
detect: [[BilledCost], [ChargePeriodStart], [BillingCurrency], [ServiceName]]
nulls: ['', 'NULL', 'null', 'None']
reads:
  AllocatedMethodDetails: json
  AllocatedMethodId: text
  AllocatedResourceId: text
  AllocatedResourceName: text
  AllocatedTags: map
  AvailabilityZone: text
  BilledCost: money
  BillingAccountId: text
  BillingAccountName: text
  BillingAccountType: text
  BillingCurrency: text
  BillingPeriodStart: timestamp
  charge_month: {type: month, from: ChargePeriodStart}
  CapacityReservationId: text
  CapacityReservationStatus: text
  ChargeCategory: {type: text, from: [ChargeCategory, ChargeType]}
  ChargeClass: text
  ChargeDescription: text
  ChargeFrequency: text
  ChargePeriodEnd: timestamp
  ChargePeriodStart: timestamp
  ChargeSubcategory: text
  CommitmentDiscountCategory: text
  CommitmentDiscountId: text
  CommitmentDiscountName: text
  CommitmentDiscountQuantity: quantity
  CommitmentDiscountStatus: text
  CommitmentDiscountType: text
  CommitmentDiscountUnit: text
  CommitmentProgramEligibilityDetails: json
  ConsumedQuantity: {type: quantity, from: [ConsumedQuantity, UsageQuantity]}
  ConsumedUnit: {type: text, from: [ConsumedUnit, UsageUnit]}
  ContractApplied: json
  ContractedCost: money
  ContractedUnitPrice: number
  EffectiveCost: money
  HostProviderName: text
  InvoiceDetailId: text
  InvoiceId: {type: text, from: [InvoiceId, x_InvoiceId]}
  InvoiceIssuerName: {type: text, from: [InvoiceIssuerName, InvoiceIssuer]}
  ListCost: money
  ListUnitPrice: number
  PricingCategory: text
  PricingCurrency: {type: text, from: [PricingCurrency, x_PricingCurrency]}
  PricingCurrencyContractedUnitPrice: number
  PricingCurrencyEffectiveCost: money
  PricingCurrencyListUnitPrice: number
  PricingQuantity: quantity
  PricingUnit: text
  ProviderName: {type: text, from: [ProviderName, Provider]}
  PublisherName: {type: text, from: [PublisherName, Publisher]}
  RegionId: {type: text, from: [RegionId, Region]}
  RegionName: text
  ResourceId: text
  ResourceName: text
  ResourceType: text
  ServiceCategory: text
  ServiceName: text
  ServiceProviderName: text
  ServiceSubcategory: text
  SkuId: text
  SkuMeter: {type: text, from: [SkuMeter, x_SkuMeterName]}
  SkuPriceDetails: {type: json, from: [SkuPriceDetails, x_SkuDetails]}
  SkuPriceId: text
  SubAccountId: text
  SubAccountName: text
  SubAccountType: text
  Tags: map
  x_CostCategories: map
  x_CostCenter: text
  x_CostType: text
  x_Operation: text
  x_ResourceGroup: {type: text, from: [x_ResourceGroupName, oci_CompartmentName, x_oci_CompartmentName]}
  x_ServiceCode: {type: text, from: [x_ServiceCode, x_ServiceId]}
  x_SkuMeterCategory: text
  x_SkuMeterId: text
  x_SkuMeterSubcategory: text
  x_SkuTerm: text
  x_UsageType: text
*/
SELECT
    BilledCost,
    CASE WHEN EffectiveCost IS NULL AND fold_value(ChargeCategory) IN ('tax', 'credit') THEN BilledCost ELSE EffectiveCost END
        AS EffectiveCost,
    ContractedCost,
    ListCost,
    BilledCost AS x_DeliveredCost,
    CASE WHEN PricingCurrencyEffectiveCost IS NULL AND PricingCurrency = BillingCurrency THEN EffectiveCost
         ELSE PricingCurrencyEffectiveCost END AS PricingCurrencyEffectiveCost,

    ChargePeriodStart,
    ChargePeriodEnd,
    -- a period begins at the seller's midnight: up to 14 hours before or 12 after that of UTC
    date_trunc('month', coalesce(BillingPeriodStart, charge_month) + INTERVAL 14 HOUR) AS BillingPeriodStart,
    date_trunc('month', coalesce(BillingPeriodStart, charge_month) + INTERVAL 14 HOUR) + INTERVAL 1 MONTH AS BillingPeriodEnd,

    -- values in FOCUS's own spelling: Google's view writes 'usage' and 'committed', Oracle 'Usage-based'
    one_of(ChargeCategory, ['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment']) AS ChargeCategory,
    CASE WHEN ChargeClass IS NULL AND ChargeSubcategory = 'Refund' THEN 'Correction'
         ELSE one_of(ChargeClass, ['Correction']) END AS ChargeClass,
    ChargeDescription,
    one_of(ChargeFrequency, ['One-Time', 'Recurring', 'Usage-Based']) AS ChargeFrequency,
    CASE PricingCategory WHEN 'On-Demand' THEN 'Standard' WHEN 'OnDemand' THEN 'Standard' WHEN 'Commitment-Based' THEN 'Committed'   -- of the 1.0 preview
         ELSE one_of(PricingCategory, ['Standard', 'Dynamic', 'Committed', 'Other']) END AS PricingCategory,
    one_of(CommitmentDiscountCategory, ['Spend', 'Usage']) AS CommitmentDiscountCategory,
    CASE ChargeSubcategory WHEN 'Used Commitment' THEN 'Used' WHEN 'Unused Commitment' THEN 'Unused'
         ELSE one_of(CommitmentDiscountStatus, ['Used', 'Unused']) END AS CommitmentDiscountStatus,
    one_of(CapacityReservationStatus, ['Used', 'Unused']) AS CapacityReservationStatus,

    CommitmentDiscountId,
    CommitmentDiscountName,
    CommitmentDiscountType,
    CommitmentDiscountQuantity,
    CommitmentDiscountUnit,
    CommitmentProgramEligibilityDetails,
    ContractApplied,
    CapacityReservationId,

    ConsumedQuantity,
    ConsumedUnit,
    PricingQuantity,
    PricingUnit,
    ListUnitPrice,
    ContractedUnitPrice,
    PricingCurrency,
    PricingCurrencyListUnitPrice,
    PricingCurrencyContractedUnitPrice,

    BillingAccountId,
    BillingAccountName,
    BillingAccountType,
    BillingCurrency,
    SubAccountId,
    SubAccountName,
    SubAccountType,
    InvoiceId,
    InvoiceDetailId,
    InvoiceIssuerName,
    service_provider(ServiceProviderName, ProviderName, PublisherName) AS ServiceProviderName,
    coalesce(HostProviderName, service_provider(ServiceProviderName, ProviderName, PublisherName)) AS HostProviderName,
    coalesce(ProviderName, ServiceProviderName) AS ProviderName,
    coalesce(PublisherName, ServiceProviderName, ProviderName) AS PublisherName,

    -- a category that FOCUS does not know (Google's is a list) is left to queries/classify/
    known_of(ServiceCategory, ['AI and Machine Learning', 'Analytics', 'Business Applications', 'Compute', 'Databases',
        'Developer Tools', 'Multicloud', 'Identity', 'Integration', 'Internet of Things', 'Management and Governance',
        'Media', 'Migration', 'Mobile', 'Networking', 'Security', 'Storage', 'Web', 'Other']) AS ServiceCategory,
    ServiceSubcategory,
    ServiceName,

    AvailabilityZone,
    RegionId,
    RegionName,
    ResourceId,
    ResourceName,
    ResourceType,
    SkuId,
    SkuMeter,
    SkuPriceId,
    CASE WHEN CAST(SkuPriceDetails AS VARCHAR) NOT IN ('{}', 'null') THEN SkuPriceDetails END AS SkuPriceDetails,
    CASE WHEN coalesce(ProviderName, ServiceProviderName) = 'AWS' THEN aws_focus_tags(Tags) ELSE map_or_null(Tags) END AS Tags,

    AllocatedMethodDetails,
    AllocatedMethodId,
    AllocatedResourceId,
    AllocatedResourceName,
    map_or_null(AllocatedTags) AS AllocatedTags,

    x_ServiceCode,
    coalesce(x_UsageType, SkuMeter) AS x_UsageType,
    x_Operation,
    x_CostType AS x_LineItemType,
    map_or_null(x_CostCategories) AS x_CostCategories,
    x_ResourceGroup,
    x_CostCenter,
    stated(json_object('MeterId', x_SkuMeterId, 'MeterCategory', x_SkuMeterCategory,
                       'MeterSubCategory', x_SkuMeterSubcategory, 'Term', x_SkuTerm)) AS x_Details
FROM delivered
