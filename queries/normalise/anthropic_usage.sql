/*
id: anthropic_usage
title: Anthropic messages usage pages, to daily activity
version: 1
owner: finops-ledger
provider: Anthropic
why: >
  How many tokens a workspace sent to a model on a day. Usage pages state no money, so they go to utilisation.daily and never
  into the ledger.
sources:
  - Anthropic, Admin API reference, Usage report for messages (GET /v1/organizations/usage_report/messages)
misses: >
  input_tokens are all that a model read: uncached, written to a cache and read from it, so that they compare with OpenAI's.
  The report does not count requests. Key, service tier and context window are not kept apart.
records: data.results
yields: utilisation
detect: [bucket_starting_at, [uncached_input_tokens, output_tokens]]
nulls: ['', 'null']
reads:
  bucket_starting_at: timestamp
  cache_creation_1h: {type: number, from: cache_creation.ephemeral_1h_input_tokens}
  cache_creation_5m: {type: number, from: cache_creation.ephemeral_5m_input_tokens}
  cache_read_input_tokens: number
  model: text
  output_tokens: number
  uncached_input_tokens: number
  web_search_requests: {type: number, from: server_tool_use.web_search_requests}
  workspace_id: text
*/
WITH measured AS (
    SELECT
        concat_ws('/', 'anthropic', workspace_id, coalesce(model, 'messages')) AS resource_id,
        CAST(bucket_starting_at AS DATE) AS day,
        unnest([
            {'metric': 'input_tokens', 'unit': 'tokens',
             'value': uncached_input_tokens + coalesce(cache_read_input_tokens, 0)
                      + coalesce(cache_creation_1h, 0) + coalesce(cache_creation_5m, 0)},
            {'metric': 'cached_input_tokens', 'unit': 'tokens', 'value': cache_read_input_tokens},
            {'metric': 'cache_write_tokens', 'unit': 'tokens',
             'value': coalesce(cache_creation_1h + cache_creation_5m, cache_creation_1h, cache_creation_5m)},
            {'metric': 'output_tokens', 'unit': 'tokens', 'value': output_tokens},
            {'metric': 'web_searches', 'unit': 'requests', 'value': web_search_requests}
        ]) AS measure
    FROM delivered
)

SELECT resource_id, measure.metric AS metric, day, measure.value AS value, measure.unit AS unit, 1 AS samples
FROM measured
WHERE measure.value IS NOT NULL
