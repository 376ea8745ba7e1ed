"""Vertex AI, Workbench, Cloud TPU, Compute Engine, Resource Manager and Cloud Monitoring over HTTP on a loopback port: their lists.

    with FakeGoogle() as google:
        google.project("acme-ml", "1234567890")
        google.add("acme-ml", "us-central1", "endpoints", name="…/endpoints/1", deployedModels=[…])
        google.measure("acme-ml", "prediction/online/request_count", …)
        … endpoints = google.endpoints(), anonymous = true …
        google.calls

Points are put in as they are measured, at any moment; the fake aligns them as Cloud Monitoring does: to periods that end with the
interval asked for, each period without its beginning and with its end. Only GET is answered; whatever else is sent is noted.

By hand: ``python -m tests.collectors.fakes.googleapis`` serves a small project and prints the source's section.
"""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SERVICES = ("aiplatform", "notebooks", "tpu", "compute", "monitoring", "cloudresourcemanager")
Resource = dict[str, Any]
Points = Iterable[tuple[datetime, float]]


@dataclass(frozen=True)
class Call:
    """One request, and how it was answered."""

    method: str
    path: str
    params: Mapping[str, list[str]]
    status: int
    authorization: str

    @property
    def metric(self) -> str:
        """The metric that was asked for."""
        found = re.search(r'metric\.type = "([^"]+)"', self.params.get("filter", [""])[0])
        return found[1] if found else ""


@dataclass
class Series:
    """What one thing measured."""

    metric: str
    resource: str
    resource_labels: dict[str, str]
    metric_labels: dict[str, str]
    unit: str
    points: list[tuple[datetime, float]]
    integer: bool


@dataclass
class Fault:
    """What goes wrong with requests."""

    status: int
    reason: str
    message: str
    times: int
    concerns: Callable[[str, str], bool]
    """Of the path and the metric."""
    headers: dict[str, str] = field(default_factory=dict)


