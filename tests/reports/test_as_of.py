"""A report as it would have been at a time: from what had landed by then, whatever came later."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import FOCUS_HEADER, Workspace, focus_csv
from few_rules import few_rules

from finops.cli import run
from finops.errors import BadInputError, UsageError
from finops.pipeline.as_of import LandingAsOf, Place, parse_as_of, warehouse_as_of
from finops.pipeline.findings_journal import JOURNAL
from finops.pipeline.frozen_files import COLUMNS
from finops.pipeline.loading import Loader
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection, connect
from finops.warehouse.landing import DeliveryRecord, Landing, Origin
from finops.warehouse.schema import migrate

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
TAGGED = '"{""team"": ""vision""}"'


def at(text: str) -> datetime:
    return parse_as_of(text, NOW)


def test_a_day_is_its_end_and_a_time_is_its_whole_second() -> None:
    assert at("2026-10-20").isoformat() == "2026-10-20T23:59:59.999999+00:00"
    assert at("2026-10-20T06:00Z").isoformat() == "2026-10-20T06:00:00.999999+00:00"
    assert at("2026-10-20T06:00:30") == at("2026-10-20T08:00:30+02:00")


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-W43", "20261020", "2026-10-32", "2026-10-20 06:00", "0001-01-01T00:00+14:00", ""]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        at(text)


@pytest.mark.parametrize("text", ["2026-11-22", "2026-11-22T12:31Z", "2027-01-01"])
def test_what_is_not_over_yet_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not over yet: it is 2026-11-22T12:30Z"):
        at(text)


class Source:
    """A provider that delivers a month again and again, and what its ledger was at each time."""

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self.folder = folder
        self.catalogue = catalogue
        self.landing = Landing(folder / "landing")
        self.con = self._ledger()
        self.versions = 0

    def _ledger(self) -> Connection:
        con = connect(None)
        migrate(con)
        return con

    def deliver(self, *bills: str, day: int, key: str = "s3://acme/2026-09", made: int = 0) -> dict[str, Decimal]:
        """A version of the month, found on a day in October at noon; what the ledger then has by account.

        Args:
            made: the day on which the provider wrote it, if before.
        """
        self.versions += 1
        folder = self.folder / f"version-{self.versions}"
        folder.mkdir()
        for number, bill in enumerate(bills):
            path = folder / f"bill-{number}.csv"
            path.write_text(bill)
            written = datetime(2026, 10, made or day, 9, number, tzinfo=UTC).timestamp()
            os.utime(path, (written, written))
        before = {record.id for record in self.landing.deliveries()}
        origin = Origin(key, f"v{self.versions}", "2026-09", seen_at=f"2026-10-{day:02}T12:00:00.000000Z")
        assert not Loader(self.con, self.landing, self.catalogue).load_paths([folder], "aws", origin=origin).problems
        for record in self.landing.deliveries():
            if record.id not in before:
                received(self.landing, record, f"2026-10-{day:02}T12:00:01.500000Z")
        return totals(self.con)

    def as_of(self, day: int) -> dict[str, Decimal]:
        """What it was at the end of a day, made from landing."""
        con = self._ledger()
        landing = LandingAsOf(self.landing.path, at(f"2026-10-{day:02}"))
        assert not Loader(con, landing, self.catalogue).load_pending().problems
        return totals(con)


def received(landing: Landing, record: DeliveryRecord, when: str) -> None:
    """Say that a delivery landed at another time than now."""
    landing._write(replace(record, received_at=when))


def totals(con: Connection) -> dict[str, Decimal]:
    rows = con.execute("SELECT BillingAccountId, sum(BilledCost) FROM focus.cost_and_usage GROUP BY ALL ORDER BY ALL")
    return dict(rows.fetchall())


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return Catalogue(None, few_rules(tmp_path_factory.mktemp("rules")))


@pytest.fixture
def source(tmp_path: Path, rules: Catalogue) -> Source:
    return Source(tmp_path, rules)


def accounts(**costs: str) -> list[str]:
    """One file for each account."""
    return [focus_csv(cost, account=account) for account, cost in costs.items()]


def test_a_month_that_was_restated_is_what_it_was(source: Source) -> None:
    then = {day: source.deliver(focus_csv(cost), day=day) for day, cost in ((3, "5"), (5, "6"), (9, "7"))}
    assert then[5] == {"A": 6}
    assert [source.as_of(day) for day in (3, 8)] == [then[3], then[5]]


def test_an_account_that_was_withdrawn_later_is_there(source: Source) -> None:
    both = source.deliver(*accounts(A="5", B="7"), day=3)
    one = source.deliver(*accounts(A="6"), day=5)
    assert (both, one) == ({"A": 5, "B": 7}, {"A": 6})
    assert [source.as_of(day) for day in (4, 5)] == [both, one]


def test_a_month_that_was_restated_to_nothing_is_there_until_then(source: Source) -> None:
    source.deliver(focus_csv("5"), day=3)
    assert source.deliver(FOCUS_HEADER + "\n", day=5) == {}
    assert [source.as_of(day) for day in (4, 5)] == [{"A": 5}, {}]


def test_what_was_found_again_later_had_been_there_all_the_time(source: Source) -> None:
    """B's bytes are in both versions, so its record says that it was seen with the second."""
    first = source.deliver(*accounts(A="5", B="7"), day=3)
    second = source.deliver(*accounts(A="6", B="7"), day=5, made=5)
    assert second == {"A": 6, "B": 7}
    assert [source.as_of(day) for day in (4, 5)] == [first, second]


