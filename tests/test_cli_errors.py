"""Whatever goes wrong is one clear message and the documented exit code; a traceback only where -vv asks for it."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import duckdb
import pytest
from conftest import Workspace, focus_csv

from finops.cli.failures import known
from finops.errors import naming

SLOW = "SELECT count(*) FROM range(10000000) AS a, range(100000) AS b WHERE a.range * b.range % 7 = 3"


@pytest.fixture
def loaded(workspace: Workspace) -> Workspace:
    workspace.finops("load", workspace.write("bill.csv", focus_csv("1", "2")))
    return workspace


def process(workspace: Workspace, *args: str, **options: object) -> subprocess.Popen[str]:
    """``finops`` as a process that goes on while the test does something to it.

    A job in the background of a shell ignores Ctrl-C, and so do its children: here it counts.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "finops", *args], cwd=workspace.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **options,  # type: ignore[call-overload]
    )  # fmt: skip


@pytest.mark.parametrize("where", [["--format", "csv"], ["--output", "out.parquet"]])
def test_ctrl_c_in_a_query_is_130_and_a_sentence(loaded: Workspace, where: list[str]) -> None:
    running = process(loaded, "analyze", "--sql", SLOW, *where)
    time.sleep(2)
    running.send_signal(signal.SIGINT)
    try:
        _, err = running.communicate(timeout=30)
    finally:
        running.kill()
    assert running.returncode == 130
    assert err.strip() == "Stopped. What was finished is kept; run the command again to go on."


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("Query interrupted")])
def test_ctrl_c_anywhere_is_130(loaded: Workspace, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    result = _with_error(loaded, monkeypatch, error)
    assert result == (130, "Stopped. What was finished is kept; run the command again to go on.")


def test_a_reader_that_has_seen_enough_is_no_error(loaded: Workspace) -> None:
    """finops analyze … | head -1"""
    running = process(loaded, "analyze", "--sql", "FROM range(1000000)", "--format", "csv")
    assert running.stdout
    assert running.stderr
    assert running.stdout.readline() == "range\n"
    running.stdout.close()
    assert running.wait(timeout=30) == 0
    assert running.stderr.read() == ""


@pytest.mark.parametrize("args", [["--help"], ["queries", "list"], ["analyze", "--sql", "SELECT 1", "--format", "csv"]])
def test_a_reader_that_has_gone_before_the_first_line_is_no_error(loaded: Workspace, args: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [sys.executable, "-m", "finops", *args], cwd=loaded.folder, stdout=writing, stderr=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    os.close(writing)
    assert (result.returncode, result.stderr) == (0, "")


def test_work_goes_on_when_nobody_reads_the_talk(workspace: Workspace) -> None:
    """finops load bill.csv 2>&1 >/dev/null | head -0: the bill is loaded all the same."""
    workspace.write("bill.csv", focus_csv("1", "2"))
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [sys.executable, "-m", "finops", "load", "bill.csv"], cwd=workspace.folder, stderr=writing, check=False
    )
    os.close(writing)
    assert result.returncode == 0
    assert workspace.query("SELECT count(*) FROM ledger.charge") == [(2,)]


def test_output_below_a_file_names_the_path_and_the_way_out(loaded: Workspace) -> None:
    result = loaded.finops("analyze", "--sql", "SELECT 1", "--output", loaded.folder / "bill.csv" / "out.csv")
    assert result.exit_code == 2
    assert f"{loaded.folder / 'bill.csv'}" in result.err
    assert "a file" in result.err
    assert "Traceback" not in result.err


def test_landing_that_is_a_file_is_said_with_its_path(workspace: Workspace) -> None:
    workspace.write("landing", "no folder")
    result = workspace.finops("load", workspace.write("bill.csv", focus_csv("1")))
    assert result.exit_code == 2
    assert str(workspace.folder / "landing") in result.err
    assert "Traceback" not in result.err


def test_a_full_disk_is_said(loaded: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    code, err = _with_error(loaded, monkeypatch, OSError(28, "No space left on device", "/data/out.csv"))
    assert code == 2
    assert err.startswith("error: /data/out.csv: the disk is full\n  Make room")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_is_full_while_writing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, naming(tmp_path / "journal.jsonl"), Path("/dev/full").open("ab") as file:
        file.write(b"a line")
    assert str(known(caught.value)).startswith(f"{tmp_path / 'journal.jsonl'}: the disk is full")


def test_a_commit_without_room_is_no_fault_of_the_data_or_of_finops() -> None:
    said = 'TransactionContext Error: Failed to commit: Could not write file "/data/finops.duckdb.wal": No space left on device'
    assert str(known(duckdb.TransactionException(said))).startswith(
        "/data/finops.duckdb.wal: the disk is full\n  Make room"
    )


def test_a_configuration_that_is_not_utf8_is_said(workspace: Workspace) -> None:
    workspace.write("finops.toml", '[company]\nname = "Caf\xe9"\n'.encode("latin-1"))
    result = workspace.finops("build")
    assert result.exit_code == 2
    assert "finops.toml is not UTF-8 (byte 21)" in result.err


def test_a_query_file_that_is_not_utf8_is_said(loaded: Workspace) -> None:
    file = loaded.write("q.sql", "SELECT 'Caf\xe9'".encode("latin-1"))
    result = loaded.finops("analyze", "--file", file)
    assert result.exit_code == 2
    assert f"{file}: is not UTF-8" in result.err


def test_a_fault_of_ours_is_one_line_and_asks_for_a_report(loaded: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    code, err = _with_error(loaded, monkeypatch, ZeroDivisionError("division by zero"))
    assert code == 1
    assert err.startswith("error: internal error: ZeroDivisionError: division by zero\n")
    assert "fault of finops" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("flags", [["-vv"], ["-v", "-v"], ["-vvv"]])
def test_the_traceback_is_there_for_who_asks(
    loaded: Workspace, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    code, err = _with_error(loaded, monkeypatch, ZeroDivisionError("division by zero"), *flags)
    assert code == 1
    assert "Traceback (most recent call last)" in err


@pytest.mark.parametrize(
    ("flags", "no_color", "coloured"), [([], "", True), (["--no-color"], "", False), ([], "1", False)]
)
def test_no_color_holds_for_errors_too(
    loaded: Workspace, monkeypatch: pytest.MonkeyPatch, flags: list[str], no_color: str, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *args, **kwargs: False)  # as on a terminal
    monkeypatch.setattr("click._compat.should_strip_ansi", lambda *args, **kwargs: False)
    assert ("\x1b[" in loaded.finops(*flags, "analyze", "--sql", "SELECT").err) is coloured


@pytest.mark.parametrize(
    "name", ["a\\x", 'say "hi"', "tab\there", "two\nlines", "caf\xe9 \U0001f4b0", "del\x7f", "{name}"]
)
def test_a_folder_of_any_name_becomes_a_workspace(workspace: Workspace, name: str) -> None:
    folder = workspace.folder / name
    assert workspace.finops("init", folder).exit_code == 0
    assert tomllib.loads((folder / "finops.toml").read_text())["company"]["name"] == name
    assert workspace.finops("--config", folder / "finops.toml", "queries", "list").exit_code == 0


def test_the_example_patterns_match_what_they_are_examples_of(workspace: Workspace) -> None:
    """A pattern matches the whole id or name, not a part of it."""
    from finops.rules.catalogue import Catalogue
    from finops.rules.mappings import read_mappings, store_mappings
    from finops.warehouse.connection import connect

    home = workspace.folder / "acme"
    workspace.finops("init", "--example", home)
    con = connect(None)
    store_mappings(con, read_mappings(con, Catalogue(), home / "mappings"))
    for table, word in (("resources", "search-qa"), ("callers", "arn:aws:sts::111122223333:role/search-indexer")):
        (pattern,) = con.execute(f"SELECT pattern FROM mapping.{table}").fetchone() or ("",)
        assert con.execute("SELECT regexp_full_match(?, ?)", [word, pattern]).fetchone() == (True,)


@pytest.mark.parametrize("name", ["Prod", "-aws", "a b", "", "a\n"])
def test_a_sources_name_follows_the_rule_of_the_configuration(workspace: Workspace, name: str) -> None:
    result = workspace.finops("load", "--source", name, workspace.write("bill.csv", focus_csv("1")))
    assert result.exit_code == 2
    assert "small letters, digits, '-' and '_'" in result.err


SOURCES = "".join(f'[sources.{name}]\ntype = "files"\npath = "{name}"\n' for name in ("first", "gone", "last"))


def test_strict_stops_right_after_a_source_that_is_not_complete(workspace: Workspace) -> None:
    workspace.write("finops.toml", SOURCES)
    workspace.write("first/bill.csv", focus_csv("1"))
    workspace.write("last/bill.csv", focus_csv("2", account="B"))
    result = workspace.finops("collect", "--strict", "--json")
    assert result.exit_code == 3
    assert [(each["source"], each["outcome"]) for each in result.json()] == [("first", "complete"), ("gone", "missing")]
    assert "not collected: last" in result.err
    assert workspace.finops("collect").exit_code == 3
    assert workspace.query("SELECT DISTINCT source_id FROM ops.loads ORDER BY 1") == [("first",), ("last",)]


def test_strict_takes_an_empty_source_and_not_a_damaged_file(workspace: Workspace) -> None:
    workspace.write("finops.toml", SOURCES)
    (workspace.folder / "first").mkdir()
    assert workspace.finops("collect", "first", "--strict").exit_code == 0
    workspace.write("last/bill.csv", focus_csv("no number"))
    assert workspace.finops("collect", "last").exit_code == 4
    assert workspace.finops("collect", "last", "--strict").exit_code == 3


def test_a_dry_run_says_what_would_be_loaded_and_loads_nothing(workspace: Workspace) -> None:
    workspace.write("finops.toml", SOURCES)
    workspace.write("first/bill.csv", focus_csv("1"))
    result = workspace.finops("collect", "--dry-run", "--json")
    assert result.exit_code == 3, "one source is missing"
    first, gone, _ = result.json()
    assert first["would_load"][0]["files"] == ["bill.csv"]
    assert gone["problems"][0]["code"] == "source"
    assert "would load  bill.csv" in result.err
    assert sorted(path.name for path in workspace.folder.iterdir()) == ["finops.toml", "first"]


@pytest.mark.parametrize("command", ["run", "report"])
def test_a_delivery_that_cannot_be_read_again_shows_in_the_exit_code(workspace: Workspace, command: str) -> None:
    """The report is written all the same: it says what there is."""
    workspace.finops("load", workspace.write("bill.csv", focus_csv("1")))
    workspace.finops("load", workspace.write("other.csv", focus_csv("2", account="B")))
    (workspace.folder / "finops.duckdb").unlink()
    damaged = next(each for each in (workspace.folder / "landing").rglob("*") if each.is_file() and b",B," not in each.read_bytes()
                   and b"BillingAccountId" in each.read_bytes())  # fmt: skip
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes().replace(b"Usage,1,", b"Usage,x,"))
    result = workspace.finops("--today", "2026-10-05", command, "--period", "2026-09")
    assert result.exit_code == 4, result.err
    assert Path(result.out.splitlines()[-1]).is_file()


def _with_error(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: BaseException, *flags: str
) -> tuple[int, str]:
    def fail(*args: object, **kwargs: object) -> int:
        raise error

    monkeypatch.setattr(importlib.import_module("finops.cli.analyze"), "write", fail)
    result = workspace.finops(*flags, "analyze", "--sql", "SELECT 1", "--format", "csv")
    return result.exit_code, result.err.strip()
