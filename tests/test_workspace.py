"""finops.toml: found, checked whole, and never printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from conftest import Workspace, focus_csv

Finops = Callable[..., "CompletedProcess[str]"]


def test_init_load_report_in_a_new_folder(tmp_path: Path, finops_process: Finops) -> None:
    """The five lines of the README."""
    (tmp_path / "bill.csv").write_text(focus_csv("10", "20.5"))
    assert finops_process("init", "acme", cwd=tmp_path).returncode == 0
    home = tmp_path / "acme"
    assert {"finops.env", "outbox/"} <= set((home / ".gitignore").read_text().split()), "secrets, and who gets mails"
    assert finops_process("load", "../bill.csv", cwd=home).returncode == 0
    report = finops_process("--today", "2026-10-05", "report", "--period", "2026-09", cwd=home)
    assert report.returncode == 0, report.stderr
    page = Path(report.stdout.splitlines()[-1])
    assert "30.50" in page.read_text()
    assert (page.parent / "manifest.json").is_file()
    assert finops_process("--today", "2026-10-05", "findings", cwd=home).returncode == 0


def test_init_never_touches_what_is_there(tmp_path: Path, finops_process: Finops) -> None:
    finops_process("init", ".", cwd=tmp_path)
    (tmp_path / "mappings" / "teams.csv").write_text("team\nmine\n")
    again = finops_process("init", ".", cwd=tmp_path)
    assert again.returncode == 2
    assert "is a workspace already" in again.stderr
    assert (tmp_path / "mappings" / "teams.csv").read_text() == "team\nmine\n"


def test_an_example_workspace_builds(tmp_path: Path, finops_process: Finops) -> None:
    (tmp_path / "bill.csv").write_text(focus_csv("1"))
    finops_process("init", "--example", ".", cwd=tmp_path)
    finops_process("load", "bill.csv", cwd=tmp_path)
    built = finops_process("build", cwd=tmp_path)
    assert built.returncode == 0, built.stderr


def test_the_workspace_is_found_upwards(tmp_path: Path, finops_process: Finops) -> None:
    finops_process("init", ".", cwd=tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "bill.csv").write_text(focus_csv("1"))
    assert finops_process("load", "../../bill.csv", cwd=tmp_path / "a" / "b").returncode == 0
    assert (tmp_path / "finops.duckdb").is_file()


def test_outside_of_a_workspace_the_message_says_how_to_make_one(tmp_path: Path, finops_process: Finops) -> None:
    result = finops_process("load", ".", cwd=tmp_path)
    assert result.returncode == 2
    assert "there is no finops.toml" in result.stderr
    assert "finops init" in result.stderr


WRONG = """\
[warehous]
path = "x"

[warehouse]
memory_limit = "a lot"
secret_thing = "hunter2"

[sources.aws]
type = "flies"
path = "exports"

