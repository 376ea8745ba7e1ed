/*
id: account_map
title: Accounts that belong to one team, from mappings/accounts.csv
version: 2
owner: finops-ledger
order: 70
method: mapped
why: >
  What happens in an account or subscription of a team is the team's. It comes last: a tag or a named resource in it is the better
  witness.
misses: >
  Shared accounts stay unallocated until their resources are tagged or named. Fees without a resource (tax, support, commitments)
  follow the usage that they belong to; account_of_fees has what is left of them.
reads: [allocation.remaining, mapping.accounts]
*/
WITH account_map AS (
    SELECT
        r.x_DimensionId,
        m.team AS Team,
        'account ' || r.SubAccountId || ' in accounts.csv' AS x_AllocationReason,
        m.valid_from AS ValidFrom,
        m.valid_until AS ValidUntil
    FROM allocation.remaining AS r
    JOIN mapping.accounts AS m ON m.account_id = r.SubAccountId
    WHERE NOT allocation.is_fee(r.x_WorkloadKind, r.ChargeCategory, r.ChargeClass, r.ResourceId)
)

SELECT x_DimensionId, Team, x_AllocationReason, ValidFrom, ValidUntil
FROM account_map
