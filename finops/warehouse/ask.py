"""Ad hoc questions: read-only, no files, no network, one statement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from finops.errors import FinopsError, UsageError
from finops.warehouse.connection import Connection, connect

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Answer:
    """A result: names, DuckDB types and the rows, which are read as they are asked for."""

    columns: Sequence[str]
    types: Sequence[str]
    rows: Iterator[Row]


def sandbox(path: Path, memory_limit: str, threads: int) -> Connection:
    """A connection that can do nothing but read the warehouse: no files, no extensions, no settings.

    Raises:
        FinopsError: there is no warehouse yet.
    """
    if not path.is_file():
        raise FinopsError(
            "there is no warehouse yet", where=str(path), next_step="Load a bill first: finops load FILE_OR_FOLDER."
        )
    con = connect(path, read_only=True, memory_limit=memory_limit, threads=threads)
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
    return con


def ask(con: Connection, sql: str, params: Mapping[str, Any] | None = None) -> Answer:
    """Run one statement.

    Args:
        params: values for ``$name`` in the SQL; those that it does not use are left out.

    Raises:
        UsageError: the SQL is wrong, in DuckDB's own words, or it is not exactly one statement.
    """
    try:
        statements = con.extract_statements(sql)
        if len(statements) != 1:
            raise UsageError(
                f"there are {len(statements)} statements; one question at a time", next_step="Remove all but one."
            )
        names = statements[0].named_parameters
        missing = sorted(names - (params or {}).keys())
        if missing:
            raise UsageError(
                f"the query needs a value for {', '.join('$' + name for name in missing)}",
                next_step=f"Give it with --param {missing[0]}=VALUE.",
            )
        result = con.execute(statements[0], {name: (params or {})[name] for name in names})
    except duckdb.Error as error:
        raise _sql_error(error) from error
    description = result.description or []
    columns = [str(item[0]) for item in description]
    return Answer(columns, [str(item[1]) for item in description], _rows(result))


def _rows(result: Connection) -> Iterator[Row]:
    try:
        while batch := result.fetchmany(10_000):
            yield from batch
    except duckdb.Error as error:
        raise _sql_error(error) from error


def _sql_error(error: duckdb.Error) -> FinopsError:
    text = str(error)
    if "read-only" in text:
        return UsageError(
            "the ledger is read-only here; nothing was changed", next_step="finops analyze only answers questions."
        )
    if isinstance(error, duckdb.PermissionException) or "disabled by configuration" in text:
        return UsageError(
            f"questions may read the ledger only: {text.splitlines()[0]}",
            next_step="Files and settings are out of reach of finops analyze. Load a file with finops load.",
        )
    return UsageError(
        text.strip(), next_step="Tables: focus.cost_and_usage, allocation.charges, findings.findings, ops.*"
    )
