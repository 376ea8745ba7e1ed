"""How charges were divided: the chain from a pool to teams with its weights, and the arithmetic of one charge, digit by digit.

Everything is about ``temp.scope``, the charges that are explained (see ``explaining``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal
from typing import Any

from finops.pipeline.explained_rules import Row, day, rows
from finops.warehouse.connection import Connection

_EXACT = Context(prec=76)
_CUT = Decimal("1e-9")
"""Amounts are cut to this before they are divided: see ``warehouse.shares``."""


def splits(con: Connection) -> list[Row]:
    """For each pool, span of days and currency: the charges' sum, the receivers with their weights, and the teams' shares."""
    con.execute(
        """CREATE OR REPLACE TEMP TABLE divided AS
        SELECT DISTINCT p.book, p.pool, p.month, p.valid_from, p.valid_until, p.BillingCurrency
        FROM allocation.pool_share AS p
        JOIN temp.scope AS s ON s.is_pool AND s.team = p.pool AND s.book = p.book AND s.month = p.month
            AND s.BillingCurrency IS NOT DISTINCT FROM p.BillingCurrency
            AND s.ChargePeriodStart >= p.valid_from AND s.ChargePeriodStart < p.valid_until"""
    )
    found = rows(
        con,
        """SELECT p.*, strftime(p.month, '%Y-%m') AS in_month, m.name, m.basis, m."window", m.fallback, m.line,
            count(*) AS rows, CAST(sum(s.BilledCost) AS DECIMAL(38, 18)) AS billed_cost,
            CAST(sum(s.EffectiveCost) AS DECIMAL(38, 18)) AS effective_cost
        FROM temp.divided AS p
        JOIN temp.scope AS s ON s.is_pool AND s.team = p.pool AND s.book = p.book AND s.month = p.month
            AND s.BillingCurrency IS NOT DISTINCT FROM p.BillingCurrency
            AND s.ChargePeriodStart >= p.valid_from AND s.ChargePeriodStart < p.valid_until
        LEFT JOIN mapping.pools AS m ON m.pool = p.pool
        GROUP BY ALL ORDER BY p.month, p.valid_from, p.pool, p.BillingCurrency""",
    )
    return [_split(con, row) for row in found]


def _split(con: Connection, row: Row) -> Row:
    place = {key: row[key] for key in ("book", "pool", "month", "valid_from", "valid_until")}
    place["currency"] = row["BillingCurrency"]
    return {
        "pool": row["pool"],
        "name": row["name"],
        "month": row["in_month"],
        "valid_from": day(row["valid_from"]),
        "valid_until": day(row["valid_until"]),
        "currency": row["BillingCurrency"],
        "frozen_month": f"{row['book'] // 100}-{row['book'] % 100:02}" if row["book"] else None,
        "basis": row["basis"],
        "window": row["window"],
        "fallback": row["fallback"],
        "mapping_line": {"file": "pools.csv", "line": row["line"]} if row["line"] else None,
        "rows": row["rows"],
        "billed_cost": row["billed_cost"],
        "effective_cost": row["effective_cost"],
        "steps": _steps(con, place, row["pool"], ()),
        "shares": _shares(con, place),
    }


def _steps(con: Connection, place: dict[str, Any], pool: str, above: tuple[str, ...]) -> list[Row]:
    """The receivers of a pool; those that are pools have receivers of their own."""
    found = rows(
        con,
        "SELECT Team AS receiver, is_pool, basis, weight, x_AllocationRuleId AS rule, x_AllocationRuleVersion AS version, "
        "x_AllocationReason AS reason FROM allocation.pool_step WHERE book = $book AND pool = $pool AND month = $month "
        "AND valid_from = $valid_from AND valid_until = $valid_until AND BillingCurrency IS NOT DISTINCT FROM $currency "
        "ORDER BY weight DESC, Team",
        place | {"pool": pool},
    )
    for step in found:
        if step["is_pool"] and step["receiver"] not in above:
            step["steps"] = _steps(con, place, step["receiver"], (*above, pool))
    return found


def _shares(con: Connection, place: dict[str, Any]) -> list[Row]:
    """Who takes how much of these charges: ``allocation.charges`` says the same."""
    billed, effective = (
        f"CAST(sum(CAST(trunc(s.{name}, 9) AS DECIMAL(29, 9)) * p.weight "
        f"+ CASE WHEN p.takes_rest THEN s.{name} - trunc(s.{name}, 9) ELSE 0 END) AS DECIMAL(38, 18))"
        for name in ("BilledCost", "EffectiveCost")
    )
    return rows(
        con,
        f"""SELECT p.Team AS team, p.weight, p.takes_rest, {billed} AS billed_cost, {effective} AS effective_cost,
            p.x_AllocationReason AS reason
        FROM allocation.pool_share AS p
        JOIN temp.scope AS s ON s.is_pool AND s.team = p.pool AND s.book = p.book AND s.month = p.month
            AND s.BillingCurrency IS NOT DISTINCT FROM p.BillingCurrency
            AND s.ChargePeriodStart >= p.valid_from AND s.ChargePeriodStart < p.valid_until
        WHERE p.book = $book AND p.pool = $pool AND p.month = $month AND p.valid_from = $valid_from
          AND p.valid_until = $valid_until AND p.BillingCurrency IS NOT DISTINCT FROM $currency
        GROUP BY ALL ORDER BY p.weight DESC, p.Team""",
        place,
    )


def arithmetic(con: Connection) -> Row | None:
    """One charge, divided by hand: the largest of those that are shared, or of all if none is.

    Each share is the amount, cut after 9 places, times the weight. One team takes what was cut off as well.
    """
    found = rows(
        con,
        "SELECT *, count(*) OVER (PARTITION BY is_pool) AS charges "
        "FROM temp.scope ORDER BY is_pool DESC, abs(BilledCost) DESC, abs(EffectiveCost) DESC, ChargePeriodStart, "
        "dimension_id LIMIT 1",
    )
    if not found:
        return None
    charge = found[0]
    measure = "BilledCost" if charge["BilledCost"] else "EffectiveCost"
    amount: Decimal = charge[measure]
    cut = amount.quantize(_CUT, rounding=ROUND_DOWN, context=_EXACT)
    rest = _EXACT.subtract(amount, cut)
    shares = rows(
        con,
        "SELECT Team AS team, weight, takes_rest FROM allocation.pool_share WHERE $is_pool AND pool = $pool AND book = $book "
        "AND month = $month AND BillingCurrency IS NOT DISTINCT FROM $currency AND valid_from <= $start AND valid_until > $start "
        "ORDER BY weight DESC, Team",
        {key: charge[key] for key in ("is_pool", "book", "month")}
        | {"pool": charge["team"], "currency": charge["BillingCurrency"], "start": charge["ChargePeriodStart"]},
    )
    if not shares:
        cut, rest = amount, Decimal(0)
        shares = [
            {"team": "unallocated" if charge["is_pool"] else charge["team"], "weight": Decimal(1), "takes_rest": False}
        ]
    total = Decimal(0)
    for share in shares:
        share["product"] = _EXACT.multiply(cut, share["weight"])
        share["share"] = _EXACT.add(share["product"], rest) if share["takes_rest"] else share["product"]
        total = _EXACT.add(total, share["share"])
    start: datetime = charge["ChargePeriodStart"]
    return {
        "dimension_id": charge["dimension_id"],
        "start": start,
        "end": start + timedelta(microseconds=charge["ChargePeriodMicroseconds"] or 0),
        "of": charge["charges"],
        "pool": charge["team"] if charge["is_pool"] else None,
        "measure": measure,
        "amount": amount,
        "cut": cut,
        "rest": rest,
        "currency": charge["BillingCurrency"],
        "shares": shares,
        "sum": total,
        "difference": _EXACT.subtract(total, amount),
    }
