"""MLflow: what a real server answered and a real file store holds becomes runs; and what goes wrong is said."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from conftest import Workspace

from collectors.fakes.recorded import RECORDED, FakeMLflow
from finops.collectors.interface import Outcome, Request, Trouble, Verdict
from finops.collectors.mlflow.collector import MLflowCollector
from finops.collectors.mlflow.runs import moment, run_of
from finops.collectors.mlflow.server import TrackingServer
from finops.config.servers import MLflow

TODAY = date(2026, 10, 26)
REQUEST = Request(date(2026, 7, 1), date(2026, 11, 1), TODAY)
JOB = "arn:aws:sagemaker:us-east-1:111122223333:training-job/"
STORE = RECORDED / "mlflow" / "mlruns"
RUNS = [
    # experiment, run, state, began, ended, jobs, first id of them
    ("churn", "churn-broken", "FAILED", "2026-10-17 03:00:00", "2026-10-17T03:30:00Z", ["churn-2026-10-16-002"], None),
    ("churn", "churn-child", "FINISHED", "2026-10-17 00:00:00", "2026-10-17T01:00:00Z", [], None),
    ("churn", "churn-laptop", "FINISHED", "2026-10-17 05:00:00", "2026-10-17T06:00:00Z", [], None),
    ("churn", "churn-whole", "FINISHED", "2026-10-17 00:00:00", "2026-10-17T02:00:00Z",
     [JOB + "churn-2026-10-16-001"], JOB + "churn-2026-10-16-001"),
    ("vision/segmentation", "segment-deleted", "FINISHED", "2026-10-17 02:00:00", "2026-10-17T03:00:00Z", [], None),
    ("vision/segmentation", "segment-running", "RUNNING", "2026-10-17 10:00:00", None,
     [JOB + "segment-2026-10-17-002"], JOB + "segment-2026-10-17-002"),
    ("vision/segmentation", "segment-stopped", "KILLED", "2026-10-17 06:00:00", "2026-10-17T10:00:00Z",
     [JOB + "segment-2026-10-17-001"], JOB + "segment-2026-10-17-001"),
]  # fmt: skip
"""What record.py has made."""


@pytest.fixture
def mlflow() -> Iterator[FakeMLflow]:
    with FakeMLflow() as fake:
        yield fake


def configure(workspace: Workspace, **settings: Any) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"deadline": 1, **settings}.items()]
    workspace.write("finops.toml", "\n".join(["[sources.runs]", 'type = "mlflow"', *lines, ""]))


def collect(workspace: Workspace) -> Any:
    return workspace.finops("--today", "2026-10-26", "collect")


def runs(workspace: Workspace) -> list[tuple[Any, ...]]:
    rows = workspace.query(
        "SELECT properties->>'ExperimentName', properties->>'RunName', state, created_at::VARCHAR, properties->>'EndedAt', "
        "properties->'Jobs', properties->>'JobArn' FROM inventory.resources ORDER BY ALL"
    )
    return [(*row[:5], json.loads(row[5] or "[]"), row[6]) for row in rows]


def reads(workspace: Workspace) -> list[tuple[Any, ...]]:
    return workspace.query("SELECT service, covers, outcome, what FROM inventory.reads")


def test_what_a_real_server_answers_becomes_runs(mlflow: FakeMLflow, workspace: Workspace) -> None:
    configure(workspace, url=mlflow.url)
    result = collect(workspace)
    assert result.exit_code == 0, result.err
    assert runs(workspace) == RUNS
    assert "3 of 7 runs name no cloud job" in result.err + result.out
    ids = [row[0] for row in workspace.query("SELECT resource_id FROM inventory.resources")]
    assert len(set(ids)) == 7 and all(each.startswith(f"mlflow://{mlflow.url[7:]}/") for each in ids)
    assert workspace.query("SELECT DISTINCT provider, resource_type, resource_name FROM inventory.resources") == [
        ("MLflow", "mlflow.Run", None)
    ]
    ((parent, deleted),) = workspace.query(
        "SELECT count(properties->>'ParentRunId'), count(*) FILTER (properties->>'LifecycleStage' = 'deleted') FROM inventory.resources"
    )
    assert (parent, deleted) == (1, 1)
    assert reads(workspace) == [("mlflow", "inventory", "complete", None)]
    assert {f"{each.method} {each.path}" for each in mlflow.calls} == {
        each.action for each in MLflowCollector("r", MLflow(type="mlflow", url=mlflow.url), Path()).permissions()
    }


def test_a_real_file_store_says_the_same(workspace: Workspace) -> None:
    configure(workspace, path=str(STORE))
    assert collect(workspace).exit_code == 0
    assert runs(workspace) == RUNS
    assert workspace.query("SELECT DISTINCT account_id FROM inventory.resources") == [("runs",)]


def test_nobody_is_named(mlflow: FakeMLflow, workspace: Workspace) -> None:
    """The server and the store know who started a run; landing and warehouse do not."""
    assert "somebody@example.com" in (RECORDED / "mlflow" / "answers.json").read_text()
    configure(workspace, url=mlflow.url)
    collect(workspace)
    configure(workspace, path=str(STORE))
    collect(workspace)
    kept = [path.read_bytes() for path in (workspace.folder / "landing").rglob("*") if path.is_file()]
    assert any(b"churn-broken" in each for each in kept)
    assert not any(b"somebody" in each for each in kept)


def test_many_pages_are_read_to_the_end(mlflow: FakeMLflow) -> None:
    server = TrackingServer(MLflow(type="mlflow", url=mlflow.url), Path(), page=2)
    names = server.experiments()
    found = server.runs(names, date(2026, 7, 26))
    assert sorted(names.values()) == ["Default", "churn", "vision/segmentation"]
    assert sorted(str(each.name) for each in found) == sorted(row[1] for row in RUNS)
    assert len(mlflow.calls) == 6


def test_a_page_that_comes_again_and_again_is_an_end(mlflow: FakeMLflow) -> None:
    mlflow.fail(200, '{"experiments": [], "next_page_token": "again"}')
    with pytest.raises(Trouble) as raised:
        TrackingServer(MLflow(type="mlflow", url=mlflow.url), Path()).experiments()
    assert raised.value.outcome is Outcome.CHANGED and "again and again" in raised.value.what


BROKEN: list[tuple[dict[str, Any], Outcome, str]] = [
    ({"status": 401}, Outcome.EXPIRED, "does not accept what is in env:MLFLOW_TOKEN"),
    (
        {"status": 403, "body": '{"error_code": "PERMISSION_DENIED", "message": "not yours"}'},
        Outcome.DENIED,
        "not yours",
    ),
    ({"status": 404, "body": "<!doctype html>"}, Outcome.MISSING, "is not there"),
    ({"status": 200, "body": "<html>"}, Outcome.FAILED, "web page"),
    (
        {"status": 307, "location": "https://login.example.com/"},
        Outcome.MISSING,
        "redirects to https://login.example.com,",
    ),
    ({"status": 500, "on": "runs/search"}, Outcome.FAILED, "fails with status 500 for 1 seconds"),
    ({"status": 200, "body": '{"runs": {}}', "on": "runs/search"}, Outcome.CHANGED, "a list of runs"),
    ({"status": 200, "body": '{"runs": [{"info": {}}]}', "on": "runs/search"}, Outcome.CHANGED, "without an id"),
]


def test_what_goes_wrong_is_said_and_the_runs_stay(
    mlflow: FakeMLflow, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TOKEN", "dapi0123456789abcdef")
    configure(workspace, url=mlflow.url, token="env:MLFLOW_TOKEN")
    assert collect(workspace).exit_code == 0
    for fault, outcome, said in BROKEN:
        mlflow.faults.clear()
        mlflow.fail(**fault)
        result = collect(workspace)
        assert result.exit_code == 3, fault
        assert said in " ".join(result.err.split()), fault
        assert "dapi0123456789abcdef" not in result.err + result.out, fault
        assert runs(workspace) == RUNS, "a failed read is not an empty one"
        ((service, covers, how, what),) = reads(workspace)
        assert (service, covers, how) == ("mlflow", "inventory", str(outcome)) and said in what, fault


def test_a_server_without_runs_forgets_those_that_it_had(mlflow: FakeMLflow, workspace: Workspace) -> None:
    configure(workspace, url=mlflow.url)
    collect(workspace)
    mlflow.fail(200, "{}", on="experiments/search")
    result = collect(workspace)
    assert result.exit_code == 0, result.err
    assert runs(workspace) == []
    assert reads(workspace) == [("mlflow", "inventory", "empty", None)]


def exported() -> list[dict[str, Any]]:
    calls = json.loads((RECORDED / "mlflow" / "answers.json").read_text())
    return next(call["answer"]["runs"] for call in calls if call["path"].endswith("runs/search"))


EXPERIMENTS = {
    "experiments": [{"experiment_id": "1", "name": "churn"}, {"experiment_id": "2", "name": "vision/segmentation"}]
}


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_exported_runs_say_the_same(form: str, workspace: Workspace) -> None:
    found = exported()
    workspace.write("runs/experiments.json", json.dumps(EXPERIMENTS))
    if form == "json":
        workspace.write("runs/all.json", json.dumps({"runs": found}))
    elif form == "jsonl":
        workspace.write("runs/all.jsonl", "".join(json.dumps(each) + "\n" for each in found))
    else:
        # as mlflow.search_runs().to_csv() writes it: times as text, a column a tag
        rows = []
        for each in found:
            info = each["info"]
            times = {key: str(moment(info.get(key)) or "") for key in ("start_time", "end_time")}
            tags = {f"tags.{tag['key']}": tag["value"] for tag in each["data"]["tags"]}
            params = {f"params.{param['key']}": param["value"] for param in each["data"]["params"]}
            kept = {key: info[key] for key in ("run_id", "experiment_id", "status")}
            rows.append({"": len(rows), **kept, **times, "metrics.loss": 0.5, **tags, **params})
        path = workspace.write("runs/all.csv", "")
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), restval="")
            writer.writeheader()
            writer.writerows(rows)
    configure(workspace, path="runs")
    result = collect(workspace)
    assert result.exit_code == 0, result.err
    assert runs(workspace) == RUNS


@pytest.mark.parametrize(
    ("name", "content", "outcome"),
    [
        ("runs/a.json", '{"runs": [{"info"', Outcome.REFUSED),
        ("runs/a.json", '[{"bill": 1}]', Outcome.REFUSED),
        ("runs/a.csv", "run_id,status\nabc,FINISHED,1\n", Outcome.REFUSED),
        ("runs/1/meta.yaml", "a: [", Outcome.REFUSED),
        ("runs/readme.txt", "nothing", Outcome.MISSING),
        ("elsewhere/a.json", "[]", Outcome.MISSING),
    ],
)
def test_a_folder_that_is_none_of_runs_is_refused(
    name: str, content: str, outcome: Outcome, workspace: Workspace
) -> None:
    workspace.write(name, content)
    configure(workspace, path="runs")
    result = collect(workspace)
    assert result.exit_code == 3, result.err
    assert reads(workspace)[0][2] == str(outcome)


def test_runs_that_began_before_the_history_are_left_out() -> None:
    old, new = (MLflowCollector("r", MLflow(type="mlflow", path=STORE, history_days=days), Path()) for days in (8, 9))
    assert "0 runs" in old.look(REQUEST).offers[0].note
    assert "7 runs of 2 experiments" in new.look(REQUEST).offers[0].note


VERTEX = "projects/acme-ml/locations/us-central1/customJobs/123"


@pytest.mark.parametrize(
    ("tags", "params", "jobs"),
    [
        ({"finops.resource_id": f"{JOB}a, {JOB}b"}, {}, [JOB + "a", JOB + "b"]),
        ({"finops.resource_id": "somewhere", "TrainingJobArn": JOB + "a"}, {}, [JOB + "a"]),
        ({"sagemaker_job_name": "a", "TrainingJobName": "b"}, {}, ["a"]),
        ({}, {"sagemaker_job_arn": JOB + "a"}, [JOB + "a"]),
        ({}, {"SM_TRAINING_ENV": '{"job_name": "a"}'}, ["a"]),
        ({}, {"SM_TRAINING_ENV": "{broken"}, []),
        ({"finops.resource_id": VERTEX}, {}, ["//aiplatform.googleapis.com/" + VERTEX]),
        ({"CLOUD_ML_JOB_ID": "123"}, {}, ["123"]),
        ({"mlflow.source.name": JOB + "a"}, {}, [JOB + "a"]),
        ({"mlflow.source.name": "/home/me/train.py"}, {}, []),
        ({"finops.resource_id": "arn:aws:sagemaker:us-east-1:111122223333:endpoint/x"}, {}, []),
    ],
)
def test_the_first_key_that_names_a_job_does(tags: dict[str, str], params: dict[str, str], jobs: list[str]) -> None:
    run = run_of({"info": {"run_id": "r", "experiment_id": "1"}, "data": {"tags": tags, "params": params}})
    assert run is not None
    line = run.line("place", {})
    assert line["jobs"] == jobs
    assert line["tags"] == {}, "what names a job, and MLflow's own tags, are no tags"


def test_doctor_says_whether_runs_can_be_joined(mlflow: FakeMLflow) -> None:
    (found,) = MLflowCollector("r", MLflow(type="mlflow", url=mlflow.url), Path()).examine(REQUEST)
    assert (found.verdict, found.detail) == (Verdict.OK, "7 runs, 4 of them name a cloud job")
    mlflow.fail(403)
    (found,) = MLflowCollector("r", MLflow(type="mlflow", url=mlflow.url), Path()).examine(REQUEST)
    assert found.verdict is Verdict.FAILED
