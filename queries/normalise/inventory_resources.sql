/*
id: inventory_resources
title: Resources that somebody else has listed, to the inventory
version: 1
owner: finops-ledger
provider: any
why: >
  Any list of resources can fill inventory.resources: a CSV, JSON lines or Parquet file with the table's own columns
  (docs/sources.md). A file is a whole snapshot of what its source knows.
misses: >
  Resources that the bill names otherwise, unless properties.Aliases says how.
yields: inventory
detect: [resource_id, resource_type, [state, created_at, changed_at, properties, tags]]
reads:
  account_id: text
  changed_at: timestamp
  created_at: timestamp
  properties: json
  provider: text
  region: text
  resource_id: text
  resource_name: text
  resource_type: text
  seen_at: timestamp
  state: text
  tags: map
*/
SELECT
    provider, account_id, region, resource_id, resource_name, resource_type, state, created_at, changed_at, tags, properties,
    seen_at
FROM delivered
