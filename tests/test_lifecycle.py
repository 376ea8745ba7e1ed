"""What becomes of findings: a ledger, a journal and a calendar that goes on, day by day."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rules_kit import new_ledger, write_mappings

from finops.cli.app import App
from finops.cli.explained import print_explanation
from finops.cli.findings import SHORT
from finops.cli.findings_table import print_findings
from finops.errors import ConfigError, FindingsJournalError
from finops.pipeline.build import BuildReport, build
from finops.pipeline.explaining import explain, find_subjects
from finops.pipeline.findings_journal import FindingsJournal
from finops.resources import shipped_queries
from finops.rules.catalogue import Catalogue
from finops.rules.finding import scope_notes
from finops.warehouse.ask import ask
from finops.warehouse.connection import Connection

EP = "arn:aws:sagemaker:us-east-1:111111111111:endpoint/qa"
SEEN = {"calls": 9, "idle": 0, "underused": 1}
QUIET = """/*
id: {id}
title: Endpoints that are quiet
version: 1
owner: me
why: a test's
misses: nothing
recommended_action: Delete it.
params:
  window_days: {{type: integer, default: 3, unit: days, help: Days to look at.}}
reads: [findings.resource_day, utilisation.daily]
*/
WITH judged AS (
    SELECT b.*, CASE WHEN NOT still_billed THEN 'active' WHEN u.value IS NULL THEN 'unknown' WHEN u.value = 0 THEN 'idle'
                     WHEN u.value = 1 THEN 'underused' ELSE 'active' END AS status
    FROM findings.billed_in_window(['inference.endpoint'], $today, $window_days) AS b
    LEFT JOIN utilisation.daily AS u ON u.resource_id = b.resource_id AND u.day = $today - 1
    WHERE days_billed > 0
),
{id} AS (
    SELECT provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status, 'high' AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost, monthly_cost AS monthly_saving, currency,
        'it is ' || status AS reason, evidence
    FROM judged
)
SELECT * FROM {id}
"""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped queries with one rule that finds: ``quiet``, whose verdict a test writes down as a metric."""
    folder = tmp_path_factory.mktemp("lifecycle") / "queries"
    kept = {"workload_kind_aws.sql", "account_map.sql", "focus.sql"}
    shutil.copytree(shipped_queries(), folder, ignore=lambda _, names: [
        name for name in names if name.endswith(".sql") and not name.startswith("_") and name not in kept
    ])  # fmt: skip
    (folder / "findings" / "quiet.sql").write_text(QUIET.format(id="quiet"))
    return folder


class Days:
    """Runs of one workspace on different days."""

    def __init__(self, folder: Path, shipped: Path) -> None:
        self.folder = folder
        self.shipped = shipped
        self.journal = folder / "findings" / "journal.jsonl"
        (folder / "mappings").mkdir()

    def ledger(self, charges: Sequence[Mapping[str, Any]], seen: str = "idle", resource: str = EP) -> Connection:
        """Charges, and what ``quiet`` says of the resource on every day of the autumn."""
        con = new_ledger([*charges, charge("bucket", "1", x_UsageType="TimedStorage", ServiceName="Amazon S3")])
        self.say(con, seen, resource=resource)
        return con

    def say(self, con: Connection, seen: str, first: date = date(2026, 10, 1), last: date = date(2026, 12, 31),
            resource: str = EP) -> None:  # fmt: skip
        """What the rule says in runs from ``first`` on, until ``last``."""
        con.execute(
            "DELETE FROM utilisation.daily WHERE resource_id = ? AND day BETWEEN ? AND ?",
            [resource, first - timedelta(days=1), last],
        )
        if seen != "unknown":
            con.execute(
                "INSERT INTO utilisation.daily BY NAME SELECT ? AS resource_id, 'verdict' AS metric, ? AS value, "
                "CAST(unnest(generate_series(?::DATE, ?::DATE, INTERVAL 1 DAY)) AS DATE) AS day",
                [resource, SEEN[seen], first - timedelta(days=1), last],
            )

    def run(self, con: Connection, today: date, overlay: Path | None = None) -> BuildReport:
        catalogue = Catalogue(overlay, self.shipped)
        return build(
            con, catalogue, self.folder / "mappings", today, findings_files=self.folder / "findings", lint=False
        )

    def state(self, con: Connection, today: date) -> dict[str, Any]:
        """Run it, and tell what is known of the only finding."""
        self.run(con, today)
        return only(con)

    def written(self) -> list[tuple[str, str, str]]:
        """The journal: day, state, since."""
        lines = [json.loads(line) for line in self.journal.read_text().splitlines()]
        return [(line["date"][5:], line["state"], line["since"][5:]) for line in lines]

    def exceptions(self, *rows: Mapping[str, str]) -> None:
        write_mappings(self.folder / "mappings", {"exceptions": rows})


