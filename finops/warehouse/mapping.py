"""Takes a mapping of ``queries/normalise/`` apart: which output columns are stored where, from which delivered columns.

A mapping is one plain SELECT from ``delivered``. Dimensions repeat, measures do not; so the loader evaluates the dimension
expressions once per distinct combination and only the measures row by row. That needs the SELECT list in pieces, which
DuckDB's own parser gives: no parsing of SQL by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from finops.errors import QueryFileError
from finops.rules.header import QueryFile, nearest
from finops.warehouse.columns import ledger_columns
from finops.warehouse.connection import Connection


@dataclass(frozen=True)
class MappedColumn:
    """One entry of the SELECT list."""

    name: str
    expression: str
    reads: frozenset[str]
    """The delivered columns that it uses."""
    part: str
    """``charge``, ``dimension`` or ``slice``."""


def take_apart(con: Connection, query: QueryFile, delivered: Iterable[str]) -> list[MappedColumn]:
    """The columns of a mapping. What was taken apart once is known.

    Args:
        delivered: the names that the header's ``reads`` declares.

    Raises:
        QueryFileError: not one plain SELECT from ``delivered``, an unknown or doubled output column, or an unknown input.
    """
    names = frozenset(delivered)
    if (query, names) not in _known:
        _known[query, names] = _taken_apart(con, query, names)
    return _known[query, names]


_known: dict[tuple[QueryFile, frozenset[str]], list[MappedColumn]] = {}


def _taken_apart(con: Connection, query: QueryFile, names: frozenset[str]) -> list[MappedColumn]:
    row = con.execute("SELECT json_serialize_sql(?)", [query.body]).fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if tree.get("error"):
        raise QueryFileError(f"is not SQL that DuckDB reads: {tree.get('error_message')}", where=str(query.path))
    node = tree["statements"][0]["node"]
    plain = node["type"] == "SELECT_NODE" and node["from_table"].get("table_name") == "delivered"
    if len(tree["statements"]) != 1 or not plain or node["where_clause"] or node["group_expressions"]:
        raise QueryFileError("a mapping is one plain SELECT … FROM delivered, row by row", where=str(query.path))
    parts = {column.name: column.part for column in ledger_columns()}
    read = [_reads(query, item, parts, names) for item in node["select_list"]]
    columns = [
        MappedColumn(name, expression, reads, parts[name])
        for (name, reads), expression in zip(read, _expressions(con, node), strict=True)
    ]
    doubled = {column.name for column in columns if [c.name for c in columns].count(column.name) > 1}
    if doubled:
        raise QueryFileError(f"maps twice: {', '.join(sorted(doubled))}", where=str(query.path))
    return columns


def _reads(
    query: QueryFile, item: dict[str, Any], parts: dict[str, str], names: frozenset[str]
) -> tuple[str, frozenset[str]]:
    """The output column that an entry of the SELECT list fills, and the delivered columns that it uses."""
    name = item["alias"] or ".".join(item.get("column_names", []))
    if parts.get(name) not in ("charge", "dimension", "slice"):
        raise QueryFileError(
            f"'{name}' is no column that a mapping fills{nearest(name, list(parts))}",
            where=str(query.path),
            next_step="queries/normalise/columns.csv lists the ledger's columns.",
        )
    reads = frozenset(_column_refs(item))
    if unknown := sorted(reads - names):
        raise QueryFileError(
            f"'{name}' uses '{unknown[0]}', which 'reads' does not declare{nearest(unknown[0], sorted(names))}",
            where=str(query.path),
        )
    return name, reads


def _expressions(con: Connection, node: dict[str, Any]) -> list[str]:
    """The SQL of each entry of a SELECT list, in its order."""
    singles = [{**node, "select_list": [{**item, "alias": ""}], "from_table": _EMPTY} for item in node["select_list"]]
    statements = [{"error": False, "statements": [{"node": each, "named_param_map": []}]} for each in singles]
    rows = con.execute(
        "SELECT json_deserialize_sql(each) FROM (SELECT unnest(CAST(CAST(? AS JSON) AS JSON[])) AS each, "
        "unnest(range(?)) AS place) ORDER BY place",
        [json.dumps(statements), len(statements)],
    ).fetchall()
    return [str(sql).removeprefix("SELECT ").rstrip(";") for (sql,) in rows]


_EMPTY = {"type": "EMPTY", "alias": "", "sample": None, "query_location": 18446744073709551615}


def _column_refs(tree: Any, bound: frozenset[str] = frozenset()) -> Iterator[str]:
    """The names of delivered columns in a piece of syntax tree; a lambda's own parameters are not among them."""
    if isinstance(tree, list):
        for item in tree:
            yield from _column_refs(item, bound)
    elif isinstance(tree, dict):
        if tree.get("class") == "LAMBDA":
            bound = bound | frozenset(_column_refs(tree["lhs"]))
            yield from _column_refs(tree["expr"], bound)
        elif tree.get("class") == "COLUMN_REF":
            if tree["column_names"][0] not in bound:
                yield tree["column_names"][0]
        else:
            for value in tree.values():
                yield from _column_refs(value, bound)
