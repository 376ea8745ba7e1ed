"""A database's complaint about a query as the problem of a file: the line in the file, and the nearest right word."""

from __future__ import annotations

import re

from finops.errors import QueryFileError
from finops.rules.header import QueryFile, nearest
from finops.warehouse.connection import Connection

_LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)
_COLUMN = re.compile(r'column "([^"]+)" not found|column named "([^"]+)"')
_MEANT = re.compile(r'^Did you mean "([^"]+)"', re.MULTILINE)


def sql_problem(con: Connection, query: QueryFile, error: Exception) -> QueryFileError:
    """The error to raise for one of the database's."""
    text = str(error)
    told = text.splitlines()[0].strip().rstrip("!.")
    column = _COLUMN.search(told)
    meant = _MEANT.search(text)
    if column:
        told += nearest(column[1] or column[2], [*_candidates(text), *_columns_read(con, query)])
    elif meant:
        told += f"; did you mean '{meant[1]}'?"
    line = _LINE.search(text)
    place = f"{query.path}:{first_line(query) + int(line[1]) - 1}" if line else str(query.path)
    return QueryFileError(told, where=place)


def first_line(query: QueryFile) -> int:
    """The line of the file in which the SQL begins, after the header."""
    try:
        text = query.path.read_text(encoding="utf-8")
    except OSError:
        return 1
    return text.count("\n", 0, max(text.find(query.body), 0)) + 1


def line_of(query: QueryFile, text: str) -> str:
    """Where a text first stands in the SQL, as ``:7``; empty if it does not."""
    before, found, _ = query.body.partition(text)
    return f":{first_line(query) + before.count(chr(10))}" if found else ""


def _candidates(text: str) -> list[str]:
    found = re.search(r"^Candidate bindings: (.*)$", text, re.MULTILINE)
    return re.findall(r'"([^"]+)"', found[1]) if found else []


def _columns_read(con: Connection, query: QueryFile) -> list[str]:
    """The columns of the tables that the query names."""
    found = con.execute(
        "SELECT DISTINCT column_name FROM information_schema.columns WHERE contains($sql, table_schema || '.' || table_name)",
        {"sql": query.body},
    ).fetchall()
    return sorted(row[0] for row in found)
