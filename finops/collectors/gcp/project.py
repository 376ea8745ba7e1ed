"""One Google Cloud project, read service by service: what it has, what could not be read, and what is to be measured of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date

from finops.collectors.activity import Read
from finops.collectors.gcp.inventory import (
    INSTANCES,
    KINDS,
    SERVICES,
    Kind,
    Resource,
    is_accelerated,
    line,
    listed,
    number_in,
    other_ids,
    resource_id,
)
from finops.collectors.gcp.monitoring import Wanted
from finops.collectors.gcp.rest import Rest, Unsupported
from finops.collectors.interface import Outcome, Trouble

UNSUPPORTED = "unsupported"
"""The outcome where a service is not there: nothing is missing."""
VERTEX, WORKBENCH, COMPUTE = "aiplatform", "notebooks", "compute"
LOCATIONS, NUMBER = "aiplatform.locations.list", "resourcemanager.projects.get"
JOBS = 8
"""Lists that are asked for at the same time."""


@dataclass
class Reading:
    """What became of reading a service, or Vertex AI in one location."""

    service: str
    location: str = ""
    found: list[tuple[Kind, Resource]] = field(default_factory=list)
    done: int = 0
    """How many lists came whole."""
    troubles: list[Trouble] = field(default_factory=list)
    absent: Unsupported | None = None

    @property
    def outcome(self) -> str:
        """For ``inventory.reads``."""
        if self.troubles:
            kinds = {each.outcome for each in self.troubles}
            return kinds.pop() if len(kinds) == 1 and not self.done else Outcome.INCOMPLETE
        if self.absent and not self.done:
            return UNSUPPORTED
        return Outcome.COMPLETE if self.found else Outcome.EMPTY

    def read(self, project: str) -> Read:
        """The line that says so."""
        what, step = _told(self.troubles)
        if self.outcome == UNSUPPORTED and self.absent:
            what, step = self.absent.what, self.absent.next_step
        return Read("GCP", project, self.location or None, self.service, "inventory", self.outcome, what, step)


class Project:
    """What its APIs answer, held in memory until it is written."""

    def __init__(self, api: Rest, name: str, locations: Sequence[str], history_from: date) -> None:
        self.name, self.number, self.notes = name, "", list[str]()
        self.where = f"project {name}"
        self.readings: dict[str, list[Reading]] = {}
        self._api, self._locations, self._history_from = api, locations, history_from

    def read(self) -> None:
        """List everything. What is denied does not stop the rest; of a service that does not answer, no more is asked."""
        self.number, unknown = self._own_number()
        for service in SERVICES:
            self.readings[service] = self._read_vertex() if service == VERTEX else [self._read(service)]
        self.number = self.number or number_in(each for _, each in self._found(VERTEX))
        if not self.number:
            self.notes.append(
                f"{self.where}: without its number, by which a bill may name resources. {unknown}".strip()
            )

    def trouble(self, service: str) -> Trouble | None:
        """Why a service's inventory is not whole; None: it is."""
        troubled = [each for each in self.readings[service] if each.troubles]
        if not troubled:
            return None
        kinds = {each.outcome for each in self.readings[service]}
        outcome = Outcome(kinds.pop()) if len(kinds) == 1 else Outcome.INCOMPLETE
        what, step = _told([trouble for each in troubled for trouble in each.troubles])
        places = ", ".join(each.location for each in troubled if each.location)
        return Trouble(
            outcome, what, where=f"{self.where}, {service}" + (f" in {places}" if places else ""), next_step=step
        )

    def is_unsupported(self, service: str) -> bool:
        """Is there no such service in the project?"""
        return all(each.outcome == UNSUPPORTED for each in self.readings[service])

    def reads(self) -> Iterator[Read]:
        """How the reading of each service went; of Vertex AI, in each location."""
        for some in self.readings.values():
            yield from (each.read(self.name) for each in some)

    def resources(self, service: str) -> list[tuple[Kind, Resource]]:
        """What belongs into a service's inventory. A machine that is a Workbench instance's is listed as that."""
        theirs = {_place(each) for _, each in self._found(WORKBENCH)}
        return [
            (kind, each)
            for kind, each in self._found(service)
            if kind is not INSTANCES or (is_accelerated(each) and _place(each) not in theirs)
        ]

    def lines(self, service: str) -> str:
        """A service's inventory, in an order of its own."""
        machines = {_place(each): str(each.get("id", "")) for kind, each in self._found(COMPUTE) if kind is INSTANCES}
        lines = []
        for kind, each in self.resources(service):
            id_ = resource_id(self.name, kind.type, each)
            others = other_ids(id_, self.name, self.number, str(each.get("id", "")))
            if service == WORKBENCH:  # whose machine is billed as Compute Engine's
                zone, name = _place(each)
                vm = f"//compute.googleapis.com/projects/{self.name}/zones/{zone}/instances/{name}"
                others += [vm, *other_ids(vm, self.name, self.number, machines.get((zone, name), ""))]
            lines.append(line(self.name, self.number, service, kind.type, each, [id_, *others]))
        return "".join([line(self.name, self.number, service), *sorted(lines)])

    def to_measure(self, since: date, until: date) -> Wanted:
        """What metrics are asked for, and which resources their labels mean."""
        theirs = {_place(each) for _, each in self._found(WORKBENCH)}
        return Wanted(
            self.name,
            self.number,
            since,
            until,
            jobs={
                _last(each["name"]): resource_id(self.name, kind.type, each)
                for kind, each in self._found(VERTEX)
                if kind.job
            },
            machines={
                (_place(each)[0], str(each.get("id", ""))): resource_id(self.name, kind.type, each)
                for kind, each in self._found(COMPUTE)
                if kind is INSTANCES and (is_accelerated(each) or _place(each) in theirs)
            },
            nodes={
                (_place(each)[0], id_): resource_id(self.name, kind.type, each)
                for kind, each in self._found("tpu")
                for id_ in filter(None, (_place(each)[1], str(each.get("id", ""))))
            },
        )

    def _found(self, service: str) -> list[tuple[Kind, Resource]]:
        return [each for reading in self.readings.get(service, ()) for each in reading.found]

    def _own_number(self) -> tuple[str, str]:
        """The project's number, and if it may not be asked for, what to do."""
        path = f"/v3/projects/{self.name}"
        try:
            page = next(self._api.pages("cloudresourcemanager", path, project=self.name, permission=NUMBER))
        except Unsupported as absent:
            return "", absent.next_step
        except Trouble as trouble:
            return "", trouble.next_step
        return _last(str(page.get("name", ""))), ""

    def _read_vertex(self) -> list[Reading]:
        locations = list(self._locations)
        if not locations:
            asked, path = {"pageSize": "100"}, f"/v1/projects/{self.name}/locations"
            try:
                for page in self._api.pages(VERTEX, path, asked, project=self.name, permission=LOCATIONS):
                    locations += [str(each["locationId"]) for each in page.get("locations", ())]
            except Unsupported as absent:
                return [Reading(VERTEX, absent=absent)]
            except Trouble as trouble:
                return [Reading(VERTEX, troubles=[trouble])]
        kinds = [each for each in KINDS if each.service == VERTEX]
        readings = {each: Reading(VERTEX, each) for each in sorted(set(locations))}
        self._list([(reading, kind) for reading in readings.values() for kind in kinds])
        return list(readings.values()) or [Reading(VERTEX, done=1)]

    def _read(self, service: str) -> Reading:
        reading = Reading(service)
        self._list([(reading, each) for each in KINDS if each.service == service])
        return reading

    def _list(self, wanted: Sequence[tuple[Reading, Kind]]) -> None:
        """Ask for several lists at once and note what became of each."""
        given_up: list[Trouble] = []

        def ask(reading: Reading, kind: Kind) -> list[Resource] | Unsupported | Trouble:
            if given_up:
                return given_up[0]
            try:
                return listed(self._api, kind, self.name, reading.location, self._history_from)
            except Unsupported as absent:
                return absent
            except Trouble as trouble:
                if trouble.outcome is Outcome.EXPIRED or self._api.has_waited(kind.service):
                    given_up.append(trouble)
                return trouble

        with ThreadPoolExecutor(JOBS) as pool:
            answers = list(pool.map(lambda each: ask(*each), wanted))
        for (reading, kind), answer in zip(wanted, answers, strict=True):
            if isinstance(answer, Trouble):
                reading.troubles.append(answer)
            elif isinstance(answer, Unsupported):
                reading.absent = answer
            else:
                reading.done += 1
                reading.found += [(kind, each) for each in answer]


def _told(troubles: Sequence[Trouble]) -> tuple[str, str]:
    """What went wrong and what to do, each said once."""
    whats = list(dict.fromkeys(each.what for each in troubles))
    more = f"; and {len(whats) - 3} more" if len(whats) > 3 else ""
    return "; ".join(whats[:3]) + more, " ".join(list(dict.fromkeys(each.next_step for each in troubles))[:3])


def _place(resource: Resource) -> tuple[str, str]:
    """The zone or location, and the name."""
    path = str(resource.get("selfLink") or resource.get("name", "")).split("/")
    return (path[-3], path[-1]) if len(path) > 2 else ("", path[-1])


def _last(name: str) -> str:
    return name.rpartition("/")[2]
