"""Google Cloud's billing export in BigQuery, a file per billing month and day of export.

The export only ever grows: late usage and corrections arrive as new rows on the day that they are exported, and say
themselves which invoice they belong to. So one query tells, for every month and day, how many rows there are and what they
come to. A day whose figures are those of landing's file is not fetched again, and a month is offered as all of its days.
Looking costs what that query scans; ``--dry-run`` only asks how much that would be.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

from finops.collectors.gcp import bigquery_health, statements
from finops.collectors.gcp.dayfiles import DayFiles, Figures, rows_of
from finops.collectors.gcp.export import Export, export_of
from finops.collectors.gcp.jobs import Jobs
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
)
from finops.collectors.store import inside
from finops.config.sources import GcpBigQuery

OVERLAP = timedelta(days=7)
"""A month's rows are looked for from this long before the month."""
LATE = timedelta(days=14)
"""What is exported so long after the end of its month is a correction, and no usage that was reported a little late."""
ROWS_PER_QUERY = 2_000_000
"""Days are fetched together up to about so many rows: one answer has a limit, and an interrupted run loses no more."""

Months = dict[date, dict[date, Figures]]
"""By month and day."""


class GcpBigQueryCollector:
    """Reads a billing export's table."""

    def __init__(self, source_id: str, source: GcpBigQuery, folder: Path) -> None:
        self._source_id = source_id
        self._source = source
        self._jobs = Jobs(source_id, source, folder)
        self._export: Export | None = None
        self._until: dict[date, str] = {}
        """By month: the last export that was seen. What is exported after it is left to the next run."""

    @property
    def source_id(self) -> str:
        """The source's name in ``finops.toml``."""
        return self._source_id

    def look(self, request: Request) -> Listing:
        """One offer per billing month that has rows.

        Raises:
            Trouble: the table cannot be read, or is none of a billing export.
        """
        export = self._described(anew=True)
        listing = Listing()
        since = request.since - OVERLAP if export.by_arrival else None
        if request.dry:
            self._estimate(export, request, since, listing)
            return listing
        seen = self._figures(statements.profile(export, since))
        asked = set(request.months())
        older = self._corrected(seen, request, listing)
        earliest = min(older) - OVERLAP if older and since else since
        if earliest != since:
            seen.update(self._figures(statements.profile(export, earliest, sorted(older))))
        self._until = {month: max(day.newest for day in days.values()) for month, days in seen.items()}
        for month in sorted(asked | older):
            key = self._key(month)
            try:
                looked = earliest if month in older else since
                offer = self._offer(export, key, month, seen.get(month, {}), request, looked or date.min)
            except Trouble as trouble:
                if trouble.period is None:
                    raise
                listing.troubles.append(trouble)
                continue
            if offer:
                listing.offers.append(offer)
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Write the rows of the wanted days, as they are delivered, and see that they are those that were counted.

        Raises:
            Trouble: among others ``incomplete``, if rows arrived meanwhile.
        """
        export = self._described()
        month = offer.period or date.min
        missing = {_day(file.name): file for file in files if not _is_whole(file, inside(folder, file.name))}
        for days in _in_portions(missing):
            self._fetch_days(export, month, {day: missing[day] for day in days}, folder, tell)

    def permissions(self) -> Sequence[Permission]:
        """To ask in the paying project, and to read the one table."""
        return bigquery_health.permissions(self._source)

    def examine(self, request: Request) -> Sequence[Finding]:
        """Identity, permissions, kind of export, partitions, and how fresh it is."""
        return bigquery_health.examine(self._source, self._jobs, request)

    def _described(self, *, anew: bool = False) -> Export:
        if self._export is None or anew:
            self._export = export_of(self._jobs.table(), self._source.table)
        return self._export

    def _key(self, month: date) -> str:
        return f"bigquery://{self._source.table}/{month:%Y-%m}"

    def _figures(self, sql: str) -> Months:
        found: Months = defaultdict(lambda: defaultdict(Figures))
        for row in self._jobs.rows(sql):
            month = _month(row, self._source.table)
            if row["day"] is None:
                raise Trouble(
                    Outcome.CHANGED,
                    f"has {row['row_count']:,} rows of {month:%Y-%m} without the day that they are fetched by",
                    where=self._source.table,
                    next_step="Look at these rows; nothing is read until then.",
                )
            found[month][row["day"]].add(row["currency"], row["row_count"], row["cost"], row["credits"], row["newest"])
        return found

    def _corrected(self, seen: Months, request: Request, listing: Listing) -> set[date]:
        """Months before those asked for that have got rows which landing's files of them lack."""
        found = set()
        for month in sorted(each for each in seen if each < request.since):
            known = request.known.get(self._key(month))
            if not known:
                late = _following(month) + LATE
                if rows := sum(figures.rows for day, figures in seen[month].items() if day >= late):
                    listing.notes.append(
                        f"{month:%Y-%m} has {rows:,} rows that were exported later, and has not been collected: "
                        f"--since {month:%Y-%m} does."
                    )
            elif any(_held(known, _name(month, day)) != figures.version for day, figures in seen[month].items()):
                found.add(month)
        return found

    def _offer(
        self, export: Export, key: str, month: date, days: Mapping[date, Figures], request: Request, looked: date
    ) -> Offer | None:
        """A month as a whole; None: there is nothing of it.

        Args:
            looked: the first day that was looked at.

        Raises:
            Trouble: some of it is not in the table any more.
        """
        files = {_name(month, day): RemoteFile(_name(month, day), version=each.version) for day, each in days.items()}
        known = request.known.get(key)
        gone_before = request.today - export.keeps if export.keeps else date.min
        if known:
            files |= self._kept(known, files, month, gone_before, looked)
        elif days and month <= gone_before:
            raise Trouble(
                Outcome.INCOMPLETE,
                f"has rows of {month:%Y-%m}, but not all: partitions are deleted after {(export.keeps or OVERLAP).days} days",
                where=self._source.table,
                next_step="Take the partition expiration off the table; what is deleted does not come back.",
                period=month,
            )
        if not files:
            return None
        listed = [files[name] for name in sorted(files)]
        stated = "\n".join(f"{file.name} {file.version}" for file in listed)
        version = hashlib.sha256(stated.encode()).hexdigest()
        offer = Offer(key, version, listed, period=month)
        fresh = [file for file in listed if not known or _held(known, file.name) != file.version]
        return self._weighed(export, offer, fresh) if fresh else offer

    def _kept(
        self, known: Fetched, files: Mapping[str, RemoteFile], month: date, gone_before: date, looked: date
    ) -> dict[str, RemoteFile]:
        """Landing's files of days that have expired at the source or were not looked at: they are the month's all the same."""
        kept = {}
        for name, (version, _) in known.files.items():
            now = files.get(name)
            if now and rows_of(now.version) >= rows_of(version):
                continue
            if _day(name) > gone_before and _day(name) >= looked:
                raise Trouble(
                    Outcome.INCOMPLETE,
                    f"has fewer rows of {_day(name)} for {month:%Y-%m} than were fetched before: "
                    f"{rows_of(now.version) if now else 0:,} instead of {rows_of(version):,}",
                    where=self._source.table,
                    next_step="Find out who deleted rows: an export only grows. The ledger keeps the month as it was.",
                    period=month,
                )
            kept[name] = RemoteFile(name, version=version)
        return kept

    def _weighed(self, export: Export, offer: Offer, fresh: Sequence[RemoteFile]) -> Offer:
        """The offer with what fetching would scan and cost."""
        days = [_day(file.name) for file in fresh]
        scanned = self._jobs.size(statements.rows(export, offer.period or date.min, days))
        rows = sum(rows_of(file.version) for file in fresh)
        sizes = {file.name: scanned * rows_of(file.version) // max(rows, 1) for file in fresh}
        files = [replace(file, bytes=sizes.get(file.name, 0)) for file in offer.files]
        note = f"{len(fresh)} days, {rows:,} rows, {scanned:,} bytes scanned"
        return replace(offer, files=files, note=note, cost_usd=self._cost(scanned))

    def _cost(self, scanned: int) -> Decimal:
        return (self._source.usd_per_tib * scanned / 2**40).quantize(Decimal("0.0001"))

    def _estimate(self, export: Export, request: Request, since: date | None, listing: Listing) -> None:
        """For ``--dry-run``: what the queries would scan at most. They are not run."""
        look = self._jobs.size(statements.profile(export, since))
        days = [
            request.today - timedelta(days=each) for each in range((request.today - request.since + OVERLAP).days + 1)
        ]
        rows = sum(self._jobs.size(statements.rows(export, month, days)) for month in request.months())
        listing.notes.append(
            f"Looking would scan {look:,} bytes ({self._cost(look)} USD); fetching all {len(request.months())} months anew "
            f"at most {rows:,} bytes ({self._cost(rows)} USD), and less where days have been fetched already."
        )

    def _fetch_days(
        self, export: Export, month: date, files: Mapping[date, RemoteFile], folder: Path, tell: Tell
    ) -> None:
        targets = {day: inside(folder, file.name) for day, file in files.items()}
        partial = {day: target.with_name(f".{target.name}.partial") for day, target in targets.items()}
        written = DayFiles(export, partial)
        sql = statements.rows(export, month, list(files), self._until.get(month, ""))
        for day, size in written.write(self._jobs.batches(sql)):
            tell(files[day].name, size)
        moved = []
        for day, file in files.items():
            if written.figures[day].version != file.version:
                moved.append(day)
                partial[day].unlink(missing_ok=True)
                continue
            partial[day].replace(targets[day])
            targets[day].with_name(f".{targets[day].name}.whole").write_text(file.version)
        if moved:
            raise Trouble(
                Outcome.INCOMPLETE,
                f"rows arrived while {month:%Y-%m} was being fetched, on {', '.join(map(str, moved))}",
                where=self._source.table,
                next_step="Run it again: the next run has them.",
                period=month,
            )


def _name(month: date, day: date) -> str:
    """``2026-10/part-202610030.parquet``: the last digit makes it the number of a part. A date would make it a snapshot."""
    return f"{month:%Y-%m}/part-{day:%Y%m%d}0.parquet"


def _day(name: str) -> date:
    return date.fromisoformat(PurePosixPath(name).stem[-9:-1])


def _following(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _month(row: Mapping[str, Any], table: str) -> date:
    try:
        return datetime.strptime(f"{row['month']}01", "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise Trouble(
            Outcome.CHANGED,
            f"has rows of the invoice month {row['month']!r}, which is none",
            where=table,
            next_step="Look at these rows; nothing is read until then.",
        ) from None


def _held(known: Fetched, name: str) -> str:
    """The version of a file that landing has; empty: it hasn't got it."""
    return known.files[name][0] if name in known.files else ""


def _is_whole(file: RemoteFile, target: Path) -> bool:
    """Has an interrupted run fetched it already?"""
    mark = target.with_name(f".{target.name}.whole")
    return target.is_file() and mark.is_file() and mark.read_text() == file.version


def _in_portions(files: Mapping[date, RemoteFile]) -> Iterable[list[date]]:
    portion: list[date] = []
    rows = 0
    for day in sorted(files):
        if portion and rows + rows_of(files[day].version) > ROWS_PER_QUERY:
            yield portion
            portion, rows = [], 0
        portion.append(day)
        rows += rows_of(files[day].version)
    if portion:
        yield portion
