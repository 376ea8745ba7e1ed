/*
id: frozen_months_as_booked
title: Frozen months are still what was booked
version: 1
owner: finops-ledger
grade: warn
why: >
  Finance has booked a frozen month by team. If a provider corrects that month's bill, or its rows come with other columns and are
  no longer recognised, what teams are charged differs from the books. Somebody has to book the difference, or reopen the month.
misses: >
  Money that moved between accounts of one team. EffectiveCost: a correction of what is amortised alone does not change the invoice.
reads: [allocation.booked, allocation.frozen_months, allocation.charges]
*/
WITH booked AS (
    SELECT month, Team, BillingCurrency, sum(BilledCost) AS cost
    FROM allocation.booked
    GROUP BY month, Team, BillingCurrency
),

charged AS (
    SELECT f.month, c.Team, c.BillingCurrency, sum(c.AllocatedBilledCost) AS cost
    FROM allocation.charges AS c
    JOIN allocation.frozen_months AS f ON f.month = date_trunc('month', c.BillingPeriodStart)
    GROUP BY f.month, c.Team, c.BillingCurrency
),

frozen_months_as_booked AS (
    SELECT
        strftime(coalesce(b.month, c.month), '%Y-%m') AS month,
        coalesce(b.Team, c.Team) AS team,
        coalesce(b.BillingCurrency, c.BillingCurrency) AS currency,
        coalesce(b.cost, 0) AS booked,
        coalesce(c.cost, 0) AS now,
        coalesce(c.cost, 0) - coalesce(b.cost, 0) AS difference
    FROM booked AS b
    FULL JOIN charged AS c
        ON c.month = b.month AND c.Team = b.Team AND c.BillingCurrency IS NOT DISTINCT FROM b.BillingCurrency
    WHERE coalesce(b.cost, 0) <> coalesce(c.cost, 0)
)

SELECT * FROM frozen_months_as_booked ORDER BY month, abs(difference) DESC, team, currency
