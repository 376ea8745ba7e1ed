"""Loads one delivery into the star: dimensions once, charges row by row, whole slices in one transaction.

The work is done in the order that makes it cheap. Rows are hashed over the *delivered* cells that dimensions depend on (30 of
125 columns of a CUR), each distinct combination is mapped once, and only the measures are mapped for every row. Measured on
10 million rows and two cores this takes about half the time of writing the same columns as one wide table.
"""

from __future__ import annotations

from collections.abc import Sequence

from finops.formats.read import PLACE, quote
from finops.warehouse.columns import part
from finops.warehouse.connection import Connection, transaction
from finops.warehouse.guards import (
    check_dimensions,
    check_rows,
    extent,
    refuse_part,
    refuse_rival,
    refuse_twice,
    shrunk,
)
from finops.warehouse.loads import note, sums_of
from finops.warehouse.plan import LoadedSlice, Plan, Slice
from finops.warehouse.views import stored_measure


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
            _drop_stale(con, plan, slices)
            plan.tell("charges", 0.4, delivered)
            loaded = _replace(con, plan, slices, delivered)
            plan.tell("commit", 0.95, delivered)
    finally:
        for table in (
            "first_place",
            "raw_dimension",
            "mapped_dimension",
            "content_key",
            "new_dimension",
            "key_to_id",
            "winning",
        ):
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
    listed = "".join(f", {name}" for name in physical)
    # the first row of each combination, by its place; then these rows whole: aggregating wide rows took four times as long
    con.execute(
        f"CREATE TEMP TABLE first_place AS SELECT k, min({PLACE}) AS {PLACE} "
        f"FROM (SELECT {key} AS k, {PLACE} FROM ({plan.base})) GROUP BY k"
    )
    con.execute(
        f"CREATE TEMP TABLE raw_dimension AS SELECT k{listed} "
        f"FROM (SELECT {PLACE}{listed} FROM ({plan.base})) JOIN temp.first_place USING ({PLACE})"
    )
    con.execute("DROP TABLE temp.first_place")
    wanted = {m.name: m for m in plan.mapped if m.part != "charge"}
    reads = set().union(*(m.reads for m in wanted.values()))
    expressions = []
    for column in part("dimension", "slice"):
        if column.name in ("x_SourceId", "x_LoadId"):
            continue
        made = wanted[column.name].expression if column.name in wanted else "NULL"
        if column.name == "BillingCurrency":
            made = f"nullif(upper(trim({made})), '')"  # ' usd ' is no currency of its own
        expressions.append(f"CAST({made} AS {column.type}) AS {quote(column.name)}")
    typed = _typed_select(plan, reads, "temp.raw_dimension", also=["k"])
    con.execute(f"CREATE TEMP TABLE mapped_dimension AS SELECT k AS raw_key, {', '.join(expressions)} FROM ({typed})")
    check_dimensions(con, plan)


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


def _slices(con: Connection, plan: Plan) -> list[Slice]:
    """The delivery's slices, each with its id and whether this delivery may hold it.

    Of two deliveries the newer wins; of two of the same time the one that was received later.
    """
    found = con.execute(
        "SELECT k.BillingAccountId, k.BillingPeriodStart, max(k.BillingPeriodEnd), s.slice_id, s.load_id, "
        "(l.delivered_at, l.received_at, l.load_id) > (?, ?, ?), l.origin.key FROM temp.key_to_id AS k "
        "LEFT JOIN (SELECT s.*, l.format, l.delivered_at FROM ledger.slice AS s JOIN ops.loads AS l USING (load_id, slice_id)) "
        "AS s ON s.source_id = ? AND s.billing_period_start = k.BillingPeriodStart "
        "AND s.billing_account_id IS NOT DISTINCT FROM k.BillingAccountId "
        "AND (s.billing_account_id IS NOT NULL OR s.format = ?) "
        "LEFT JOIN ops.loads AS l ON l.load_id = s.load_id AND l.slice_id = s.slice_id GROUP BY ALL ORDER BY ALL",
        [plan.delivered_at, plan.received_at, plan.load_id, plan.source_id, plan.format],
    ).fetchall()
    row = con.execute(
        "SELECT greatest((SELECT coalesce(max(slice_id), 0) FROM ops.loads), (SELECT coalesce(max(slice_id), 0) FROM ledger.slice))"
    ).fetchone()
    assert row is not None
    next_id = row[0]
    slices = []
    for account, start, end, known_id, held_by, holder_is_newer, holders_key in found:
        refuse_twice(plan, account, start)
        refuse_rival(plan, account, start, holders_key)
        status = "loaded"
        if known_id is None:
            next_id += 1
        elif held_by != plan.load_id:
            status = "superseded" if holder_is_newer else "replaced"
        slices.append(Slice(account, start, end, known_id or next_id, status))
    return slices


def _drop_stale(con: Connection, plan: Plan, slices: Sequence[Slice]) -> None:
    """Slices that this delivery held under an earlier mapping and does not state any more."""
    now = [each.slice_id for each in slices]
    stale = con.execute(
        "SELECT slice_id FROM ops.loads WHERE load_id = ? AND slice_id IS NOT NULL AND NOT list_contains(?, slice_id)",
        [plan.load_id, now],
    ).fetchall()
    for (slice_id,) in stale:
        held = con.execute(
            "DELETE FROM ledger.slice WHERE slice_id = ? AND load_id = ? RETURNING slice_id", [slice_id, plan.load_id]
        ).fetchall()
        if held:
            con.execute("DELETE FROM ledger.charge WHERE slice_id = ?", [slice_id])
        con.execute("DELETE FROM ops.loads WHERE load_id = ? AND slice_id = ?", [plan.load_id, slice_id])
    con.execute("DELETE FROM ops.loads WHERE load_id = ? AND slice_id IS NULL", [plan.load_id])


def _count(con: Connection, plan: Plan) -> int:
    row = con.execute(f"SELECT count(*) FROM ({plan.base})").fetchone()
    assert row is not None
    return int(row[0])


def _replace(con: Connection, plan: Plan, slices: Sequence[Slice], delivered: int) -> list[LoadedSlice]:
    winning = [each for each in slices if each.status != "superseded"]
    before = {each.slice_id: extent(con, each.slice_id) for each in winning if each.status == "replaced"}
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
    check_rows(con, plan, delivered if len(winning) == len(slices) else delivered - _losing_rows(con, plan))
    results = []
    for each in slices:
        sums = sums_of(con, each.slice_id) if each.status != "superseded" else ()
        rows = sum(each_sum.row_count for each_sum in sums)
        note(con, plan, each, sums, rows)
        warning = shrunk(before[each.slice_id], extent(con, each.slice_id)) if each.slice_id in before else ""
        refuse_part(plan, each.account, each.start, warning)
        results.append(LoadedSlice(each.account, each.start, each.status, rows, sums, warning))
    return results


def _losing_rows(con: Connection, plan: Plan) -> int:
    """The rows of slices that a newer delivery holds."""
    _, key = _key(plan)
    row = con.execute(
        f"SELECT count(*) FROM (SELECT {key} AS k FROM ({plan.base})) AS r JOIN temp.key_to_id AS i ON i.raw_key = r.k "
        "ANTI JOIN temp.winning AS w ON w.account IS NOT DISTINCT FROM i.BillingAccountId AND w.start = i.BillingPeriodStart"
    ).fetchone()
    assert row is not None
    return int(row[0])


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
