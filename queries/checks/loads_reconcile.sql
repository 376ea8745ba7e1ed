/*
id: loads_reconcile
title: The ledger holds what the loads say they brought
version: 1
owner: finops-ledger
grade: stop
why: >
  Every load notes its rows and sums per currency in the transaction that stores them. If the ledger says otherwise now,
  somebody has changed it by hand, or a slice was lost or doubled.
misses: >
  Faults in reading a delivery: those are caught when it is loaded.
reads: [ops.loads, ledger.charge, ledger.slice, ledger.dimension]
*/
WITH noted AS (
    SELECT slice_id, load_id, unnest(sums, recursive := true)
    FROM ops.loads
    WHERE status = 'current'
),

noted_sums AS (
    SELECT slice_id, load_id, currency, row_count, billed_cost, effective_cost FROM noted
),

stored AS (
    SELECT
        c.slice_id,
        d.BillingCurrency AS currency,
        count(*) AS row_count,
        sum(c.BilledCost) AS billed_cost,
        sum(c.BilledCost + c.EffectiveCostDelta) AS effective_cost
    FROM ledger.charge AS c
    LEFT JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
    GROUP BY c.slice_id, d.BillingCurrency
),

loads_reconcile AS (
    SELECT
        n.load_id,
        s.source_id,
        s.billing_account_id,
        s.billing_period_start,
        coalesce(n.currency, t.currency) AS currency,
        n.row_count AS noted_rows,
        t.row_count AS stored_rows,
        n.billed_cost AS noted_billed,
        t.billed_cost AS stored_billed
    FROM noted_sums AS n
    FULL JOIN stored AS t ON t.slice_id = n.slice_id AND t.currency IS NOT DISTINCT FROM n.currency
    LEFT JOIN ledger.slice AS s ON s.slice_id = coalesce(n.slice_id, t.slice_id)
    WHERE n.row_count IS DISTINCT FROM t.row_count
       OR n.billed_cost IS DISTINCT FROM t.billed_cost
       OR n.effective_cost IS DISTINCT FROM t.effective_cost
)

SELECT * FROM loads_reconcile
