"""What a report says of days before the ledger begins, of periods without a charge, and of a query that lacks a column."""

from __future__ import annotations

from pathlib import Path

import pytest

from finops.errors import QueryFileError
from finops.periods import parse_period
from finops.reports.analyses import Result
from finops.reports.care import warnings
from finops.reports.compute import compute_report
from finops.reports.contexts import Report
from finops.reports.words import subject
from finops.rules.catalogue import Catalogue
from reports.conftest import TODAY, Books

CATALOGUE = Catalogue()


def reported(books: Books, period: str) -> Report:
    return compute_report(books.con, CATALOGUE, parse_period(period, TODAY), TODAY)


def test_days_before_the_ledger_begins_are_told_and_not_divided_by(books: Books) -> None:
    books.charge("2026-08-01T00", "610", "vision")
    books.charge("2026-09-30T00", "610", "vision")
    report = reported(books, "2026-Q3")
    assert report.warnings[0] == ("The ledger begins on 1 August 2026: the first 31 of 92 days are not in this report.")
    assert report.headlines[0].per_day == "USD 20.00 a day over 61 days"


@pytest.mark.parametrize("period", ["2026-08", "2026-07", "2026-09-30"])
def test_a_period_that_begins_with_the_ledger_or_has_nothing_of_it_needs_no_such_words(period: str) -> None:
    begins = parse_period("2026-08-01", TODAY).start
    assert warnings((), (), (), (), None, "", parse_period(period, TODAY), begins) == ()


def test_a_mail_does_not_say_that_the_ledger_begins_after_days_that_are_still_to_come(
    books: Books, tmp_path: Path
) -> None:
    books.charge("2026-10-20T00", "5", "vision")
    folder = books.report(tmp_path, "2026-12").folder
    for body in ("mail/body.txt", "mail/body.html"):
        text = " ".join((folder / body).read_text("utf-8").split())
        assert "the ledger begins after" not in text
        assert "No charge has come for December 2026. Nothing was used, or its bill is missing." in text


def test_a_day_is_spent_on_and_not_in(books: Books, tmp_path: Path) -> None:
    books.charge("2026-10-20T00", "5", "vision")
    report = books.report(tmp_path, "2026-10-20").report
    assert subject(report).endswith("USD 5 on 20 October 2026")
    assert ">on 20 October 2026<" in (tmp_path / report.slug / "index.html").read_text("utf-8")


def test_a_query_of_ones_own_that_lacks_a_column_is_named() -> None:
    mine = Result(CATALOGUE.get("spend_by_team", "analyses"), ("Team",), ("VARCHAR",), (("vision",),), None)
    with pytest.raises(QueryFileError, match="has no column 'BilledCost', which the report shows"):
        mine.records()[0]["BilledCost"]