def charge(resource: str, cost: str, first: int = 1, last: int = 31, **more: Any) -> dict[str, Any]:
    """A charge for every day from the first of October until before the last, for the bucket until the end of November."""
    until = date(2026, 11, 30) if resource == "bucket" else date(2026, 10, last)
    return {"ResourceId": resource, "from": date(2026, 10, first), "until": until, "cost": cost, "quantity": 24,
            "ConsumedUnit": "Hrs", "x_UsageType": "USE1-Host:ml.g5.xlarge", **more}  # fmt: skip


def october(day: int) -> date:
    return date(2026, 10, 1) + timedelta(days=day - 1)


def only(con: Connection) -> dict[str, Any]:
    rows = con.execute("FROM findings.lifecycle")
    names = [str(column[0]) for column in rows.description or []]
    (row,) = rows.fetchall()
    return dict(zip(names, row, strict=True))


@pytest.fixture
def days(tmp_path: Path, shipped: Path) -> Days:
    return Days(tmp_path, shipped)


def test_new_then_open_then_resolved_with_a_saving_then_found_again(days: Days) -> None:
    billed = [charge(EP, "30.01", 1, 12), charge(EP, "0.4", 1, 31, x_UsageType="USE1-Host:VolumeUsage.gp2"), charge(EP, "30", 20, 31),
              charge(EP, "-500", 3, 4, ChargeCategory="Credit"), charge(EP, "77", 3, 4, ChargeCategory="Tax")]  # fmt: skip
    con = days.ledger(billed)

    first = days.state(con, october(5))
    assert (first["state"], first["since"], first["found_on"]) == ("new", october(2), october(5))
    assert first["cost_since_opened"] == 3 * Decimal("30.41")
    assert first["monthly_cost_when_open"] == Decimal("30.41") * Decimal("730.5") / 24

    opened = days.state(con, october(12))
    assert (opened["state"], opened["since"], opened["cost_since_opened"]) == (
        "open",
        october(2),
        10 * Decimal("30.41"),
    )
    assert days.written() == [("10-05", "opened", "10-02")], "one line for each change, not for each day"

    resolved = days.state(con, october(13))
    assert (resolved["state"], resolved["resolved_on"], resolved["verified_monthly_saving"]) == (
        "resolved",
        october(13),
        None,
    )
    assert resolved["cost_since_opened"] == 10 * Decimal("30.41") + Decimal("0.4")
    assert resolved["note"].startswith("no saving yet: the bill has 0 of the 3")
    assert days.state(con, october(16))["verified_monthly_saving"] is None, "the last day of a bill may be incomplete"

    verified = days.state(con, october(17))
    assert verified["verified_monthly_saving"] == Decimal("30.01") * Decimal("730.5") / 24
    assert (verified["verified_until"], verified["note"]) == (october(16), "saving verified on 3 days of the bill")

    again = days.state(con, october(23))
    assert (again["state"], again["since"], again["found_on"]) == ("reopened", october(20), october(23))
    assert again["cost_since_opened"] == 3 * Decimal("30.4")
    assert days.state(con, october(30))["state"] == "open"
    assert [each[:2] for each in days.written()] == [("10-05", "opened"), ("10-13", "resolved"), ("10-23", "reopened")]


