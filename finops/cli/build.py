"""``finops build``."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import click

from finops.cli.app import App, pass_app
from finops.cli.journal import noted
from finops.cli.jsontext import dumps
from finops.errors import BadInputError

if TYPE_CHECKING:
    from finops.pipeline.build import BuildReport
    from finops.pipeline.loading import LoadReport
    from finops.warehouse.connection import Connection


@click.command()
@click.option("--full", is_flag=True, help="Make everything again from the landing folder.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@pass_app
def build(app: App, full: bool, as_json: bool) -> int:
    """Classify, allocate, find, check: what changed, or all.

    Deliveries that are in the landing folder but not in the ledger (after an interrupted run, or because a mapping changed) are
    loaded first. What has not changed since the last build is left alone.
    """
    with _full_warehouse(app) if full else app.warehouse() as con, noted(app, con, "build") as entry:
        loads = finish_loading(app, con)
        if full and loads.problems:
            raise BadInputError(
                f"the ledger was not made again: {len(loads.problems)} of the landed deliveries cannot be read",
                next_step="The present ledger stays as it is. Mend what is said above, then run it again.",
            )
        report = build_stages(app, con, full=full)
        entry.exit_code = max((problem.exit_code for problem in loads.problems), default=0)
    if as_json:
        click.echo(dumps(as_data(report, loads)))
    return entry.exit_code


def _full_warehouse(app: App) -> AbstractContextManager[Connection]:
    from finops.warehouse.rebuild import beside

    settings = app.workspace.config.warehouse
    return beside(app.workspace.warehouse, memory_limit=settings.memory_limit, threads=settings.threads)


def finish_loading(app: App, con: Connection) -> LoadReport:
    """Load what landing has and the ledger lacks."""
    from finops.cli.load import tell
    from finops.pipeline.loading import Loader
    from finops.warehouse.landing import Landing

    report = Loader(con, Landing(app.workspace.landing), app.catalogue, app.now).load_pending()
    tell(app, report)
    return report


def build_stages(app: App, con: Connection, *, full: bool = False) -> BuildReport:
    """Run the stages, telling what they did.

    Raises:
        CheckFailedError: a stop-grade check failed.
    """
    from finops.pipeline.build import build as run_build

    workspace = app.workspace
    report = run_build(
        con,
        app.catalogue,
        workspace.path(workspace.config.paths.mappings),
        app.calendar,
        full=full,
        params=workspace.config.params,
        frozen_files=workspace.path(workspace.config.paths.frozen),
        findings_files=workspace.path(workspace.config.paths.findings),
    )
    for stage in report.stages:
        if stage.status == "unchanged":
            app.detail(f"{stage.stage:<9} unchanged")
        else:
            app.say(f"{stage.stage:<9} {stage.rows:,} {_RESULT[stage.stage]} in {stage.seconds:.1f} s")
    ids: dict[str, list[str]] = {}
    for rule, _, note in (each.partition(": ") for each in report.notes):
        ids.setdefault(note, []).append(rule)
    for note, rules in ids.items():
        app.detail(f"note: {', '.join(rules)}: {note}")
    for note in report.exception_notes:
        app.say(f"note: {note}")
    for check in report.checks:
        if not check.passed:
            app.warn(f"{check.title}: {check.detail}")
    return report


def as_data(report: BuildReport, loads: LoadReport) -> dict[str, object]:
    """The outcome for machines."""
    from finops.cli.load import as_data as loads_as_data

    return {
        **loads_as_data(loads),
        "stages": [
            {
                "stage": s.stage,
                "status": s.status,
                "rows": s.rows,
                "seconds": round(s.seconds, 3),
                "rules": [vars(rule) for rule in s.rules],
            }
            for s in report.stages
        ],
        "exception_notes": report.exception_notes,
        "checks": [vars(check) for check in report.checks],
    }


_RESULT = {
    "mappings": "teams read",
    "classify": "kinds of charges classified",
    "allocate": "kinds of charges have a team",
    "find": "findings",
    "check": "checks",
}
