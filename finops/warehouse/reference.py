"""The user's own tables, ``reference.*``: text cells, or a Parquet file as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from finops.formats.read import literal, quote
from finops.warehouse.connection import Connection, DatabaseError


def drop_tables(con: Connection) -> None:
    """Make the schema empty."""
    con.execute("CREATE SCHEMA IF NOT EXISTS reference")
    for (name,) in con.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'reference'").fetchall():
        con.execute(f"DROP TABLE reference.{quote(name)}")


def store_text(con: Connection, name: str, columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    """Make a table of text columns."""
    con.execute(f"CREATE TABLE reference.{quote(name)} ({', '.join(f'{quote(column)} VARCHAR' for column in columns)})")
    insert_text(con, f"reference.{quote(name)}", rows)


def store_parquet(con: Connection, name: str, path: Path) -> None:
    """Make a table of a Parquet file's rows, in the file's own types."""
    con.execute(f"CREATE TABLE reference.{quote(name)} AS FROM {_parquet(path)}")


def parquet_problem(con: Connection, path: Path) -> str:
    """Why a file cannot be read as Parquet; empty if it can."""
    try:
        con.execute(f"DESCRIBE FROM {_parquet(path)}").fetchall()
    except DatabaseError as error:
        return str(error).splitlines()[0]
    return ""


def insert_text(con: Connection, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows, cell by cell as text that DuckDB casts to the columns' types; None is NULL."""
    if not rows:
        return
    # one JSON text binds eighty times faster than lists
    cells = ", ".join(f"r[{number}]" for number in range(1, len(rows[0]) + 1))
    text = json.dumps([[None if cell is None else str(cell) for cell in row] for row in rows])
    con.execute(
        f"INSERT INTO {table} SELECT {cells} FROM (SELECT unnest(from_json(?, '[[\"VARCHAR\"]]')) AS r)", [text]
    )


def _parquet(path: Path) -> str:
    """SQL that reads one file, whatever characters its folder's name has."""
    exactly = re.sub(r"([\[*?])", r"[\1]", str(path))
    return f"read_parquet({literal(exactly)}, hive_partitioning = false)"
