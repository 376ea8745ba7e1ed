"""Who gains and who loses, and by how much, between two versions of rules and mappings. The warehouse stays as it is.

Both are run in a transaction that is rolled back. Within a dimension and a billing month, what some teams lose is what others gain,
so money moves from the first to the second: exactly, and without dividing anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from finops.errors import InternalError, UsageError
from finops.pipeline.freezing import fill_books
from finops.pipeline.frozen_files import FrozenMonth
from finops.rules.catalogue import Catalogue
from finops.rules.mappings import read_mappings, store_mappings
from finops.rules.run import Params, check_params
from finops.rules.stages import allocate, classify
from finops.warehouse.connection import Connection

COSTS = {"billed": "AllocatedBilledCost", "effective": "AllocatedEffectiveCost"}
"""What can be compared."""


@dataclass(frozen=True)
class Side:
    """One version of rules and mappings."""

    name: str
    catalogue: Catalogue
    mappings: Path | None
    params: Params


@dataclass(frozen=True)
class Scope:
    """Which charges are compared."""

    month: date | None = None
    """Only this billing month, by its first day."""
    start: date | None = None
    end: date | None = None
    """Only charges that begin from ``start`` until ``end`` (exclusive)."""
    frozen_only: bool = False
    """Only frozen months: as booked before, as if they were open after."""
    cost: str = "billed"


@dataclass(frozen=True)
class TeamChange:
    """A team's cost before and after, in one currency."""

    currency: str
    team: str
    before: Decimal
    after: Decimal
    difference: Decimal


@dataclass(frozen=True)
class Move:
    """Money that goes from one team to another, because one rule decides where another did."""

    currency: str
    from_team: str
    to_team: str
    amount: Decimal
    """Negative: a credit moves."""
    rule_before: str
    rule_after: str
    kinds: int
    """Kinds of charges behind it."""
    behind: tuple[tuple[str, str, Decimal], ...]
    """Account, service and amount of the three largest."""


@dataclass(frozen=True)
class Comparison:
    """What a change of rules moves."""

    totals: tuple[tuple[str, Decimal, Decimal], ...]
    """Currency, before, after: the two are equal."""
    teams: tuple[TeamChange, ...]
    moves: tuple[Move, ...]


def compare(
    con: Connection, before: Side | None, after: Side, today: date, frozen: Sequence[FrozenMonth], scope: Scope
) -> Comparison:
    """Run both versions over the ledger and say what differs.

    Args:
        before: None is what is built in the warehouse.
        frozen: the months that both leave as booked, unless the scope is what they would be.

    Raises:
        UsageError: nothing is built yet.
        ConfigError, QueryFileError, AllocationError: a version is wrong.
    """
    with _rolled_back(con):
        if before is not None:
            _run(con, before, today, frozen)
        elif not con.execute("FROM ops.stages WHERE stage = 'allocate'").fetchall():
            raise UsageError("nothing is built yet, so there is nothing to compare with", next_step="Run: finops build")
        _sum(con, "before_sum", scope)
        _run(con, after, today, () if scope.frozen_only else frozen)
        if scope.frozen_only:
            _note_frozen(con, frozen)
        _sum(con, "after_sum", scope)
        totals = con.execute(_TOTALS).fetchall()
        if any(row[1] != row[2] for row in totals):
            told = "; ".join(f"{row[0]} {row[1]} before, {row[2]} after" for row in totals if row[1] != row[2])
            raise InternalError(f"the two versions do not add up to the same: {told}")
        con.execute(_CHANGES)
        teams = con.execute(_TEAMS).fetchall()
        moves = con.execute(_MOVES).fetchall()
    return Comparison(
        tuple((row[0], row[1], row[2]) for row in totals),
        tuple(TeamChange(*row) for row in teams),
        tuple(_move(row) for row in moves),
    )


def _move(row: tuple[Any, ...]) -> Move:
    currency, from_team, to_team, amount, rule_before, rule_after, kinds, behind = row
    largest = tuple((each["account"], each["service"], each["amount"]) for each in behind)
    return Move(currency, from_team, to_team, amount, rule_before, rule_after, kinds, largest)


@contextmanager
def _rolled_back(con: Connection) -> Iterator[None]:
    con.execute("BEGIN TRANSACTION")
    try:
        yield
    finally:
        con.execute("ROLLBACK")


def _run(con: Connection, side: Side, today: date, frozen: Sequence[FrozenMonth]) -> None:
    check_params(side.catalogue, side.params)
    store_mappings(con, read_mappings(con, side.catalogue, side.mappings))
    classify(con, side.catalogue, side.params, today)
    allocate(con, side.catalogue, side.params, today)
    fill_books(con, frozen)


def _note_frozen(con: Connection, frozen: Sequence[FrozenMonth]) -> None:
    """The months are in the open book, but are still the ones that are asked for."""
    con.execute("DELETE FROM allocation.frozen_months")
    for each in frozen:
        con.execute("INSERT INTO allocation.frozen_months (month, book) VALUES (?, 0)", [each.entry.month])


