"""What AWS accounts have and what it does: the inventory of SageMaker, Bedrock, EC2, EBS and EFS, and CloudWatch's metrics of it.

Looking reads the inventory, for metrics are asked only of what is there. Each account, region and service is read on its own, and
the last offer says how each reading ended: a service that may not be read is no service that has nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from finops.collectors.aws import inventory
from finops.collectors.aws.examine import role_permission, tried
from finops.collectors.aws.inventory import Reading
from finops.collectors.aws.metrics import PRICE, measure
from finops.collectors.aws.place import Place, Resource, Unsupported, action_of
from finops.collectors.aws.series import Series, found, needs_finding, series_of
from finops.collectors.aws.session import client
from finops.collectors.aws.troubles import calling
from finops.collectors.interface import (
    Fetched,
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

INVENTORY, METRICS, READS = "aws-inventory://", "cloudwatch://", "aws-utilisation://"
RESTATED = 2
"""Days before the last that are asked for again: late datapoints come."""
MEASURED = ("sagemaker", "bedrock", "ec2", "efs")
"""Services whose resources have metrics."""
_WITHOUT = " without "


@dataclass
class Metrics:
    """What is to be asked of CloudWatch in one place."""

    place: Place
    resources: list[Resource]
    series: list[Series]
    since: date
    until: date


@dataclass
class Read:
    """A line of ``inventory.reads``."""

    account: str
    region: str
    service: str
    covers: str
    outcome: str
    what: str = ""
    next_step: str = ""


@dataclass
class _Patience:
    """Two deadlines that were waited out are enough: the rest is given up."""

    deadline: float
    waited: int = 0
    last: Trouble | None = None

    def met(self, troubles: Sequence[Trouble], seconds: float) -> None:
        """A reading has ended like this, after so many seconds."""
        failed = next((each for each in troubles if each.outcome is Outcome.FAILED), None)
        if failed and seconds >= 0.9 * self.deadline:
            self.waited, self.last = self.waited + 1, failed

    @property
    def end(self) -> Trouble | None:
        return self.last if self.waited > 1 else None


@dataclass
class _Seen:
    """What one look has found."""

    files: dict[str, str] = field(default_factory=dict)
    """The inventory's lines, by the offers' keys."""
    metrics: dict[str, Metrics] = field(default_factory=dict)
    """By the offers' keys."""
    reads: dict[tuple[str, ...], Read] = field(default_factory=dict)

    def note(self, read: Read) -> None:
        """How a reading ended; the last word holds."""
        self.reads[read.account, read.region, read.service, read.covers] = read


