"""Which rules looked at charges, in order, and what the ones that won have to say: their why, their reason, the mapping's line.

Everything is about ``temp.scope``, the charges that are explained (see ``explaining``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from finops.rules.catalogue import Catalogue
from finops.rules.header import QueryFile
from finops.rules.tagging import tagging_rules
from finops.warehouse.connection import Connection

Row = dict[str, Any]
Span = tuple[datetime, datetime]

_LINE = re.compile(r"\bline (\d+) of ([\w-]+\.csv)")
_KEYED = re.compile(r"(\S+) in ([\w-]+)\.csv")


def rows(con: Connection, sql: str, values: dict[str, Any] | None = None) -> list[Row]:
    """An answer as dictionaries."""
    result = con.execute(sql, values or {})
    names = [item[0] for item in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def day(moment: datetime | None) -> str | None:
    """A span's limit as a day; None where there is no limit."""
    if moment is None or moment.year in (1, 9999):
        return None
    return f"{moment:%Y-%m-%d}" if moment.time() == datetime.min.time() else f"{moment:%Y-%m-%d %H:%M}"


def decisions(con: Connection, catalogue: Catalogue, mappings: Path) -> list[Row]:
    """What the rules decided before any pool was divided: a team or a pool, for which days, and why."""
    found = rows(
        con,
        "SELECT CASE WHEN is_pool THEN NULL ELSE team END AS team, CASE WHEN is_pool THEN team END AS pool, "
        "coalesce(rule, 'unallocated') AS rule, version, coalesce(method, 'default') AS method, reason, valid_from, "
        "valid_until, CASE WHEN book > 0 THEN format('{}-{:02d}', book // 100, book % 100) END AS frozen_month, count(*) AS rows, "
        "strftime(min(ChargePeriodStart), '%Y-%m-%d') AS first_day, strftime(max(ChargePeriodStart), '%Y-%m-%d') AS last_day, "
        "CAST(sum(BilledCost) AS DECIMAL(38, 18)) AS billed_cost, CAST(sum(EffectiveCost) AS DECIMAL(38, 18)) AS effective_cost, "
        "BillingCurrency AS currency FROM temp.scope GROUP BY ALL ORDER BY first_day, last_day, team, pool, reason",
    )
    rules = {query.id: query for query in catalogue.layer("allocate")}
    for row in found:
        row["valid_from"], row["valid_until"] = day(row["valid_from"]), day(row["valid_until"])
        query = rules.get(row["rule"])
        row["why"] = " ".join(query.why.split()) if query else None
        row["file"] = str(query.path) if query else None
        row["version_now"] = query.version if query else None
        row["mapping_line"] = mapping_line(con, row["reason"] or "", mappings)
        if row["frozen_month"] and row["mapping_line"]:
            row["mapping_line"]["text"] = None  # what the line says now is not what decided
    return found


def mapping_line(con: Connection, reason: str, folder: Path) -> Row | None:
    """The line of a mapping file that a reason names, with its text as it is now."""
    found = _LINE.search(reason)
    if found:
        return _quoted(folder / found[2], int(found[1]))
    keyed = _KEYED.search(reason)
    if not keyed:
        return None
    known = con.execute(
        "SELECT min(column_name) FILTER (ordinal_position = 1) FROM information_schema.columns "
        "WHERE table_schema = 'mapping' AND table_name = $table HAVING list_contains(list(column_name), 'line')",
        {"table": keyed[2]},
    ).fetchone()
    if not known:
        return None
    number = con.execute(
        f'SELECT line FROM mapping."{keyed[2]}" WHERE "{known[0]}" = $key LIMIT 1', {"key": keyed[1]}
    ).fetchone()
    return _quoted(folder / f"{keyed[2]}.csv", int(number[0])) if number else None


def _quoted(path: Path, number: int) -> Row:
    text = None
    if path.is_file():
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        text = lines[number - 1] if 0 < number <= len(lines) else None
    return {"file": path.name, "line": number, "text": text}


