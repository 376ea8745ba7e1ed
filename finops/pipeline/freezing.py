"""A month as it was booked: taken from the open book of ``allocation.*``, and put back by every build as a book of its own.

A dimension has another number in the next warehouse, so it is known by a fingerprint of its columns. The number of its invoice is
left out of that: it comes with the final bill. Where it is needed to tell two apart, it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from finops.pipeline.frozen_files import FORM, FrozenFiles, FrozenMonth
from finops.warehouse.columns import Column, part
from finops.warehouse.connection import Connection
from finops.warehouse.shares import BEGINNING, END, WEIGHT
from finops.warehouse.snapshots import Snapshot, read_snapshot, write_snapshot

LATE = "(delivered after the month was frozen)"
"""How the reason of a charge ends that a frozen month did not have when it was frozen."""
_INVOICE = ("InvoiceId", "InvoiceDetailId")
_RULE = "x_AllocationRuleId, x_AllocationRuleVersion, x_AllocationReason"
_AS_LATE = f"concat_ws(' ', nullif(x_AllocationReason, ''), '{LATE}')"
_SPAN = "pool, month, valid_from, valid_until, BillingCurrency, Team"


@dataclass(frozen=True)
class Booked:
    """What was written of a month."""

    snapshot: Snapshot
    charges: int
    billed: dict[str, Decimal]
    """By currency."""
    effective: dict[str, Decimal]


def known_by() -> tuple[str, ...]:
    """The columns that a dimension is known by."""
    return tuple(column.name for column in part("dimension") if column.name not in _INVOICE)


def take_snapshot(con: Connection, files: FrozenFiles, month: date) -> Booked:
    """Write a month's allocation as it stands in the open book.

    Args:
        month: its first day; it is not frozen, and the allocation is up to date.
    """
    columns = known_by()
    _month_dimensions(con, [month])
    _fingerprints(con, columns)
    con.execute(f"CREATE OR REPLACE TEMP TABLE snapshot AS {_CHARGES}")
    con.execute(f"INSERT INTO temp.snapshot BY NAME {_STEPS}")
    con.execute(f"INSERT INTO temp.snapshot BY NAME {_SHARES}")
    con.execute(f"INSERT INTO temp.snapshot BY NAME {_BOOKED}", {"month": month})
    snapshot = write_snapshot(
        con,
        "FROM temp.snapshot ORDER BY kind, key, invoice, pool, month, valid_from, BillingCurrency, Team, SubAccountId",
        files.folder,
        f"{month:%Y-%m}",
        {"form": FORM, "month": f"{month:%Y-%m}", "columns": ",".join(columns)},
    )
    sums = con.execute(
        "SELECT coalesce(BillingCurrency, 'unknown'), CAST(sum(BilledCost) AS DECIMAL(38, 18)), "
        "CAST(sum(EffectiveCost) AS DECIMAL(38, 18)) FROM temp.snapshot WHERE kind = 'booked' GROUP BY ALL"
    ).fetchall()
    counted = con.execute(
        "SELECT count(*) FROM ledger.charge WHERE slice_id IN "
        "(SELECT slice_id FROM ledger.slice WHERE date_trunc('month', billing_period_start) = ?)",
        [month],
    ).fetchone()
    assert counted is not None
    _drop(con)
    return Booked(snapshot, counted[0], {row[0]: row[1] for row in sums}, {row[0]: row[2] for row in sums})


def fill_books(con: Connection, months: Sequence[FrozenMonth]) -> None:
    """Make the books of the frozen months, and take away those of others. The open book must be up to date.

    A dimension that was booked is as booked. One that was not gets what today's rules say; where that is a pool which the month
    knows, the pool is divided as booked.
    """
    _clear_books(con)
    if not months:
        return
    _month_dimensions(con, [each.entry.month for each in months])
    columns: tuple[str, ...] = ()
    for each in months:
        if each.columns != columns:
            columns = each.columns
            _fingerprints(con, columns)
        read_snapshot(con, each.snapshot, "snapshot")
        _fill_book(con, each)
    _drop(con)


def note_open(con: Connection, months: Sequence[FrozenMonth]) -> None:
    """Fill ``allocation.if_open``: what today's rules would charge teams for the frozen months. It empties the books.

    ``fill_books`` comes next.
    """
    _clear_books(con)
    con.execute("DELETE FROM allocation.if_open")
    if months:
        con.execute(_IF_OPEN, {"months": [each.entry.month for each in months]})


def _clear_books(con: Connection) -> None:
    for table in ("dimension_team", "pool_step", "pool_share"):
        con.execute(f"DELETE FROM allocation.{table} WHERE book <> 0")
    con.execute("DELETE FROM allocation.frozen_months")
    con.execute("DELETE FROM allocation.booked")


def _fill_book(con: Connection, frozen: FrozenMonth) -> None:
    entry = frozen.entry
    place = {"book": entry.book, "month": entry.month}
    con.execute(_KNOWN, {"month": entry.month})
    con.execute(_AS_BOOKED, {"book": entry.book})
    con.execute(_CAME_LATER, place)
    con.execute(
        f"INSERT INTO allocation.pool_step SELECT $book, {_SPAN}, is_pool, basis, weight, {_RULE} "
        "FROM temp.snapshot WHERE kind = 'step'",
        {"book": entry.book},
    )
    con.execute(
        f"INSERT INTO allocation.pool_share SELECT $book, {_SPAN}, weight, takes_rest, {_RULE} "
        "FROM temp.snapshot WHERE kind = 'share'",
        {"book": entry.book},
    )
    con.execute(_NEW_POOLS, place)
    con.execute(_SHARES_OF_TODAY, {"book": entry.book})
    con.execute(_STEPS_OF_TODAY, {"book": entry.book})
    con.execute(
        "INSERT INTO allocation.booked SELECT $month, Team, SubAccountId, BillingCurrency, BilledCost, EffectiveCost "
        "FROM temp.snapshot WHERE kind = 'booked'",
        {"month": entry.month},
    )
    con.execute(
        "INSERT INTO allocation.frozen_months VALUES (?, ?, ?, ?, ?, ?)",
        [entry.month, entry.book, entry.at.replace(tzinfo=None), entry.by, entry.reason, entry.digest],
    )


def _month_dimensions(con: Connection, months: Sequence[date]) -> None:
    """``temp.month_dimension``: which dimensions a billing month's charges are of, and in which months these begin."""
    con.execute(
        """CREATE OR REPLACE TEMP TABLE month_dimension AS
        SELECT s.month, c.dimension_id, CAST(date_trunc('month', c.ChargePeriodStart) AS DATE) AS charge_month
        FROM ledger.charge AS c
        JOIN (SELECT slice_id, CAST(date_trunc('month', billing_period_start) AS DATE) AS month FROM ledger.slice) AS s
            ON s.slice_id = c.slice_id
        WHERE list_contains($months, s.month)
        GROUP BY ALL""",
        {"months": list(months)},
    )


