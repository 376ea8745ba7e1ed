"""Which CloudWatch metrics tell whether a resource is used, with the exact dimensions under which AWS keeps them.

A wrong set of dimensions gives no data and no error, and would look like idleness. None is guessed here: those that cannot be
known from the inventory are looked up by ListMetrics (``found``), which knows what was measured in the last two weeks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from finops.collectors.aws.inventory_ec2 import ACCELERATED
from finops.collectors.aws.place import Place, Resource

ENDPOINTS, INVOCATIONS = "/aws/sagemaker/Endpoints", "AWS/SageMaker"
TRANSFORM_JOBS = "/aws/sagemaker/TransformJobs"
BOTH = ("Average", "Maximum")
HARDWARE = ("CPUUtilization", "MemoryUtilization")
ACCELERATOR = ("GPUUtilization", "GPUMemoryUtilization")
AGENT = ("nvidia_smi_utilization_gpu", "nvidia_smi_utilization_memory", "neuroncore_utilization")
"""What the CloudWatch agent reports of accelerators, where it runs."""
_DEVICE = ("index", "NeuronCore", "neuroncore")
_OPERATIONS = {"Read": ("GetRecord", "BatchGetRecord"), "Write": ("PutRecord", "DeleteRecord")}
_MODELS = ("AWS::Bedrock::ProvisionedModelThroughput", "AWS::Bedrock::CustomModel", "AWS::Bedrock::ImportedModel")


@dataclass(frozen=True)
class Series:
    """One metric of one thing by one statistic: what GetMetricData takes money for."""

    namespace: str
    metric: str
    statistic: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str
    targets: tuple[tuple[str, str | None], ...]
    """The resources that it tells of, each with the part of it."""
    since: datetime | None = None
    """Older hours are those of a namesake that is gone."""


def series_of(resources: Sequence[Resource], since: date, until: date) -> list[Series]:
    """The series of what is known from the inventory, for days from ``since`` to before ``until``."""
    first, end = _start(since), _start(until)
    components: dict[str, list[Resource]] = {}
    for each in resources:
        if each.type == "AWS::SageMaker::InferenceComponent":
            components.setdefault(each.properties["EndpointArn"], []).append(each)
    found: list[Series] = []
    for each in resources:
        if each.created_at is None or each.created_at < end:
            found += _of(each, components.get(each.id, ()), first)
    return found


def needs_finding(resources: Iterable[Resource]) -> bool:
    """Is there anything whose dimensions must be looked up?"""
    return any(each.type in ("AWS::EC2::Instance", "AWS::SageMaker::TransformJob") for each in resources)


def found(place: Place, resources: Sequence[Resource], since: date) -> list[Series]:
    """The series whose dimensions only CloudWatch knows: hosts of transform jobs, accelerators that an agent watches.

    Raises:
        Trouble: they may not be listed.
    """
    every: list[Series] = []
    jobs = {each.name: each for each in resources if each.type == "AWS::SageMaker::TransformJob"}
    if jobs:
        for dimensions in _listed(place, TRANSFORM_JOBS, "CPUUtilization"):
            host = dict(dimensions).get("Host", "")
            job = jobs.get(host.rpartition("/")[0])
            if job is not None and _is_running_since(job, _start(since)):
                every += _host(TRANSFORM_JOBS, job, host, part=host.rpartition("/")[2])
    machines = {each.id: each for each in resources if each.type == "AWS::EC2::Instance"}
    for metric in AGENT if machines else ():
        for dimensions in _listed(place, "CWAgent", metric):
            known = dict(dimensions)
            machine = machines.get(known.get("InstanceId", ""))
            if machine is not None:
                part = next((known[name] for name in _DEVICE if name in known), None)
                every += _several("CWAgent", (metric,), dimensions, BOTH, "Percent", machine, part)
    return every


def _listed(place: Place, namespace: str, metric: str) -> Iterator[tuple[tuple[str, str], ...]]:
    listed = place.listed("cloudwatch", "list_metrics", "Metrics", Namespace=namespace, MetricName=metric)
    return (tuple((each["Name"], each["Value"]) for each in one.get("Dimensions") or ()) for one in listed)


def _of(each: Resource, components: Sequence[Resource], first: datetime) -> list[Series]:
    if each.type == "AWS::SageMaker::Endpoint":
        return _endpoint(each, components)
    if each.type in ("AWS::SageMaker::TrainingJob", "AWS::SageMaker::ProcessingJob"):
        return _job(each) if _is_running_since(each, first) else []
    if each.type in _MODELS:
        metrics = ("Invocations", "InputTokenCount", "OutputTokenCount")
        return _several("AWS/Bedrock", metrics, (("ModelId", each.id),), ("Sum",), "Count", each)
    if each.type == "AWS::EC2::Instance":
        return _several("AWS/EC2", ("CPUUtilization",), (("InstanceId", each.id),), BOTH, "Percent", each)
    if each.type == "AWS::EFS::FileSystem":
        dimension = ("FileSystemId", str(each.properties["FileSystemId"]))
        return _several("AWS/EFS", ("ClientConnections",), (dimension,), ("Sum",), "Count", each)
    if each.type == "AWS::SageMaker::FeatureGroup" and each.properties["OnlineStoreEnabled"]:
        return _feature_group(each)
    return []


def _endpoint(each: Resource, components: Sequence[Resource]) -> list[Series]:
    endpoint, made = ("EndpointName", str(each.name)), []
    for variant in each.properties["Variants"]:
        name, kind = variant["VariantName"], variant["InstanceType"] or ""
        dimensions = (endpoint, ("VariantName", name))
        made += _several(INVOCATIONS, ("Invocations",), dimensions, ("Sum",), "Count", each, name)
        if variant["ProvisionedConcurrency"]:
            metric = "ServerlessProvisionedConcurrencyUtilization"
            made += _several(INVOCATIONS, (metric,), dimensions, ("Maximum",), "1", each, name)
        if not variant["MemorySizeInMB"]:
            hardware = HARDWARE + (ACCELERATOR if not kind or ACCELERATED.match(kind) else ())
            made += _several(ENDPOINTS, hardware, dimensions, BOTH, "Percent", each, name)
    for component in components:
        named = (("InferenceComponentName", str(component.name)),)
        targets = ((component.id, None), (each.id, component.name))
        made.append(Series(INVOCATIONS, "Invocations", "Sum", named, "Count", targets, component.created_at))
    if each.properties["Async"]:
        made += _several(INVOCATIONS, ("ApproximateBacklogSize",), (endpoint,), ("Maximum",), "Count", each)
    return made


def _job(each: Resource) -> list[Series]:
    """The hosts of training and processing jobs are counted: ``algo-1``, ``algo-2``, …"""
    namespace = f"/aws/sagemaker/{each.type.rpartition('::')[2]}s"
    hosts = [f"algo-{number}" for number in range(1, (each.properties["InstanceCount"] or 1) + 1)]
    return [one for host in hosts for one in _host(namespace, each, f"{each.name}/{host}", part=host)]


def _host(namespace: str, each: Resource, host: str, *, part: str) -> list[Series]:
    kind = each.properties["InstanceType"]
    metrics = ("CPUUtilization", *(ACCELERATOR if not kind or ACCELERATED.match(kind) else ()))
    return _several(namespace, metrics, (("Host", host),), BOTH, "Percent", each, part)


def _is_running_since(job: Resource, first: datetime) -> bool:
    ended = job.properties["EndedAt"]
    return ended is None or datetime.fromisoformat(ended) >= first


def _feature_group(each: Resource) -> list[Series]:
    """By operation. A group that has bought capacity ahead reports capacity units in place of request units."""
    what = "Capacity" if str(each.properties["ThroughputMode"]).upper() == "PROVISIONED" else "Requests"
    return [
        one
        for kind, operations in _OPERATIONS.items()
        for operation in operations
        for one in _several(
            "AWS/SageMaker/FeatureStore", (f"Consumed{kind}{what}Units",),
            (("FeatureGroupName", str(each.name)), ("OperationName", operation)), ("Sum",), "Count", each, operation,
        )
    ]  # fmt: skip


def _several(
    namespace: str,
    metrics: Sequence[str],
    dimensions: tuple[tuple[str, str], ...],
    statistics: Sequence[str],
    unit: str,
    each: Resource,
    part: str | None = None,
) -> list[Series]:
    return [
        Series(namespace, metric, statistic, dimensions, unit, ((each.id, part),), each.created_at)
        for metric in metrics
        for statistic in statistics
    ]


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def query(series: Series, number: int, period: int) -> dict[str, Any]:
    """One of the queries of GetMetricData."""
    metric = {
        "Namespace": series.namespace,
        "MetricName": series.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions],
    }
    stated = {"Metric": metric, "Period": period, "Stat": series.statistic}
    return {"Id": f"m{number}", "MetricStat": stated, "ReturnData": True}
