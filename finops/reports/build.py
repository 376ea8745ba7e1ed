"""Writes a report's folder: the page, a CSV per table, a workbook, a mail's body, the manifest; whole or not at all."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from finops.errors import UsageError, naming
from finops.periods import Period
from finops.reports.compute import TITLES, compute_report
from finops.reports.contexts import Brand, Report
from finops.reports.csv import to_csv
from finops.reports.html import render
from finops.reports.mail import mail_files
from finops.reports.manifest import made_from, manifest, to_json
from finops.reports.pdf import PrintError, print_page
from finops.reports.slugs import slugs
from finops.reports.xlsx import to_xlsx
from finops.rules.catalogue import Catalogue
from finops.rules.header import nearest
from finops.warehouse.connection import Connection
from finops.warehouse.landing import DeliveryRecord
from finops.warehouse.scope import looking_through

REPORTS = tuple(TITLES)
"""The reports that there are."""


@dataclass(frozen=True)
class Team:
    """Whose report is to be written, beside the company's."""

    id: str
    name: str = ""
    owner: str = ""
    """Who answers for it: an address, if ``mappings/teams.csv`` gives one."""


@dataclass(frozen=True)
class Options:
    """What a workspace says about how its reports look."""

    brand: Brand = field(default_factory=Brand)
    templates: Path | None = None
    """The user's own, on top of ours."""
    teams: bool | tuple[str, ...] = False
    """Who gets a report of their own: all that have spend, these, or nobody."""
    known_teams: tuple[Team, ...] = ()
    """What is known of teams."""
    xlsx: bool = True
    csv_bom: bool = False
    pdf: bool = False
    """Print each page too; there is a Chromium."""
    mappings: Path | None = None
    """The folder of ``teams.csv`` and the others, for the manifest."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What of ``finops.toml`` decides what a report says, for the manifest: JSON, no secrets, no paths."""


@dataclass(frozen=True)
class ReportFiles:
    """A report on disk."""

    name: str
    folder: Path
    page: Path
    csv: tuple[Path, ...]
    manifest: Path
    report: Report
    """What was computed: totals, warnings, whether it matches the bill."""
    teams: dict[str, Path] = field(default_factory=dict)
    """Each team's page."""
    problems: tuple[str, ...] = ()
    """Pages that could not be printed; the rest of the report is there."""


def write_report(
    con: Connection,
    catalogue: Catalogue,
    period: Period,
    today: date,
    output_dir: Path,
    inputs: Sequence[DeliveryRecord] = (),
    *,
    name: str = "weekly",
    options: Options = Options(),
    as_of: datetime | None = None,
) -> ReportFiles:
    """Write ``output_dir/NAME-PERIOD/``: ``index.html``, CSV files, a workbook, a mail's body and ``manifest.json``.

    Each team's is a folder in it, ``teams/TEAM/``, with the same kinds of files and a manifest of its own. Files are written into
    a folder beside it, which then takes its place: nobody sees half a report. The same warehouse, queries, templates and ``today``
    give the same bytes.

    Args:
        con: may be read-only.
        output_dir: the folder of all reports; made if it is not there.
        inputs: the landing folder's deliveries, for the manifest.
        as_of: UTC: the warehouse holds what had landed by then. The folder is named after it too.

    Raises:
        UsageError: there is no report of that name, or the target is in the way (not a report's folder).
        ConfigError: a template cannot be rendered. QueryFileError: a query does not run.
    """
    if name not in REPORTS:
        raise UsageError(
            f"there is no report '{name}'{nearest(name, list(REPORTS))}", next_step=f"There are: {', '.join(REPORTS)}."
        )
    origins = made_from(con, catalogue, inputs, options.templates, options.mappings, options.settings)
    files: dict[str, bytes] = {}
    places: dict[str, str] = {}
    problems: list[str] = []
    written: list[tuple[str, Team, Report, Future[dict[str, bytes]]]] = []
    # a team's files are written while the next one's questions are answered
    with looking_through(con) as lens, ThreadPoolExecutor(1) as writer:
        lens.add_up([period.previous().start, period.start, period.end])
        company = compute_report(con, catalogue, period, today, name=name, brand=options.brand, as_of=as_of, lens=lens)
        for team in _teams(company, options):
            lens.narrow(team.id)
            report = compute_report(
                con, catalogue, period, today, name=name, brand=options.brand, company=company, team=team.id,
                team_name=team.name, as_of=as_of, lens=lens,
            )  # fmt: skip
            place = f"teams/{slugs([team.id])[team.id]}"
            written.append((place, team, report, writer.submit(_files, report, options, problems)))
            places[team.id] = place
    for place, team, report, made in written:
        mine = made.result()
        mine["manifest.json"] = to_json(manifest(report, company, origins, mine, team.owner))
        files |= {f"{place}/{each}": content for each, content in mine.items()}
    files |= _files(company, options, problems)
    files["manifest.json"] = to_json(manifest(company, company, origins, files))
    folder = output_dir / company.slug
    _write_folder(folder, files)
    tables = tuple(folder / each for each in sorted(files) if each.endswith(".csv") and "/" not in each)
    pages = {team: folder / place / "index.html" for team, place in places.items()}
    page = folder / "index.html"
    return ReportFiles(name, folder, page, tables, folder / "manifest.json", company, pages, tuple(problems))


def _teams(company: Report, options: Options) -> list[Team]:
    """Those that get a report of their own, by name."""
    known = {team.id: team for team in options.known_teams}
    named = options.teams
    if isinstance(named, bool):
        spent = next(each for each in company.results if each.query.id == "spend_by_team")
        named = (
            tuple(str(row["Team"]) for row in spent.records() if row["Team"] != "unallocated") if options.teams else ()
        )
    return [known.get(each, Team(each)) for each in sorted(set(named))]


def _files(report: Report, options: Options, problems: list[str]) -> dict[str, bytes]:
    """Everything of one report but its manifest. What went wrong with its PDF is appended to ``problems``."""
    bom = "\ufeff" if options.csv_bom else ""
    files = {f"{each.query.id}.csv": (bom + to_csv(each.columns, each.rows)).encode() for each in report.results}
    page = render(report, f"{report.name}.html", options.templates)
    files["index.html"] = page.encode()
    if options.xlsx:
        files[f"{report.slug}.xlsx"] = to_xlsx(report)
    if options.pdf and not problems:
        try:
            files[f"{report.slug}.pdf"] = print_page(page, report.today)
        except PrintError as error:
            problems.append(str(error))
    return files | mail_files(report, options.templates, sorted(files))


def _write_folder(folder: Path, files: dict[str, bytes]) -> None:
    if folder.exists() and not (folder / "manifest.json").is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "is in the way: finops did not write it", where=str(folder), next_step="Move it away, or give --output."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*.*"):  # by a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        fresh.mkdir()
        for name, content in sorted(files.items()):
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            with naming(folder / name):
                (fresh / name).write_bytes(content)
        if folder.exists():
            folder.rename(old)
        try:
            fresh.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