def _fingerprints(con: Connection, names: Iterable[str]) -> None:
    """``temp.fingerprint``: by what the dimensions in use are known."""
    types = {column.name: column for column in part("dimension")}
    stated = ", ".join(f"{{'c': '{name}', 'v': {_stated(types[name])}}}" for name in names if name in types)
    invoice = ", ".join(f'd."{name}"' for name in _INVOICE)
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE fingerprint AS
        SELECT d.dimension_id, d.BillingCurrency, concat_ws('|', {invoice}) AS invoice,
            CAST(md5(CAST(to_json(list_filter([{stated}], lambda x: x.v IS NOT NULL)) AS VARCHAR)) AS UUID) AS key
        FROM ledger.dimension AS d
        SEMI JOIN temp.month_dimension AS m ON m.dimension_id = d.dimension_id"""
    )


def _stated(column: Column) -> str:
    """A column's value as text. A map is the same whatever the order of its keys."""
    name = f'd."{column.name}"'
    if column.type.startswith("MAP"):
        return f"CASE WHEN {name} IS NOT NULL THEN CAST(to_json(list_sort(map_entries({name}))) AS VARCHAR) END"
    return f"CAST({name} AS VARCHAR)"


def _drop(con: Connection) -> None:
    for table in ("snapshot", "month_dimension", "fingerprint", "known", "new_pool"):
        con.execute(f"DROP TABLE IF EXISTS temp.{table}")


