"""Rows as they come, in no order, into one Parquet file per day; each day's figures are counted along the way."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops.collectors.gcp.export import Export
from finops.collectors.gcp.statements import DAY, SCALE

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

HELD = 64 << 20
"""Bytes of rows that wait for their day's next row group, over all days together."""


@dataclass
class Figures:
    """What a day has of a month: rows, cost and credits in whole millionths, and the last export, by currency."""

    by_currency: dict[str, tuple[int, int, int, str]] = field(default_factory=dict)

    def add(
        self, currency: str | None, rows: int, cost: int | None, credits: int | None, newest: datetime | None
    ) -> None:
        """Count some rows."""
        before = self.by_currency.get(currency or "", (0, 0, 0, ""))
        moment = (newest if newest.tzinfo else newest.replace(tzinfo=UTC)).astimezone(UTC).isoformat() if newest else ""
        self.by_currency[currency or ""] = (
            before[0] + rows, before[1] + (cost or 0), before[2] + (credits or 0), max(before[3], moment)
        )  # fmt: skip

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(rows for rows, *_ in self.by_currency.values())

    @property
    def newest(self) -> str:
        """When the last of them was exported, as ISO 8601 in UTC; empty: not known."""
        return max((newest for *_, newest in self.by_currency.values()), default="")

    @property
    def version(self) -> str:
        """A fingerprint that begins with the number of rows: ``412-…``. The same figures have the same."""
        stated = json.dumps(sorted(self.by_currency.items()))
        return f"{self.rows}-{hashlib.sha256(stated.encode()).hexdigest()[:24]}"


def rows_of(version: str) -> int:
    """The number of rows that a fingerprint states."""
    return int(version.partition("-")[0] or 0)


class DayFiles:
    """Writes rows into files by day. The memory it takes does not grow with the number of rows."""

    def __init__(self, export: Export, files: Mapping[date, Path]) -> None:
        self._files = files
        self._focus = export.kind == "focus"
        self._newest = export.newest_column
        self._writers: dict[date, Any] = {}
        self._waiting: dict[date, list[pyarrow.RecordBatch]] = defaultdict(list)
        self._bytes: dict[date, int] = defaultdict(int)
        self.figures: dict[date, Figures] = defaultdict(Figures)

    def write(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterable[tuple[date, int]]:
        """Write all rows; tells of each piece which day it is of, and its bytes. The files are whole when it has ended."""
        try:
            for batch in batches:
                for day, part in _by_day(batch):
                    if day not in self._files:
                        continue
                    self._count(self.figures[day], part)
                    self._waiting[day].append(part)
                    self._bytes[day] += part.nbytes
                    yield day, part.nbytes
                while sum(self._bytes.values()) > HELD:
                    self._flush(max(self._bytes, key=lambda each: self._bytes[each]))
            for day in list(self._bytes):
                self._flush(day)
        finally:
            for writer in self._writers.values():
                writer.close()

    def _flush(self, day: date) -> None:
        import pyarrow
        from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]

        table = pyarrow.Table.from_batches(self._waiting.pop(day))
        del self._bytes[day]
        if day not in self._writers:
            self._files[day].parent.mkdir(parents=True, exist_ok=True)
            self._writers[day] = ParquetWriter(self._files[day], table.schema, compression="zstd")
        self._writers[day].write_table(table)

    def _count(self, figures: Figures, part: pyarrow.RecordBatch) -> None:
        import pyarrow.compute as pc  # type: ignore[import-untyped]

        currencies = part.column("BillingCurrency" if self._focus else "currency")
        for currency in pc.unique(currencies).to_pylist():
            same = part.filter(pc.is_null(currencies) if currency is None else pc.equal(currencies, currency))
            credits = 0
            if not self._focus:
                credits = _whole(pc.struct_field(pc.list_flatten(same.column("credits")), "amount"))
            newest = pc.max(same.column(self._newest)).as_py() if self._newest else None
            money = same.column("BilledCost" if self._focus else "cost")
            figures.add(currency, same.num_rows, _whole(money), credits, newest)


def _by_day(batch: pyarrow.RecordBatch) -> Iterable[tuple[date, pyarrow.RecordBatch]]:
    import pyarrow.compute as pc

    days = batch.column(DAY)
    kept = batch.drop_columns([DAY])
    found = pc.unique(days).to_pylist()
    for day in found:
        yield day, kept if len(found) == 1 else kept.filter(pc.equal(days, day))


def _whole(money: Any) -> int:
    """The sum in millionths, each amount rounded as BigQuery's ROUND does it: half away from zero."""
    import pyarrow
    import pyarrow.compute as pc

    if pyarrow.types.is_string(money.type):
        money = money.cast(pyarrow.decimal256(76, 38))
    if pyarrow.types.is_decimal(money.type):
        total = pc.sum(pc.round(money, 6, "half_towards_infinity")).as_py()
        return int(total * SCALE) if total is not None else 0
    rounded = pc.round(pc.multiply(money, float(SCALE)), 0, "half_towards_infinity")
    return int(pc.sum(rounded.cast("int64")).as_py() or 0)
