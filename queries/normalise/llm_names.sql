/*
id: llm_names
title: Names of an LLM vendor's projects, workspaces and keys, to the inventory
version: 1
owner: finops-ledger
provider: OpenAI, Anthropic
why: >
  Bills know projects, workspaces and keys by id. Their names often say which team uses them.
sources:
  - OpenAI, API reference, Projects and Project API keys, as finops writes them, a line each
  - Anthropic, Admin API reference, Organization, Workspaces and API keys, as finops writes them, a line each
misses: >
  Of keys only the id and the name are kept, of people nothing. The default workspace of Anthropic has no id and is not listed.
yields: inventory
detect: [llm_vendor, type, id]
nulls: ['', 'null']
reads:
  created_at: timestamp
  id: text
  llm_vendor: text
  name: text
  parent: text
  state: text
  type: text
*/
SELECT
    CASE llm_vendor WHEN 'openai' THEN 'OpenAI' WHEN 'anthropic' THEN 'Anthropic' END AS provider,
    coalesce(parent, CASE WHEN type IN ('project', 'workspace') THEN id END) AS account_id,
    id AS resource_id,
    name AS resource_name,
    type AS resource_type,
    state,
    created_at
FROM delivered
