"""``finops run``."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops import __version__
from finops.cli.app import App, pass_app
from finops.cli.journal import STOPPED, noted
from finops.cli.jsontext import dumps
from finops.errors import FinopsError, MailError, WarehouseBusyError

if TYPE_CHECKING:
    from finops.cli.runmetrics import Metrics
    from finops.cli.send import Sent
    from finops.delivery.notify import Told
    from finops.pipeline.build import StageReport
    from finops.pipeline.collecting import SourceReport
    from finops.warehouse.connection import Connection


@dataclass
class Done:
    """What a run did."""

    run_id: str = ""
    outcome: str = ""
    exit_code: int = 0
    sources: Sequence[SourceReport] = ()
    stages: Sequence[StageReport] = ()
    pages: list[Path] = field(default_factory=list)
    mails: Sent | None = None
    told: list[Told] = field(default_factory=list)


@click.command()
@click.option("--period", metavar="P", help="What the report covers. Default: what finops.toml says, else last-week.")
@click.option("--no-send", is_flag=True, help="Mail nothing, and tell no chat.")
@click.option(
    "--wait", type=click.IntRange(0), default=0, metavar="SECONDS",
    help="How long to wait for another run, or for whoever reads the warehouse. Default: not at all.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@pass_app
def run(app: App, period: str | None, no_send: bool, wait: int, as_json: bool) -> int:
    """The scheduled job: collect, build, report, send. Safe to run again.

    A source that fails does not stop the rest: the exit code is 3 (or 4 for bad input) and the report says what is missing. Where a
    mail or a chat's server did not take it on, it is 5, whatever the sources did. A report that would come out the same is not
    written again, and nobody gets it twice. The last line on stdout names the report's page. 'finops schedule' prints a
    schedule for it.
    """
    done = _alone(app, period, no_send, time.monotonic() + wait)
    if as_json:
        click.echo(dumps(_as_data(done)))
    else:
        for line in (*(done.mails.lines if done.mails else ()), *done.pages):
            click.echo(line)
    return done.exit_code


def _alone(app: App, period: str | None, no_send: bool, deadline: float) -> Done:
    """Under the lock, with a log."""
    from finops.cli.runlock import only_run
    from finops.cli.runlog import logged

    log = app.workspace.config.run.log
    path = app.workspace.path(log) if log else None
    with ExitStack() as stack:
        stack.enter_context(_terminable())
        try:
            stack.enter_context(only_run(app, deadline))
        except WarehouseBusyError as error:
            with logged(app, path, rotate=False):
                app.note("error", str(error))
            raise
        stack.enter_context(logged(app, path))
        return _accounted(app, period, no_send, deadline)


class Terminated(KeyboardInterrupt):
    """SIGTERM. No plain KeyboardInterrupt: after one that went through ``exec``, Python ends by SIGINT, even if it was caught."""


def _terminate(number: int, frame: object) -> None:
    raise Terminated


@contextmanager
def _terminable() -> Iterator[None]:
    """``kill``, systemd and Kubernetes ask for an end by SIGTERM: it is as Ctrl-C, so that the end is noted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _accounted(app: App, period: str | None, no_send: bool, deadline: float) -> Done:
    """Do it; log when it began and how it ended, and leave the metrics, whatever happens."""
    from finops.cli.failures import is_interrupt, known

    started = time.monotonic()
    textfile = app.workspace.config.metrics.textfile
    metrics = _metrics() if textfile else None
    exit_code = STOPPED
    app.note(
        "info",
        f"start: finops {__version__}, period {period or 'as configured'}, today {app.calendar}, {app.workspace.folder}",
    )
    try:
        done = _work(app, period, no_send, deadline, metrics)
        exit_code = done.exit_code
    except Exception as error:
        if not is_interrupt(error):
            exit_code = known(error).exit_code
            app.note("error", str(known(error)))
        raise
    finally:
        seconds = time.monotonic() - started
        if metrics and textfile:
            with _harmless(app, "the metrics cannot be written"):
                path = app.workspace.path(textfile)
                metrics.run(path, datetime.now(tz=UTC), seconds, exit_code)
                metrics.write(path)
        app.note(
            "info", f"end: exit code {exit_code}{' (stopped)' if exit_code == STOPPED else ''} after {seconds:.1f} s"
        )
    return done


