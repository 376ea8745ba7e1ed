"""Turns the rows of a named query into the tables of a page: top rows, one row for the rest, a total that adds up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from finops.reports.analyses import Result
from finops.reports.labels import kind_label
from finops.reports.money import MINUS, UNKNOWN, Money, exact_sum, format_money, format_number, percent, plain

Record = Mapping[str, Any]
_MONEY = ("money", "exact", "change")
_RIGHT = (*_MONEY, "percent", "change_percent", "count")


@dataclass(frozen=True)
class Show:
    """A column of a query as a table shows it."""

    column: str
    label: str
    kind: str = "text"
    """text, kind (of work), date, month, badge, money, exact (with all digits), change (with its sign), percent,
    change_percent or count."""
    total: bool = False
    """Is it added up in the foot?"""
    of: tuple[str, str] | None = None
    """For a percentage in the foot: it is the first column's total in percent of the second's."""
    secondary: bool = False
    """May be left out where there is little room."""
    note: str = ""
    """A column whose text stands below this one's in small letters."""
    note_format: str = "{}"
    """How the note is worded around that text."""
    aside: str = ""
    """A column whose text, a kind of work, stands after this one's in small letters."""
    fallback: str = ""
    """A column to show where this one is empty."""
    absent: str = ""
    """What stands where there is no such number; empty: it is unknown."""


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    label: str
    kind: str
    secondary: bool
    is_number: bool


@dataclass(frozen=True)
class Cell:
    """One cell, ready to print."""

    text: str
    kind: str = "text"
    value: str = ""
    """What sorts it: all digits of a number, a date, else the text."""
    sign: str = ""
    currency: str = ""
    number: str = ""
    """For money: ``sign``, ``currency`` and ``number`` are the parts of ``text``."""
    note: str = ""
    aside: str = ""
    tone: str = ""
    """``up``, ``down`` or nothing for a change; ``unknown`` where there is no value; a badge's name."""
    secondary: bool = False


@dataclass(frozen=True)
class Row:
    """One row."""

    cells: tuple[Cell, ...]
    bar: str = ""
    """The row's part of the largest row, in percent, as CSS has it: ``59.3``."""
    tint: str = ""
    """The class of its colour."""


@dataclass(frozen=True)
class Table:
    """A table in one currency."""

    query_id: str
    currency: str
    """Empty for a table without money."""
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    other: Row | None
    """What the rows that are not shown add up to."""
    total: Row | None
    more: str
    """``12 more USD rows are in spend_by_team.csv.``, or nothing."""


@dataclass(frozen=True)
class Layout:
    """How a query's rows become tables."""

    shows: tuple[Show, ...]
    limit: int = 10
    bar: str = ""
    """The column whose size the bars show."""
    tint: str = ""
    """The column whose value decides a row's colour."""
    currency: str = "BillingCurrency"
    """The column that splits the rows into tables; empty: one table without money."""
    keep: Callable[[Record], bool] | None = None
    """Rows to show and to add up; the others stay in the CSV only."""
    foot: bool = True


def build_tables(
    result: Result, layout: Layout, currencies: Sequence[str], tints: Mapping[str, str]
) -> tuple[Table, ...]:
    """One table per currency, in the order of ``currencies``; none for a currency without rows."""
    for show in layout.shows:
        result.column(show.column)
    records = [record for record in result.records() if layout.keep is None or layout.keep(record)]
    if not layout.currency:
        return (_table(result.query.id, "", records, layout, tints),) if records else ()
    result.column(layout.currency)
    names = [*currencies, *sorted({str(r[layout.currency] or "") for r in records} - set(currencies))]
    groups = [(name, [r for r in records if str(r[layout.currency] or "") == name]) for name in names]
    return tuple(_table(result.query.id, name, group, layout, tints) for name, group in groups if group)


def _table(
    query_id: str, currency: str, records: list[dict[str, Any]], layout: Layout, tints: Mapping[str, str]
) -> Table:
    # one row that is left over takes no more room than the line that would say so
    limit = layout.limit if len(records) > layout.limit + 1 else len(records)
    shown, rest = records[:limit], records[limit:]
    largest = max((abs(_decimal(r[layout.bar])) for r in records), default=Decimal(0)) if layout.bar else Decimal(0)
    rows = tuple(_row(record, currency, layout, largest, tints) for record in shown)
    foot = layout.foot and any(show.total for show in layout.shows)
    return Table(
        query_id=query_id,
        currency=currency,
        columns=tuple(Column(s.label, s.kind, s.secondary, s.kind in _RIGHT) for s in layout.shows),
        rows=rows,
        other=_sums(f"{len(rest)} more", rest, currency, layout) if rest and foot else None,
        total=_sums("Total", records, currency, layout) if foot else None,
        more=_more(len(rest), currency, query_id),
    )


