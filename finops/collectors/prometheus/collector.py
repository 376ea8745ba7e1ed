"""Prometheus: what GPUs did by the hour, and whether pods asked for them. It keeps no bills and no inventory.

The metrics are asked for once a day: all hours since the newest complete answer, less two days for what comes late. What is missing
of them is asked for again. What could be read is said on every run, also where nothing could.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from finops.collectors.activity import METRICS, READS, Measure, Read, write_metrics, write_reads
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
from finops.collectors.prometheus import questions
from finops.collectors.prometheus.api import Api, weeks
from finops.collectors.prometheus.machines import Machine, Machines
from finops.collectors.prometheus.measuring import measure
from finops.config.servers import Prometheus

SERVICE = "prometheus"
LATE = timedelta(days=2)
"""What stores behind Prometheus may bring later than the scrape."""
_LAST = "1d"


class PrometheusCollector:
    """Reads one server."""

    def __init__(self, source_id: str, source: Prometheus, folder: Path) -> None:
        self._source_id, self._source = source_id, source
        self._api = Api(source, folder)
        self._since = self._today = date.min
        self._reads: list[Read] = []

    @property
    def source_id(self) -> str:
        """The source's name in ``finops.toml``."""
        return self._source_id

    def look(self, request: Request) -> Listing:
        """Two offers: the hours that are missing, and what could be read. Says how many GPUs name no machine."""
        prefix = f"prometheus://{self._api.server.host}/"
        self._today, self._since = request.today, self._begin(request, prefix)
        listing = Listing()
        try:
            if request.dry:
                self._api.now("vector(1)", request.today)
            else:
                self._reads = self._present(request.today)
                listing.notes += dict.fromkeys(each.what for each in self._reads if each.what)
        except Trouble as trouble:
            self._reads = [self._read(trouble.outcome, trouble.what, trouble.next_step)]
            listing.troubles.append(trouble)
        else:
            days = (request.today - self._since).days
            listing.offers.append(
                Offer(f"{prefix}{request.today}", f"{request.today}", note=f"{days} days of GPU metrics")
            )
        listing.offers.append(Offer(f"{prefix}reads", at_hand=True, note="what could be read"))
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Write the hours of all series that name a machine; or what could be read.

        Raises:
            Trouble: a question was not answered, or not whole; nothing of these days is then loaded.
        """
        if offer.key.endswith("/reads"):
            tell(READS, write_reads(folder, self._reads).stat().st_size)
            return
        measures: list[Measure] = []
        try:
            for since, until in weeks(self._since, self._today):
                measures += measure(self._api, self._source.node_labels, since, until)
        except Trouble as trouble:
            self._reads = [self._read(trouble.outcome, trouble.what, trouble.next_step)]
            raise
        tell(METRICS, write_metrics(folder, measures).stat().st_size)

    def permissions(self) -> Sequence[Permission]:
        """Queries only: nothing is written, and no administration endpoint is asked."""
        where = self._source.url
        return [
            Permission("GET /api/v1/query", where, "which GPUs and nodes there are"),
            Permission("GET /api/v1/query_range", where, "what they did, by the hour"),
        ]

    def examine(self, request: Request) -> Sequence[Finding]:
        """Whether it answers, whether it has GPU metrics and kube-state-metrics, and which GPUs name no machine."""
        try:
            self._api.now("vector(1)", request.today)
        except Trouble as trouble:
            return [Finding("query", Verdict.FAILED, f"{trouble.where}: {trouble.what}", trouble.next_step)]
        found = [Finding("query", Verdict.OK, "answers")]
        for name, query, step in (
            (
                "DCGM exporter",
                questions.present(questions.DEVICE, _LAST),
                "Run dcgm-exporter on the GPU nodes, and scrape it.",
            ),
            ("kube_node_info", questions.nodes(_LAST), "Scrape kube-state-metrics: it says which machine a node is."),
        ):
            try:
                count = len(self._api.now(query, request.today))
            except Trouble as trouble:
                found.append(Finding(name, Verdict.FAILED, trouble.what, trouble.next_step))
                continue
            detail = f"{count} on the last day" if count else "none on the last day"
            found.append(Finding(name, Verdict.OK if count else Verdict.WARNING, detail, "" if count else step))
        return found

    def _begin(self, request: Request, prefix: str) -> date:
        """The first day that is missing, less what may have come late."""
        days = [
            key.removeprefix(prefix) for key, known in request.known.items() if key.startswith(prefix) and known.version
        ]
        done = [day for each in days if (day := _day(each)) and day < request.today]
        first = request.today - timedelta(days=self._source.history_days)
        return max(done) - LATE if done else first

    def _present(self, today: date) -> list[Read]:
        """How the last day could be read, for each account that has GPUs there: whole, in part, or nothing."""
        labels = ["cluster", *self._source.node_labels, *questions.DEVICE]
        machines = Machines([(each, ()) for each in self._api.now(questions.nodes(_LAST), today)])
        gpus = self._api.now(questions.present(labels, _LAST), today)
        found = [machines.of_gpu(each, self._source.node_labels, None) for each in gpus]
        found += [machines.of_node(each, None) for each in self._api.now(questions.node_gpus(_LAST), today)]
        lost = Counter(each is None for each in found)[True]
        if not found:
            what = "no GPU metrics on the last day: neither DCGM's nor those of Kubernetes"
            return [self._read(Outcome.EMPTY, what, "")]
        outcome = Outcome.INCOMPLETE if lost else Outcome.COMPLETE
        what = f"{lost} GPU series name no machine" if lost else ""
        step = "Scrape kube-state-metrics, or name the label that holds the node in 'node_labels'." if lost else ""
        owners = dict.fromkeys((each.provider, self._account(each)) for each in found if each)
        return [
            Read(provider, account, None, SERVICE, "metrics", outcome, what, step)
            for provider, account in owners or {(None, self._source.account): None}
        ]

    def _account(self, owner: Machine) -> str:
        return owner.account or self._source.account

    def _read(self, outcome: Outcome, what: str, next_step: str) -> Read:
        return Read(None, self._source.account, None, SERVICE, "metrics", outcome, what, next_step)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
