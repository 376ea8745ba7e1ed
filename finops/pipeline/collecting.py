"""Fetch from the configured sources and load what is new; one source's trouble does not stop the others.

An offer is fetched into a folder of its own below ``landing/incoming/``, loaded from there as any folder is, and its version
is noted in landing when all of it is in the ledger. What an interrupted or failed run left there is continued by the next.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from finops.collectors.interface import (
    Collector,
    Listing,
    Offer,
    Outcome,
    RemoteFile,
    Request,
    Tell,
    Trouble,
)
from finops.collectors.registry import collector
from finops.config.load import Workspace
from finops.config.secrets import without_secrets
from finops.config.source import Source
from finops.errors import FinopsError, UsageError
from finops.pipeline.holes import Hole, as_trouble, forget_others, gathered, hole_of, note_source, overall
from finops.pipeline.incoming import incoming, prepare, tidy
from finops.pipeline.loading import Loader, LoadReport, Progress
from finops.pipeline.offers import Known, known, missing_files, news, origin_of
from finops.rules.header import nearest
from finops.warehouse.landing import Origin


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

    def miss(self, error: Exception, period: date | None = None) -> None:
        """Something of the source could not be read. No secret is in what is said about it."""
        problem = as_trouble(error)
        problem.what, problem.next_step = without_secrets(problem.what), without_secrets(problem.next_step)
        problem.where = without_secrets(problem.where)
        if isinstance(problem, Trouble):
            problem.where = f"source {self.source_id}" + (f", {problem.where}" if problem.where else "")
        self.holes.append(hole_of(problem, period))
        self.loads.problems.append(problem)

    def remark(self, notes: Sequence[str]) -> None:
        """What is worth saying and no hole."""
        self.notes += map(without_secrets, notes)

    def conclude(self, *, anything: bool) -> None:
        """How it ended, in a word and in a sentence.

        Args:
            anything: had the source something that could be read?
        """
        self.outcome = overall(self.holes, anything=anything) if anything or self.holes else Outcome.EMPTY
        self.detail = "; ".join(map(_in_short, gathered(self.holes)) if self.holes else self.notes)


@dataclass(frozen=True)
class Watch:
    """Who is told what happens, and may have a say."""

    fetching: Callable[[str, Offer, int], AbstractContextManager[Tell]] = lambda source, offer, size: nullcontext(
        _nobody
    )
    """A source's offer is going to be fetched, with so many bytes."""
    loading: Progress | None = None
    looking: Callable[[str], None] = lambda source: None
    """A source is going to be asked what it has."""
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


@dataclass
class Prospect:
    """What a run would do with one source."""

    report: SourceReport
    new: list[tuple[Offer, list[RemoteFile]]] = field(default_factory=list)
    """With those of its files that would be fetched."""


def prospect(each: Configured, request: Request) -> Prospect:
    """Look at a source with calls that cost nothing: the request is a dry one."""
    report = SourceReport(each.source_id, each.source.type)
    listing = _look(each, request, report)
    new, report.unchanged = news(listing, request)
    report.conclude(anything=bool(listing.offers))
    return Prospect(report, [(offer, missing_files(offer, request)) for offer in new])


def collect(
    loader: Loader,
    sources: Sequence[Configured],
    months: tuple[date, date],
    today: date,
    watch: Watch,
    landed: Mapping[str, Sequence[FinopsError]] | None = None,
) -> list[SourceReport]:
    """Fetch and load each source, and note in ``ops.sources`` and ``ops.holes`` how it went.

    Args:
        landed: by source, what is wrong with deliveries that are in landing and cannot be loaded again.
    """
    reports = []
    held = known(loader.landing)
    for each in sources:
        report = SourceReport(each.source_id, each.source.type)
        watch.looking(each.source_id)
        for problem in (landed or {}).get(each.source_id, ()):
            report.miss(problem)
        request = Request(*months, today, held.get(each.source_id, {}))
        report.conclude(anything=_collect(loader, each, request, held, watch, report))
        note_source(
            loader.con, report.source_id, report.type, report.outcome, report.detail, report.holes, months, loader.now
        )
        watch.source(report)
        reports.append(report)
    return reports


