"""Loads one delivery into the star: dimensions once, charges row by row, whole slices in one transaction.

The work is done in the order that makes it cheap. Rows are hashed over the *delivered* cells that dimensions depend on (30 of
125 columns of a CUR), each distinct combination is mapped once, and only the measures are mapped for every row. Measured on
10 million rows and two cores this takes a quarter of the time of writing the same columns as one wide table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from finops.errors import BadInputError, CheckFailedError
from finops.formats.read import TypedColumn, quote
from finops.warehouse.columns import ledger_columns, part
from finops.warehouse.connection import Connection, transaction
from finops.warehouse.landing import DeliveryRecord
from finops.warehouse.mapping import MappedColumn
from finops.warehouse.schema import MONEY, stored_measure

LARGEST_AMOUNT = 10**12
"""No line of a bill is a trillion of any currency; a larger one is a misread cell."""
LARGEST_TAGS = 1_000_000
"""Characters in one tag cell, as in a CSV."""

Held = dict[tuple[str | None, datetime], str]
"""The slices (account, period) that this call has loaded already, and the file that holds each."""


Tell = Callable[[str, float, int], None]
"""Is told which step begins, which share of the work is done by then, and how many rows there are."""


@dataclass(frozen=True)
class Sums:
    """The totals of a slice in one currency."""

    currency: str | None
    row_count: int
    billed_cost: Decimal
    effective_cost: Decimal
    delivered_cost: Decimal
    """The figure that the file itself states: unblended cost, cost before credits, cost in billing currency."""


@dataclass(frozen=True)
class LoadedSlice:
    """One slice of a delivery, and what became of it."""

    billing_account_id: str | None
    billing_period_start: datetime
    status: str
    """``loaded`` for the first time, ``replaced`` an older delivery, or ``superseded``: a newer one is there and stays."""
    row_count: int
    sums: tuple[Sums, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What to load: the relation with the delivered cells, and how it is typed and mapped."""

    load_id: str
    source_id: str
    format: str
    dialect: str
    mapping_version: str
    delivered_at: datetime
    loaded_at: datetime
    base: str
    """SQL of the base relation, or the name of a table that holds it."""
    typed: Sequence[TypedColumn]
    mapped: Sequence[MappedColumn]
    files: Sequence[str]
    byte_count: int
    where: str
    """How to name the delivery in a message."""
    taken: Held = field(default_factory=dict)
    tell: Tell = field(default=lambda step, share, rows: None)


def load(con: Connection, plan: Plan) -> list[LoadedSlice]:
    """Replace the slices of a delivery in one transaction, unless a newer delivery holds them.

    Raises:
        BadInputError: a cell is absurd or a mandatory fact is missing.
        CheckFailedError: what was stored does not add up to what was delivered.
        duckdb.Error: a cell can't be converted; the caller finds out which (``formats.diagnose``).
    """
    try:
        delivered = _count(con, plan)
        with transaction(con):
            plan.tell("kinds of charges", 0.0, delivered)
            _collect_dimensions(con, plan)
            _store_dimensions(con)
            slices = _slices(con, plan)
            plan.tell("charges", 0.4, delivered)
            loaded = _replace(con, plan, slices, delivered)
            plan.tell("commit", 0.95, delivered)
    finally:
        for table in ("raw_dimension", "mapped_dimension", "content_key", "new_dimension", "key_to_id", "winning"):
            con.execute(f"DROP TABLE IF EXISTS temp.{table}")
    return loaded


def _typed_select(plan: Plan, names: frozenset[str] | set[str], source: str, also: Sequence[str] = ()) -> str:
    """A SELECT of the typed columns ``names`` from a relation with physical columns."""
    columns = [f"{t.expression} AS {quote(t.name)}" for t in plan.typed if t.name in names]
    return f"SELECT {', '.join([*also, *columns]) or '1 AS nothing'} FROM {source}"


def _key(plan: Plan) -> tuple[list[str], str]:
    """The physical columns that dimensions and slices depend on, and the 128-bit key over them.

    Two independent 64-bit hashes: with 10 million distinct combinations the chance that any two collide is 1e-25.
    """
    reads = frozenset().union(*(m.reads for m in plan.mapped if m.part != "charge"))
    physical = sorted({name for t in plan.typed if t.name in reads for name in t.physical})
    if not physical:
        return [], "CAST(0 AS UHUGEINT)"
    forward, backward = ", ".join(physical), ", ".join(reversed(physical))
    return physical, f"(CAST(hash({forward}) AS UHUGEINT) << 64) | CAST(hash('finops', {backward}) AS UHUGEINT)"