def _work(app: App, period: str | None, no_send: bool, deadline: float, metrics: Metrics | None) -> Done:
    from finops.cli.build import build_stages
    from finops.cli.collect import collect_sources, exit_code
    from finops.cli.report import write_reports
    from finops.cli.runlock import free_warehouse

    done = Done()
    with free_warehouse(app, deadline) as con:
        try:
            with noted(app, con, "run") as entry:
                done.sources = collect_sources(app, con)
                done.stages = build_stages(app, con).stages
                done.pages = write_reports(app, con, (), period)
                folders = [page.parent for page in done.pages]
                _note_totals(app, folders)
                failed = False if no_send else _deliver(app, folders, done)
                entry.exit_code = done.exit_code = MailError.exit_code if failed else exit_code(done.sources)
        finally:
            if metrics:
                _measure(app, con, metrics, done)
    done.run_id, done.outcome = entry.run_id, entry.outcome
    return done


def _note_totals(app: App, folders: Sequence[Path]) -> None:
    for folder in folders:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        totals = ", ".join(
            f"{each['currency'] or 'no currency'} {each['effective_cost'] or 'unknown'}" for each in manifest["totals"]
        )
        app.note("info", f"report {folder.name}: effective cost {totals or 'none'}")
        for warning in manifest["warnings"]:
            app.note("warning", f"report {folder.name}: {warning}")


def _deliver(app: App, folders: Sequence[Path], done: Done) -> bool:
    """Mail the reports, then tell the chats. Did anything of it fail?"""
    from finops.cli.failures import known
    from finops.cli.send import send_reports
    from finops.delivery.notify import notify

    try:
        done.mails = send_reports(app, folders)
        for line in done.mails.lines:
            app.note("info", line)
        failed = done.mails.exit_code != 0
    except (FinopsError, OSError) as error:
        app.error(known(error))
        failed = True
    workspace = app.workspace
    done.told = notify(
        workspace.config.notify, workspace.folder, workspace.path(workspace.config.paths.outbox), folders
    )
    for each in done.told:
        if each.outcome == "failed":
            app.error(MailError(f"{each.report} was not told: {each.what}", where=each.place, next_step=each.next_step))
            failed = True
        else:
            app.detail(f"{each.report}: {each.outcome} to {each.place}")
    return failed


def _metrics() -> Metrics:
    from finops.cli.runmetrics import Metrics

    return Metrics()


def _measure(app: App, con: Connection, metrics: Metrics, done: Done) -> None:
    with _harmless(app, "some metrics are missing"):
        metrics.ledger(con, app.catalogue, app.calendar)
        metrics.reports(page.parent for page in done.pages)
        if done.mails:
            metrics.mails([str(each["outcome"]) for each in done.mails.data])


@contextmanager
def _harmless(app: App, what: str) -> Iterator[None]:
    """Whatever goes wrong in the block is a warning: a run that has done its work has not failed for want of a number about it."""
    from finops.cli.failures import known

    try:
        yield
    except Exception as error:
        app.warn(f"{what}: {known(error)}")


def _as_data(done: Done) -> dict[str, Any]:
    from finops.cli.collect import as_data

    return {
        "run_id": done.run_id,
        "outcome": done.outcome,
        "exit_code": done.exit_code,
        "sources": [as_data(each) for each in done.sources],
        "stages": [{"stage": s.stage, "status": s.status, "rows": s.rows} for s in done.stages],
        "reports": [str(page) for page in done.pages],
        "mails": done.mails.data if done.mails else [],
        "notified": [vars(each) for each in done.told],
    }
