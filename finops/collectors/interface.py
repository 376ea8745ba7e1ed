"""The one shape of all collectors: look at what a source offers, then fetch what is new of it.

An *offer* is what a provider delivers as a whole: the month of an export, the month of a cost API, a folder of files. It has a
*key*, which stays, and a *version*, which changes when the provider delivers it again. Looking costs list calls only; the
pipeline compares the versions with those in the landing folder and asks for the rest. What a collector fetches are files,
kept as the provider gave them: turning them into FOCUS is the business of ``queries/normalise/``.

Everything that a source can do wrong is raised as a ``Trouble`` with an outcome, or listed as one where the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from finops.errors import SourceError


class Outcome(StrEnum):
    """How a read ended. A failed read is not an empty one."""

    COMPLETE = "complete"
    EMPTY = "empty"
    """The source answered, and there is nothing."""
    INCOMPLETE = "incomplete"
    """Some of it is there: a delivery that has not arrived whole, or one of several periods that failed."""
    DENIED = "denied"
    """The identity is known and lacks a permission; ``next_step`` names the permission."""
    EXPIRED = "expired"
    """No credentials, or such as have run out."""
    MISSING = "missing"
    """The bucket, export, table or account that the configuration names is not there."""
    CHANGED = "changed"
    """The source answers in a form that is not the expected one: a column or field was renamed or removed."""
    UNAPPROVED = "unapproved"
    """Fetching would cost money that nobody has agreed to."""
    REFUSED = "refused"
    """It came whole and cannot be read as a bill: nothing of it was loaded."""
    FAILED = "failed"
    """Throttled, unreachable or broken for longer than the deadline."""

    @property
    def is_hole(self) -> bool:
        """Is something missing in the ledger because of it?"""
        return self not in (Outcome.COMPLETE, Outcome.EMPTY)


class Trouble(SourceError):  # noqa: N818
    """A source, or one period of it, that could not be read: which outcome it is, what, where, and what to do."""

    def __init__(
        self, outcome: Outcome, what: str, *, where: str = "", next_step: str = "", period: date | None = None
    ) -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.outcome = outcome
        self.period = period
        """The first of the month that is missing; None: the whole source."""

    def of(self, where: str, period: date | None) -> Trouble:
        """The same trouble, met elsewhere."""
        return Trouble(self.outcome, self.what, where=where, next_step=self.next_step, period=period)

    def __reduce__(self) -> tuple[object, ...]:
        return (_again, (self.outcome, self.what, self.where, self.next_step, self.period))


def _again(outcome: Outcome, what: str, where: str, next_step: str, period: date | None) -> Trouble:
    return Trouble(outcome, what, where=where, next_step=next_step, period=period)


@dataclass(frozen=True)
class RemoteFile:
    """A file at the provider, or one that the collector makes of the provider's answers."""

    name: str
    """Its path below the folder that it is fetched into, with ``/``: as it is called in the bucket, below the prefix."""
    bytes: int = 0
    version: str = ""
    """ETag, generation, or a fingerprint of the rows it will hold. The same name and version are the same bytes.
    Empty: not known before it has been fetched."""
    modified: datetime | None = None
    """UTC. The fetched file's modification time is set to it: a file without a manifest is as new as that."""


@dataclass(frozen=True)
class Offer:
    """What can be fetched as a whole, and replaces its slices as a whole."""

    key: str
    """Stays the same from run to run: ``s3://acme-billing/exports/cur2-hourly/2026-10``."""
    version: str = ""
    """Changes when the provider delivers anew. Empty: not known before it has been fetched, so it always is."""
    files: Sequence[RemoteFile] = ()
    """What it is made of. Empty: known only while fetching (the pages of an API)."""
    lies_at: Path | None = None
    """A local file or folder that is read where it lies: nothing is fetched."""
    period: date | None = None
    """The first of its month; None: it isn't of one month."""
    cost_usd: Decimal = Decimal(0)
    """What the provider takes for the fetching, at its list price; the collector's documentation says which."""
    needs_approval: bool = False
    """Not fetched before ``--yes`` or the source's configuration has agreed to the cost."""
    at_hand: bool = False
    """Held since looking: fetching it asks nobody, so it comes even where the source has been given up."""
    note: str = ""
    """For ``--dry-run``: '412 days of rows, 3.1 GB scanned'."""


@dataclass
class Listing:
    """What a source has."""

    offers: list[Offer] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    """Holes: what should be there and can't be read. The offers are fetched all the same."""
    notes: list[str] = field(default_factory=list)
    """What is worth saying and no hole: 'the catalogue has 12 SKUs that are new'."""


@dataclass(frozen=True)
class Fetched:
    """What landing has of an offer: the newest version that was fetched."""

    version: str
    received_at: datetime
    """UTC."""
    files: Mapping[str, tuple[str, Path]]
    """By name: (version, where landing keeps the bytes)."""


@dataclass(frozen=True)
class Request:
    """What a run wants to know."""

    since: date
    """The first of the first month."""
    until: date
    """The first of the month after the last: exclusive."""
    today: date
    known: Mapping[str, Fetched] = field(default_factory=dict)
    """What landing has of this source, by the offers' keys."""
    dry: bool = False
    """Only say what would be done: make no call that costs money."""

    def months(self) -> list[date]:
        """The first of each month that is asked for."""
        found, month = [], self.since
        while month < self.until:
            found.append(month)
            month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        return found


Tell = Callable[[str, int], None]
"""Is told what is being fetched, and of how many bytes more: a progress bar, or nothing."""


class Verdict(StrEnum):
    """How a check of ``finops doctor`` came out."""

    OK = "ok"
    WARNING = "warning"
    """It works, and the ledger would be better otherwise."""
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be looked at, for example for lack of a permission that collecting does not need."""


@dataclass(frozen=True)
class Finding:
    """One line of ``finops doctor``."""

    check: str
    """What was looked at: 's3:GetObject', 'export exists', 'split cost data'."""
    verdict: Verdict
    detail: str
    next_step: str = ""


@dataclass(frozen=True)
class Permission:
    """One permission that a collector needs, for ``finops doctor --policy``."""

    action: str
    """``s3:GetObject``, ``bigquery.jobs.create``."""
    resource: str
    """What it is needed on: an ARN, a project, a role's scope."""
    why: str
    optional: bool = False
    """Collecting works without it, and says less."""


class Collector(Protocol):
    """Reads one configured source. It writes nothing but files into the folder it is given."""

    @property
    def source_id(self) -> str:
        """The source's name in ``finops.toml``."""
        ...

    def look(self, request: Request) -> Listing:
        """What the source offers for the months that are asked for.

        Raises:
            Trouble: nothing of it can be seen.
        """
        ...

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Write the wanted files of an offer below ``folder``, whole and verified.

        Args:
            offer: one that ``look`` listed.
            files: those of the offer that landing hasn't got: the others are there already. Empty where the offer names none.
            folder: what an interrupted run left in it may be continued.
            tell: progress.

        Raises:
            Trouble: it could not be fetched whole. What is in the folder is then not read.
        """
        ...

    def permissions(self) -> Sequence[Permission]:
        """What the identity must be allowed, no more: the least privilege."""
        ...

    def examine(self, request: Request) -> Sequence[Finding]:
        """Look at identity, permissions, export settings and freshness; raises nothing that the source can cause."""
        ...
