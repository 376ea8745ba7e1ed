/*
id: chargeback
title: What each team owes, by account and service
version: 1
owner: finops-ledger
why: >
  What finance books: per billing month, team, account, service and currency the exact amount of the invoice's charges. Tax,
  support, credits and roundings are lines as any other; what belongs to nobody is the team "unallocated", so that the lines add
  up to the invoice. 'finops allocate chargeback' rounds them to cents and writes the files.
misses: >
  Names and cost centres are those of teams.csv today, of a frozen month too: only its amounts are kept. A bill that states no
  account has an empty one.
reads: [allocation.charges, ledger.dimensions, mapping.teams]
params:
  period: {type: period, default: last-month, help: "The billing months to add up, by the day on which the billing period begins"}
columns:
  BillingMonth: The first day of the month in which the billing period begins
  Team: Who pays; "unallocated" if nobody
  TeamName: The team's name in teams.csv, else as Team
  CostCenter: The team's cost centre in teams.csv; empty if it has none
  SubAccountId: Account, subscription or project
  SubAccountName: Its name; of several in the period the last by alphabet
  ServiceName: The service, or what the bill calls a tax, a fee or a credit
  BillingCurrency: The currency of the bill. Currencies are never added.
  InvoiceIssuerName: Who sends the invoice
  BillingAccountId: The account that is billed
  InvoiceId: The invoice; empty if it does not have a number yet, or the bill states none
  BilledCost: The team's part of what the invoice charges, exactly
  EffectiveCost: The same amortised, commitments and their fees spread over what they cover
  ChargeCount: Rows of the bill, or shares of rows
*/
WITH shares AS (            -- names come later: of ten million charges there are not many kinds
    SELECT
        BillingPeriodStart,
        BillingAccountId,
        x_DimensionId,
        Team,
        sum(AllocatedBilledCost) AS billed,
        sum(AllocatedEffectiveCost) AS effective,
        count(*) AS charges
    FROM allocation.charges
    WHERE BillingPeriodStart >= CAST($period_start AS DATE) AND BillingPeriodStart < CAST($period_end AS DATE)
    GROUP BY ALL
),
sums AS (
    SELECT
        CAST(date_trunc('month', shares.BillingPeriodStart) AS DATE) AS BillingMonth,
        shares.Team,
        kinds.SubAccountId,
        kinds.ServiceName,
        kinds.BillingCurrency,
        kinds.InvoiceIssuerName,
        shares.BillingAccountId,
        kinds.InvoiceId,
        max(kinds.SubAccountName) AS account_name,
        sum(shares.billed) AS BilledCost,
        sum(shares.effective) AS EffectiveCost,
        CAST(sum(shares.charges) AS BIGINT) AS ChargeCount
    FROM shares
    JOIN ledger.dimensions AS kinds ON kinds.x_DimensionId = shares.x_DimensionId
    GROUP BY ALL
),
chargeback AS (             -- an account that was renamed has one name in all its lines
    SELECT
        sums.BillingMonth,
        sums.Team,
        coalesce(teams.name, sums.Team) AS TeamName,
        teams.cost_center AS CostCenter,
        sums.SubAccountId,
        max(sums.account_name) OVER (PARTITION BY sums.SubAccountId) AS SubAccountName,
        sums.ServiceName,
        sums.BillingCurrency,
        sums.InvoiceIssuerName,
        sums.BillingAccountId,
        sums.InvoiceId,
        sums.BilledCost,
        sums.EffectiveCost,
        sums.ChargeCount
    FROM sums
    LEFT JOIN mapping.teams ON teams.team = sums.Team
)
SELECT * FROM chargeback
ORDER BY BillingMonth, BillingCurrency, InvoiceIssuerName, BillingAccountId, Team, SubAccountId, ServiceName, InvoiceId
