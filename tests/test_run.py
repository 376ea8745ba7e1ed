"""``finops run``, the scheduled job: alone, noted, logged, measured, and told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from conftest import Made, Workspace, focus_csv
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from finops.cli import runlog
from finops.cli.app import App
from finops.cli.runlock import lock_file
from finops.cli.runmetrics import Metrics
from finops.config.mail import Notify
from finops.delivery.notify import notify

CONFIG = """
[company]
name = "Test"
[reports]
teams = false
[metrics]
textfile = "finops.prom"
[sources.bills]
type = "files"
path = "bills"
"""
MONDAY = ("--today", "2026-10-05")
WEEK = "weekly-2026-W40"
EMPTY = "the ledger is empty"
"""What a run ends with that has nothing to report on: the shortest there is."""


def with_bills(workspace: Workspace, config: str = CONFIG) -> Workspace:
    workspace.write("finops.toml", config)
    bill = workspace.write("bills/bill.csv", focus_csv(*["1.5"] * 30))
    os.utime(bill, (1_790_000_000, 1_790_000_000))
    return workspace


@pytest.fixture
def ready(workspace: Workspace) -> Workspace:
    """A workspace with a bill, before its first run."""
    return with_bills(workspace)


@pytest.fixture
def done(ready: Workspace, made: Made) -> Workspace:
    """The same after its first run."""
    made(ready, "weekly run", lambda: ready.finops(*MONDAY, "run"))
    return ready


def log_of(workspace: Workspace) -> list[str]:
    return (workspace.folder / "finops.log").read_text().splitlines()


def metrics_of(workspace: Workspace) -> dict[tuple[str, ...], float]:
    """By name and labels' values; what both of the formats' parsers read."""
    text = (workspace.folder / "finops.prom").read_text()
    read = [
        {(sample.name, *sample.labels.values()): sample.value for family in parse(text) for sample in family.samples}
        for parse in (open_metrics, prometheus_text)
    ]
    assert read[0] == read[1]
    assert all(sample.timestamp is None for family in open_metrics(text) for sample in family.samples)
    return read[0]


def files_of(workspace: Workspace) -> dict[str, bytes]:
    folder = workspace.folder / "reports" / WEEK
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_leaves_a_record_a_log_and_metrics(done: Workspace) -> None:
    [record] = done.query(
        "SELECT command, today::VARCHAR, finished_at >= started_at, tool_version, outcome, exit_code, detail FROM ops.runs"
    )
    assert record == ("run", "2026-10-05", True, "0.1.0", "complete", 0, "")

    first, *_, last = log = log_of(done)
    assert "INFO    start: finops 0.1.0, period as configured, today 2026-10-05" in first
    assert "INFO    end: exit code 0 after" in last
    assert all(line.startswith("20") and line[10] == "T" and line[19] == "Z" for line in log if line[0] != " ")
    text = "\n".join(log)
    assert "INFO    bills: complete, 1 new, 0 unchanged" in text
    assert "USD 45.00 billed" in text
    assert "INFO    allocate  " in text
    assert "INFO    report weekly-2026-W40: effective cost USD 4.5" in text
    assert "bills has no charges after 30 September" in text

    metrics = metrics_of(done)
    assert metrics["finops_spend", "USD", "2026-W40", "weekly"] == 4.5
    assert metrics["finops_difference", "USD"] == 0
    assert metrics["finops_waste_monthly", "USD"] == 0
    assert metrics["finops_run_exit_code",] == 0
    assert metrics["finops_run_last_success_timestamp_seconds",] == metrics["finops_run_last_timestamp_seconds",]
    assert metrics["finops_source_status", "complete", "bills"] == 1
    assert metrics["finops_source_data_age_days", "bills"] == 5
    assert metrics["finops_checks_failed", "stop"] == 0
    textfile = done.folder / "finops.prom"
    assert stat.S_IMODE(textfile.stat().st_mode) == 0o644, "node_exporter is another user"
    assert not list(done.folder.glob(".finops.prom*"))


def test_a_run_that_lacks_a_source_says_so_everywhere_and_a_second_one_writes_nothing_again(done: Workspace) -> None:
    succeeded = metrics_of(done)["finops_run_last_success_timestamp_seconds",]
    shutil.rmtree(done.folder / "bills")
    done.write("finops.toml", CONFIG + '[notify]\nurls = ["env:NOBODY_HAS_SET_THIS"]\n')
    assert done.finops(*MONDAY, "run", "--no-send").exit_code == 3
    assert done.query("SELECT outcome, exit_code FROM ops.runs ORDER BY started_at")[-1] == ("incomplete", 3)
    metrics = metrics_of(done)
    assert metrics["finops_run_exit_code",] == 3
    assert metrics["finops_source_status", "missing", "bills"] == 1
    assert metrics["finops_run_last_success_timestamp_seconds",] == succeeded, "that was no success"
    assert any(" ERROR   source bills: " in line for line in log_of(done))

    before = {path: path.stat().st_mtime_ns for path in (done.folder / "reports").rglob("*")}
    again = done.finops(*MONDAY, "run", "--no-send", "--json").json()
    assert (again["exit_code"], again["outcome"]) == (3, "incomplete")
    assert {path: path.stat().st_mtime_ns for path in (done.folder / "reports").rglob("*")} == before


def test_a_run_that_fails_leaves_all_of_it_too(workspace: Workspace) -> None:
    workspace.write("finops.toml", '[metrics]\ntextfile = "finops.prom"\n')
    result = workspace.finops("run")
    assert result.exit_code == 2
    assert workspace.query("SELECT outcome, exit_code, detail FROM ops.runs") == [
        ("failed", 2, "the ledger is empty\n  Load a bill first: finops load FILE_OR_FOLDER.")
    ]
    assert "ERROR   the ledger is empty" in "\n".join(log_of(workspace))
    assert "INFO    end: exit code 2 after" in log_of(workspace)[-1]
    metrics = metrics_of(workspace)
    assert metrics["finops_run_exit_code",] == 2
    assert not any(name.startswith(("finops_spend", "finops_run_last_success")) for name, *_ in metrics)


def test_where_the_warehouse_cannot_be_opened_the_log_and_the_metrics_say_so(done: Workspace) -> None:
    (done.folder / "finops.duckdb").write_text("no database")
    assert done.finops(*MONDAY, "run").exit_code == 2
    assert any("ERROR" in line and "cannot be opened" in line for line in log_of(done))
    metrics = metrics_of(done)
    assert metrics["finops_run_exit_code",] == 2
    assert ("finops_spend", "USD", "2026-W40", "weekly") not in metrics
    assert metrics["finops_run_last_success_timestamp_seconds",] > 0


HOLD = """
import sys, time
from pathlib import Path
from finops.cli.app import App
from finops.cli.runlock import only_run
with only_run(App(config=Path(sys.argv[1])), 0):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(workspace: Workspace) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(workspace.folder / "finops.toml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_two_runs_at_once_are_one_and_a_crash_leaves_no_lock(
    workspace: Workspace, holder: subprocess.Popen[str]
) -> None:
    second = workspace.finops("run")
    assert second.exit_code == 2
    assert f"another 'finops run' is at work (PID {holder.pid}, since 20" in second.err
    assert any("ERROR" in line and f"PID {holder.pid}" in line for line in log_of(workspace))
    assert not (workspace.folder / "finops.duckdb").exists()

    threading.Timer(0.3, holder.kill).start()
    third = workspace.finops("run", "--wait", "60")
    assert "waiting up to 60 s" in third.err
    assert EMPTY in third.err, "it has begun"
    assert lock_file(workspace.folder / "finops.duckdb").exists(), "the file tells nothing: the lock does"


