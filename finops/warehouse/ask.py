"""Ad hoc questions: read-only, no files, no network, one statement."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from finops.errors import FinopsError, UsageError
from finops.warehouse.connection import Connection, connect
from finops.warehouse.scope import put_lens

Row = tuple[Any, ...]
Read = TypeVar("Read")

_TABLES = "Tables: focus.cost_and_usage, allocation.charges, findings.findings, ops.*"
_SELECT, _EXPLAIN = duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN
_SPACE = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)"
_EXPLAINS = re.compile(
    rf"{_SPACE}*EXPLAIN\b{_SPACE}*"
    rf"(?P<how>ANALYZE\b|\(\s*(?:ANALYZE|FORMAT\s+\w+)(?:\s*,\s*(?:ANALYZE|FORMAT\s+\w+))*\s*\))?(?P<asked>.*)",
    re.IGNORECASE | re.DOTALL,
)
# Table functions that do something: a log or a profile is a file that DuckDB writes, and serialized SQL hides what it does.
_ACTING = {
    "CHECKPOINT", "FORCE_CHECKPOINT", "ENABLE_LOGGING", "DISABLE_LOGGING", "TRUNCATE_DUCKDB_LOGS", "ENABLE_PROFILING",
    "DISABLE_PROFILING", "JSON_EXECUTE_SERIALIZED_SQL",
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A result that is ready to be computed: its names and DuckDB types are known; computing it is ``rows`` or ``arrow``."""

    columns: Sequence[str]
    types: Sequence[str]
    _con: Connection
    _sql: str
    _values: Mapping[str, Any] = field(default_factory=dict)
    _is_table: bool = True
    """Can it stand in FROM? A plan (EXPLAIN) can't."""

    def rows(self) -> Iterator[Row]:
        """Compute it; the rows are read as they are asked for. Times with a zone are UTC and come without it.

        Raises:
            UsageError: computing it failed, in DuckDB's own words.
        """
        sql = self._sql
        zoned = [_ZONE in type_ for type_ in self.types]
        if any(zoned):  # DuckDB gives them to Python through pytz, which is not installed
            sql = self._select(_without_zone(c, type_) for c, type_ in zip(self._short, self.types, strict=True))
        try:
            result = self._con.execute(sql, dict(self._values))
        except duckdb.Error as error:
            raise _sql_error(error) from error
        except RuntimeError:  # Ctrl-C: the connection could wait for threads that go on
            self._con.interrupt()
            raise
        return _rows(self._con, result)

    def arrow(self, read: Callable[[Any], Read]) -> Read:
        """Compute it as an Arrow stream (``__arrow_c_stream__``) and give that to ``read``.

        Typed columns under unique names, and no Python objects. Decimals stay decimals.
        Maps, lists and structs are JSON text; what Arrow has no common type for is text too.
        """
        sql = self._sql
        if self._is_table:
            sql = self._select(_for_arrow(c, type_) for c, type_ in zip(self._short, self.types, strict=True))
        try:
            return read(self._con.sql(sql, params=dict(self._values) or None))
        except duckdb.Error as error:
            raise _sql_error(error) from error
        except RuntimeError:
            self._con.interrupt()
            raise

    @property
    def unique_columns(self) -> list[str]:
        """The names, with ``_1``, ``_2`` … where one repeats: for formats in which a name can't stand twice."""
        taken, names = set(self.columns), []
        for index, name in enumerate(self.columns):
            unique, number = name, 0
            if name in self.columns[:index]:
                while unique in taken:
                    number += 1
                    unique = f"{name}_{number}"
                taken.add(unique)
            names.append(unique)
        return names

    @property
    def _short(self) -> list[str]:
        return [f"c{index}" for index in range(len(self.columns))]

    def _select(self, expressions: Iterator[str]) -> str:
        names = self.columns if self.columns == self.unique_columns else self.unique_columns
        quoted = (name.replace('"', '""') for name in names)
        items = ", ".join(f'{sql} AS "{name}"' for sql, name in zip(expressions, quoted, strict=True))
        return f"SELECT {items} FROM ({self._sql}\n) AS answer({', '.join(self._short)})"


