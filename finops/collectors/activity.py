"""The two files in which collectors say what resources did: metrics by the hour, and what of each account could be read.

``queries/normalise/measured_hours.sql`` and ``activity_reads.sql`` read them. An hour that nobody measured has no row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

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


def write_reads(folder: Path, reads: Iterable[Read]) -> Path:
    """Write a line per read."""
    lines = [json.dumps(asdict(each), sort_keys=True, ensure_ascii=False) + "\n" for each in reads]
    path = folder / READS
    path.write_text("".join(lines), encoding="utf-8")
    return path
