"""The trend: thirteen weeks by team, and the days of the period beside those of the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from finops.periods import Period
from finops.reports.analyses import Result
from finops.reports.charts import Chart, Column, stacked_bars
from finops.reports.contexts import Trend
from finops.reports.money import exact_sum, format_money
from finops.reports.tables import Column as Head
from finops.reports.tables import Row, Table, make_cell

SHOWN_TEAMS = 8
REST = "other teams"
_WEEK = timedelta(days=7)


def trends(
    weekly: Result,
    daily: Result,
    monthly: Result | None,
    period: Period,
    currencies: Sequence[str],
    tints: Mapping[str, str],
) -> tuple[Trend, ...]:
    """One trend per currency."""
    made = []
    for currency in currencies:
        weeks = [record for record in weekly.records() if record["BillingCurrency"] == currency]
        days = [record for record in daily.records() if record["BillingCurrency"] == currency]
        if weeks:
            made.append(_trend(currency, weeks, days, period, tints))
    return tuple(made)


def _trend(
    currency: str,
    weeks: list[dict[str, Any]],
    days: list[dict[str, Any]],
    period: Period,
    tints: Mapping[str, str],
) -> Trend:
    last_monday = period.last_day - timedelta(days=period.last_day.weekday())
    mondays = [last_monday - _WEEK * back for back in range(12, -1, -1)]
    names = _stack(weeks)
    columns = [_week_column(monday, weeks, names, period) for monday in mondays]
    complete = [column for column in columns if column.values and not column.is_partial]
    description = f"Effective cost in {currency} for thirteen weeks, stacked by team."
    if complete:
        low, high = (pick(complete, key=_total) for pick in (min, max))
        description += (
            f" Of the complete weeks, {low.long_label} cost least ({format_money(_total(low), currency)})"
            f" and {high.long_label} cost most ({format_money(_total(high), currency)})."
        )
    chart = stacked_bars(
        f"weeks-{currency.lower()}", f"{currency} by week and team", description, currency, columns, names,
        {**tints, REST: "tint-rest"},
    )  # fmt: skip
    return Trend(currency, chart, _twin(columns, names, currency), _days(currency, days, period), None, None)


def _stack(weeks: list[dict[str, Any]]) -> list[str]:
    """The teams of the stack from below: the largest first, nobody's last."""
    sums: dict[str, Decimal] = {}
    for record in weeks:
        sums[record["Team"]] = exact_sum([sums.get(record["Team"], Decimal(0)), record["EffectiveCost"]])
    ranked = sorted((name for name in sums if name != "unallocated"), key=lambda name: (-sums[name], name))
    names = ranked if len(ranked) <= SHOWN_TEAMS else [*ranked[: SHOWN_TEAMS - 1], REST]
    return [*names, "unallocated"] if "unallocated" in sums else names


def _week_column(monday: date, weeks: list[dict[str, Any]], names: list[str], period: Period) -> Column:
    values: dict[str, Decimal] = {}
    days = 0
    for record in weeks:
        if record["WeekStart"] == monday:
            days = record["DaysInLedger"]
            name = record["Team"] if record["Team"] in names else REST
            values[name] = exact_sum([values.get(name, Decimal(0)), record["EffectiveCost"]])
    week = monday.isocalendar().week
    partial = 0 < days < 7
    long_label = f"week {week} ({monday.day} {monday:%b})" + (f", {days} days only" if partial else "")
    is_current = period.start < monday + _WEEK and monday < period.end
    return Column(str(week), long_label, values, is_current, partial)


def _total(column: Column) -> Decimal:
    return exact_sum(column.values.values())


def _twin(columns: Sequence[Column], names: Sequence[str], currency: str) -> Table:
    """The chart as a table: a row per week, the newest first, a column per team."""
    heads = [Head("Week", "text", False, False), Head("Total", "money", False, True)]
    heads += [Head(name, "money", False, True) for name in names]
    rows = []
    for column in reversed(columns):
        cells = [make_cell(column.long_label[:1].upper() + column.long_label[1:], "text", currency)]
        cells.append(make_cell(_total(column) if column.values else None, "money", currency))
        for name in names:
            missing = None if not column.values else Decimal(0)
            cells.append(make_cell(column.values.get(name, missing), "money", currency))
        rows.append(Row(tuple(cells)))
    return Table("spend_weekly", currency, tuple(heads), tuple(rows), None, None, "")


def _days(currency: str, days: list[dict[str, Any]], period: Period) -> Chart | None:
    """The days of the period and as many before; only where they are few enough to see."""
    if period.days > 31 or period.days < 2:
        return None
    costs = {record["Day"]: record["EffectiveCost"] for record in days}
    first = period.start - timedelta(days=period.days)
    columns = []
    for offset in range(2 * period.days):
        day = first + timedelta(days=offset)
        name = "this period" if day >= period.start else "the period before"
        value = {name: costs[day]} if day in costs else {}
        label = f"{day:%a}"[:2] if period.days <= 7 else str(day.day)
        columns.append(Column(label, f"{day:%a} {day.day} {day:%b}", value))
    description = f"Effective cost in {currency} by day, {period.dates}, and the {period.days} days before."
    return stacked_bars(
        f"days-{currency.lower()}", f"{currency} by day", description, currency, columns,
        ["the period before", "this period"], {"this period": "tint-now", "the period before": "tint-rest"},
    )  # fmt: skip