# of dimensions that cannot be told apart, the first speaks for all; one that nobody has stands there without a team
_CHARGES = f"""
    WITH one AS (SELECT key, invoice, min(dimension_id) AS dimension_id FROM temp.fingerprint GROUP BY ALL)
    SELECT 'charges' AS kind, o.key, o.invoice, CAST(NULL AS VARCHAR) AS pool, CAST(NULL AS DATE) AS month, t.valid_from,
        t.valid_until, CAST(NULL AS VARCHAR) AS BillingCurrency, t.Team, t.is_pool, CAST(NULL AS DECIMAL(38, 18)) AS basis,
        CAST(NULL AS {WEIGHT}) AS weight, CAST(NULL AS BOOLEAN) AS takes_rest, t.x_AllocationRuleId, t.x_AllocationRuleVersion,
        t.x_AllocationMethod, t.x_AllocationReason, CAST(NULL AS VARCHAR) AS SubAccountId,
        CAST(NULL AS DECIMAL(38, 18)) AS BilledCost, CAST(NULL AS DECIMAL(38, 18)) AS EffectiveCost
    FROM one AS o
    LEFT JOIN allocation.dimension_team AS t ON t.dimension_id = o.dimension_id AND t.book = 0"""

# the pools of the month's charges, in the months in which these begin
_USED = """
    SELECT DISTINCT t.Team AS pool, m.charge_month AS month, f.BillingCurrency
    FROM temp.month_dimension AS m
    JOIN temp.fingerprint AS f ON f.dimension_id = m.dimension_id
    JOIN allocation.dimension_team AS t ON t.dimension_id = m.dimension_id AND t.book = {book} AND t.is_pool"""

# steps from these pools, and from the pools that they feed
_REACHED = """
    WITH RECURSIVE used AS ({used}),
    reached AS (
        SELECT pool, month, BillingCurrency FROM used
        UNION
        SELECT s.Team, s.month, s.BillingCurrency
        FROM reached AS r
        JOIN allocation.pool_step AS s ON s.book = 0 AND s.is_pool AND s.pool = r.pool AND s.month = r.month
            AND s.BillingCurrency IS NOT DISTINCT FROM r.BillingCurrency
    )"""

_HERE = "p.pool = u.pool AND p.month = u.month AND p.BillingCurrency IS NOT DISTINCT FROM u.BillingCurrency"

_STEPS = f"""{_REACHED.format(used=_USED.format(book=0))}
    SELECT 'step' AS kind, {_SPAN}, is_pool, basis, weight, {_RULE}
    FROM allocation.pool_step AS p
    SEMI JOIN reached AS u ON {_HERE}
    WHERE book = 0"""

_SHARES = f"""
    SELECT 'share' AS kind, {_SPAN}, weight, takes_rest, {_RULE}
    FROM allocation.pool_share AS p
    SEMI JOIN ({_USED.format(book=0)}) AS u ON {_HERE}
    WHERE book = 0"""

_BOOKED = """
    SELECT 'booked' AS kind, Team, SubAccountId, BillingCurrency,
        CAST(sum(AllocatedBilledCost) AS DECIMAL(38, 18)) AS BilledCost,
        CAST(sum(AllocatedEffectiveCost) AS DECIMAL(38, 18)) AS EffectiveCost
    FROM allocation.charges
    WHERE date_trunc('month', BillingPeriodStart) = $month
    GROUP BY ALL"""