def _collect_dimensions(con: Connection, plan: Plan) -> None:
    physical, key = _key(plan)
    columns = "".join(f", any_value({name}) AS {name}" for name in physical)
    listed = "".join(f", {name}" for name in physical)
    con.execute(
        f"CREATE TEMP TABLE raw_dimension AS SELECT k{columns} FROM (SELECT {key} AS k{listed} FROM ({plan.base})) GROUP BY k"
    )
    wanted = {m.name: m for m in plan.mapped if m.part != "charge"}
    reads = set().union(*(m.reads for m in wanted.values()))
    expressions = []
    for column in part("dimension", "slice"):
        if column.name in ("x_SourceId", "x_LoadId"):
            continue
        made = wanted[column.name].expression if column.name in wanted else "NULL"
        expressions.append(f"CAST({made} AS {column.type}) AS {quote(column.name)}")
    typed = _typed_select(plan, reads, "temp.raw_dimension", also=["k"])
    con.execute(f"CREATE TEMP TABLE mapped_dimension AS SELECT k AS raw_key, {', '.join(expressions)} FROM ({typed})")
    _check_dimensions(con, plan)


def _check_dimensions(con: Connection, plan: Plan) -> None:
    row = con.execute(
        "SELECT count(*) FILTER (BillingPeriodStart IS NULL), "
        "max(list_sum(list_transform(map_values(Tags), lambda v: length(v)))) FROM temp.mapped_dimension"
    ).fetchone()
    assert row is not None
    if row[0]:
        raise BadInputError(
            f"{row[0]} kinds of rows have no billing period",
            where=plan.where,
            next_step="Neither a billing period nor a usage date is in these rows; export the file again.",
        )
    if (row[1] or 0) > LARGEST_TAGS:
        raise BadInputError(
            f"a resource's tags are {row[1]:,} characters long",
            where=plan.where,
            next_step=f"No provider allows more than some kilobytes; finops refuses more than {LARGEST_TAGS:,}.",
        )
    for column in part("dimension"):
        if column.allowed:
            _check_allowed(con, plan, column.name, column.allowed)


def _check_allowed(con: Connection, plan: Plan, name: str, allowed: Sequence[str]) -> None:
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in allowed)
    row = con.execute(
        f"SELECT any_value({quote(name)}) FROM temp.mapped_dimension WHERE {quote(name)} NOT IN ({listed})"
    ).fetchone()
    if row and row[0] is not None:
        raise BadInputError(
            f"{name} is {row[0]!r}, which FOCUS does not allow",
            where=plan.where,
            next_step=f"Allowed: {', '.join(allowed)}.",
        )


def _store_dimensions(con: Connection) -> None:
    """Add the combinations that the ledger does not have yet, and note which key is which dimension.

    The wide rows are touched once; what is sorted, grouped and joined are narrow tables of keys.
    """
    names = [column.name for column in part("dimension")]
    content = ", ".join(quote(name) for name in names)
    backward = ", ".join(quote(name) for name in reversed(names))
    con.execute(
        "CREATE TEMP TABLE content_key AS SELECT raw_key, BillingAccountId, BillingPeriodStart, BillingPeriodEnd, "
        f"(CAST(hash({content}) AS UHUGEINT) << 64) | CAST(hash('finops', {backward}) AS UHUGEINT) AS key "
        "FROM temp.mapped_dimension"
    )
    con.execute(
        "CREATE TEMP TABLE new_dimension AS SELECT key, raw_key, (SELECT coalesce(max(dimension_id), 0) "
        "FROM ledger.dimension) + row_number() OVER (ORDER BY key) AS dimension_id FROM (SELECT key, min(raw_key) AS raw_key "
        "FROM temp.content_key AS c WHERE NOT EXISTS (FROM ledger.dimension AS d WHERE d.key = c.key) GROUP BY key)"
    )
    con.execute(
        f"INSERT INTO ledger.dimension SELECT n.dimension_id, n.key, {content} "
        "FROM temp.mapped_dimension AS m JOIN temp.new_dimension AS n USING (raw_key)"
    )
    con.execute(
        "CREATE TEMP TABLE key_to_id AS SELECT c.raw_key, c.BillingAccountId, c.BillingPeriodStart, c.BillingPeriodEnd, "
        "d.dimension_id FROM temp.content_key AS c JOIN ledger.dimension AS d ON d.key = c.key"
    )


@dataclass(frozen=True)
class _Slice:
    account: str | None
    start: datetime
    end: datetime
    slice_id: int
    status: str


