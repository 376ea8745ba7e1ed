"""finops queries: the SQL, shown, checked, taken over."""

from __future__ import annotations

from pathlib import Path

import duckdb
from conftest import Workspace, focus_csv


def test_list_names_every_file_and_whose_it_is(workspace: Workspace) -> None:
    out = workspace.finops("queries", "list", "allocate").out
    assert "team_tag" in out
    assert "shipped" in out


def test_show_bound_runs_in_any_client(workspace: Workspace) -> None:
    workspace.finops("load", workspace.write("bill.csv", focus_csv("1.5")))
    workspace.finops("--today", "2026-09-15", "build")
    sql = workspace.finops("--today", "2026-09-08", "queries", "show", "spend_by_team", "--bound").out
    assert "$" not in sql
    con = duckdb.connect(str(workspace.folder / "finops.duckdb"), read_only=True)
    assert len(con.execute(sql).fetchall()) == 1


def test_a_copy_replaces_the_shipped_file(workspace: Workspace) -> None:
    copied = Path(workspace.finops("queries", "copy", "spend_by_team").out.strip())
    assert copied == workspace.folder / "queries" / "analyses" / "spend_by_team.sql"
    assert "yours, replaces v1" in workspace.finops("queries", "list", "analyses").out
    assert workspace.finops("queries", "copy", "spend_by_team").exit_code == 2


def test_check_passes_on_what_is_shipped(workspace: Workspace) -> None:
    result = workspace.finops("queries", "check")
    assert result.exit_code == 0, result.err
    assert "queries keep their contracts" in result.err


def test_check_finds_every_mistake_at_once(workspace: Workspace) -> None:
    workspace.write(
        "queries/allocate/mine.sql",
        "/*\nid: mine\ntitel: Mine\nversion: 1\nowner: me\nwhy: because\norder: 5\nmethod: direct\n*/\nSELECT 1 AS x_DimensionId",
    )
    workspace.write("queries/findings/other.sql", "SELECT 1")
    result = workspace.finops("queries", "check")
    assert result.exit_code == 2
    assert "mine.sql" in result.err and "other.sql" in result.err
    assert "unknown key 'titel'" in result.err and "did you mean 'title'?" in result.err
    assert "has no header comment" in result.err