def _sum(con: Connection, table: str, scope: Scope) -> None:
    conditions = {
        "date_trunc('month', BillingPeriodStart) = $month": ("month", scope.month),
        "ChargePeriodStart >= $start": ("start", scope.start),
        "ChargePeriodStart < $end": ("end", scope.end),
    }
    chosen = {sql: pair for sql, pair in conditions.items() if pair[1] is not None}
    where = [*chosen]
    if scope.frozen_only:
        where.append("date_trunc('month', BillingPeriodStart) IN (SELECT month FROM allocation.frozen_months)")
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE {table} AS
        WITH by_rule AS (
            SELECT date_trunc('month', BillingPeriodStart) AS month, x_DimensionId AS dimension_id,
                coalesce(BillingCurrency, 'unknown') AS currency, Team AS team, x_AllocationRuleId AS rule,
                x_AllocationPool AS pool, sum({COSTS[scope.cost]}) AS amount
            FROM allocation.charges{" WHERE " if where else ""}{" AND ".join(where)}
            GROUP BY ALL
        ),
        named AS (
            SELECT * REPLACE (rule || CASE WHEN pool NOT LIKE rule || ':%' THEN ' (pool ' || pool || ')' ELSE '' END AS rule)
            FROM by_rule
        )
        SELECT month, dimension_id, currency, team, string_agg(DISTINCT rule, ', ' ORDER BY rule) AS rule,
            CAST(sum(amount) AS DECIMAL(38, 18)) AS amount
        FROM named
        GROUP BY ALL""",
        dict(chosen.values()),
    )


_TOTALS = """
    SELECT currency, CAST(coalesce(sum(amount) FILTER (side = 'before'), 0) AS DECIMAL(38, 18)),
        CAST(coalesce(sum(amount) FILTER (side = 'after'), 0) AS DECIMAL(38, 18))
    FROM (SELECT 'before' AS side, currency, amount FROM temp.before_sum
          UNION ALL SELECT 'after', currency, amount FROM temp.after_sum)
    GROUP BY currency ORDER BY currency"""

# of a credit, the one who loses is the one who had it: all signs are turned
_CHANGES = """
    CREATE OR REPLACE TEMP TABLE change AS
    WITH both_sides AS (
        SELECT month, dimension_id, currency, team, b.rule AS rule_before, a.rule AS rule_after,
            coalesce(b.amount, 0) AS before, coalesce(a.amount, 0) AS after
        FROM temp.before_sum AS b
        FULL JOIN temp.after_sum AS a USING (month, dimension_id, currency, team)
    )
    SELECT *, CASE WHEN sum(before) OVER (PARTITION BY month, dimension_id) < 0 THEN -1 ELSE 1 END AS sign
    FROM both_sides"""

_TEAMS = """
    SELECT currency, team, CAST(sum(before) AS DECIMAL(38, 18)), CAST(sum(after) AS DECIMAL(38, 18)),
        CAST(sum(after - before) AS DECIMAL(38, 18)) AS difference
    FROM temp.change GROUP BY ALL ORDER BY currency, difference DESC, team"""

# what is lost and what is gained are laid along one line; where a loss and a gain lie side by side, that much moves
_MOVES = """
    WITH flows AS (
        SELECT *, sign * (after - before) AS flow FROM temp.change WHERE before <> after
    ),
    laid AS (
        SELECT month, dimension_id, currency, team, rule_before, rule_after, sign, flow > 0 AS gains,
            sum(abs(flow)) OVER w - abs(flow) AS low, sum(abs(flow)) OVER w AS high
        FROM flows
        WINDOW w AS (PARTITION BY month, dimension_id, flow > 0 ORDER BY abs(flow) DESC, team
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ),
    moved AS (
        SELECT l.currency, l.team AS from_team, g.team AS to_team, l.rule_before, g.rule_after, l.dimension_id,
            l.sign * (least(l.high, g.high) - greatest(l.low, g.low)) AS amount
        FROM laid AS l
        JOIN laid AS g ON g.gains AND NOT l.gains AND g.month = l.month AND g.dimension_id = l.dimension_id
            AND least(l.high, g.high) > greatest(l.low, g.low)
    ),
    by_service AS (
        SELECT m.currency, m.from_team, m.to_team, m.rule_before, m.rule_after,
            coalesce(d.SubAccountId, 'no account') AS account, coalesce(d.ServiceName, 'no service') AS service,
            CAST(sum(m.amount) AS DECIMAL(38, 18)) AS amount, list(DISTINCT m.dimension_id) AS dimensions
        FROM moved AS m
        JOIN ledger.dimension AS d ON d.dimension_id = m.dimension_id
        GROUP BY ALL
    )
    SELECT currency, from_team, to_team, CAST(sum(amount) AS DECIMAL(38, 18)) AS moves, rule_before, rule_after,
        CAST(sum(len(dimensions)) AS BIGINT) AS kinds,
        list({'account': account, 'service': service, 'amount': amount} ORDER BY abs(amount) DESC, account, service)[:3]
    FROM by_service
    GROUP BY ALL
    ORDER BY currency, abs(moves) DESC, from_team, to_team, rule_before, rule_after"""
