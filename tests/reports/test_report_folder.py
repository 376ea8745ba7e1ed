"""The folder on disk: whole, the same every time, with a manifest that anyone can check."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from finops.errors import UsageError
from finops.warehouse.landing import DeliveryRecord, LandedFile
from reports.conftest import Books


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_two_runs_give_the_same_bytes(two_weeks: Books, tmp_path: Path) -> None:
    first = contents(two_weeks.report(tmp_path / "a").folder)
    two_weeks.con.execute("SET threads = 1")
    assert contents(two_weeks.report(tmp_path / "b").folder) == first
    assert {"index.html", "manifest.json", "spend_by_team.csv", "reconciliation.csv"} <= first.keys()


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