def test_what_was_gone_by_then_stays_gone_though_the_rest_was_found_again_later(source: Source) -> None:
    source.deliver(*accounts(A="5", B="7"), day=3)
    second = source.deliver(*accounts(A="6"), day=5)
    source.deliver(*accounts(A="6"), day=9, made=5)
    assert [source.as_of(day) for day in (5, 8)] == [second] * 2


def test_before_anything_had_landed_there_is_nothing_to_report(source: Source) -> None:
    source.deliver(focus_csv("5"), day=3)
    with pytest.raises(UsageError, match="nothing had landed by 2026-10-02T23:59:59Z") as caught:
        source.as_of(2)
    assert caught.value.next_step == "The first delivery landed at 2026-10-03T12:00Z."


def place(source: Source) -> Place:
    folder = source.folder
    names = (folder / name for name in ("warehouse/finops.duckdb", "landing", "mappings", "frozen", "findings"))
    return Place(*names, memory_limit="1GB", threads=1)


def test_journals_are_taken_as_far_as_they_had_come_and_left_alone(source: Source) -> None:
    source.deliver(focus_csv("5"), day=3)
    frozen, findings = source.folder / "frozen", source.folder / "findings"
    frozen.mkdir()
    line = "2026-10-{day}T08:00:00Z,{action},2026-09,me,booked,1,USD 5,USD 5,2026-09.parquet,abc,0.1.0\n"
    journal = ",".join(COLUMNS) + "\n" + line.format(day="07", action="freeze") + line.format(day="08", action="reopen")
    (frozen / "journal.csv").write_text(journal)
    findings.mkdir()
    (findings / JOURNAL).write_text("")
    with warehouse_as_of(place(source), source.catalogue, at("2026-10-06"), date(2026, 10, 6), {}) as (con, _, built):
        assert totals(con) == {"A": 5}
        assert con.execute("SELECT count(*) FROM allocation.frozen_months").fetchone() == (0,)
        assert [stage.stage for stage in built.stages][-1] == "check"
        aside = next((source.folder / "warehouse").iterdir())
        assert (aside / "frozen").exists() is False, "none was frozen yet"
    assert (frozen / "journal.csv").read_text() == journal
    assert (findings / JOURNAL).read_text() == ""
    assert list((source.folder / "warehouse").iterdir()) == [], "nothing is left"


