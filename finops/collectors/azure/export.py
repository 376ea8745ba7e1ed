"""Azure Cost Management exports in a blob container, or in a folder that somebody else syncs from one.

Of each month the newest whole run is offered. Which run is whole:

- Azure writes a run's manifest when all of its parts are there, so a run in its own folder counts from then on, and only while
  every part that its manifest names is there.
- A run that is still without its manifest a day after it began has failed: that is reported, and so is a manifest whose parts
  are missing. The newest whole run before it is offered all the same: it was loaded before, or is better than nothing.
- A younger run without a manifest is being written right now. If there is a whole one, that is worth a note only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path, PurePosixPath

from finops.collectors.azure import layout
from finops.collectors.azure.blob import BlobStore
from finops.collectors.azure.layout import COSTS, Run, Stated
from finops.collectors.files.local import LocalStore
from finops.collectors.interface import Finding, Listing, Offer, Outcome, Permission, RemoteFile, Request, Tell, Trouble
from finops.collectors.store import Store, download
from finops.config.sources import AzureExport

BEING_WRITTEN = timedelta(days=1)
LATE_MONTH = 7
"""A month's export is due by this day of the next one: exports of the last month run on the fifth."""


@dataclass(frozen=True)
class Chosen:
    """The newest whole run of one export and month."""

    export: str
    months: Sequence[date]
    run: Run
    stated: Stated | None


