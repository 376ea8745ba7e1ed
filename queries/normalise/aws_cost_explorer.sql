/*
id: aws_cost_explorer
title: AWS Cost Explorer's daily totals, to FOCUS 1.4
version: 1
owner: finops-ledger
provider: AWS
why: >
  An account without an export still has a bill. Cost Explorer tells it by day, service and type of charge, so that credits, refunds
  and tax keep their sign. Billed is what AWS calls unblended, effective what it calls amortised.
grade: daily totals by service and type of charge; no resources, no hours, no tags
sources:
  - AWS, API reference, GetCostAndUsage, grouped by SERVICE and RECORD_TYPE; the types are those of a CUR's line items
misses: >
  No resources, usage types, regions, tags or list prices; spot is not told from on-demand, AWS Marketplace not from AWS. BillingAccountId
  is the account that asked: the payer's where the management account asks. SubAccountId is known where accounts were asked for one by
  one. A quantity that mixes units is not a number of anything: it is NULL.
detect: [bucket_estimated, [RECORD_TYPE, empty_page], [UnblendedCost.Amount, empty_page], [AmortizedCost.Amount, empty_page]]
nulls: ['', 'N/A', 'null']
reads:
  account: {type: text, from: [LINKED_ACCOUNT, bucket_account]}
  amortised: {type: money, from: AmortizedCost.Amount}
  asked_by: {type: text, from: bucket_asked_by}
  currency: {type: text, from: UnblendedCost.Unit}
  day_end: {type: timestamp, from: bucket_end}
  day_start: {type: timestamp, from: bucket_start}
  month: {type: month, from: bucket_start}
  quantity: {type: quantity, from: UsageQuantity.Amount}
  record_type: {type: text, from: RECORD_TYPE}
  service: {type: text, from: SERVICE}
  unblended: {type: money, from: UnblendedCost.Amount}
  unit: {type: text, from: UsageQuantity.Unit}
*/
SELECT
    unblended AS BilledCost,
    amortised AS EffectiveCost,
    -- a type is spelt as a CUR does ('RIFee') or as the console does ('Recurring reservation fee')
    CASE fold_value(record_type)            -- the negotiated price before commitments, as for a CUR's line items
        WHEN 'savingsplannegation' THEN 0
        WHEN 'discountedusage' THEN amortised
        WHEN 'reservationappliedusage' THEN amortised
        ELSE unblended
    END AS ContractedCost,
    unblended AS x_DeliveredCost,

    day_start AS ChargePeriodStart,
    day_end AS ChargePeriodEnd,
    month AS BillingPeriodStart,
    month + INTERVAL 1 MONTH AS BillingPeriodEnd,

    CASE WHEN unit IS NOT NULL AND fold_value(record_type) IN ('usage', 'savingsplancoveredusage', 'discountedusage', 'reservationappliedusage')
         THEN quantity END AS ConsumedQuantity,
    CASE WHEN fold_value(record_type) IN ('usage', 'savingsplancoveredusage', 'discountedusage', 'reservationappliedusage')
         THEN unit END AS ConsumedUnit,
    CASE WHEN fold_value(record_type) IN ('savingsplancoveredusage', 'discountedusage', 'reservationappliedusage')
         THEN 'Committed' END AS PricingCategory,

    CASE
        WHEN fold_value(record_type) = 'tax' THEN 'Tax'
        WHEN fold_value(record_type) IN ('credit', 'credits') THEN 'Credit'
        WHEN fold_value(record_type) IN ('fee', 'upfront', 'upfrontreservationfee', 'rifee', 'recurring',
                                         'recurringreservationfee', 'support', 'supportfee', 'savingsplanupfrontfee',
                                         'savingsplanrecurringfee') THEN 'Purchase'
        ELSE 'Usage'                        -- discounts too, as in a CUR
    END AS ChargeCategory,
    CASE WHEN fold_value(record_type) = 'refund' THEN 'Correction' END AS ChargeClass,
    concat_ws(', ', service, record_type) AS ChargeDescription,
    CASE
        WHEN fold_value(record_type) IN ('rifee', 'recurring', 'recurringreservationfee', 'support', 'supportfee',
                                         'savingsplanrecurringfee') THEN 'Recurring'
        WHEN fold_value(record_type) IN ('fee', 'upfront', 'upfrontreservationfee', 'savingsplanupfrontfee', 'credit',
                                         'credits', 'refund', 'tax') THEN 'One-Time'
        ELSE 'Usage-Based'
    END AS ChargeFrequency,

    asked_by AS BillingAccountId,
    'Account' AS BillingAccountType,
    currency AS BillingCurrency,
    account AS SubAccountId,
    CASE WHEN account IS NOT NULL THEN 'Member account' END AS SubAccountType,
    'AWS' AS InvoiceIssuerName,
    'AWS' AS ServiceProviderName,
    'AWS' AS HostProviderName,
    'AWS' AS ProviderName,
    'AWS' AS PublisherName,
    coalesce(service, 'AWS') AS ServiceName,
    record_type AS x_LineItemType
FROM delivered
