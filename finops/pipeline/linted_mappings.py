"""Lines of mapping files that do nothing, and lines between which only their order decides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from finops.pipeline.linted_rules import Note, Used
from finops.rules.catalogue import Catalogue
from finops.rules.mappings import FILES, Line, Mappings, shape
from finops.rules.tagging import tagging_rules
from finops.warehouse.connection import Connection

_CHUNK = 100
_SHOWN = 10

_WORDS = {
    "resources.csv": "SELECT DISTINCT ResourceId AS subject, unnest([ResourceId, ResourceName]) AS word "
    "FROM ledger.dimensions WHERE ResourceId IS NOT NULL",
    "callers.csv": "SELECT DISTINCT x_CallerId AS subject, "
    "unnest([x_CallerId, split_part(split_part(x_CallerId, ':', 6), '/', 2)]) AS word "
    "FROM ledger.dimensions WHERE x_CallerId IS NOT NULL",
}
"""The words that a file's patterns are compared with, and what each is a word of."""
_PREFIX_RANK = {"resources": 2, "callers": 3}
"""Names win over prefixes and prefixes over other patterns; callers' prefixes are patterns like others."""


def line_notes(con: Connection, catalogue: Catalogue, mappings: Mappings, folder: Path, used: Used) -> list[Note]:
    """The lines that no rule has any use for: nothing in the ledger is meant by them, or lines before them have all of it."""
    read = {word for query in tagging_rules(catalogue) for word in re.findall(r"mapping\.(\w+)", query.body)}
    notes = []
    for name, spec in FILES.items():
        lines = mappings[name]
        if not lines or "team" not in spec.required or name in ("teams.csv", "splits.csv"):
            continue
        if name.removesuffix(".csv") not in read:
            continue
        known = used.get(name, set())
        idle = [line for line in lines if str(line.number) not in known and f"={line[spec.key[0]]}" not in known]
        if not idle:
            continue
        notes.append(
            Note(
                "unused lines",
                f"{folder / name}:{idle[0].number}",
                _idle([f"{line.number} ({line[spec.key[-1]]})" for line in idle[:_SHOWN]], len(idle), len(lines)),
            )
        )
    return notes


def _idle(shown: Sequence[str], idle: int, lines: int) -> str:
    if idle == 1:
        return f"line {shown[0]} matches nothing, or only what other lines take"
    more = f" and {idle - len(shown):,} more" if idle > len(shown) else ""
    return f"{idle:,} of {lines:,} lines match nothing, or only what other lines take: {', '.join(shown)}{more}"


def ties(con: Connection, mappings: Mappings, folder: Path) -> list[Note]:
    """Lines of equal rank that match one thing and name different teams: the first of them wins, by its place alone."""
    notes = []
    for name, words in _WORDS.items():
        lines = mappings[name]
        if len(lines) < 2:
            continue
        con.execute(f"CREATE OR REPLACE TEMP TABLE lint_word AS SELECT subject, word FROM ({words}) WHERE word <> ''")
        con.execute("CREATE OR REPLACE TEMP TABLE lint_hit (word VARCHAR, line INTEGER, rank INTEGER)")
        _match(con, name.removesuffix(".csv"), lines)
        by_number = {line.number: line for line in lines}
        found: dict[tuple[int, int], list[str]] = {}
        for subject, numbers in con.execute(
            """SELECT subject, list(DISTINCT line ORDER BY line) FROM (
                SELECT w.subject, h.line, h.rank, min(h.rank) OVER (PARTITION BY w.subject) AS best
                FROM temp.lint_word AS w JOIN temp.lint_hit AS h USING (word)
            ) WHERE rank = best GROUP BY subject HAVING count(DISTINCT line) > 1 ORDER BY subject"""
        ).fetchall():
            first = by_number[numbers[0]]
            for number in numbers[1:]:
                other = by_number[number]
                if mappings.team(other["team"]) != mappings.team(first["team"]) and _meet(first, other):
                    found.setdefault((first.number, other.number), []).append(subject)
                    break
        notes += [
            _tie(folder / name, by_number[one], by_number[two], subjects) for (one, two), subjects in found.items()
        ]
    con.execute("DROP TABLE IF EXISTS temp.lint_word")
    con.execute("DROP TABLE IF EXISTS temp.lint_hit")
    return notes


def _tie(path: Path, first: Line, other: Line, subjects: Sequence[str]) -> Note:
    more = f" and {len(subjects) - 1:,} more" if len(subjects) > 1 else ""
    return Note(
        "tie",
        f"{path}:{other.number}",
        f"'{other['pattern']}' ({other['team']}) and line {first.number}, '{first['pattern']}' ({first['team']}), match "
        f"{subjects[0]}{more} equally well: line {first.number} wins because it comes first",
    )


def _meet(one: Line, other: Line) -> bool:
    """Is there a day on which both hold?"""
    begins = max((day for day in (one.valid_from, other.valid_from) if day), default=None)
    ends = min((day for day in (one.valid_until, other.valid_until) if day), default=None)
    return not begins or not ends or begins < ends


def _match(con: Connection, table: str, lines: Iterable[Line]) -> None:
    """``temp.lint_hit``: which lines match which words. Names and prefixes are looked up, prefixes of one length at once."""
    con.execute(
        f"""INSERT INTO temp.lint_hit
        WITH words AS (SELECT DISTINCT word FROM temp.lint_word)
        SELECT w.word, m.line, 1 FROM words AS w JOIN mapping.{table} AS m ON m.shape = 'exact' AND m.literal = w.word
        UNION ALL
        SELECT w.word, m.line, {_PREFIX_RANK[table]}
        FROM words AS w
        CROSS JOIN (SELECT DISTINCT length FROM mapping.{table} WHERE shape = 'prefix') AS n
        JOIN mapping.{table} AS m ON m.shape = 'prefix' AND m.length = n.length AND m.literal = left(w.word, n.length)"""
    )
    patterns = [(line["pattern"], line.number) for line in lines if shape(line["pattern"])[0] == "pattern"]
    for start in range(0, len(patterns), _CHUNK):
        chunk = patterns[start : start + _CHUNK]
        each = ", ".join(f"CASE WHEN {_matches(pattern)} THEN {number} END" for pattern, number in chunk)
        together = _matches("|".join(f"(?:{pattern})" for pattern, _ in chunk))
        con.execute(
            f"INSERT INTO temp.lint_hit SELECT word, line, 3 FROM (SELECT word, unnest([{each}]) AS line "
            f"FROM (SELECT DISTINCT word FROM temp.lint_word) WHERE {together}) WHERE line IS NOT NULL"
        )


def _matches(pattern: str) -> str:
    """SQL with the pattern written out: one that is bound is compiled again for every row."""
    return "regexp_full_match(word, '" + pattern.replace("'", "''") + "')"
