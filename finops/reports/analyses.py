"""Runs the named queries of ``queries/analyses/``: what ``finops analyze NAME`` prints is what a report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from finops.errors import QueryFileError, UsageError
from finops.periods import Period, parse_period
from finops.rules.header import Parameter, QueryFile, nearest
from finops.warehouse.connection import Connection, DatabaseError


@dataclass(frozen=True)
class Result:
    """The rows of one named query."""

    query: QueryFile
    columns: tuple[str, ...]
    types: tuple[str, ...]
    """DuckDB's, one per column."""
    rows: tuple[tuple[Any, ...], ...]
    period: Period | None
    """What the parameter of type period was bound to, if the query has one."""

    def column(self, name: str) -> int:
        """The place of a column.

        Raises:
            QueryFileError: the query has been replaced by one that lacks it.
        """
        try:
            return self.columns.index(name)
        except ValueError:
            raise QueryFileError(
                f"has no column '{name}', which the report shows",
                where=str(self.query.path),
                next_step=f"It has {', '.join(self.columns)}. The contract: finops queries show {self.query.id}.",
            ) from None

    def records(self) -> list[dict[str, Any]]:
        """The rows by column name. A bill that names no currency is in a group of its own, which is called ''."""
        records: list[dict[str, Any]] = [_Row(self, row) for row in self.rows]
        for record in records:
            if "BillingCurrency" in record:
                record["BillingCurrency"] = record["BillingCurrency"] or ""
        return records


class _Row(dict[str, Any]):
    """A row by column name. A column that it lacks is the query's fault, and the error says so."""

    def __init__(self, result: Result, row: Sequence[Any]) -> None:
        super().__init__(zip(result.columns, row, strict=True))
        self._result = result

    def __missing__(self, name: str) -> Any:
        return self._result.column(name)


def bind(
    query: QueryFile, arguments: Mapping[str, str], today: date, team: str = ""
) -> tuple[dict[str, Any], Period | None]:
    """The values for a query's declared parameters, and its period.

    ``arguments`` are as typed (``{"period": "2026-W43"}``); what is not given gets its default. A period binds
    ``$period_start``, ``$period_end``, ``$previous_start`` and ``$previous_end``. ``$today`` is there always, and ``$team``: whose
    part of the ledger is looked at, NULL for all of it.

    Raises:
        UsageError: an argument is not declared, or is not of the declared type.
    """
    for name in arguments:
        if name not in query.params:
            raise UsageError(
                f"'{query.id}' has no parameter '{name}'{nearest(name, list(query.params))}",
                next_step=f"It takes: {', '.join(query.params) or 'none'}.",
            )
    values: dict[str, Any] = {"today": today, "team": team or None}
    period = None
    for name, parameter in query.params.items():
        given = arguments.get(name, parameter.default)
        if parameter.type == "period":
            period = parse_period(str(given), today)
            before = period.previous()
            values |= {"period_start": period.start, "period_end": period.end}
            values |= {"previous_start": before.start, "previous_end": before.end}
        else:
            values[name] = _value(parameter, given)
    return values, period


def _value(parameter: Parameter, given: Any) -> Any:
    if given is None:
        return None
    try:
        if parameter.type == "integer":
            return int(str(given))
        if parameter.type == "decimal":
            return Decimal(str(given))
        if parameter.type == "date":
            return date.fromisoformat(str(given))
    except (ValueError, InvalidOperation) as error:
        raise UsageError(
            f"'{given}' is no {parameter.type} for the parameter '{parameter.name}'", next_step=parameter.help
        ) from error
    return str(given)


def run_analysis(
    con: Connection, query: QueryFile, arguments: Mapping[str, str], today: date, team: str = ""
) -> Result:
    """Run one named query.

    Raises:
        UsageError: an argument is wrong.
        QueryFileError: the SQL does not run, or uses a parameter that its header does not declare.
    """
    values, period = bind(query, arguments, today, team)
    try:
        used = con.extract_statements(query.body)[0].named_parameters
        undeclared = sorted(used - values.keys())
        if undeclared:
            raise QueryFileError(
                f"uses ${', $'.join(undeclared)}, which its header does not declare",
                where=str(query.path),
                next_step="Declare it under params: (a period gives $period_start, $period_end, $previous_start …).",
            )
        cursor = con.execute(query.body, {name: value for name, value in values.items() if name in used})
        description: Sequence[Any] = cursor.description or ()
        rows = tuple(cursor.fetchall())
    except DatabaseError as error:
        raise QueryFileError(f"does not run: {error}", where=str(query.path)) from error
    return Result(query, tuple(c[0] for c in description), tuple(str(c[1]) for c in description), rows, period)
