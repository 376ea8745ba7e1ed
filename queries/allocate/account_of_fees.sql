/*
id: account_of_fees
title: Fees that had no usage to follow, by their account
version: 1
owner: finops-ledger
order: 95
method: mapped
why: >
  In a month without usage there is nothing that a fee could follow. It then goes to the team of its project or account, from
  mappings/projects.csv and mappings/accounts.csv; a fee that names no account, to the team of the billing account.
misses: >
  Fees of shared accounts that nobody used stay unallocated.
reads: [allocation.remaining, allocation.payer, mapping.accounts, mapping.projects]
*/
WITH fees AS (
    SELECT r.x_DimensionId, coalesce(r.SubAccountId, p.BillingAccountId) AS account
    FROM allocation.remaining AS r
    LEFT JOIN allocation.payer AS p ON p.x_DimensionId = r.x_DimensionId
    WHERE allocation.is_fee(r.x_WorkloadKind, r.ChargeCategory, r.ChargeClass, r.ResourceId)
),

account_of_fees AS (
    SELECT
        f.x_DimensionId,
        coalesce(p.team, a.team) AS Team,
        'no usage to follow; ' || CASE WHEN p.team IS NOT NULL THEN 'project ' || f.account || ' in projects.csv'
            ELSE 'account ' || f.account || ' in accounts.csv' END AS x_AllocationReason
    FROM fees AS f
    LEFT JOIN mapping.projects AS p ON p.project_id = f.account
    LEFT JOIN mapping.accounts AS a ON a.account_id = f.account
    WHERE coalesce(p.team, a.team) IS NOT NULL
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM account_of_fees
