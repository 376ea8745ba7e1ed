/*
id: idle_ml
title: Machine learning that runs for nobody
version: 2
owner: finops-ledger
why: >
  What the rules in queries/findings/ found idle or underused, with what it cost and what stopping it would save; and what
  they could not tell, because a metric could not be read. Unknown is not idle, and not fine.
misses: What no rule looks at. 'finops queries list' shows the rules, each with what it misses.
reads: [findings.followed]
columns:
  Status: idle, underused or unknown
  Confidence: high (measured), medium (inferred from the bill), low
  ResourceName: Its name on the bill
  Team: Who answers for it
  WorkloadKind: What it is for
  BillingCurrency: The currency of the bill. Currencies are never added.
  CostInWindow: EffectiveCost in the window, without credits and tax; empty if it can't be known, and Reason says why
  MonthlyCost: The same for 730.5 hours
  MonthlySaving: What stopping it saves in a month, net of commitments that would go on being paid; empty if unknown
  State: new (found in the last 7 days), open, or reopened (it was resolved before); empty if findings are not followed over days
  Since: First day of what was seen when it was found
  FoundOn: The day of the run that found it
  CostSinceFound: EffectiveCost from Since until today, without credits and tax
  WindowDays: Length of the window
  WindowStart: First day of the window
  WindowEnd: Its end, exclusive
  BilledHours: Hours billed in the window
  Reason: The evidence in a sentence
  RecommendedAction: What to do
  Provider: Who bills it
  AccountId: The account, project or subscription
  Region: Where it runs
  ResourceId: The provider's identifier
  RuleId: The rule that found it
  FindingId: For 'finops explain'
*/
WITH open_findings AS (
    SELECT *
    FROM findings.followed
    WHERE status IN ('idle', 'underused', 'unknown')
),
idle_ml AS (
    SELECT
        status AS Status,
        confidence AS Confidence,
        coalesce(CASE WHEN resource_name = 'default'     -- a Studio app: its space or user says more
                      THEN NULLIF(regexp_extract(resource_id, '([^/:]+/[^/:]+)/default$', 1), '') END,
                 resource_name, NULLIF(regexp_extract(resource_id, '([^/:]+)$', 1), ''), resource_id) AS ResourceName,
        coalesce(team, 'unallocated') AS Team,
        workload_kind AS WorkloadKind,
        currency AS BillingCurrency,
        cost_in_window AS CostInWindow,
        monthly_cost AS MonthlyCost,
        monthly_saving AS MonthlySaving,
        state AS State,
        since AS Since,
        found_on AS FoundOn,
        cost_since_opened AS CostSinceFound,
        datediff('day', window_start, window_end) AS WindowDays,
        CAST(window_start AS DATE) AS WindowStart,
        CAST(window_end AS DATE) AS WindowEnd,
        billed_hours AS BilledHours,
        reason AS Reason,
        recommended_action AS RecommendedAction,
        provider AS Provider,
        account_id AS AccountId,
        region AS Region,
        resource_id AS ResourceId,
        rule_id AS RuleId,
        finding_id AS FindingId
    FROM open_findings
)
SELECT * FROM idle_ml
ORDER BY BillingCurrency, CASE Status WHEN 'unknown' THEN 1 ELSE 0 END, MonthlySaving DESC NULLS LAST,
    MonthlyCost DESC NULLS LAST, WindowStart, ResourceId, FindingId
