"""Regular expressions of mapping files as macros: compiled once a query, hundreds of them tried at the price of a few."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from finops.rules.mapping_files import Line
from finops.warehouse.connection import Connection

_CHUNK = 100
_NONE = "CAST([] AS INTEGER[])"


def make_matcher(con: Connection, table: str, lines: Sequence[Line], column: str, group: str = "") -> None:
    """Make the macro ``mapping.TABLE_lines(word)``, or ``TABLE_lines(group, word)``: the lines whose pattern matches all of a word.

    They are in order. Of lines that hold at all times it gives the first only, as that one wins; of those that hold for a span
    of time it gives each.

    Args:
        column: what holds the pattern.
        group: the column by which patterns are told apart: each group has its own.

    A pattern that comes from a table is compiled again for every row; one that stands in the query is compiled once. So the
    patterns are written out, a hundred of them under one alternation that most words fail at once.
    """
    if not group:
        con.execute(f"CREATE OR REPLACE MACRO mapping.{table}_lines(word) AS {_matching(lines, column)}")
        return
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line[group], []).append(line)
    cases = " ".join(f"WHEN {_text(name)} THEN {_matching(each, column)}" for name, each in groups.items())
    found = f"CASE kind {cases} ELSE {_NONE} END" if cases else _NONE
    con.execute(f"CREATE OR REPLACE MACRO mapping.{table}_lines(kind, word) AS {found}")


def _matching(lines: Iterable[Line], column: str) -> str:
    always = [(line[column], line.number) for line in lines if line.valid_from is None and line.valid_until is None]
    dated = [(line[column], line.number) for line in lines if line.valid_from or line.valid_until]
    parts = [f"[{_first(always)}]"] if always else []
    parts += [_each(dated[start : start + _CHUNK]) for start in range(0, len(dated), _CHUNK)]
    if not parts:
        return _NONE
    return f"list_sort(list_filter({' || '.join(parts)}, lambda line: line IS NOT NULL))"


def _first(patterns: Sequence[tuple[str, int]]) -> str:
    """SQL for the line of the first pattern that matches."""
    tests = []
    for start in range(0, len(patterns), _CHUNK):
        chunk = patterns[start : start + _CHUNK]
        each = " ".join(f"WHEN {_test(pattern)} THEN {line}" for pattern, line in chunk)
        tests.append(f"WHEN {_any(chunk)} THEN CASE {each} END")
    return f"CASE {' '.join(tests)} END"


def _each(patterns: Sequence[tuple[str, int]]) -> str:
    """SQL for the lines of all patterns that match, with NULL for those that don't."""
    each = ", ".join(f"CASE WHEN {_test(pattern)} THEN {line} END" for pattern, line in patterns)
    return f"CASE WHEN {_any(patterns)} THEN [{each}] ELSE {_NONE} END"


def _any(patterns: Sequence[tuple[str, int]]) -> str:
    return _test("|".join(f"(?:{pattern})" for pattern, _ in patterns))


def _test(pattern: str) -> str:
    return f"regexp_full_match(word, {_text(pattern)})"


def _text(value: str) -> str:
    """A SQL literal."""
    return "'" + value.replace("'", "''") + "'"
