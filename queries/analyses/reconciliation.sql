/*
id: reconciliation
title: Does the report match the bill?
version: 1
owner: finops-ledger
why: >
  The first question of whoever pays the invoice. What the providers delivered, what the ledger holds and what the teams got
  must be the same to the last digit, per source, billing month and currency; the two differences are zero or the report is
  not to be trusted.
misses: >
  The delivered sum is taken when a file is loaded, from the file's own rows. It does not prove that the provider's file is
  complete: compare it with the invoice once the month is closed.
grain: period
reads: [ops.loads, focus.cost_and_usage, allocation.charges]
columns:
  SourceId: The source as it is called in finops.toml
  BillingMonth: The first day of the billing period
  BillingCurrency: The currency of the bill. Currencies are never added.
  InvoiceStatus: '"invoiced" if every row has an invoice id, "provisional" if none has, "partly invoiced" between; "no invoice ids" for a month that is over, of a source that never states any'
  DeliveredBilledCost: Sum of BilledCost over the delivered files that count
  LedgerBilledCost: Sum of BilledCost in the ledger
  AllocatedBilledCost: Sum of the teams' shares, "unallocated" among them
  LedgerDifference: Ledger less delivered
  AllocationDifference: Allocated less ledger
  ProvisionalBilledCost: The part of the ledger's sum that has no invoice id yet and may still change
  EffectiveCost: The ledger's amortised cost of the month
  DeliveredRows: Rows of the delivered files
  LedgerRows: Rows in the ledger
*/
WITH delivered AS (         -- the loads that hold a slice today
    SELECT
        loads.source_id AS SourceId,
        CAST(loads.billing_period_start AS DATE) AS BillingMonth,
        sums.entry.currency AS BillingCurrency,
        sum(sums.entry.billed_cost) AS DeliveredBilledCost,
        sum(sums.entry.row_count) AS DeliveredRows
    FROM ops.loads AS loads, unnest(loads.sums) AS sums (entry)
    WHERE loads.status = 'current'
    GROUP BY ALL
),
ledger AS (
    SELECT
        x_SourceId AS SourceId,
        CAST(BillingPeriodStart AS DATE) AS BillingMonth,
        BillingCurrency,
        sum(BilledCost) AS LedgerBilledCost,
        sum(EffectiveCost) AS EffectiveCost,
        coalesce(sum(BilledCost) FILTER (InvoiceId IS NULL), 0) AS uninvoiced_cost,
        max(BillingPeriodEnd) > CAST($today AS DATE) AS is_open,
        CAST(sum(x_ChargeCount) AS BIGINT) AS LedgerRows,
        CAST(coalesce(sum(x_ChargeCount) FILTER (InvoiceId IS NOT NULL), 0) AS BIGINT) AS invoiced_rows
    FROM focus.cost_and_usage
    GROUP BY ALL
),
allocated AS (
    SELECT
        x_SourceId AS SourceId,
        CAST(BillingPeriodStart AS DATE) AS BillingMonth,
        BillingCurrency,
        sum(AllocatedBilledCost) AS AllocatedBilledCost
    FROM allocation.charges
    GROUP BY ALL
),
issuers AS (                -- sources that state invoice ids at all
    SELECT SourceId, max(invoiced_rows) > 0 AS states_invoices
    FROM ledger
    GROUP BY SourceId
),
slices AS (                 -- a side that is missing stays empty: unknown, not zero
    SELECT SourceId, BillingMonth, BillingCurrency FROM delivered
    UNION
    SELECT SourceId, BillingMonth, BillingCurrency FROM ledger
),
reconciliation AS (
    SELECT
        slices.SourceId,
        slices.BillingMonth,
        slices.BillingCurrency,
        CASE WHEN ledger.invoiced_rows = ledger.LedgerRows THEN 'invoiced'
             WHEN ledger.invoiced_rows IS NULL THEN 'missing'
             WHEN NOT issuers.states_invoices AND NOT ledger.is_open THEN 'no invoice ids'
             WHEN ledger.invoiced_rows = 0 THEN 'provisional'
             ELSE 'partly invoiced' END AS InvoiceStatus,
        delivered.DeliveredBilledCost,
        ledger.LedgerBilledCost,
        allocated.AllocatedBilledCost,
        ledger.LedgerBilledCost - delivered.DeliveredBilledCost AS LedgerDifference,
        allocated.AllocatedBilledCost - ledger.LedgerBilledCost AS AllocationDifference,
        CASE WHEN issuers.states_invoices OR ledger.is_open THEN ledger.uninvoiced_cost
             WHEN ledger.LedgerRows IS NOT NULL THEN 0 END AS ProvisionalBilledCost,
        ledger.EffectiveCost,
        CAST(delivered.DeliveredRows AS BIGINT) AS DeliveredRows,
        ledger.LedgerRows
    FROM slices
    LEFT JOIN delivered ON delivered.SourceId = slices.SourceId AND delivered.BillingMonth = slices.BillingMonth
        AND delivered.BillingCurrency IS NOT DISTINCT FROM slices.BillingCurrency
    LEFT JOIN ledger ON ledger.SourceId = slices.SourceId AND ledger.BillingMonth = slices.BillingMonth
        AND ledger.BillingCurrency IS NOT DISTINCT FROM slices.BillingCurrency
    LEFT JOIN issuers ON issuers.SourceId = slices.SourceId
    LEFT JOIN allocated ON allocated.SourceId = slices.SourceId AND allocated.BillingMonth = slices.BillingMonth
        AND allocated.BillingCurrency IS NOT DISTINCT FROM slices.BillingCurrency
)
SELECT * FROM reconciliation
ORDER BY BillingCurrency, BillingMonth DESC, SourceId