class AwsUtilisationCollector:
    """Reads accounts, region by region."""

    def __init__(self, source_id: str, source: AwsUtilisation, folder: Path) -> None:
        self._source_id, self._source = source_id, source
        self._access = {each.id: self._access_to(each) for each in source.accounts}
        self._regions = sorted(set(source.regions)) or [source.region]
        self._seen = _Seen()

    @property
    def source_id(self) -> str:
        """The source's name in ``finops.toml``."""
        return self._source_id

    def look(self, request: Request) -> Listing:
        """Read the inventory, and see of how much the metrics are lacking.

        Raises:
            Trouble: nobody is signed in, and no account is named.
        """
        self._seen, listing = _Seen(), Listing()
        patience = _Patience(self._source.deadline)
        for account, access in self._accounts().items():
            try:
                self._check(account, access)
            except Trouble as trouble:
                listing.troubles.append(trouble)
                for region in self._regions:
                    self._give_up(account, region, trouble)
                continue
            for region in self._regions:
                self._look_at(Place(access, account, region), request, listing, patience)
        listing.offers.append(Offer(f"{READS}{self._source_id}/reads", note="how each reading ended"))
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
        content = self._seen.files[offer.key] if offer.key.startswith(INVENTORY) else self._reads()
        (folder / name).write_text(content, encoding="utf-8")
        tell(name, len(content.encode()))

    def permissions(self) -> Sequence[Permission]:
        """Lists, descriptions and metrics; none of them gives the content of anything."""
        lists = [action_of(*call) for calls in inventory.LISTS.values() for call in calls]
        return [
            *(Permission(each, "*", "what there is") for each in lists),
            *(Permission(each, "*", "what it is like") for each in inventory.DETAILS),
            Permission("cloudwatch:GetMetricData", "*", "whether it is used"),
            Permission("cloudwatch:ListMetrics", "*", "which accelerators and hosts are measured"),
            *(Permission(each, "*", why, optional=True) for each, why in inventory.OPTIONAL.items()),
            *role_permission(self._source),
            *(
                each
                for access in self._access.values()
                if access is not self._source
                for each in role_permission(access)
            ),
        ]

    def examine(self, request: Request) -> Sequence[Finding]:
        """Each account's identity, and each list in each region. CloudWatch takes money for metrics, so none is asked for."""
        try:
            accounts = self._accounts()
        except Trouble as trouble:
            return [Finding("identity", Verdict.FAILED, trouble.what, trouble.next_step)]
        findings = []
        for account, access in accounts.items():
            signed, arn = tried(f"identity in {account}", lambda a=account, s=access: self._check(a, s), str)  # type: ignore[misc]
            findings.append(signed)
            for region in self._regions if arn else ():
                findings += _examined(Place(access, account, region))
        days = [_day(each.version) for key, each in request.known.items() if key.startswith(METRICS)]
        newest = max(filter(None, days), default=None)
        if newest:
            findings.append(Finding("cloudwatch:GetMetricData", Verdict.OK, f"was answered on {newest}"))
        else:
            detail = f"has not been asked yet; a series costs {PRICE} USD, so it is not tried here"
            step = f"Run 'finops collect {self._source_id}'."
            findings.append(Finding("cloudwatch:GetMetricData", Verdict.UNKNOWN, detail, step))
        return findings

    def _access_to(self, account: AwsAccount) -> AwsUtilisation:
        """The source, acting as the account's role. Kept for as long as the collector: clients are cached by it."""
        if not account.role_arn:
            return self._source
        return self._source.model_copy(update={"role_arn": account.role_arn, "external_id": account.external_id})

    def _accounts(self) -> dict[str, AwsUtilisation]:
        return self._access or {_caller(self._source)["Account"]: self._source}

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

    def _look_at(self, place: Place, request: Request, listing: Listing, patience: _Patience) -> None:
        first = request.today - timedelta(days=self._source.history_days)
        tags: Mapping[str, dict[str, str]] = {}
        if patience.end is None:
            tagged, tags = inventory.read_tags(place)
            self._note(place, tagged)
            listing.notes += [f"{each.where}: {each.what}" for each in tagged.troubles]
        readings = []
        for service in inventory.SERVICES:
            if patience.end:
                given_up = patience.end.of(f"{place.where}, {service}", None)
                reading = Reading(service, troubles=[given_up])
            else:
                began = time.monotonic()
                reading = inventory.with_tags(inventory.read(place, service, first), tags)
                patience.met(reading.troubles, time.monotonic() - began)
            readings.append(reading)
            self._note(place, reading)
            listing.troubles += reading.troubles
            if reading.outcome in (Outcome.COMPLETE, Outcome.EMPTY):
                key = f"{INVENTORY}{place.account}/{place.region}/{service}"
                self._seen.files[key] = inventory.lines(place, reading)
                listing.offers.append(Offer(key, note=f"{len(reading.resources)} resources"))
        self._offer_metrics(place, readings, request, listing)

    def _offer_metrics(self, place: Place, readings: Sequence[Reading], request: Request, listing: Listing) -> None:
        """An offer for what is not yet measured, where there is anything to measure."""
        resources = [each for reading in readings for each in reading.resources]
        lacking = {each.service for each in readings if each.troubles and each.service in MEASURED}
        for each in readings:
            if each.service in lacking:
                what = f"{each.what}; so metrics were asked only of what is known"
                self._seen.note(
                    Read(place.account, place.region, each.service, "metrics", each.outcome, what, each.next_step)
                )
        version = f"{request.today}" + (_WITHOUT + ", ".join(sorted(lacking)) if lacking else "")
        since = self._since(place, request, lacking)
        series = series_of(resources, since, request.today)
        if not series and not needs_finding(resources):
            self._note_nothing(place, readings, listing)
            return
        key = f"{METRICS}{place.account}/{place.region}/{request.today}"
        held = request.known.get(key)
        offer = Offer(
            key,
            version,
            cost_usd=len(series) * PRICE if not (held and held.version == version) else Decimal(0),
            note=f"{len(series)} series from {since} on",
        )
        listing.offers.append(offer)
        self._seen.metrics[key] = Metrics(place, resources, series, since, request.today)
        if held and held.version == version:
            self._note_metrics(place, Outcome.COMPLETE)
        else:
            self._note_metrics(place, Outcome.FAILED, "CloudWatch has not been asked")

    def _note_nothing(self, place: Place, readings: Sequence[Reading], listing: Listing) -> None:
        """Why no metric is asked for: nothing is there, or what is there is not known."""
        unread = next((each for each in readings if each.troubles and each.service in MEASURED), None)
        if unread:
            self._note_metrics(place, unread.outcome, "nothing could be listed that has metrics", unread.next_step)
        elif all(each.unsupported for each in readings):
            self._note_metrics(place, inventory.UNSUPPORTED, "the region has none of the services")
            what = "has none of the services, or the account has not opted in"
            listing.notes.append(f"{place.where}: {what}; leave the region out of regions = […]")
        else:
            self._note_metrics(place, Outcome.EMPTY, "there is nothing to measure")

    def _since(self, place: Place, request: Request, lacking: set[str]) -> date:
        """The first day that is asked for: two before the last on which no less was measured than can be now."""
        prefix = f"{METRICS}{place.account}/{place.region}/"
        days = [
            day
            for key, each in request.known.items()
            if key.startswith(prefix) and (day := _covered(each, lacking)) and day < request.today
        ]
        first = request.today - timedelta(days=self._source.history_days)
        return max(max(days) - timedelta(days=RESTATED), first) if days else first

    def _measure(self, metrics: Metrics, folder: Path, tell: Tell) -> None:
        for left in folder.glob("*.parquet"):
            left.unlink()
        place = metrics.place
        try:
            try:
                series = dict.fromkeys(metrics.series + found(place, metrics.resources, metrics.since))
                measure(place, list(series), metrics.since, metrics.until, folder, tell)
            except Unsupported as error:
                raise Trouble(
                    Outcome.FAILED, str(error), where=place.where, next_step="Leave the region out."
                ) from error
        except Trouble as trouble:
            self._note_metrics(place, trouble.outcome, trouble.what, trouble.next_step)
            raise trouble.of(f"{place.where}, cloudwatch", None) from trouble
        self._note_metrics(place, Outcome.COMPLETE)

    def _note(self, place: Place, reading: Reading) -> None:
        outcome = reading.outcome if reading.service != "tags" or reading.what else Outcome.COMPLETE
        self._seen.note(
            Read(place.account, place.region, reading.service, "inventory", outcome, reading.what, reading.next_step)
        )

    def _note_metrics(self, place: Place, outcome: str, what: str = "", next_step: str = "") -> None:
        self._seen.note(Read(place.account, place.region, "cloudwatch", "metrics", outcome, what, next_step))

    def _give_up(self, account: str, region: str, trouble: Trouble) -> None:
        """An account that cannot be entered: nothing of it is known."""
        every = [(each, "inventory") for each in (*inventory.SERVICES, "tags")] + [("cloudwatch", "metrics")]
        for service, covers in every:
            self._seen.note(Read(account, region, service, covers, trouble.outcome, trouble.what, trouble.next_step))

    def _reads(self) -> str:
        return "".join(
            json.dumps(
                {
                    "provider": "AWS",
                    "account_id": each.account,
                    "region": each.region,
                    "service": each.service,
                    "covers": each.covers,
                    "outcome": each.outcome,
                    "what": each.what or None,
                    "next_step": each.next_step or None,
                },
                sort_keys=True,
                ensure_ascii=False,
            )
            + "\n"
            for _, each in sorted(self._seen.reads.items())
        )


