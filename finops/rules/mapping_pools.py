"""What is wrong with pools.csv and splits.csv: rules, teams and percentages that don't fit each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from finops.rules.catalogue import Catalogue
from finops.rules.header import nearest
from finops.rules.mapping_files import Line, Problems, among, fold, unknown
from finops.rules.mapping_set import Mappings

WINDOWS = ("month", "previous-month", "last-3-months")
FALLBACKS = ("unallocated", "even", "error")
"""The first of each is the default."""
BY_PERCENT = "by_percent"
"""The rule that reads splits.csv."""

BASES = {"by_usage": "the metric that it is divided by", "by_kubernetes": "the name of the cluster"}
"""The rules that need to be told what to look at, and what the column basis says then."""

_PERCENT = re.compile(r"\d{1,3}(\.\d{1,18})?")


class _Known:
    """The names that the files give, as people mean them, and as they are spelt."""

    def __init__(self, catalogue: Catalogue, mappings: Mappings) -> None:
        self.rules = [query.id for query in catalogue.layer("allocate") if query.extra.get("splits") == "pools"]
        self.teams = {fold(line["team"]): line["team"] for line in mappings["teams.csv"]}
        self.pools = {fold(line["pool"]): line for line in mappings["pools.csv"]}
        self.shared = {fold(line["pool"]) for line in mappings["splits.csv"]}
        self.taken = {fold(line[name]): line for line in mappings["teams.csv"] for name in ("name", "team")}

    @property
    def pool_names(self) -> list[str]:
        return [line["pool"] for line in self.pools.values()]


def pool_problems(catalogue: Catalogue, mappings: Mappings, problems: Problems) -> None:
    """Note every problem of the two files."""
    known = _Known(catalogue, mappings)
    for line in mappings["pools.csv"]:
        for what in _of_a_pool(known, line):
            problems.add("pools.csv", line, what)
    for line in mappings["splits.csv"]:
        for what in _of_a_share(known, line):
            problems.add("splits.csv", line, what)
    _sums(mappings, problems)
    _circles(mappings, problems)


def _of_a_pool(known: _Known, line: Line) -> Iterator[str]:
    name = fold(line["pool"])
    if name == "unallocated":
        yield "'unallocated' is what belongs to no team: choose another name"
    if name in known.taken:
        yield f"'{line['pool']}' is a team (teams.csv:{known.taken[name].number}): choose another name"
    if line["split"] not in known.rules:
        yield f"no rule '{line['split']}' splits pools{nearest(line['split'], known.rules)}"
    for column, words in (("window", WINDOWS), ("fallback", FALLBACKS)):
        if line[column] and line[column] not in words:
            yield f"{column} is one of {', '.join(words)}, not '{line[column]}'{nearest(line[column], list(words))}"
    if line["split"] in BASES and not line["basis"]:
        yield f"'{line['pool']}' is split {line['split']}: basis must say {BASES[line['split']]}"
    yield from _of_takers(known, line)
    if line["split"] == BY_PERCENT and name not in known.shared:
        yield f"'{line['pool']}' is split {BY_PERCENT}, but splits.csv has no line for it"


def _of_takers(known: _Known, line: Line) -> Iterator[str]:
    seen: set[str] = set()
    for word in among(line):
        if fold(word) in known.pools:
            yield f"among names teams, and '{word}' is a pool: pools are fed by splits.csv or a rule of your own"
        elif known.teams and fold(word) not in known.teams:
            yield f"among: {unknown(word, list(known.teams.values()), 'team')}"
        if fold(word) in seen:
            yield f"among names '{word}' more than once"
        seen.add(fold(word))
    if not seen and not known.teams and "even" in (line["split"], line["fallback"]):
        yield "among must say which teams: there is no teams.csv"


def _of_a_share(known: _Known, line: Line) -> Iterator[str]:
    pool = known.pools.get(fold(line["pool"]))
    if pool is None:
        yield f"pools.csv has no pool '{line['pool']}'{nearest(line['pool'], known.pool_names)}"
    elif pool["split"] != BY_PERCENT:
        yield f"'{line['pool']}' is split {pool['split']} (pools.csv:{pool.number}): percentages are for {BY_PERCENT}"
    if known.teams and fold(line["team"]) not in known.teams and fold(line["team"]) not in known.pools:
        yield unknown(line["team"], [*known.teams.values(), *known.pool_names], "team or pool")
    if not _PERCENT.fullmatch(line["percent"]):
        yield f"percent is a number such as 33.5, of 18 places at most, not '{line['percent']}'"


def _sums(mappings: Mappings, problems: Problems) -> None:
    """Percentages of a pool add up to 100 whenever there are any."""
    by_pool: dict[str, list[Line]] = {}
    for line in mappings["splits.csv"]:
        by_pool.setdefault(fold(line["pool"]), []).append(line)
    for lines in by_pool.values():
        if not all(_PERCENT.fullmatch(line["percent"]) for line in lines):
            continue
        for begins, ends, valid in _spans(lines):
            total = sum((Decimal(line["percent"]) for line in valid), Decimal(0))
            if total != 100:
                numbers = ", ".join(str(line.number) for line in valid)
                when = f"{f' from {begins}' if begins else ''}{f' until {ends}' if ends else ''}"
                problems.add("splits.csv", valid[0], f"the percentages of '{valid[0]['pool']}' add up to {total:f}{when}, "
                             f"not to 100 (line{'s' if len(valid) > 1 else ''} {numbers})")  # fmt: skip


def _spans(lines: Sequence[Line]) -> Iterator[tuple[date | None, date | None, list[Line]]]:
    """From when until when which of the lines hold; spans in which none does are left out."""
    days = sorted({day for line in lines for day in (line.valid_from, line.valid_until) if day})
    for begins, ends in zip([None, *days], [*days, None], strict=True):
        valid = [
            line
            for line in lines
            if (line.valid_from is None or (begins is not None and line.valid_from <= begins))
            and (line.valid_until is None or (ends is not None and line.valid_until >= ends))
        ]
        if valid:
            yield begins, ends, valid


def _circles(mappings: Mappings, problems: Problems) -> None:
    """A pool that feeds itself, through others or not, could never be divided."""
    pools = {fold(line["pool"]) for line in mappings["pools.csv"]}
    feeds: dict[str, dict[str, Line]] = {}
    for line in mappings["splits.csv"]:
        if fold(line["team"]) in pools and line["percent"].strip("0.") != "":
            feeds.setdefault(fold(line["pool"]), {}).setdefault(fold(line["team"]), line)
    done: set[str] = set()
    for start in feeds:
        trail = _circle(feeds, start, [], done)
        if trail:
            names = " -> ".join(mappings.team(pool) for pool in trail)
            line = feeds[trail[0]][trail[1]]
            problems.add("splits.csv", line, f"pools feed each other in a circle: {names}")


def _circle(feeds: dict[str, dict[str, Line]], pool: str, trail: list[str], done: set[str]) -> list[str]:
    """The first circle that begins at a pool, closed; pools that were looked at are ``done``."""
    if pool in trail:
        return [*trail[trail.index(pool) :], pool]
    if pool in done:
        return []
    done.add(pool)
    for receiver in feeds.get(pool, {}):
        found = _circle(feeds, receiver, [*trail, pool], done)
        if found:
            return found
    return []
