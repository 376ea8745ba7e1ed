/*
id: invoices
title: What each invoice charges
version: 1
owner: finops-ledger
why: >
  What accounts payable compares with the paper. The sums are the ledger's own, without any allocation: what
  'finops allocate chargeback' must add up to.
misses: >
  A provider that rounds each line of its invoice may be some cents off the sum of its billing rows, unless these have a row
  for that, as Google's and Microsoft's do.
reads: [focus.cost_and_usage, ledger.dimensions]
params:
  period: {type: period, default: last-month, help: "The billing months, by the day on which the billing period begins"}
columns:
  BillingMonth: The first day of the month in which the billing period begins
  BillingCurrency: The currency of the bill. Currencies are never added.
  InvoiceIssuerName: Who sends the invoice
  BillingAccountId: The account that is billed
  InvoiceId: The invoice; empty if it does not have a number yet, or the bill states none
  BilledCost: What it charges, exactly
  EffectiveCost: The same rows amortised
  ChargeCount: Rows of the bill
*/
WITH kinds_of_charges AS (  -- names come later: of ten million charges there are not many kinds
    SELECT
        BillingPeriodStart,
        BillingAccountId,
        x_DimensionId,
        sum(BilledCost) AS billed,
        sum(EffectiveCost) AS effective,
        count(*) AS charges
    FROM focus.cost_and_usage
    WHERE BillingPeriodStart >= CAST($period_start AS DATE) AND BillingPeriodStart < CAST($period_end AS DATE)
    GROUP BY ALL
),
invoices AS (
    SELECT
        CAST(date_trunc('month', sums.BillingPeriodStart) AS DATE) AS BillingMonth,
        kinds.BillingCurrency,
        kinds.InvoiceIssuerName,
        sums.BillingAccountId,
        kinds.InvoiceId,
        sum(sums.billed) AS BilledCost,
        sum(sums.effective) AS EffectiveCost,
        CAST(sum(sums.charges) AS BIGINT) AS ChargeCount
    FROM kinds_of_charges AS sums
    JOIN ledger.dimensions AS kinds ON kinds.x_DimensionId = sums.x_DimensionId
    GROUP BY ALL
)
SELECT * FROM invoices
ORDER BY BillingMonth, BillingCurrency, InvoiceIssuerName, BillingAccountId, InvoiceId
