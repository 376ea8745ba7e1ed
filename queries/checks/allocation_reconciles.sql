/*
id: allocation_reconciles
title: What teams are charged adds up to what was billed
version: 1
owner: finops-ledger
grade: stop
why: >
  The first check of the trade: per load and currency, allocated plus unallocated is the bill, to the last digit, in billed
  and in effective cost. A rule that gave a dimension to two teams would double its cost.
misses: >
  Money that is allocated to the wrong team adds up too.
reads: [allocation.charges, ledger.charge, ledger.slice, ledger.dimension]
*/
WITH billed AS (
    SELECT
        s.load_id AS x_LoadId,
        d.BillingCurrency,
        count(*) AS charges,
        sum(c.BilledCost) AS billed_cost,
        sum(c.BilledCost + c.EffectiveCostDelta) AS effective_cost
    FROM ledger.charge AS c
    JOIN ledger.slice AS s ON s.slice_id = c.slice_id
    LEFT JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
    GROUP BY s.load_id, d.BillingCurrency
),

allocated AS (
    SELECT
        x_LoadId,
        BillingCurrency,
        count(*) AS shares,
        sum(AllocatedBilledCost) AS billed_cost,
        sum(AllocatedEffectiveCost) AS effective_cost
    FROM allocation.charges
    GROUP BY x_LoadId, BillingCurrency
),

allocation_reconciles AS (
    SELECT
        coalesce(b.x_LoadId, a.x_LoadId) AS x_LoadId,
        coalesce(b.BillingCurrency, a.BillingCurrency) AS BillingCurrency,
        b.billed_cost AS billed,
        a.billed_cost AS allocated,
        b.effective_cost AS effective,
        a.effective_cost AS allocated_effective
    FROM billed AS b
    FULL JOIN allocated AS a
        ON a.x_LoadId = b.x_LoadId AND a.BillingCurrency IS NOT DISTINCT FROM b.BillingCurrency
    WHERE a.billed_cost IS DISTINCT FROM b.billed_cost
       OR a.effective_cost IS DISTINCT FROM b.effective_cost
       OR a.shares < b.charges
)

SELECT * FROM allocation_reconciles
