"""Fetch from the configured sources and load what is new; one source's trouble does not stop the others.

An offer is fetched into a folder of its own below ``landing/incoming/``, loaded from there as any folder is, and its version
is noted in landing when all of it is in the ledger. What an interrupted or failed run left there is continued by the next.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from finops.collectors.interface import (
    Collector,
    Fetched,
    Listing,
    Offer,
    Outcome,
    RemoteFile,
    Request,
    Tell,
    Trouble,
)
from finops.collectors.registry import collector
from finops.collectors.store import inside
from finops.config.load import Workspace
from finops.config.secrets import without_secrets
from finops.config.sources import Source
from finops.errors import ConfigError, FinopsError, UsageError
from finops.pipeline.holes import Hole, gathered, hole_of, note_source, overall
from finops.pipeline.loading import Loader, LoadReport, Progress
from finops.rules.header import nearest
from finops.warehouse.landing import Landing, Origin

MONTHS_BACK = 3
"""Providers restate a month for weeks after its end: these are looked at again, with the current one."""


@dataclass(frozen=True)
class Configured:
    """A source and what reads it."""

    source_id: str
    source: Source
    collector: Collector


@dataclass
class SourceReport:
    """What became of one source."""

    source_id: str
    type: str
    outcome: Outcome = Outcome.COMPLETE
    detail: str = ""
    unchanged: list[Offer] = field(default_factory=list)
    """Offered in a version that the ledger has."""
    fetched: list[Offer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    loads: LoadReport = field(default_factory=LoadReport)
    """What was loaded, and every problem of the source: those of its holes."""

    def miss(self, problem: FinopsError, period: date | None = None) -> None:
        """Something of the source could not be read. No secret is in what is said about it."""
        if isinstance(problem, ConfigError):  # a secret that is not where the configuration says
            problem = Trouble(Outcome.EXPIRED, problem.what, where=problem.where, next_step=problem.next_step)
        problem.what, problem.next_step = without_secrets(problem.what), without_secrets(problem.next_step)
        if isinstance(problem, Trouble):
            place = without_secrets(problem.where)
            problem.where = f"source {self.source_id}" + (f", {place}" if place else "")
        self.holes.append(hole_of(problem, period))
        self.loads.problems.append(problem)


@dataclass(frozen=True)
class Watch:
    """Who is told what happens, and may have a say."""

    fetching: Callable[[str, Offer, int], AbstractContextManager[Tell]] = lambda source, offer, size: nullcontext(
        _nobody
    )
    """A source's offer is going to be fetched, with so many bytes."""
    loading: Progress | None = None
    source: Callable[[SourceReport], None] = lambda report: None
    """A source is done."""
    approve: Callable[[str, Decimal, Sequence[Offer]], bool] = lambda source, cost, offers: False
    """May these offers be fetched, which cost so many US dollars?"""


def _nobody(name: str, size: int) -> None:
    pass


def configured(workspace: Workspace, wanted: Sequence[str]) -> list[Configured]:
    """The sources of ``finops.toml`` that are wanted; all of them if none is named.

    Raises:
        UsageError: a wanted source is not configured.
    """
    sources = workspace.config.sources
    for name in wanted:
        if name not in sources:
            raise UsageError(
                f"there is no source '{name}'{nearest(name, list(sources))}",
                next_step=f"Configured: {', '.join(sources) or 'none'}.",
            )
    return [
        Configured(name, source, collector(name, source, workspace.folder))
        for name, source in sources.items()
        if not wanted or name in wanted
    ]


def window(today: date, since: date | None, until: date | None) -> tuple[date, date]:
    """The months to look at: the first of the first, and the first of the month after the last."""
    first = date(today.year, today.month, 1)
    start = since or _months(until or first, 0 if until and until < first else -MONTHS_BACK)
    return start, _months(until or max(first, start), 1)


