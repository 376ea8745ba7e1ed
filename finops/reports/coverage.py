"""Coverage over time: how spend found its team, by week as a chart, by month and by team as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from finops.periods import Period
from finops.reports.analyses import Result
from finops.reports.charts import Chart, Column, stacked_bars
from finops.reports.contexts import Coverage
from finops.reports.money import exact_sum, format_number
from finops.reports.tables import Cell, Row, Table, make_cell
from finops.reports.tables import Column as Head

Record = Mapping[str, Any]
METHODS = ("direct", "inherited", "mapped", "split", "default", "unallocated")
"""Best first."""
SHOWN_MONTHS = 4
SHOWN_TEAMS = 12
_TINTS = {
    "direct": "tint-2",
    "inherited": "tint-7",
    "mapped": "tint-0",
    "split": "tint-4",
    "default": "tint-rest",
    "unallocated": "tint-nobody",
}
_WEEK = timedelta(days=7)
_NBSP = "\N{NO-BREAK SPACE}"


def coverages(
    weekly: Result,
    monthly: Result,
    by_team: Result,
    period: Period,
    currencies: Sequence[str],
    tints: Mapping[str, str],
) -> tuple[Coverage, ...]:
    """One per currency that has charges in the weeks or months shown."""

    def mine(result: Result, currency: str) -> list[dict[str, Any]]:
        return [record for record in result.records() if record["BillingCurrency"] == currency]

    return tuple(
        Coverage(
            currency,
            _chart(currency, mine(weekly, currency), period),
            _months(currency, months),
            _teams(currency, mine(by_team, currency), tints),
        )
        for currency in currencies
        if (months := mine(monthly, currency))
    )


def _chart(currency: str, weeks: Sequence[Record], period: Period) -> Chart:
    last_monday = period.last_day - timedelta(days=period.last_day.weekday())
    columns = [_column(last_monday - _WEEK * back, weeks, period) for back in range(12, -1, -1)]
    names = _methods(weeks)
    chart = stacked_bars(
        f"coverage-{currency.lower()}", f"{currency}: how spend found its team, by week",
        f"Effective cost in {currency} for thirteen weeks, in percent, stacked by the method that found the team.",
        currency, columns, names, _TINTS, say=lambda share: f"{format_number(share, 1)}{_NBSP}%",
    )  # fmt: skip
    return replace(chart, bars=tuple(replace(bar, value="") for bar in chart.bars))


def _column(monday: date, weeks: Sequence[Record], period: Period) -> Column:
    mine = [record for record in weeks if record["WeekStart"] == monday]
    whole = exact_sum(record["EffectiveCost"] for record in mine)
    shares: dict[str, Decimal] = {}
    # of a whole that credits leave next to nothing of, percentages say nothing
    if whole > 0 and all(abs(record["EffectiveCost"]) <= 10 * whole for record in mine):
        for record in mine:  # rounded down, so that a hundred percent are never more
            share = 100 * record["EffectiveCost"] / whole
            shares[record["AllocationMethod"]] = share.quantize(Decimal("0.0001"), ROUND_DOWN)
    days = mine[0]["DaysInLedger"] if mine else 0
    partial = 0 < days < 7
    week = monday.isocalendar().week
    label = f"week {week} ({monday.day} {monday:%b})" + (f", {days} days only" if partial else "")
    return Column(str(week), label, shares, period.start < monday + _WEEK and monday < period.end, partial)


def _methods(records: Sequence[Record]) -> list[str]:
    """The methods that there are: the known ones best first, then any of the user's."""
    there = {record["AllocationMethod"] for record in records}
    return [method for method in METHODS if method in there] + sorted(there - set(METHODS))


def _months(currency: str, records: Sequence[Record]) -> Table:
    """A row per month, the newest first; a column per method, in percent, with the change in points below."""
    methods = _methods(records)
    heads = [Head("Month", "month", False, False), Head("Effective cost", "money", True, True)]
    heads += [Head(method.capitalize(), "percent", False, True) for method in methods]
    rows = []
    for month in sorted({record["Month"] for record in records}, reverse=True):
        mine = {record["AllocationMethod"]: record for record in records if record["Month"] == month}
        cost = exact_sum(record["EffectiveCost"] for record in mine.values())
        name = make_cell(month, "month", currency)
        days = next(iter(mine.values()))["DaysInLedger"]
        note = "" if days >= _days(month) else f"{days} of {_days(month)} days"
        cells = [replace(name, note=note), replace(make_cell(cost, "money", currency), secondary=True)]
        cells += [_share(mine.get(method), "SharePercent", "ShareChangePoints") for method in methods]
        rows.append(Row(tuple(cells)))
    return Table("coverage_by_month", currency, tuple(heads), tuple(rows), None, None, "")


def _days(month: date) -> int:
    return ((month.replace(day=28) + timedelta(days=4)).replace(day=1) - month).days


def _teams(currency: str, records: Sequence[Record], tints: Mapping[str, str]) -> Table:
    """A row per team, the one that costs most in the newest month first; what is tagged directly, month by month."""
    months = sorted({record["Month"] for record in records})[-SHOWN_MONTHS:]
    newest = {record["Team"]: record for record in records if months and record["Month"] == months[-1]}
    teams = sorted((team for team in newest if team != "unallocated"), key=lambda t: (-newest[t]["EffectiveCost"], t))
    heads = [Head("Team", "text", False, False)]
    heads += [Head(f"{month:%b %Y}", "percent", month != months[-1], True) for month in months]
    heads.append(Head(f"Cost, {months[-1]:%b}" if months else "Cost", "money", True, True))
    rows = []
    for team in teams[:SHOWN_TEAMS]:
        of_month = {record["Month"]: record for record in records if record["Team"] == team}
        cells = [make_cell(team, "text", currency)]
        cells += [
            replace(_share(of_month.get(month), "DirectPercent", "DirectChangePoints"), secondary=month != months[-1])
            for month in months
        ]
        cells.append(replace(make_cell(newest[team]["EffectiveCost"], "money", currency), secondary=True))
        rows.append(Row(tuple(cells), tint=tints.get(team, "")))
    hidden = len(teams) - SHOWN_TEAMS
    more = f"{hidden} more {currency} teams are in coverage_by_team.csv." if hidden > 0 else ""
    return Table("coverage_by_team", currency, tuple(heads), tuple(rows), None, None, more)


def _share(record: Record | None, share: str, change: str) -> Cell:
    """A percentage with the change in points below; what has nothing in the month has no share of it."""
    if record is None:
        return Cell("\N{EN DASH}", "percent", "0")
    cell = make_cell(record[share], "percent", "")
    points = record[change]
    return replace(cell, note=f"{format_number(Decimal(str(points)), 1, signed=True)} points" if points else "")
