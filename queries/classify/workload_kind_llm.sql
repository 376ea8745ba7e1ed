/*
id: workload_kind_llm
title: What kind of tokens a charge of OpenAI or Anthropic pays for
version: 1
owner: finops-ledger
order: 20
writes: [x_WorkloadKind]
why: >
  A cached input costs a tenth of an input, an output eight times as much: the mix explains most of an LLM bill.
misses: >
  Line items without a direction (tool calls, images, storage) are 'tokens.other'.
reads: [ledger.dimensions]
*/
WITH charges AS (
    SELECT x_DimensionId, lower(concat_ws(' | ', SkuMeter, x_UsageType, ChargeDescription)) AS line
    FROM ledger.dimensions
    WHERE ledger.provider_of(coalesce(HostProviderName, ProviderName, ServiceProviderName)) IN ('OpenAI', 'Anthropic')
       OR ServiceName IN ('OpenAI API', 'Claude API')
),

workload_kind_llm AS (
    SELECT
        x_DimensionId,
        CASE
            WHEN regexp_matches(line, 'fine[- ]?tun|training') THEN 'training.customization'
            WHEN regexp_matches(line, 'tool call|web search|code (interpreter|execution)|file search|storage|session')
                THEN 'tokens.other'
            ELSE ledger.token_kind(line)
        END AS x_WorkloadKind
    FROM charges
)

SELECT x_DimensionId, x_WorkloadKind
FROM workload_kind_llm
