"""Prometheus' HTTP API: a query at a moment, and one per hour of some days. Thanos, Mimir, Google's managed service have it too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from finops.collectors.interface import Outcome, Trouble
from finops.collectors.prometheus.machines import Labels
from finops.collectors.web import Server, clean
from finops.config.servers import Prometheus

STEP = timedelta(hours=1)
DAYS_AT_ONCE = 7
"""168 points of a series per call: Prometheus gives at most 11,000, and a week of a thousand GPUs is some megabytes."""
_QUERY, _RANGE = "/api/v1/query", "/api/v1/query_range"


@dataclass(frozen=True)
class Series:
    """Values by the hour that they are of. An hour without one is not there."""

    labels: Labels
    values: dict[datetime, float]


class Api:
    """One server. An answer that is not whole raises ``Trouble``, and so does one with a warning."""

    def __init__(self, source: Prometheus, folder: Path) -> None:
        tenant = {"X-Scope-OrgID": source.tenant} if source.tenant else {}
        self.server = Server("Prometheus", source, folder, tenant, ending="/api/v1")

    def now(self, query: str, at: date) -> list[Labels]:
        """The labels of the series that a query gives at the beginning of a day."""
        answer = self._ask(_QUERY, "vector", query, ("time", _stamp(at)))
        return [_labels(each) for each in answer]

    def hours(self, query: str, since: date, until: date) -> list[Series]:
        """What a query about 'the last hour' gives for each hour from ``since`` until before ``until``."""
        first = _moment(since) + STEP
        answer = self._ask(
            _RANGE,
            "matrix",
            query,
            ("start", str(int(first.timestamp()))),
            ("end", _stamp(until)),
            ("step", str(int(STEP.total_seconds()))),
        )
        return [Series(_labels(each), dict(self._values(each))) for each in answer]

    def _values(self, series: dict[str, Any]) -> Iterator[tuple[datetime, float]]:
        try:
            for seconds, text in series.get("values", []):
                value = float(text)
                if math.isfinite(value):
                    yield datetime.fromtimestamp(float(seconds), tz=UTC).replace(tzinfo=None) - STEP, value
        except (TypeError, ValueError, OverflowError):
            raise self._changed(_RANGE, "has series whose values are no pairs of a time and a number") from None

    def _ask(self, path: str, kind: str, query: str, *also: tuple[str, str]) -> list[dict[str, Any]]:
        answer = self.server.ask("GET", path, [("query", query), *also])
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise self._changed(path, f"answers without success{_error(answer)}")
        if not isinstance(data, dict) or data.get("resultType") != kind or not isinstance(data.get("result"), list):
            raise self._changed(path, f"does not answer with a {kind}")
        if warnings := answer.get("warnings"):
            said = clean("; ".join(map(str, warnings)) if isinstance(warnings, list) else str(warnings))
            step = "Some of what it keeps could not be asked: look at the stores behind it. The next run asks again."
            raise self.server.trouble(Outcome.INCOMPLETE, f"answers in part: {said}", path, step)
        if not all(isinstance(each, dict) for each in data["result"]):
            raise self._changed(path, "has series that are no objects")
        result: list[dict[str, Any]] = data["result"]
        return result

    def _changed(self, path: str, what: str) -> Trouble:
        return self.server.trouble(Outcome.CHANGED, what, path, "Is it Prometheus that answers at 'url'?")


def weeks(since: date, until: date) -> Iterator[tuple[date, date]]:
    """The days in spans that are asked for at once."""
    while since < until:
        after = min(until, since + timedelta(days=DAYS_AT_ONCE))
        yield since, after
        since = after


def _labels(series: dict[str, Any]) -> Labels:
    labels = series.get("metric")
    return {str(name): str(value) for name, value in labels.items()} if isinstance(labels, dict) else {}


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _stamp(day: date) -> str:
    return str(int(_moment(day).timestamp()))


def _error(answer: Any) -> str:
    said = answer.get("error") if isinstance(answer, dict) else None
    return f": {clean(str(said))}" if said else ""


def names(series: Sequence[Series]) -> list[tuple[Labels, Sequence[datetime]]]:
    """The labels of series, each with the hours in which it was there."""
    return [(each.labels, list(each.values)) for each in series]
