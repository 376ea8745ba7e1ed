/*
id: tax_follows_usage
title: Tax, as the usage that was taxed
version: 1
owner: finops-ledger
order: 88
method: split
why: >
  Tax belongs to what was taxed. It goes to the teams in proportion to the usage of the same service in the same account and
  month, by EffectiveCost; where the bill names no service that was used, of the account, then of the payer's accounts.
misses: >
  Services may be taxed at different rates; where the bill has one row of tax for all, the rates are not known. Usage that is
  nobody's yet takes part as unallocated, so that teams do not pay its tax.
reads: [allocation.remaining, allocation.team_month, ledger.dimensions]
*/
WITH tax_follows_usage AS (
    SELECT * FROM allocation.followed('tax', ['service in account', 'account', 'service of payer', 'payer'])
)

SELECT x_DimensionId, ValidFrom, ValidUntil, Team, Weight, x_AllocationReason
FROM tax_follows_usage
