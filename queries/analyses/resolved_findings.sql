/*
id: resolved_findings
title: What was found and is resolved, with the saving that the bill shows
version: 1
owner: finops-ledger
why: >
  Findings whose resource is used again or billed no more, resolved in the days before today. The saving is what the resource cost
  a month while the finding was open, less what it was billed on the whole days after, for a month: verified, not promised. It can
  be negative.
misses: >
  Findings without a journal of earlier days. A saving needs three whole days of the bill after the finding was resolved; until
  then, and where a job ended by itself or a commitment goes on being paid, it is empty, and Note says why.
params:
  days: {type: integer, default: 35, unit: days, help: Resolved in so many days before today.}
reads: [findings.lifecycle]
columns:
  ResourceName: Its name on the bill
  Team: Who answers for it
  BillingCurrency: The currency of the bill. Currencies are never added.
  Since: First day of what was seen when it was found
  FoundOn: The day of the run that found it
  ResolvedOn: The day of the run that saw that it is so no more
  CostSinceFound: EffectiveCost from Since until ResolvedOn, without credits and tax
  MonthlyCostBefore: What it cost a month while the finding was open
  VerifiedMonthlySaving: That, less what was billed after ResolvedOn, for a month; empty if not known yet
  VerifiedUntil: The end, exclusive, of the days of the bill that were looked at; they begin on ResolvedOn, 30 at most
  Status: What it was, idle or underused
  Reason: Why it is resolved
  Note: On how many days of the bill the saving rests, or why there is none
  Provider: Who bills it
  AccountId: The account, project or subscription
  ResourceId: The provider's identifier
  RuleId: The rule that found it
  FindingId: For 'finops explain'
*/
WITH resolved_findings AS (
    SELECT
        coalesce(resource_name, NULLIF(regexp_extract(resource_id, '([^/:]+)$', 1), ''), resource_id) AS ResourceName,
        coalesce(team, 'unallocated') AS Team,
        currency AS BillingCurrency,
        since AS Since,
        found_on AS FoundOn,
        resolved_on AS ResolvedOn,
        cost_since_opened AS CostSinceFound,
        monthly_cost_when_open AS MonthlyCostBefore,
        verified_monthly_saving AS VerifiedMonthlySaving,
        verified_until AS VerifiedUntil,
        status AS Status,
        reason AS Reason,
        note AS Note,
        provider AS Provider,
        account_id AS AccountId,
        resource_id AS ResourceId,
        rule_id AS RuleId,
        finding_id AS FindingId
    FROM findings.lifecycle
    WHERE state = 'resolved' AND resolved_on > $today - CAST($days AS INTEGER) AND resolved_on <= $today
)
SELECT * FROM resolved_findings
ORDER BY BillingCurrency, VerifiedMonthlySaving DESC NULLS LAST, MonthlyCostBefore DESC NULLS LAST, ResourceId, FindingId
