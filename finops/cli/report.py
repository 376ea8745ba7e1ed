"""``finops report``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.journal import noted

if TYPE_CHECKING:
    from finops.config.schema import Config
    from finops.periods import Period
    from finops.reports.build import Options
    from finops.warehouse.connection import Connection


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--period", metavar="P", help="2026-W43, 2026-10, last-week … Default: what finops.toml says, else last-week."
)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Default: reports/.")
@click.option(
    "--as-of", metavar="TIME", help="From what had landed by then: 2026-10-20 (its end, UTC) or 2026-10-20T06:00Z."
)
@click.option(
    "--verify", type=click.Path(path_type=Path), metavar="DIR", help="Write nothing: are a report's files as written?"
)
@click.option("--pdf", is_flag=True, help="Print each page to PDF too, with Chromium; as [reports] pdf = true does.")
@pass_app
def report(
    app: App,
    names: tuple[str, ...],
    period: str | None,
    output: Path | None,
    as_of: str | None,
    verify: Path | None,
    pdf: bool,
) -> int:
    """Write the HTML and CSV report of a period, with a manifest of what it was made from.

    What has been loaded but not built yet is built first. The last line on stdout names the page.

    \b
    Examples:
      finops report --period 2026-W43
      finops report --period 2026-W43 --as-of 2026-10-27T06:00Z
      finops report --verify reports/weekly-2026-W43
    """
    from finops.cli.build import build_stages, finish_loading
    from finops.cli.load import exit_code

    if verify:
        return _verify(app, verify)
    if as_of is not None:
        for page in _write_as_of(app, as_of, names, period, output, pdf):
            click.echo(page)
        return 0
    with app.warehouse() as con, noted(app, con, "report") as entry:
        pending = finish_loading(app, con)
        build_stages(app, con)
        pages = write_reports(app, con, names, period, output, pdf)
        entry.exit_code = exit_code(pending)
    for page in pages:
        click.echo(page)
    return entry.exit_code


def _verify(app: App, folder: Path) -> int:
    """Say which files of a report are not as its manifest says."""
    from finops.errors import ReportChangedError
    from finops.reports.manifest import verify

    found = verify(folder)
    lists = {"changed": found.changed, "missing": found.missing, "extra": found.extra}
    for what, names in lists.items():
        for name in names:
            click.echo(f"{what:<8} {name}")
    if not found.as_written:
        raise ReportChangedError(
            ", ".join(f"{len(names)} {what}" for what, names in lists.items() if names)
            + f" of {found.files} files in manifest.json",
            where=str(folder),
            next_step="Write the report again, with the same --period, --today and --as-of, and compare.",
        )
    app.say(f"{folder}: all {found.files} files are as manifest.json says, whose SHA-256 is {found.manifest}")
    return 0


def _write_as_of(
    app: App, text: str, names: Sequence[str], period: str | None, output: Path | None, pdf: bool
) -> list[Path]:
    """Write reports from what had landed by a time. The warehouse is left alone: there may be none, or a run at work in it."""
    from finops.pipeline.as_of import Place, parse_as_of, warehouse_as_of
    from finops.reports.build import write_report

    workspace = app.workspace
    config = workspace.config
    at = parse_as_of(text, app.now)
    today = app.today or at.date()
    wanted = _wanted(app, names, period, today)
    place = Place(
        workspace.warehouse,
        workspace.landing,
        mappings=workspace.path(config.paths.mappings),
        frozen=workspace.path(config.paths.frozen),
        findings=workspace.path(config.paths.findings),
        memory_limit=config.warehouse.memory_limit,
        threads=config.warehouse.threads,
    )
    app.say(f"making a warehouse of what had landed by {at:%Y-%m-%dT%H:%M:%SZ}")
    with warehouse_as_of(place, app.catalogue, at, today, config.params) as (con, landing, built):
        for check in built.checks:
            if not check.passed:
                app.warn(f"{check.title}: {check.detail}")
        options, inputs = _options(app, con, pdf), landing.deliveries()
        folder = output or workspace.path(config.reports.path)
        written = [
            write_report(con, app.catalogue, parsed, today, folder, inputs, name=name, options=options, as_of=at)
            for name, parsed in wanted
        ]
    for problem in (problem for each in written for problem in each.problems):
        app.warn(problem)
    return [each.page for each in written]


def write_reports(
    app: App,
    con: Connection,
    names: tuple[str, ...] = (),
    period: str | None = None,
    output: Path | None = None,
    pdf: bool = False,
) -> list[Path]:
    """Write the named reports, default the weekly one; the pages. One that would come out the same is left as it is.

    Args:
        pdf: print the pages too, whatever finops.toml says.

    Raises:
        UsageError: a name or the period is none, or there is nothing to report on.
    """
    from finops.errors import UsageError
    from finops.reports import unchanged
    from finops.reports.build import write_report
    from finops.warehouse.landing import Landing

    workspace = app.workspace
    row = con.execute("SELECT count(*) FROM ledger.slice").fetchone()
    if not row or not row[0]:
        raise UsageError("the ledger is empty", next_step="Load a bill first: finops load FILE_OR_FOLDER.")
    folder, options = output or workspace.path(workspace.config.reports.path), _options(app, con, pdf)
    pages = []
    for name, parsed in _wanted(app, names, period, app.calendar):
        target = folder / f"{name}-{parsed.slug}"
        made_from = unchanged.fingerprint(con, app.catalogue, name, parsed, app.calendar, options)
        if unchanged.is_current(con, target, made_from):
            app.detail(f"{target.name} is up to date")
            pages.append(target / "index.html")
            continue
        inputs = Landing(workspace.landing).deliveries()
        files = write_report(con, app.catalogue, parsed, app.calendar, folder, inputs, name=name, options=options)
        for problem in files.problems:
            app.warn(problem)
        if not files.problems:
            unchanged.note(con, files.folder, made_from)
        pages.append(files.page)
    return pages


def _wanted(app: App, names: Sequence[str], period: str | None, today: date) -> list[tuple[str, Period]]:
    """The reports to write, and what each covers."""
    from finops.periods import parse_period

    settings = app.workspace.config.reports
    usual = {"monthly": settings.monthly_period}
    return [(name, parse_period(period or usual.get(name, settings.period), today)) for name in names or settings.names]


def _options(app: App, con: Connection, pdf: bool) -> Options:
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
        pdf=(pdf or config.reports.pdf) and _can_print(app),
        mappings=app.workspace.path(config.paths.mappings),
        settings=_settings(config, logo),
    )


def _can_print(app: App) -> bool:
    """Is there a Chromium? Without one, reports go out without PDF, and it is said."""
    from finops.reports.pdf import PrintError, find_browser

    try:
        find_browser()
    except PrintError as problem:
        app.warn(f"no PDF: {problem}")
        return False
    return True


def _settings(config: Config, logo: Path | None) -> dict[str, Any]:
    """What of ``finops.toml`` decides what a report says. No section with a secret is among them, and no path."""
    from finops.reports.manifest import digest

    company = config.company.model_dump(mode="json", exclude={"logo"})
    company["logo_sha256"] = digest(logo.read_bytes()) if logo else None
    reports = config.reports.model_dump(mode="json", exclude={"path", "names", "period", "monthly_period"})
    return {
        "company": company,
        "reports": reports,
        "params": config.model_dump(mode="json", include={"params"})["params"],
    }
