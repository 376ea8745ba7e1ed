"""Cloud Monitoring's metrics of a project, by the hour: what was asked of a resource, and how busy it was.

An aligned point says what happened in the hour before its end, so its hour is its end minus one hour, whether the metric is a
count (whose points begin an hour before) or a gauge (whose points begin where they end). The days asked for begin and end at
midnight, UTC. An hour without a point was not measured. A kind of metric that the project has never had is not there (404).

The units are those of the metrics' descriptors: ``10^2.%`` and ``1`` are shares of one and stay so, queries/normalise/ makes
percent of them; ``%`` is percent already.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from finops.collectors.activity import Measure
from finops.collectors.gcp.rest import Rest, Unsupported
from finops.collectors.interface import Outcome, Trouble

PERMISSION = "monitoring.timeSeries.list"
HOUR = timedelta(hours=1)
IDS_AT_ONCE = 75
"""Instances named in one filter, which may have 2,048 characters."""
VERTEX, COMPUTE = "//aiplatform.googleapis.com", "//compute.googleapis.com"
SHARE, PERCENT, BYTES, COUNT = "10^2.%", "%", "By", ""
_UNITS = {PERCENT: "Percent", BYTES: "Bytes"}


@dataclass(frozen=True)
class Metric:
    """A kind of metric, and how its series are put together to one for each resource, or part of one."""

    type: str
    resource: str
    """The monitored resource."""
    unit: str
    """As documented; the answer's own is preferred. COUNT: it is added up, and the others are averaged."""
    ids: tuple[str, ...]
    """The labels that name the resource, without ``resource.labels.``."""
    name: str
    """What the resource is called, with the project and these labels."""
    part: str = ""
    """The label that names the part of it, without ``metric.labels.``."""
    only: str = ""
    """A further filter."""

    @property
    def owner(self) -> str:
        """The label that names the project, by its id or number: the elder resources have another than the younger."""
        return "project_id" if self.resource in ("cloudml_job", "gce_instance") else "resource_container"

    def statistics(self) -> Sequence[tuple[str, str, str]]:
        """What is asked for: our name, the aligner and the reducer."""
        if self.unit == COUNT:
            return [("Sum", "ALIGN_SUM", "REDUCE_SUM")]
        return [("Average", "ALIGN_MEAN", "REDUCE_MEAN"), ("Maximum", "ALIGN_MAX", "REDUCE_MAX")]


def _vertex(type_: str, resource: str, unit: str = COUNT, part: str = "") -> Metric:
    label, collection = _VERTEX[resource]
    name = f"{VERTEX}/projects/{{project}}/locations/{{location}}/{collection}/{{{label}}}"
    return Metric(
        f"aiplatform.googleapis.com/{type_}",
        f"aiplatform.googleapis.com/{resource}",
        unit,
        ("location", label),
        name,
        part,
    )


_VERTEX = {
    "Endpoint": ("endpoint_id", "endpoints"),
    "Featurestore": ("featurestore_id", "featurestores"),
    "FeatureOnlineStore": ("feature_online_store_id", "featureOnlineStores"),
    "IndexEndpoint": ("index_endpoint_id", "indexEndpoints"),
}
_MODEL = "deployed_model_id"
_JOB = f"{VERTEX}/projects/{{project}}/locations/{{region}}/customJobs/{{job_id}}"
_PUBLISHED = f"{VERTEX}/projects/{{project}}/locations/{{location}}/publishers/{{publisher}}/models/{{model_user_id}}"


def _training(type_: str) -> Metric:
    return Metric(f"ml.googleapis.com/training/{type_}", "cloudml_job", SHARE, ("region", "job_id"), _JOB)


def _published(type_: str) -> Metric:
    ids = ("location", "publisher", "model_user_id")
    type_, resource = (
        f"aiplatform.googleapis.com/publisher/online_serving/{type_}",
        "aiplatform.googleapis.com/PublisherModel",
    )
    return Metric(type_, resource, COUNT, ids, _PUBLISHED, "request_type")


METRICS = (
    _vertex("prediction/online/request_count", "Endpoint"),
    _vertex("prediction/online/prediction_count", "Endpoint"),
    _vertex("prediction/online/response_count", "Endpoint"),
    _vertex("prediction/online/private/response_count", "Endpoint"),
    _vertex("prediction/online/accelerator/duty_cycle", "Endpoint", SHARE, _MODEL),
    _vertex("prediction/online/accelerator/memory/bytes_used", "Endpoint", BYTES, _MODEL),
    _vertex("prediction/online/cpu/utilization", "Endpoint", SHARE, _MODEL),
    _vertex("prediction/online/memory/bytes_used", "Endpoint", BYTES, _MODEL),
    _vertex("featurestore/online_serving/request_count", "Featurestore"),
    _vertex("featureonlinestore/online_serving/request_count", "FeatureOnlineStore"),
    _vertex("matching_engine/query/request_count", "IndexEndpoint"),
    _published("model_invocation_count"),
    _published("token_count"),
    _training("cpu/utilization"),
    _training("memory/utilization"),
    _training("accelerator/utilization"),
    _training("accelerator/memory/utilization"),
)
"""What is asked of each project as a whole: what has been deleted since is in it too."""

