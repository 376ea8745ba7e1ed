"""What it takes to run one SQL file: its parameters, its columns, its rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from finops.errors import ConfigError, QueryFileError
from finops.rules.catalogue import Catalogue
from finops.rules.header import Parameter, QueryFile, nearest
from finops.rules.sql_errors import sql_problem
from finops.warehouse.connection import Connection, DatabaseError

Number = TypeVar("Number", int, Decimal)

BUILT_IN = ("today", "team")
"""Parameters that every query may use without declaring them: ``today`` is the DATE that windows count from; ``team`` is NULL, but
in an analysis of one team's part."""

Params = Mapping[str, Mapping[str, Any]]
"""Parameters that differ from their defaults: query id -> name -> value."""


_BOUNDS = {"days": (1, 3660), "hours": (1, 87_600), "runs": (1, 1_000_000), "percent": (0, 100)}
"""What a parameter of a unit may be, both included."""

SCOPES = ("team", "environment")
"""For whom a findings rule's parameter may differ: ``[params.RULE.team.NAME]``. A team's value goes before an environment's."""


def used_parameters(con: Connection, query: QueryFile) -> set[str]:
    """The ``$names`` in a query, as DuckDB's parser sees them.

    Raises:
        QueryFileError: the SQL cannot be parsed, or is not one statement.
    """
    try:
        statements = con.extract_statements(query.body)
    except DatabaseError as error:
        raise sql_problem(con, query, error) from error
    if len(statements) != 1:
        raise QueryFileError(f"has {len(statements)} statements; a query is one SELECT", where=str(query.path))
    return set(statements[0].named_parameters)


PERIOD = ("period_start", "period_end", "previous_start", "previous_end")
"""What a parameter of type period gives: the period, and the one of the same length before it. Any of them may be used."""


def bound_names(parameter: Parameter) -> tuple[str, ...]:
    """The ``$names`` that a declared parameter gives."""
    return PERIOD if parameter.type == "period" else (parameter.name,)


def parameter_values(con: Connection, query: QueryFile, today: date, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values to bind: defaults, what was given, and ``$today``; only what the query uses.

    Raises:
        ConfigError: a parameter is given that the query does not have, or of the wrong type.
    """
    values: dict[str, Any] = {"today": today, "team": None}
    for name in given:
        if name not in query.params:
            raise ConfigError(
                f"'{query.id}' has no parameter '{name}'{nearest(name, list(query.params))}",
                next_step=f"It has: {', '.join(query.params) or 'none'}.",
            )
    for name, parameter in query.params.items():
        if parameter.type != "period":
            values[name] = _typed(query, parameter, given.get(name, parameter.default))
    used = used_parameters(con, query)
    return {name: value for name, value in values.items() if name in used}


def _typed(query: QueryFile, parameter: Parameter, value: Any) -> Any:
    try:
        if parameter.type == "integer":
            return _within(query, parameter, int(str(value)))  # '7.5' and True are none
        if parameter.type == "decimal":
            return _within(query, parameter, Decimal(str(value)))
        if parameter.type == "date":
            return value if isinstance(value, date) else date.fromisoformat(str(value))
    except (ValueError, TypeError, InvalidOperation) as error:
        raise ConfigError(
            f"parameter '{parameter.name}' of '{query.id}' is {'an' if parameter.type[0] == 'i' else 'a'} "
            f"{parameter.type}, not '{value}'"
        ) from error
    return str(value)


def _within(query: QueryFile, parameter: Parameter, value: Number) -> Number:
    """A window of no days would find nothing and say nothing; a share lies between 0 and 100."""
    least, most = _BOUNDS.get(parameter.unit, (value, value))
    if not least <= value <= most:
        raise ConfigError(
            f"parameter '{parameter.name}' of '{query.id}' is {least} to {most:,} {parameter.unit}, not {value}"
        )
    return value


def check_params(catalogue: Catalogue, params: Params) -> None:
    """Every query and parameter that a configuration names must exist.

    Raises:
        ConfigError: naming all that do not.
    """
    queries = {query.id: query for query in catalogue}
    problems = []
    for query_id, given in params.items():
        if query_id not in queries:
            problems.append(f"there is no query '{query_id}'{nearest(query_id, list(queries))}")
            continue
        query = queries[query_id]
        known = list(query.params)
        scopes = given.keys() & SCOPES if query.layer == "findings" else set()
        for scope in sorted(scopes):
            if not isinstance(given[scope], Mapping) or not all(
                isinstance(each, Mapping) for each in given[scope].values()
            ):
                problems.append(f"[params.{query_id}.{scope}.NAME] is a section with parameters")
                scopes.discard(scope)
        problems += [
            f"'{query_id}' has no parameter '{name}'{nearest(name, known)}"
            for values in (given, *(each for scope in sorted(scopes) for each in given[scope].values()))
            for name in values
            if name not in known and not (values is given and name in SCOPES and query.layer == "findings")
        ]
    if problems:
        raise ConfigError("; ".join(problems), next_step="'finops queries show ID' lists a query's parameters.")


def describe(con: Connection, query: QueryFile, values: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a query and their types, without running it.

    Raises:
        QueryFileError: it does not fit the warehouse.
    """
    try:
        return {str(row[0]): str(row[1]) for row in con.execute(f"DESCRIBE {query.body}", dict(values)).fetchall()}
    except DatabaseError as error:
        raise sql_problem(con, query, error) from error


def materialise(con: Connection, query: QueryFile, values: Mapping[str, Any], table: str) -> int:
    """Run a query into a temporary table; the answer is how many rows it has.

    Raises:
        QueryFileError: it fails.
    """
    try:
        made = con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query.body}", dict(values)).fetchone()
    except DatabaseError as error:
        raise sql_problem(con, query, error) from error
    assert made is not None
    return int(made[0])


def columns_of(con: Connection, table: str) -> dict[str, str]:
    """The columns of a table and their types."""
    return {str(name): str(kind) for name, kind, *_ in con.execute(f"FROM {table} LIMIT 0").description or ()}


def count(con: Connection, relation: str, values: Mapping[str, Any] | None = None) -> int:
    """How many rows a relation (``FROM …``) has."""
    row = con.execute(f"SELECT count(*) {relation}", dict(values or {})).fetchone()
    assert row is not None
    return int(row[0])


def refuse_repeats(con: Connection, query: QueryFile, table: str, key: str) -> None:
    """A query must say one thing about each thing.

    Raises:
        QueryFileError: it says several, or does not give the key.
    """
    try:
        row = con.execute(f"SELECT {key}, count(*) FROM {table} GROUP BY {key} HAVING count(*) > 1 LIMIT 1").fetchone()
    except DatabaseError as error:
        raise QueryFileError(f"does not return {key}: {error}", where=str(query.path)) from error
    if row:
        raise QueryFileError(
            f"says {row[-1]} things about one {key}: {', '.join(str(cell) for cell in row[:-1])}",
            where=str(query.path),
            next_step="Group the query, or rank its rows and keep the first.",
        )
