"""``ops.loads``: what was delivered, and what it came to. A slice's row is written in the transaction of its charges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from finops.warehouse.connection import Connection
from finops.warehouse.landing import DeliveryRecord, Origin
from finops.warehouse.plan import Plan, Slice, Sums
from finops.warehouse.schema import MONEY


def sums_of(con: Connection, slice_id: int) -> tuple[Sums, ...]:
    """What a slice comes to, per currency."""
    rows = con.execute(
        f"SELECT d.BillingCurrency, sum(c.n)::BIGINT, sum(c.billed)::{MONEY}, sum(c.billed + c.effective)::{MONEY}, "
        f"sum(c.billed + coalesce(c.delivered, 0))::{MONEY} FROM (SELECT dimension_id, count(*) AS n, "
        "sum(BilledCost) AS billed, sum(EffectiveCostDelta) AS effective, sum(x_DeliveredCostDelta) AS delivered "
        "FROM ledger.charge WHERE slice_id = ? GROUP BY dimension_id) AS c "
        "JOIN ledger.dimension AS d USING (dimension_id) GROUP BY ALL ORDER BY ALL",
        [slice_id],
    ).fetchall()
    return tuple(Sums(*row) for row in rows)


def note(con: Connection, plan: Plan, each: Slice, sums: Sequence[Sums], rows: int) -> None:
    """The row of one slice of a delivery."""
    con.execute("DELETE FROM ops.loads WHERE load_id = ? AND slice_id = ?", [plan.load_id, each.slice_id])
    if each.status == "replaced":
        con.execute(
            "UPDATE ops.loads SET status = 'superseded' WHERE slice_id = ? AND status = 'current'", [each.slice_id]
        )
    con.execute(
        "INSERT INTO ops.loads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            plan.load_id,
            each.slice_id,
            plan.source_id,
            plan.format,
            plan.dialect,
            each.account,
            each.start,
            plan.delivered_at,
            plan.received_at,
            plan.loaded_at,
            "superseded" if each.status == "superseded" else "current",
            rows,
            [vars(each_sum) for each_sum in sums],
            plan.mapping_version,
            list(plan.files),
            plan.byte_count,
            _origin(plan.origin),
            plan.grade,
        ],
    )


def note_origin(con: Connection, record: DeliveryRecord) -> None:
    """That a delivery which is in the ledger was found at its source again."""
    con.execute("UPDATE ops.loads SET origin = ? WHERE load_id = ?", [_origin(record.origin), record.id])


def withdraw(con: Connection, source_id: str | None = None, key: str | None = None) -> None:
    """Drop what an earlier version of a month held and the newest does not state any more.

    A provider may restate a month to nothing, or without one of its accounts: that delivery has no slice that could replace
    the old one. Only where all of the newest version is in the ledger.

    Args:
        source_id, key: of one offer; None: of all.
    """
    stale = con.execute(
        """WITH loads AS (
            SELECT *, origin.key AS key FROM ops.loads
            WHERE origin.period <> '' AND status = 'current' AND coalesce(source_id = $source, true)
                AND coalesce(origin.key = $key, true)
        ),
        newest AS (
            SELECT source_id, key, format, max_by(origin, (delivered_at, received_at, load_id)) AS origin,
                max(delivered_at) AS delivered_at
            FROM loads GROUP BY ALL
        )
        SELECT loads.load_id, loads.slice_id FROM loads JOIN newest USING (source_id, key, format)
        WHERE newest.origin.whole AND loads.origin.seen_at <> newest.origin.seen_at
            AND loads.delivered_at <= newest.delivered_at""",
        {"source": source_id, "key": key},
    ).fetchall()
    for load_id, slice_id in stale:
        con.execute("DELETE FROM ledger.charge WHERE slice_id = ?", [slice_id])
        con.execute("DELETE FROM ledger.slice WHERE slice_id = ? AND load_id = ?", [slice_id, load_id])
        con.execute(
            "UPDATE ops.loads SET status = 'superseded' WHERE load_id = ? AND slice_id IS NOT DISTINCT FROM ?",
            [load_id, slice_id],
        )


def _origin(origin: Origin | None) -> dict[str, Any] | None:
    if origin is None:
        return None
    files = [{"name": name, "version": version} for name, version in origin.files.items()]
    seen_at = datetime.fromisoformat(origin.seen_at).replace(tzinfo=None) if origin.seen_at else None
    return {**vars(origin), "files": files, "seen_at": seen_at}


def note_whole(con: Connection, record: DeliveryRecord, status: str, mapping_version: str, now: datetime) -> None:
    """The row of a delivery that has no slices: ``current`` if it states no charge (a header alone, usage pages),
    ``superseded`` if a newer one is there. It need not be loaded again while its mapping is the same."""
    con.execute("DELETE FROM ops.loads WHERE load_id = ?", [record.id])
    con.execute(
        "INSERT INTO ops.loads BY NAME SELECT ? AS load_id, ? AS source_id, ? AS format, ? AS delivered_at, ? AS received_at, "
        "? AS loaded_at, ? AS status, 0 AS row_count, [] AS sums, ? AS mapping_version, ? AS files, ? AS byte_count, "
        "? AS origin",
        [
            record.id,
            record.source_id,
            record.format,
            record.delivered,
            record.received,
            now.replace(tzinfo=None),
            status,
            mapping_version,
            [file.name for file in record.files],
            sum(file.bytes for file in record.files),
            _origin(record.origin),
        ],
    )