[sources."Bad Name"]
type = "files"
path = "ftp://bucket/x"
"""


def test_every_problem_is_reported_at_once_with_its_line_and_the_nearest_key(workspace: Workspace) -> None:
    workspace.write("finops.toml", WRONG)
    result = workspace.finops("load", workspace.folder)
    assert result.exit_code == 2
    for expected in (
        "line 1, warehous: unknown key; did you mean 'warehouse'?",
        "line 5, warehouse.memory_limit",
        "line 6, warehouse.secret_thing: unknown key",
        "line 9, sources.aws.type",
        "must be a local folder",
    ):
        assert expected in result.err
    assert "hunter2" not in result.err, "values may be secrets"


@pytest.mark.parametrize("key", ["api_key", "apikey"])
def test_a_secret_that_was_written_into_the_file_is_not_repeated(workspace: Workspace, key: str) -> None:
    """Not even by the traceback that -vv prints."""
    workspace.write("finops.toml", f'[sources.vendor]\ntype = "openai"\n{key} = "sk-admin-0123456789"\n')
    result = workspace.finops("-vv", "collect")
    assert result.exit_code == 2
    assert f"sources.vendor.{key}" in result.err
    assert "Traceback" in result.err
    assert "0123456789" not in result.err + result.out


def test_toml_that_is_none_is_said_with_its_line(workspace: Workspace) -> None:
    workspace.write("finops.toml", "[company\n")
    result = workspace.finops("build")
    assert result.exit_code == 2
    assert "is not TOML" in result.err


@pytest.mark.parametrize(("typed", "meant"), [("laod", "load"), ("analyse", "analyze"), ("finding", "findings")])
def test_a_mistyped_command_names_the_right_one(workspace: Workspace, typed: str, meant: str) -> None:
    result = workspace.finops(typed)
    assert result.exit_code == 2
    assert f"Did you mean '{meant}'?" in result.err


def test_a_source_that_is_missing_is_exit_3_and_the_others_go_on(workspace: Workspace) -> None:
    workspace.write("here/bill.csv", focus_csv("5"))
    workspace.write(
        "finops.toml", '[sources.gone]\ntype = "files"\npath = "gone"\n[sources.here]\ntype = "files"\npath = "here"\n'
    )
    result = workspace.finops("--today", "2026-10-05", "run", "--period", "2026-09")
    assert result.exit_code == 3
    assert "gone does not exist" in result.err
    assert workspace.query("SELECT source_id, status FROM ops.sources ORDER BY 1") == [
        ("gone", "missing"),
        ("here", "complete"),
    ]
    page = Path(result.out.splitlines()[-1]).read_text()
    assert "gone" in page, "the report shows the hole"


def test_every_command_that_may_change_the_ledger_is_noted(workspace: Workspace) -> None:
    bill = workspace.write("bill.csv", focus_csv("1"))
    workspace.finops("load", bill)
    workspace.finops("load", workspace.write("bad.csv", "city,population\nBonn,300000\n"))
    workspace.finops("--today", "2026-10-05", "build")
    workspace.finops("--today", "2026-10-05", "report", "--period", "2026-09")
    runs = workspace.query("SELECT command, outcome, today::VARCHAR FROM ops.runs ORDER BY started_at")
    assert [run[:2] for run in runs] == [
        ("load", "complete"),
        ("load", "incomplete"),
        ("build", "complete"),
        ("report", "complete"),
    ]
    assert runs[-1][2] == "2026-10-05"


def test_a_stopped_run_is_noted(workspace: Workspace) -> None:
    """An empty ledger is no report."""
    result = workspace.finops("run")
    assert result.exit_code == 2
    assert "the ledger is empty" in result.err
    assert workspace.query("SELECT outcome FROM ops.runs") == [("failed",)]


def test_a_bill_without_a_currency_is_reported_apart(workspace: Workspace) -> None:
    """It is never added to another, and says what it lacks."""
    workspace.finops("load", workspace.write("usd.csv", focus_csv("10", account="A")))
    workspace.finops("load", workspace.write("none.csv", focus_csv("5", account="B").replace(",USD,", ",,")))
    result = workspace.finops("--today", "2026-10-05", "report", "--period", "2026-09")
    assert result.exit_code == 0, result.err
    page = Path(result.out.splitlines()[-1]).read_text()
    assert "(no currency)" in page
    assert "15.00" not in page


def test_no_analysis_loses_the_charges_that_name_no_currency(workspace: Workspace) -> None:
    """NULL equals nothing in a join: such money was once missing from every breakdown."""
    for month, costs in (("2026-08", ["1"]), ("2026-09", ["5", "2.5"])):  # a change needs a month before it
        workspace.finops(
            "load", workspace.write(f"none-{month}.csv", focus_csv(*costs, month=month).replace(",USD,", ",,"))
        )
    workspace.finops("--today", "2026-10-05", "build")
    for query in (
        "spend_by_account",
        "spend_by_service",
        "spend_by_team",
        "spend_by_workload_kind",
        "top_resources",
        "spend_change",
        "untagged_spend",
    ):
        rows = workspace.finops(
            "--today", "2026-10-05", "analyze", query, "--period", "2026-09", "--format", "json"
        ).json()
        assert sum(row["EffectiveCost"] for row in rows) == 7.5, query
