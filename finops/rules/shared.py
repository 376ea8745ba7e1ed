"""What the rules of a layer share: the macros and tables of the files that begin with ``_``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date

from finops.errors import QueryFileError
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection, DatabaseError

FINDING_TABLES = (
    "resource",
    "alias",
    "resource_day",
    "account_day",
    "commitment_day",
    "activity_day",
    "monitoring",
    "windows",
    "activity_window",
)
"""``findings.*`` tables that the rules read, each made by ``queries/findings/_NAME.sql``."""

SHARED = {
    "classify": ("_macros.sql",),
    "allocate": ("_macros.sql",),
    "findings": ("_macros.sql", *(f"_{name}.sql" for name in FINDING_TABLES)),
}


def make_macros(con: Connection, catalogue: Catalogue, layer: str) -> None:
    """Run a layer's ``_macros.sql``."""
    path = catalogue.file(f"{layer}/_macros.sql")
    try:
        con.execute(path.read_text(encoding="utf-8"))
    except DatabaseError as error:
        raise QueryFileError(str(error).splitlines()[0], where=str(path)) from error


def make_finding_tables(
    con: Connection, catalogue: Catalogue, today: date, horizon_days: int, windows: Sequence[int] = (1,)
) -> None:
    """Make the tables that the findings rules read, for the last ``horizon_days`` before ``today``.

    Args:
        windows: for which activity is gathered, in days.
    """
    given = {"today": today, "horizon_days": horizon_days, "windows": list(windows)}
    for name in FINDING_TABLES:
        path = catalogue.file(f"findings/_{name}.sql")
        sql = path.read_text(encoding="utf-8")
        try:
            used = {
                key: value for key, value in given.items() if key in con.extract_statements(sql)[0].named_parameters
            }
            con.execute(f"CREATE OR REPLACE TABLE findings.{name} AS {sql}", used)
        except DatabaseError as error:
            raise QueryFileError(str(error).splitlines()[0], where=str(path)) from error


def layer_digest(catalogue: Catalogue, layer: str) -> str:
    """What a layer's result depends on: its queries and what they share, in their order."""
    shared = [catalogue.file(f"{layer}/{name}").read_text(encoding="utf-8") for name in SHARED.get(layer, ())]
    return digest([f"{query.order}:{query.id}:{query.digest}" for query in catalogue.layer(layer)] + shared)


def digest(parts: Iterable[object]) -> str:
    """One short name for many things."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()
