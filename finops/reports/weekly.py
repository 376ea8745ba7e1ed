"""Computes the weekly report from a warehouse: runs the named queries, then fills the dataclasses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from finops import __version__
from finops.periods import Period
from finops.reports.analyses import Result, run_analysis
from finops.reports.colours import tints
from finops.reports.contexts import Balance, Section, WeeklyReport
from finops.reports.coverage import coverages
from finops.reports.headline import headlines
from finops.reports.money import Money, exact_sum
from finops.reports.sections import EXTRA_QUERIES, PLANS, Plan
from finops.reports.tables import build_tables
from finops.reports.trend import trends
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection


def compute_weekly(
    con: Connection, catalogue: Catalogue, period: Period, today: date, *, title: str = "", organisation: str = ""
) -> WeeklyReport:
    """All numbers of the report.

    Args:
        con: may be read-only; nothing is written.
        today: what a query's ``$today`` is; the clock is never read.

    Raises:
        QueryFileError: a query (perhaps the user's own) does not run or lacks a column that the report shows.
    """
    results = _results(con, catalogue, period, today)
    currencies = _currencies(results)
    colour = tints(_teams(results))
    balances = _balances(results["reconciliation"], period, currencies)
    sources = results["sources_freshness"].records()
    return WeeklyReport(
        title=title or "Cloud and AI spend",
        organisation=organisation,
        period=period,
        previous=period.previous(),
        today=today,
        tool_version=__version__,
        data_through=min((each["DataThrough"] for each in sources if each["DataThrough"]), default=None),
        headlines=headlines(results, currencies, colour),
        trends=trends(results["spend_weekly"], results["spend_daily"], period, currencies, colour),
        coverages=coverages(
            results["coverage_by_week"],
            results["coverage_by_month"],
            results["coverage_by_team"],
            period,
            currencies,
            colour,
        ),
        sections={plan.id: _section(plan, results[plan.query_id], currencies, colour, today) for plan in PLANS},
        balances=balances,
        matches=_all_match(balances),
        incomplete_sources=tuple(sorted({each["SourceId"] for each in results["source_holes"].records()})),
        warnings=(
            *_unbalanced(balances),
            *_source_warnings(sources),
            *_grades(sources),
            *_check_warnings(results["data_checks"].records()),
        ),
        trend_command=command(results["spend_weekly"]),
        coverage_commands={
            span: command(results[f"coverage_by_{span.removesuffix('s')}"]) for span in ("weeks", "months", "teams")
        },
        results=tuple(results.values()),
    )


def command(result: Result) -> str:
    """What to type to get the rows of a result again."""
    period = f" --period {result.period.name}" if result.period else ""
    return f"finops analyze {result.query.id}{period}"


def _results(con: Connection, catalogue: Catalogue, period: Period, today: date) -> dict[str, Result]:
    ids = sorted({plan.query_id for plan in PLANS} | set(EXTRA_QUERIES))
    results = {}
    for query_id in ids:
        query = catalogue.get(query_id, "analyses")
        arguments = {name: period.name for name, each in query.params.items() if each.type == "period"}
        results[query_id] = run_analysis(con, query, arguments, today)
    return results


def _currencies(results: Mapping[str, Result]) -> list[str]:
    """The currencies of the period, the one with the most rows of the bill first; then those of the weeks before.

    Not by amount: amounts of two currencies can't be compared.
    """
    rows: dict[str, int] = {}
    for record in results["allocation_coverage"].records():
        rows[record["BillingCurrency"]] = rows.get(record["BillingCurrency"], 0) + record["ChargeCount"]
    ranked = sorted(rows, key=lambda currency: (-rows[currency], currency))
    earlier = (*results["spend_weekly"].records(), *results["coverage_by_month"].records())
    others = {record["BillingCurrency"] for record in earlier} - set(ranked)
    return ranked + sorted(others)


def _teams(results: Mapping[str, Result]) -> list[str]:
    names = ("spend_weekly", "spend_by_team", "idle_ml", "coverage_by_team")
    return [record["Team"] for name in names for record in results[name].records()]


def _section(plan: Plan, result: Result, currencies: Sequence[str], colour: Mapping[str, str], today: date) -> Section:
    tables = build_tables(result, plan.layout, currencies, colour)
    lead = plan.lead.format(today=f"{today.day} {today:%B %Y}")
    return Section(plan.id, plan.title, lead, plan.empty, tables, command(result), f"{result.query.id}.csv")


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
        difference=Money(worst, currency),
        matches=matches,
        provisional=_total(touched, "ProvisionalBilledCost", currency),
    )


def _total(records: list[dict[str, Any]], column: str, currency: str) -> Money:
    values: list[Decimal | None] = [record[column] for record in records]
    known = [value for value in values if value is not None]
    return Money(exact_sum(known) if known and len(known) == len(values) else None, currency)


def _all_match(balances: Sequence[Balance]) -> bool | None:
    verdicts = [balance.matches for balance in balances]
    if False in verdicts:
        return False
    return None if not verdicts or None in verdicts else True


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
