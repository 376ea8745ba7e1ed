"""A report as a workbook: a summary, then a sheet for each query, with real numbers and dates."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from finops.reports.analyses import Result
from finops.reports.contexts import Report
from finops.reports.csv import json_text
from finops.reports.money import Money
from finops.reports.words import verdict

ROWS = 1_048_576
"""Of a sheet: Excel has no more."""
LONGEST_TEXT = 32_767
"""UTF-16 units of a cell's text, likewise."""
_HEAD = 2
"""Rows above a sheet's first record: its title and the names of the columns."""
_FIRST_DAY = date(1900, 3, 1)
"""Before it Excel's calendar has a day that there was not; such dates are written as text."""
_EXACT_INTEGER = 10**15
_FORMATS = {
    "title": {"bold": True, "font_size": 14},
    "head": {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"},
    "bold": {"bold": True},
    "soft": {"font_color": "#565A61"},
    "text": {},
    "money": {"num_format": "#,##0.00######"},
    "change": {"num_format": "+#,##0.00######;-#,##0.00######;0.00"},
    "percent": {"num_format": '0.0" %"'},
    "change_percent": {"num_format": '+0.0" %";-0.0" %";0.0" %"'},
    "count": {"num_format": "#,##0"},
    "number": {"num_format": "#,##0.########"},
    "date": {"num_format": "yyyy-mm-dd"},
    "moment": {"num_format": "yyyy-mm-dd hh:mm:ss"},
    "link": {"font_color": "#0D5A68", "underline": 1},
}


def to_xlsx(report: Report, most_rows: int = ROWS) -> bytes:
    """The workbook: the sheet ``Summary``, then one per query with all its rows, the names of columns frozen, with a filter.

    A decimal becomes a double here and only here, for a spreadsheet knows nothing else: 15 digits hold; the CSV has all of them.
    Text stays text, whatever it begins with: no cell is a formula but for nothing, and no link leads out of the workbook. Lists and
    maps are JSON. The same report gives the same bytes.

    Args:
        most_rows: of a sheet. A table with more says so in its last row and where the others are.
    """
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(buffer, options) as book:
        book.set_properties(
            {
                "title": _short(f"{report.title}, {report.period.label}", 255),
                "author": f"finops-ledger {report.tool_version}",
                "created": datetime.combine(report.today, time()),
            }
        )
        formats = {name: book.add_format(each) for name, each in _FORMATS.items()}
        names = sheet_names([result.query.id for result in report.results])
        _summary(book.add_worksheet("Summary"), report, names, formats)
        for result, name in zip(report.results, names, strict=True):
            _sheet(book, name, result, formats, most_rows)
    return buffer.getvalue()


def sheet_names(ids: Sequence[str]) -> list[str]:
    """A name for each sheet as Excel allows it: at most 31 characters, none of ``[]:*?/\\``, no two alike whatever their case."""
    taken = {"summary", "history"}
    names = []
    for each in ids:
        plain = "".join("_" if letter in "[]:*?/\\'" or not letter.isprintable() else letter for letter in each)
        name = plain[:31] or "table"
        number = 1
        while name.lower() in taken:
            number += 1
            name = f"{plain[: 30 - len(str(number))]}_{number}"
        taken.add(name.lower())
        names.append(name)
    return names


def _summary(sheet: Worksheet, report: Report, names: Sequence[str], formats: dict[str, Format]) -> None:
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 6, 20)
    line = _Lines(sheet, formats)
    whose = ", ".join(each for each in (report.team_name, report.organisation) if each)
    line.write("title", f"{report.title}{f': {whose}' if whose else ''}")
    line.write("", "Period", report.period.label)
    line.write("", "Days", report.period.start, report.period.last_day)
    line.write("", "As of", report.as_of_label.removeprefix("as of ") or report.today)
    line.write("", "Data through", report.data_through)
    line.write("", "Made by", f"finops-ledger {report.tool_version}")
    line.skip()
    line.write("head", "Currency", "Effective cost", "Billed cost", "Period before", "Change", "Saving a month")
    for each in report.headlines:
        amounts = (each.total, each.billed, each.previous, each.change, each.saving)
        line.write("", each.currency or "(no currency)", *amounts)
    if not report.headlines:
        line.write("", "No charges")
    line.skip()
    line.write("bold", "Does it match the bill?", verdict(report))
    if not report.team and report.balances:
        line.write("head", "Billed cost", "Delivered", "In the ledger", "Allocated", "Difference", "Provisional")
        for balance in report.balances:
            sides = (balance.delivered, balance.ledger, balance.allocated, balance.difference, balance.provisional)
            line.write("", f"{balance.currency or '(no currency)'}, {balance.months}", *sides)
    if report.books:
        line.write("head", "Effective cost", "Here", "In the company's report", "Difference")
        for book in report.books:
            line.write("", book.currency or "(no currency)", book.here, book.company, book.difference)
    line.skip()
    line.write("bold", "Read with care" if report.warnings else "No warnings")
    for warning in report.warnings:
        line.write("", warning)
    line.skip()
    line.write("head", "Sheet", "Rows", "What it has")
    for result, name in zip(report.results, names, strict=True):
        sheet.write_url(line.row, 0, f"internal:'{name}'!A1", formats["link"], name)
        sheet.write_number(line.row, 1, len(result.rows), formats["count"])
        sheet.write_string(line.row, 2, _short(result.query.title))
        line.skip()
    line.skip()
    line.write(
        "soft",
        "Numbers here have 15 digits; the CSV files have all of them. Amounts of two currencies are never added.",
    )


