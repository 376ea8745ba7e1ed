/*
id: openai_usage
title: OpenAI usage API pages, to daily activity
version: 1
owner: finops-ledger
provider: OpenAI
why: >
  How much a project used of a model on a day. Usage pages state no money, so they go to utilisation.daily and never into
  the ledger.
sources:
  - OpenAI, API reference, Usage (GET /v1/organization/usage/…)
misses: >
  input_tokens include the cached ones, as OpenAI counts them. A page that was not asked for by project and model gives one
  resource for all of them, such as openai/completions. Image sizes and audio parts of tokens are not kept.
records: data.results
yields: utilisation
detect: [bucket_start_time, [num_model_requests, num_requests, num_sessions, usage_bytes, input_tokens]]
nulls: ['', 'null']
reads:
  bucket_start_time: epoch
  cache_write_tokens: {type: number, from: input_cache_write_tokens}
  cached_input_tokens: {type: number, from: input_cached_tokens}
  characters: number
  images: number
  input_tokens: number
  model: text
  object: text
  output_tokens: number
  project_id: text
  requests: {type: number, from: [num_requests, num_model_requests]}
  seconds: number
  sessions: {type: number, from: num_sessions}
  usage_bytes: number
  vector_store_id: text
*/
WITH measured AS (
    SELECT
        -- openai/proj_abc/gpt-4o; without a model what the page is about: openai/proj_abc/vector_stores
        concat_ws('/', 'openai', project_id,
                  coalesce(model, vector_store_id, regexp_extract(object, 'organization\.usage\.([a-z_]+)', 1))) AS resource_id,
        CAST(bucket_start_time AS DATE) AS day,
        unnest([
            {'metric': 'input_tokens', 'value': input_tokens, 'unit': 'tokens'},
            {'metric': 'cached_input_tokens', 'value': cached_input_tokens, 'unit': 'tokens'},
            {'metric': 'cache_write_tokens', 'value': cache_write_tokens, 'unit': 'tokens'},
            {'metric': 'output_tokens', 'value': output_tokens, 'unit': 'tokens'},
            {'metric': 'requests', 'value': requests, 'unit': 'requests'},
            {'metric': 'characters', 'value': characters, 'unit': 'characters'},
            {'metric': 'seconds', 'value': seconds, 'unit': 'seconds'},
            {'metric': 'images', 'value': images, 'unit': 'images'},
            {'metric': 'sessions', 'value': sessions, 'unit': 'sessions'},
            {'metric': 'stored_bytes', 'value': usage_bytes, 'unit': 'bytes'}
        ]) AS measure
    FROM delivered
)

SELECT resource_id, measure.metric AS metric, day, measure.value AS value, measure.unit AS unit, 1 AS samples
FROM measured
WHERE measure.value IS NOT NULL
