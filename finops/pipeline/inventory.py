"""What a provider's API says there is: whole snapshots of resources and SKUs, which state no money.

The contract of a mapping in ``queries/normalise/`` and of the collector whose files it reads:

* ``yields: inventory`` gives ``provider, account_id, region, resource_id, resource_name, resource_type, state, created_at,
  changed_at, tags, properties`` from ``delivered``, one row per resource; ``yields: skus`` gives ``provider, sku_id, sku_name,
  service_id, service_name, category, unit, regions, properties``, one row per SKU; ``yields: reads`` gives ``provider, account_id,
  region, service, covers, outcome, what, next_step``, one row per part of an account that was asked. Columns may be left
  out, but for ``resource_id``, ``sku_id`` or ``service``; a row where that is NULL says nothing and is passed over.
* ``seen_at`` is when the provider said so. Where a mapping gives none, it is when an API last gave the same answer, or when the
  file was delivered.
* Timestamps are UTC; ``tags`` is a MAP(VARCHAR, VARCHAR), ``properties`` and ``category`` are JSON, ``regions`` a VARCHAR[].
* A delivery is a whole snapshot. It replaces what the same source said before in the same format under the same offer's key
  (or file's name), so what is gone from it is gone from the table. One of which a part could not be read must not be delivered.
* An older delivery never replaces a newer one: the files' modification time says how new they are.
* A file with nothing in it is refused, and equal bytes are one delivery: the files of an empty snapshot still have one line that
  says whose it is (and gives a row without an id).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from finops.errors import QueryFileError
from finops.formats.read import TypedColumn, quote
from finops.formats.spec import FormatSpec
from finops.warehouse.connection import Connection, transaction
from finops.warehouse.landing import DeliveryRecord
from finops.warehouse.plan import LoadedSlice

TABLES = {"inventory": "resources", "skus": "skus", "reads": "reads"}
"""What a mapping yields, and the table in schema ``inventory`` that it fills."""
_IDS = {"inventory": "resource_id", "skus": "sku_id", "reads": "service"}
_OURS = {"source_id", "load_id"}


def load_inventory(
    con: Connection, spec: FormatSpec, record: DeliveryRecord, typed: Sequence[TypedColumn], base: str
) -> list[LoadedSlice]:
    """Replace a snapshot, unless a newer one is there. Gives no slices: a snapshot has no charges.

    Raises:
        QueryFileError: the mapping breaks the contract above.
    """
    if _holder_is_newer(con, spec, record):
        return []
    columns = ", ".join(f"{each.expression} AS {quote(each.name)}" for each in typed)
    mapped = f"WITH delivered AS (SELECT {columns} FROM ({base})) FROM ({spec.query.body})"
    table, names = f"inventory.{TABLES[spec.yields]}", _columns(con, spec, mapped)
    con.execute(f"CREATE OR REPLACE TEMP TABLE snapshot AS {mapped} WHERE {_IDS[spec.yields]} IS NOT NULL")
    listed = ", ".join(quote(name) for name in names if name != "seen_at")
    seen = "seen_at" if "seen_at" in names else "NULL"
    scope = [record.source_id, spec.id, _key(record)]
    with transaction(con):
        con.execute(
            f"DELETE FROM {table} WHERE load_id IN (SELECT load_id FROM inventory.snapshots "
            "WHERE source_id = ? AND format = ? AND origin = ?)",
            scope,
        )
        con.execute(
            "UPDATE ops.loads SET status = 'superseded' WHERE load_id <> ? AND load_id IN "
            "(SELECT load_id FROM inventory.snapshots WHERE source_id = ? AND format = ? AND origin = ?)",
            [record.id, *scope],
        )
        con.execute("DELETE FROM inventory.snapshots WHERE source_id = ? AND format = ? AND origin = ?", scope)
        con.execute(
            "INSERT INTO inventory.snapshots VALUES (?, ?, ?, ?, ?, ?)",
            [*scope, record.id, record.delivered, record.received],
        )
        con.execute(
            f"INSERT INTO {table} (source_id, seen_at, load_id, {listed}) "
            f"SELECT ?, coalesce({seen}, ?), ?, {listed} FROM temp.snapshot",
            [record.source_id, _seen(record), record.id],
        )
    con.execute("DROP TABLE temp.snapshot")
    return []


def seen_again(con: Connection, record: DeliveryRecord) -> None:
    """An API has given the same answer once more: what it says is as new as if it had changed."""
    known = "seen_at = (SELECT any_value(origin.seen_at) FROM ops.loads WHERE load_id = $load)"
    for table in TABLES.values() if _is_answer(record) else ():
        con.execute(
            f"UPDATE inventory.{table} SET seen_at = $seen WHERE load_id = $load AND {known}",
            {"load": record.id, "seen": _seen(record)},
        )


def is_replaced(con: Connection, spec: FormatSpec, record: DeliveryRecord) -> bool:
    """Is this a snapshot in whose place another one, a newer one, stands?"""
    return spec.yields in TABLES and _holder_is_newer(con, spec, record)


def _holder_is_newer(con: Connection, spec: FormatSpec, record: DeliveryRecord) -> bool:
    row = con.execute(
        "SELECT 1 FROM inventory.snapshots WHERE source_id = ? AND format = ? AND origin = ? AND load_id <> ? "
        "AND (delivered_at, received_at) > (?::TIMESTAMP, ?::TIMESTAMP)",
        [record.source_id, spec.id, _key(record), record.id, record.delivered, record.received],
    ).fetchone()
    return row is not None


def _is_answer(record: DeliveryRecord) -> bool:
    """Is it what an API has just said? A file is as old as it is, whenever it is found."""
    return record.origin is not None and bool(record.origin.seen_at) and not record.origin.files


def _seen(record: DeliveryRecord) -> datetime:
    if record.origin and _is_answer(record):
        return datetime.fromisoformat(record.origin.seen_at).replace(tzinfo=None)
    return record.delivered


def _key(record: DeliveryRecord) -> str:
    """What a snapshot replaces: the one of the same offer; of files that somebody put there, that of the same name."""
    names = ", ".join(sorted(file.name for file in record.files))
    if not record.origin:
        return names
    # a folder of somebody's files is one offer, with as many snapshots as files; an API's offer is one, whatever its pages
    return f"{record.origin.key} {names}" if record.origin.files else record.origin.key


def _columns(con: Connection, spec: FormatSpec, mapped: str) -> list[str]:
    """The mapping's columns, which must be the table's."""
    table = TABLES[spec.yields]
    known = [row[0] for row in con.execute(f"DESCRIBE inventory.{table}").fetchall() if row[0] not in _OURS]
    given = [row[0] for row in con.execute(f"DESCRIBE {mapped}").fetchall()]
    if set(given) - set(known) or _IDS[spec.yields] not in given:
        raise QueryFileError(
            f"gives {', '.join(given)}, but inventory.{table} takes {', '.join(known)}",
            where=str(spec.query.path),
            next_step=f"Give some of these columns, {_IDS[spec.yields]} among them.",
        )
    return given