def test_nothing_is_left_when_it_is_stopped_or_a_delivery_is_lost(source: Source) -> None:
    source.deliver(focus_csv("5"), day=3)
    with (
        pytest.raises(KeyboardInterrupt),
        warehouse_as_of(place(source), source.catalogue, at("2026-10-06"), date(2026, 10, 6), {}),
    ):
        raise KeyboardInterrupt
    stored = source.landing.path / source.landing.deliveries()[0].files[0].stored
    stored.unlink()
    with (
        pytest.raises(
            BadInputError, match=r"1 of the deliveries that had landed by 2026-10-06T23:59:59Z cannot be read"
        ),
        warehouse_as_of(place(source), source.catalogue, at("2026-10-06"), date(2026, 10, 6), {}),
    ):
        pass
    assert list((source.folder / "warehouse").iterdir()) == []


@dataclass
class Told:
    """A workspace whose October was delivered, reported on, and delivered again."""

    folder: Path
    then: Path
    """The report, made of the first delivery."""
    written: dict[Path, tuple[int, int]] = field(default_factory=dict)
    again: dict[Path, tuple[int, int]] = field(default_factory=dict)
    """After it was asked for once more."""

    def finops(self, *args: str) -> int:
        return run(["--config", str(self.folder / "finops.toml"), "--today", "2026-10-26", *args])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("as-of")
    books = Told(set_up(folder), folder / "reports" / "weekly-2026-W43")
    landing = Landing(folder / "landing")
    for cost, when in (("10.0000001", "2026-10-26"), ("11.5", "2026-10-30")):
        known = {record.id for record in landing.deliveries()}
        assert books.finops("load", str(bill(folder, cost, when))) == 0
        for record in landing.deliveries():
            if record.id not in known:
                received(landing, record, f"{when}T04:00:00.000000Z")
        if not known:
            assert books.finops("report", "--period", "2026-W43") == 0
            books.written = dates(books.then)
            assert books.finops("report", "--period", "2026-W43") == 0
            books.again = dates(books.then)
    return books


def dates(folder: Path) -> dict[Path, tuple[int, int]]:
    """Which files lie there, and when each was written."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (folder, *folder.rglob("*"))}


def set_up(folder: Path) -> Path:
    """A workspace with a logo and a mapping."""
    (folder / "finops.toml").write_text(
        '[company]\nname = "Test"\nlogo = "art/logo.svg"\n[reports]\nteams = ["vision"]\n'
    )
    (folder / "art").mkdir()
    (folder / "art" / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    (folder / "mappings").mkdir()
    (folder / "mappings" / "teams.csv").write_text("team,name\nvision,Vision\n")
    return folder


def bill(folder: Path, cost: str, when: str) -> Path:
    """October as the provider wrote it on a day."""
    path = folder / f"bill-{when}.csv"
    path.write_text(focus_csv(*[cost] * 25, month="2026-10", tags=TAGGED))
    written = datetime.fromisoformat(f"{when}T03:00:00+00:00").timestamp()
    os.utime(path, (written, written))
    return path


def bytes_of(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob(pattern)) if path.is_file()
    }


def test_another_workspace_on_another_clock_gives_the_same_folder(
    told: Told,
    tmp_path: Path,
    finops_process: Callable[..., subprocess.CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Elsewhere on the disk, some seconds later, in another time zone, with sets and dicts in another order."""
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    other = set_up(made(tmp_path / "quite" / "another" / "place"))
    assert finops_process("load", bill(other, "10.0000001", "2026-10-26"), cwd=other).returncode == 0
    assert finops_process("--today", "2026-10-26", "report", "--period", "2026-W43", cwd=other).returncode == 0
    first, second = bytes_of(told.then), bytes_of(other / "reports" / "weekly-2026-W43")
    assert {name for name in first if first[name] != second.get(name)} == set()
    kinds = {Path(name).suffix for name in first}
    assert first.keys() == second.keys()
    assert {".html", ".csv", ".xlsx", ".json", ".txt", ".png"} <= kinds
    for place in (b"as-of", b"quite/another"):
        assert not [name for name, content in (first | second).items() if place in content], "no path is in a file"


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_a_report_that_would_come_out_the_same_is_not_written_again(told: Told) -> None:
    assert len(told.written) > 40
    assert told.again == told.written


