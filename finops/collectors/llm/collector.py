"""What the collectors of both vendors do alike: a month of costs and a month of usage are an offer each, and so are the names.

Neither vendor lists what is new, and pages are small: the months that are asked for are fetched on every run. Usage that takes many
calls is fetched once more when its month is over, and then stays: its version is ``settled``.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

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
from finops.collectors.llm.http import Api, Vendor
from finops.collectors.llm.pages import Report, days_asked, days_with_results, emptied, month_end, pages, write
from finops.config.sources import LlmVendor

LATE = 3
"""Days without costs after which ``finops doctor`` wonders."""
_MOST_LISTED = 1000
"""Pages of a list of projects or workspaces."""
FIELDS = ("type", "id", "name", "parent", "created_at", "state")
"""What is kept of a project, workspace or key. A part of a key or a person's address is not."""


class LlmCollector(ABC):
    """One vendor's organisation."""

    vendor: Vendor
    costs: Report
    usage: Mapping[str, Report]
    """By the name that its files get."""
    admin_prefix: str
    """How admin keys begin."""
    names_permission: str
    """What reading the names takes."""
    usage_settles: timedelta | None = None
    """How long after the end of a month its usage is final; None: it is always asked for, as costs are."""

    def __init__(self, source_id: str, source: LlmVendor, folder: Path, *, usage: bool) -> None:
        self.source_id = source_id
        self.api = Api(self.vendor, source, folder)
        self._source = source
        self._with_usage = usage
        self._today = datetime.now(tz=UTC).date()
        self._before: dict[date, set[date]] = {}
        """By month: the days that have charges on the pages in landing."""

    def look(self, request: Request) -> Listing:
        """The months that have begun; one call asks whether the key may read costs, one whether it may read names.

        Raises:
            Trouble: the key is missing, refused or without the right to read costs, or the vendor is not to be reached.
        """
        self._today = request.today
        self._probe(self.costs, request.today)
        listing = Listing()
        for month in request.months():
            if month <= request.today:
                costs = self._offer("costs", month, request.today)
                listing.offers.append(costs)
                known = request.known.get(costs.key)
                held = [path for name, (_, path) in known.files.items() if "/page-" in name] if known else []
                self._before[month] = days_with_results(self.costs, held)
                if self._with_usage:
                    listing.offers.append(self._offer("usage", month, request.today))
        try:
            next(self.things(), None)
            listing.offers.append(Offer(f"{self.vendor.service}:names", note="names of projects, workspaces and keys"))
        except Trouble as trouble:
            if trouble.outcome is not Outcome.DENIED:
                listing.troubles.append(trouble)
            else:
                listing.notes.append(
                    f"Without {self.names_permission} projects, workspaces and keys are known by their ids only."
                )
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Write an offer's pages as they come, or the names as a line each."""
        kind = offer.key.partition(":")[2].partition("/")[0]
        if kind == "names":
            self._write_names(folder, tell)
            return
        month = offer.period
        assert month is not None, "look() gives every month's offer its period"
        try:
            target = emptied(folder / kind / f"{month:%Y-%m}")
            if kind == "costs":
                self.fetch_costs(month, target, tell)
            else:
                self._fetch_usage(month, target, tell)
        except Trouble as trouble:
            trouble.period = month
            raise

    def fetch_costs(self, month: date, target: Path, tell: Tell) -> None:
        """Write the month's pages of costs."""
        asked = pages(self.api, self.costs, month, self._today, self._before.get(month, set()))
        write(asked, target, "page", tell, all_pages=True)

    def _fetch_usage(self, month: date, target: Path, tell: Tell) -> None:
        """Write the pages that have something in them; of a month without anything, one that says so."""
        written = sum(self.write_usage(name, month, target, tell) for name in self.usage)
        if not written:
            first = next(iter(self.usage.values()))
            write(pages(self.api, first, month, self._today), target, "empty", tell, all_pages=True)

    def write_usage(self, name: str, month: date, target: Path, tell: Tell) -> int:
        """Write the pages of one usage report that have results; gives their number."""
        return write(pages(self.api, self.usage[name], month, self._today), target, name, tell, all_pages=False)

    def _write_names(self, folder: Path, tell: Tell) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # the first line says whose list it is, also where the list is empty
        things = [{"type": "list"}, *self.things()]
        whole = [{"llm_vendor": self.vendor.service} | dict.fromkeys(FIELDS) | thing for thing in things]
        lines = [json.dumps(thing, sort_keys=True) for thing in whole]
        content = "".join(f"{line}\n" for line in lines).encode()
        (folder / "names.jsonl").write_bytes(content)
        tell("names.jsonl", len(content))

    @abstractmethod
    def things(self) -> Iterator[dict[str, Any]]:
        """The organisation's projects or workspaces and their keys, with ``FIELDS``. The first one takes a call or two."""

    def listed(self, path: str, after: str, *also: tuple[str, str]) -> Iterator[dict[str, Any]]:
        """All entries of a list, page by page.

        Args:
            after: the parameter that asks for the next page.
            also: further parameters.

        Raises:
            Trouble: changed: it is no list, or it does not end.
        """
        last = ""
        for _ in range(_MOST_LISTED):
            page = self.api.get(path, [("limit", "100"), *also, *([(after, last)] if last else [])]).page
            entries = page.get("data") if isinstance(page, dict) else None
            if not (isinstance(entries, list) and all(isinstance(e, dict) and e.get("id") for e in entries)):
                break
            yield from entries
            following = str(page.get("last_id") or "")
            if not page.get("has_more"):
                return
            if following in ("", last):
                break
            last = following
        raise Trouble(
            Outcome.CHANGED,
            "is not the list that it was: it has no entries with ids, or does not end",
            where=self.api.where(path),
            next_step="Look for a newer finops. The names stay as they were.",
        )

    @abstractmethod
    def permissions(self) -> Sequence[Permission]:
        """The calls that are made, and what the key needs for them."""

    def examine(self, request: Request) -> Sequence[Finding]:
        """The key, what it may read, and until when there are costs."""
        self._today = request.today
        place = self._source.api_key.place
        try:
            key = "" if self._source.anonymous else self.api.key()
        except Trouble as trouble:
            return [_failed("key", trouble)]
        findings = []
        if key and not key.startswith(self.admin_prefix):
            findings.append(
                Finding(
                    "admin key",
                    Verdict.WARNING,
                    f"{place} holds no key that begins with {self.admin_prefix}",
                    self.vendor.new_key,
                )
            )
        elif key:
            findings.append(Finding("admin key", Verdict.OK, f"{place} holds an admin key"))
        findings.append(self._examine_costs(request.today))
        if self._with_usage:
            findings += [self._examine_report(report, request.today) for report in self.usage.values()]
        try:
            thing = next(self.things(), {})
            detail = f"{thing.get('type', 'nothing')} {thing.get('name') or thing.get('id') or ''}".strip()
            findings.append(Finding("names", Verdict.OK, f"readable, {detail} for one"))
        except Trouble as trouble:
            findings.append(Finding("names", Verdict.WARNING, trouble.what, trouble.next_step))
        return findings

    def _examine_costs(self, today: date) -> Finding:
        start, days = today - timedelta(days=30), set[date]()
        try:
            page = self.api.get(self.costs.path, self.costs.params(start, today + timedelta(days=1))).page
            days = {self.costs.day(bucket) for bucket in page["data"] if bucket["results"]}
        except Trouble as trouble:
            return _failed("costs", trouble)
        except (KeyError, TypeError, ValueError):
            return Finding("costs", Verdict.FAILED, "the API answers in another form than expected",
                           "Look for a newer finops.")  # fmt: skip
        if not days:
            return Finding("costs", Verdict.WARNING, f"readable; none since {start}",
                           "Is it the key of the organisation that is being billed?")  # fmt: skip
        gap = (today - max(days)).days
        detail = f"readable; the last day with costs is {max(days)}, {gap} days ago"
        return Finding("costs", Verdict.OK if gap <= LATE else Verdict.WARNING, detail)

    def _examine_report(self, report: Report, today: date) -> Finding:
        check = report.path.rpartition("organization")[2].partition("/")[2]
        try:
            self._probe(report, today)
        except Trouble as trouble:
            return _failed(check, trouble)
        return Finding(check, Verdict.OK, "readable")

    def _probe(self, report: Report, today: date) -> None:
        """Ask for one day, to see whether it may be asked."""
        self.api.get(report.path, report.params(today - timedelta(days=1), today))

    def _offer(self, kind: str, month: date, today: date) -> Offer:
        settles = self.usage_settles if kind == "usage" else None
        is_settled = settles is not None and month_end(month) + settles <= today
        start, end = days_asked(month, today)
        return Offer(
            f"{self.vendor.service}:{kind}/{month:%Y-%m}",
            "settled" if is_settled else "",
            period=month,
            note=f"{(end - start).days} days of {'costs' if kind == 'costs' else 'token counts'}",
        )


def _failed(check: str, trouble: Trouble) -> Finding:
    return Finding(check, Verdict.FAILED, f"{trouble.where}: {trouble.what}", trouble.next_step)
