"""The trend: thirteen weeks by team, thirteen months, and the days of the period beside those of the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Steps:
    """Spans of one length that follow each other, the last of which holds the end of the period."""

    query_id: str
    column: str
    """Where the query has a span's first day."""
    word: str
    starts: tuple[date, ...]
    """The first day of each, and of the one after the last."""


def trends(
    weekly: Result,
    daily: Result | None,
    monthly: Result | None,
    period: Period,
    currencies: Sequence[str],
    tints: Mapping[str, str],
    company: Sequence[Result] = (),
) -> tuple[Trend, ...]:
    """One trend per currency.

    Args:
        company: for a team, the results of the company's report: they say which days the ledger has at all.
    """
    made = []
    for currency in currencies:
        weeks, days, months = (
            [record for record in result.records() if record["BillingCurrency"] == currency] if result else []
            for result in (weekly, daily, monthly)
        )
        if not weeks and not months:
            continue
        by_week = _series(_weeks(period), currency, weeks, period, tints, company)
        by_month = _series(_months(period), currency, months, period, tints, company) if monthly else (None, None)
        made.append(Trend(currency, *by_week, _days(currency, days, period) if daily else None, *by_month))
    return tuple(made)


def _weeks(period: Period) -> Steps:
    last = period.last_day - timedelta(days=period.last_day.weekday())
    return Steps("spend_weekly", "WeekStart", "week", tuple(last - _WEEK * back for back in range(12, -2, -1)))


def _months(period: Period) -> Steps:
    last = period.last_day.year * 12 + period.last_day.month - 1
    starts = tuple(date(month // 12, month % 12 + 1, 1) for month in range(last - 12, last + 2) if month >= 12)
    return Steps("spend_monthly", "Month", "month", starts)


def _series(
    steps: Steps,
    currency: str,
    records: Sequence[Mapping[str, Any]],
    period: Period,
    tints: Mapping[str, str],
    company: Sequence[Result],
) -> tuple[Chart, Table]:
    names = _stack(records)
    known = _days_in_ledger(steps, currency, records, company)
    columns = [
        _column(
            steps.word, start, end, known.get(start, 0), [r for r in records if r[steps.column] == start], names, period
        )
        for start, end in zip(steps.starts, steps.starts[1:], strict=False)
    ]
    complete = [column for column in columns if column.values and not column.is_partial]
    description = f"Effective cost in {currency} for thirteen {steps.word}s, stacked by team."
    if complete:
        low, high = (pick(complete, key=_total) for pick in (min, max))
        description += (
            f" Of the complete {steps.word}s, {low.long_label} cost least ({format_money(_total(low), currency)})"
            f" and {high.long_label} cost most ({format_money(_total(high), currency)})."
        )
    chart = stacked_bars(
        f"{steps.word}s-{currency.lower()}", f"{currency} by {steps.word} and team", description, currency, columns, names,
        {**tints, REST: "tint-rest"},
    )  # fmt: skip
    return chart, _twin(steps, columns, names, currency)


def _days_in_ledger(
    steps: Steps, currency: str, records: Sequence[Mapping[str, Any]], company: Sequence[Result]
) -> dict[date, int]:
    """How many days of each span the ledger has; not on how many a team has charges."""
    whole = next((result for result in company if result.query.id == steps.query_id), None)
    rows = [row for row in whole.records() if row["BillingCurrency"] == currency] if whole else records
    return {row[steps.column]: row["DaysInLedger"] for row in rows}


def _stack(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The teams of the stack from below: the largest first, nobody's last."""
    sums: dict[str, Decimal] = {}
    for record in records:
        sums[record["Team"]] = exact_sum([sums.get(record["Team"], Decimal(0)), record["EffectiveCost"]])
    ranked = sorted((name for name in sums if name != "unallocated"), key=lambda name: (-sums[name], name))
    names = ranked if len(ranked) <= SHOWN_TEAMS else [*ranked[: SHOWN_TEAMS - 1], REST]
    return [*names, "unallocated"] if "unallocated" in sums else names


def _column(
    word: str,
    start: date,
    end: date,
    days: int,
    records: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    period: Period,
) -> Column:
    # in a span that the ledger has, a team without charges has none; of another nothing is known
    values: dict[str, Decimal] = {names[0]: Decimal(0)} if days and names else {}
    for record in records:
        name = record["Team"] if record["Team"] in names else REST
        values[name] = exact_sum([values.get(name, Decimal(0)), record["EffectiveCost"]])
    partial = 0 < days < (end - start).days
    if word == "week":
        short, label = str(start.isocalendar().week), f"week {start.isocalendar().week} ({start.day} {start:%b})"
    else:
        short, label = f"{start:%b %y}" if start.month == 1 else f"{start:%b}", f"{start:%B %Y}"
    only = f", {days} {'day' if days == 1 else 'days'} only" if partial else ""
    return Column(short, label + only, values, period.start < end and start < period.end, partial)


def _total(column: Column) -> Decimal:
    return exact_sum(column.values.values())


def _twin(steps: Steps, columns: Sequence[Column], names: Sequence[str], currency: str) -> Table:
    """The chart as a table: a row per span, the newest first, a column per team."""
    heads = [Head(steps.word.capitalize(), "text", False, False), Head("Total", "money", False, True)]
    heads += [Head(name, "money", False, True) for name in names]
    rows = []
    for column in reversed(columns):
        cells = [make_cell(column.long_label[:1].upper() + column.long_label[1:], "text", currency)]
        cells.append(make_cell(_total(column) if column.values else None, "money", currency))
        for name in names:
            missing = None if not column.values else Decimal(0)
            cells.append(make_cell(column.values.get(name, missing), "money", currency))
        rows.append(Row(tuple(cells)))
    return Table(steps.query_id, currency, tuple(heads), tuple(rows), None, None, "")


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
