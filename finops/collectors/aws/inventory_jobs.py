"""Amazon SageMaker's jobs: those that run, and those that ended since a day. Warm pools are told with the job that left them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from finops.collectors.aws.inventory_sagemaker import SERVICE
from finops.collectors.aws.place import Place, Resource, text
from finops.config.secrets import without_secrets

RUNNING = ("InProgress", "Stopping")
LONGEST_REASON = 300
"""Letters of a failure's reason that are kept."""


def training_jobs(place: Place, since: date) -> list[Resource]:
    """Training jobs."""
    return _jobs(place, since, "TrainingJob", "training_job", "TrainingJobSummaries", _training)


def processing_jobs(place: Place, since: date) -> list[Resource]:
    """Processing jobs."""
    return _jobs(place, since, "ProcessingJob", "processing_job", "ProcessingJobSummaries", _processing)


def transform_jobs(place: Place, since: date) -> list[Resource]:
    """Batch transform jobs."""
    return _jobs(place, since, "TransformJob", "transform_job", "TransformJobSummaries", _transform)


def tuning_jobs(place: Place, since: date) -> list[Resource]:
    """Hyperparameter tuning jobs; the training jobs that they start name them."""
    kind, field = "HyperParameterTuningJob", "HyperParameterTuningJobSummaries"
    return _jobs(place, since, kind, "hyper_parameter_tuning_job", field, _tuning)


def _jobs(
    place: Place,
    since: date,
    kind: str,
    operation: str,
    field: str,
    properties: Callable[[dict[str, Any]], dict[str, Any]],
) -> list[Resource]:
    """A job that ended since then was changed since then; one that still runs may be older."""
    after = datetime(since.year, since.month, since.day, tzinfo=UTC)
    asked: list[dict[str, Any]] = [{"LastModifiedTimeAfter": after}, *({"StatusEquals": each} for each in RUNNING)]
    listed = {}
    for each in asked:
        for job in place.listed(SERVICE, f"list_{operation}s", field, **each):
            listed[job[f"{kind}Name"]] = job

    def describe(name: str) -> Resource | None:
        found = place.described(SERVICE, f"describe_{operation}", **{f"{kind}Name": name})
        if found is None:
            return None
        return Resource(
            f"AWS::SageMaker::{kind}",
            found[f"{kind}Arn"],
            name,
            found.get(f"{kind}Status"),
            found.get("CreationTime"),
            found.get("LastModifiedTime") or listed[name].get("LastModifiedTime"),
            properties={**properties(found), "FailureReason": _reason(found)},
        )

    return place.each(describe, sorted(listed))


def _training(job: dict[str, Any]) -> dict[str, Any]:
    resources, pool = job.get("ResourceConfig") or {}, job.get("WarmPoolStatus") or {}
    return {
        **_instances(resources),
        "Spot": job.get("EnableManagedSpotTraining"),
        "StartedAt": text(job.get("TrainingStartTime")),
        "EndedAt": text(job.get("TrainingEndTime")),
        "TrainingSeconds": job.get("TrainingTimeInSeconds"),
        "BillableSeconds": job.get("BillableTimeInSeconds"),
        "KeepAliveSeconds": resources.get("KeepAlivePeriodInSeconds"),
        "WarmPoolStatus": pool.get("Status"),
        "WarmPoolReusedBy": pool.get("ReusedByJob"),
        "WarmPoolBillableSeconds": pool.get("ResourceRetainedBillableTimeInSeconds"),
        "TuningJobArn": job.get("TuningJobArn"),
        "TrainingPlanArn": resources.get("TrainingPlanArn"),
    }


def _processing(job: dict[str, Any]) -> dict[str, Any]:
    cluster = (job.get("ProcessingResources") or {}).get("ClusterConfig") or {}
    return {**_instances(cluster), **_times(job, "ProcessingStartTime", "ProcessingEndTime")}


def _transform(job: dict[str, Any]) -> dict[str, Any]:
    return {**_instances(job.get("TransformResources") or {}), **_times(job, "TransformStartTime", "TransformEndTime")}


def _tuning(job: dict[str, Any]) -> dict[str, Any]:
    definitions = job.get("TrainingJobDefinitions") or [job.get("TrainingJobDefinition") or {}]
    first = definitions[0] if len(definitions) == 1 else {}
    resources = first.get("ResourceConfig") or first.get("HyperParameterTuningResourceConfig") or {}
    counts = job.get("TrainingJobStatusCounters") or {}
    return {
        **_instances(resources),
        **_times(job, "CreationTime", "HyperParameterTuningEndTime"),
        "Spot": first.get("EnableManagedSpotTraining"),
        "JobsCompleted": counts.get("Completed"),
        "JobsStopped": counts.get("Stopped"),
        "JobsFailed": counts.get("NonRetryableError"),
    }


def _times(job: dict[str, Any], start: str, end: str) -> dict[str, Any]:
    return {"StartedAt": text(job.get(start)), "EndedAt": text(job.get(end))}


def _instances(resources: dict[str, Any]) -> dict[str, Any]:
    """Type and count; where a job mixes types, the groups and the sum."""
    groups = resources.get("InstanceGroups") or []
    kept = ("InstanceGroupName", "InstanceType", "InstanceCount")
    counted = sum(group.get("InstanceCount") or 0 for group in groups)
    types = sorted({group["InstanceType"] for group in groups if group.get("InstanceType")})
    return {
        "InstanceType": resources.get("InstanceType") or (types[0] if len(types) == 1 else None),
        "InstanceCount": resources.get("InstanceCount") or counted or None,
        "InstanceGroups": [{field: group.get(field) for field in kept} for group in groups] or None,
    }


def _reason(job: dict[str, Any]) -> str | None:
    said = job.get("FailureReason")
    return without_secrets(str(said))[:LONGEST_REASON] if said else None
