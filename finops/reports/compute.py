"""Computes a report from a warehouse: runs the named queries, then fills the dataclasses."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from finops import __version__
from finops.periods import Period
from finops.reports.analyses import Result, run_analysis
from finops.reports.colours import tints
from finops.reports.contexts import Balance, Brand, Report, Section
from finops.reports.coverage import coverages
from finops.reports.headline import headlines
from finops.reports.money import Money, exact_difference, exact_sum
from finops.reports.sections import COVERAGE_QUERIES, MONTHLY_QUERIES, PLANS, TREND_QUERIES, Plan
from finops.reports.tables import build_tables
from finops.reports.trend import trends
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection

TITLES = {"weekly": "Cloud and AI spend", "monthly": "Cloud and AI spend of the month"}
"""The reports that there are, and what stands on their first line."""
_SPENT = ("spend_by_team", "spend_weekly")


def compute_report(
    con: Connection,
    catalogue: Catalogue,
    period: Period,
    today: date,
    *,
    name: str = "weekly",
    title: str = "",
    brand: Brand = Brand(),  # noqa: B008
    company: Report | None = None,
    team: str = "",
    team_name: str = "",
    as_of: datetime | None = None,
) -> Report:
    """All numbers of a report.

    Args:
        con: may be read-only; nothing is written. For a team it is the ledger as the team sees it (``warehouse.scope``).
        today: what a query's ``$today`` is; the clock is never read.
        company: for a team, the company's report: what it says about the bill, the sources and the colours holds here too.
        as_of: the warehouse holds what had landed by then, and the report says so.

    Raises:
        QueryFileError: a query (perhaps the user's own) does not run or lacks a column that the report shows.
    """
    plans = [plan for plan in PLANS if not (team and plan.whole_company)]
    results = _results(con, catalogue, plans, name, period, today, team)
    currencies = _currencies(results, company)
    colour = tints(_teams(results), brand)
    balances = company.balances if company else _balances(results["reconciliation"], period, currencies)
    sources = results["sources_freshness"].records()
    return Report(
        name=name,
        title=title or TITLES[name],
        organisation=brand.name,
        brand=brand,
        team=team,
        team_name=team_name or team,
        period=period,
        previous=period.previous(),
        today=today,
        tool_version=__version__,
        data_through=min((each["DataThrough"] for each in sources if each["DataThrough"]), default=None),
        headlines=headlines(results, currencies, colour),
        trends=trends(
            results["spend_weekly"], results["spend_daily"], results.get("spend_monthly"), period, currencies, colour
        ),
        coverages=()
        if team
        else coverages(
            results["coverage_by_week"],
            results["coverage_by_month"],
            results["coverage_by_team"],
            period,
            currencies,
            colour,
        ),
        sections={plan.id: _section(plan, results[plan.query_id], currencies, colour, today, team) for plan in plans},
        balances=balances,
        matches=_all_match(balances),
        incomplete_sources=tuple(sorted({each["SourceId"] for each in results["source_holes"].records()})),
        warnings=company.warnings
        if company
        else (
            *_as_of(as_of),
            *_unbalanced(balances),
            *_source_warnings(sources),
            *_grades(sources),
            *_check_warnings(results["data_checks"].records()),
        ),
        trend_command=command(results["spend_weekly"], team),
        coverage_commands={}
        if team
        else {span: command(results[f"coverage_by_{span.removesuffix('s')}"]) for span in ("weeks", "months", "teams")},
        results=tuple(results.values()),
        as_of=company.as_of if company else as_of,
    )


def command(result: Result, team: str = "") -> str:
    """What to type to get the rows of a result again."""
    period = f" --period {result.period.name}" if result.period else ""
    return f"finops analyze {result.query.id}{period}{f' --team {shlex.quote(team)}' if team else ''}"


def _results(
    con: Connection, catalogue: Catalogue, plans: Sequence[Plan], name: str, period: Period, today: date, team: str
) -> dict[str, Result]:
    extra = {*TREND_QUERIES, *(MONTHLY_QUERIES if name == "monthly" else ()), *(() if team else COVERAGE_QUERIES)}
    ids = sorted({plan.query_id for plan in plans} | extra)
    results = {}
    for query_id in ids:
        query = catalogue.get(query_id, "analyses")
        arguments = {name: period.name for name, each in query.params.items() if each.type == "period"}
        results[query_id] = run_analysis(con, query, arguments, today)
    return results


def _currencies(results: Mapping[str, Result], company: Report | None) -> list[str]:
    """The currencies of the period, the one with the most rows of the bill first; then those of the weeks before.

    Not by amount: amounts of two currencies can't be compared. A team has the company's order.
    """
    if company:
        mine = {record["BillingCurrency"] for name in _SPENT for record in results[name].records()}
        return [headline.currency for headline in company.headlines if headline.currency in mine]
    rows: dict[str, int] = {}
    for record in results["allocation_coverage"].records():
        rows[record["BillingCurrency"]] = rows.get(record["BillingCurrency"], 0) + record["ChargeCount"]
    ranked = sorted(rows, key=lambda currency: (-rows[currency], currency))
    earlier = (*results["spend_weekly"].records(), *results["coverage_by_month"].records())
    others = {record["BillingCurrency"] for record in earlier} - set(ranked)
    return ranked + sorted(others)


def _teams(results: Mapping[str, Result]) -> list[str]:
    names = ("spend_weekly", "spend_by_team", "idle_ml", "coverage_by_team")
    return [record["Team"] for name in names if name in results for record in results[name].records()]


def _section(
    plan: Plan, result: Result, currencies: Sequence[str], colour: Mapping[str, str], today: date, team: str
) -> Section:
    tables = build_tables(result, plan.layout, currencies, colour)
    lead = plan.lead.format(today=f"{today.day} {today:%B %Y}")
    return Section(plan.id, plan.title, lead, plan.empty, tables, command(result, team), f"{result.query.id}.csv")


def _balances(result: Result, period: Period, currencies: Sequence[str]) -> tuple[Balance, ...]:
    records = result.records()
    names = [*currencies, *sorted({r["BillingCurrency"] for r in records} - set(currencies))]
    groups = ((name, [r for r in records if r["BillingCurrency"] == name]) for name in names)
    return tuple(_balance(name, group, period) for name, group in groups if group)


def _balance(currency: str, records: list[dict[str, Any]], period: Period) -> Balance:
    first = period.start.replace(day=1)
    touched = [r for r in records if first <= r["BillingMonth"] < period.end] or records
    gaps = [r[name] for r in records for name in ("LedgerDifference", "AllocationDifference")]
    known = [gap for gap in gaps if gap is not None]
    worst = max(known, key=abs, default=None)
    matches: bool | None = None
    if worst is not None:
        matches = False if worst else (None if None in gaps else True)
    months = sorted({r["BillingMonth"] for r in touched})
    return Balance(
        currency=currency,
        months=" and ".join(f"{month:%B %Y}" for month in months) if len(months) < 3 else f"{len(months)} months",
        delivered=_total(touched, "DeliveredBilledCost", currency),
        ledger=_total(touched, "LedgerBilledCost", currency),
        allocated=_total(touched, "AllocatedBilledCost", currency),
        invoiced=_invoiced(touched, currency),
        difference=Money(worst, currency),
        matches=matches,
        provisional=_total(touched, "ProvisionalBilledCost", currency),
    )


def _total(records: list[dict[str, Any]], column: str, currency: str) -> Money:
    values: list[Decimal | None] = [record[column] for record in records]
    known = [value for value in values if value is not None]
    return Money(exact_sum(known) if known and len(known) == len(values) else None, currency)


def _invoiced(records: list[dict[str, Any]], currency: str) -> Money:
    """What has an invoice: the ledger's sum less what is provisional. Unknown if no source says."""
    ledger, provisional = (
        _total(records, name, currency).amount for name in ("LedgerBilledCost", "ProvisionalBilledCost")
    )
    if ledger is None or provisional is None or all(r["InvoiceStatus"] == "no invoice ids" for r in records):
        return Money(None, currency)
    return Money(exact_difference(ledger, provisional), currency)


def _all_match(balances: Sequence[Balance]) -> bool | None:
    verdicts = [balance.matches for balance in balances]
    if False in verdicts:
        return False
    return None if not verdicts or None in verdicts else True


def _as_of(moment: datetime | None) -> list[str]:
    if moment is None:
        return []
    sentence = (
        f"Made again from the deliveries that had landed by {moment.day} {moment:%B %Y, %H:%M:%S} UTC, with the rules, mappings "
        "and settings of the day it was made. What a collection could not read at that time is not known any more; the commands "
        "below ask today's ledger."
    )
    return [sentence]


def _source_warnings(sources: list[dict[str, Any]]) -> list[str]:
    warnings = []
    for each in sources:
        detail = f" {each['Detail']}" if each["Detail"] else ""
        if each["Status"] == "stale":
            last = each["DataThrough"]
            since = (
                f"after {last.day} {last:%B}: costs of this period are missing" if last else "up to this period's end"
            )
            warnings.append(f"{each['SourceId']} has no charges {since}.{detail}")
        elif each["Status"] != "current" and each["ChargeCount"]:
            warnings.append(
                f"{each['SourceId']} is {each['Status']}: its newest costs may not be in this report.{detail}"
            )
        elif each["Status"] != "current":
            warnings.append(f"{each['SourceId']} is {each['Status']}: its costs are not in this report.{detail}")
    return warnings


def _grades(sources: list[dict[str, Any]]) -> list[str]:
    return [f"{each['SourceId']} is of a lower grade: {each['Grade']}." for each in sources if each["Grade"]]


def _check_warnings(checks: list[dict[str, Any]]) -> list[str]:
    return [f"Check {each['CheckId']}: {each['Detail'] or 'failed'}" for each in checks if each["Passed"] is False]


def _unbalanced(balances: Sequence[Balance]) -> list[str]:
    return [
        f"{balance.currency} does not match the bill: {balance.difference.exact} apart."
        for balance in balances
        if balance.matches is False
    ]
