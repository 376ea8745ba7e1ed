"""What a billing export's table is: standard, detailed or FOCUS, how it is partitioned, and whether it is as expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from finops.collectors.interface import Outcome, Trouble

if TYPE_CHECKING:
    from google.cloud.bigquery import SchemaField, Table

DETAILED = (
    "billing_account_id", "service.id", "service.description", "sku.id", "sku.description", "usage_start_time",
    "usage_end_time", "project.id", "labels", "location.region", "cost", "currency", "usage.amount", "usage.unit",
    "credits.amount", "credits.type", "invoice.month", "cost_type", "export_time",
)  # fmt: skip
"""The columns that the standard export has always had, and that the ledger is made from. Newer ones may be lacking."""
FOCUS = (
    "BilledCost", "EffectiveCost", "BillingAccountId", "BillingCurrency", "BillingPeriodStart", "ChargePeriodStart",
    "ChargePeriodEnd", "ChargeCategory", "ServiceName",
)  # fmt: skip
ARRIVAL = ("_partitiontime", "export_time", "x_exporttime")
"""Columns that say when a row got into the table: before its billing month there are none of it."""


@dataclass(frozen=True)
class Export:
    """A billing export's table, as far as queries need to know it."""

    table: str
    """``project.dataset.table``."""
    kind: str
    """``standard``, ``detailed`` or ``focus``."""
    location: str
    day_column: str
    """What its rows are cut into days by: the partitions' column, else the time of export."""
    day_type: str
    """``TIMESTAMP``, ``DATETIME`` or ``DATE``."""
    partitioned: bool
    newest_column: str
    """When a row was exported; empty: not known."""
    wide: Sequence[str] = ()
    """Columns of more digits than a ledger reads, BIGNUMERIC: delivered as text."""
    keeps: timedelta | None = None
    """How long the partitions are kept; None: for ever."""

    @property
    def by_arrival(self) -> bool:
        """Do the days say when rows arrived? Else a month's rows may be on any day before it."""
        return self.day_column.lower() in ARRIVAL


def export_of(table: Table, name: str) -> Export:
    """What a table is.

    Args:
        table: as ``tables.get`` describes it.
        name: ``project.dataset.table``.

    Raises:
        Trouble: it is no billing export (``missing``), or lacks a column that it should have (``changed``).
    """
    columns = dict(_columns(table.schema))
    focus = _has(columns, "BilledCost") or _has(columns, "BillingCurrency")
    required = FOCUS if focus else DETAILED
    lacking = [each for each in required if not _has(columns, each)]
    if len(lacking) > len(required) / 2:
        raise Trouble(
            Outcome.MISSING,
            f"is no billing export: it has no columns {', '.join(lacking[:4])} …",
            where=name,
            next_step="Name the table gcp_billing_export_resource_v1_…, gcp_billing_export_v1_… or "
            "gcp_billing_export_focus_… as the source's table.",
        )
    detailed = _has(columns, "resource.name") or _has(columns, "resource.global_name")
    if not focus and not detailed and "_resource_v1_" in name:
        lacking.append("resource.name")
    if lacking:
        raise Trouble(
            Outcome.CHANGED,
            f"has no column {', '.join(lacking)} any more: it may have been renamed or removed",
            where=name,
            next_step="Compare the table's schema with Google's documentation of the export; nothing is read until then.",
        )
    newest = next((each for each in ("export_time", "x_ExportTime") if _has(columns, each)), "")
    column, partitioned, keeps = _partitions(table)
    column = column or newest or ("ChargePeriodStart" if focus else "usage_start_time")
    return Export(
        table=name,
        kind="focus" if focus else "detailed" if detailed else "standard",
        location=str(table.location or ""),
        day_column=column,
        day_type=columns.get(column.lower(), "TIMESTAMP"),
        partitioned=partitioned,
        newest_column=newest,
        wide=[field.name for field in table.schema if field.field_type == "BIGNUMERIC" and field.mode != "REPEATED"],
        keeps=keeps,
    )


def _partitions(table: Table) -> tuple[str, bool, timedelta | None]:
    """The partitions' column, whether there are any, and how long they are kept."""
    stated: Any = table.time_partitioning
    if stated is None:
        return "", False, None
    keeps = timedelta(milliseconds=int(stated.expiration_ms)) if stated.expiration_ms else None
    return stated.field or "_PARTITIONTIME", True, keeps


def _columns(fields: Sequence[SchemaField], before: str = "") -> Iterator[tuple[str, str]]:
    """Each column's name in lower case, with dots for nested ones, and its type."""
    for field in fields:
        name = f"{before}{field.name}".lower()
        yield name, str(field.field_type)
        yield from _columns(field.fields, f"{name}.")


def _has(columns: dict[str, str], name: str) -> bool:
    return name.lower() in columns
