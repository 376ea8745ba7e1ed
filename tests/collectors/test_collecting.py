"""What the pipeline makes of any collector: what is new is loaded, what is missing is a hole, and one source stops no other.

The collectors here are scripted, and everything else is real: landing, warehouse, the loader.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import focus_csv

from finops.collectors.interface import (
    Finding,
    Listing,
    Offer,
    Outcome,
    Permission,
    RemoteFile,
    Request,
    Tell,
    Trouble,
)
from finops.config.sources import FilesSource
from finops.pipeline.collecting import Configured, SourceReport, Watch, collect, forget_unconfigured
from finops.pipeline.loading import Loader
from finops.rules.catalogue import Catalogue
from finops.warehouse import landing as landing_module
from finops.warehouse.connection import Connection, connect
from finops.warehouse.landing import Landing
from finops.warehouse.schema import migrate

TODAY = date(2026, 10, 26)
WINDOW = (date(2026, 7, 1), date(2026, 11, 1))
SEPTEMBER, AUGUST = date(2026, 9, 1), date(2026, 8, 1)


@dataclass
class Scripted:
    """A source that offers what it is told to."""

    source_id: str
    bills: dict[str, tuple[date, str, str]] = field(default_factory=dict)
    """By key: month, version, content."""
    troubles: list[Trouble] = field(default_factory=list)
    looks: list[Exception] = field(default_factory=list)
    """What looking raises."""
    at_hand: set[str] = field(default_factory=set)
    fetches: list[Exception] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def put(self, month: date, version: str, content: str, key: str = "") -> None:
        self.bills[key or f"s3://{self.source_id}/{month:%Y-%m}"] = (month, version, content)

    def look(self, request: Request) -> Listing:
        if self.looks:
            raise self.looks.pop(0)
        offers = [
            Offer(
                key,
                version,
                [RemoteFile("bill.csv", len(text), version, datetime(2026, 10, 2, tzinfo=UTC))],
                period=month,
                at_hand=key in self.at_hand,
            )
            for key, (month, version, text) in self.bills.items()
            if request.since <= month < request.until
        ]
        return Listing(offers, [each for each in self.troubles if each.period is None or each.period >= request.since])

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        self.fetched.append(offer.key)
        if self.fetches:
            raise self.fetches.pop(0)
        for file in files:
            (folder / file.name).write_text(self.bills[offer.key][2])

    def permissions(self) -> Sequence[Permission]:
        return []

    def examine(self, request: Request) -> Sequence[Finding]:
        return []


class World:
    """A landing folder, a ledger and some sources."""

    def __init__(self, folder: Path) -> None:
        self.con: Connection = connect(None)
        migrate(self.con)
        self.landing = Landing(folder / "landing")
        self.overlay = folder / "queries"
        self.source = FilesSource(type="files", path="x", deadline=1)
        self.hours = 0

    def loader(self) -> Loader:
        self.hours += 1
        return Loader(self.con, self.landing, Catalogue(self.overlay), datetime(2026, 10, 26, self.hours, tzinfo=UTC))

    def collect(self, *sources: Scripted, months: tuple[date, date] = WINDOW, **more: Any) -> list[SourceReport]:
        configured = [Configured(each.source_id, self.source, each) for each in sources]
        return collect(self.loader(), configured, months, TODAY, Watch(), **more)

    def totals(self) -> dict[tuple[str, str], Decimal]:
        rows = self.con.execute(
            "SELECT x_SourceId, strftime(BillingPeriodStart, '%Y-%m'), sum(BilledCost) FROM focus.cost_and_usage GROUP BY ALL"
        ).fetchall()
        return {(source, month): cost for source, month, cost in rows}

    def holes(self) -> set[tuple[str, str | None, str]]:
        rows = self.con.execute(
            "SELECT source_id, strftime(billing_period, '%Y-%m'), outcome FROM ops.holes"
        ).fetchall()
        return set(rows)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def source() -> Scripted:
    source = Scripted("aws")
    source.put(AUGUST, "a1", focus_csv("5", month="2026-08"))
    source.put(SEPTEMBER, "s1", focus_csv("7"))
    return source


def denied(period: date | None = None) -> Trouble:
    return Trouble(Outcome.DENIED, "may not be read", where="s3://aws", next_step="Allow s3:GetObject.", period=period)


# --- what is new


def test_only_what_is_new_is_fetched(world: World, source: Scripted) -> None:
    world.collect(source)
    source.fetched.clear()
    source.put(SEPTEMBER, "s2", focus_csv("8"))
    (report,) = world.collect(source)
    assert source.fetched == ["s3://aws/2026-09"]
    assert [offer.key for offer in report.unchanged] == ["s3://aws/2026-08"]
    assert world.totals() == {("aws", "2026-08"): 5, ("aws", "2026-09"): 8}


def test_what_landing_has_lost_is_fetched_again(world: World, source: Scripted) -> None:
    world.collect(source)
    for file in (world.landing.path / "files").rglob("*.csv"):
        file.unlink()
    (report,) = world.collect(source)
    assert report.outcome is Outcome.COMPLETE
    assert all(world.landing.has(record) for record in world.landing.deliveries())
    source.fetched.clear()
    world.collect(source)
    assert source.fetched == []


def test_a_clock_that_was_ahead_does_not_make_old_versions_new(
    world: World, source: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.collect(source)
    for record in world.landing.deliveries():
        assert record.origin
        world.landing.note_origin(record.id, replace(record.origin, seen_at="2031-01-01T00:00:00.000000Z"))
    source.put(SEPTEMBER, "s2", focus_csv("8"))
    world.collect(source)
    source.fetched.clear()
    world.collect(source)
    assert source.fetched == []


def test_a_record_says_of_its_own_files_only_where_they_come_from(world: World, source: Scripted) -> None:
    """A folder of three thousand files is not written down three thousand times."""
    key = "s3://aws/folder"
    source.put(SEPTEMBER, "f1", focus_csv("1"), key)
    world.collect(source)
    for record in world.landing.deliveries():
        assert record.origin and record.origin.files.keys() == {file.name for file in record.files}


def test_a_disk_without_hard_links_gets_copies(world: World, source: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(landing_module.os, "link", refuse)
    world.collect(source)
    source.put(SEPTEMBER, "s2", focus_csv("8"))
    world.collect(source)
    assert world.totals()["aws", "2026-09"] == 8


# --- two exports of one source


def test_two_exports_of_the_same_month_do_not_take_each_others_place(world: World, source: Scripted) -> None:
    """Two subscriptions' exports, or the same spend twice: nobody but the user knows."""
    source.put(SEPTEMBER, "x1", focus_csv("70"), "s3://aws/other/2026-09")
    (report,) = world.collect(source)
    assert world.totals()["aws", "2026-09"] == 7
    assert [(hole.outcome, hole.period) for hole in report.holes] == [(Outcome.REFUSED, SEPTEMBER)]
    assert "s3://aws/2026-09" in report.holes[0].problem.what
    source.put(SEPTEMBER, "x2", focus_csv("71"), "s3://aws/other/2026-09")
    world.collect(source)
    assert world.totals()["aws", "2026-09"] == 7, "nor in a later week, when only one of them is new"


