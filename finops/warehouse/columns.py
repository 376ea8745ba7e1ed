"""The ledger's columns, from ``queries/normalise/columns.csv``: FOCUS 1.4, then our ``x_`` columns."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from finops.resources import shipped_queries

FOCUS_VERSION = "1.4"


@dataclass(frozen=True)
class Column:
    """One column of ``focus.cost_and_usage`` (or, once removed from FOCUS, of ``focus_data_table`` only)."""

    name: str
    type: str
    """The DuckDB type."""
    part: str
    """Where it is stored: ``charge`` (differs row by row), ``dimension`` (each combination once), ``slice``, ``class``
    (made by ``queries/classify/``) or ``key``."""
    since: str
    """The FOCUS version that brought it; empty for an ``x_`` column."""
    until: str
    """The FOCUS version that removed it, or empty."""
    nullable: bool
    allowed: tuple[str, ...]
    """The only values that FOCUS allows; empty: any."""

    @property
    def current(self) -> bool:
        """Is it part of the FOCUS version that the ledger speaks, or ours?"""
        return not self.until


@cache
def ledger_columns(path: Path | None = None) -> tuple[Column, ...]:
    """All columns in the order of the table."""
    with (path or shipped_queries() / "normalise" / "columns.csv").open(newline="", encoding="utf-8") as file:
        return tuple(
            Column(
                name=row["column"],
                type=row["type"],
                part=row["part"],
                since=row["since"],
                until=row["until"],
                nullable=row["nullable"] == "yes",
                allowed=tuple(filter(None, row["allowed"].split("|"))),
            )
            for row in csv.DictReader(file)
        )


def part(*parts: str) -> list[Column]:
    """The columns that are stored in these parts."""
    return [column for column in ledger_columns() if column.part in parts]


DELTA_OF = {
    "EffectiveCost": "BilledCost",
    "ContractedCost": "BilledCost",
    "ListCost": "BilledCost",
    "x_DeliveredCost": "BilledCost",
    "PricingCurrencyEffectiveCost": "BilledCost",
    "PricingQuantity": "ConsumedQuantity",
}
"""Measures that mostly equal another one are stored as their difference to it: zeros take no space."""
