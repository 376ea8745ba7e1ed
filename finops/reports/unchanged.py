"""Is a report on disk what would be written now? Then it need not be computed again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from finops import __version__
from finops.errors import UsageError
from finops.periods import Period
from finops.reports.build import Options
from finops.reports.manifest import NAME, digest, digests, verify
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
    """A name for everything that a report is made from: the built ledger, sources, queries, templates, period, calendar.

    The stages' own fingerprints stand for what was loaded, for rules, parameters, mappings, frozen months and the journal of
    findings; ``options`` for what ``finops.toml`` says, with the bytes of the logo. That a source which lacked something still
    lacks it is no change.
    """
    parts: list[object] = [__version__, name, period.name, period.start, period.end, today, options]
    for state in (
        "SELECT stage, fingerprint FROM ops.stages WHERE stage NOT LIKE 'report %' ORDER BY 1",
        "FROM mapping.teams ORDER BY team",
        "SELECT * EXCLUDE (last_seen_at) FROM ops.sources ORDER BY ALL",
        "SELECT * EXCLUDE (last_seen_at) FROM ops.holes ORDER BY ALL",
        "SELECT load_id, slice_id, status, row_count, delivered_at, grade FROM ops.loads ORDER BY ALL",
    ):
        parts += con.execute(state).fetchall()
    parts += [query.digest for query in catalogue]
    parts += digests({"shipped": shipped_templates(), "yours": options.templates})
    parts += digests({"yours": options.mappings}, "*.csv")
    return digest("\n".join(map(str, parts)).encode("utf-8", "surrogatepass"))


def is_current(con: Connection, folder: Path, made_from: str) -> bool:
    """Was the folder written from this, and are its manifest and every file that it names, teams' too, as written?"""
    row = con.execute("SELECT fingerprint FROM ops.stages WHERE stage = ?", [_stage(folder)]).fetchone()
    if row is None:
        return False
    try:
        found = verify(folder)
    except UsageError:
        return False
    return not (found.changed or found.missing) and row[0] == _noted(made_from, found.manifest)


def note(con: Connection, folder: Path, made_from: str) -> None:
    """Remember what the folder was written from."""
    noted = _noted(made_from, digest((folder / NAME).read_bytes()))
    con.execute("INSERT OR REPLACE INTO ops.stages VALUES (?, ?, now()::TIMESTAMP)", [_stage(folder), noted])


def _noted(made_from: str, manifest: str) -> str:
    return f"{made_from} {manifest}"


def _stage(folder: Path) -> str:
    return f"report {folder.resolve()}"