def _slices(con: Connection, plan: Plan) -> list[_Slice]:
    """The delivery's slices, each with its id and whether this delivery may hold it."""
    found = con.execute(
        "SELECT DISTINCT k.BillingAccountId, k.BillingPeriodStart, k.BillingPeriodEnd, s.slice_id, l.delivered_at, "
        "s.load_id FROM temp.key_to_id AS k "
        "LEFT JOIN ledger.slice AS s ON s.source_id = ? AND s.billing_account_id IS NOT DISTINCT FROM k.BillingAccountId "
        "AND s.billing_period_start = k.BillingPeriodStart "
        "LEFT JOIN ops.loads AS l ON l.load_id = s.load_id AND l.slice_id = s.slice_id ORDER BY ALL",
        [plan.source_id],
    ).fetchall()
    row = con.execute("SELECT coalesce(max(slice_id), 0) FROM ledger.slice").fetchone()
    assert row is not None
    next_id = row[0]
    slices = []
    for account, start, end, known_id, held_since, held_by in found:
        refuse_twice(plan.taken, (account, start), plan.where)
        status = "loaded"
        if known_id is None:
            next_id += 1
        elif held_by is not None and held_by != plan.load_id:
            status = "superseded" if held_since and held_since > plan.delivered_at else "replaced"
        slices.append(_Slice(account, start, end, known_id or next_id, status))
    return slices


def refuse_twice(taken: Held, slice_key: tuple[str | None, datetime], name: str) -> None:
    """Two deliveries of one call that state the same slice are parts, versions, or two exports of the same spend (actual and
    amortised, CUR and FOCUS), and only the user knows which.

    Raises:
        BadInputError: another file of this call holds the slice.
    """
    if slice_key in taken:
        account, period = slice_key
        raise BadInputError(
            f"holds account {account}, {period:%Y-%m}, which {taken[slice_key]} holds too",
            where=name,
            next_step="Two exports of the same spend, or two versions: load only one. Two parts of the bill: give each its own "
            "--source.",
        )


def _count(con: Connection, plan: Plan) -> int:
    row = con.execute(f"SELECT count(*) FROM ({plan.base})").fetchone()
    assert row is not None
    return int(row[0])


def _replace(con: Connection, plan: Plan, slices: Sequence[_Slice], delivered: int) -> list[LoadedSlice]:
    winning = [each for each in slices if each.status != "superseded"]
    con.execute("CREATE TEMP TABLE winning (account VARCHAR, start TIMESTAMP, slice_id INTEGER)")
    for each in winning:
        con.execute("INSERT INTO temp.winning VALUES (?, ?, ?)", [each.account, each.start, each.slice_id])
        con.execute("DELETE FROM ledger.charge WHERE slice_id = ?", [each.slice_id])
        con.execute("DELETE FROM ledger.slice WHERE slice_id = ?", [each.slice_id])
        con.execute(
            "INSERT INTO ledger.slice VALUES (?, ?, ?, ?, ?, ?)",
            [each.slice_id, plan.source_id, each.account, each.start, each.end, plan.load_id],
        )
    if winning:
        _insert_charges(con, plan)
    _check_rows(con, plan, delivered if len(winning) == len(slices) else None)
    results = []
    for each in slices:
        sums = _sums(con, each.slice_id) if each.status != "superseded" else ()
        rows = sum(each_sum.row_count for each_sum in sums)
        _note(con, plan, each, sums, rows)
        results.append(LoadedSlice(each.account, each.start, each.status, rows, sums))
    return results


def _insert_charges(con: Connection, plan: Plan) -> None:
    _, key = _key(plan)
    wanted = {m.name: m for m in plan.mapped if m.part == "charge"}
    reads = set().union(*(m.reads for m in wanted.values()))
    needed = sorted({name for t in plan.typed if t.name in reads for name in t.physical})
    measures = []
    for column in part("charge"):
        made = wanted[column.name].expression if column.name in wanted else "NULL"
        measures.append(f"CAST({made} AS {column.type}) AS {quote(column.name)}")
    stored = [stored_measure(column.name) for column in part("charge")]
    source = f"(SELECT {', '.join([f'{key} AS k', *needed])} FROM ({plan.base}))"
    typed = _typed_select(plan, reads, source, also=["k"])
    con.execute(
        f"INSERT INTO ledger.charge (slice_id, dimension_id, {', '.join(quote(name) for name, _ in stored)}) "
        f"SELECT w.slice_id, i.dimension_id, {', '.join(sql for _, sql in stored)} "
        f"FROM (SELECT k, {', '.join(measures)} FROM ({typed})) AS m "
        "JOIN temp.key_to_id AS i ON i.raw_key = m.k "
        "JOIN temp.winning AS w ON w.account IS NOT DISTINCT FROM i.BillingAccountId AND w.start = i.BillingPeriodStart"
    )


