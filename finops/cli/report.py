"""``finops report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from finops.cli.app import App, pass_app
from finops.cli.journal import noted

if TYPE_CHECKING:
    from finops.warehouse.connection import Connection


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--period", metavar="P", help="2026-W43, 2026-10, last-week … Default: what finops.toml says, else last-week."
)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Default: reports/.")
@pass_app
def report(app: App, names: tuple[str, ...], period: str | None, output: Path | None) -> int:
    """Write the HTML and CSV report of a period, with a manifest of what it was made from.

    What has been loaded but not built yet is built first. The last line on stdout names the page.

    \b
    Example:
      finops report --period 2026-W43
    """
    from finops.cli.build import build_stages, finish_loading
    from finops.cli.load import exit_code

    with app.warehouse() as con, noted(app, con, "report") as entry:
        pending = finish_loading(app, con)
        build_stages(app, con)
        pages = write_reports(app, con, names, period, output)
        entry.exit_code = exit_code(pending)
    for page in pages:
        click.echo(page)
    return entry.exit_code


def write_reports(
    app: App, con: Connection, names: tuple[str, ...] = (), period: str | None = None, output: Path | None = None
) -> list[Path]:
    """Write the named reports, default the weekly one; the pages. One that would come out the same is left as it is.

    Raises:
        UsageError: a name or the period is none, or there is nothing to report on.
    """
    from finops.errors import UsageError
    from finops.periods import parse_period
    from finops.reports import unchanged
    from finops.reports.build import write_report
    from finops.warehouse.landing import Landing

    workspace = app.workspace
    settings = workspace.config
    parsed = parse_period(period or settings.reports.period, app.calendar)
    row = con.execute("SELECT count(*) FROM ledger.slice").fetchone()
    if not row or not row[0]:
        raise UsageError("the ledger is empty", next_step="Load a bill first: finops load FILE_OR_FOLDER.")
    folder, overlay = output or workspace.path(settings.reports.path), workspace.path(settings.paths.templates)
    pages = []
    for name in names or ("weekly",):
        target = folder / f"{name}-{parsed.slug}"
        made_from = unchanged.fingerprint(
            con, app.catalogue, name, parsed, app.calendar, overlay, settings.company.name
        )
        if unchanged.is_current(con, target, made_from):
            app.detail(f"{target.name} is up to date")
            pages.append(target / "index.html")
            continue
        inputs = Landing(workspace.landing).deliveries()
        files = write_report(
            con,
            app.catalogue,
            parsed,
            app.calendar,
            folder,
            overlay,
            inputs,
            name=name,
            organisation=settings.company.name,
        )
        unchanged.note(con, files.folder, made_from)
        pages.append(files.page)
    return pages
