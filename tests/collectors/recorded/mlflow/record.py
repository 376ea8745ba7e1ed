"""Records what a real MLflow says: run by hand with MLflow installed, never by the tests.

    PYTHONPATH=. python tests/collectors/recorded/mlflow/record.py    # in an environment of its own, with finops and mlflow

It writes the same experiments into a file store (``mlruns/``) and through a tracking server, and keeps the server's answers in
``answers.json``: a list of calls, each with its method, path, question and answer. The people in it are made up.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from finops.collectors.interface import Request
from finops.collectors.mlflow.collector import MLflowCollector
from finops.collectors.mlflow.server import RUNS, TrackingServer
from finops.config.servers import MLflow

HERE = Path(__file__).parent
JOB = "arn:aws:sagemaker:us-east-1:111122223333:training-job/"
HOUR = 3_600_000
TODAY = date(2026, 10, 26)
BEGIN = 1_792_195_200_000
"""2026-10-17 00:00 UTC, in milliseconds."""


def fill(uri: str) -> dict[str, str]:
    """Two experiments and their runs; gives the runs' ids by name."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client, ids = MlflowClient(uri), {}

    def run(experiment: str, name: str, start: int, hours: float | None, status: str, **tags: str) -> None:
        made = client.create_run(experiment, start_time=BEGIN + start * HOUR, run_name=name,
                                 tags={"mlflow.user": "somebody@example.com", **{k.replace("__", "."): v for k, v in tags.items()}})  # fmt: skip
        ids[name] = made.info.run_id
        client.log_param(made.info.run_id, "learning_rate", "0.001")
        client.log_batch(made.info.run_id, metrics=[Metric("loss", 0.5, BEGIN, 0)])
        if hours is not None:
            client.set_terminated(made.info.run_id, status, BEGIN + int((start + hours) * HOUR))

    churn, vision = client.create_experiment("churn"), client.create_experiment("vision/segmentation")
    run(churn, "churn-whole", 0, 2, "FINISHED", sagemaker__training_job_arn=JOB + "churn-2026-10-16-001")
    run(churn, "churn-broken", 3, 0.5, "FAILED", sagemaker_job_name="churn-2026-10-16-002")
    run(churn, "churn-child", 0, 1, "FINISHED", mlflow__parentRunId=ids["churn-whole"])
    run(churn, "churn-laptop", 5, 1, "FINISHED", mlflow__source__name="train.py")
    run(vision, "segment-stopped", 6, 4, "KILLED", finops__resource_id=JOB + "segment-2026-10-17-001")
    run(vision, "segment-running", 10, None, "RUNNING", TrainingJobArn=JOB + "segment-2026-10-17-002")
    run(vision, "segment-deleted", 2, 1, "FINISHED")
    client.log_param(ids["segment-running"], "SM_TRAINING_ENV", json.dumps({"job_name": "segment-2026-10-17-002"}))
    client.delete_run(ids["segment-deleted"])
    return ids


def ask(url: str, method: str, path: str, question: dict[str, Any] | None) -> dict[str, Any]:
    """One call and its answer, whatever its status."""
    data = json.dumps(question).encode() if question is not None else None
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            status, text = response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    answer = json.loads(text) if text.lstrip().startswith("{") else text
    return {"method": method, "path": path, "question": question, "status": status, "answer": answer}


def record(url: str) -> list[dict[str, Any]]:
    """What the collector asks, with all on a page and with two on each, and what it is answered; and what goes wrong."""
    calls: list[dict[str, Any]] = []
    source = MLflow(type="mlflow", url=url)
    collector, paged = MLflowCollector("runs", source, Path()), TrackingServer(source, Path(), page=2)

    def asked(method: str, path: str, params: Any = None, question: Any = None) -> Any:
        calls.append(ask(url, method, path, question))
        return calls[-1]["answer"]

    for each in (collector._from, paged):
        each.server.ask = asked  # type: ignore[method-assign, union-attr]
    collector.look(Request(TODAY, TODAY, TODAY))
    paged.runs(paged.experiments(), TODAY - timedelta(days=source.history_days))
    broken = ({"page_token": "none"}, {"max_results": 50001})
    calls += [ask(url, "POST", RUNS, {"experiment_ids": ["0"], **each}) for each in broken]
    calls.append(ask(url, "POST", "/api/2.0/mlflow/nothing", {}))
    return calls


def serve(folder: str) -> list[dict[str, Any]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
               "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
               "--default-artifact-root", "s3://acme-mlflow"]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(url + "/version").read()
                break
            except OSError:
                time.sleep(0.5)
        fill(url)
        return record(url)
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def tidy(store: Path) -> None:
    """Without what a machine or a moment put there: addresses on disk, folders of artifacts."""
    for path in sorted(store.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif path.name == "meta.yaml":
            text = re.sub(r"file://\S*?mlruns", "s3://acme-mlflow", path.read_text())
            path.write_text(re.sub(r"^user_id: .*$", "user_id: somebody", text, flags=re.MULTILINE))


if __name__ == "__main__":
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
    shutil.rmtree(HERE / "mlruns", ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        calls = serve(folder)
        fill(f"file://{folder}/mlruns")
        shutil.copytree(Path(folder) / "mlruns", HERE / "mlruns")
    tidy(HERE / "mlruns")
    (HERE / "answers.json").write_text(json.dumps(calls, indent=1, sort_keys=True) + "\n")
