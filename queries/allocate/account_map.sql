/*
id: account_map
title: Accounts that belong to one team, from mappings/accounts.csv
version: 1
owner: finops-ledger
order: 70
method: mapped
why: >
  An account or subscription of a team is the team's, down to the tax. It comes last: a tag or a named resource in it is the
  better witness.
misses: >
  Shared accounts stay unallocated until their resources are tagged or named.
reads: [allocation.remaining, mapping.accounts]
*/
WITH account_map AS (
    SELECT
        r.x_DimensionId,
        m.team AS Team,
        'account ' || r.SubAccountId || ' in accounts.csv' AS x_AllocationReason
    FROM allocation.remaining AS r
    JOIN mapping.accounts AS m ON m.account_id = r.SubAccountId
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM account_map
