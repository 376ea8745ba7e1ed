"""Which named query stands in which section, with which columns."""

from __future__ import annotations

from dataclasses import dataclass

from finops.reports.tables import Layout, Show

_CHANGE = ("EffectiveCostChange", "PreviousEffectiveCost")
_SPEND = (
    Show("EffectiveCost", "Effective cost", "money", total=True),
    Show("SharePercent", "Share", "percent", secondary=True),
    Show("EffectiveCostChange", "Change", "change", total=True),
    Show("ChangePercent", "Change %", "change_percent", of=_CHANGE, secondary=True),
    Show("BilledCost", "Billed cost", "money", total=True, secondary=True),
)


@dataclass(frozen=True)
class Plan:
    """A section before its numbers are known."""

    id: str
    query_id: str
    title: str
    lead: str
    """A sentence or two on how to read it; ``{today}`` is the report's day."""
    empty: str
    """What stands there if there is no row."""
    layout: Layout
    whole_company: bool = False
    """Is it about the whole company's books? Then a team's report goes without it."""


def _spend(
    section: str,
    query: str,
    title: str,
    lead: str,
    first: Show,
    tint: str = "",
    limit: int = 10,
    *,
    whole_company: bool = False,
) -> Plan:
    layout = Layout((first, *_SPEND), limit, bar="EffectiveCost", tint=tint)
    return Plan(section, query, title, lead, "Nothing was charged in this period.", layout, whole_company)