def test_the_numbers_are_those_of_the_report_made_then(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    warehouse, present = (told.folder / "finops.duckdb").read_bytes(), bytes_of(told.folder / "reports")
    findings = bytes_of(told.folder / "findings")
    assert told.finops("report", "--period", "2026-W43", "--as-of", "2026-10-29") == 0
    again = told.folder / "reports" / "weekly-2026-W43-as-of-20261029T235959Z"
    assert capsys.readouterr().out == f"{again / 'index.html'}\n"
    assert bytes_of(again, "*.csv") == bytes_of(told.then, "*.csv")
    assert "teams/vision/spend_by_team.csv" in bytes_of(again)
    with closing(connect(told.folder / "finops.duckdb", read_only=True)) as con:
        assert totals(con) == {"A": Decimal("11.5") * 25}, "it was restated"

    page, manifest = (again / "index.html").read_text(), json.loads((again / "manifest.json").read_text())
    assert page.count("as of 29 October 2026, 23:59:59 UTC") == 2, "in the title and the masthead"
    assert "Made again from the deliveries that had landed by 29 October 2026, 23:59:59 UTC" in page
    for place in (again, again / "teams" / "vision"):
        assert "as of 29 October 2026" in (place / "index.html").read_text()
        mail = json.loads((place / "mail" / "mail.json").read_text())
        assert "as of 29 October 2026, 23:59:59 UTC" in mail["subject"]
        assert "as of 29 October 2026" in (place / mail["html"]).read_text()
        assert "as of 29 October 2026" in " ".join((place / mail["text"]).read_text().split())
    assert (manifest["as_of"], manifest["today"]) == ("2026-10-29T23:59:59Z", "2026-10-26")
    assert [each["files"][0]["name"] for each in manifest["inputs"]] == ["bill-2026-10-26.csv"]
    assert json.loads((told.then / "manifest.json").read_text())["as_of"] is None

    assert (told.folder / "finops.duckdb").read_bytes() == warehouse
    assert bytes_of(told.folder / "findings") == findings
    assert {
        name: content for name, content in bytes_of(told.folder / "reports").items() if "as-of" not in name
    } == present
    assert [path.name for path in told.folder.iterdir() if path.name.startswith(".")] == []


def test_verify_names_each_file_that_is_not_as_written(
    told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told.finops("report", "--verify", str(told.then)) == 0
    out, err = capsys.readouterr()
    digest = hashlib.sha256((told.then / "manifest.json").read_bytes()).hexdigest()
    assert (out, f"are as manifest.json says, whose SHA-256 is {digest}" in err) == ("", True)
    copy = tmp_path / "copy"
    for name, content in bytes_of(told.then).items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(content)
    with (copy / "teams" / "vision" / "spend_by_team.csv").open("ab") as file:
        file.write(b"\r\n")
    (copy / "index.html").unlink()
    (copy / "new.txt").write_text("")
    assert told.finops("report", "--verify", str(copy)) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == ["changed  teams/vision/spend_by_team.csv", "missing  index.html", "extra    new.txt"]
    assert "1 changed, 1 missing, 1 extra of" in err
    (copy / "manifest.json").write_text("[]")
    assert told.finops("report", "--verify", str(copy)) == 2
    assert "is no manifest of a report" in capsys.readouterr().err


def test_as_of_a_time_before_the_first_delivery_is_an_error_in_words(workspace: Workspace) -> None:
    result = workspace.finops("report", "--as-of", "2026-10-20")
    assert (result.exit_code, "nothing had landed by 2026-10-20T23:59:59Z" in result.err) == (2, True)
    assert not (workspace.folder / "finops.duckdb").exists()