def sandbox(path: Path, memory_limit: str, threads: int, team: str = "") -> Connection:
    """A connection that can't write the warehouse's tables, load extensions, change settings or open other files.

    Args:
        team: whose part of the ledger it sees; empty: all of it.

    It could still overwrite the warehouse's own file with COPY: that is why ``ask`` takes nothing but SELECT.

    Raises:
        FinopsError: there is no warehouse yet.
    """
    if not path.is_file():
        raise FinopsError(
            "there is no warehouse yet", where=str(path), next_step="Load a bill first: finops load FILE_OR_FOLDER."
        )
    con = connect(path, read_only=True, memory_limit=memory_limit, threads=threads)
    if team:
        put_lens(con).narrow(team)
    con.execute("SET python_enable_replacements = false")  # a variable of ours is no table
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
    return con


def refuse_older(con: Connection) -> None:
    """A warehouse that no build of this version has seen lacks what findings are read from.

    Raises:
        FinopsError: it is so.
    """
    if not con.execute("FROM duckdb_views() WHERE schema_name = 'findings' AND view_name = 'followed'").fetchall():
        raise FinopsError("the warehouse was built by an older version of finops", next_step="Run: finops build")


def ask(con: Connection, sql: str, params: Mapping[str, Any] | None = None) -> Answer:
    """Take one question: SELECT in all its forms (FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE), or EXPLAIN of one.

    Args:
        params: values for ``$name`` in the SQL; those that it does not use are left out.

    Raises:
        UsageError: the SQL is wrong, in DuckDB's own words, or it is not exactly one question.
    """
    try:
        statement = _single(con, sql)
        names = statement.named_parameters
        missing = sorted(names - (params or {}).keys())
        if missing:
            raise UsageError(
                f"the query needs a value for {', '.join('$' + name for name in missing)}",
                next_step=f"Give it with --param {missing[0]}=VALUE.",
            )
        values = {name: (params or {})[name] for name in names}
        text = _bare(con, statement.query)
        if statement.type != _EXPLAIN:
            _refuse_acting(con, text, values)
            columns, types = _describe(con, text, values)
            return Answer(columns, types, con, text, values)
        how, asked = _explained(con, text)
        _refuse_acting(con, asked, values)
        return Answer(
            ["explain_key", "explain_value"], ["VARCHAR", "VARCHAR"], con, f"EXPLAIN {how} {asked}", values, False
        )
    except duckdb.Error as error:
        raise _sql_error(error) from error


def _single(con: Connection, sql: str) -> duckdb.Statement:
    """The one statement, if it is one that only reads."""
    statements = con.extract_statements(sql)
    types = [statement.type for statement in statements]
    if len(types) > 1 and types[-1] in (_SELECT, _EXPLAIN) and not any(statement.query for statement in statements):
        raise UsageError(
            "PIVOT needs to know its columns here",
            next_step="Name them: PIVOT … ON column IN ('a', 'b') USING …; or ask for rows with GROUP BY.",
        )
    if not set(types) <= {_SELECT, _EXPLAIN}:
        raise _read_only()
    if len(types) != 1:
        raise UsageError(f"there are {len(types)} statements; one question at a time", next_step="Give exactly one.")
    return statements[0]


def _bare(con: Connection, sql: str) -> str:
    """The statement without the semicolons around it, so that it can stand in parentheses."""
    ends = [
        offset for offset, kind in duckdb.tokenize(sql) if kind == duckdb.token_type.operator and sql[offset] == ";"
    ]
    pieces = [sql[start:end] for start, end in zip([0, *(end + 1 for end in ends)], [*ends, len(sql)], strict=True)]
    return next((piece for piece in pieces if con.extract_statements(piece)), sql)