_INSTANCE = ("zone", "instance_id")
MACHINES = (
    Metric("compute.googleapis.com/instance/cpu/utilization", "gce_instance", SHARE, _INSTANCE, ""),
    Metric("agent.googleapis.com/gpu/utilization", "gce_instance", PERCENT, _INSTANCE, "", "gpu_number"),
    Metric(
        "agent.googleapis.com/gpu/memory/bytes_used",
        "gce_instance",
        BYTES,
        _INSTANCE,
        "",
        "gpu_number",
        'metric.labels.memory_state = "used"',
    ),
)
"""What is asked of the machines of the inventory, by their numeric ids."""
TPUS = (
    Metric(
        "tpu.googleapis.com/accelerator/duty_cycle",
        "tpu.googleapis.com/GceTpuWorker",
        PERCENT,
        ("location", "worker_id"),
        "",
        "worker_id",
    ),
)
"""A worker says its own name and not its node's: what cannot be joined is left out."""

Names = Mapping[tuple[str, str], str]
"""Resources by the place and the id or name that series have of them."""


@dataclass(frozen=True)
class Wanted:
    """What is to be measured in a project: the days from one until before another."""

    project: str
    number: str
    since: date
    until: date
    jobs: Mapping[str, str]
    """Vertex AI's jobs, by id."""
    machines: Names
    nodes: Names

    def resource(self, metric: Metric, labels: Mapping[str, str]) -> str:
        """Whose series it is; empty where it cannot be said."""
        if not self._is_own(labels.get(metric.owner, "").rpartition("/")[2]):
            return ""
        if metric in MACHINES:
            return self.machines.get((labels.get("zone", ""), labels.get("instance_id", "")), "")
        if metric in TPUS:
            node = re.sub(r"-w-?\d+$", "", labels.get("worker_id", ""))
            return self.nodes.get((labels.get("location", ""), node), "")
        if (job := labels.get("job_id", "")) in self.jobs:
            return self.jobs[job]
        return metric.name.format(project=self.project, **labels) if all(map(labels.get, metric.ids)) else ""

    def _is_own(self, owner: str) -> bool:
        """Is it this project's? One whose metrics scope has other projects in it gives theirs too."""
        return owner in ("", self.project, self.number) or (not self.number and owner.isdecimal())

    def questions(self) -> Iterator[tuple[Metric, str]]:
        """The metrics, each with the machines that it is asked of."""
        for metric in METRICS:
            yield metric, ""
        ids = sorted(id_ for _, id_ in self.machines)
        for metric in MACHINES:
            for start in range(0, len(ids), IDS_AT_ONCE):
                named = ", ".join(f'"{each}"' for each in ids[start : start + IDS_AT_ONCE])
                yield metric, f"resource.labels.instance_id = one_of({named})"
        for metric in TPUS if self.nodes else ():
            yield metric, ""

    def calls(self) -> int:
        """How many lists are asked for, of one page or more each."""
        return sum(len(metric.statistics()) for metric, _ in self.questions())


def measured(api: Rest, wanted: Wanted) -> Iterator[Measure]:
    """Every hour of every series.

    Raises:
        Trouble: denied, failed, or only a part came.
        Unsupported: Cloud Monitoring is not enabled for the project.
    """
    for metric, of in wanted.questions():
        for statistic, aligner, reducer in metric.statistics():
            yield from _asked(api, wanted, metric, of, (statistic, aligner, reducer))


def _asked(api: Rest, wanted: Wanted, metric: Metric, of: str, how: tuple[str, str, str]) -> Iterator[Measure]:
    statistic, aligner, reducer = how
    parts = [f'metric.type = "{metric.type}"', f'resource.type = "{metric.resource}"', metric.only, of]
    groups = [f"resource.labels.{each}" for each in (*metric.ids, metric.owner)]
    groups += [f"metric.labels.{metric.part}"] if metric.part and metric.part not in metric.ids else []
    params = {
        "filter": " AND ".join(filter(None, parts)),
        "interval.startTime": f"{wanted.since}T00:00:00Z",
        "interval.endTime": f"{wanted.until}T00:00:00Z",
        "aggregation.alignmentPeriod": "3600s",
        "aggregation.perSeriesAligner": aligner,
        "aggregation.crossSeriesReducer": reducer,
        "aggregation.groupByFields": groups,
        "view": "FULL",
        "pageSize": "100000",
    }
    path = f"/v3/projects/{wanted.project}/timeSeries"
    try:
        for page in api.pages("monitoring", path, params, project=wanted.project, permission=PERMISSION):
            if failed := page.get("executionErrors"):
                raise Trouble(
                    Outcome.INCOMPLETE,
                    f"{PERMISSION} gives only a part of {metric.type}: {str(failed[0].get('message', ''))[:200]}",
                    where=f"project {wanted.project}, monitoring",
                    next_step="The next run asks for these days again.",
                )
            for series in page.get("timeSeries", ()):
                labels = {**series.get("resource", {}).get("labels", {}), **series.get("metric", {}).get("labels", {})}
                if name := wanted.resource(metric, labels):
                    unit = _unit(metric, series.get("unit") or page.get("unit") or metric.unit)
                    about = name, metric.type, statistic, labels.get(metric.part) or None, unit
                    yield from _hours(wanted, about, series.get("points", ()))
    except Unsupported as absent:
        if absent.next_step:  # the API is not enabled; else the project has no such metric
            raise


def _hours(
    wanted: Wanted, about: tuple[str, str, str, str | None, str], points: Sequence[Mapping[str, Any]]
) -> Iterator[Measure]:
    for point in points:
        hour = datetime.fromisoformat(point["interval"]["endTime"]).astimezone(UTC).replace(tzinfo=None) - HOUR
        stated = point["value"].get("doubleValue", point["value"].get("int64Value"))
        if stated is None or not wanted.since <= hour.date() < wanted.until:
            continue
        value = float(stated)
        if math.isfinite(value):
            yield Measure(*about, hour, value)


def _unit(metric: Metric, stated: str) -> str:
    return "Count" if metric.unit == COUNT else _UNITS.get(stated, stated)
