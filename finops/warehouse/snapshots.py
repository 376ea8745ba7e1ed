"""Parquet files that outlive the warehouse: written whole or not at all, named by what is in them, read back by their digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from finops.errors import FrozenMonthError
from finops.warehouse.connection import Connection, DatabaseError

_RESTORE = "Bring the file back (git checkout, or a backup); or give the month up: finops allocate reopen"


@dataclass(frozen=True)
class Snapshot:
    """A file of booked rows."""

    path: Path
    digest: str
    """SHA-256 of its bytes."""


def write_snapshot(con: Connection, relation: str, folder: Path, name: str, notes: Mapping[str, str]) -> Snapshot:
    """Write a relation (``FROM …``, ordered) as ``folder/NAME-DIGEST.parquet``. A file is never changed: other rows, other name.

    Args:
        notes: stored in the file's own metadata.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.{os.getpid()}.partial"
    listed = ", ".join(f"{key}: {_text(value)}" for key, value in notes.items())
    try:
        con.execute(
            f"COPY ({relation}) TO {_text(str(partial))} (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{listed}}})"
        )
        digest = file_digest(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        path = folder / f"{name}-{digest[:12]}.parquet"
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return Snapshot(path, digest)


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_snapshot(con: Connection, snapshot: Snapshot, month: str) -> dict[str, str]:
    """The notes of a file that is there, whole, and the one that was written.

    Raises:
        FrozenMonthError: it is none of that.
    """
    where = str(snapshot.path)
    try:
        found = file_digest(snapshot.path)
    except FileNotFoundError as error:
        raise FrozenMonthError(
            f"{month} is frozen, but the file with its allocation is not there",
            where=where,
            next_step=f"{_RESTORE} {month} --reason TEXT",
        ) from error
    except OSError as error:
        raise FrozenMonthError(
            f"{month} is frozen, but the file with its allocation cannot be read: {error.strerror}",
            where=where,
            next_step="Give the user who runs finops the right to read it.",
        ) from error
    if found != snapshot.digest:
        raise FrozenMonthError(
            f"{month} is frozen, but the file is not the one that was written: its SHA-256 is {found[:12]}…, "
            f"the journal says {snapshot.digest[:12]}…",
            where=where,
            next_step=f"{_RESTORE} {month} --reason TEXT",
        )
    try:
        rows = con.execute(
            "SELECT decode(key), decode(value) FROM parquet_kv_metadata(?)", [str(snapshot.path)]
        ).fetchall()
    except DatabaseError as error:
        raise FrozenMonthError(
            f"{month} is frozen, but the file is no Parquet file: {str(error).splitlines()[0]}",
            where=where,
            next_step=f"{_RESTORE} {month} --reason TEXT",
        ) from error
    return {str(key): str(value) for key, value in rows}


def read_snapshot(con: Connection, snapshot: Snapshot, table: str) -> None:
    """Its rows as a temporary table."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM read_parquet(?)", [str(snapshot.path)])


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