def forget_unconfigured(loader: Loader, sources: Sequence[Configured]) -> None:
    """Sources that ``finops.toml`` does not have any more have no holes."""
    forget_others(loader.con, [each.source_id for each in sources])


def _in_short(problem: FinopsError) -> str:
    """What and where, for a reader who knows which source it is."""
    place = re.sub(r"^source [\w-]+(, )?", "", problem.where)
    return f"{place}: {problem.what}" if place else problem.what


def _look(each: Configured, request: Request, report: SourceReport) -> Listing:
    try:
        listing = each.collector.look(request)
    except Exception as error:
        report.miss(error)
        return Listing()
    for hole in listing.troubles:
        report.miss(hole)
    report.remark(listing.notes)
    return listing


def _collect(
    loader: Loader, each: Configured, request: Request, held: Known, watch: Watch, report: SourceReport
) -> bool:
    """Look, and bring what is new. Whether the source had anything that can be read."""
    listing = _look(each, request, report)
    new, report.unchanged = news(listing, request)
    paid = [offer for offer in new if offer.needs_approval]
    if paid and not watch.approve(each.source_id, sum((offer.cost_usd for offer in paid), Decimal(0)), paid):
        for offer in paid:
            report.miss(_unapproved(each.source_id, offer))
        new = [offer for offer in new if not offer.needs_approval]
    keys = {offer.key for offer in listing.offers}
    patience = Patience(each.source.deadline)
    for offer in new:
        if patience.end and not offer.at_hand:
            report.miss(patience.end.of(offer.key, offer.period))
            continue
        began = time.monotonic()
        try:
            _bring(loader, each, offer, request, origin_of(offer, held), keys - {offer.key}, watch, report)
        except Exception as error:
            report.miss(error, offer.period)
            patience.met(error, time.monotonic() - began)
    if listing.offers:
        tidy(loader.landing, each.source_id, listing.offers)
    return bool(report.unchanged or report.fetched)


@dataclass
class Patience:
    """One month's trouble is no reason not to try the next; two deadlines waited out, or an identity that has expired, are."""

    deadline: float
    """Seconds."""
    end: Trouble | None = None
    """What the other offers of the source are given up for."""
    _waited: int = 0

    def met(self, error: Exception, seconds: float) -> None:
        """An offer has failed after so many seconds."""
        if not isinstance(error, Trouble):
            return
        self._waited += error.outcome is Outcome.FAILED and seconds >= 0.9 * self.deadline
        if error.outcome is Outcome.EXPIRED or self._waited > 1:
            self.end = error


def _bring(
    loader: Loader,
    each: Configured,
    offer: Offer,
    request: Request,
    origin: Origin,
    rivals: set[str],
    watch: Watch,
    report: SourceReport,
) -> None:
    """Fetch one offer and load it."""
    folder = offer.lies_at or incoming(loader.landing, each.source_id, offer)
    if not offer.lies_at:
        missing = missing_files(offer, request)
        with watch.fetching(each.source_id, offer, sum(file.bytes for file in missing)) as tell:
            prepare(folder, offer, missing, request.known.get(offer.key))
            each.collector.fetch(offer, missing, folder, tell)
    loads = loader.load_paths([folder], each.source_id, each.source.format, watch.loading, origin, rivals)
    report.loads.results += loads.results
    report.loads.passed_over += loads.passed_over
    for problem in loads.problems:
        problem.where = problem.where.replace(f"{folder}/", "").replace(str(folder), offer.key)
        report.miss(problem, offer.period)
    if loads.results or not loads.problems:
        report.fetched.append(offer)
    if not (loads.problems or offer.lies_at):
        shutil.rmtree(folder, ignore_errors=True)


def _unapproved(source_id: str, offer: Offer) -> Trouble:
    return Trouble(
        Outcome.UNAPPROVED,
        f"was not fetched, because that costs about {offer.cost_usd} USD and nobody has agreed to it",
        where=offer.key,
        next_step=f"'finops collect {source_id} --yes' agrees once, 'allow_cost = true' in finops.toml for good.",
        period=offer.period,
    )
