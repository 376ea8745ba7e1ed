"""The folder on disk: whole, the same every time, with a manifest that anyone can check."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from few_rules import few_rules
from rules_kit import new_ledger

from finops.errors import UsageError
from finops.periods import parse_period
from finops.pipeline.build import build
from finops.pipeline.closing import freeze
from finops.pipeline.frozen_files import FrozenFiles
from finops.reports.build import Options, Team
from finops.reports.contexts import Brand
from finops.reports.unchanged import fingerprint, is_current, note
from finops.rules.catalogue import Catalogue
from finops.rules.lifecycle import CHANGE
from finops.warehouse.landing import DeliveryRecord, LandedFile
from reports.conftest import TODAY, Books

ONE_TEAM = Options(teams=("vision",))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, by its path below the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_two_runs_give_the_same_bytes(two_weeks: Books, tmp_path: Path) -> None:
    first = contents(two_weeks.report(tmp_path / "a", options=ONE_TEAM).folder)
    two_weeks.con.execute("SET threads = 1")
    assert contents(two_weeks.report(tmp_path / "b", options=ONE_TEAM).folder) == first
    kinds = {"index.html", "manifest.json", "spend_by_team.csv", "spend_change.csv"}
    assert {f"{place}{name}" for place in ("", "teams/vision/") for name in kinds} <= first.keys()


def test_the_folder_is_named_after_report_and_period(two_weeks: Books, tmp_path: Path) -> None:
    assert two_weeks.report(tmp_path).folder == tmp_path / "weekly-2026-W43"
    assert two_weeks.report(tmp_path, "last-30-days").folder == tmp_path / "weekly-2026-09-26_2026-10-26"


def test_a_new_report_replaces_the_old_one_whole(two_weeks: Books, tmp_path: Path) -> None:
    folder = two_weeks.report(tmp_path).folder
    (folder / "stale.csv").write_text("from an older version")
    two_weeks.report(tmp_path)
    assert not (folder / "stale.csv").exists()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name], "nothing is left beside it"


def test_a_folder_that_is_no_report_is_left_alone(two_weeks: Books, tmp_path: Path) -> None:
    target = tmp_path / "weekly-2026-W43"
    target.mkdir()
    (target / "thesis.txt").write_text("do not lose")
    with pytest.raises(UsageError, match="is in the way"):
        two_weeks.report(tmp_path)
    assert (target / "thesis.txt").read_text() == "do not lose"


def test_there_is_only_the_weekly_report(two_weeks: Books, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'weekly'"):
        two_weeks.report(tmp_path, name="wekly")


def test_the_manifest_names_inputs_rules_and_files(two_weeks: Books, tmp_path: Path) -> None:
    landed = LandedFile("bill.csv", "ab" * 32, 123, "files/ab/x.csv")
    current = DeliveryRecord("load", "bill", "aws_cur", (landed,), "2026-10-26T04:00:00Z", "2026-10-26T05:00:00Z")
    gone = DeliveryRecord("old", "bill", "aws_cur", (landed,), "2026-10-01T04:00:00Z", "2026-10-01T05:00:00Z")
    files = two_weeks.report(tmp_path, inputs=[gone, current])
    manifest = json.loads(files.manifest.read_text())
    assert manifest["period"] == {"name": "2026-W43", "start": "2026-10-19", "end": "2026-10-26"}
    assert manifest["today"] == "2026-10-26"
    assert manifest["totals"][0] == {
        "currency": "USD", "effective_cost": "206.5271", "billed_cost": "206.5271", "previous_effective_cost": "100.005",
    }  # fmt: skip
    assert [each["load"] for each in manifest["inputs"]] == ["load"], "what holds no slice is no input"
    assert manifest["inputs"][0]["rows"] == 8
    rule = next(each for each in manifest["rules"] if each["id"] == "spend_by_team")
    assert (rule["version"], rule["origin"], len(rule["sha256"])) == (1, "shipped", 64)
    for each in manifest["files"]:
        assert hashlib.sha256((files.folder / each["name"]).read_bytes()).hexdigest() == each["sha256"]
    assert {each["name"] for each in manifest["files"]} == set(contents(files.folder)) - {"manifest.json"}
    assert "received" not in files.manifest.read_text(), "nothing depends on when it ran"


def test_the_manifest_names_mappings_templates_and_settings(two_weeks: Books, tmp_path: Path) -> None:
    for name, content in {
        "mappings/teams.csv": "team\nvision\n",
        "templates/weekly.html": "{{ report.title }}",
    }.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(content)
    options = Options(
        templates=tmp_path / "templates",
        mappings=tmp_path / "mappings",
        settings={"params": {"idle": {"window_days": 7}}},
    )
    manifest = json.loads(two_weeks.report(tmp_path / "out", options=options).manifest.read_text())
    assert manifest["mappings"] == [{"name": "teams.csv", "origin": "yours", "sha256": sha256("team\nvision\n")}]
    origins = {each["name"]: (each["origin"], each["sha256"]) for each in manifest["templates"]}
    assert origins["weekly.html"] == ("yours", sha256("{{ report.title }}"))
    assert origins["base.html"][0] == "shipped"
    assert manifest["configuration"]["settings"] == {"params": {"idle": {"window_days": 7}}}
    assert manifest["configuration"]["sha256"] == sha256('{"params": {"idle": {"window_days": 7}}}')


def test_a_manifest_says_how_many_rows_each_slice_has_but_a_teams_names_no_account(
    two_weeks: Books, tmp_path: Path
) -> None:
    landed = LandedFile("bill.csv", "ab" * 32, 123, "files/ab/x.csv")
    record = DeliveryRecord("load", "bill", "aws_cur", (landed,), "2026-10-26T04:00:00Z", "2026-10-26T05:00:00Z")
    files = two_weeks.report(tmp_path, inputs=[record], options=ONE_TEAM)
    company = json.loads(files.manifest.read_text())
    assert company["inputs"][0]["slices"] == [{"billing_account_id": "payer", "billing_period": "2026-10", "rows": 8}]
    assert company["inputs"][0]["delivered_at"] == "2026-10-26T04:00:00Z"
    team = json.loads((files.folder / "teams" / "vision" / "manifest.json").read_text())
    assert (team["team"]["id"], team["inputs"][0]["rows"], "slices" in team["inputs"][0]) == ("vision", 8, False)
    assert "settings" not in team["configuration"]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Present:
    """A report on disk, and what would be written now."""

    def __init__(self, books: Books, folder: Path) -> None:
        self.books, self.folder = books, folder
        for name in ("templates", "mappings"):
            (folder / name).mkdir()
        self.catalogue = Catalogue()
        self.options = replace(ONE_TEAM, templates=folder / "templates", mappings=folder / "mappings")
        self.said: dict[str, Any] = {"name": "weekly", "period": parse_period("last-week", TODAY), "today": TODAY}
        self.report = folder / "reports" / "weekly-2026-W43"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.books.con, self.catalogue, options=self.options, **self.said)

    def is_current(self) -> bool:
        return is_current(self.books.con, self.report, self.fingerprint)


@pytest.fixture
def present(two_weeks: Books, tmp_path: Path) -> Present:
    two_weeks.con.execute("INSERT INTO ops.stages SELECT unnest(['mappings', 'allocate', 'find']), 'first', now()")
    two_weeks.con.execute("INSERT INTO ops.sources VALUES ('bill', 'files', now(), 'current', '')")
    return Present(two_weeks, tmp_path)


OPTIONS: dict[str, Any] = {
    "the company's name": Options(brand=Brand(name="Acme")),
    "the bytes of the logo": Options(brand=Brand(logo="data:image/png;base64,AAAA")),
    "a colour": Options(brand=Brand(colours=(("vision", "#b3541e"),))),
    "whose reports": Options(teams=True),
    "a team's name": Options(known_teams=(Team("vision", "Vision"),)),
    "no workbook": Options(xlsx=False),
    "a byte order mark": Options(csv_bom=True),
    "a PDF": Options(pdf=True),
    "a parameter": Options(settings={"params": {"idle": {"window_days": 7}}}),
}
STATE = {
    "a load": "UPDATE ops.loads SET row_count = row_count + 1",
    "a delivery that was withdrawn": "UPDATE ops.loads SET status = 'superseded'",
    "a mapping or a frozen month": "UPDATE ops.stages SET fingerprint = 'second' WHERE stage = 'allocate'",
    "the journal of findings": "UPDATE ops.stages SET fingerprint = 'second' WHERE stage = 'find'",
    "a team": "INSERT INTO mapping.teams (team) VALUES ('vision')",
    "what a source said": "UPDATE ops.sources SET status = 'denied'",
    "a month that is missing": "INSERT INTO ops.holes (source_id, outcome) VALUES ('bill', 'missing')",
}
SAID = {"another report": {"name": "monthly"}, "another day": {"today": date(2026, 10, 27)},
        "another period": {"period": parse_period("2026-W42", TODAY)}}  # fmt: skip
FILES = {
    "a template": "templates/weekly.html",
    "a mail's template": "templates/mail/weekly.html",
    "a mapping file": "mappings/teams.csv",
    "a table of the user's": "mappings/own/table.csv",
}


@pytest.mark.parametrize("what", [*OPTIONS, *STATE, *SAID, *FILES])
def test_whatever_a_report_is_made_from_makes_it_a_new_one(present: Present, what: str) -> None:
    before = present.fingerprint
    assert present.fingerprint == before
    if what in OPTIONS:
        changed = {field: value for field, value in vars(OPTIONS[what]).items() if value != vars(Options())[field]}
        present.options = replace(present.options, **changed)
    elif what in STATE:
        present.books.con.execute(STATE[what])
    elif what in SAID:
        present.said |= SAID[what]
    else:
        (present.folder / FILES[what]).parent.mkdir(exist_ok=True)
        (present.folder / FILES[what]).write_text("team\n")
    assert present.fingerprint != before


def test_a_rule_of_the_users_makes_it_a_new_report(present: Present) -> None:
    before = present.fingerprint
    own = present.folder / "queries" / "analyses" / "spend_by_team.sql"
    own.parent.mkdir(parents=True)
    own.write_text(present.catalogue.get("spend_by_team").path.read_text() + "\n")
    present.catalogue = Catalogue(present.folder / "queries")
    assert present.fingerprint != before


def test_when_a_source_was_looked_at_again_is_no_change(present: Present) -> None:
    before = present.fingerprint
    present.books.con.execute("UPDATE ops.sources SET last_seen_at = TIMESTAMP '2027-01-01'")
    assert present.fingerprint == before


def test_a_report_is_current_while_every_file_of_it_is_as_written(present: Present) -> None:
    present.books.report(present.folder / "reports", options=present.options)
    assert not present.is_current(), "nobody has noted what it was made from"
    note(present.books.con, present.report, present.fingerprint)
    assert present.is_current()
    written = contents(present.report)
    for name in (
        "index.html",
        "teams/vision/index.html",
        "teams/vision/spend_change.csv",
        "teams/vision/manifest.json",
    ):
        (present.report / name).write_bytes(written[name] + b" ")
        assert not present.is_current(), name
        (present.report / name).unlink()
        assert not present.is_current(), name
        (present.report / name).write_bytes(written[name])
        assert present.is_current()
    (present.report / "notes.txt").write_text("what somebody puts there is theirs, until the report is written again")
    assert present.is_current()
    manifest = json.loads(written["manifest.json"])
    (present.report / "manifest.json").write_text(json.dumps({**manifest, "totals": []}))
    assert not present.is_current(), "the manifest itself was edited"


def test_freezing_a_month_and_what_was_found_before_make_new_reports(tmp_path: Path) -> None:
    """The fingerprints of the stages stand for files that are not in the warehouse."""
    con, catalogue = new_ledger([{"ResourceId": "r", "from": date(2026, 9, 3)}]), Catalogue(None, few_rules(tmp_path))
    frozen, findings = FrozenFiles(tmp_path / "frozen"), tmp_path / "findings" / "journal.jsonl"
    period = parse_period("2026-09", TODAY)

    def built() -> str:
        build(con, catalogue, None, TODAY, frozen_files=frozen.folder, findings_files=findings.parent)
        return fingerprint(con, catalogue, "weekly", period, TODAY, Options())

    first = built()
    assert built() == first
    freeze(con, frozen, date(2026, 9, 1), "finance", "booked")
    second = built()
    findings.parent.mkdir(exist_ok=True)
    line = dict.fromkeys(CHANGE) | {
        "date": "2026-10-01", "finding_id": "f", "rule_id": "rule", "rule_version": "1", "resource_id": "r", "state": "opened",
        "since": "2026-10-01", "found_on": "2026-10-01",
    }  # fmt: skip
    findings.write_text(json.dumps({key: "x" if value is None else value for key, value in line.items()} | {
        "monthly_cost": None, "monthly_saving": None}) + "\n")  # fmt: skip
    assert len({first, second, built()}) == 3


def test_what_a_killed_run_left_is_cleared_away(two_weeks: Books, tmp_path: Path) -> None:
    for name in (".weekly-2026-W43.123.new", ".weekly-2026-W43.123.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text("half")
    two_weeks.report(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["weekly-2026-W43"]
