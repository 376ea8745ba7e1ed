/*
id: token_spend
title: Tokens by model
version: 2
owner: finops-ledger
why: >
  Language models are billed by the token. Cost by model and direction shows where a cheaper model, a cache or a batch would
  pay; the price per million tokens is what was paid, not what is on a list.
misses: >
  Sources that state money and no quantity (OpenAI's cost pages) have no token count and no price here. Provisioned
  throughput is billed by the hour and is not in this table.
grain: period
reads: [allocation.charges]
params:
  period: {type: period, default: last-week, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  Model: The model as the meter, the product or the line item names it
  Direction: input, output, cache_read, cache_write, or what else the meter counts
  ServiceProviderName: Who sells it
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost of record, amortised
  Tokens: Tokens consumed; empty if a charge states no quantity of tokens
  CostPerMillionTokens: EffectiveCost for a million tokens, rounded to six digits; empty without a token count
  TeamCount: Teams that used it
*/
WITH charges AS (
    SELECT
        ServiceProviderName,
        ServiceName,
        coalesce(x_UsageType, SkuMeter, ChargeDescription, ServiceName) AS meter,
        replace(x_WorkloadKind, 'tokens.', '') AS Direction,
        CASE WHEN lower(ConsumedUnit) IN ('1m', '1m tokens') OR lower(ConsumedUnit) LIKE '%million%'
                  OR (x_UsageType LIKE '%MP:%TokenCount%' AND ConsumedUnit = 'Units') THEN 1000000
             WHEN lower(ConsumedUnit) IN ('1k', '1k tokens') OR lower(ConsumedUnit) LIKE '%thousand%' THEN 1000
             WHEN lower(ConsumedUnit) LIKE '%token%' OR lower(ConsumedUnit) = 'count' THEN 1
        END AS tokens_per_unit,
        AllocatedConsumedQuantity AS quantity,
        BillingCurrency,
        AllocatedEffectiveCost,
        Team
    FROM allocation.charges
    WHERE ChargePeriodStart >= CAST($period_start AS DATE)
      AND ChargePeriodStart < CAST($period_end AS DATE)
      AND x_WorkloadKind LIKE 'tokens.%'
),
named AS (                  -- 'USE1-NovaLite-input-tokens-batch' is NovaLite; 'gpt-4.1, input' is gpt-4.1
    SELECT
        *,
        CASE WHEN ServiceName LIKE '%(Amazon Bedrock Edition)' THEN replace(ServiceName, ' (Amazon Bedrock Edition)', '')
             WHEN meter ILIKE '% token count %'
                  THEN regexp_extract(meter, '(?i)token count (.+?)(?: short| long)? (?:input|output|cach)', 1)
             ELSE coalesce(NULLIF(trim(regexp_replace(regexp_replace(meter, '^[A-Z]{2,4}[0-9]?-', ''),
                    '(?i)[-,_ ]+(cached|cache|thinking|input|output|inp|outp|opt|text|prompt|completion|glbl|batch)([-,_ ].*)?$', '')),
                    ''), meter)
        END AS Model
    FROM charges
),
sums AS (
    SELECT
        Model,
        Direction,
        ServiceProviderName,
        BillingCurrency,
        sum(AllocatedEffectiveCost) AS EffectiveCost,
        CASE WHEN count(*) FILTER (tokens_per_unit IS NULL OR quantity IS NULL) = 0
             THEN CAST(sum(quantity * tokens_per_unit) AS DECIMAL(38, 9)) END AS Tokens,
        count(DISTINCT Team) AS TeamCount
    FROM named
    GROUP BY Model, Direction, ServiceProviderName, BillingCurrency
),
token_spend AS (
    SELECT
        Model,
        Direction,
        ServiceProviderName,
        BillingCurrency,
        EffectiveCost,
        Tokens,
        CAST(round(1000000.0 * EffectiveCost / NULLIF(Tokens, 0), 6) AS DECIMAL(38, 6)) AS CostPerMillionTokens,
        TeamCount
    FROM sums
)
SELECT * FROM token_spend
ORDER BY BillingCurrency, EffectiveCost DESC, Model, Direction, ServiceProviderName
