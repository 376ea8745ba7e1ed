"""Money keeps exactly the digits that the provider meant, from text and from binary doubles alike."""

from __future__ import annotations

import struct
from decimal import ROUND_HALF_UP, Decimal, localcontext

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.resources import shipped_queries

CON = duckdb.connect()
CON.execute((shipped_queries() / "normalise" / "_macros.sql").read_text())
PLACES = Decimal(1).scaleb(-18)


def meant(number: float) -> Decimal:
    """The decimal that a double's shortest spelling is, to 18 places."""
    with localcontext(prec=80):
        return Decimal(repr(number)).quantize(PLACES, ROUND_HALF_UP)


def read_doubles(numbers: list[float]) -> list[Decimal]:
    rows = CON.execute("SELECT money_double(x) FROM (SELECT unnest(?::DOUBLE[]) AS x)", [numbers]).fetchall()
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    "number",
    [9.2, 0.1, -5.672, 2.7516394119727057, 1e-7, 2.98e-08, 1.78e-15, 1.5e-10, 0.00012345678901234567, 199999.9999999999, 200000.1,
     123456.7890123456, 9007199254740993.0, 1e11, 3.3333333333333335, 99.99999999999999, 12345678.9, 0.30000000000000004, 5e-324],
)  # fmt: skip
def test_a_double_is_its_shortest_spelling(number: float) -> None:
    assert read_doubles([number, -number, 0.0]) == [meant(number), meant(-number), Decimal(0)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(min_value=-1e15, max_value=1e15, allow_nan=False), min_size=1, max_size=200))
def test_any_double(numbers: list[float]) -> None:
    assert read_doubles(numbers) == [meant(number) for number in numbers]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=100))
def test_any_bits_of_small_magnitude(bits: list[int]) -> None:
    """Every decade is equally likely here: the small numbers are where binary costs live."""
    numbers = [struct.unpack("<d", struct.pack("<Q", each))[0] for each in bits]
    numbers = [number for number in numbers if number == number and number < 1e15]
    assert read_doubles(numbers) == [meant(number) for number in numbers]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.decimals(-(10**15), 10**15, places=18), min_size=1, max_size=100))
def test_any_decimal_text(numbers: list[Decimal]) -> None:
    texts = [format(number, "f") for number in numbers]
    rows = CON.execute("SELECT money_text(x) FROM (SELECT unnest(?::VARCHAR[]) AS x)", [texts]).fetchall()
    assert [row[0] for row in rows] == numbers


@pytest.mark.parametrize(
    ("text", "amount"),
    [("$50,000.00", "50000"), ("-$1,234.5", "-1234.5"), ("4e-07", "0.0000004"), ("1.5E+3", "1500"), (" 12.5 ", "12.5"), (".5", "0.5"),
     ("1,234,567.891", "1234567.891"), ("$5", "5"), ("$-5.5", "-5.5"), ("+1.5", "1.5"), ("123456789012.5", "123456789012.5"),
     ("0.0000000072922557592391990000", "0.000000007292255759")],
)  # fmt: skip
def test_spellings_of_people_and_programs(text: str, amount: str) -> None:
    assert CON.execute("SELECT money_text(?)", [text]).fetchone() == (Decimal(amount),)


@pytest.mark.parametrize(
    "text",
    [
        "1,5",
        "12,34.5",
        "convertible",
        "NaN",
        "inf",
        "-",
        "1e40",
        "(12.50)",
        "1 234",
        "0x10",
        "0,123",
        "00,123",
        "5$5",
        "5$",
        "1_000",
        "1_000.5",
        "$1_0",
        "$",
        "1,234,56",
    ],
)
def test_what_is_no_number_is_an_error_and_never_null(text: str) -> None:
    with pytest.raises(duckdb.Error):
        CON.execute("SELECT money_text(?)", [text]).fetchone()


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e30"])
def test_doubles_that_are_no_amount_are_an_error_and_never_null(number: str) -> None:
    with pytest.raises(duckdb.Error):
        CON.execute("SELECT money_double(CAST(? AS DOUBLE))", [number]).fetchone()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(min_value=-1e24, max_value=1e24, allow_nan=False), min_size=1, max_size=100))
def test_quantities_are_large_and_have_twelve_decimals(numbers: list[float]) -> None:
    rows = CON.execute("SELECT quantity_double(x) FROM (SELECT unnest(?::DOUBLE[]) AS x)", [numbers]).fetchall()
    with localcontext(prec=80):
        assert all(
            abs(row[0] - Decimal(repr(number))) <= Decimal("1e-12") for row, number in zip(rows, numbers, strict=True)
        )


@pytest.mark.parametrize(
    ("text", "amount"),
    [("2.6e21", "2600000000000000000000"), ("1,234.5", "1234.5"), ("0.000001234567", "0.000001234567")],
)
def test_a_petabyte_for_a_month_is_a_quantity(text: str, amount: str) -> None:
    assert CON.execute("SELECT quantity_text(?)", [text]).fetchone() == (Decimal(amount),)
