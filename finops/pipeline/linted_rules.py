"""Allocation rules that do nothing: they match nothing, or all that they match is taken by rules before them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from finops.rules.catalogue import Catalogue
from finops.rules.header import QueryFile
from finops.rules.outcomes import RuleOutcome
from finops.rules.run import Params, count, describe, materialise, parameter_values
from finops.rules.tagging import is_splitting, tagging_rules
from finops.warehouse.connection import Connection

_ALL = "CREATE OR REPLACE VIEW allocation.remaining AS SELECT * FROM ledger.dimensions"
_MAPPING = re.compile(r"mapping\.(\w+)")
_EVERYWHERE = {"tag_keys", "tag_values", "teams", "pools", "pool_teams", "service_categories"}
"""Tables that many rules read: that one of them is empty says nothing about a rule."""

Used = dict[str, set[str]]
"""What the reasons of rules name: file name of a mapping -> lines (``3``) and keys (``=111111111111``)."""


@dataclass(frozen=True)
class Note:
    """Something that a build does but nobody can have meant."""

    kind: str
    """``matches nothing``, ``shadowed``, ``tie`` or ``unused lines``."""
    where: str
    text: str
    is_shipped: bool = False
    """Is it about a rule that is not the user's? Such a rule is made for others' bills too."""
    taken_by: list[str] = field(default_factory=list)
    kinds: int = 0
    """Kinds of charges that a shadowed rule would take if it were asked first."""
    money: list[tuple[str, Decimal]] = field(default_factory=list)
    """Their billed cost, by currency."""


def rule_notes(
    con: Connection, catalogue: Catalogue, params: Params, today: date, outcomes: Sequence[RuleOutcome]
) -> tuple[list[Note], Used]:
    """The rules that do nothing, and which mapping lines the rules make use of, each asked as if it were the first.

    Changes ``allocation.remaining``: the caller rolls back.
    """
    won = {outcome.query_id: outcome.won for outcome in outcomes}
    con.execute(_ALL)
    notes: list[Note] = []
    used: Used = {}
    read_by = Counter(file for query in tagging_rules(catalogue) for file in set(_MAPPING.findall(query.body)))
    for query in tagging_rules(catalogue):
        values = parameter_values(con, query, today, params.get(query.id, {}))
        columns = describe(con, query, values)
        materialise(con, query, values, "matched")
        con.execute("DELETE FROM temp.matched WHERE Team IS NULL OR x_DimensionId IS NULL")
        kinds = count(con, "FROM (SELECT DISTINCT x_DimensionId FROM temp.matched)")
        if "x_AllocationReason" in columns:
            _note_lines(con, used)
        files = set(_MAPPING.findall(query.body)) - _EVERYWHERE
        if won.get(query.id) or _is_one_empty(con, files):
            continue
        # a shipped rule that alone reads some of the user's lines speaks for the user
        own = files - {file for file, readers in read_by.items() if readers > 1}
        notes.append(_shadowed(con, query, kinds, shipped=_is_shipped(query) and not own) if kinds else _idle(query))
    notes += [
        Note("matches nothing", str(query.path), f"{query.id} divides no pool: none that is in use names it")
        for query in filter(is_splitting, catalogue.layer("allocate"))
        if query.origin != "shipped" and not won.get(query.id)
    ]
    con.execute("DROP TABLE IF EXISTS temp.matched")
    return notes, used


def _idle(query: QueryFile) -> Note:
    return Note("matches nothing", str(query.path), f"{query.id} matches nothing", _is_shipped(query))


def _is_shipped(query: QueryFile) -> bool:
    return query.origin == "shipped"


def _shadowed(con: Connection, query: QueryFile, kinds: int, *, shipped: bool) -> Note:
    takers = con.execute(
        "SELECT x_AllocationRuleId FROM allocation.dimension_team WHERE book = 0 AND dimension_id IN "
        "(SELECT x_DimensionId FROM temp.matched) AND x_AllocationRuleId <> $id GROUP BY 1 ORDER BY count(*) DESC, 1",
        {"id": query.id},
    ).fetchall()
    money = con.execute(
        "SELECT coalesce(BillingCurrency, 'no currency'), CAST(sum(BilledCost) AS DECIMAL(38, 18)) FROM allocation.dimension_month "
        "WHERE dimension_id IN (SELECT x_DimensionId FROM temp.matched) GROUP BY 1 ORDER BY 1"
    ).fetchall()
    by = [row[0] for row in takers]
    return Note(
        "shadowed",
        str(query.path),
        f"{query.id} takes nothing: all that it matches is taken by rules before it ({', '.join(by)})",
        shipped,
        by,
        kinds,
        money,
    )


def _is_one_empty(con: Connection, tables: set[str]) -> bool:
    """Does the workspace lack one of these mapping files?"""
    stored = {
        row[0] for row in con.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'mapping'").fetchall()
    }
    return any(not count(con, f"FROM mapping.{table}") for table in tables & stored)


def _note_lines(con: Connection, used: Used) -> None:
    """The lines of mapping files that the reasons in ``temp.matched`` name."""
    for file, line in con.execute(
        "SELECT DISTINCT m.file, m.line FROM (SELECT regexp_extract(x_AllocationReason, 'line (\\d+) of ([\\w-]+\\.csv)', "
        "['line', 'file']) AS m FROM temp.matched) WHERE m.file <> ''"
    ).fetchall():
        used.setdefault(file, set()).add(line)
    for file, key in con.execute(
        "SELECT DISTINCT m.file, m.key FROM (SELECT regexp_extract(x_AllocationReason, '(\\S+) in ([\\w-]+\\.csv)', "
        "['key', 'file']) AS m FROM temp.matched) WHERE m.file <> ''"
    ).fetchall():
        used.setdefault(file, set()).add(f"={key}")
