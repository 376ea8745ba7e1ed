"""The CSV files, by one golden file from the most awkward result that one query can give."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest

from finops.reports.csv import cell, to_csv
from finops.warehouse.connection import connect

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


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\tx", "\rx"])
def test_text_that_a_spreadsheet_would_run_is_defused_and_numbers_are_not(text: str) -> None:
    assert cell(text) == "'" + text
    assert cell(Decimal("-1")) == "-1"
    assert cell("a=1") == "a=1"
