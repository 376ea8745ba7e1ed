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
  Fees of shared accounts that nobody used stay unallocated. Tags of accounts and projects are not asked. What is in both files is
  taken from projects.csv.
reads: [allocation.remaining, allocation.dimension_month, allocation.payer, mapping.accounts, mapping.projects]
*/
WITH fees AS (
    SELECT r.x_DimensionId, coalesce(r.SubAccountId, p.BillingAccountId) AS account, m.month
    FROM allocation.remaining AS r
    JOIN allocation.dimension_month AS m ON m.dimension_id = r.x_DimensionId
    LEFT JOIN allocation.payer AS p ON p.x_DimensionId = r.x_DimensionId
    WHERE allocation.is_fee(r.x_WorkloadKind, r.ChargeCategory, r.ChargeClass, r.ResourceId)
),

owners AS (
    SELECT project_id AS account, team, valid_from, valid_until, 'project ' || project_id || ' in projects.csv' AS reason
    FROM mapping.projects
    UNION ALL
    SELECT account_id, team, valid_from, valid_until, 'account ' || account_id || ' in accounts.csv'
    FROM mapping.accounts
    WHERE account_id NOT IN (SELECT project_id FROM mapping.projects)
),

account_of_fees AS (
    SELECT
        f.x_DimensionId,
        greatest(f.month, o.valid_from) AS ValidFrom,
        least(CAST(f.month + INTERVAL 1 MONTH AS DATE), o.valid_until) AS ValidUntil,
        o.team AS Team,
        'no usage to follow; ' || o.reason AS x_AllocationReason
    FROM fees AS f
    JOIN owners AS o ON o.account = f.account
)

SELECT x_DimensionId, ValidFrom, ValidUntil, Team, x_AllocationReason
FROM account_of_fees