def _months(month: date, count: int) -> date:
    number = month.year * 12 + month.month - 1 + count
    return date(number // 12, number % 12 + 1, 1)


def known(landing: Landing) -> dict[str, dict[str, Fetched]]:
    """What landing has, by source and the offers' keys: the version that was seen last, and every file."""
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
        found[origin.key] = Fetched(origin.version, seen_at, files)
    return every


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


@dataclass
class Prospect:
    """What a run would do with one source."""

    source_id: str
    outcome: Outcome = Outcome.COMPLETE
    new: list[tuple[Offer, list[RemoteFile]]] = field(default_factory=list)
    """With those of its files that would be fetched."""
    unchanged: list[Offer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)


def prospect(each: Configured, request: Request) -> Prospect:
    """Look at a source with calls that cost nothing: the request is a dry one."""
    report = SourceReport(each.source_id, each.source.type)
    listing = Listing()
    try:
        listing = each.collector.look(request)
    except (Trouble, ConfigError) as trouble:
        report.miss(trouble)
    for hole in listing.troubles:
        report.miss(hole)
    new, unchanged = news(listing, request)
    outcome = overall(report.holes, anything=bool(listing.offers))
    if not (listing.offers or report.holes):
        outcome = Outcome.EMPTY
    pairs = [(offer, missing_files(offer, request)) for offer in new]
    return Prospect(each.source_id, outcome, pairs, unchanged, listing.notes, report.holes)


def collect(
    loader: Loader, sources: Sequence[Configured], months: tuple[date, date], today: date, watch: Watch
) -> list[SourceReport]:
    """Fetch and load each source, and note in ``ops.sources`` and ``ops.holes`` how it went."""
    reports = []
    held = known(loader.landing)
    for each in sources:
        report = SourceReport(each.source_id, each.source.type)
        request = Request(*months, today, held.get(each.source_id, {}))
        anything = _collect(loader, each, request, watch, report)
        report.outcome = overall(report.holes, anything=anything) if anything or report.holes else Outcome.EMPTY
        report.detail = "; ".join(map(_in_short, gathered(report.holes)) if report.holes else report.notes)
        note_source(loader.con, report.source_id, report.type, report.outcome, report.detail, report.holes, loader.now)
        watch.source(report)
        reports.append(report)
    return reports


def _in_short(problem: FinopsError) -> str:
    """What and where, for a reader who knows which source it is."""
    place = re.sub(r"^source [\w-]+(, )?", "", problem.where)
    return f"{place}: {problem.what}" if place else problem.what


def _collect(loader: Loader, each: Configured, request: Request, watch: Watch, report: SourceReport) -> bool:
    """Look, and bring what is new. Whether the source had anything that can be read."""
    try:
        listing = each.collector.look(request)
    except (Trouble, ConfigError) as trouble:
        report.miss(trouble)
        return False
    for hole in listing.troubles:
        report.miss(hole)
    report.notes += listing.notes
    new, report.unchanged = news(listing, request)
    paid = [offer for offer in new if offer.needs_approval]
    if paid and not watch.approve(each.source_id, sum((offer.cost_usd for offer in paid), Decimal(0)), paid):
        for offer in paid:
            report.miss(_unapproved(each.source_id, offer))
        new = [offer for offer in new if not offer.needs_approval]
    for offer in new:
        try:
            _bring(loader, each, offer, request, watch, report)
        except (Trouble, ConfigError) as trouble:
            report.miss(trouble, offer.period)
    _tidy(loader.landing.incoming / each.source_id, listing.offers)
    return bool(report.unchanged or report.fetched)


def _bring(
    loader: Loader, each: Configured, offer: Offer, request: Request, watch: Watch, report: SourceReport
) -> None:
    """Fetch one offer and load it."""
    origin = Origin(
        offer.key,
        offer.version,
        f"{offer.period:%Y-%m}" if offer.period else "",
        files={file.name: file.version for file in offer.files},
        seen_at=datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    )
    if offer.lies_at:
        _load(loader, each, offer, offer.lies_at, origin, watch, report)
        return
    folder = loader.landing.incoming / each.source_id / _folder_name(offer)
    missing = missing_files(offer, request)
    with watch.fetching(each.source_id, offer, sum(file.bytes for file in missing)) as tell:
        _prepare(folder, offer, missing, request.known.get(offer.key))
        each.collector.fetch(offer, missing, folder, tell)
    if _load(loader, each, offer, folder, origin, watch, report):
        shutil.rmtree(folder, ignore_errors=True)


def _folder_name(offer: Offer) -> str:
    return hashlib.sha256(offer.key.encode()).hexdigest()[:16]


def _tidy(incoming: Path, offers: Sequence[Offer]) -> None:
    """Drop what was half fetched of offers that are not made any more."""
    wanted = {_folder_name(offer) for offer in offers}
    for folder in incoming.iterdir() if incoming.is_dir() else ():
        if folder.name not in wanted:
            shutil.rmtree(folder, ignore_errors=True)


def _prepare(folder: Path, offer: Offer, missing: Sequence[RemoteFile], held: Fetched | None) -> None:
    """The folder that an offer is fetched into: what landing has is put there, what is no part of it goes."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {inside(folder, file.name): file for file in offer.files}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted and not (path.name.startswith(".") and offer.files):
            path.unlink()
    fetch = {file.name for file in missing}
    for path, file in wanted.items():
        if file.name in fetch or held is None:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.link(held.files[file.name][1], path)
        if file.modified:
            os.utime(path, (file.modified.timestamp(), file.modified.timestamp()))


def _load(
    loader: Loader, each: Configured, offer: Offer, folder: Path, origin: Origin, watch: Watch, report: SourceReport
) -> bool:
    """Load a folder; what cannot be loaded is a hole of the offer's month. Whether all of it is in the ledger."""
    try:
        loads = loader.load_paths([folder], each.source_id, each.source.format, watch.loading, origin)
    except FinopsError as error:
        loads = LoadReport(problems=[error])
    report.loads.results += loads.results
    report.loads.passed_over += loads.passed_over
    for problem in loads.problems:
        problem.where = problem.where.replace(str(folder), offer.key)
        report.miss(problem, offer.period)
    if loads.results or not loads.problems:
        report.fetched.append(offer)
    return not loads.problems


def _unapproved(source_id: str, offer: Offer) -> Trouble:
    return Trouble(
        Outcome.UNAPPROVED,
        f"was not fetched, because that costs about {offer.cost_usd} USD and nobody has agreed to it",
        where=offer.key,
        next_step=f"'finops collect {source_id} --yes' agrees once, 'allow_cost = true' in finops.toml for good.",
        period=offer.period,
    )
