"""``finops report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from finops.cli.app import App, pass_app
from finops.cli.journal import noted

if TYPE_CHECKING:
    from finops.reports.build import Options
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
    settings = workspace.config.reports
    row = con.execute("SELECT count(*) FROM ledger.slice").fetchone()
    if not row or not row[0]:
        raise UsageError("the ledger is empty", next_step="Load a bill first: finops load FILE_OR_FOLDER.")
    folder, options = output or workspace.path(settings.path), _options(app, con)
    pages = []
    for name in names or settings.names:
        usual = settings.monthly_period if name == "monthly" else settings.period
        parsed = parse_period(period or usual, app.calendar)
        target = folder / f"{name}-{parsed.slug}"
        made_from = unchanged.fingerprint(con, app.catalogue, name, parsed, app.calendar, options)
        if unchanged.is_current(con, target, made_from):
            app.detail(f"{target.name} is up to date")
            pages.append(target / "index.html")
            continue
        inputs = Landing(workspace.landing).deliveries()
        files = write_report(con, app.catalogue, parsed, app.calendar, folder, inputs, name=name, options=options)
        unchanged.note(con, files.folder, made_from)
        pages.append(files.page)
    return pages


def _options(app: App, con: Connection) -> Options:
    """How the workspace wants its reports."""
    from finops.reports.branding import brand
    from finops.reports.build import Options, Team

    config = app.workspace.config
    rows = con.execute("SELECT team, name, owner, colour FROM mapping.teams ORDER BY team").fetchall()
    logo = app.workspace.path(config.company.logo) if config.company.logo else None
    colours = {team: colour for team, _, _, colour in rows if colour} | config.company.colours
    return Options(
        brand=brand(config.company.name, logo, config.company.accent, colours),
        templates=app.workspace.path(config.paths.templates),
        teams=config.reports.teams if isinstance(config.reports.teams, bool) else tuple(config.reports.teams),
        known_teams=tuple(Team(team, name or "", owner or "") for team, name, owner, _ in rows),
        xlsx=config.reports.xlsx,
        csv_bom=config.reports.csv_bom,
        pdf=config.reports.pdf,
    )
