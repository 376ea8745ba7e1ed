"""What AWS accounts have and what it does: the inventory of SageMaker, Bedrock, EC2, EBS and EFS, and CloudWatch's metrics of it.

Looking reads the inventory, for metrics are asked only of what is there. Each account, region and service is read on its own, and
the last offer says how each reading ended: a service that may not be read is no service that has nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from finops.collectors.aws import inventory, metric_days, utilisation_health
from finops.collectors.aws import reads as kinds
from finops.collectors.aws.examine import tried
from finops.collectors.aws.inventory import Reading
from finops.collectors.aws.metrics import PRICE, measure
from finops.collectors.aws.place import Place, Resource, Unsupported
from finops.collectors.aws.reads import Read, Reads
from finops.collectors.aws.series import Series, found, needs_finding, series_of
from finops.collectors.aws.session import client
from finops.collectors.aws.troubles import calling
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
from finops.config.sources import AwsAccount, AwsUtilisation

T = TypeVar("T")
INVENTORY, READS = "aws-inventory://", "aws-utilisation://"
MEASURED = ("sagemaker", "bedrock", "ec2", "efs")
"""Services whose resources have metrics."""
ENOUGH = 2
"""Deadlines that are waited out in one place, and places that end so, before the rest is given up."""


@dataclass(frozen=True)
class Wanted:
    """What is to be asked of CloudWatch in one place."""

    place: Place
    resources: list[Resource]
    series: list[Series]
    since: date
    until: date


@dataclass
class Patience:
    """How often a deadline was waited out in vain."""

    deadline: float
    waited: int = 0
    last: Trouble | None = None

    def watch(self, call: Callable[[], T], troubles: Callable[[T], Sequence[Trouble]]) -> T:
        """What the call gives, looking at the clock."""
        began = time.monotonic()
        given = call()
        self.met(troubles(given), time.monotonic() - began)
        return given

    def met(self, troubles: Sequence[Trouble], seconds: float) -> None:
        """A reading has ended like this, after so many seconds."""
        failed = next((each for each in troubles if each.outcome is Outcome.FAILED), None)
        if failed and seconds >= 0.9 * self.deadline:
            self.waited, self.last = self.waited + 1, failed

    @property
    def end(self) -> Trouble | None:
        """What the rest is given up for."""
        return self.last if self.waited >= ENOUGH else None


@dataclass
class Seen:
    """What one look has found."""

    files: dict[str, str] = field(default_factory=dict)
    """The inventory's lines, by the offers' keys."""
    metrics: dict[str, Wanted] = field(default_factory=dict)
    """By the offers' keys."""
    reads: Reads = field(default_factory=Reads)
    lost: list[Trouble] = field(default_factory=list)
    """Places that were given up."""