def test_an_export_that_was_renamed_takes_over(world: World, source: Scripted) -> None:
    world.collect(source)
    del source.bills["s3://aws/2026-09"]
    source.put(SEPTEMBER, "n1", focus_csv("70"), "s3://aws/renamed/2026-09")
    (report,) = world.collect(source)
    assert not report.holes
    assert world.totals()["aws", "2026-09"] == 70


# --- faults


@pytest.mark.parametrize("where", ["looks", "fetches"])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("CostAllocationTags"), "a fault of finops: KeyError"),
        (PermissionError(13, "Permission denied", "/x"), "/x"),
    ],
)
def test_an_error_that_nobody_foresaw_stops_no_other_source(
    world: World, source: Scripted, where: str, error: Exception, said: str
) -> None:
    broken = Scripted("broken")
    broken.put(SEPTEMBER, "b1", focus_csv("1", account="B"))
    getattr(broken, where).append(error)
    first, second = world.collect(broken, source)
    assert first.outcome is Outcome.FAILED
    assert said in str(first.loads.problems[0])
    assert second.outcome is Outcome.COMPLETE
    assert world.totals() == {("aws", "2026-08"): 5, ("aws", "2026-09"): 7}


def test_ctrl_c_is_no_fault(world: World, source: Scripted) -> None:
    source.looks.append(RuntimeError("Query interrupted"))
    with pytest.raises(RuntimeError, match="interrupted"):
        world.collect(source)


