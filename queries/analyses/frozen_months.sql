/*
id: frozen_months
title: "Frozen months: booked, charged, and what today's rules would say"
version: 1
owner: finops-ledger
why: >
  A frozen month keeps its allocation. Here is what has come to it since (a corrected bill, a late delivery), and who would gain or
  lose if somebody reopened it: what a change of rules would have moved.
reads: [allocation.booked, allocation.if_open, allocation.frozen_months, allocation.charges]
columns:
  Month: The billing month
  Team: Who was charged
  BillingCurrency: The currency of the bill. Currencies are never added.
  BookedCost: BilledCost that was booked when the month was frozen
  ChargedCost: BilledCost that the team is charged now
  ChangedSince: The difference of the two. What the bill has changed by since it was booked
  CostIfOpen: BilledCost that today's rules would charge the team
  WouldMove: The difference to what it is charged. In a month and currency these add up to zero
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
if_open AS (
    SELECT month, Team, BillingCurrency, sum(BilledCost) AS cost
    FROM allocation.if_open
    GROUP BY month, Team, BillingCurrency
),
amounts AS (                -- all three under each other: a team may be in one of them only
    SELECT month, Team, BillingCurrency, cost AS booked, 0 AS charged, 0 AS if_open FROM booked
    UNION ALL
    SELECT month, Team, BillingCurrency, 0, cost, 0 FROM charged
    UNION ALL
    SELECT month, Team, BillingCurrency, 0, 0, cost FROM if_open
),
frozen_months AS (
    SELECT
        strftime(month, '%Y-%m') AS Month,
        Team,
        BillingCurrency,
        CAST(sum(booked) AS DECIMAL(38, 18)) AS BookedCost,
        CAST(sum(charged) AS DECIMAL(38, 18)) AS ChargedCost,
        CAST(sum(charged) - sum(booked) AS DECIMAL(38, 18)) AS ChangedSince,
        CAST(sum(if_open) AS DECIMAL(38, 18)) AS CostIfOpen,
        CAST(sum(if_open) - sum(charged) AS DECIMAL(38, 18)) AS WouldMove
    FROM amounts
    GROUP BY month, Team, BillingCurrency
)

SELECT * FROM frozen_months
ORDER BY Month DESC, BillingCurrency, abs(WouldMove) DESC, BookedCost DESC, Team
