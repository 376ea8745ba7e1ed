"""A run as finops keeps it: which experiment, when, how it ended, and which cloud job or machine it says that it ran on.

Users and what may name them are left out: ``user_id``, MLflow's own tags, and tags whose value is an address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

JOB_KEYS = (
    "finops.resource_id",
    "sagemaker.training_job_arn",
    "sagemaker_job_arn",
    "TrainingJobArn",
    "TRAINING_JOB_ARN",
    "sagemaker.training_job_name",
    "sagemaker_job_name",
    "TrainingJobName",
    "TRAINING_JOB_NAME",
    "SM_TRAINING_ENV",
    "CLOUD_ML_JOB_ID",
    "mlflow.source.name",
)
"""Tags, and after them parameters, that may say which job a run is: the first that does."""
INSTANCE_KEYS = ("finops.instance_ids", "ec2_instance_id", "instance_id")
"""Tags and parameters that may say on which machines it ran."""
STATES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
"""How a file store writes them."""
_ONLY_IDS = frozenset({"mlflow.source.name", "finops.resource_id"})
"""What is there may be anything, such as train.py: it counts only if it is an id."""
_ID = re.compile(
    r"arn:[\w-]+:sagemaker:\S+:(?:training|processing|transform|hyper-parameter-tuning)-job/\S+|//[\w.-]+\.googleapis\.com/\S+"
)
_VERTEX = re.compile(
    r"projects/[^/\s]+/locations/[^/\s]+/(?:customJobs|trainingPipelines|hyperparameterTuningJobs)/\S+"
)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Run:
    """One run."""

    run_id: str
    experiment_id: str
    name: str | None
    state: str | None
    started: datetime | None
    ended: datetime | None
    stage: str | None
    """``active`` or ``deleted``: a deleted run has cost what it has cost."""
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metric_count: int | None = None

    def line(self, place: str, experiments: Mapping[str, str]) -> dict[str, Any]:
        """What is kept of it."""
        return {
            "mlflow_place": place,
            "experiment_id": self.experiment_id,
            "experiment_name": experiments.get(self.experiment_id),
            "run_id": self.run_id,
            "run_name": self.name,
            "status": self.state,
            "lifecycle_stage": self.stage,
            "started_at": _text(self.started),
            "ended_at": _text(self.ended),
            "parent_run_id": self.tags.get("mlflow.parentRunId"),
            "jobs": list(self._jobs()),
            "instances": [each for key in INSTANCE_KEYS for each in _parts(self._said(key))],
            "metric_count": self.metric_count,
            "tags": {key: value for key, value in sorted(self.tags.items()) if _is_open(key, value)},
        }

    def _jobs(self) -> Iterator[str]:
        """The ids or names of its jobs: of the first key that says any."""
        for key in JOB_KEYS:
            said = self._said(key)
            if key == "SM_TRAINING_ENV":
                said = _job_name(said)
            found = [each for each in map(_id, _parts(said)) if key not in _ONLY_IDS or _ID.fullmatch(each)]
            if found:
                yield from dict.fromkeys(found)
                return

    def _said(self, key: str) -> str:
        return self.tags.get(key) or self.params.get(key) or ""


def empty_line(place: str) -> dict[str, Any]:
    """A line that says whose list it is, also where the list is empty."""
    return dict.fromkeys(Run("", "", None, None, None, None, None).line(place, {})) | {"mlflow_place": place}


def run_of(answer: Any) -> Run | None:
    """A run as the API words it: ``info`` and ``data``. None: it is none."""
    info = answer.get("info") if isinstance(answer, dict) else None
    if not isinstance(info, dict) or not (info.get("run_id") or info.get("run_uuid")):
        return None
    found = answer.get("data")
    data: Mapping[str, Any] = found if isinstance(found, dict) else {}
    tags = _pairs(data.get("tags"))
    metrics = data.get("metrics", [])
    return Run(
        str(info.get("run_id") or info["run_uuid"]),
        str(info.get("experiment_id", "")),
        info.get("run_name") or tags.get("mlflow.runName"),
        state(info.get("status")),
        moment(info.get("start_time")),
        moment(info.get("end_time")),
        info.get("lifecycle_stage"),
        tags,
        _pairs(data.get("params")),
        len(metrics) if isinstance(metrics, list | dict) else None,
    )


def state(value: Any) -> str | None:
    """``FINISHED`` of a word or a file store's number."""
    text = str(value if value is not None else "").strip()
    return STATES.get(int(text), text) if text.isdigit() else text.upper() or None


def moment(value: Any) -> datetime | None:
    """Milliseconds since 1970, or an ISO time."""
    text = str(value if value is not None else "").strip()
    try:
        if re.fullmatch(r"\d+(\.0)?", text):
            return (
                _EARLIEST + timedelta(milliseconds=int(text.partition(".")[0])) if int(text.partition(".")[0]) else None
            )
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _pairs(listed: Any) -> dict[str, str]:
    """A list of ``key`` and ``value``, or an object."""
    if isinstance(listed, dict):
        return {str(key): str(value) for key, value in listed.items()}
    entries: Iterable[Any] = listed if isinstance(listed, list) else []
    return {
        str(each["key"]): str(each.get("value", "")) for each in entries if isinstance(each, dict) and "key" in each
    }


def _parts(text: str) -> list[str]:
    return [each for each in re.split(r"[,;\s]+", text) if each]


def _id(text: str) -> str:
    return f"//aiplatform.googleapis.com/{text}" if _VERTEX.fullmatch(text) else text


def _job_name(environment: str) -> str:
    """The job's name in SageMaker's ``SM_TRAINING_ENV``."""
    try:
        found = json.loads(environment) if environment else {}
    except (ValueError, RecursionError):
        return ""
    return str(found.get("job_name") or "") if isinstance(found, dict) else ""


def _is_open(key: str, value: str) -> bool:
    return not key.startswith("mlflow.") and "@" not in value and key not in JOB_KEYS and key not in INSTANCE_KEYS


def _text(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
