"""What a load is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from finops.formats.read import TypedColumn
from finops.warehouse.landing import Origin
from finops.warehouse.mapping import MappedColumn

SliceKey = tuple[str, datetime]
"""Billing account and period, within a source. A vendor that names no account is known by its format."""


def slice_key(account: str | None, start: datetime, format_id: str) -> SliceKey:
    """How a slice is told from others of its source."""
    return (f"of {format_id}" if account is None else account), start


@dataclass(frozen=True)
class Holder:
    """The delivery that holds a slice."""

    name: str
    delivered_at: datetime
    format: str
    export: str
    """From its manifest; empty for loose files."""


Held = dict[SliceKey, Holder]
"""The slices that deliveries of this call hold."""

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
    warning: str = ""
    """What a reader should look at: a month that came back much smaller than it was."""


@dataclass(frozen=True)
class Plan:
    """What to load: the relation with the delivered cells, and how it is typed and mapped."""

    load_id: str
    source_id: str
    format: str
    dialect: str
    mapping_version: str
    export: str
    delivered_at: datetime
    received_at: datetime
    """Decides between two deliveries of the same time."""
    loaded_at: datetime
    base: str
    """SQL of the base relation, or the name of a table that holds it."""
    typed: Sequence[TypedColumn]
    mapped: Sequence[MappedColumn]
    files: Sequence[str]
    byte_count: int
    where: str
    """How to name the delivery in a message."""
    origin: Origin | None = None
    """Where it was fetched from."""
    rivals: Collection[str] = ()
    """The keys of other offers that the same source makes."""
    grade: str = ""
    """What the format lacks against line items; empty: nothing."""
    held: Held = field(default_factory=dict)
    tell: Tell = field(default=lambda step, share, rows: None)


@dataclass(frozen=True)
class Slice:
    """A slice as the ledger numbers it, and what this load does to it."""

    account: str | None
    start: datetime
    end: datetime
    slice_id: int
    status: str