def _more(count: int, currency: str, query_id: str) -> str:
    if not count:
        return ""
    rows = f"{currency} {'row is' if count == 1 else 'rows are'}".strip()
    return f"{count} more {rows} in {query_id}.csv."


def _row(record: Record, currency: str, layout: Layout, largest: Decimal, tints: Mapping[str, str]) -> Row:
    cells = tuple(_cell(record, show, currency) for show in layout.shows)
    share = percent(max(_decimal(record[layout.bar]), Decimal(0)), largest) if layout.bar else None
    tint = tints.get(str(record[layout.tint]), "") if layout.tint else ""
    return Row(cells, "" if share is None else str(share), tint)


def _cell(record: Record, show: Show, currency: str) -> Cell:
    value = record[show.column]
    if value is None and show.fallback:
        value = record[show.fallback]
    cell = make_cell(value, show.kind, currency)
    if value is None and show.absent:
        cell = Cell(show.absent, show.kind)
    note = _text(record[show.note]) if show.note else cell.note
    note = "" if note in ("", cell.text) else show.note_format.format(note)
    aside = kind_label(record[show.aside]) if show.aside and record[show.aside] != "other" else ""
    return replace(cell, note=note, aside=aside, secondary=show.secondary)


def _sums(label: str, records: Sequence[Record], currency: str, layout: Layout) -> Row:
    cells = []
    for index, show in enumerate(layout.shows):
        if index == 0:
            cell = Cell(label)
        elif show.of:
            cell = make_cell(_ratio(records, *show.of), show.kind, currency)
        elif show.total:
            cell = _sum_cell(records, show, currency)
        else:
            cell = Cell("")
        cells.append(replace(cell, secondary=show.secondary))
    return Row(tuple(cells))


def _sum_cell(records: Sequence[Record], show: Show, currency: str) -> Cell:
    known = [_decimal(r[show.column]) for r in records if r[show.column] is not None]
    missing = len(records) - len(known)
    if show.absent:
        return make_cell(exact_sum(known), show.kind, currency) if known else Cell(show.absent, show.kind)
    cell = make_cell(exact_sum(known) if known else None, show.kind, currency)
    return replace(cell, note=f"and {missing} {UNKNOWN}" if known and missing else "")


def _ratio(records: Sequence[Record], part: str, whole: str) -> Decimal | None:
    if any(r[part] is None or r[whole] is None for r in records):
        return None
    return percent(exact_sum(_decimal(r[part]) for r in records), exact_sum(_decimal(r[whole]) for r in records))


def make_cell(value: Any, kind: str, currency: str) -> Cell:
    """A value as a cell. What is None is ``unknown`` where a number is expected, and a dash where a text is."""
    if value is None:
        unknown = UNKNOWN if kind in _RIGHT else "\N{EN DASH}"
        return Cell(unknown, kind, tone="unknown" if kind in _RIGHT else "")
    if kind in _MONEY:
        return _money_cell(_decimal(value), kind, currency)
    if kind in ("percent", "change_percent"):
        number = _decimal(value)
        text = f"{format_number(number, 1, signed=kind == 'change_percent')}\N{NO-BREAK SPACE}%"
        return Cell(text, kind, plain(number), tone=_tone(number) if kind == "change_percent" else "")
    if kind == "count":
        return Cell(format_number(_decimal(value), 0), kind, plain(_decimal(value)))
    text = f"{value:%b %Y}" if kind == "month" else _text(value)
    if kind == "kind":
        words = kind_label(text)
        return Cell(words[:1].upper() + words[1:], kind, text, note=text)
    return Cell(text, kind, str(value), tone=text if kind == "badge" else "")


def _money_cell(amount: Decimal, kind: str, currency: str) -> Cell:
    text = Money(amount, currency).exact if kind == "exact" else format_money(amount, currency, signed=kind == "change")
    sign = text[0] if text[0] in f"+{MINUS}" else ""
    name, _, number = text[len(sign) :].rpartition(" ")
    tone = _tone(Money(amount, currency).amount or Decimal(0)) if kind == "change" else ""
    return Cell(text, kind, plain(amount), sign, name, number, tone=tone)


def _tone(number: Decimal) -> str:
    return "up" if number > 0 else "down" if number < 0 else ""


def _decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value or 0))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.day} {value:%b %Y, %H:%M}"
    if isinstance(value, date):
        return f"{value.day} {value:%b %Y}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
