/*
id: credits_follow_usage
title: Credits, refunds and adjustments without a resource, as the usage that they reduce
version: 1
owner: finops-ledger
order: 84
method: split
why: >
  A credit lowers what those paid who used the service. It goes to the teams in proportion to the usage of the same service in
  the same account and month, by EffectiveCost; without any, of the account, then of the payer's accounts. One with a
  resource is the resource's: the rule same_resource has it.
misses: >
  A refund for an earlier month follows the usage of the month that it is dated in. Of several services that a credit covers, the
  bill names one. Usage that is nobody's yet takes part as unallocated.
reads: [allocation.remaining, allocation.team_month, ledger.dimensions]
*/
WITH credits_follow_usage AS (
    SELECT * FROM allocation.followed('credit', ['service in account', 'account', 'service of payer', 'payer'])
)

SELECT x_DimensionId, ValidFrom, ValidUntil, Team, Weight, x_AllocationReason
FROM credits_follow_usage