def rules_tried(con: Connection, catalogue: Catalogue) -> list[Row]:
    """The rules in order, and how each ended: it won, it did not match, or all was taken before it was its turn."""
    needed: dict[tuple[int, int], Span] = {
        (book, dimension): (first, last)
        for book, dimension, first, last in con.execute(
            "SELECT book, dimension_id, min(ChargePeriodStart), max(ChargePeriodStart) FROM temp.scope GROUP BY ALL"
        ).fetchall()
    }
    won: dict[str, dict[tuple[int, int], list[Span]]] = defaultdict(lambda: defaultdict(list))
    for rule, book, dimension, begins, ends in con.execute(
        "SELECT DISTINCT rule, book, dimension_id, valid_from, valid_until FROM temp.scope WHERE rule IS NOT NULL"
    ).fetchall():
        won[rule][book, dimension].append((begins, ends))
    rules = tagging_rules(catalogue)
    tried = [_gone(rule, spans) for rule, spans in won.items() if rule not in {query.id for query in rules}]
    open_, takers = dict.fromkeys(needed), [row["id"] for row in tried]
    taken: dict[tuple[int, int], list[Span]] = defaultdict(list)
    for row in tried:
        _note(taken, won[row["id"]], open_, needed)
    for query in rules:
        spans = won.get(query.id, {})
        row = {"order": query.order, "id": query.id, "title": query.title, "version": query.version,
               "method": query.extra["method"], "kinds": len(spans), "of": len(open_)}  # fmt: skip
        if not open_ and needed:
            row |= {"status": "not asked", "outcome": f"not asked: taken by {_and(takers)}"}
        elif spans:
            takers.append(query.id)
            row |= {"status": "won", "outcome": _won(spans, len(open_), needed)}
        elif not _valid(query, needed):
            row |= {"status": "not valid", "outcome": "does not hold on these days"}
        else:
            row |= {"status": "no match", "outcome": "did not match"}
        _note(taken, spans, open_, needed)
        tried.append(row)
    if open_:
        tried.append({"order": 9999, "id": "unallocated", "title": "What no rule takes", "version": None, "method": "default",
                      "kinds": len(open_), "of": len(open_), "status": "won",
                      "outcome": f"{_kinds(len(open_))} left, at least for a part of the time"})  # fmt: skip
    return tried


def _note(
    taken: dict[tuple[int, int], list[Span]],
    spans: dict[tuple[int, int], list[Span]],
    open_: dict[tuple[int, int], None],
    needed: dict[tuple[int, int], Span],
) -> None:
    """Take what a rule has won out of what is open."""
    for unit, each in spans.items():
        taken[unit] += each
        first, last = needed[unit]
        for begins, ends in sorted(taken[unit]):
            if begins <= first < ends:
                first = ends
        if first > last:
            open_.pop(unit, None)


def _gone(rule: str, spans: dict[tuple[int, int], list[Span]]) -> Row:
    return {"order": None, "id": rule, "title": "A rule that there is no more", "version": None, "method": None,
            "kinds": len(spans), "of": len(spans), "status": "won", "outcome": f"won {_kinds(len(spans))}"}  # fmt: skip


def _won(spans: dict[tuple[int, int], list[Span]], asked: int, needed: dict[tuple[int, int], Span]) -> str:
    text = f"won {_kinds(len(spans))}" if len(spans) == asked else f"won {len(spans)} of {_kinds(asked)}"
    limited = {
        (day(begins), day(ends))
        for unit, each in spans.items()
        for begins, ends in each
        if begins > needed[unit][0] or ends <= needed[unit][1]
    }
    if not limited:
        return text
    told = [f"{begins or 'ever'} until {ends or 'ever'}" for begins, ends in sorted(limited, key=str)]
    return f"{text}, {told[0]}" if len(told) == 1 else f"{text}, each for a span of time ({len(told)} spans)"


def _kinds(number: int) -> str:
    return f"{number} kind{'s' if number != 1 else ''} of charges"


def _and(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _valid(query: QueryFile, needed: dict[tuple[int, int], Span]) -> bool:
    """Does the rule hold on any of the days?"""
    begins, ends = query.extra.get("valid_from"), query.extra.get("valid_until")
    return any(
        (not begins or last.date() >= begins) and (not ends or first.date() < ends) for first, last in needed.values()
    )
