"""Records what a real Prometheus says: run by hand with ``prometheus`` and ``promtool`` installed, never by the tests.

    PYTHONPATH=tests .venv/bin/python tests/collectors/recorded/prometheus/record.py

It writes two days of a small fleet into Prometheus' own store, lets the collector ask, and keeps each question and answer in
``answers.json``. Who changes a question records again: the tests find no answer to another one.

The fleet, on 24 and 25 October 2026 (UTC), a sample every five minutes:

* ``ip-10-0-1-1`` is ``i-0aaaaaaaaaaaaaaa1`` until noon of the 24th; then another machine, ``…2``, has that name. GPU 0 is at 50 percent, by
  turns for pod a and pod b; GPU 1 at 0. Until 06:00 of the 24th a pod asks for one GPU. Its memory is used to a quarter.
* ``gke-1`` says its node in another label than Hostname; a pod that asks for its GPU is pending. GPU 0 at 7 percent.
* ``pool-3`` is machine 3 of an Azure scale set; GPU 0 at 0 percent, and on the 25th nobody tells of it.
* ``i-0bbbbbbbbbbbbbbb1`` is no node: its label is the instance's id. GPU 0 at 90 percent.
* ``mystery`` is nobody's name.
* From 00:00 until 06:00 on the 25th kube-state-metrics tells of nodes, and of no pods.
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from finops.collectors.interface import Request
from finops.collectors.prometheus.collector import PrometheusCollector
from finops.config.servers import Prometheus

HERE = Path(__file__).parent
TODAY = date(2026, 10, 26)
DAYS = 2
EVERY = timedelta(minutes=5)
SET = "/subscriptions/0f0f/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/pool"

Sample = tuple[str, dict[str, str], float]


def samples(at: datetime) -> Iterator[Sample]:
    """All series at a moment."""
    day, hour = at.day, at.hour
    instance = "i-0aaaaaaaaaaaaaaa1" if (day, hour) < (24, 12) else "i-0aaaaaaaaaaaaaaa2"
    nodes = {
        "ip-10-0-1-1": (f"aws:///us-east-1a/{instance}", "10.0.1.1", 2),
        "gke-1": ("gce://acme-ml/us-central1-a/gke-1", "10.1.0.1", 1),
        "pool-3": (f"azure://{SET}/virtualMachines/3", "10.2.0.1", 1),
    }
    for node, (provider_id, ip, gpus) in nodes.items():
        yield (
            "kube_node_info",
            {"node": node, "provider_id": provider_id, "internal_ip": ip, "system_uuid": f"ec2{node}"},
            1,
        )
        for resource, count in (("nvidia_com_gpu", gpus), ("cpu", 8)):
            yield "kube_node_status_allocatable", {"node": node, "resource": resource, "unit": "integer"}, count
    pods = [("agent", node, "cpu", "Running", 0.1) for node in nodes]
    pods += [("waiting", "gke-1", "nvidia_com_gpu", "Pending", 1)]
    if (day, hour) < (24, 6):
        pods += [("trainer", "ip-10-0-1-1", "nvidia_com_gpu", "Running", 1)]
    for name, node, resource, phase, count in pods if not (day == 25 and hour < 6) else []:
        pod = {"namespace": "ml", "pod": f"{name}-{node}"}
        yield (
            "kube_pod_container_resource_requests",
            {**pod, "container": "c", "node": node, "resource": resource},
            count,
        )
        for each in ("Running", "Pending"):
            yield "kube_pod_status_phase", {**pod, "phase": each}, float(each == phase)
    who = {"pod": "a" if at.minute < 30 else "b"}
    yield from gpu({"Hostname": "ip-10-0-1-1", "gpu": "0", "UUID": "GPU-a0", **who}, 40 if at.minute < 30 else 60, 4000)
    yield from gpu({"Hostname": "ip-10-0-1-1", "gpu": "1", "UUID": "GPU-a1"}, 0, 0)
    yield from gpu({"Hostname": "dcgm-x7k2p", "node": "gke-1", "gpu": "0", "UUID": "GPU-b0"}, 7, 8000)
    if day == 24:
        yield from gpu({"Hostname": "", "instance": "10.2.0.1:9400", "gpu": "0", "UUID": "GPU-c0"}, 0, 0)
    yield from gpu({"Hostname": "i-0bbbbbbbbbbbbbbb1.ec2.internal", "gpu": "0", "UUID": "GPU-d0"}, 90, 15000)
    yield from gpu({"Hostname": "mystery", "gpu": "0", "UUID": "GPU-e0"}, 1, 0)


def gpu(labels: dict[str, str], percent: float, used: int) -> Iterator[Sample]:
    yield "DCGM_FI_DEV_GPU_UTIL", labels, percent
    yield "DCGM_FI_PROF_GR_ENGINE_ACTIVE", labels, percent / 100
    yield "DCGM_FI_DEV_FB_USED", labels, used
    yield "DCGM_FI_DEV_FB_FREE", labels, 16000 - used


def openmetrics() -> str:
    """Everything, one series after the other, as promtool wants it."""
    found: dict[str, dict[str, list[str]]] = {}
    at = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC) - timedelta(days=DAYS) + EVERY
    end = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
    while at <= end:
        # what is true just before the moment, so that the hour's end still belongs to it
        for name, labels, value in samples(at - timedelta(minutes=1)):
            text = ",".join(f'{key}="{each}"' for key, each in labels.items() if each)
            found.setdefault(name, {}).setdefault(text, []).append(f"{name}{{{text}}} {value} {int(at.timestamp())}")
        at += EVERY
    lines = []
    for name, series in found.items():
        lines += [f"# TYPE {name} gauge", *(line for each in series.values() for line in each)]
    return "\n".join([*lines, "# EOF", ""])


def record(url: str) -> list[dict[str, Any]]:
    """What the collector asks, and what it is answered."""
    calls: list[dict[str, Any]] = []
    collector = PrometheusCollector("gpus", Prometheus(type="prometheus", url=url, history_days=DAYS), Path())
    server, ask = collector._api.server, collector._api.server.ask

    def asked(method: str, path: str, params: list[tuple[str, str]] | None = None, question: Any = None) -> Any:
        answer = ask(method, path, params, question)
        calls.append({"path": path, "params": dict(params or []), "answer": answer})
        return answer

    server.ask = asked  # type: ignore[method-assign]
    request = Request(date(2026, 10, 1), date(2026, 11, 1), TODAY)
    with tempfile.TemporaryDirectory() as folder:
        for offer in collector.look(request).offers:
            collector.fetch(offer, [], Path(folder), lambda name, size: None)
    collector.examine(request)
    return calls


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, metrics = Path(folder) / "data", Path(folder) / "metrics.txt"
        metrics.write_text(openmetrics())
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", metrics, store], check=True)
        (Path(folder) / "prometheus.yml").write_text("")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={store}",
             "--storage.tsdb.retention.time=10y", f"--web.listen-address=127.0.0.1:{port}"]
        )  # fmt: skip
        try:
            for _ in range(60):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready").read()
                    break
                except OSError:
                    time.sleep(0.5)
            calls = record(f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait()
    lines = [json.dumps(call, sort_keys=True) for call in calls]
    (HERE / "answers.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
