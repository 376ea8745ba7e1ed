"""CloudWatch's metrics by the hour, through GetMetricData: 500 series in a call, answers page by page, to Parquet files.

Only hours that CloudWatch gives back are written: one that is missing was not measured, and is not zero.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from finops.collectors.aws.place import Place
from finops.collectors.aws.series import Series, query
from finops.collectors.interface import Outcome, Tell, Trouble

PRICE = Decimal("0.00001")
"""USD for each series that is asked for: the list price of GetMetricData."""
QUERIES, POINTS = 500, 100_800
"""What one call takes, and what one page gives at most."""
PERIOD = 3600
"""Seconds. CloudWatch keeps hours for 455 days."""
ROWS = 1_000_000
"""Hours that are held in memory before a file is written."""
ROUNDS = 4
"""How often series are asked for that CloudWatch has not answered whole."""
FIRST_WAIT = 0.5
_OUTCOMES = {"Forbidden": Outcome.DENIED, "InternalError": Outcome.FAILED, "PartialData": Outcome.INCOMPLETE}

Points = tuple[list[datetime], list[float]]


def measure(place: Place, series: Sequence[Series], since: date, until: date, folder: Path, tell: Tell) -> int:
    """Write the hours of all series from a day to before another; gives how many there are.

    Raises:
        Trouble: they could not be had whole.
    """
    table, hours = _Table(series, folder, tell, f"{place.account}/{place.region}/{until}"), 0
    for start in range(0, len(series), QUERIES):
        batch = {f"m{number}": number for number in range(start, min(start + QUERIES, len(series)))}
        for number, (times, values) in _batch(place, series, batch, since, until).items():
            hours += len(times)
            table.add(number, times, values)
    table.end()
    return hours


def _batch(
    place: Place, series: Sequence[Series], batch: dict[str, int], since: date, until: date
) -> dict[int, Points]:
    """The points of one call's series. What is not answered whole is asked for again, alone."""
    found: dict[int, Points] = {}
    waiting, status = dict(batch), ""
    for turn in range(ROUNDS):
        if turn:
            time.sleep(FIRST_WAIT * 2 ** (turn - 1))
        answered = _asked(place, series, waiting, since, until)
        for name, (said, points) in answered.items():
            if said == "Complete":
                found[waiting.pop(name)] = points
            else:
                status = said
        if not waiting:
            return found
        if status == "Forbidden":
            break
    one = series[next(iter(waiting.values()))]
    raise Trouble(
        _OUTCOMES.get(status, Outcome.INCOMPLETE),
        f"CloudWatch answers {len(waiting)} of {len(batch)} series with {status or 'nothing'}: {one.metric} of {one.targets[0][0]}",
        where=place.where,
        next_step="Allow cloudwatch:GetMetricData on *." if status == "Forbidden" else "Run it again later.",
    )


def _asked(
    place: Place, series: Sequence[Series], batch: dict[str, int], since: date, until: date
) -> dict[str, tuple[str, Points]]:
    """By query: how CloudWatch ended it, and its points. The parts of one that goes over a page are put together."""
    results = place.listed(
        "cloudwatch",
        "get_metric_data",
        "MetricDataResults",
        MetricDataQueries=[query(series[number], number, PERIOD) for number in batch.values()],
        StartTime=datetime(since.year, since.month, since.day, tzinfo=UTC),
        EndTime=datetime(until.year, until.month, until.day, tzinfo=UTC),
        ScanBy="TimestampAscending",
        MaxDatapoints=POINTS,
    )
    found: dict[str, tuple[str, Points]] = {}
    for each in results:
        name = each["Id"]
        if name not in batch:
            continue
        _, (times, values) = found.get(name, ("", ([], [])))
        times += each.get("Timestamps") or []
        values += each.get("Values") or []
        found[name] = (each.get("StatusCode") or "nothing", (times, values))
    return found


class _Table:
    """Gathers hours and writes them, a file a million."""

    def __init__(self, series: Sequence[Series], folder: Path, tell: Tell, whose: str) -> None:
        self._folder, self._tell, self._whose = folder, tell, whose
        self._files = 0
        self._clear()
        rows = [
            (number, *target, one.metric, one.statistic, one.unit, _hour(one.since))
            for number, one in enumerate(series)
            for target in one.targets
        ]
        names = {
            "number": pl.UInt32,
            **dict.fromkeys(("resource_id", "part", "metric", "statistic", "unit"), pl.String),
        }
        self._series = pl.DataFrame(rows, schema={**names, "since": _HOUR}, orient="row")

    def add(self, number: int, times: list[datetime], values: list[float]) -> None:
        """The hours of one series."""
        self._numbers.extend([number] * len(times))
        self._hours.extend(int(each.timestamp()) * 1_000_000 for each in times)
        self._values.extend(values)
        if len(self._values) >= ROWS:
            self._write()

    def end(self) -> None:
        """Write what is left; where nothing was measured, a row that says whose nothing it is."""
        if self._values or not self._files:
            self._write()

    def _clear(self) -> None:
        self._numbers, self._hours, self._values = array("I"), array("q"), array("d")

    def _write(self) -> None:
        held = {
            "number": _column(self._numbers, pa.uint32()),
            "hour": _column(self._hours, pa.timestamp("us")),
            "value": _column(self._values, pa.float64()),
        }
        rows = pl.DataFrame(held).join(self._series, on="number", maintain_order="left")
        rows = rows.filter(pl.col("since").is_null() | (pl.col("hour") >= pl.col("since"))).select(_COLUMNS)
        self._clear()
        if rows.is_empty() and self._files:
            return
        if rows.is_empty():
            rows = pl.concat([rows, pl.DataFrame({"part": [self._whose]})], how="diagonal")
        self._files += 1
        name = f"metrics-{self._files:05}.parquet"
        rows.write_parquet(self._folder / name, compression="zstd")
        self._tell(name, (self._folder / name).stat().st_size)


_COLUMNS = ("resource_id", "metric", "statistic", "part", "unit", "hour", "value")
_HOUR = pl.Datetime("us")


def _hour(moment: datetime | None) -> datetime | None:
    """The hour in which something began, UTC without saying so."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None) if moment else None


def _column(numbers: array[Any], kind: pa.DataType) -> pl.Series:
    """The numbers as a column, without a copy."""
    column = pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])
    return pl.Series(column)