def _check_rows(con: Connection, plan: Plan, delivered: int | None) -> None:
    """The first check of the trade: every delivered row is in the ledger, once, and none is absurd."""
    row = con.execute(
        "SELECT count(*), coalesce(max(greatest(abs(BilledCost), abs(BilledCost + EffectiveCostDelta))), 0), "
        "count(*) FILTER (BilledCost IS NULL OR EffectiveCostDelta IS NULL), count(*) FILTER (ChargePeriodStart IS NULL) "
        "FROM ledger.charge WHERE slice_id IN (SELECT slice_id FROM temp.winning)"
    ).fetchone()
    assert row is not None
    rows, largest, without_cost, without_time = row
    if largest > LARGEST_AMOUNT:
        raise BadInputError(
            f"a row costs {largest:,.2f}, which no line of a bill does",
            where=plan.where,
            next_step="Look at the cost columns: digits or decimal points have been lost. Nothing was loaded.",
        )
    if without_cost or without_time:
        raise BadInputError(
            f"{without_cost or without_time:,} rows have no {'cost' if without_cost else 'time'}",
            where=plan.where,
            next_step="An empty cell is not zero. Export the file again with all columns.",
        )
    if delivered is not None and rows != delivered:
        raise CheckFailedError(
            f"{delivered:,} rows were delivered but {rows:,} would be stored; nothing was changed",
            where=plan.where,
            next_step="This is a fault of finops: please report it with the file's header.",
        )


def _sums(con: Connection, slice_id: int) -> tuple[Sums, ...]:
    rows = con.execute(
        f"SELECT d.BillingCurrency, sum(c.n)::BIGINT, sum(c.billed)::{MONEY}, sum(c.billed + c.effective)::{MONEY}, "
        f"sum(c.billed + coalesce(c.delivered, 0))::{MONEY} FROM (SELECT dimension_id, count(*) AS n, "
        "sum(BilledCost) AS billed, sum(EffectiveCostDelta) AS effective, sum(x_DeliveredCostDelta) AS delivered "
        "FROM ledger.charge WHERE slice_id = ? GROUP BY dimension_id) AS c "
        "JOIN ledger.dimension AS d USING (dimension_id) GROUP BY ALL ORDER BY ALL",
        [slice_id],
    ).fetchall()
    return tuple(Sums(*row) for row in rows)


def _note(con: Connection, plan: Plan, each: _Slice, sums: Sequence[Sums], rows: int) -> None:
    """The row in ``ops.loads``, in the same transaction as the charges."""
    con.execute("DELETE FROM ops.loads WHERE load_id = ? AND slice_id = ?", [plan.load_id, each.slice_id])
    if each.status == "replaced":
        con.execute(
            "UPDATE ops.loads SET status = 'superseded' WHERE slice_id = ? AND status = 'current'", [each.slice_id]
        )
    con.execute(
        "INSERT INTO ops.loads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            plan.load_id,
            each.slice_id,
            plan.source_id,
            plan.format,
            plan.dialect,
            each.account,
            each.start,
            plan.delivered_at,
            plan.loaded_at,
            "superseded" if each.status == "superseded" else "current",
            rows,
            [vars(each_sum) for each_sum in sums],
            plan.mapping_version,
            list(plan.files),
            plan.byte_count,
        ],
    )


def note_without_charges(con: Connection, record: DeliveryRecord, mapping_version: str, now: datetime) -> None:
    """The row in ``ops.loads`` of a delivery that states no charge: a header alone, or usage pages. It was read."""
    con.execute("DELETE FROM ops.loads WHERE load_id = ?", [record.id])
    con.execute(
        "INSERT INTO ops.loads BY NAME SELECT ? AS load_id, ? AS source_id, ? AS format, ? AS delivered_at, ? AS loaded_at, "
        "'current' AS status, 0 AS row_count, [] AS sums, ? AS mapping_version, ? AS files, ? AS byte_count",
        [
            record.id,
            record.source_id,
            record.format,
            datetime.fromisoformat(record.delivered_at).replace(tzinfo=None),
            now.replace(tzinfo=None),
            mapping_version,
            [file.name for file in record.files],
            sum(file.bytes for file in record.files),
        ],
    )


assert {column.part for column in ledger_columns()} == {"charge", "dimension", "slice", "class", "key"}
