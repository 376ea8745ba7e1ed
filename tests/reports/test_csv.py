"""The CSV files: one golden file from the most awkward result that one query can give, and a twin for each table of a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from finops.reports.build import Options
from finops.reports.contexts import Section
from finops.reports.csv import cell, to_csv
from finops.warehouse.connection import connect
from reports.conftest import Books

GOLDEN = Path(__file__).parent / "golden" / "awkward.csv"
AWKWARD = """
    SELECT * FROM (VALUES
        (1, 'plain', CAST('55979.677133531800000000' AS DECIMAL(38, 18)), DATE '2026-10-19',
         TIMESTAMP '2026-10-19 07:00:00', MAP {'team': 'vision', 'env': 'prod'}, ['b', 'a'], true, 59.3),
        (2, 'he said "no", twice', CAST('-1843.2' AS DECIMAL(38, 18)), NULL,
         TIMESTAMP '2026-10-19 07:00:00.25', NULL, [], false, 0.1),
        (3, E'two\\nlines', CAST('0' AS DECIMAL(38, 18)), DATE '0001-01-01', NULL, MAP {'=1+1': 'Größe 機械'}, NULL, NULL, NULL),
        (4, '=HYPERLINK("http://x";"y")', CAST('1e-18' AS DECIMAL(38, 18)), NULL, NULL, NULL, NULL, NULL, NULL),
        (5, '+1', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (6, '-2', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (7, '@sum(a1)', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (8, E'\\tx', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (9, E'\\rx', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (10, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (11, 'Ünïcödé, 機械 🤖', NULL, NULL, NULL, NULL, NULL, NULL, NULL)
    ) AS t (id, text, money, day, moment, tags, list, flag, percent) ORDER BY id
"""


def test_the_awkward_result_is_as_it_always_was() -> None:
    """To accept a change: delete the golden file and run the test twice; then read the diff."""
    con = connect(None)
    result = con.execute(AWKWARD)
    text = to_csv([column[0] for column in result.description or ()], result.fetchall())
    if not GOLDEN.is_file():
        GOLDEN.write_bytes(text.encode())
        pytest.fail("the golden file was missing and has been written: read it, then run again")
    assert text.encode() == GOLDEN.read_bytes()


def test_what_is_written_can_be_read_back() -> None:
    rows = list(csv.reader(io.StringIO(GOLDEN.read_bytes().decode(), newline="")))
    assert {len(row) for row in rows} == {9}
    assert [row[1] for row in rows[2:4]] == ['he said "no", twice', "two\nlines"]
    assert [Decimal(row[2]) for row in rows[1:5]] == [
        Decimal("55979.6771335318"), Decimal("-1843.2"), Decimal(0), Decimal("1e-18"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["=1", "+1", "-1", "@a", "\tx", "\rx", "\nx", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20a", " =1", "\xa0=1", "\ufeff=1", "\u200b=1",
     "\u202e=1", "\x0b=1", "\x01=1"],
)  # fmt: skip
def test_text_that_a_spreadsheet_would_run_is_defused_and_numbers_are_not(text: str) -> None:
    assert cell(text) == "'" + text
    assert cell(Decimal("-1")) == "-1"
    assert cell(-1) == "-1"
    assert cell("a=1") == "a=1"
    assert cell(" plain; text") == " plain; text"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a;=1", "a;'=1"), ("a\t@x", "a\t'@x"), ("a\r\n+1", "a\r\n'+1"), ("a;b; -1", "a;b; '-1"), ("a\n\u202e=1", "a\n\u202e'=1"),
     (" \t =1", "' \t '=1"), ("a;b-c", "a;b-c"), ("a, =1", "a, =1")],
)  # fmt: skip
def test_nor_where_a_semicolon_or_a_line_would_end_the_cell(text: str, shown: str) -> None:
    """In many countries a spreadsheet takes a semicolon for the comma, and then a quote within a line for text."""
    assert cell(text) == shown


def test_times_say_their_zone_and_nothing_ends_a_file_early() -> None:
    assert cell(datetime(2026, 10, 19, 7, tzinfo=UTC)) == "2026-10-19T07:00:00+00:00"
    assert cell(date(2026, 10, 19)) == "2026-10-19"
    assert cell("a\x00b") == "a\ufffdb"
    assert cell({"k": None, "a": Decimal("1.50")}) == '{"a":"1.5","k":null}'


class TestAReport:
    def test_each_table_of_the_page_has_a_csv_with_its_values(self, two_weeks: Books, tmp_path: Path) -> None:
        two_weeks.finding("i-1", "idle", "10", "43.482142857142857142")
        for number in range(14):
            two_weeks.charge("2026-10-21T00", f"{number}.105", f"team-{number:02}", service=f"Service {number:02}")
        files = two_weeks.report(tmp_path, options=Options(teams=("vision",), csv_bom=True))
        assert self._twins(files.folder, files.report.sections) > 15
        team = files.teams["vision"].parent
        assert {"spend_by_service", "spend_change", "idle_ml", "top_resources"} <= {
            file.stem for file in team.glob("*.csv")
        }
        for file in [*files.folder.glob("*.csv"), *team.glob("*.csv")]:
            mark, content = file.read_bytes()[:3], file.read_bytes()[3:]
            assert mark == b"\xef\xbb\xbf", "so that Excel takes it for UTF-8, where it is asked for"
            assert content.endswith(b"\r\n")
            assert content.count(content.split(b"\r\n", 1)[0]) == 1, "one header"

    @staticmethod
    def _twins(folder: Path, sections: Mapping[str, Section]) -> int:
        """How many tables have their rows in the CSV file of their section, in order, to the last digit."""
        found = 0
        for section in sections.values():
            rows = list(csv.DictReader(io.StringIO((folder / section.csv).read_text(encoding="utf-8-sig"), newline="")))
            for table in section.tables:
                values = [{*row.values()} for row in rows]
                for row in table.rows:
                    exact = {
                        each.value for each in row.cells if each.value and each.kind in ("money", "change", "exact")
                    }
                    assert any(exact <= each for each in values), (section.csv, exact)
                found += 1
        return found