def test_a_run_can_wait_for_a_reader_of_the_warehouse(workspace: Workspace) -> None:
    workspace.finops("run")
    reader = subprocess.Popen(
        [sys.executable, "-c", f"import duckdb,time; c=duckdb.connect({str(workspace.folder / 'finops.duckdb')!r}, read_only=True); print('up', flush=True); time.sleep(0.3)"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    with reader:
        assert reader.stdout
        assert reader.stdout.readline()
        result = workspace.finops("run", "--wait", "60")
    assert f"in use by another process (PID {reader.pid}); waiting" in result.err
    assert EMPTY in result.err


def test_killed_in_the_middle_the_next_run_gives_the_same_report(
    done: Workspace, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    again = with_bills(Workspace(tmp_path_factory.mktemp("killed"), capsys))
    run = start(again)
    wait_for(again, "check  ")
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert again.query("SELECT outcome, exit_code FROM ops.runs") == [("running", None)]

    assert again.finops(*MONDAY, "run").exit_code == 0
    assert files_of(again) == files_of(done)


def test_a_run_that_is_asked_to_end_notes_that_it_was_stopped(ready: Workspace) -> None:
    run = start(ready)
    wait_for(ready, "bills: complete")
    run.send_signal(signal.SIGTERM)
    assert run.wait() == 130
    assert ready.query("SELECT outcome, exit_code FROM ops.runs") == [("stopped", 130)]
    assert metrics_of(ready)["finops_run_exit_code",] == 130
    assert "end: exit code 130 (stopped)" in log_of(ready)[-1]


def start(workspace: Workspace) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "finops", *MONDAY, "run"]
    return subprocess.Popen(command, cwd=workspace.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(workspace: Workspace, text: str) -> None:
    log, deadline = workspace.folder / "finops.log", time.monotonic() + 30
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < deadline, f"{text!r} was not logged"
        time.sleep(0.02)


@pytest.mark.parametrize("log", ["a-folder", "finops.toml/finops.log"])
def test_a_log_that_cannot_be_written_is_no_reason_to_fail(
    workspace: Workspace, log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.folder / "a-folder").mkdir()
    with runlog.logged(App(), workspace.folder / log):
        pass
    assert f"{log} cannot be written" in capsys.readouterr().err


def test_a_full_disk_ends_the_log_and_not_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "finops.log").symlink_to("/dev/full")  # it opens, and no byte of it can be written
    app = App()
    with runlog.logged(app, tmp_path / "finops.log"):
        app.say("one")
        app.say("two")
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_the_log_is_begun_anew_when_it_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runlog, "MOST_BYTES", 150)
    app = App(quiet=True)
    with runlog.logged(app, tmp_path / "finops.log"):
        for number in range(20):
            app.say(f"line {number}")
    assert len(list(tmp_path.glob("finops.log*"))) == 1 + runlog.KEPT
    assert "line 19" in (tmp_path / "finops.log").read_text()


def test_a_log_that_is_not_wanted_is_not_written(workspace: Workspace) -> None:
    workspace.write("finops.toml", '[run]\nlog = false\n[metrics]\ntextfile = "finops.toml/finops.prom"\n')
    result = workspace.finops("run")
    assert "the metrics cannot be written" in result.err
    assert EMPTY in result.err, "and that is no reason to fail either"
    assert not (workspace.folder / "finops.log").exists()


def test_mail_that_cannot_be_noted_is_exit_5_and_the_report_is_there(done: Workspace) -> None:
    mail = """[mail]
from = "finops@example.com"
smtp = { host = "localhost", port = 9, security = "none" }
recipients = [{ to = ["cfo@example.com"] }]
"""
    done.write("finops.toml", CONFIG + mail)
    done.write("outbox", "no folder")
    result = done.finops(*MONDAY, "run")
    assert (result.exit_code, Path(result.out.splitlines()[-1]).parent.name) == (5, WEEK)
    assert f"error: {done.folder / 'outbox'}: file exists" in result.err


def test_nothing_in_a_text_looks_like_a_line_of_the_log(tmp_path: Path) -> None:
    app = App(quiet=True)
    with runlog.logged(app, tmp_path / "finops.log"):
        app.say("team a\n2026-10-05T06:00:00Z INFO    end: exit code 0\r\x1b[2J\ud800")
    first, second = (tmp_path / "finops.log").read_text().splitlines()
    assert first.endswith("INFO    team a")
    assert second == "    2026-10-05T06:00:00Z INFO    end: exit code 0\\x0d\\x1b[2J\\ud800"


def test_names_from_outside_are_harmless_in_metrics(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    odd = 'a"b\\c\nfinops_spend 1'
    manifest = {
        "report": "weekly", "period": {"name": "2026-W40"},
        "totals": [{"currency": odd, "effective_cost": "12.50"}, {"currency": "EUR", "effective_cost": ""}],
        "reconciliation": [{"currency": "USD", "difference": "-0.01"}, {"currency": "EUR", "difference": None}],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    metrics = Metrics()
    metrics.reports([folder])
    samples = [sample for family in open_metrics(metrics.text().decode()) for sample in family.samples]
    assert [(each.name, each.labels["currency"], each.value) for each in samples] == [
        ("finops_spend", odd, 12.5), ("finops_difference", "USD", -0.01),
    ], "what is unknown is not there"  # fmt: skip


class Hook:
    """A web hook on this machine, which answers with ``status`` and keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"json://someone:pa55-of-the-tests@127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    hook = Hook()
    monkeypatch.setenv("FINOPS_HOOK", hook.url)
    yield hook
    hook.close()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report's folder, as far as a chat is concerned."""
    folder = tmp_path / WEEK
    (folder / "mail").mkdir(parents=True)
    letter = {"subject": "USD 4.50", "summary": "Up by <!channel>\n@everyone", "report": "weekly", "period": "2026-W40"}
    (folder / "mail" / "mail.json").write_text(json.dumps(letter))
    return folder


def tell(report: Path, *reports: str) -> tuple[str, str, str]:
    settings = Notify.model_validate({"urls": ["env:FINOPS_HOOK"], "reports": reports or ["weekly"]})
    told = notify(settings, report.parent, report.parent / "outbox", [report])
    return (told[0].outcome, told[0].what, told[0].next_step) if told else ("", "", "")


def test_a_chat_is_told_once_of_a_report_and_nothing_in_it_calls_people(hook: Hook, report: Path) -> None:
    assert tell(report)[0] == "sent"
    assert tell(report)[0] == "already sent"
    [told] = hook.told
    assert told["title"] == "USD 4.50"
    assert told["message"] == "Up by <\u2060!channel>\n@\u2060everyone", "a word joiner: it reads the same"
    assert tell(report, "monthly") == ("", "", "")


def test_a_chat_that_was_not_told_is_told_the_next_time(hook: Hook, report: Path) -> None:
    hook.status = 500
    outcome, what, _ = tell(report)
    assert outcome == "failed"
    assert "500" in what
    assert "pa55-of-the-tests" not in what
    hook.status = 200
    assert tell(report)[0] == "sent"


def test_what_is_missing_to_tell_a_chat_is_said(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tell(report)[1] == "the environment variable FINOPS_HOOK is not set"
    monkeypatch.setenv("FINOPS_HOOK", "no address of-the-tests")
    outcome, what, next_step = tell(report)
    assert (outcome, what) == ("failed", "the address is none that Apprise knows")
    assert "of-the-tests" not in what + next_step
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert tell(report)[2] == "pip install 'finops-ledger[notify]'"


def test_a_run_tells_the_chat_and_what_failed_there_is_exit_5_even_where_a_source_is_missing(
    done: Workspace, hook: Hook
) -> None:
    done.write("finops.toml", CONFIG + '[notify]\nurls = ["env:FINOPS_HOOK"]\n')
    shutil.rmtree(done.folder / "bills")
    hook.status = 500
    failed = done.finops(*MONDAY, "run")
    assert failed.exit_code == 5
    assert f"env:FINOPS_HOOK: {WEEK} was not told" in failed.err
    assert failed.out.splitlines()[-1].endswith("index.html"), "the report is there all the same"
    assert "bills: missing" in failed.err
    assert "pa55-of-the-tests" not in failed.err + "\n".join(log_of(done))

    hook.status = 200
    assert done.finops(*MONDAY, "run").exit_code == 3
    assert len(hook.told) == 2
    letter = json.loads((done.folder / "reports" / WEEK / "mail" / "mail.json").read_text())
    assert hook.told[-1]["title"] == letter["subject"]
    assert (done.folder / "outbox" / "notified.jsonl").exists()