def test_what_is_resolved_is_shown_and_explained(
    days: Days, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    con = days.ledger([charge(EP, "1234.5", 1, 12), charge(EP, "0.4", 1, 31, x_UsageType="USE1-Host:VolumeUsage.gp2")])
    for day in (5, 13, 20):
        days.run(con, october(day))
    chosen = {"status": ["resolved"], "team": [], "rule": [], "account": [], "least": None}
    answer = ask(con, SHORT, chosen)
    shown = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows()]
    assert print_findings(App(no_color=True), shown) == 1
    header, line, words = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "status"
    assert re.split(" {2,}", line) == [
        "resolved", "2026-10-02", "unallocated", "qa", "USD 37,587.27", "USD 12,349.40", "USD 37,575.09",
    ]  # fmt: skip
    assert "quiet, resolved on 2026-10-13: it is active" in words
    (finding,) = con.execute("SELECT DISTINCT finding_id FROM findings.changes").fetchone() or ()
    (subject,) = find_subjects(con, finding)
    explained = explain(con, subject, Catalogue(None, days.shipped), days.folder / "mappings")
    assert [row["state"] for row in explained["findings_history"]] == ["opened", "resolved"]
    print_explanation(App(no_color=True), explained)
    told = " ".join(capsys.readouterr().out.split())
    assert (
        "USD 12,349.40 until it was resolved on 2026-10-13; USD 37,575.09 a month saved, in the bill until 2026-10-19"
        in told
    )


def test_a_saving_can_be_negative(days: Days) -> None:
    con = days.ledger([charge(EP, "10", 1, 8), charge(EP, "25.5", 8)])
    days.say(con, "calls", october(9))
    days.run(con, october(8))
    assert days.state(con, october(9))["state"] == "resolved"
    saved = days.state(con, october(14))["verified_monthly_saving"]
    assert saved == Decimal("-15.5") * Decimal("730.5") / 24


def test_what_is_not_billed_on_the_last_day_of_a_bill_may_come_yet(days: Days) -> None:
    con = days.ledger([charge(EP, "1", 1, 8)])
    days.run(con, october(5))
    waiting = days.state(con, october(9))
    assert (waiting["state"], waiting["status"]) == ("new", "unknown")
    assert "not billed on 2026-10-08, but that is the last day of the bill" in waiting["note"]
    assert days.state(con, october(10))["state"] == "resolved"


def test_without_a_bill_nothing_is_resolved(days: Days) -> None:
    con = days.ledger([charge(EP, "1")])
    con.execute("DELETE FROM ledger.charge WHERE ChargePeriodStart >= '2026-10-10'")
    days.run(con, october(5))
    for day in (16, 29):
        kept = days.state(con, october(day))
        assert (kept["state"], kept["cost_since_opened"], kept["note"]) == (
            "open", Decimal(8), "not judged this time: the bill ends on 2026-10-09",
        )  # fmt: skip


def test_what_could_not_be_measured_stays_open(days: Days) -> None:
    con = days.ledger([charge(EP, "1")])
    days.run(con, october(5))
    days.say(con, "unknown", october(6), october(6))
    unknown = days.state(con, october(6))
    assert (unknown["state"], unknown["status"], unknown["cost_since_opened"]) == ("new", "unknown", Decimal(4))
    assert unknown["note"].startswith("not measured this time: it is unknown")
    assert days.state(con, october(8))["note"] is None
    assert len(days.written()) == 1


def test_a_verdict_or_a_cost_that_changes_has_a_line(days: Days) -> None:
    con = days.ledger([charge(EP, "10"), charge(EP, "1", 10), charge(EP, "2", 20)])
    days.say(con, "underused", october(6))
    for day in (5, 6, 13, 23):
        days.run(con, october(day))
    lines = [json.loads(line) for line in days.journal.read_text().splitlines()]
    assert [(line["date"][8:], line["state"], line["status"]) for line in lines] == [
        ("05", "opened", "idle"), ("06", "changed", "underused"), ("23", "changed", "underused"),
    ]  # fmt: skip
    assert Decimal(lines[2]["monthly_cost"]) == 13 * Decimal("730.5") / 24


def test_a_new_warehouse_knows_what_the_old_one_knew(days: Days) -> None:
    billed = [charge(EP, "30", 1, 12), charge(EP, "0.4", 1, 31, x_UsageType="USE1-Host:VolumeUsage.gp2")]
    con = days.ledger(billed)
    for day in (5, 9, 13):
        days.run(con, october(day))
    before, journal = days.state(con, october(20)), days.journal.read_bytes()
    fresh = days.ledger(billed)
    assert days.state(fresh, october(20)) == before
    assert days.journal.read_bytes() == journal


