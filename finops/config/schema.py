"""Everything that ``finops.toml`` may say, with its defaults. One class per section."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from finops.config.chargeback import Chargeback
from finops.config.mail import Mail, Notify, ReportName
from finops.config.section import Section
from finops.config.sources import AnySource


def _colour(text: str) -> str:
    if not re.fullmatch(r"(#[0-9a-fA-F]{6})?", text):
        raise ValueError(f"'{text}' is no colour: write #rrggbb, such as #2f6fb2")
    return text


Colour = Annotated[str, AfterValidator(_colour)]


class Company(Section):
    """Whose bills these are."""

    name: str = ""
    """Shown in the masthead of reports."""
    logo: Path | None = None
    """A picture for the masthead: SVG, PNG or JPEG, up to 200 kB. It becomes part of the page."""
    accent: Colour = ""
    """The colour of links and of the masthead's line: ``#1f4f8f``. It is darkened or lightened as far as it
    takes to be read on a light and on a dark page."""
    colours: dict[str, Colour] = {}
    """Colours of teams, in every chart: ``ml-research = "#b3541e"``. They go before those of ``mappings/teams.csv``; a team without
    gets its colour from its name."""


class Landing(Section):
    """Where delivered files are kept as they came."""

    path: Path = Path("landing")
    """The folder. Back it up: everything else can be made again from it."""


class Warehouse(Section):
    """The DuckDB file. It is derived: ``finops build --full`` makes it again from the landing folder."""

    path: Path = Path("finops.duckdb")
    """The file."""
    memory_limit: Annotated[str, Field(pattern=r"^\d+(\.\d+)? ?[KMG]i?B$")] = "3GB"
    """How much memory DuckDB may take before it uses the disk."""
    threads: Annotated[int, Field(ge=0)] = 0
    """0: as many as the machine has."""


class Paths(Section):
    """Your own files, on top of the shipped ones."""

    queries: Path = Path("queries")
    """SQL files: the same path as a shipped file replaces it, a new path adds one."""
    templates: Path = Path("templates")
    """Report templates, in the same way."""
    mappings: Path = Path("mappings")
    """CSV files that say which account, project or resource belongs to which team."""
    frozen: Path = Path("frozen")
    """What was booked of frozen months, and the journal of who froze and reopened them. Keep it under version control: it cannot be
    made again."""
    findings: Path = Path("findings")
    """The journal of findings: since when each is open, and when it was resolved. Keep it under version control: it cannot be made
    again."""
    outbox: Path = Path("outbox")
    """What was mailed to whom, in a journal: without it a report would be mailed again."""


class Reports(Section):
    """What ``finops report`` writes."""

    path: Path = Path("reports")
    """A folder per report and period is made in it."""
    names: Annotated[list[ReportName], Field(min_length=1)] = ["weekly"]
    """What ``finops run`` and ``finops report`` write: ``weekly``, ``monthly`` or both."""
    period: str = "last-week"
    """What the weekly report covers when nothing else is said."""
    monthly_period: str = "last-month"
    """The same for the monthly report."""
    teams: bool | list[str] = True
    """A report of its own for each team, beside the company's: all that have spend, the teams named, or none."""
    xlsx: bool = True
    """A workbook with a sheet per table."""
    csv_bom: bool = False
    """Begin CSV files with a byte order mark: Excel then reads them as UTF-8."""
    pdf: bool = False
    """Print each page to PDF too, with the Chromium on the path or the one that ``FINOPS_CHROMIUM`` names. Without one, reports go
    out without."""


class Run(Section):
    """What ``finops run`` leaves behind."""

    log: Path | None = Path("finops.log")
    """A readable log of every run, kept to some megabytes. ``false`` is none."""

    @field_validator("log", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value is False else value


class Metrics(Section):
    """Numbers for a monitoring system."""

    textfile: Path | None = None
    """An OpenMetrics file for node_exporter's textfile collector, such as ``/var/lib/node_exporter/textfile/finops.prom``: written
    whole at the end of every run."""


class Config(Section):
    """The whole file."""

    company: Company = Company()
    """Whose bills these are."""
    landing: Landing = Landing()
    """Delivered files."""
    warehouse: Warehouse = Warehouse()
    """The database."""
    paths: Paths = Paths()
    """Your own queries, mappings and templates."""
    reports: Reports = Reports()
    """What is written."""
    mail: Mail = Mail()
    """Who gets which report."""
    notify: Notify = Notify()
    """Who is told in a chat."""
    run: Run = Run()
    """The scheduled job."""
    metrics: Metrics = Metrics()
    """Monitoring."""
    chargeback: Chargeback = Chargeback()
    """Files for finance."""
    sources: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], AnySource] = {}
    """Where bills come from: a section per source, named as you like."""
    params: dict[str, dict[str, int | Decimal | str | dict[str, dict[str, int | Decimal | str]]]] = {}
    """Values for the parameters that rules declare: ``[params.always_on_notebook_instance] window_days = 7``. A findings rule
    takes other values for a team, ``[params.idle_endpoint.team.research]``, or an environment,
    ``[params.idle_endpoint.environment.dev]``.
    """
