"""How money is printed: once, for people; and how it is added: exactly."""
# ruff: noqa: RUF001  # people read minus signs

from __future__ import annotations

from decimal import Decimal

import pytest

from finops.reports.money import Money, exact_difference, exact_sum, format_money, percent, plain


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("55979.6771335318", "USD", "USD 55,979.68"),
        ("0", "USD", "USD 0.00"),
        ("-0.004", "USD", "USD 0.00"),  # no minus before a zero
        ("-1843.2", "USD", "−USD 1,843.20"),
        ("0.005", "USD", "USD 0.00"),  # half even
        ("0.015", "USD", "USD 0.02"),
        ("1234567890123.45", "EUR", "EUR 1,234,567,890,123.45"),
        ("1234.5", "JPY", "JPY 1,234"),
        ("1235.5", "JPY", "JPY 1,236"),
        ("0.0005", "KWD", "KWD 0.000"),
        ("1.2345", "KWD", "KWD 1.234"),
        (None, "USD", "unknown"),
        ("1", None, "(no currency) 1.00"),
    ],
)
def test_an_amount_goes_with_its_currency(amount: str | None, currency: str | None, text: str) -> None:
    assert format_money(None if amount is None else Decimal(amount), currency) == text


@pytest.mark.parametrize(
    ("amount", "text"), [("21800", "+USD 21,800"), ("-3.5", "−USD 4"), ("0.4", "USD 0"), (None, "unknown")]
)
def test_a_change_shows_its_sign(amount: str | None, text: str) -> None:
    assert Money(None if amount is None else Decimal(amount), "USD").signed_whole == text


def test_sums_keep_every_digit() -> None:
    large, small = Decimal("12345678901234567890.000000000000000001"), Decimal("0.000000000000000001")
    assert exact_sum([large, small]) == Decimal("12345678901234567890.000000000000000002")
    assert exact_difference(large, small) == Decimal("12345678901234567890")


def test_percent_of_nothing_is_not_a_number() -> None:
    assert percent(Decimal(1), Decimal(0)) is None
    assert percent(Decimal(5), Decimal(-10)) == Decimal("50.0"), "more cost than a credit is up"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1.500000000000000000", "1.5"),
        ("0E-18", "0"),
        ("1E+3", "1000"),
        ("-0.10", "-0.1"),
        ("100", "100"),
        ("-0.0", "0"),
    ],
)
def test_plain_numbers_have_no_exponent(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("amount", "text"), [("0", "USD 0.00"), ("1.5", "USD 1.50"), ("-0.000001", "−USD 0.000001"), (None, "unknown")]
)
def test_a_difference_that_rounding_would_hide_is_spelt_out(amount: str | None, text: str) -> None:
    assert Money(None if amount is None else Decimal(amount), "USD").exact == text
