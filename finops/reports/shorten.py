"""A report cut down to what a mail has room for: fewer rows, fewer currencies, no endless names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from finops.reports.contexts import Report, Section
from finops.reports.sections import PLANS, Plan
from finops.reports.tables import Table, build_tables

SHOWN = {
    "teams": (("Team", "EffectiveCost", "EffectiveCostChange", "ChangePercent"), 10),
    "services": (("ServiceName", "EffectiveCost", "EffectiveCostChange"), 6),
    "resources": (("ResourceName", "EffectiveCost", "EffectiveCostChange"), 6),
    "waste": (("ResourceName", "Since", "MonthlySaving"), 6),
    "untagged": (("SubAccountName", "ServiceName", "EffectiveCost"), 5),
}
"""The sections of a mail in the order of their weight, with the columns and the rows per currency that each has at most."""
_CURRENCIES = 3
_WARNINGS = 6
_FEW = 3
_LONGEST = {
    "warnings": 300,
    "reason": 240,
    "empty": 400,
    "command": 240,
    "note": 140,
    "description": 400,
    "line": 200,
    "why": 140,
}
_NAME = 72
_WHOLE = frozenset({"results", "brand", "coverages", "period", "previous"})
"""Fields that are left as they are: nothing of them is printed in a mail, or nothing in them comes from a bill."""
_BREAKS = re.compile("[\u0000-\u001f\u007f-\u009f\u2028\u2029]+")
_INVISIBLE = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True)
class Room:
    """How much of a report a mail shows."""

    rows: Mapping[str, int]
    """By section, for each currency; 0: a sentence says where they are."""
    currencies: int = _CURRENCIES
    warnings: int = _WARNINGS


def rooms() -> Iterator[Room]:
    """From all that a mail may show to the least; sections that weigh little give way first."""
    rows = {section: limit for section, (_, limit) in SHOWN.items()}
    yield Room(rows)
    for left in (_FEW, 0):
        for section in reversed(SHOWN):
            if rows[section] > left:
                rows = {**rows, section: left}
                yield Room(rows)
    yield Room(rows, currencies=1, warnings=_FEW)


def shorten(report: Report, room: Room) -> Report:
    """The report with a mail's sections, every text short and on one line. Its results stay whole."""
    sections = {
        plan.id: _section(report, report.sections[plan.id], plan, room)
        for plan in PLANS
        if plan.id in SHOWN and plan.id in report.sections
    }
    more = len(report.warnings) - room.warnings
    warnings = report.warnings
    if more > 0:
        warnings = (
            *warnings[: room.warnings],
            f"{more} more {'warning is' if more == 1 else 'warnings are'} on the page, index.html.",
        )
    currencies = room.currencies
    short = replace(
        report,
        headlines=report.headlines[:currencies],
        trends=report.trends[:currencies],
        balances=report.balances[:currencies],
        books=report.books[:currencies],
        sections={**report.sections, **sections},
        warnings=warnings,
    )
    kept = {field.name: getattr(report, field.name) for field in fields(report) if field.name in _WHOLE}
    tidied: Report = tidy(short)
    return replace(tidied, **kept)


def _section(report: Report, section: Section, plan: Plan, room: Room) -> Section:
    names, _ = SHOWN[plan.id]
    limit = room.rows[plan.id]
    if not section.tables:
        return section
    result = next(each for each in report.results if each.query.id == plan.query_id)
    if not limit:
        empty = f"Left out to keep this mail small: all rows are in {section.csv}."
        return replace(section, tables=(), empty=empty)
    by_column = {show.column: replace(show, secondary=False) for show in plan.layout.shows}
    if plan.id == "waste":
        by_column["Since"] = replace(by_column["Since"], note="")
        if not report.team:  # who must act; a team sees the evidence
            by_column["ResourceName"] = replace(by_column["ResourceName"], note="Team")
    shows = tuple(by_column[name] for name in names if name in by_column)
    layout = replace(plan.layout, shows=shows, limit=limit, bar="")
    tables = build_tables(result, layout, [each.currency for each in report.headlines], _tints(section.tables))
    return replace(section, tables=_of_few_currencies(tables, room.currencies, section.csv))


def _tints(tables: Sequence[Table]) -> dict[str, str]:
    """The colours that the page's own tables have, by the name in the first column."""
    return {row.cells[0].text: row.tint for table in tables for row in table.rows if row.tint}


def _of_few_currencies(tables: tuple[Table, ...], most: int, csv: str) -> tuple[Table, ...]:
    hidden = [table.currency or "(no currency)" for table in tables[most:]]
    if not hidden:
        return tables
    last = tables[most - 1]
    names = ", ".join(hidden[:5]) + (f" and {len(hidden) - 5} more currencies" if len(hidden) > 5 else "")
    sentence = f"{last.more} What there is in {names} is in {csv}.".strip()
    return (*tables[: most - 1], replace(last, more=sentence))


def tidy(value: Any, longest: int = _NAME) -> Any:
    """The same, with every text on one line and no longer than a mail has room for. Shapes, numbers and dates stay."""
    if isinstance(value, str):
        return clip(value, longest)
    if isinstance(value, tuple):
        return tuple(tidy(each, longest) for each in value)
    if isinstance(value, dict):
        return {key: tidy(each, longest) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        old = {field.name: getattr(value, field.name) for field in fields(value) if field.name not in _WHOLE}
        new = {name: tidy(each, _LONGEST.get(name, longest)) for name, each in old.items()}
        changed = {name: each for name, each in new.items() if each is not old[name]}
        return replace(value, **changed) if changed else value
    return value


def clip(text: str, longest: int = _NAME) -> str:
    """One line, nothing invisible that could turn it round; what is too long ends with an ellipsis, after a clause or a word."""
    line = _INVISIBLE.sub("", _BREAKS.sub(" ", text))
    if len(line) <= longest:
        return line
    kept = line[: longest - 1]
    for mark in ("; ", " "):
        if mark in kept[longest // 2 :]:
            kept = kept[: kept.rindex(mark)]
            break
    return f"{kept.rstrip()}\N{HORIZONTAL ELLIPSIS}"
