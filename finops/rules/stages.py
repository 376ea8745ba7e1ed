"""Classify, allocate, check (for find see ``finding``): each runs its layer's queries over dimensions, never rows in Python."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from finops.rules.catalogue import Catalogue
from finops.rules.contract import WRITES
from finops.rules.outcomes import CheckOutcome, RuleOutcome
from finops.rules.pools import split
from finops.rules.run import Params, count, materialise, parameter_values, refuse_repeats
from finops.rules.shared import make_macros
from finops.rules.tagging import refuse_unknown_teams, tag
from finops.warehouse.connection import Connection


def classify(con: Connection, catalogue: Catalogue, params: Params, today: date) -> list[RuleOutcome]:
    """Fill ``ledger.dimension_class``. Of several queries that write a column, the first in order wins."""
    make_macros(con, catalogue, "classify")
    outcomes = []
    con.execute("CREATE OR REPLACE TEMP TABLE class (dimension_id BIGINT, name VARCHAR, value VARCHAR, place INTEGER)")
    for place, query in enumerate(catalogue.layer("classify")):
        values = parameter_values(con, query, today, params.get(query.id, {}))
        matched = materialise(con, query, values, "matched")
        refuse_repeats(con, query, "temp.matched", "x_DimensionId")
        for name in query.extra["writes"]:
            con.execute(
                f"INSERT INTO temp.class SELECT x_DimensionId, '{name}', {name}, {place} "
                f"FROM temp.matched WHERE {name} IS NOT NULL"
            )
        won = count(con, f"FROM (SELECT dimension_id, name FROM temp.class GROUP BY ALL HAVING min(place) = {place})")
        outcomes.append(RuleOutcome(query.id, matched, won))
    picked = ", ".join(f"arg_min(value, place) FILTER (name = '{name}') AS {name}" for name in WRITES)
    con.execute("DELETE FROM ledger.dimension_class")
    con.execute(
        f"INSERT INTO ledger.dimension_class BY NAME SELECT dimension_id, {picked} FROM temp.class GROUP BY dimension_id"
    )
    con.execute("DROP TABLE temp.class")
    con.execute("DROP TABLE IF EXISTS temp.matched")
    return outcomes


def allocate(con: Connection, catalogue: Catalogue, params: Params, today: date) -> list[RuleOutcome]:
    """Fill the open book of ``allocation.*``: a team or a pool for each kind of charge, then shares for each pool.

    Raises:
        QueryFileError, AllocationError: see ``tag`` and ``split``.
    """
    make_macros(con, catalogue, "allocate")
    tagged = tag(con, catalogue, params, today)
    divided = split(con, catalogue, params, today)
    refuse_unknown_teams(con, catalogue)
    return tagged + divided


def check(con: Connection, catalogue: Catalogue, params: Params, today: date) -> list[CheckOutcome]:
    """Run the checks: a row is a violation."""
    outcomes = []
    for query in catalogue.layer("checks"):
        values = parameter_values(con, query, today, params.get(query.id, {}))
        violations = materialise(con, query, values, "violations")
        detail = ""
        if violations:
            rows = con.execute("SELECT * FROM temp.violations LIMIT 5")
            names = [str(column[0]) for column in rows.description]
            lines = [_sentence(dict(zip(names, row, strict=True))) for row in rows.fetchall()]
            more = f" (and {violations - len(lines)} more)" if violations > len(lines) else ""
            detail = "; ".join(lines) + more
        grade = str(query.extra["grade"])
        outcomes.append(CheckOutcome(query.id, query.title, grade, violations == 0, violations, detail))
    con.execute("DROP TABLE IF EXISTS temp.violations")
    return outcomes


def _sentence(row: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in row.items() if value is not None)


def _short(value: object) -> str:
    """An amount without the zeros at its end."""
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return text.rstrip("0").rstrip(".") if isinstance(value, Decimal) and "." in text else text