class AwsUtilisationCollector:
    """Reads accounts, region by region."""

    def __init__(self, source_id: str, source: AwsUtilisation, folder: Path) -> None:
        self._source_id, self._source = source_id, source
        self._access = {each.id: self._access_to(each) for each in source.accounts}
        self._regions = sorted(set(source.regions)) or [source.region]
        self._seen = Seen()

    @property
    def source_id(self) -> str:
        """The source's name in ``finops.toml``."""
        return self._source_id

    def look(self, request: Request) -> Listing:
        """Read the inventory, and see of how much the metrics are lacking.

        Raises:
            Trouble: nobody is signed in, and no account is named or known from an earlier run.
        """
        self._seen, listing = Seen(), Listing()
        try:
            accounts = self._accounts()
        except Trouble as trouble:
            listing.troubles.append(trouble)
            accounts = {}
            for account in self._known(request):
                self._give_up(account, trouble, 0)
            if not self._seen.reads:
                raise
        for account, access in accounts.items():
            began = time.monotonic()
            try:
                if len(self._seen.lost) >= ENOUGH:
                    raise self._seen.lost[-1].of(f"account {account}", None)
                self._check(account, access)
            except Trouble as trouble:
                listing.troubles.append(trouble)
                self._give_up(account, trouble, time.monotonic() - began)
                continue
            for region in self._regions:
                self._look_at(Place(access, account, region), request, listing)
        listing.offers.append(Offer(f"{READS}{self._source_id}/reads", at_hand=True, note="how each reading ended"))
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Write what was read, or ask CloudWatch.

        Raises:
            Trouble: the metrics could not be had whole.
        """
        if offer.key in self._seen.metrics:
            self._measure(self._seen.metrics[offer.key], folder, tell)
            return
        name = "inventory.jsonl" if offer.key.startswith(INVENTORY) else "reads.jsonl"
        content = self._seen.files[offer.key] if offer.key.startswith(INVENTORY) else self._seen.reads.text()
        (folder / name).write_text(content, encoding="utf-8")
        tell(name, len(content.encode()))

    def permissions(self) -> Sequence[Permission]:
        """Lists, descriptions and metrics."""
        others = [each for each in self._access.values() if each is not self._source]
        return utilisation_health.permissions([self._source, *others])

    def examine(self, request: Request) -> Sequence[Finding]:
        """Each account's identity, each service's lists in each region, and when CloudWatch last answered."""
        try:
            accounts = self._accounts()
        except Trouble as trouble:
            return [Finding("identity", Verdict.FAILED, trouble.what, trouble.next_step)]
        findings = []
        for account, access in accounts.items():
            signed, arn = tried(f"identity in {account}", lambda a=account, s=access: self._check(a, s), str)  # type: ignore[misc]
            findings.append(signed)
            for region in self._regions if arn else ():
                findings += utilisation_health.examined(Place(access, account, region))
        return [*findings, utilisation_health.metrics(metric_days.newest(request), self._source_id)]

    def _access_to(self, account: AwsAccount) -> AwsUtilisation:
        """The source, acting as the account's role. Kept for as long as the collector: clients are cached by it."""
        if not account.role_arn:
            return self._source
        return self._source.model_copy(update={"role_arn": account.role_arn, "external_id": account.external_id})

    def _accounts(self) -> dict[str, AwsUtilisation]:
        return self._access or {_caller(self._source)["Account"]: self._source}

    @staticmethod
    def _known(request: Request) -> list[str]:
        """The accounts of earlier runs."""
        offered = [key.removeprefix(INVENTORY) for key in request.known if key.startswith(INVENTORY)]
        return sorted({each.partition("/")[0] for each in offered})

    def _check(self, account: str, access: AwsUtilisation) -> str:
        """Whoever answers must be the account that is meant: else its resources would be taken for another's."""
        caller = _caller(access, account)
        if caller["Account"] != account:
            raise Trouble(
                Outcome.MISSING,
                f"the credentials are of account {caller['Account']}",
                where=f"account {account}",
                next_step=f"Give account {account} a role_arn in finops.toml, or correct its id.",
            )
        return str(caller["Arn"])

    def _look_at(self, place: Place, request: Request, listing: Listing) -> None:
        """Read all services of a place; what takes too long is given up."""
        first = request.today - timedelta(days=self._source.history_days)
        patience = Patience(self._source.deadline)
        if len(self._seen.lost) >= ENOUGH:
            patience = Patience(self._source.deadline, ENOUGH, self._seen.lost[-1])
        tags: Mapping[str, dict[str, str]] = {}
        if patience.end:
            tagged = Reading("tags", troubles=[patience.end])
        else:
            tagged, tags = patience.watch(lambda: inventory.read_tags(place), lambda given: given[0].troubles)
            listing.notes += [f"{each.where}: {each.what}" for each in tagged.troubles]
        self._note(place, tagged)
        readings = []
        for service in inventory.SERVICES:
            if patience.end:
                reading = Reading(service, troubles=[patience.end.of(f"{place.where}, {service}", None)])
            else:
                reading = patience.watch(
                    lambda service=service: inventory.read(place, service, first),  # type: ignore[misc]
                    lambda given: given.troubles,
                )
            reading = inventory.with_tags(reading, tags)
            readings.append(reading)
            self._note(place, reading)
            listing.troubles += reading.troubles
            if reading.outcome in (Outcome.COMPLETE, Outcome.EMPTY):
                key = f"{INVENTORY}{place.account}/{place.region}/{service}"
                self._seen.files[key] = inventory.lines(place, reading)
                listing.offers.append(Offer(key, at_hand=True, note=f"{len(reading.resources)} resources"))
        if patience.end:
            self._seen.lost.append(patience.end)
        self._offer_metrics(place, readings, request, listing)

    def _offer_metrics(self, place: Place, readings: Sequence[Reading], request: Request, listing: Listing) -> None:
        """An offer for what is not yet measured, where there is anything to measure."""
        resources = [each for reading in readings for each in reading.resources]
        unread = [each for each in readings if each.troubles and each.service in MEASURED]
        for each in unread:
            what = f"{each.what}; so metrics were asked only of what is known"
            self._note_metrics(place, each.outcome, what, each.next_step, service=each.service)
        lacking = {each.service for each in unread}
        since = metric_days.first_day(place, request, lacking, self._source.history_days)
        series = series_of(resources, since, request.today)
        if not series and not needs_finding(resources):
            self._note_nothing(place, readings, unread, listing)
            return
        key, version = metric_days.key_of(place, request.today), metric_days.version_of(request.today, lacking)
        held = request.known.get(key)
        is_old = held is not None and held.version == version
        cost = Decimal(0) if is_old else len(series) * PRICE
        listing.offers.append(Offer(key, version, cost_usd=cost, note=f"{len(series)} series from {since} on"))
        self._seen.metrics[key] = Wanted(place, resources, series, since, request.today)
        if is_old:
            self._note_metrics(place, Outcome.COMPLETE)
        else:
            self._note_metrics(place, Outcome.FAILED, "CloudWatch has not been asked")

    def _note_nothing(
        self, place: Place, readings: Sequence[Reading], unread: Sequence[Reading], listing: Listing
    ) -> None:
        """Why no metric is asked for: nothing is there, or what is there is not known."""
        if unread:
            what = "nothing could be listed that has metrics"
            self._note_metrics(place, unread[0].outcome, what, unread[0].next_step)
        elif all(each.unsupported for each in readings):
            self._note_metrics(place, inventory.UNSUPPORTED, "the region has none of the services")
            what = "has none of the services, or the account has not opted in"
            listing.notes.append(f"{place.where}: {what}; leave the region out of regions = […]")
        else:
            self._note_metrics(place, Outcome.EMPTY, "there is nothing to measure")

    def _measure(self, wanted: Wanted, folder: Path, tell: Tell) -> None:
        place = wanted.place
        for left in folder.glob("*.parquet"):
            left.unlink()
        try:
            series = dict.fromkeys(wanted.series + found(place, wanted.resources, wanted.since))
            measure(place, list(series), wanted.since, wanted.until, folder, tell)
        except Unsupported as error:
            self._note_metrics(place, Outcome.FAILED, str(error))
            raise Trouble(Outcome.FAILED, str(error), where=f"{place.where}, cloudwatch") from error
        except Trouble as trouble:
            self._note_metrics(place, trouble.outcome, trouble.what, trouble.next_step)
            raise trouble.of(f"{place.where}, cloudwatch", None) from trouble
        self._note_metrics(place, Outcome.COMPLETE)

    def _note(self, place: Place, reading: Reading) -> None:
        outcome, what, step = reading.outcome, reading.what, reading.next_step
        read = Read(place.account, place.region, reading.service, kinds.INVENTORY, outcome, what, step)
        self._seen.reads.note(read)

    def _note_metrics(
        self, place: Place, outcome: str, what: str = "", next_step: str = "", *, service: str = "cloudwatch"
    ) -> None:
        self._seen.reads.note(Read(place.account, place.region, service, kinds.METRICS, outcome, what, next_step))

    def _give_up(self, account: str, trouble: Trouble, seconds: float) -> None:
        """An account that cannot be entered: nothing of it is known."""
        if trouble.outcome is Outcome.FAILED and seconds >= 0.9 * self._source.deadline:
            self._seen.lost.append(trouble)
        every = [(each, kinds.INVENTORY) for each in (*inventory.SERVICES, "tags")] + [("cloudwatch", kinds.METRICS)]
        for region in self._regions:
            for service, covers in every:
                read = Read(account, region, service, covers, trouble.outcome, trouble.what, trouble.next_step)
                self._seen.reads.note(read)


def _caller(access: AwsUtilisation, account: str = "") -> dict[str, str]:
    """Who AWS takes us for. Needs no permission but, where there is a role, to take it on."""
    where = f"account {account}" if account else "AWS"
    action = "sts:AssumeRole" if access.role_arn else "sts:GetCallerIdentity"
    with calling(where, action, access.role_arn or "*", profile=access.profile):
        return dict(client(access, "sts").get_caller_identity())
