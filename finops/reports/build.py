"""Writes a report's folder: the page, a CSV per table, the manifest; whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from finops.errors import UsageError
from finops.periods import Period
from finops.reports.contexts import WeeklyReport
from finops.reports.csv import to_csv
from finops.reports.html import render
from finops.reports.manifest import manifest, to_json
from finops.reports.weekly import compute_weekly
from finops.rules.catalogue import Catalogue
from finops.rules.header import nearest
from finops.warehouse.connection import Connection
from finops.warehouse.landing import DeliveryRecord

REPORTS = ("weekly",)
"""The reports that there are."""


@dataclass(frozen=True)
class ReportFiles:
    """A report on disk."""

    name: str
    folder: Path
    page: Path
    csv: tuple[Path, ...]
    manifest: Path
    report: WeeklyReport
    """What was computed: totals, warnings, whether it matches the bill."""


def write_report(
    con: Connection,
    catalogue: Catalogue,
    period: Period,
    today: date,
    output_dir: Path,
    templates_overlay: Path | None = None,
    inputs: Sequence[DeliveryRecord] = (),
    *,
    name: str = "weekly",
    title: str = "",
    organisation: str = "",
) -> ReportFiles:
    """Write ``output_dir/NAME-PERIOD/`` with ``index.html``, a CSV per query and ``manifest.json``.

    Files are written into a folder beside it, which then takes its place: nobody sees half a report. The same warehouse,
    queries, templates and ``today`` give the same bytes.

    Args:
        con: may be read-only.
        output_dir: the folder of all reports; made if it is not there.
        templates_overlay: the user's templates; see ``finops.reports.html``.
        inputs: the landing folder's deliveries, for the manifest.

    Raises:
        UsageError: there is no report of that name, or the target is in the way (not a report's folder).
        ConfigError: a template cannot be rendered. QueryFileError: a query does not run.
    """
    if name not in REPORTS:
        raise UsageError(
            f"there is no report '{name}'{nearest(name, list(REPORTS))}", next_step=f"There are: {', '.join(REPORTS)}."
        )
    report = compute_weekly(con, catalogue, period, today, title=title, organisation=organisation)
    files = {f"{each.query.id}.csv": to_csv(each.columns, each.rows).encode() for each in report.results}
    files["index.html"] = render(report, f"{name}.html", templates_overlay).encode()
    files["manifest.json"] = to_json(manifest(con, catalogue, name, report, inputs, files))
    folder = output_dir / f"{name}-{period.slug}"
    _write_folder(folder, files)
    tables = tuple(folder / each for each in sorted(files) if each.endswith(".csv"))
    return ReportFiles(name, folder, folder / "index.html", tables, folder / "manifest.json", report)


def _write_folder(folder: Path, files: dict[str, bytes]) -> None:
    if folder.exists() and not (folder / "manifest.json").is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "is in the way: finops did not write it", where=str(folder), next_step="Move it away, or give --output."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        fresh.mkdir()
        for name, content in sorted(files.items()):
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
