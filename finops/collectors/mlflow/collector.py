"""MLflow: experiments and runs, for what training cost. It keeps no bills; a run that names its cloud job is joined to the job's.

One offer, all runs of the last months, fetched every run; and one that says whether they could be read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from finops.collectors.activity import READS, Read, write_reads
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
from finops.collectors.mlflow.files import Folder
from finops.collectors.mlflow.runs import Run, empty_line
from finops.collectors.mlflow.server import EXPERIMENTS, RUNS, TrackingServer
from finops.config.servers import MLflow

FILE = "runs.jsonl"
SERVICE = "mlflow"


class MLflowCollector:
    """Reads one tracking server, or one folder."""

    def __init__(self, source_id: str, source: MLflow, folder: Path) -> None:
        self._source_id, self._source = source_id, source
        self._from: TrackingServer | Folder = (
            TrackingServer(source, folder)
            if source.path is None
            else Folder(folder / source.path.expanduser(), source_id)
        )
        self._names: Mapping[str, str] = {}
        self._runs: Sequence[Run] = ()
        self._read = self._said(Outcome.EMPTY)

    @property
    def source_id(self) -> str:
        """The source's name in ``finops.toml``."""
        return self._source_id

    def look(self, request: Request) -> Listing:
        """Ask for all experiments and runs. Two offers; only what could be read, if they could not."""
        prefix, listing = f"mlflow://{self._from.place}", Listing()
        try:
            self._ask(request.today)
        except Trouble as trouble:
            self._read = self._said(trouble.outcome, trouble.what, trouble.next_step)
            listing.troubles.append(trouble)
        else:
            self._read = self._said(Outcome.COMPLETE if self._runs else Outcome.EMPTY)
            note = f"{len(self._runs)} runs of {len({each.experiment_id for each in self._runs})} experiments"
            listing.offers.append(Offer(f"{prefix}/runs", note=note))
            if nowhere := sum(not each.line("", {})["jobs"] for each in self._runs):
                listing.notes.append(f"{nowhere} of {len(self._runs)} runs name no cloud job")
        listing.offers.append(Offer(f"{prefix}/reads", note="what could be read"))
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Write a line per run, as ``look`` saw them; or what could be read."""
        if offer.key.endswith("/reads"):
            tell(READS, write_reads(folder, [self._read]).stat().st_size)
            return
        place, known = self._from.place, sorted(self._runs, key=lambda each: (each.experiment_id, each.run_id))
        lines = [empty_line(place), *(each.line(place, self._names) for each in known)]
        content = "".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in lines).encode()
        (folder / FILE).write_bytes(content)
        tell(FILE, len(content))

    def permissions(self) -> Sequence[Permission]:
        """Two searches; MLflow wants them as POSTs. Of a folder the right to read it."""
        if isinstance(self._from, Folder):
            return [Permission("read", str(self._from.path), "the runs")]
        where = self._from.server.url
        return [
            Permission(f"POST {EXPERIMENTS}", where, "the experiments' names; a search, nothing is written"),
            Permission(f"POST {RUNS}", where, "the runs; a search, nothing is written"),
        ]

    def examine(self, request: Request) -> Sequence[Finding]:
        """Whether it answers, and how many runs name the job that was billed."""
        try:
            self._ask(request.today)
        except Trouble as trouble:
            return [Finding("runs", Verdict.FAILED, f"{trouble.where}: {trouble.what}", trouble.next_step)]
        joined = sum(bool(each.line("", {})["jobs"]) for each in self._runs)
        detail = f"{len(self._runs)} runs, {joined} of them name a cloud job"
        step = "Tag runs with the job's ARN or resource id, as finops.resource_id."
        return [
            Finding("runs", Verdict.OK, detail) if joined else Finding("runs", Verdict.WARNING, detail, step),
        ]

    def _ask(self, today: date) -> None:
        since = today - timedelta(days=self._source.history_days)
        if isinstance(self._from, TrackingServer):
            self._names = self._from.experiments()
            self._runs = self._from.runs(self._names, since)
            return
        self._names, runs = self._from.read()
        begin = datetime(since.year, since.month, since.day, tzinfo=UTC)
        self._runs = [each for each in runs if each.started is None or each.started >= begin]

    def _said(self, outcome: Outcome, what: str = "", next_step: str = "") -> Read:
        return Read(None, self._from.place, None, SERVICE, "inventory", outcome, what, next_step)
