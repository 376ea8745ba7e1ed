"""What Google Cloud projects have and what it does: an inventory, Cloud Monitoring's metrics by the hour, and how the reading went.

An offer for each service of a project, fetched each time and the same bytes as long as nothing changes; one for the metrics of the
days since the last, made once a day; one that says what could be read. A list that was denied, failed or is not whole is not
offered, so that what was known before stays. Only lists are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path

from finops.collectors.activity import Measure, Read, write_metrics, write_reads
from finops.collectors.gcp.access import acting_as
from finops.collectors.gcp.inventory import KINDS
from finops.collectors.gcp.monitoring import PERMISSION, Wanted, measured
from finops.collectors.gcp.project import COMPUTE, LOCATIONS, NUMBER, UNSUPPORTED, WORKBENCH, Project
from finops.collectors.gcp.rest import Rest, Unsupported
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
from finops.config.sources import GcpUtilisation
from finops.errors import FinopsError

FILE = "inventory.jsonl"
ROWS = 500_000
"""Hours in a file of metrics, and in memory."""
AGAIN = timedelta(days=2)
"""Days before the last ones that are asked for again: points arrive late."""
WITHOUT_MACHINES = " without machines"
"""The version of metrics while the machines' names are not known: it is not that of whole ones."""


class GcpUtilisationCollector:
    """Reads each project by itself: what one denies does not stop the others."""

    def __init__(self, source_id: str, source: GcpUtilisation, folder: Path) -> None:
        self._source_id, self._source, self._folder = source_id, source, folder
        self._forget()

    @property
    def source_id(self) -> str:
        """The source's name in ``finops.toml``."""
        return self._source_id

    def look(self, request: Request) -> Listing:
        """List every service of every project, and offer those lists that are whole."""
        self._forget()
        listing, metrics = Listing(), []
        for name in self._source.projects:
            project = self._projects[name] = self._read(name, request.today)
            for service in project.readings:
                if trouble := project.trouble(service):
                    listing.troubles.append(trouble)
                elif not project.is_unsupported(service):
                    note = f"{len(project.resources(service))} resources"
                    listing.offers.append(Offer(f"gcp-inventory://{name}/{service}", at_hand=True, note=note))
            listing.notes += project.notes
            metrics += self._offered(request, project)
        reads = Offer(f"gcp-utilisation://{self._source_id}/reads", at_hand=True, note="what could be read")
        listing.offers += [*metrics, reads]
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Write an inventory, the metrics of some days, or how the reading went.

        Raises:
            Trouble: the metrics were denied, failed, or came in part.
        """
        kind, _, rest = offer.key.partition("://")
        name, _, what = rest.partition("/")
        if kind == "gcp-inventory":
            path = folder / FILE
            path.write_text(self._projects[name].lines(what), encoding="utf-8")
            tell(path.name, path.stat().st_size)
        elif kind == "monitoring":
            self._measure(name, folder, tell)
        else:
            inventories = [read for each in self._projects.values() for read in each.reads()]
            path = write_reads(folder, [*inventories, *self._metrics.values()])
            tell(path.name, path.stat().st_size)

    def permissions(self) -> Sequence[Permission]:
        """Lists only. The viewers' roles of the services have them, and more."""
        needed = []
        for name in self._source.projects:
            on = f"project {name}"
            if not self._source.locations:
                needed.append(Permission(LOCATIONS, on, "to see where Vertex AI is"))
            needed += [Permission(each.permission, on, f"to see each {each.type}") for each in KINDS]
            needed.append(Permission(PERMISSION, on, "to read what they did"))
            needed.append(Permission(NUMBER, on, "the project's number, by which a bill names them", optional=True))
        return [*needed, *acting_as(self._source)]

    def examine(self, request: Request) -> Sequence[Finding]:
        """Who asks, and each service of each project."""
        self._forget()
        try:
            found = [Finding("identity", Verdict.OK, self._api.who)]
        except FinopsError as error:
            return [Finding("identity", Verdict.FAILED, str(error).splitlines()[0], error.next_step)]
        for name in self._source.projects:
            project = self._read(name, request.today)
            for service in project.readings:
                check, trouble = f"{name}, {service}", project.trouble(service)
                if trouble:
                    found.append(Finding(check, Verdict.FAILED, trouble.what, trouble.next_step))
                elif project.is_unsupported(service):
                    found.append(Finding(check, Verdict.OK, "is not enabled: there is nothing to be read"))
                else:
                    found.append(Finding(check, Verdict.OK, f"{len(project.resources(service))} resources"))
            found.append(self._examined_metrics(name))
            found += [Finding(f"{name}, {NUMBER}", Verdict.WARNING, each) for each in project.notes]
        return found

    def _examined_metrics(self, name: str) -> Finding:
        check, asked = f"{name}, monitoring", {
            "filter": 'metric.type = "compute.googleapis.com/instance/cpu/utilization"',
            "interval.startTime": "2026-01-01T00:00:00Z", "interval.endTime": "2026-01-01T01:00:00Z",
            "view": "HEADERS", "pageSize": "1",
        }  # fmt: skip
        path = f"/v3/projects/{name}/timeSeries"
        try:
            next(self._api.pages("monitoring", path, asked, project=name, permission=PERMISSION))
        except Unsupported as absent:
            if absent.next_step:
                return Finding(check, Verdict.FAILED, absent.what, absent.next_step)
        except Trouble as trouble:
            return Finding(check, Verdict.FAILED, trouble.what, trouble.next_step)
        return Finding(check, Verdict.OK, f"{PERMISSION} is allowed")

    def _forget(self) -> None:
        self._api = Rest(self._source, self._folder)
        self._projects: dict[str, Project] = {}
        self._wanted: dict[str, Wanted] = {}
        self._metrics: dict[tuple[str, str], Read] = {}
        """How the reading of each project's metrics went: of all, and of services whose own could not be asked."""

    def _read(self, name: str, today: date) -> Project:
        project = Project(self._api, name, self._source.locations, today - timedelta(days=self._source.history_days))
        project.read()
        return project

    def _offered(self, request: Request, project: Project) -> list[Offer]:
        """The metrics of the days since the last that came whole; none where nobody may ask."""
        start, today = f"monitoring://{project.name}/", request.today
        troubles = [project.trouble(each) for each in project.readings]
        for expired in (each for each in troubles if each and each.outcome is Outcome.EXPIRED):
            self._note(project.name, expired.outcome, expired.what, expired.next_step)
            return []
        whole = [
            date.fromisoformat(held.version)
            for key, held in request.known.items()
            if key.startswith(start) and key == start + held.version
        ]
        since = max((each - AGAIN for each in whole if each < today), default=date.min)
        since = max(since, today - timedelta(days=self._source.history_days))
        wanted = self._wanted[project.name] = project.to_measure(since, today)
        key, version = f"{start}{today}", f"{today}" + (WITHOUT_MACHINES if project.trouble(COMPUTE) else "")
        if (held := request.known.get(key)) and held.version == version:
            self._came(project)
        else:
            self._note(project.name, Outcome.FAILED, f"{PERMISSION} was not asked", "Run it again.")
        return [Offer(key, version, note=f"{(today - since).days} days, {wanted.calls()} lists")]

    def _measure(self, name: str, folder: Path, tell: Tell) -> None:
        """Write the metrics, a file half a million hours: what a run before left half done is thrown away."""
        for left in folder.glob("*.parquet"):
            left.unlink()
        project, wanted = self._projects[name], self._wanted[name]
        rows, files = measured(self._api, wanted), 0
        try:
            while (some := list(islice(rows, ROWS))) or not files:
                files += 1
                path = write_metrics(folder, [_mark(wanted), *some], f"metrics-{files:05}.parquet")
                tell(path.name, path.stat().st_size)
        except Unsupported as absent:
            self._note(name, UNSUPPORTED, absent.what, absent.next_step)
            raise Trouble(
                Outcome.DENIED, absent.what, where=f"{project.where}, monitoring", next_step=absent.next_step
            ) from None
        except Trouble as trouble:
            self._note(name, trouble.outcome, trouble.what, trouble.next_step)
            raise
        self._came(project)

    def _came(self, project: Project) -> None:
        """The metrics came; those of machines, Workbench's among them, only if the machines are known."""
        self._note(project.name, Outcome.COMPLETE)
        if unknown := project.trouble(COMPUTE):
            what = f"what machines did was not asked, because {unknown.what}"
            for service in (COMPUTE, WORKBENCH):
                self._note(project.name, Outcome.INCOMPLETE, what, unknown.next_step, service=service)

    def _note(
        self, name: str, outcome: str, what: str = "", next_step: str = "", *, service: str = "monitoring"
    ) -> None:
        self._metrics[name, service] = Read("GCP", name, None, service, "metrics", outcome, what, next_step)


def _mark(wanted: Wanted) -> Measure:
    """A row without a value, which says whose the metrics are and until when: those of two days are never the same bytes."""
    return Measure(
        f"//cloudresourcemanager.googleapis.com/projects/{wanted.project}",
        "", "", None, "", datetime.combine(wanted.until, time()), None,
    )  # fmt: skip
