"""What a source offers against what landing has: which months to look at, what is known, what is new."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from finops.collectors.interface import Fetched, Listing, Offer, RemoteFile, Request
from finops.errors import UsageError
from finops.warehouse.landing import Landing, Origin

MONTHS_BACK = 3
"""Providers restate a month for weeks after its end: these are looked at again, with the current one."""
_STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"

Known = Mapping[str, Mapping[str, Fetched]]
"""By source and the offers' keys."""


def window(today: date, since: date | None, until: date | None) -> tuple[date, date]:
    """The months to look at: the first of the first, and the first of the month after the last.

    Args:
        since, until: the first of the first and of the last month, as asked for. ``until`` alone is that month if it is past.

    Raises:
        UsageError: they begin in the future.
    """
    first = date(today.year, today.month, 1)
    if since and since > first:
        raise UsageError(f"--since {since:%Y-%m} is in the future", next_step="Name a month that has begun.")
    last = min(until or first, first)
    start = since or _months(last, 0 if last < first else -MONTHS_BACK)
    return start, _months(last, 1)


def _months(month: date, count: int) -> date:
    number = month.year * 12 + month.month - 1 + count
    return date(number // 12, number % 12 + 1, 1)


def known(landing: Landing) -> dict[str, dict[str, Fetched]]:
    """What landing has, by source and the offers' keys: the version that was seen last, and every file.

    A delivery whose bytes somebody has lost is not there.
    """
    every: dict[str, dict[str, Fetched]] = {}
    for record in sorted(landing.deliveries(), key=lambda each: each.origin.seen_at if each.origin else ""):
        if not (origin := record.origin):
            continue
        found = every.setdefault(record.source_id, {})
        before = found.get(origin.key)
        files = dict(before.files) if before else {}
        for file in (*record.files, *([record.manifest] if record.manifest else [])):
            path = landing.path / file.stored
            if path.is_file():
                files[file.name] = (origin.files.get(file.name, ""), path)
        seen_at = datetime.fromisoformat(origin.seen_at).astimezone(UTC)
        found[origin.key] = Fetched(origin.version if landing.has(record) else "", seen_at, files)
    return every


def origin_of(offer: Offer, every: Known) -> Origin:
    """Where an offer comes from, seen after all that has been seen so far, whatever the clock says."""
    last = max((each.received_at for offers in every.values() for each in offers.values()), default=None)
    now = datetime.now(tz=UTC)
    return Origin(
        offer.key,
        offer.version,
        f"{offer.period:%Y-%m}" if offer.period else "",
        files={file.name: file.version for file in offer.files},
        seen_at=(max(now, last + timedelta(seconds=1)) if last else now).strftime(_STAMP),
    )


def news(listing: Listing, request: Request) -> tuple[list[Offer], list[Offer]]:
    """The offers that landing lacks in this version, and those that it has."""
    new: list[Offer] = []
    old: list[Offer] = []
    for offer in listing.offers:
        held = request.known.get(offer.key)
        (old if held and offer.version and held.version == offer.version else new).append(offer)
    return new, old


def missing_files(offer: Offer, request: Request) -> list[RemoteFile]:
    """The files of an offer whose bytes landing hasn't got."""
    held = request.known.get(offer.key)
    return [
        file
        for file in offer.files
        if not (held and file.version and held.files.get(file.name, ("",))[0] == file.version)
    ]