class FakeGoogle:
    """Put projects, resources and measured points in, make it fail, and see what it was asked."""

    def __init__(self) -> None:
        self.page_size = 1000
        self.calls: list[Call] = []
        self.unreachable: set[str] = set()
        """Zones and locations that do not answer: the others do."""
        self.broken: set[str] = set()
        """Metrics of which only a part comes."""
        self.faults: list[Fault] = []
        self._numbers: dict[str, str] = {}
        self._locations: dict[str, list[str]] = {}
        self._listed: dict[tuple[str, str, str], list[Resource]] = defaultdict(list)
        self._series: dict[str, list[Series]] = defaultdict(list)
        self._lock = threading.Lock()

    def __enter__(self) -> FakeGoogle:
        fake = self

        class Handler(_Handler):
            google = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def endpoints(self) -> dict[str, str]:
        """For a source's ``endpoints``."""
        return dict.fromkeys(SERVICES, f"http://127.0.0.1:{self._server.server_address[1]}")

    # what is there

    def project(self, name: str, number: str, *locations: str) -> None:
        """A project, and where it may use Vertex AI."""
        self._numbers[name], self._locations[name] = number, list(locations)

    def add(self, project: str, place: str, field: str, **about: Any) -> None:
        """A resource: by its location, its zone (``zones/us-east1-b``) or ``global``."""
        name = about["name"]
        if place.startswith(("zones/", "regions/", "global")):
            base = f"https://www.googleapis.com/compute/v1/projects/{project}/{place}"
            about.setdefault("selfLink", f"{base}/{field}/{name}")
            about.setdefault("zone", base)
        else:
            # Vertex AI and its like name the project by its number
            about["name"] = f"projects/{self._numbers[project]}/locations/{place}/{field}/{name}"
        self._listed[project, place, field].append(about)

    def remove(self, project: str, field: str, name: str) -> None:
        """It has been deleted."""
        for (where, _, what), listed in self._listed.items():
            if (where, what) == (project, field):
                listed[:] = [each for each in listed if each["name"].rpartition("/")[2] != name]

    def measure(
        self,
        project: str,
        metric: str,
        resource: str,
        labels: Mapping[str, str],
        points: Points,
        *,
        unit: str = "1",
        integer: bool = False,
        **metric_labels: str,
    ) -> None:
        """A series."""
        self._series[project].append(
            Series(metric, resource, dict(labels), metric_labels, unit, sorted(points), integer)
        )

    # what goes wrong

    def deny(self, on: str, times: int = 10**9) -> None:
        """Who asks lacks the permission for paths that match."""
        said = "Permission denied on resource (or it may not exist)."
        self._fail(403, "IAM_PERMISSION_DENIED", said, times, on)

    def disable(self, project: str, service: str, on: str) -> None:
        """The API is switched off."""
        said = (
            f"{service} API has not been used in project {self._numbers[project]} before or it is disabled. Enable it by visiting "
            f"https://console.developers.google.com/apis/api/{service}.googleapis.com/overview then retry."
        )
        self._fail(403, "SERVICE_DISABLED", said, 10**9, on)

    def throttle(self, on: str, times: int = 10**9, **headers: str) -> None:
        """429."""
        self._fail(429, "RATE_LIMIT_EXCEEDED", "Quota exceeded for quota metric 'Read requests'.", times, on, headers)

    def fail(self, status: int, on: str, message: str = "It broke.", times: int = 10**9) -> None:
        """Any other status."""
        self._fail(status, "", message, times, on)

    def works_again(self) -> None:
        self.faults.clear()
        self.unreachable.clear()
        self.broken.clear()

    def asked(self, pattern: str = "") -> list[Call]:
        """The calls whose path matches."""
        return [each for each in self.calls if re.search(pattern, each.path)]

    def _fail(
        self, status: int, reason: str, message: str, times: int, on: str, headers: dict[str, str] | None = None
    ) -> None:
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        self.faults.append(
            Fault(
                status,
                reason,
                message,
                times,
                lambda path, metric: bool(re.search(on, path) or re.search(on, metric)),
                named,
            )
        )

    def fault(self, path: str, metric: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fault.concerns(path, metric):
                    fault.times -= 1
                    return fault
        return None

    # answers

    def answer(self, path: str, params: Mapping[str, list[str]]) -> Resource | None:
        """A page; None where there is no such path."""
        start = int(params.get("pageToken", ["0"])[0])
        size = min(self.page_size, int(params.get("pageSize", params.get("maxResults", ["100000"]))[0]))
        if found := re.fullmatch(r"/v3/projects/([\w-]+)", path):
            number = self._numbers.get(found[1])
            return {"name": f"projects/{number}", "projectId": found[1], "state": "ACTIVE"} if number else None
        if found := re.fullmatch(r"/v3/projects/([\w-]+)/timeSeries", path):
            return self._time_series(found[1], params, start, size)
        if found := re.fullmatch(r"/v1/projects/([\w-]+)/locations", path):
            locations = [{"name": f"{path}/{each}", "locationId": each} for each in self._locations[found[1]]]
            return _page("locations", locations, start, size)
        if found := re.fullmatch(r"/v[12]/projects/([\w-]+)/locations/([\w-]+)/(\w+)", path):
            project, place, field = found.groups()
            places = sorted({each for name, each, _ in self._listed if name == project and "/" not in each})
            wanted = [each for each in places if place == "-" or each == place]
            listed = [
                item for each in wanted if each not in self.unreachable for item in self._listed[project, each, field]
            ]
            lost = [f"projects/{project}/locations/{each}" for each in wanted if each in self.unreachable]
            return _page(field, listed, start, size) | ({"unreachable": lost} if lost and place == "-" else {})
        if found := re.fullmatch(r"/compute/v1/projects/([\w-]+)/(aggregated|global)/(\w+)", path):
            return self._compute(*found.groups(), start=start, size=size)
        return None

    def _compute(self, project: str, scope: str, field: str, *, start: int, size: int) -> Resource:
        if scope == "global":
            return _page("items", self._listed[project, "global", field], start, size)
        zones = sorted({each for name, each, _ in self._listed if name == project and "/" in each})
        every = [(zone, item) for zone in zones for item in self._listed[project, zone, field]]
        page = _page("all", every, start, size)
        items: dict[str, Any] = {}
        for zone in zones:
            here = [item for where, item in page["all"] if where == zone]
            nothing = {
                "warning": {"code": "NO_RESULTS_ON_PAGE", "message": f"There are no results for scope '{zone}'."}
            }
            items[zone] = {field: here} if here else nothing
            if zone.rpartition("/")[2] in self.unreachable:
                items[zone] = {"warning": {"code": "UNREACHABLE", "message": f"'{zone}' could not be reached."}}
        return {"kind": "compute#aggregatedList", "items": items} | {k: v for k, v in page.items() if k != "all"}

    def _time_series(self, project: str, params: Mapping[str, list[str]], start: int, size: int) -> Resource | None:
        told = params["filter"][0]
        metric = re.search(r'metric\.type = "([^"]+)"', told)
        resource = re.search(r'resource\.type = "([^"]+)"', told)
        one_of = re.search(r"resource\.labels\.(\w+) = one_of\(([^)]*)\)", told)
        only = re.findall(r'metric\.labels\.(\w+) = "([^"]+)"', told)
        assert metric
        known = [each for each in self._series[project] if each.metric == metric[1]]
        if not known:
            return None
        if one_of:
            ids = re.findall(r'"([^"]+)"', one_of[2])
            known = [each for each in known if each.resource_labels[one_of[1]] in ids]
        known = [
            each
            for each in known
            if (not resource or each.resource == resource[1])
            and all(each.metric_labels[name] == value for name, value in only)
        ]
        if params["view"] == ["HEADERS"]:
            return {}
        page = _page("timeSeries", list(_aligned(known, params)), start, size)
        if metric[1] in self.broken:
            page["executionErrors"] = [{"code": 4, "message": "deadline exceeded on some shards"}]
        return page


def _aligned(known: list[Series], params: Mapping[str, list[str]]) -> Iterable[Resource]:
    """Series aligned and reduced to groups, newest point first."""
    begin, end = (datetime.fromisoformat(params[f"interval.{each}Time"][0]) for each in ("start", "end"))
    period = timedelta(seconds=int(params["aggregation.alignmentPeriod"][0].rstrip("s")))
    aligner = params["aggregation.perSeriesAligner"][0].removeprefix("ALIGN_")
    reducer = params["aggregation.crossSeriesReducer"][0].removeprefix("REDUCE_")
    fields = params["aggregation.groupByFields"]
    put: dict[str, Callable[[list[float]], float]] = {
        "SUM": sum,
        "MAX": max,
        "MEAN": lambda each: sum(each) / len(each),
    }
    groups: dict[tuple[str, ...], dict[datetime, list[float]]] = defaultdict(lambda: defaultdict(list))
    first: dict[tuple[str, ...], Series] = {}
    for series in known:
        labels = {f"resource.labels.{name}": value for name, value in series.resource_labels.items()}
        labels |= {f"metric.labels.{name}": value for name, value in series.metric_labels.items()}
        group = tuple(labels.get(each, "") for each in fields)
        first.setdefault(group, series)
        periods: dict[datetime, list[float]] = defaultdict(list)
        for moment, value in series.points:
            stop = end - (end - moment) // period * period
            # the point at the very beginning belongs to the period before: it comes as well, as from the real one
            if begin <= stop <= end:
                periods[stop].append(value)
        for stop, values in periods.items():
            groups[group][stop].append(put[aligner](values))
    for group, points in groups.items():
        series = first[group]
        counted = aligner == "SUM"
        yield {
            "metric": {"type": series.metric, "labels": _some(fields, group, "metric.labels.")},
            "resource": {"type": series.resource, "labels": _some(fields, group, "resource.labels.")},
            "metricKind": "DELTA" if counted else "GAUGE",
            "unit": series.unit,
            "points": [
                {
                    "interval": {"startTime": _text(stop - period if counted else stop), "endTime": _text(stop)},
                    "value": _value(put[reducer](values), series.integer and aligner != "MEAN"),
                }
                for stop, values in sorted(points.items(), reverse=True)
            ],
        }


def _some(fields: list[str], group: tuple[str, ...], prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value for name, value in zip(fields, group, strict=True) if name.startswith(prefix)
    }


def _value(value: float, integer: bool) -> dict[str, Any]:
    return {"int64Value": str(int(value))} if integer else {"doubleValue": value}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _page(field: str, listed: list[Any], start: int, size: int) -> Resource:
    page: Resource = {field: listed[start : start + size]} if listed else {}
    if start + size < len(listed):
        page["nextPageToken"] = str(start + size)
    return page if listed or field != "all" else {"all": []}


class _Handler(BaseHTTPRequestHandler):
    google: FakeGoogle
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: else each answer waits for the client's delayed acknowledgement

    def handle_any(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        params = parse_qs(url.query)
        call = Call(self.command, url.path, params, 200, self.headers.get("Authorization", ""))
        if self.command != "GET":
            self._answer(call, 405, _error(405, "", "Only lists are read."))
        elif fault := self.google.fault(url.path, call.metric):
            self._answer(call, fault.status, _error(fault.status, fault.reason, fault.message), fault.headers)
        elif (page := self.google.answer(url.path, params)) is None:
            said = f'Cannot find metric(s) that match type = "{call.metric}".' if call.metric else "Not found."
            self._answer(call, 404, _error(404, "", said))
        else:
            self._answer(call, 200, page)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def _answer(self, call: Call, status: int, content: Resource, headers: Mapping[str, str] | None = None) -> None:
        self.google.calls.append(Call(call.method, call.path, call.params, status, call.authorization))
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


_STATUS = {403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}


def _error(status: int, reason: str, message: str) -> Resource:
    about: Resource = {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}
    if reason:
        about["details"] = [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
        ]
    return {"error": about}


if __name__ == "__main__":
    with FakeGoogle() as served:
        served.project("acme-ml", "1234567890", "us-central1")
        served.add(
            "acme-ml", "us-central1", "endpoints", name="1", displayName="chat", createTime="2026-01-01T00:00:00Z"
        )
        print('[sources.gcp-activity]\ntype = "gcp-utilisation"\nprojects = ["acme-ml"]\nanonymous = true')
        print(
            "endpoints = {", ", ".join(f'{name} = "{url}"' for name, url in served.endpoints().items()), "}", flush=True
        )
        threading.Event().wait()