PLANS = (
    _spend("teams", "spend_by_team", "By team",
           "Every cent belongs to one team. What belongs to nobody has a row of its own.",
           Show("Team", "Team"), tint="Team", limit=12, whole_company=True),
    _spend("services", "spend_by_service", "By service", "In the provider's own words.",
           Show("ServiceName", "Service", note="ServiceProviderName")),
    _spend("kinds", "spend_by_workload_kind", "By kind of work",
           "What the money was for, whatever the provider calls the service.",
           Show("WorkloadKind", "Kind of work", "kind"), limit=12),
    _spend("accounts", "spend_by_account", "By account", "Accounts, projects and subscriptions, as the bill is cut.",
           Show("SubAccountName", "Account", note="SubAccountId", fallback="SubAccountId")),
    _spend("resources", "top_resources", "By resource",
           "The single things that cost most; charges without a resource are one line per service and team.",
           Show("ResourceName", "Resource", note="ServiceName", aside="WorkloadKind", fallback="ServiceName")),
    Plan("changes", "spend_change", "Why it changed",
         "Each team, service and resource whose cost moved, largest first; together they are all of the change. Volume is the "
         "change of use at the old price, price is what the new use costs more or less than at that price.",
         "Nothing changed, or the ledger does not reach back far enough to compare.",
         Layout((
             Show("ResourceName", "What", note="ServiceName", aside="WorkloadKind", fallback="ServiceName"),
             Show("Team", "Team"),
             Show("Change", "How", "badge", secondary=True),
             Show("PreviousEffectiveCost", "Before", "money", secondary=True),
             Show("EffectiveCost", "Now", "money", secondary=True),
             Show("VolumeChange", "Volume", "change", total=True, secondary=True, absent="\N{EN DASH}"),
             Show("PriceChange", "Price", "change", total=True, secondary=True, absent="\N{EN DASH}"),
             Show("EffectiveCostChange", "Change", "change", total=True),
         ), tint="Team", limit=8)),
    Plan("waste", "idle_ml", "Waste: machine learning that runs for nobody",
         "What was billed and did little or nothing, as of {today}, with the evidence. Savings are net of commitments.",
         "No rule found an idle or underused resource.",
         Layout((
             Show("ResourceName", "Resource", note="Reason", aside="WorkloadKind"),
             Show("Team", "Team", secondary=True),
             Show("Status", "Verdict", "badge", note="Confidence", note_format="{} confidence"),
             Show("Since", "Since", "date", note="State", secondary=True),
             Show("CostSinceFound", "Cost since then", "money", total=True, secondary=True),
             Show("MonthlyCost", "Cost a month", "money", total=True, secondary=True),
             Show("MonthlySaving", "Saving a month", "money", total=True),
         ), tint="Team", limit=12, keep=lambda row: row["Status"] != "unknown")),
    Plan("resolved", "resolved_findings", "What was resolved",
         "Found before, and not so any more, in the five weeks before {today}. The saving is what it cost a month while it was "
         "open, less what the bill has since: verified, not promised.",
         "Nothing that was found before has been resolved in the last five weeks.",
         Layout((
             Show("ResourceName", "Resource", note="Reason"),
             Show("Team", "Team", secondary=True),
             Show("ResolvedOn", "Resolved", "date"),
             Show("CostSinceFound", "Cost until then", "money", total=True, secondary=True),
             Show("MonthlyCostBefore", "Cost a month before", "money", total=True, secondary=True),
             Show("VerifiedMonthlySaving", "Saved a month", "money", total=True),
         ), tint="Team", limit=8)),
    Plan("unknowns", "idle_ml", "What could not be told",
         "Billed, but the activity could not be read or not be judged. Unknown is not idle, and it is not fine.",
         "Every resource that the rules looked at could be judged.",
         Layout((
             Show("ResourceName", "Resource", note="Reason", aside="WorkloadKind"),
             Show("Team", "Team"),
             Show("WindowDays", "Days", "count", secondary=True),
             Show("CostInWindow", "Cost in them", "money", secondary=True),
             Show("MonthlyCost", "Cost a month", "money", total=True),
         ), tint="Team", limit=8, keep=lambda row: row["Status"] == "unknown")),
    Plan("untagged", "untagged_spend", "What belongs to nobody",
         "Ask the owner of the account, or write a rule for it in the team mapping.",
         "Every charge of the period has a team.",
         Layout((
             Show("SubAccountName", "Account", note="SubAccountId", fallback="SubAccountId"),
             Show("ServiceName", "Service"),
             Show("ChargeCategory", "Charge", secondary=True),
             Show("ResourceCount", "Resources", "count", secondary=True),
             Show("EffectiveCost", "Effective cost", "money", total=True),
             Show("SharePercent", "Share", "percent", secondary=True),
         ), limit=8), whole_company=True),
    Plan("owners", "untagged_by_owner", "Who can tag it",
         "Spend that no tag of its own gave to a team, by who answers for the account. What is inherited or mapped has a team "
         "for as long as the account is one team's.",
         "Everything that was charged bears a tag that names its team.",
         Layout((
             Show("Owner", "Owner", note="OwnerSource"),
             Show("TopService", "Most of it", note="TopAccount"),
             Show("ResourceCount", "Resources", "count", secondary=True),
             Show("UnallocatedCost", "Nobody's", "money", total=True),
             Show("UntaggedCost", "Without a tag", "money", total=True, secondary=True),
             Show("SharePercent", "Share", "percent", secondary=True),
         ), limit=8), whole_company=True),
    Plan("coverage", "allocation_coverage", "How spend found its team",
         "A direct tag is best. What is split or belongs to nobody should shrink.",
         "Nothing was charged in this period.",
         Layout((
             Show("AllocationMethod", "Method"),
             Show("EffectiveCost", "Effective cost", "money", total=True),
             Show("SharePercent", "Share", "percent"),
             Show("PreviousSharePercent", "Before", "percent", secondary=True),
         ), bar="EffectiveCost", keep=lambda row: row["EffectiveCost"] or row["ChargeCount"]), whole_company=True),
    Plan("near_misses", "near_miss_tags", "Tags that are nearly a team's",
         "Money that a misspelt tag keeps from its team. The line goes into mappings/tag_aliases.csv, below kind,alias,canonical.",
         "No tag of the period looks like a misspelt team.",
         Layout((
             Show("Tag", "Tag", note="Why"),
             Show("AliasLine", "Line to add", "code"),
             Show("ResourceCount", "Resources", "count", secondary=True),
             Show("UnallocatedCost", "Nobody's", "money", total=True),
             Show("OtherwiseCost", "Found otherwise", "money", total=True, secondary=True),
         ), limit=5), whole_company=True),
    Plan("shared", "shared_costs", "Shared cost",
         "What was divided among teams, by which rule. The shares of a pool add up to what it costs.",
         "Nothing was shared in this period.",
         Layout((
             Show("Team", "Team"),
             Show("Pool", "Of what", note="PoolName"),
             Show("RuleId", "Rule", secondary=True),
             Show("SharePercent", "Share", "percent", secondary=True),
             Show("EffectiveCost", "Effective cost", "money", total=True),
         ), tint="Team", limit=10)),
    Plan("commitments", "commitments", "Commitments",
         "What was promised is paid for whether it is used or not.",
         "No commitment was charged in this period.",
         Layout((
             Show("CommitmentName", "Commitment", note="CommitmentType"),
             Show("CommittedCost", "Committed", "money", total=True),
             Show("UsedCost", "Used", "money", total=True, secondary=True),
             Show("UnusedCost", "Unused", "money", total=True),
             Show("UtilisationPercent", "In use", "percent", of=("UsedCost", "CommittedCost")),
         ), bar="UnusedCost", limit=8)),
    Plan("tokens", "token_spend", "Tokens",
         "Cost by model and direction, with the price that was paid. No count: the source states money only.",
         "No language model was billed by the token.",
         Layout((
             Show("Model", "Model", note="ServiceProviderName"),
             Show("Direction", "Direction"),
             Show("Tokens", "Tokens", "count", secondary=True),
             Show("CostPerMillionTokens", "Per million", "money", secondary=True),
             Show("EffectiveCost", "Effective cost", "money", total=True),
         ), bar="EffectiveCost", limit=8)),
    Plan("apart", "tax_credits_support", "Tax, credits, support and corrections",
         "In every total above, and no use of anything. They come once a month, so the month stands beside the period.",
         "None in this month or the one before.",
         Layout((
             Show("Kind", "Kind", note="ServiceName"),
             Show("EffectiveCost", "In the period", "money", total=True),
             Show("MonthToDateCost", "Month to date", "money", total=True),
             Show("PreviousMonthCost", "Month before", "money", total=True, secondary=True),
         ), limit=12)),
    Plan("bills", "reconciliation", "Delivered, in the ledger, allocated",
         "Billed cost by source and billing month.",
         "Nothing has been loaded.",
         Layout((
             Show("SourceId", "Source", note="InvoiceStatus"),
             Show("BillingMonth", "Billing month", "month"),
             Show("DeliveredBilledCost", "Delivered", "money", total=True),
             Show("LedgerBilledCost", "Ledger", "money", total=True, secondary=True),
             Show("AllocatedBilledCost", "Allocated", "money", total=True, secondary=True),
             Show("LedgerDifference", "Ledger less delivered", "exact", total=True),
             Show("AllocationDifference", "Allocated less ledger", "exact", total=True),
         ), limit=24), whole_company=True),
    Plan("holes", "source_holes", "What is missing",
         "What the last collection could not read. Costs of these months are not in this report, or not in their last version.",
         "Nothing: every source was read.",
         Layout((
             Show("SourceId", "Source", note="What"),
             Show("BillingMonth", "Billing month", "month"),
             Show("Outcome", "Outcome", "badge"),
             Show("InTheLedger", "In the ledger", secondary=True),
             Show("NextStep", "What to do"),
         ), limit=24, currency="", foot=False)),
    Plan("sources", "sources_freshness", "Sources", "How far each source reaches.", "No source is known.",
         Layout((
             Show("SourceId", "Source", note="Detail"),
             Show("Status", "Status", "badge"),
             Show("DataThrough", "Data through", "date"),
             Show("BillingMonths", "Months", "count", secondary=True),
             Show("ChargeCount", "Rows", "count"),
             Show("Grade", "Grade", secondary=True),
         ), limit=50, currency="", foot=False)),
    Plan("checks", "data_checks", "Checks", "The checks of the last build.", "No check has run yet.",
         Layout((
             Show("CheckId", "Check", note="Detail"),
             Show("Grade", "Grade"),
             Show("Passed", "Passed", "badge"),
         ), limit=50, currency="", foot=False), whole_company=True),
)  # fmt: skip
"""The sections of a report, in the order of the page."""

TREND_QUERIES = ("spend_by_team", "spend_weekly")
DAILY_QUERIES = ("spend_daily",)
MONTHLY_QUERIES = ("spend_monthly",)
COVERAGE_QUERIES = ("coverage_by_week", "coverage_by_month", "coverage_by_team")
"""Queries of the report that no section of tables shows; the trend and the coverage do."""
