/*
id: commitments_follow_usage
title: Fees and unused parts of commitments, as the usage that they cover
version: 1
owner: finops-ledger
order: 80
method: split
why: >
  Whoever profits from a commitment pays for what of it nothing used. Its fees and unused part go to the teams in proportion to
  the usage that it covered in the month; if it covered none, to the usage of the same service in its account, then of the
  account, then of all accounts of the payer. Usage is measured by EffectiveCost, month by month and in one currency.
misses: >
  An upfront fee for years is divided as the month in which it was paid. Usage that is nobody's yet takes part as unallocated.
  A commitment that one team bought is that team's once it is tagged: tags come first.
reads: [allocation.remaining, allocation.team_month, ledger.dimensions]
*/
WITH commitments_follow_usage AS (
    SELECT * FROM allocation.followed('commitment', ['commitment', 'service in account', 'account', 'service of payer', 'payer'])
)

SELECT x_DimensionId, ValidFrom, ValidUntil, Team, Weight, x_AllocationReason
FROM commitments_follow_usage
