/*
id: openai_costs
title: OpenAI costs API pages, to FOCUS 1.4
version: 1
owner: finops-ledger
provider: OpenAI
why: >
  OpenAI's bill by day, project and line item, as its costs endpoint returns it. Tokens that were bought through AWS, Google
  or Azure are in those clouds' bills and not here.
sources:
  - OpenAI, API reference, Costs (GET /v1/organization/costs)
misses: >
  A page states neither list prices nor invoices nor tax. A line item names the model only where the page was asked for by
  line item; project and key likewise. The organisation is known only where the page names it, else the billing account is
  NULL.
records: data.results
detect: [bucket_start_time, [amount.value, empty_page]]
nulls: ['', 'null']
reads:
  amount: {type: money, from: amount.value}
  api_key_id: text
  bucket_end_time: epoch
  bucket_start_time: epoch
  currency: {type: text, from: amount.currency}
  line_item: text
  organization_id: text
  organization_name: text
  project_id: text
  project_name: text
  quantity: quantity
  quantity_stated: {type: stated, from: quantity}
  quantity_unit: text
  user_id: text
*/
SELECT
    amount AS BilledCost,
    amount AS EffectiveCost,
    amount AS ContractedCost,
    amount AS x_DeliveredCost,

    bucket_start_time AS ChargePeriodStart,
    bucket_end_time AS ChargePeriodEnd,
    date_trunc('month', bucket_start_time) AS BillingPeriodStart,
    date_trunc('month', bucket_start_time) + INTERVAL 1 MONTH AS BillingPeriodEnd,

    'Usage' AS ChargeCategory,
    line_item AS ChargeDescription,
    'Usage-Based' AS ChargeFrequency,
    quantity AS ConsumedQuantity,
    CASE WHEN quantity_stated THEN quantity_unit END AS ConsumedUnit,

    organization_id AS BillingAccountId,
    organization_name AS BillingAccountName,
    'Organization' AS BillingAccountType,
    upper(currency) AS BillingCurrency,
    project_id AS SubAccountId,
    project_name AS SubAccountName,
    CASE WHEN project_id IS NOT NULL THEN 'Project' END AS SubAccountType,
    'OpenAI' AS InvoiceIssuerName,
    'OpenAI' AS ServiceProviderName,
    'OpenAI' AS HostProviderName,
    'OpenAI' AS ProviderName,
    'OpenAI' AS PublisherName,
    'OpenAI API' AS ServiceName,
    'AI and Machine Learning' AS ServiceCategory,
    'Generative AI' AS ServiceSubcategory,

    -- 'gpt-4o-2024-08-06, cached input': a model and what of it was metered
    line_item AS SkuId,
    coalesce(nullif(trim(regexp_extract(line_item, ',(.*)$', 1)), ''), line_item) AS SkuMeter,
    line_item AS x_UsageType,
    api_key_id AS x_ApiKeyId,
    stated(json_object('Model', nullif(regexp_extract(line_item, '^([^,]+),', 1), ''), 'UserId', user_id)) AS x_Details
FROM delivered
