"""Which days of metrics landing has, and from which on CloudWatch is asked.

An offer of metrics is one place on one day. Its version is that day, and names the services that could not be listed then: their
metrics were not asked, so for them that day does not count.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from finops.collectors.aws.place import Place
from finops.collectors.interface import Fetched, Request

SCHEME = "cloudwatch://"
RESTATED = 2
"""Days before the last that are asked for again: late datapoints come."""
_WITHOUT = " without "


def key_of(place: Place, day: date) -> str:
    """The key of a place's metrics up to a day."""
    return f"{SCHEME}{place.account}/{place.region}/{day}"


def version_of(day: date, lacking: Collection[str]) -> str:
    """``2026-10-20``, or ``2026-10-20 without bedrock``."""
    return f"{day}" + (_WITHOUT + ", ".join(sorted(lacking)) if lacking else "")


def first_day(place: Place, request: Request, lacking: Collection[str], history_days: int) -> date:
    """The first day that is asked for: two before the last on which no less was measured than can be now."""
    first = request.today - timedelta(days=history_days)
    prefix = f"{SCHEME}{place.account}/{place.region}/"
    days = [
        day
        for key, each in request.known.items()
        if key.startswith(prefix) and _without(each) <= set(lacking) and (day := day_of(each)) and day < request.today
    ]
    return max(max(days) - timedelta(days=RESTATED), first) if days else first


def newest(request: Request) -> date | None:
    """The last day on which CloudWatch answered."""
    days = [day_of(each) for key, each in request.known.items() if key.startswith(SCHEME)]
    return max((day for day in days if day), default=None)


def day_of(known: Fetched) -> date | None:
    """The day of a delivery; None: it did not come whole."""
    try:
        return date.fromisoformat(known.version[:10])
    except ValueError:
        return None


def _without(known: Fetched) -> set[str]:
    _, _, without = known.version.partition(_WITHOUT)
    return set(filter(None, without.split(", ")))
