/*
id: marketplace_follows_usage
title: Marketplace charges without a resource, as the usage of their account
version: 1
owner: finops-ledger
order: 82
method: split
why: >
  Software bought through a marketplace and billed to an account is for those who use the account: in proportion to the other
  usage there in the month, by EffectiveCost; without any, to that of all accounts of the payer. If charges of the same product
  have owners, it goes as these do.
misses: >
  Software that one team bought is billed to whoever runs the account, until its resource or charge is tagged. Usage that is
  nobody's yet takes part as unallocated.
reads: [allocation.remaining, allocation.team_month, ledger.dimensions]
*/
WITH marketplace_follows_usage AS (
    SELECT * FROM allocation.followed('marketplace', ['service in account', 'account', 'service of payer', 'payer'])
)

SELECT x_DimensionId, ValidFrom, ValidUntil, Team, Weight, x_AllocationReason
FROM marketplace_follows_usage
