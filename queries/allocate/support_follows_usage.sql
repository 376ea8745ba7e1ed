/*
id: support_follows_usage
title: Support, as the usage of the account or of the whole organisation
version: 1
owner: finops-ledger
order: 86
method: split
why: >
  Support plans are priced by what is spent. They go to the teams in proportion to the usage of the account in the month, by
  EffectiveCost; a plan that the payer is billed for, to that of all its accounts.
misses: >
  Prices of support fall by steps; the share of a team does not. Usage that is nobody's yet takes part as unallocated.
reads: [allocation.remaining, allocation.team_month, ledger.dimensions]
*/
WITH support_follows_usage AS (
    SELECT * FROM allocation.followed('support', ['account', 'payer'])
)

SELECT x_DimensionId, ValidFrom, ValidUntil, Team, Weight, x_AllocationReason
FROM support_follows_usage
