/*
id: anthropic_costs
title: Anthropic cost report pages, to FOCUS 1.4
version: 1
owner: finops-ledger
provider: Anthropic
why: >
  Anthropic's bill by day, workspace and description, as its cost report returns it. Claude that was bought through AWS or
  Google is in those clouds' bills and not here.
sources:
  - Anthropic, Admin API reference, Cost report (GET /v1/organizations/cost_report)
  - Anthropic, Admin API reference, Usage report for messages (GET /v1/organizations/usage_report/messages)
misses: >
  Priority Tier is billed otherwise and not in this report. A page states neither list prices, invoices nor tax, and not which
  organisation it is of: the billing account is NULL. Model and kind of token are known only where the page was asked for by
  description. A charge's tokens are those of the usage pages in the same folder: of the same day, workspace, model, tier, context
  window and place. Where these fit two charges or none, and for what is no token, the quantity is NULL.
records: data.results
quantities:
  pages: anthropic_usage
  field: token_type
  by: [bucket_starting_at, bucket_ending_at, model, service_tier, context_window, inference_geo]
  where_null: [workspace_id]
detect: [bucket_starting_at, [amount, empty_page]]
nulls: ['', 'null']
reads:
  amount: number
  bucket_ending_at: timestamp
  bucket_starting_at: timestamp
  context_window: text
  cost_type: text
  currency: text
  description: text
  inference_geo: text
  model: text
  quantity: quantity
  quantity_stated: {type: stated, from: quantity}
  service_tier: text
  token_type: text
  workspace_id: text
*/
SELECT
    -- amounts are in cents: '123.45' is $1.2345
    amount * 0.01 AS BilledCost,
    amount * 0.01 AS EffectiveCost,
    amount * 0.01 AS ContractedCost,
    amount * 0.01 AS x_DeliveredCost,

    bucket_starting_at AS ChargePeriodStart,
    bucket_ending_at AS ChargePeriodEnd,
    date_trunc('month', bucket_starting_at) AS BillingPeriodStart,
    date_trunc('month', bucket_starting_at) + INTERVAL 1 MONTH AS BillingPeriodEnd,

    'Usage' AS ChargeCategory,
    coalesce(description, cost_type) AS ChargeDescription,
    'Usage-Based' AS ChargeFrequency,
    quantity AS ConsumedQuantity,
    CASE WHEN quantity_stated THEN 'tokens' END AS ConsumedUnit,

    'Organization' AS BillingAccountType,
    upper(currency) AS BillingCurrency,
    workspace_id AS SubAccountId,
    CASE WHEN workspace_id IS NOT NULL THEN 'Workspace' END AS SubAccountType,
    'Anthropic' AS InvoiceIssuerName,
    'Anthropic' AS ServiceProviderName,
    'Anthropic' AS HostProviderName,
    'Anthropic' AS ProviderName,
    'Anthropic' AS PublisherName,
    'Claude API' AS ServiceName,
    'AI and Machine Learning' AS ServiceCategory,
    'Generative AI' AS ServiceSubcategory,

    CASE WHEN inference_geo <> 'not_available' THEN inference_geo END AS RegionId,
    nullif(concat_ws(', ', model, token_type, service_tier, context_window), '') AS SkuId,
    coalesce(token_type, cost_type) AS SkuMeter,
    coalesce(nullif(concat_ws(', ', model, token_type), ''), cost_type) AS x_UsageType,
    cost_type AS x_LineItemType,
    stated(json_object('Model', model, 'TokenType', token_type, 'ServiceTier', service_tier,
                       'ContextWindow', context_window)) AS x_Details
FROM delivered