def test_a_day_may_be_run_again_and_an_older_one_disturbs_nothing(days: Days) -> None:
    con = days.ledger([charge(EP, "1", 1, 12)])
    days.run(con, october(5))
    journal = days.journal.read_bytes()
    assert not days.run(con, october(5)).changed
    days.run(con, october(15))
    later = days.journal.read_bytes()
    assert later.startswith(journal)
    back = days.state(con, october(4))
    assert (back["state"], back["found_on"]) == ("new", october(4)), "on that day nothing was known yet"
    assert days.state(con, october(8))["found_on"] == october(5)
    assert days.journal.read_bytes() == later
    # the same day with another bill: its lines are made anew
    days.say(con, "calls", october(15))
    con.execute("UPDATE ledger.charge SET BilledCost = 2")
    con.execute("DELETE FROM ops.stages")
    days.run(con, october(15))
    assert [each[:2] for each in days.written()] == [("10-05", "opened"), ("10-15", "resolved")]


def test_a_run_that_is_killed_before_it_wrote_is_made_good(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    con = days.ledger([charge(EP, "1", 1, 12)])
    days.run(con, october(5))
    before = days.journal.read_bytes()

    def killed(*_: object) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            days.run(con, october(15))
    assert days.journal.read_bytes() == before
    assert [path.name for path in days.journal.parent.iterdir()] == ["journal.jsonl"]
    assert not days.run(con, october(15)).changed, "the warehouse has it all"
    assert [each[:2] for each in days.written()] == [("10-05", "opened"), ("10-15", "resolved")]


def test_an_exception_is_shown_ends_and_is_told_of_when_nothing_needs_it(days: Days) -> None:
    con = days.ledger([charge(EP, "1")])
    row = {"rule_id": "*", "resource_id": EP.upper(), "reason": "on call", "owner": "search", "until": "2026-10-08"}
    days.exceptions(row, row | {"rule_id": "quiet", "resource_id": "vm"}, row | {"resource_id": "bucket"})
    report = days.run(con, october(5))
    excepted = only(con)
    assert (excepted["state"], excepted["status"], excepted["since"]) == ("excepted", "idle", october(2))
    assert (excepted["exception_owner"], excepted["exception_reason"]) == ("search", "on call")
    assert excepted["excepted_until"] == october(8)
    found = con.execute("SELECT status, reason FROM findings.findings").fetchone()
    assert found == (
        "excepted",
        "it is idle; team unallocated; excepted until 2026-10-08 by search: on call",
    )
    assert report.exception_notes == [
        "exceptions.csv:3: no rule speaks of vm now", "exceptions.csv:4: no rule speaks of bucket now",
    ]  # fmt: skip
    assert scope_notes(con, {"quiet": {"team": {"unalocated": {}, "unallocated": {}}}}) == [
        "[params.quiet.team.unalocated]: no charge is unalocated's; did you mean 'unallocated'?"
    ]
    ended = days.state(con, october(8))
    assert (ended["state"], ended["since"], ended["cost_since_opened"]) == ("new", october(2), Decimal(6))
    assert con.execute("SELECT status, reason FROM findings.findings").fetchone() == (
        "idle", "it is idle; team unallocated; the exception of search ended on 2026-10-08",
    )  # fmt: skip
    assert days.written() == [("10-05", "excepted", "10-02"), ("10-08", "reopened", "10-02")]
    days.say(con, "calls", october(9))
    notes = days.run(con, october(9)).exception_notes
    assert notes[0] == f"exceptions.csv:2: {EP.upper()} is active, so it needs no exception (ended on 2026-10-08)"


def test_an_exception_has_a_reason_an_owner_and_an_end(days: Days) -> None:
    (days.folder / "mappings" / "exceptions.csv").write_text(
        "rule_id,resource_id,reason,owner,until\nquiet,a,,me,2026-12-31\n*,b,why,,\nquite,c,why,me,2026-12-31\n"
    )
    with pytest.raises(ConfigError) as error:
        days.run(days.ledger([]), october(5))
    for problem in (
        "exceptions.csv:2: reason must not be empty", "exceptions.csv:3: owner, until must not be empty",
        "exceptions.csv:4: there is no findings rule 'quite'; did you mean 'quiet'",
    ):  # fmt: skip
        assert problem in str(error.value)


def test_a_rule_that_is_gone_resolves_nothing_and_one_that_takes_over_goes_on(days: Days, shipped: Path) -> None:
    con = days.ledger([charge(EP, "2")])
    days.run(con, october(5))
    other = days.folder / "other"
    shutil.copytree(shipped, other)
    (other / "findings" / "quiet.sql").unlink()
    days.shipped = other
    gone = days.state(con, october(6))
    assert (gone["state"], gone["verified_monthly_saving"], gone["reason"]) == (
        "rule gone",
        None,
        "there is no rule quiet any more",
    )
    days.journal.write_text("".join(days.journal.read_text().splitlines(keepends=True)[:1]))
    (other / "findings" / "silent.sql").write_text(QUIET.format(id="silent"))
    days.run(con, october(7))
    rows = con.execute("SELECT rule_id, state, since, found_on FROM findings.lifecycle ORDER BY 1").fetchall()
    assert rows == [
        ("quiet", "replaced", october(2), october(5)), ("silent", "new", october(2), october(5)),
    ]  # fmt: skip


def test_damaged_lines_are_told_with_their_place(days: Days) -> None:
    con = days.ledger([charge(EP, "1")])
    days.run(con, october(5))
    line = days.journal.read_text()
    assert FindingsJournal(days.journal.parent).before(october(6))
    days.journal.write_text(line + "{half\n" + line.replace('"opened"', '"open"') + line.replace("2026-10-02", "soon"))
    with pytest.raises(FindingsJournalError) as error:
        days.run(con, october(6))
    for problem in ("journal.jsonl:2: is no line of JSON", "journal.jsonl:3: there is no state 'open'; did you mean 'opened'",
                    "journal.jsonl:4: since is a day such as 2026-10-26, not 'soon'"):  # fmt: skip
        assert problem in str(error.value)
    days.journal.write_text(f"<<<<<<< HEAD\n{line}=======\n{line}>>>>>>> other\n")
    with pytest.raises(FindingsJournalError, match="git could not merge"):
        days.run(con, october(6))


def test_what_ends_by_itself_saves_nothing(days: Days, shipped: Path) -> None:
    """A rule that names no saving for what is idle: a job that ended, a commitment that goes on being paid."""
    overlay = days.folder / "queries"
    (overlay / "findings").mkdir(parents=True)
    text = QUIET.format(id="quiet").replace(
        "monthly_cost AS monthly_saving", "CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving"
    )
    (overlay / "findings" / "quiet.sql").write_text(text)
    con = days.ledger([charge(EP, "1", 1, 12)])
    for day in (5, 15, 20):
        days.run(con, october(day), overlay)
    ended = only(con)
    assert (ended["state"], ended["verified_monthly_saving"], ended["verified_until"]) == ("resolved", None, None)
    assert ended["note"].startswith("no saving: it ended by itself")


def test_what_no_bill_names_is_resolved_by_the_bill_of_its_account(days: Days) -> None:
    """A family of jobs, say: it has no charges of its own, so nothing of it can be missing from a bill but the bill."""
    overlay = days.folder / "queries"
    (overlay / "findings").mkdir(parents=True)
    text = QUIET.format(id="quiet").replace("region, resource_id,", "region, 'family/qa' AS resource_id,")
    text = text.replace("cost_in_window, monthly_cost, monthly_cost AS", "cost_in_window, CAST(NULL AS DECIMAL(38, 18)) AS monthly_cost, "
                        "CAST(NULL AS DECIMAL(38, 18)) AS").replace("FROM judged", "FROM judged WHERE status <> 'active'")  # fmt: skip
    (overlay / "findings" / "quiet.sql").write_text(text)
    con = days.ledger([charge(EP, "1")])
    days.say(con, "calls", october(9))
    days.run(con, october(5), overlay)
    assert (only(con)["state"], only(con)["cost_since_opened"]) == ("new", None)
    days.run(con, october(9), overlay)
    resolved = only(con)
    assert (resolved["state"], resolved["reason"]) == ("resolved", "quiet does not flag it any more")
    assert resolved["note"].startswith("no saving: what it cost before is not known")
