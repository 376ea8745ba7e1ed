"""The files in which collectors say what resources did: metrics by the hour, and what of each account could be read.

``queries/normalise/measured_hours.sql`` and ``activity_reads.sql`` read them. An hour that nobody measured has no row.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from finops.collectors.interface import Tell

METRICS, READS = "metrics.parquet", "reads.jsonl"


@dataclass(frozen=True, order=True, slots=True)
class Measure:
    """What a metric was in an hour."""

    resource_id: str
    metric: str
    """The provider's name."""
    statistic: str
    """``Sum``, ``Average``, ``Maximum``, ``Minimum``."""
    part: str | None
    """A variant, a device; None: the whole."""
    unit: str
    hour: datetime
    """Its beginning, UTC, without a zone."""
    value: float | None
    """None: the row says whose file it is, and no more."""


@dataclass(frozen=True)
class Read:
    """How the reading of one service in one account ended."""

    provider: str | None
    account_id: str
    region: str | None
    service: str
    covers: str
    """``inventory`` or ``metrics``."""
    outcome: str
    """An ``Outcome``, or ``unsupported``: there is no such service."""
    what: str = ""
    next_step: str = ""


def write_metrics(folder: Path, measures: Iterable[Measure], name: str = METRICS) -> Path:
    """Write the hours, in an order of their own: the same measures are the same bytes."""
    import polars

    rows = sorted(
        measures, key=lambda each: (each.resource_id, each.metric, each.statistic, each.part or "", each.hour)
    )
    texts = ("resource_id", "metric", "statistic", "part", "unit")
    columns = {
        **{text: polars.Series(text, [getattr(each, text) for each in rows], polars.Utf8) for text in texts},
        "hour": polars.Series("hour", [each.hour for each in rows], polars.Datetime("us")),
        "value": polars.Series("value", [each.value for each in rows], polars.Float64),
    }
    table = polars.DataFrame(columns)
    path = folder / name
    table.write_parquet(path, compression="zstd")
    return path


@dataclass(frozen=True, slots=True)
class Labels:
    """What all hours of a series have in common."""

    number: int
    """Of the series; several have the same where it tells of several resources."""
    resource_id: str
    part: str | None
    metric: str
    statistic: str
    unit: str
    since: datetime | None
    """Hours before it are left out. UTC, without a zone."""


class MetricTable:
    """Gathers the hours of many series, millions of them, and writes them a file at a time."""

    def __init__(self, series: Sequence[Labels], folder: Path, tell: Tell, whose: str, rows: int) -> None:
        """Of nothing measured a row is written that says whose nothing it is. ``rows``: hours that are held in memory."""
        import polars

        self._folder, self._tell, self._whose, self._rows = folder, tell, whose, rows
        self._files = 0
        texts: dict[str, Any] = dict.fromkeys(("resource_id", "part", "metric", "statistic", "unit"), polars.String)
        types = {"number": polars.UInt32, **texts, "since": polars.Datetime("us")}
        self._series = polars.DataFrame([asdict(each) for each in series], schema=types)
        self._clear()

    def add(self, number: int, times: Sequence[datetime], values: Sequence[float]) -> None:
        """The hours of one series."""
        self._numbers.extend([number] * len(times))
        self._hours.extend(int(each.timestamp()) * 1_000_000 for each in times)
        self._values.extend(values)
        if len(self._values) >= self._rows:
            self._write()

    def end(self) -> None:
        """Write what is left."""
        if self._values or not self._files:
            self._write()

    def _clear(self) -> None:
        self._numbers, self._hours, self._values = array("I"), array("q"), array("d")

    def _write(self) -> None:
        import polars

        def column(numbers: array[Any], kind: Any) -> Any:
            return polars.Series(numbers.tolist(), dtype=kind)

        hours = polars.DataFrame(
            {
                "number": column(self._numbers, polars.UInt32),
                "hour": column(self._hours, polars.Int64).cast(polars.Datetime("us")),
                "value": column(self._values, polars.Float64),
            }
        )
        self._clear()
        rows = hours.join(self._series, on="number", maintain_order="left")
        rows = rows.filter(polars.col("since").is_null() | (polars.col("hour") >= polars.col("since")))
        rows = rows.select("resource_id", "metric", "statistic", "part", "unit", "hour", "value")
        if rows.is_empty() and self._files:
            return
        if rows.is_empty():
            rows = polars.concat([rows, polars.DataFrame({"part": [self._whose]})], how="diagonal")
        self._files += 1
        path = self._folder / f"metrics-{self._files:05}.parquet"
        rows.write_parquet(path, compression="zstd")
        self._tell(path.name, path.stat().st_size)


def write_reads(folder: Path, reads: Iterable[Read]) -> Path:
    """Write a line per read."""
    lines = [json.dumps(asdict(each), sort_keys=True, ensure_ascii=False) + "\n" for each in reads]
    path = folder / READS
    path.write_text("".join(lines), encoding="utf-8")
    return path
