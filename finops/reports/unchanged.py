"""Is a report on disk what would be written now? Then it need not be computed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from finops import __version__
from finops.periods import Period
from finops.reports.build import Options
from finops.resources import shipped_templates
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection


def fingerprint(
    con: Connection,
    catalogue: Catalogue,
    name: str,
    period: Period,
    today: date,
    options: Options,
) -> str:
    """A name for everything that a report is made from: the built ledger, sources, queries, templates, period, calendar."""
    parts: list[object] = [__version__, name, period.name, period.start, period.end, today, options]
    parts += con.execute(
        "SELECT stage, fingerprint FROM ops.stages WHERE stage NOT LIKE 'report %' ORDER BY 1"
    ).fetchall()
    parts += con.execute("SELECT * FROM mapping.teams ORDER BY team").fetchall()
    parts += con.execute("SELECT source_id, type, status, detail FROM ops.sources ORDER BY source_id").fetchall()
    parts += [query.digest for query in catalogue]
    parts += [_digest(path) for path in _templates(options.templates)]
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def is_current(con: Connection, folder: Path, made_from: str) -> bool:
    """Was the folder written from this, and is every file still as its manifest says?"""
    row = con.execute("SELECT fingerprint FROM ops.stages WHERE stage = ?", [_stage(folder)]).fetchone()
    manifest = folder / "manifest.json"
    if row is None or row[0] != made_from or not manifest.is_file():
        return False
    try:
        files = {each["name"]: each["sha256"] for each in json.loads(manifest.read_text())["files"]}
    except (json.JSONDecodeError, KeyError, TypeError):
        return False
    return all((folder / each).is_file() and _digest(folder / each) == digest for each, digest in files.items())


def note(con: Connection, folder: Path, made_from: str) -> None:
    """Remember what the folder was written from."""
    con.execute("INSERT OR REPLACE INTO ops.stages VALUES (?, ?, now()::TIMESTAMP)", [_stage(folder), made_from])


def _stage(folder: Path) -> str:
    return f"report {folder.resolve()}"


def _templates(overlay: Path | None) -> Iterable[Path]:
    for root in (shipped_templates(), overlay):
        if root and root.is_dir():
            yield from sorted(path for path in root.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
