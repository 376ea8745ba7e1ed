"""Classify, allocate, find, check: each runs its layer's queries over dimensions, never over rows in Python."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from finops.errors import QueryFileError
from finops.rules.catalogue import Catalogue
from finops.rules.contract import WRITES
from finops.rules.header import QueryFile
from finops.rules.outcomes import CheckOutcome, RuleOutcome
from finops.rules.pools import split
from finops.rules.run import Params, count, materialise, parameter_values
from finops.rules.shared import make_finding_tables, make_macros
from finops.rules.tagging import refuse_unknown_teams, tag
from finops.warehouse.connection import Connection, DatabaseError

LONGEST_LOOK_BACK = 45
"""Days of charges that findings may look at, unless a window asks for more: a window of 30 days and what was before it."""


def classify(con: Connection, catalogue: Catalogue, params: Params, today: date) -> list[RuleOutcome]:
    """Fill ``ledger.dimension_class``. Of several queries that write a column, the first in order wins."""
    make_macros(con, catalogue, "classify")
    outcomes = []
    con.execute("CREATE OR REPLACE TEMP TABLE class (dimension_id BIGINT, name VARCHAR, value VARCHAR, place INTEGER)")
    for place, query in enumerate(catalogue.layer("classify")):
        values = parameter_values(con, query, today, params.get(query.id, {}))
        matched = materialise(con, query, values, "matched")
        _refuse_repeats(con, query, "x_DimensionId")
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


def find(con: Connection, catalogue: Catalogue, params: Params, today: date) -> list[RuleOutcome]:
    """Fill ``findings.findings``; the engine adds the id, the rule, the team and what to do."""
    queries = [
        (query, parameter_values(con, query, today, params.get(query.id, {}))) for query in catalogue.layer("findings")
    ]
    make_finding_tables(con, catalogue, today, _horizon(queries))
    make_macros(con, catalogue, "findings")
    con.execute("DELETE FROM findings.findings")
    outcomes = []
    for query, values in queries:
        found = materialise(con, query, values, "found")
        _refuse_repeats(con, query, "provider, account_id, resource_id, currency")
        con.execute(
            """
            INSERT INTO findings.findings BY NAME
            SELECT
                left(md5(concat_ws('|', $rule_id, f.provider, f.account_id, f.resource_id, f.currency)), 12) AS finding_id,
                $rule_id AS rule_id,
                $rule_version AS rule_version,
                f.* REPLACE (
                    CASE WHEN e.reason IS NOT NULL THEN 'excepted' ELSE f.status END AS status,
                    f.reason || coalesce('; excepted until ' || e.until || ' by ' || e.owner || ': ' || e.reason, '')
                        AS reason
                ),
                $action AS recommended_action
            FROM temp.found AS f
            LEFT JOIN mapping.exceptions AS e
                ON e.rule_id = $rule_id AND e.resource_id = f.resource_id AND e.until > $today
            """,
            {
                "rule_id": query.id,
                "rule_version": query.version,
                "action": str(query.extra["recommended_action"]).strip(),
                "today": today,
            },
        )
        outcomes.append(RuleOutcome(query.id, found, found))
    _name_teams(con)
    con.execute("DROP TABLE IF EXISTS temp.found")
    return outcomes


def _horizon(queries: list[tuple[QueryFile, dict[str, Any]]]) -> int:
    """How many days back the longest window reaches, and what was before it."""
    windows = [
        int(values[name])
        for query, values in queries
        for name, parameter in query.params.items()
        if parameter.type == "integer" and parameter.unit == "days" and name in values
    ]
    return max([LONGEST_LOOK_BACK, *(days + 15 for days in windows)])


def _name_teams(con: Connection) -> None:
    """A finding's team is the one that pays most of the resource in the finding's window, or ever if it cost nothing."""
    con.execute(
        """
        UPDATE findings.findings AS f SET team = coalesce(p.team, 'unallocated')
        FROM (
            WITH resources AS (
                SELECT DISTINCT resource_id, account_id, currency, window_start, window_end FROM findings.findings
            ),
            dimensions AS (
                SELECT r.*, d.dimension_id
                FROM resources AS r
                JOIN ledger.dimension AS d
                    ON coalesce(d.ResourceId, d.CommitmentDiscountId, d.CapacityReservationId) = r.resource_id
                   AND d.SubAccountId IS NOT DISTINCT FROM r.account_id
                   AND d.BillingCurrency IS NOT DISTINCT FROM r.currency
            ),
            costs AS (
                SELECT d.resource_id, d.account_id, d.currency, d.window_end, d.window_start, c.Team AS team,
                    sum(c.AllocatedEffectiveCost)
                        FILTER (c.ChargePeriodStart >= d.window_start AND c.ChargePeriodStart < d.window_end) AS in_window,
                    sum(c.AllocatedEffectiveCost) AS ever
                FROM dimensions AS d
                JOIN allocation.charges AS c ON c.x_DimensionId = d.dimension_id
                GROUP BY ALL
            ),
            ranked AS (
                SELECT *, ROW_NUMBER() OVER (
                    PARTITION BY resource_id, account_id, currency, window_start, window_end
                    ORDER BY coalesce(in_window, 0) DESC, ever DESC, team
                ) AS place
                FROM costs
            )
            SELECT * FROM ranked WHERE place = 1
        ) AS p
        WHERE p.resource_id = f.resource_id AND p.account_id IS NOT DISTINCT FROM f.account_id
          AND p.currency IS NOT DISTINCT FROM f.currency AND p.window_start = f.window_start AND p.window_end = f.window_end
        """
    )
    con.execute("UPDATE findings.findings SET team = 'unallocated' WHERE team IS NULL")


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


def _refuse_repeats(con: Connection, query: QueryFile, key: str) -> None:
    """A query must say one thing about each thing."""
    table = "temp.found" if query.layer == "findings" else "temp.matched"
    try:
        row = con.execute(f"SELECT {key}, count(*) FROM {table} GROUP BY {key} HAVING count(*) > 1 LIMIT 1").fetchone()
    except DatabaseError as error:
        raise QueryFileError(f"does not return {key}: {error}", where=str(query.path)) from error
    if row:
        raise QueryFileError(
            f"says {row[-1]} things about one {key}: {', '.join(str(cell) for cell in row[:-1])}",
            where=str(query.path),
            next_step="Group the query, or rank its rows and keep the first.",
        )
