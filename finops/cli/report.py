"""``finops report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from finops.cli.app import App, pass_app

if TYPE_CHECKING:
    from finops.reports.build import ReportFiles
    from finops.warehouse.connection import Connection


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--period", metavar="P", help="2026-W43, 2026-10, last-week … Default: what finops.toml says, else last-week."
)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Default: reports/.")
@pass_app
def report(app: App, names: tuple[str, ...], period: str | None, output: Path | None) -> None:
    """Write the HTML and CSV report of a period, with a manifest of what it was made from.

    What has been loaded but not built yet is built first. The last line on stdout names the page.

    \b
    Example:
      finops report --period 2026-W43
    """
    from finops.cli.build import build_stages, finish_loading

    with app.warehouse() as con:
        finish_loading(app, con)
        build_stages(app, con)
        for files in write_reports(app, con, names, period, output):
            click.echo(files.page)


def write_reports(
    app: App, con: Connection, names: tuple[str, ...] = (), period: str | None = None, output: Path | None = None
) -> list[ReportFiles]:
    """Write the named reports, default the weekly one.

    Raises:
        UsageError: a name or the period is none, or there is nothing to report on.
    """
    from finops.errors import UsageError
    from finops.periods import parse_period
    from finops.reports.build import write_report
    from finops.warehouse.landing import Landing

    workspace = app.workspace
    parsed = parse_period(period or workspace.config.reports.period, app.calendar)
    row = con.execute("SELECT count(*) FROM ledger.charge").fetchone()
    if not row or not row[0]:
        raise UsageError("the ledger is empty", next_step="Load a bill first: finops load FILE_OR_FOLDER.")
    return [
        write_report(
            con,
            app.catalogue,
            parsed,
            app.calendar,
            output or workspace.path(workspace.config.reports.path),
            workspace.path(workspace.config.paths.templates),
            Landing(workspace.landing).deliveries(),
            name=name,
            organisation=workspace.config.company.name,
        )
        for name in names or ("weekly",)
    ]
