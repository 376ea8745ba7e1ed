/*
id: tax_credits_support
title: Tax, credits, support and corrections
version: 1
owner: finops-ledger
why: >
  What is on the bill but is no use of anything. It is part of every total; it stands apart here because it comes once a
  month and would look like a change in use.
grain: period
reads: [focus.cost_and_usage]
params:
  period: {type: period, default: last-week, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  Kind: Tax, Credit, Support, Correction (a refund or a restated charge), Adjustment (rounding and the like)
  ServiceName: As on the bill
  ServiceProviderName: Who sells it
  BillingCurrency: The currency of the bill. Currencies are never added.
  EffectiveCost: Cost in the period
  MonthToDateCost: Cost from the first day of the month of the period's last day up to that day
  PreviousMonthCost: Cost in the whole month before that one
*/
WITH bounds AS (
    SELECT
        CAST($period_start AS DATE) AS period_start,
        CAST($period_end AS DATE) AS period_end,
        CAST(date_trunc('month', CAST($period_end AS DATE) - 1) AS DATE) AS month_start,
        CAST(date_trunc('month', CAST($period_end AS DATE) - 1) - INTERVAL 1 MONTH AS DATE) AS previous_month_start
),
charges AS (
    SELECT
        CASE WHEN ChargeCategory IN ('Tax', 'Credit', 'Adjustment') THEN ChargeCategory
             WHEN ChargeClass = 'Correction' THEN 'Correction'
             WHEN ServiceName ILIKE '%support%' OR x_ServiceCode ILIKE '%support%' THEN 'Support' END AS Kind,
        ServiceName,
        ServiceProviderName,
        BillingCurrency,
        EffectiveCost,
        ChargePeriodStart
    FROM focus.cost_and_usage
    WHERE ChargePeriodStart >= (SELECT least(period_start, previous_month_start) FROM bounds)
      AND ChargePeriodStart < (SELECT period_end FROM bounds)
),
tax_credits_support AS (
    SELECT
        Kind,
        ServiceName,
        ServiceProviderName,
        BillingCurrency,
        coalesce(sum(EffectiveCost) FILTER (ChargePeriodStart >= (SELECT period_start FROM bounds)), 0) AS EffectiveCost,
        coalesce(sum(EffectiveCost) FILTER (ChargePeriodStart >= (SELECT month_start FROM bounds)), 0) AS MonthToDateCost,
        coalesce(sum(EffectiveCost) FILTER (ChargePeriodStart >= (SELECT previous_month_start FROM bounds)
                                            AND ChargePeriodStart < (SELECT month_start FROM bounds)), 0) AS PreviousMonthCost
    FROM charges
    WHERE Kind IS NOT NULL
    GROUP BY Kind, ServiceName, ServiceProviderName, BillingCurrency
)
SELECT * FROM tax_credits_support
ORDER BY BillingCurrency, Kind, abs(PreviousMonthCost) + abs(MonthToDateCost) DESC, ServiceName, ServiceProviderName
