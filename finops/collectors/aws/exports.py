"""What Data Exports and the legacy report have in common: months with manifests in a bucket, offered month by month.

A manifest is written when all files of a delivery are there, so the newest one says what counts. What it names is checked
against a listing, and its content is read once: afterwards landing has it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from finops.collectors.aws.examine import active_tags, freshness, identity, tried
from finops.collectors.aws.manifests import Place, data_files, data_keys, made_at, version
from finops.collectors.aws.s3 import S3Store
from finops.collectors.interface import (
    Finding,
    Listing,
    Offer,
    Outcome,
    Permission,
    RemoteFile,
    Request,
    Tell,
    Trouble,
    Verdict,
)
from finops.collectors.store import download
from finops.config.sources import AwsAccess

USUAL_DELAY = 2
"""Days of a new month in which nothing of it need have been delivered."""
_HOPELESS = (Outcome.EXPIRED, Outcome.FAILED)
"""What one month met, the next would meet too: after as long a wait."""


@dataclass
class Months:
    """What a bucket has of an export."""

    manifests_in: dict[date, list[str]] = field(default_factory=dict)
    """By month: the prefixes below which its manifests lie."""
    data_in: dict[date, list[str]] = field(default_factory=dict)
    """By month: folders with data, as far as they can be told without a manifest."""

    def all(self) -> list[date]:
        """Every month of which there is anything."""
        return sorted({*self.manifests_in, *self.data_in})


class ExportCollector(ABC):
    """Looks at and fetches an export; what lies where is for the subclass to say."""

    def __init__(self, source_id: str, access: AwsAccess, folder: Path) -> None:
        self.source_id = source_id
        self.access = access
        self.folder = folder

    @abstractmethod
    def place(self) -> Place:
        """Where the export is: as configured, else as the API says."""

    @abstractmethod
    def months(self, store: S3Store, place: Place) -> Months:
        """Which months there are. Lists folders only."""

    @abstractmethod
    def manifests(self, store: S3Store, place: Place, prefix: str) -> Sequence[RemoteFile]:
        """The manifests below a prefix."""

    @abstractmethod
    def keys(self, content: Mapping[str, Any]) -> Sequence[str] | None:
        """The keys of the data files that a manifest names; None: it is no manifest of this kind."""

    @abstractmethod
    def is_rewritten(self, key: str) -> bool:
        """Does the next delivery write this file again under the same key?"""

    @abstractmethod
    def health(self, request: Request, listing: Listing) -> None:
        """Add what the provider's API says about failed deliveries, where it may be asked."""

    @abstractmethod
    def permissions(self) -> Sequence[Permission]:
        """The least privilege."""

    @abstractmethod
    def settings(self) -> Sequence[Finding]:
        """The export's settings against the recommended ones; raises ``Trouble`` where they cannot be read."""

    def look(self, request: Request) -> Listing:
        """The newest delivery of each month: list calls, and one read for each manifest that landing hasn't got."""
        place = self.place()
        store = self._store(place)
        months = self.months(store, place)
        if not months.all():
            raise Trouble(
                Outcome.MISSING,
                "there is no delivery of this export",
                where=place.url,
                next_step="Compare bucket, prefix and name with the export's settings at AWS. "
                "A new export delivers within 24 hours.",
            )
        listing = Listing()
        given_up: Trouble | None = None
        for month in request.months():
            if given_up and month in months.manifests_in:
                listing.troubles.append(
                    _not_tried(given_up, month, f"s3://{place.bucket}/{months.manifests_in[month][0]}")
                )
                continue
            try:
                self._look_at(month, request, store, place, months, listing)
            except Trouble as trouble:
                listing.troubles.append(_for_month(trouble, month))
                given_up = given_up or (trouble if trouble.outcome in _HOPELESS else None)
        self.health(request, listing)
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Download the files of a month: only in the versions that were listed."""
        place = self.place()
        store = self._store(place)
        above = f"{place.prefix}/" if place.prefix else ""
        named = [replace(file, name=above + file.name) for file in files]
        try:
            download(store, named, folder, tell, local=lambda name: name.removeprefix(above))
        except Trouble as trouble:
            raise (_for_month(trouble, offer.period) if offer.period else trouble) from trouble

    def examine(self, request: Request) -> Sequence[Finding]:
        """Identity, permissions one by one, the export, its age, its settings, its tags."""
        findings = [identity(self.access)]
        if findings[0].verdict is not Verdict.OK:
            return findings
        found = tried("export", self.place, _url)
        finding, place = found
        findings.append(finding)
        if place:
            findings += self._examine_bucket(place, request)
        try:
            findings += self.settings()
        except Trouble as trouble:
            findings.append(Finding("settings", Verdict.UNKNOWN, trouble.what, trouble.next_step))
        listing = Listing()
        if place and not self.access.anonymous:  # nobody may ask the API
            self.health(request, listing)
            findings += [Finding("health", Verdict.FAILED, each.what, each.next_step) for each in listing.troubles]
            findings += [Finding("health", Verdict.UNKNOWN, each) for each in listing.notes]
            if not (listing.troubles or listing.notes):
                findings.append(Finding("health", Verdict.OK, "AWS states no failed delivery"))
        return [*findings, active_tags(self.access, dry=request.dry)]

    def _store(self, place: Place) -> S3Store:
        return S3Store(self.access, place.bucket, region=place.region, below=place.base)

    def _examine_bucket(self, place: Place, request: Request) -> Sequence[Finding]:
        store = self._store(place)

        def newest() -> list[RemoteFile]:
            months = self.months(store, place).manifests_in
            found = (
                [file for prefix in months[max(months)] for file in self.manifests(store, place, prefix)]
                if months
                else []
            )
            return sorted(found, key=lambda each: (each.modified, each.name))

        listed, manifests = tried("s3:ListBucket", newest, lambda found: f"s3://{place.bucket} can be listed")
        if manifests is None:
            return [listed]
        fresh = freshness(manifests[-1].modified if manifests else None, request.today)
        if not manifests:
            return [listed, fresh]
        read, _ = tried(
            "s3:GetObject", lambda: store.read(manifests[-1].name), lambda content: f"{manifests[-1].name} can be read"
        )
        return [listed, read, fresh]

    def _look_at(
        self, month: date, request: Request, store: S3Store, place: Place, months: Months, listing: Listing
    ) -> None:
        """Offer a month, note why there is nothing to offer, or raise."""
        key = f"{place.url}/{month:%Y-%m}"
        found = [file for prefix in months.manifests_in.get(month, ()) for file in self.manifests(store, place, prefix)]
        if not found:
            self._nothing(month, key, request, place, months, listing)
            return
        manifest = max(found, key=lambda each: (made_at(each), each.name.count("/") == _fewest(found), each.name))
        above = len(place.prefix) + 1 if place.prefix else 0
        known = request.known.get(key)
        landed = known.files.get(manifest.name[above:]) if known else None
        if landed and landed[0] == manifest.version and landed[1].is_file():
            content = landed[1].read_bytes()
        else:
            content = store.read(manifest.name)
        keys = data_keys(content, manifest, place, self.keys)
        if not keys:
            if known:
                raise Trouble(
                    Outcome.INCOMPLETE,
                    "the newest delivery names no data file, though an earlier one had some; the earlier one is kept",
                    where=f"s3://{place.bucket}/{manifest.name}",
                    next_step="Look at the export in the AWS console; if the month is to be empty, nothing needs to be done.",
                )
            listing.notes.append(f"{place.name} {month:%Y-%m}: delivered, and empty")
            return
        data = data_files(store, keys, manifest, self.is_rewritten)
        files = [replace(each, name=each.name[above:]) for each in (manifest, *data)]
        listing.offers.append(Offer(key, version(files), files, period=month))

    def _nothing(self, month: date, key: str, request: Request, place: Place, months: Months, listing: Listing) -> None:
        """A month without a manifest. A hole, unless it is too early, before the export began, or landed already.

        AWS fills an export from the month in which it was made, so a month before its first is no hole; a month after it is
        one, for a delivery comes at least once a day.
        """
        called = f"{place.name} {month:%Y-%m}"
        if months.data_in.get(month):
            raise Trouble(
                Outcome.INCOMPLETE,
                "there are data files, and no manifest that says they are all there",
                where=f"s3://{place.bucket}/{months.data_in[month][0]}",
                next_step="Wait until the delivery has finished; the manifest is written last.",
            )
        if month > request.today:
            return
        if request.known.get(key):
            listing.notes.append(f"{called}: no longer in the bucket; what has landed is kept")
        elif request.today < month + timedelta(days=USUAL_DELAY):
            listing.notes.append(f"{called}: nothing has been delivered yet, which is usual on the first two days")
        elif month < months.all()[0]:
            note = f"{place.name}: the export begins with {months.all()[0]:%Y-%m}"
            listing.notes += [note] if note not in listing.notes else []
        else:
            raise Trouble(
                Outcome.MISSING,
                "nothing has been delivered for this month",
                where=place.url,
                next_step="Look at the export's last executions in the AWS console, and at the bucket's policy: "
                "AWS must be allowed to write. AWS Support can deliver a month again.",
            )


def _url(place: Place) -> str:
    return place.url


def _fewest(files: Sequence[RemoteFile]) -> int:
    return min(each.name.count("/") for each in files)


def _not_tried(met: Trouble, month: date, where: str) -> Trouble:
    """What an earlier month met, for one that was not looked at any more."""
    what = f"was not read, for an earlier month could not be: {met.what}"
    return Trouble(met.outcome, what, where=where, next_step=met.next_step, period=month)


def _for_month(trouble: Trouble, month: date) -> Trouble:
    return Trouble(trouble.outcome, trouble.what, where=trouble.where, next_step=trouble.next_step, period=month)