def test_what_no_other_month_can_do_better_is_not_tried_for_each(world: World, source: Scripted) -> None:
    source.fetches.append(Trouble(Outcome.EXPIRED, "the session has ended", next_step="Sign in."))
    (report,) = world.collect(source)
    assert len(source.fetched) == 1
    assert {hole.period for hole in report.holes} == {AUGUST, SEPTEMBER}
    assert {hole.outcome for hole in report.holes} == {Outcome.EXPIRED}
    assert report.outcome is Outcome.EXPIRED
    source.at_hand.add("s3://aws/2026-09")  # nobody has to be asked for it
    source.fetches.append(Trouble(Outcome.EXPIRED, "the session has ended", next_step="Sign in."))
    (report,) = world.collect(source)
    assert [offer.key for offer in report.fetched] == ["s3://aws/2026-09"]


def test_a_landed_bill_that_cannot_be_read_any_more_is_a_hole_on_every_run_and_never_doubled(
    world: World, source: Scripted
) -> None:
    """A mapping of the user's own broke; its money stays as it was until the mapping is mended."""
    world.collect(source)
    mapping = world.overlay / "normalise" / "focus.sql"
    mapping.parent.mkdir(parents=True)
    shipped = Catalogue().file("normalise/focus.sql").read_text()
    mapping.write_text(shipped.replace("SELECT\n", "SELECT\n    CAST('x' AS INTEGER) AS PricingQuantity,\n", 1))
    for _ in range(2):
        loader = world.loader()
        pending = loader.load_pending()
        landed = {"aws": [problem for _, problem in pending.landed]}
        assert len(landed["aws"]) == 2
        (report,) = world.collect(source, landed=landed)
        assert report.outcome is not Outcome.COMPLETE
        assert world.totals() == {("aws", "2026-08"): 5, ("aws", "2026-09"): 7}
    mapping.unlink()
    assert not world.loader().load_pending().problems
    assert world.totals() == {("aws", "2026-08"): 5, ("aws", "2026-09"): 7}


# --- holes


def test_a_hole_is_there_until_it_is_filled(world: World, source: Scripted) -> None:
    source.troubles.append(denied(AUGUST))
    del source.bills["s3://aws/2026-08"]
    world.collect(source)
    assert world.holes() == {("aws", "2026-08", "denied")}
    # a run that does not look at August, and one for which it is too long ago
    world.collect(source, months=(SEPTEMBER, WINDOW[1]))
    world.collect(source, months=(date(2026, 9, 1), date(2027, 1, 1)))
    assert world.holes() == {("aws", "2026-08", "denied")}
    source.troubles.clear()
    source.put(AUGUST, "a1", focus_csv("5", month="2026-08"))
    world.collect(source)
    assert world.holes() == set()


def test_a_hole_keeps_the_day_on_which_it_was_first_seen(world: World, source: Scripted) -> None:
    source.troubles.append(denied())
    world.collect(source)
    world.collect(source)
    first, last = world.con.execute("SELECT first_seen_at, last_seen_at FROM ops.holes").fetchall()[0]
    assert (first.hour, last.hour) == (1, 2)


def test_a_source_that_is_not_configured_any_more_has_no_holes(world: World, source: Scripted) -> None:
    gone = Scripted("gone", looks=[denied()])
    world.collect(gone, source)
    assert world.holes() == {("gone", None, "denied")}
    forget_unconfigured(world.loader(), [Configured("aws", world.source, source)])
    assert world.holes() == set()
    assert world.con.execute("SELECT source_id FROM ops.sources").fetchall() == [("aws",)]


def test_the_bytes_in_landing_are_not_changed_through_a_link(world: World, source: Scripted) -> None:
    """Files that landing has are linked into the folder that an offer is fetched into."""
    world.collect(source)
    kept = {file: file.read_bytes() for file in (world.landing.path / "files").rglob("*.csv")}
    source.put(SEPTEMBER, "s2", focus_csv("8"))
    world.collect(source)
    assert {file: file.read_bytes() for file in kept} == kept
    assert not any(os.access(file, os.W_OK) for file in kept) or os.getuid() == 0
