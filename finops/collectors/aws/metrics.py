"""CloudWatch's metrics by the hour, through GetMetricData: 500 series in a call, answers page by page, to Parquet files.

Only hours that CloudWatch gives back are written: one that is missing was not measured, and is not zero.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from finops.collectors.activity import Labels, MetricTable
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
    labels = [
        Labels(number, *target, one.metric, one.statistic, one.unit, _hour(one.since))
        for number, one in enumerate(series)
        for target in one.targets
    ]
    table, hours = MetricTable(labels, folder, tell, f"{place.account}/{place.region}/{until}", ROWS), 0
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


def _hour(moment: datetime | None) -> datetime | None:
    """The hour in which something began, UTC without saying so."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None) if moment else None
