/*
id: activity_reads
title: What of each account could be read, and what not
version: 1
owner: finops-ledger
provider: any
why: >
  A resource whose metrics were denied is not idle, it is unknown. A line per account, region and service says how the reading
  ended: complete, empty, denied, failed, incomplete, unsupported.
sources:
  - as the collectors of inventory and metrics write them; a file of your own may say the same (docs/sources.md)
misses: >
  Nothing is said about services that were not asked.
yields: reads
detect: [account_id, region, service, covers, outcome]
reads:
  account_id: text
  covers: text
  next_step: text
  outcome: text
  provider: text
  region: text
  service: text
  what: text
*/
SELECT
    provider,
    account_id,
    CASE WHEN lower(region) NOT IN ('', '*', 'all', 'any', 'global') THEN lower(region) END AS region,
    regexp_replace(lower(service), '\.(googleapis|amazonaws)\.com$', '') AS service,
    lower(covers) AS covers,
    lower(outcome) AS outcome,
    what,
    next_step
FROM delivered