class _Lines:
    """Writes a sheet from above, a line at a time."""

    def __init__(self, sheet: Worksheet, formats: dict[str, Format]) -> None:
        self.sheet = sheet
        self.formats = formats
        self.row = 0

    def write(self, style: str, *values: Any) -> None:
        for column, value in enumerate(values):
            if isinstance(value, Money):
                shown, kind = (value.amount if value.is_known else value.text), "money"
            else:
                shown, kind = value, style or _kind_of(value)
            _write(self.sheet, self.row, column, shown, self.formats[kind])
        self.row += 1

    def skip(self) -> None:
        self.row += 1


def _kind_of(value: Any) -> str:
    return "date" if isinstance(value, date) else "text"


def _sheet(book: Workbook, name: str, result: Result, formats: dict[str, Format], most_rows: int) -> None:
    sheet = book.add_worksheet(name)
    room = most_rows - _HEAD
    rows = result.rows if len(result.rows) <= room else result.rows[: room - 1]
    sheet.write_string(0, 0, _short(result.query.title), formats["title"])
    for column, label in enumerate(result.columns):
        sheet.write_string(1, column, _short(label), formats["head"])
        kind = column_kind(label, result.types[column])
        sheet.set_column(column, column, _width(label, [row[column] for row in rows[:200]]), formats[kind])
    styles = [formats[column_kind(*each)] for each in zip(result.columns, result.types, strict=True)]
    for index, row in enumerate(rows, start=_HEAD):
        for column, value in enumerate(row):
            if value is not None:
                _write(sheet, index, column, value, styles[column])
    left_out = len(result.rows) - len(rows)
    if left_out:
        sentence = f"{left_out:,} more rows have no room in a sheet: they are in {result.query.id}.csv."
        sheet.write_string(_HEAD + len(rows), 0, sentence, formats["bold"])
    sheet.freeze_panes(_HEAD, 1)
    if result.columns:
        sheet.autofilter(_HEAD - 1, 0, _HEAD - 1 + len(rows), len(result.columns) - 1)


def column_kind(name: str, type_name: str) -> str:
    """How a column's numbers look, from its name and DuckDB's type."""
    if type_name.startswith("TIMESTAMP"):
        return "moment"
    if type_name == "DATE":
        return "date"
    if name.endswith("ChangePercent"):
        return "change_percent"
    if name.endswith("Percent"):
        return "percent"
    if type_name.startswith("DECIMAL"):
        if name.endswith("Change"):
            return "change"
        return "money" if any(word in name for word in ("Cost", "Saving", "Difference")) else "number"
    if type_name in ("DOUBLE", "FLOAT"):
        return "number"
    return "count" if type_name.endswith(("INT", "INTEGER")) else "text"


def _write(sheet: Worksheet, row: int, column: int, value: Any, style: Format) -> None:
    writer = _WRITERS.get(type(value))
    if writer:
        writer(sheet, row, column, value, style)
    elif value is not None:
        _text(sheet, row, column, json_text(value), style)


def _text(sheet: Worksheet, row: int, column: int, value: str, style: Format) -> None:
    sheet.write_string(row, column, _short(value), style)


def _decimal(sheet: Worksheet, row: int, column: int, value: Decimal, style: Format) -> None:
    sheet.write_number(row, column, float(value), style)


def _number(sheet: Worksheet, row: int, column: int, value: float, style: Format) -> None:
    if not math.isfinite(value) or (isinstance(value, int) and abs(value) >= _EXACT_INTEGER):
        sheet.write_string(row, column, str(value), style)
    else:
        sheet.write_number(row, column, value, style)


def _flag(sheet: Worksheet, row: int, column: int, value: bool, style: Format) -> None:
    sheet.write_boolean(row, column, value, style)


def _date(sheet: Worksheet, row: int, column: int, value: date, style: Format) -> None:
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    if moment.tzinfo:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    if moment.date() < _FIRST_DAY:
        sheet.write_string(row, column, value.isoformat(), style)
    else:
        sheet.write_datetime(row, column, moment, style)


_WRITERS: dict[type, Callable[..., None]] = {
    str: _text,
    Decimal: _decimal,
    int: _number,
    float: _number,
    bool: _flag,
    date: _date,
    datetime: _date,
}


def _short(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text, its end replaced by an ellipsis if a cell cannot hold it. Excel counts a letter beyond the first plane as two."""
    if len(text) * 2 <= longest:
        return text
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * longest:
        return text
    return units[: 2 * (longest - 1)].decode("utf-16-le", "ignore") + "\N{HORIZONTAL ELLIPSIS}"


def _width(label: str, values: Sequence[Any]) -> int:
    """Of a column, in letters: as wide as its first rows need, from 10 to 60."""
    widest = max(
        (14 if isinstance(each, Decimal) else len(str(each)) for each in values if each is not None), default=0
    )
    return min(max(widest + 2, len(label) + 3, 10), 60)