_IF_OPEN = """
    INSERT INTO allocation.if_open
    SELECT CAST(date_trunc('month', BillingPeriodStart) AS DATE) AS month, Team, SubAccountId, BillingCurrency,
        CAST(sum(AllocatedBilledCost) AS DECIMAL(38, 18)), CAST(sum(AllocatedEffectiveCost) AS DECIMAL(38, 18))
    FROM allocation.charges
    WHERE list_contains($months, CAST(date_trunc('month', BillingPeriodStart) AS DATE))
    GROUP BY ALL"""

_KNOWN = """
    CREATE OR REPLACE TEMP TABLE known AS
    WITH kept AS (SELECT DISTINCT key, invoice FROM temp.snapshot WHERE kind = 'charges'),
    alike AS (SELECT key, min(invoice) AS invoice FROM kept GROUP BY key)
    SELECT f.dimension_id, f.key, coalesce(k.invoice, a.invoice) AS invoice
    FROM temp.fingerprint AS f
    SEMI JOIN (FROM temp.month_dimension WHERE month = $month) AS m ON m.dimension_id = f.dimension_id
    JOIN alike AS a ON a.key = f.key
    LEFT JOIN kept AS k ON k.key = f.key AND k.invoice = f.invoice"""

_AS_BOOKED = """
    INSERT INTO allocation.dimension_team
    SELECT $book, k.dimension_id, s.valid_from, s.valid_until, s.Team, s.is_pool, s.x_AllocationRuleId,
        s.x_AllocationRuleVersion, s.x_AllocationMethod, s.x_AllocationReason
    FROM temp.known AS k
    JOIN temp.snapshot AS s ON s.kind = 'charges' AND s.key = k.key AND s.invoice = k.invoice
    WHERE s.Team IS NOT NULL"""

_CAME_LATER = f"""
    INSERT INTO allocation.dimension_team
    WITH later AS (
        SELECT DISTINCT dimension_id FROM temp.month_dimension WHERE month = $month
        EXCEPT SELECT dimension_id FROM temp.known
    )
    SELECT $book, l.dimension_id, coalesce(t.valid_from, {BEGINNING}), coalesce(t.valid_until, {END}),
        coalesce(t.Team, 'unallocated'), coalesce(t.is_pool, false), coalesce(t.x_AllocationRuleId, 'unallocated'),
        t.x_AllocationRuleVersion, coalesce(t.x_AllocationMethod, 'default'), {_AS_LATE}
    FROM later AS l
    LEFT JOIN allocation.dimension_team AS t ON t.dimension_id = l.dimension_id AND t.book = 0"""

# pools that the book needs and that the month, as booked, does not have
_NEW_POOLS = f"""
    CREATE OR REPLACE TEMP TABLE new_pool AS
    SELECT u.* FROM ({_USED.format(book="$book")} WHERE m.month = $month) AS u
    ANTI JOIN (FROM temp.snapshot WHERE kind = 'share') AS p ON {_HERE}"""

_SHARES_OF_TODAY = f"""
    INSERT INTO allocation.pool_share
    SELECT $book, {_SPAN}, weight, takes_rest, x_AllocationRuleId, x_AllocationRuleVersion, {_AS_LATE}
    FROM allocation.pool_share AS p
    SEMI JOIN temp.new_pool AS u ON {_HERE}
    WHERE book = 0"""

_STEPS_OF_TODAY = f"""
    INSERT INTO allocation.pool_step {_REACHED.format(used="FROM temp.new_pool")}
    SELECT $book, {_SPAN}, is_pool, basis, weight, x_AllocationRuleId, x_AllocationRuleVersion, {_AS_LATE}
    FROM allocation.pool_step AS p
    SEMI JOIN reached AS u ON {_HERE}
    ANTI JOIN (FROM temp.snapshot WHERE kind = 'step') AS b
        ON b.pool = p.pool AND b.month = p.month AND b.BillingCurrency IS NOT DISTINCT FROM p.BillingCurrency
    WHERE book = 0"""