class AzureExportCollector:
    """Reads one directory of exports."""

    def __init__(self, source_id: str, source: AzureExport, folder: Path) -> None:
        self.source_id = source_id
        self._source = source
        self._folder = folder
        self._opened: Store | None = None

    def look(self, request: Request) -> Listing:
        """The newest whole run of each export and month. List calls, and a read of each manifest that is new."""
        listing = Listing()
        found = self.choose(request, listing)
        _refuse_the_same_cost_twice(found, f"{self._store().url}/{self._root()}".rstrip("/"))
        for each in found:
            listing.offers.append(self._offer(each))
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Download the parts that are wanted, and the manifest."""
        root = self._root()
        named = [replace(file, name=root + file.name) for file in files or offer.files]
        download(self._store(), named, folder, tell, local=lambda name: name.removeprefix(root))

    def permissions(self) -> Sequence[Permission]:
        """One data action covers listing and reading."""
        if self._source.path:
            return []
        action = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
        why = "to list the runs of the exports and to fetch them; the role 'Storage Blob Data Reader', or a SAS with sp=rl"
        return [Permission(action, f"container {self._source.container or '(of the source)'}", why)]

    def examine(self, request: Request) -> Sequence[Finding]:
        """Access, the exports' settings, freshness."""
        from finops.collectors.azure.examine import examine

        return examine(self, request, f"{self._source.path or self._source.container}/{self._root()}".rstrip("/"))

    def choose(self, request: Request, listing: Listing) -> list[Chosen]:
        """The runs to read. Holes and notes are added to the listing.

        Raises:
            Trouble: denied, missing, expired, failed.
        """
        found: list[Chosen] = []
        spans: set[date] = set()
        for export, folders in self._exports().items():
            for folder, days in folders.items():
                spans |= set(_months_touched(*days))
                if days[1] < request.since or days[0] >= request.until:
                    continue
                months = layout.whole_months(*days)
                if not months:
                    listing.troubles.append(self._part_of_a_month(folder, days[0]))
                elif chosen := self._newest_whole(export, folder, months, request, listing):
                    found.append(chosen)
        listing.troubles += self._gaps(spans, request)
        return found

    def _exports(self) -> dict[str, dict[str, tuple[date, date]]]:
        """The exports' folders, and those of each of its months with the first and the last day; all with a ``/`` at the end."""
        store, root = self._store(), self._root()
        wanted = f"{root}{self._source.export}/" if self._source.export else ""
        folders = [wanted] if wanted else store.folders(root)
        exports = {
            each: {below: days for below in store.folders(each) if (days := layout.span(below))} for each in folders
        }
        if any(exports.values()):
            return exports
        there = ", ".join(PurePosixPath(each).name for each in (store.folders(root) if wanted else folders)[:10])
        raise Trouble(
            Outcome.MISSING,
            "holds no export" + (f"; there is: {there}" if there else ""),
            where=f"{store.url}/{wanted or root}".rstrip("/"),
            next_step="Compare the source's container, directory and export with the export's settings in the Azure "
            "portal, under Cost Management, Exports; a new export delivers within a day.",
        )

    def _newest_whole(
        self, export: str, folder: str, months: list[date], request: Request, listing: Listing
    ) -> Chosen | None:
        """The first whole run, from the newest on; why newer ones were left out is said."""
        store = self._store()
        name = PurePosixPath(export).name
        runs = layout.runs(folder, store.files(folder))
        for run in runs:
            if run.alone:
                return Chosen(name, months, run, None)
            where, period = f"{store.url}/{run.folder}".rstrip("/"), months[0] if len(months) == 1 else None
            if run.manifest is None:
                another = any(each.manifest or each.alone for each in runs)
                if another and run.at.date() >= request.today - BEING_WRITTEN:
                    listing.notes.append(f"{where}: is being written; the run before it is read")
                    continue
                listing.troubles.append(
                    Trouble(
                        Outcome.INCOMPLETE, "is a run without its manifest: it has not been delivered whole",
                        where=where, period=period,
                        next_step="Look at the export's run history in the Azure portal; if a sync fills the folder, let "
                        "it copy manifest.json too. The next run looks again.",
                    )
                )  # fmt: skip
                continue
            if chosen := self._as_known(Chosen(name, months, run, None), request):
                return chosen
            try:
                stated = layout.read(store.read(run.manifest.name))
            except Trouble as trouble:
                if trouble.outcome is not Outcome.CHANGED:
                    raise
                stated = None  # larger than any manifest
            if stated is None:
                listing.troubles.append(
                    Trouble(
                        Outcome.CHANGED, "is no manifest of a cost export", where=f"{store.url}/{run.manifest.name}",
                        next_step="Run the export again in the Azure portal.", period=period,
                    )
                )  # fmt: skip
                continue
            if stated.kind and stated.kind not in COSTS:
                listing.notes.append(f"{where}: an export of {stated.kind} holds no costs and is passed over")
                return None
            if lacking := layout.missing(run, stated):
                listing.troubles.append(
                    Trouble(
                        Outcome.INCOMPLETE, f"lacks {len(lacking)} of the {len(stated.blobs or ())} files that its manifest names",
                        where=where, next_step=f"The next run looks again. Missing: {lacking[0]}", period=period,
                    )
                )  # fmt: skip
                continue
            if not stated.blobs:
                listing.notes.append(f"{where}: the export's newest run holds no charges")
                return None
            return Chosen(name, months, run, stated)
        return None

    def _as_known(self, chosen: Chosen, request: Request) -> Chosen | None:
        """The run, if it is the one that landing has: then it was whole, and its manifest need not be read again."""
        known = request.known.get(self._key(chosen.export, chosen.months))
        version, _, kind = known.version.partition("-") if known else ("", "", "")
        return replace(chosen, stated=Stated(kind=kind)) if version == chosen.run.version else None

    def _offer(self, chosen: Chosen) -> Offer:
        root = self._root()
        files = [
            replace(each, name=each.name.removeprefix(root)) for each in layout.delivered(chosen.run, chosen.stated)
        ]
        kind = chosen.stated.kind if chosen.stated else ""
        return Offer(
            self._key(chosen.export, chosen.months),
            f"{chosen.run.version}-{kind}",
            files,
            period=chosen.months[0] if len(chosen.months) == 1 else None,
            note=f"{COSTS.get(kind, 'cost')} export, run of {chosen.run.at:%Y-%m-%d %H:%M} UTC",
        )

    def _key(self, export: str, months: Sequence[date]) -> str:
        name = "_".join(f"{month:%Y-%m}" for month in dict.fromkeys((months[0], months[-1])))
        return f"{self._store().url}/{self._root()}{export}/{name}"

    def _part_of_a_month(self, folder: str, first: date) -> Trouble:
        return Trouble(
            Outcome.CHANGED,
            "holds a part of a month only, which would replace the month in the ledger",
            where=f"{self._store().url}/{folder}".rstrip("/"),
            next_step="Make the export one of month-to-date costs or of last month's, or name another in 'export'.",
            period=first.replace(day=1),
        )

    def _gaps(self, spans: set[date], request: Request) -> list[Trouble]:
        """Months that lack a folder, after the first that has one. A month is not due before the next one's seventh day."""
        last = (request.today - timedelta(days=LATE_MONTH)).replace(day=1)
        absent = [each for each in request.months() if each not in spans and min(spans, default=each) < each < last]
        return [
            Trouble(
                Outcome.INCOMPLETE,
                f"has no delivery of {month:%Y-%m}",
                where=f"{self._store().url}/{self._root()}{self._source.export}".rstrip("/"),
                next_step="Run the export for that month in the Azure portal: Cost Management, Exports, 'Export selected dates'.",
                period=month,
            )
            for month in absent
        ]

    def _root(self) -> str:
        """The directory, with a ``/`` at its end unless it is the container's root."""
        directory = self._source.directory.strip("/")
        return f"{directory}/" if directory else ""

    def _store(self) -> Store:
        if self._opened is None:
            source = self._source
            if source.path:
                self._opened = LocalStore(self._folder / source.path.expanduser(), source.path.as_posix())
            else:
                self._opened = BlobStore(source, self._folder)
        return self._opened


def _months_touched(first: date, last: date) -> list[date]:
    months, month = [], first.replace(day=1)
    while month <= last:
        months.append(month)
        month = (month + timedelta(days=31)).replace(day=1)
    return months


def _refuse_the_same_cost_twice(found: Sequence[Chosen], where: str) -> None:
    """Actual, amortised and FOCUS exports of a month hold the same charges: only one kind may be counted."""
    kinds: dict[date, dict[str, str]] = {}
    for each in found:
        for month in each.months:
            if each.stated and each.stated.kind in COSTS:
                kinds.setdefault(month, {}).setdefault(COSTS[each.stated.kind], each.export)
    for month, exports in sorted(kinds.items()):
        if len(exports) > 1:
            named = " and ".join(f"{kind} costs ('{export}')" for kind, export in exports.items())
            raise Trouble(
                Outcome.CHANGED,
                f"holds the charges of {month:%Y-%m} more than once: {named}",
                where=where,
                next_step="Name one of them in the source's 'export', best FOCUS or amortised costs.",
            )
