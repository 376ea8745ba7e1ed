"""The workbook: every row of every query, numbers and dates as such, and nothing that a spreadsheet would run."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest

from finops.periods import parse_period
from finops.reports.analyses import Result
from finops.reports.compute import compute_report
from finops.reports.contexts import Brand, Report
from finops.reports.xlsx import LONGEST_TEXT, column_kind, sheet_names, to_xlsx
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import connect
from finops.warehouse.schema import migrate
from reports.conftest import TODAY, Books

_NS = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


@dataclass(frozen=True)
class Stored:
    """A cell as it is in the file."""

    type: str
    """``s`` text, ``b`` a flag, ``n`` a number."""
    value: Any
    form: str
    """Its number format."""


class Workbook:
    """Reads a workbook as a spreadsheet would: sheets by name, cells by place (``A1``)."""

    def __init__(self, content: bytes) -> None:
        self.zip = zipfile.ZipFile(io.BytesIO(content))
        assert self.zip.testzip() is None
        shared = self.xml("xl/sharedStrings.xml")
        self.texts = ["".join(t.text or "" for t in each.iter(f"{{{_NS['m']}}}t")) for each in shared]
        styles = self.xml("xl/styles.xml")
        codes = {each.get("numFmtId"): each.get("formatCode") for each in styles.iterfind(".//m:numFmt", _NS)}
        self.forms = [codes.get(each.get("numFmtId"), "") for each in styles.iterfind("m:cellXfs/m:xf", _NS)]
        targets = {each.get("Id"): each.get("Target") for each in self.xml("xl/_rels/workbook.xml.rels")}
        sheets = self.xml("xl/workbook.xml").iterfind(".//m:sheet", _NS)
        self.paths = {str(each.get("name")): f"xl/{targets[each.get(_LINK)]}" for each in sheets}

    def xml(self, path: str) -> ElementTree.Element:
        return ElementTree.fromstring(self.zip.read(path))

    def cells(self, name: str) -> dict[str, Stored]:
        return {str(cell.get("r")): self._stored(cell) for cell in self.xml(self.paths[name]).iterfind(".//m:c", _NS)}

    def _stored(self, cell: ElementTree.Element) -> Stored:
        assert cell.find("m:f", _NS) is None, "no formula"
        kind, raw = cell.get("t", "n"), cell.findtext("m:v", "", _NS)
        value = self.texts[int(raw)] if kind == "s" else raw == "1" if kind == "b" else float(raw) if raw else None
        return Stored(kind, value, self.forms[int(cell.get("s", "0"))] or "")

    def rows(self, name: str) -> list[list[Stored | None]]:
        """Below the two lines of the head; a cell that is empty is None."""
        cells = self.cells(name)
        last = max(int(re.sub(r"\D", "", place)) for place in cells)
        width = max(ord(re.sub(r"\d", "", place)) - 64 for place in cells if len(re.sub(r"\d", "", place)) == 1)
        return [[cells.get(f"{chr(65 + x)}{y}") for x in range(width)] for y in range(3, last + 1)]


@pytest.fixture(scope="module")
def report() -> Iterator[Report]:
    con = connect(None)
    migrate(con)
    books = Books(con)
    for day in ("2026-10-01T00", "2026-10-13T08", "2026-10-20T08"):
        books.charge(day, "100.005", "vision", resource="=1+1", kind="gpu.ec2", service="+A1")
        books.charge(day, "0.123456789123456789", "@search", currency="EUR")
    books.charge("2026-10-21T00", "-7.25", None, service="Credit", category="Credit")
    books.finding("i-1", "idle", None, None)
    books.deliver()
    made = compute_report(con, Catalogue(), parse_period("last-week", TODAY), TODAY, brand=Brand(name="=Example"))
    yield replace(made, tool_version="1.2.3")
    con.close()


def one_query(
    report: Report, columns: tuple[str, ...], types: tuple[str, ...], rows: tuple[tuple[Any, ...], ...]
) -> Report:
    """The report, with one query whose rows are these."""
    return replace(report, results=(Result(report.results[0].query, columns, types, rows, None),))


def test_each_query_has_a_sheet_with_all_its_rows_and_values(report: Report) -> None:
    book = Workbook(to_xlsx(report))
    assert list(book.paths) == ["Summary", *(each.query.id for each in report.results)]
    numbers = 0
    for result in report.results:
        cells = book.cells(result.query.id)
        assert cells["A1"].value == result.query.title
        assert [cells[f"{chr(65 + x)}2"].value for x in range(min(len(result.columns), 26))] == list(
            result.columns[:26]
        )
        if not result.rows:
            continue
        for row, stored in zip(result.rows, book.rows(result.query.id), strict=True):
            for value, cell in zip(row, stored, strict=False):
                if isinstance(value, Decimal):
                    assert cell is not None
                    assert cell.type == "n"
                    assert math.isclose(cell.value, value, rel_tol=1e-15)
                    numbers += 1
                elif isinstance(value, str):
                    assert cell is not None
                    assert (cell.type, cell.value) == ("s", value)
                elif value is None:
                    assert cell is None, "unknown is an empty cell and never 0"
    assert numbers > 100


def test_the_summary_has_the_totals_of_each_currency(report: Report) -> None:
    cells = Workbook(to_xlsx(report)).cells("Summary")
    assert cells["A1"].value == "Cloud and AI spend: =Example"
    assert cells["B2"].value == "Week 43, 19\N{EN DASH}25 October 2026"
    assert _day(cells["B3"]) == date(2026, 10, 19)
    assert _day(cells["B4"]) == TODAY
    heads = {cells[f"A{row}"].value: cells[f"B{row}"] for row in range(9, 11)}
    assert heads["USD"].value == float(Decimal("92.755"))
    assert heads["USD"].form == "#,##0.00######"
    assert f"{heads['EUR'].value:.15g}" == "0.123456789123457", (
        "15 digits hold; the CSV has all of 0.123456789123456789"
    )
    assert "Does it match the bill?" in {cell.value for cell in cells.values()}


def test_dates_times_counts_and_percentages_are_numbers_of_their_kind(report: Report) -> None:
    row = (
        date(2026, 10, 19),
        datetime(2026, 10, 19, 7, 30),
        12,
        41.6,
        -3.5,
        True,
        date(1, 1, 1),
        {"b": [1], "a": "=1"},
        10**18,
    )
    columns = ("Day", "At", "Rows", "SharePercent", "ChangePercent", "Ok", "Old", "Tags", "Big")
    types = ("DATE", "TIMESTAMP", "BIGINT", "DOUBLE", "DOUBLE", "BOOLEAN", "DATE", "MAP(VARCHAR, VARCHAR)", "HUGEINT")
    book = Workbook(to_xlsx(one_query(report, columns, types, (row,))))
    (cells,) = book.rows(report.results[0].query.id)
    day, at, rows, share, change, ok, old, tags, big = (cell or Stored("", None, "") for cell in cells)
    assert (_day(day), day.form) == (date(2026, 10, 19), "yyyy-mm-dd")
    assert (at.type, at.form) == ("n", "yyyy-mm-dd hh:mm:ss")
    assert at.value == day.value + 7.5 / 24
    assert (rows.value, rows.form) == (12, "#,##0")
    assert (share.value, share.form) == (41.6, '0.0" %"')
    assert change.form.startswith("+0.0")
    assert (ok.type, ok.value) == ("b", True)
    assert old.value == "0001-01-01", "Excel has no such day"
    assert tags.value == '{"a":"=1","b":[1]}'
    assert (big.type, big.value) == ("s", "1" + "0" * 18), "a double would round it"


def _day(cell: Stored) -> date:
    assert cell.type == "n"
    return date(1899, 12, 30) + timedelta(days=int(cell.value))


@pytest.mark.parametrize(
    "text",
    ["=cmd|'/c calc'!A1", "+1", "-1", "@SUM(A1)", "{=1}", "https://example.com", "mailto:a@example.com", "internal:A1", "007", "1e5",
     "<script>&'\"", "_x0041_", "a\r\nb\tc", "\u202eabc", "💸 機械", "", " ", "TRUE"],
)  # fmt: skip
def test_text_stays_text(report: Report, text: str) -> None:
    book = Workbook(to_xlsx(one_query(report, ("Name",), ("VARCHAR",), ((text,),))))
    ((cell,),) = book.rows(report.results[0].query.id) or [[None]]
    assert cell is not None
    assert cell.type == "s" or (text == "" and cell.value is None)
    if "\r" not in text and "_x" not in text:
        assert (cell.value or "") == text
    assert not [name for name in book.zip.namelist() if "externalLink" in name]
    assert b"TargetMode" not in b"".join(book.zip.read(each) for each in book.zip.namelist() if each.endswith(".rels"))


def test_text_that_no_cell_or_xml_may_hold_is_still_a_workbook(report: Report) -> None:
    rows = (("x" * 40_000,), ("💸" * 20_000,), ("a\x00b\x01c\ufffe\uffff",))
    book = Workbook(to_xlsx(one_query(report, ("Name",), ("VARCHAR",), rows)))
    long, wide, _ = (each[0] for each in book.rows(report.results[0].query.id))
    assert long is not None
    assert wide is not None
    assert len(long.value) == LONGEST_TEXT
    assert len(wide.value.encode("utf-16-le")) // 2 <= LONGEST_TEXT
    assert long.value.endswith("…")
    assert wide.value.endswith("💸…")


def test_what_a_sheet_has_no_room_for_is_said(report: Report) -> None:
    ten = one_query(report, ("Name",), ("VARCHAR",), tuple((f"n{number}",) for number in range(10)))
    rows = Workbook(to_xlsx(ten, most_rows=8)).rows(ten.results[0].query.id)
    assert [cell.value for (cell,) in rows if cell] == [
        "n0", "n1", "n2", "n3", "n4", f"5 more rows have no room in a sheet: they are in {ten.results[0].query.id}.csv.",
    ]  # fmt: skip
    assert len(Workbook(to_xlsx(ten, most_rows=12)).rows(ten.results[0].query.id)) == 10


def test_the_head_stays_and_can_be_filtered(report: Report) -> None:
    book = Workbook(to_xlsx(report))
    sheet = book.xml(book.paths["spend_by_team"])
    pane = sheet.find(".//m:pane", _NS)
    rows = next(len(each.rows) for each in report.results if each.query.id == "spend_by_team")
    assert pane is not None
    assert (pane.get("ySplit"), pane.get("state")) == ("2", "frozen")
    span = sheet.find("m:autoFilter", _NS)
    assert span is not None
    assert span.get("ref") == f"A2:H{2 + rows}"


def test_the_same_report_gives_the_same_bytes(report: Report) -> None:
    first = to_xlsx(report)
    assert to_xlsx(report) == first
    core = Workbook(first).zip.read("docProps/core.xml").decode()
    assert "2026-10-26T00:00:00Z" in core, "made on the report's day, whatever the clock says"


def test_names_of_sheets_are_what_excel_allows_and_no_two_alike() -> None:
    names = sheet_names(["a" * 40, "A" * 40, "x[]:*?/\\'y", "Summary", "history", "", "x" * 31, "ok", "OK"])
    assert all(0 < len(name) <= 31 and not set(name) & set("[]:*?/\\'") for name in names)
    assert len({name.lower() for name in [*names, "Summary", "History"]}) == len(names) + 2


@pytest.mark.parametrize(
    ("name", "type_name", "kind"),
    [("EffectiveCost", "DECIMAL(38,18)", "money"), ("EffectiveCostChange", "DECIMAL(38,18)", "change"),
     ("MonthlySaving", "DECIMAL(38,18)", "money"), ("Tokens", "DECIMAL(38,18)", "number"), ("ResourceId", "VARCHAR", "text"),
     ("ChangePercent", "DOUBLE", "change_percent"), ("SharePercent", "DECIMAL(38,1)", "percent"), ("Rows", "HUGEINT", "count")],
)  # fmt: skip
def test_a_column_looks_like_what_it_holds(name: str, type_name: str, kind: str) -> None:
    assert column_kind(name, type_name) == kind