def _explained(con: Connection, sql: str) -> tuple[str, str]:
    """How a plan is wanted, and of what: that must be a question itself, for EXPLAIN ANALYZE runs it."""
    match = _EXPLAINS.match(sql)
    if not match:
        raise _read_only()
    how, asked = match["how"] or "", match["asked"]
    inner = con.extract_statements(asked)
    whole = con.extract_statements(f"EXPLAIN {how} {asked}")
    if [each.type for each in inner] != [_SELECT] or [each.type for each in whole] != [_EXPLAIN]:
        raise _read_only()
    return how, asked


def _refuse_acting(con: Connection, sql: str, values: Mapping[str, Any]) -> None:
    """Look at the plan: however a function is spelled or wrapped, it has its own name there."""
    rows = con.execute(f"EXPLAIN (FORMAT json) SELECT * FROM ({sql}\n) AS answer", dict(values)).fetchall()
    for _, plan in rows:
        found = sorted(_functions(json.loads(plan)) & _ACTING)
        if found:
            raise _read_only(f"the function {found[0].lower()} does more than read")


def _functions(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_functions, node))
    if not isinstance(node, dict):
        return set()
    info = node.get("extra_info")
    function = info.get("Function", "") if isinstance(info, dict) else ""
    return {str(node.get("name", "")).strip().upper(), str(function).upper()} | _functions(node.get("children", []))


def _describe(con: Connection, sql: str, values: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    try:
        rows = con.execute(f"DESCRIBE {sql}", dict(values)).fetchall()
    except duckdb.ParserException:  # DESCRIBE, SHOW and SUMMARIZE can't be described as they are
        rows = con.execute(f"DESCRIBE SELECT * FROM ({sql}\n) AS answer", dict(values)).fetchall()
    return [str(row[0]) for row in rows], [str(row[1]) for row in rows]


_ZONE = "TIMESTAMP WITH TIME ZONE"
_PLAIN_IN_ARROW = re.compile(
    r"(DECIMAL\(\d+,\d+\)|U?(TINY|SMALL|BIG)INT|U?INTEGER|HUGEINT|DOUBLE|FLOAT|BOOLEAN|VARCHAR|DATE|TIME|BLOB|TIMESTAMP(_\w+)?)"
)


def _without_zone(column: str, type_: str) -> str:
    if _ZONE not in type_:
        return column
    return f"CAST({column} AS {type_.replace(_ZONE, 'TIMESTAMP')})"  # the connection's zone is UTC


def _for_arrow(column: str, type_: str) -> str:
    if _PLAIN_IN_ARROW.fullmatch(type_):
        return column
    if type_ == _ZONE:
        return _without_zone(column, type_)
    if type_.endswith("]") or type_.startswith(("MAP(", "STRUCT(", "UNION(")):
        return f"CAST(to_json({_without_zone(column, type_)}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)"


def _rows(con: Connection, result: Connection) -> Iterator[Row]:
    try:
        while batch := result.fetchmany(10_000):
            yield from batch
    except duckdb.Error as error:
        raise _sql_error(error) from error
    except RuntimeError:
        con.interrupt()
        raise


def _read_only(why: str = "") -> UsageError:
    return UsageError(
        f"the ledger is read-only here; nothing was changed{f': {why}' if why else ''}",
        next_step="finops analyze only answers questions: SELECT, FROM, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN SELECT.",
    )


def _sql_error(error: duckdb.Error) -> FinopsError:
    text = str(error)
    if isinstance(error, duckdb.InterruptException):
        raise KeyboardInterrupt from error
    if isinstance(error, duckdb.OutOfMemoryException):
        return UsageError(
            f"the question needs more memory than it may have: {text.splitlines()[0]}",
            next_step="Ask for less, or raise memory_limit under [warehouse] in finops.toml.",
        )
    if "read-only" in text:
        return _read_only()
    if isinstance(error, duckdb.PermissionException) or "disabled by configuration" in text:
        return UsageError(
            f"questions may read the ledger only: {text.splitlines()[0]}",
            next_step="Files and settings are out of reach of finops analyze. Load a file with finops load.",
        )
    return UsageError(text.strip(), next_step=_TABLES)
