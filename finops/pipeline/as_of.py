"""A warehouse as it would have been at a time: made from the deliveries that had landed by then, beside the present one.

Rules, mappings and settings are today's. The journals of frozen months and of findings are taken as far as they had come. What
landing does not keep is not known: which sources a collection could not read then, deliveries whose record has been removed, and
when exactly a delivery that was found again later had been found before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path

from finops.errors import BadInputError, UsageError
from finops.pipeline.build import BuildReport, build
from finops.pipeline.findings_journal import FindingsJournal
from finops.pipeline.frozen_files import FrozenFiles
from finops.pipeline.loading import Loader
from finops.rules.catalogue import Catalogue
from finops.rules.run import Params
from finops.warehouse.connection import Connection
from finops.warehouse.landing import DeliveryRecord, Landing, link
from finops.warehouse.rebuild import aside

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?")
_STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"


def parse_as_of(text: str, now: datetime) -> datetime:
    """``2026-10-20`` (the end of that day, UTC) or ``2026-10-20T06:00Z``: a UTC time, which includes its whole second.

    Raises:
        UsageError: it is no time, or it is not over yet.
    """
    try:
        moment = datetime.fromisoformat(text if _TIME.fullmatch(text) else "")
        if len(text) == len("2026-10-20"):
            moment = datetime.combine(moment, time(23, 59, 59))
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=999_999)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--as-of {text!r} is no time", next_step="Write a day, 2026-10-20, or a time, 2026-10-20T06:00Z."
        ) from error
    if at.replace(microsecond=0) > now:
        raise UsageError(
            f"--as-of {text} is not over yet: it is {now:%Y-%m-%dT%H:%MZ}, and more may land",
            next_step=f"Give a time that is past, such as {now:%Y-%m-%dT%H:%MZ}.",
        )
    return at


class LandingAsOf(Landing):
    """The landing folder with the deliveries alone that had landed by a time."""

    def __init__(self, path: Path, at: datetime) -> None:
        super().__init__(path)
        self.at = at

    def deliveries(self) -> list[DeliveryRecord]:
        """What had landed, the oldest first, as it had been found at its source by then.

        Raises:
            UsageError: nothing had landed yet.
        """
        records = super().deliveries()
        landed = [each for each in records if _utc(each.received_at) <= self.at]
        if not landed:
            first = min((each.received_at for each in records), default="")
            raise UsageError(
                f"nothing had landed by {self.at:%Y-%m-%dT%H:%M:%SZ}",
                where=str(self.path),
                next_step=f"The first delivery landed at {first[:16]}Z." if first else "Load a bill first.",
            )
        offers: dict[tuple[str, str, str], list[DeliveryRecord]] = {}
        for each in landed:
            if each.origin:
                offers.setdefault((each.source_id, each.format, each.origin.key), []).append(each)
        known = {each.id: each for offer in offers.values() for each in self._seen_by_then(offer)}
        return [known.get(each.id, each) for each in landed]

    def _seen_by_then(self, offer: Sequence[DeliveryRecord]) -> list[DeliveryRecord]:
        """The deliveries of one offer, as seen by then: a record keeps only when it was seen last.

        What was seen later too was in the newest version at that time. So was what has been seen since the newest of them was
        made.
        """
        if all(_seen(each) <= self.at for each in offer):
            return list(offer)
        made = max(_utc(each.delivered_at) for each in offer)
        return [
            replace(each, origin=replace(each.origin, seen_at=f"{self.at:{_STAMP}}"))
            if each.origin and (_seen(each) > self.at or _seen(each) >= made)
            else each
            for each in offer
        ]


@dataclass(frozen=True)
class Place:
    """Where a workspace has its files, and how its warehouse is opened."""

    warehouse: Path
    landing: Path
    mappings: Path
    frozen: Path
    findings: Path
    memory_limit: str
    threads: int


@contextmanager
def warehouse_as_of(
    place: Place,
    catalogue: Catalogue,
    at: datetime,
    today: date,
    params: Params,
) -> Iterator[tuple[Connection, LandingAsOf, BuildReport]]:
    """A built warehouse of what had landed by ``at``, in a folder beside the present one that goes away at the end.

    Nothing of the workspace is changed: neither its warehouse nor its journals.

    Args:
        today: what findings count from.

    Raises:
        UsageError: nothing had landed. BadInputError: a delivery cannot be read any more. Whatever a build raises.
    """
    landing = LandingAsOf(place.landing, at)
    landing.deliveries()
    with aside(place.warehouse, memory_limit=place.memory_limit, threads=place.threads) as (con, folder):
        loads = Loader(con, landing, catalogue, at).load_pending()
        if loads.problems:
            raise BadInputError(
                f"{len(loads.problems)} of the deliveries that had landed by {at:%Y-%m-%dT%H:%M:%SZ} cannot be read:\n  "
                + "\n  ".join(f"{problem.where}: {problem.what}" for problem in loads.problems),
                next_step="Mend that, then run it again. Nothing was changed.",
            )
        report = build(
            con,
            catalogue,
            place.mappings,
            today,
            params=params,
            frozen_files=_frozen_by_then(place.frozen, folder / "frozen", at),
            findings_files=_found_by_then(place.findings, folder / "findings", at),
        )
        yield con, landing, report


def _frozen_by_then(present: Path, then: Path, at: datetime) -> Path:
    """The journal of frozen months as far as it had come, with the files that it names."""
    files = FrozenFiles(then)
    for entry in FrozenFiles(present).entries():
        if entry.at <= at:
            if (present / entry.snapshot).is_file():
                link(present / entry.snapshot, then / entry.snapshot)
            files.append(entry)
    return then


def _found_by_then(present: Path, then: Path, at: datetime) -> Path:
    """The journal of findings with the lines of the days up to that time."""
    lines = [line.text for line in FindingsJournal(present).lines if line.day <= at.date()]
    then.mkdir(parents=True)
    FindingsJournal(then).path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return then


def _seen(record: DeliveryRecord) -> datetime:
    return _utc(record.origin.seen_at if record.origin and record.origin.seen_at else record.received_at)


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
