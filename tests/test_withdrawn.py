"""A month of an export is replaced as a whole: what its newest version does not state any more is not in the ledger."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import FOCUS_HEADER, focus_csv

from finops.pipeline.loading import Loader, LoadReport
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection, connect
from finops.warehouse.landing import Landing, Origin
from finops.warehouse.schema import migrate

NOTHING = FOCUS_HEADER + "\n"
SEPTEMBER = Origin("s3://acme/exports/2026-09", "v", "2026-09")


class Month:
    """Delivers versions of one month, each written on a later day, into a ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.con: Connection = connect(None)
        migrate(self.con)
        self.landing = Landing(folder / "landing")
        self.seen = 0

    def deliver(self, *bills: str, day: int, origin: Origin = SEPTEMBER) -> LoadReport:
        self.seen += 1
        folder = self.folder / f"delivery-{self.seen}"
        folder.mkdir()
        for number, bill in enumerate(bills, start=1):
            path = folder / f"bill{'' if len(bills) == 1 else f'-{number}'}.csv"
            path.write_text(bill)
            moment = datetime(2026, 10, day, tzinfo=UTC).timestamp()
            os.utime(path, (moment, moment))
        seen = replace(origin, version=f"v{self.seen}", seen_at=f"2026-10-30T00:00:{self.seen:02}.000000Z")
        return Loader(self.con, self.landing, Catalogue()).load_paths([folder], "aws", origin=seen)

    def totals(self, con: Connection | None = None) -> dict[str, Decimal]:
        rows = (con or self.con).execute(
            "SELECT BillingAccountId, sum(BilledCost) FROM focus.cost_and_usage GROUP BY ALL ORDER BY ALL"
        )
        return dict(rows.fetchall())

    def rebuilt(self) -> dict[str, Decimal]:
        """The same from landing alone."""
        con = connect(None)
        migrate(con)
        assert not Loader(con, self.landing, Catalogue()).load_pending().problems
        return self.totals(con)


@pytest.fixture
def month(tmp_path: Path) -> Month:
    return Month(tmp_path)


def both(month: Month, expected: dict[str, str]) -> None:
    wanted = {account: Decimal(cost) for account, cost in expected.items()}
    assert month.totals() == wanted
    assert month.rebuilt() == wanted


def test_an_account_that_is_not_in_the_newest_version_any_more_is_gone(month: Month) -> None:
    two = focus_csv("5", account="A") + focus_csv("7", account="B").split("\n", 1)[1]
    month.deliver(two, day=1)
    both(month, {"A": "5", "B": "7"})
    month.deliver(focus_csv("6", account="A"), day=2)
    both(month, {"A": "6"})


def test_a_month_that_is_restated_to_nothing_is_empty(month: Month) -> None:
    month.deliver(focus_csv("5"), day=1)
    month.deliver(NOTHING, day=2)
    both(month, {})


def test_and_it_may_come_back(month: Month) -> None:
    month.deliver(focus_csv("5"), day=1)
    month.deliver(NOTHING, day=2)
    month.deliver(focus_csv("5"), day=3)
    both(month, {"A": "5"})
    month.deliver(NOTHING, day=4)
    both(month, {})


def test_an_old_version_that_turns_up_late_fills_nothing(month: Month) -> None:
    month.deliver(focus_csv("5"), day=2)
    month.deliver(NOTHING, day=3)
    month.deliver(focus_csv("4"), day=1)
    both(month, {})


def test_another_month_of_the_export_is_another_matter(month: Month) -> None:
    october = replace(SEPTEMBER, key="s3://acme/exports/2026-10", period="2026-10")
    month.deliver(focus_csv("5", account="A"), day=1)
    month.deliver(focus_csv("7", account="A", month="2026-10"), day=2, origin=october)
    month.deliver(NOTHING, day=3, origin=october)
    both(month, {"A": "5"})


def test_two_empty_months_are_two_deliveries(month: Month) -> None:
    """The same bytes, and each has its own version, so that neither is fetched again and again."""
    october = replace(SEPTEMBER, key="s3://acme/exports/2026-10", period="2026-10")
    month.deliver(NOTHING, day=1)
    month.deliver(NOTHING, day=1, origin=october)
    assert {each.origin.key for each in month.landing.deliveries() if each.origin} == {SEPTEMBER.key, october.key}


def test_a_version_that_could_not_be_read_whole_takes_nothing_away(month: Month) -> None:
    month.deliver(focus_csv("5", account="A"), focus_csv("7", account="B"), day=1)
    report = month.deliver(focus_csv("6", account="A"), "no bill\n1\n", day=2)
    assert report.problems
    assert month.totals()["B"] == Decimal(7)


def test_a_folder_of_files_is_no_month_and_keeps_what_was_moved_away(month: Month) -> None:
    folder = Origin("/data/bills", "v")
    month.deliver(focus_csv("5", account="A"), day=1, origin=folder)
    month.deliver(focus_csv("7", account="B"), day=2, origin=folder)
    both(month, {"A": "5", "B": "7"})