def _caller(access: AwsUtilisation, account: str = "") -> dict[str, str]:
    """Who AWS takes us for. Needs no permission but, where there is a role, to take it on."""
    where = f"account {account}" if account else "AWS"
    action = "sts:AssumeRole" if access.role_arn else "sts:GetCallerIdentity"
    with calling(where, action, access.role_arn or "*", profile=access.profile):
        return dict(client(access, "sts").get_caller_identity())


def _examined(place: Place) -> Iterator[Finding]:
    for service, calls in inventory.LISTS.items():

        def ask(calls: Sequence[tuple[str, str]] = calls) -> str:
            for name, operation in calls:
                try:
                    few = {"MaxResults": 5} if name == "ec2" else {}
                    own = {"OwnerIds": ["self"]} if operation == "describe_snapshots" else {}
                    place.call(name, operation, **few, **own)
                except Unsupported as error:
                    if operation == calls[0][1]:
                        return str(error)
            return f"all {len(calls)} lists are allowed"

        finding, _ = tried(f"{service} in {place.account}, {place.region}", ask, str)
        yield finding


def _day(version: str) -> date | None:
    try:
        return date.fromisoformat(version[:10])
    except ValueError:
        return None


def _covered(known: Fetched, lacking: set[str]) -> date | None:
    """The day of a delivery of metrics, if it has all that can be measured now."""
    _, _, without = known.version.partition(_WITHOUT)
    return _day(known.version) if set(filter(None, without.split(", "))) <= lacking else None
