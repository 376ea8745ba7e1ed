"""Why the bill changed: how much is new, gone, more used, dearer, and what cannot be told. It adds up to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops.reports.analyses import run_analysis
from finops.rules.catalogue import Catalogue
from reports.conftest import TODAY, Books

CATALOGUE = Catalogue()
PARTS = ("VolumeChange", "PriceChange", "RestChange")


def lines(books: Books) -> dict[str, dict[str, Any]]:
    """By resource; the ledger reaches back behind both weeks."""
    books.charge("2026-10-01T00", "1", "vision")
    records = run_analysis(books.con, CATALOGUE.get("spend_change"), {"period": "2026-W43"}, TODAY).records()
    return {record["ResourceName"] or record["ServiceName"]: record for record in records}


def parts(record: dict[str, Any]) -> tuple[Decimal | None, ...]:
    return tuple(record[name] for name in PARTS)


def two_weeks_of(books: Books, before: tuple[str, str], now: tuple[str, str], **options: Any) -> None:
    """Cost and quantity of one resource in the week before and in this one."""
    for day, (cost, used) in (("13", before), ("20", now)):
        books.charge(f"2026-10-{day}T00", cost, "vision", **{"resource": "i-1", "used": used, **options})


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (("100", "10"), ("150", "15"), (50, 0, 0)),
        (("100", "10"), ("130", "10"), (0, 30, 0)),
        (("100", "10"), ("60", "5"), (-50, 10, 0)),
        (("100", "10"), ("90", "15"), (50, -60, 0)),
        (("0", "10"), ("7", "20"), (0, 7, 0)),
    ],
    ids=["more used", "dearer", "less used and dearer", "more used and cheaper", "free before"],
)
def test_volume_is_at_the_old_price_and_price_is_of_the_new_quantity(
    books: Books, before: tuple[str, str], now: tuple[str, str], expected: tuple[int, int, int]
) -> None:
    two_weeks_of(books, before, now)
    assert parts(lines(books)["i-1"]) == expected


def test_what_does_not_divide_is_cut_and_the_rest_is_price(books: Books) -> None:
    two_weeks_of(books, ("1", "3"), ("1.333333333333333333", "4"))
    line = lines(books)["i-1"]
    assert line["VolumeChange"] == Decimal("0.333333333333")
    assert line["PriceChange"] == Decimal("0.000000000000333333")


@pytest.mark.parametrize(
    ("before", "now", "options"),
    [
        (("100", ""), ("150", ""), {}),
        (("100", "0"), ("150", "10"), {}),
        (("100", "10"), ("150", "0"), {}),
        (("100", "10"), ("150", "15"), {"sku": None}),
        (("100", "0.0000000001"), ("150", "1"), {}),
        (("100", "0.00000001"), ("150", "99999999"), {}),
    ],
    ids=["no quantity", "none before", "none now", "no SKU", "hardly any before", "ten quadrillion times as much"],
)
def test_where_a_quantity_is_missing_nothing_is_guessed(
    books: Books, before: tuple[str, str], now: tuple[str, str], options: dict[str, Any]
) -> None:
    two_weeks_of(books, before, now, **options)
    assert parts(lines(books)["i-1"]) == (None, None, 50)


def test_a_quantity_that_one_charge_lacks_is_not_that_of_the_others(books: Books) -> None:
    two_weeks_of(books, ("100", "10"), ("100", "10"))
    books.charge("2026-10-21T00", "30", "vision", resource="i-1", unit=None)
    books.charge("2026-10-22T00", "5", "vision", resource="i-1", used="1", unit="GB")
    assert parts(lines(books)["i-1"]) == (0, 0, 35), "what can be told is told, the others are the rest"


def test_units_are_not_compared_with_each_other(books: Books) -> None:
    books.charge("2026-10-13T00", "100", "vision", resource="i-1", used="60", unit="Minutes")
    books.charge("2026-10-20T00", "150", "vision", resource="i-1", used="1", unit="Hours")
    assert parts(lines(books)["i-1"]) == (None, None, 50)


def test_each_sku_has_its_own_price(books: Books) -> None:
    two_weeks_of(books, ("100", "10"), ("200", "20"), sku="input")
    two_weeks_of(books, ("50", "1"), ("70", "1"), sku="output")
    assert parts(lines(books)["i-1"]) == (100, 20, 0)


def test_petabytes_for_a_day_are_byte_seconds(books: Books) -> None:
    two_weeks_of(books, ("100", "97000000000000000000"), ("200", "194000000000000000000"))
    assert parts(lines(books)["i-1"]) == (100, 0, 0)


def test_what_is_new_or_gone_has_no_volume(books: Books) -> None:
    books.charge("2026-10-13T00", "40", "vision", resource="old", used="4")
    books.charge("2026-10-20T00", "60", "vision", resource="young", used="6")
    found = lines(books)
    assert (found["old"]["Change"], *parts(found["old"])) == ("gone", None, None, 0)
    assert (found["young"]["Change"], *parts(found["young"])) == ("new", None, None, 0)


def test_jobs_of_a_series_are_one_line_with_their_hours(books: Books) -> None:
    for name, cost, used in (("12", "10", "1"), ("20", "24", "2"), ("22", "36", "3")):
        books.charge(f"2026-10-{name}T00", cost, "vision", resource=f"nightly-202610{name}", used=used, kind="training")
    found = lines(books)
    assert set(found) == {"nightly-*"}
    assert (found["nightly-*"]["Change"], *parts(found["nightly-*"])) == ("more", 40, 10, 0)
    assert found["nightly-*"]["ResourceId"] is None


def test_numbered_things_that_stay_are_no_series(books: Books) -> None:
    for bucket in ("logs-111111111111", "logs-222222222222"):
        two_weeks_of(books, ("10", "1"), ("20", "2"), resource=bucket)
    assert set(lines(books)) == {"logs-111111111111", "logs-222222222222"}


AMOUNTS = st.decimals("-1000", "100000", places=9, allow_nan=False)
QUANTITIES = st.none() | st.decimals("0", "1000000000000000", places=9, allow_nan=False)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["13", "20"]), AMOUNTS, QUANTITIES, st.sampled_from("ab")), max_size=8))
def test_the_parts_are_the_change_whatever_is_charged(
    books: Books, charges: list[tuple[str, Decimal, Decimal | None, str]]
) -> None:
    books.con.execute("DELETE FROM ledger.charge")
    for day, cost, used, name in charges:
        books.charge(
            f"2026-10-{day}T00", f"{cost:f}", "vision", resource=name, used=None if used is None else f"{used:f}"
        )
    for line in lines(books).values():
        told = sum((line[name] or Decimal(0) for name in PARTS), Decimal(0))
        assert told == (0 if line["Change"] in ("new", "gone") else line["EffectiveCostChange"])
