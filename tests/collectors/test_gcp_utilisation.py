"""What Google Cloud projects have and what it does: lists and metrics, and what could not be read is said and never empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import Workspace

from finops.collectors.gcp.utilisation import GcpUtilisationCollector
from finops.collectors.interface import Fetched, Listing, Outcome, Request, Trouble, Verdict
from finops.config.sources import GcpUtilisation

from .contract.google_key import TOKEN, GoogleKey
from .fakes.googleapis import FakeGoogle

ML, OTHER = "acme-ml", "acme-web"
NUMBERS = {ML: "428517063941", OTHER: "700000000001"}
TODAY = date(2026, 11, 20)
FAIL_FAST = 1
MADE = "2026-09-01T08:00:00.123456789Z"
POOL = {
    "machineSpec": {"machineType": "a2-highgpu-1g", "acceleratorType": "NVIDIA_TESLA_A100", "acceleratorCount": 1},
    "containerSpec": {"env": [{"name": "API_KEY", "value": "a secret"}], "args": ["a secret"]},
}
NVIDIA = [{"acceleratorType": "https://www.googleapis.com/…/acceleratorTypes/nvidia-tesla-a100", "acceleratorCount": 2}]


def at(day: int, hour: int, minute: int = 30) -> datetime:
    """A moment of the month."""
    return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour, minutes=minute)


def a_world(google: FakeGoogle) -> None:
    """A project with one of each, in two locations; and one with nothing but a machine without a GPU."""
    google.project(ML, NUMBERS[ML], "europe-west4", "us-central1")
    google.project(OTHER, NUMBERS[OTHER], "us-central1")
    us = "us-central1"
    model = {"machineType": "g2-standard-12", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}
    google.add(
        ML, us, "endpoints", name="111", displayName="chat", createTime=MADE, updateTime="2026-09-02T08:00:00Z",
        labels={"team": "search"},
        deployedModels=[
            {
                "id": "900", "model": "projects/428517063941/locations/us-central1/models/7", "createTime": MADE,
                "dedicatedResources": {"machineSpec": model, "minReplicaCount": 1, "maxReplicaCount": 4},
                "serviceAccount": "someone@acme.example",
            },
            {"id": "901", "automaticResources": {"minReplicaCount": 1, "maxReplicaCount": 1}},
        ],
    )  # fmt: skip
    google.add(ML, "europe-west4", "endpoints", name="222", displayName="empty", createTime=MADE)
    job: dict[str, Any] = {"createTime": "2026-11-18T00:00:00Z", "startTime": "2026-11-18T00:05:00Z"}
    google.add(
        ML, us, "customJobs", name="301", displayName="train-bert-20261118-120000-ab12cd", state="JOB_STATE_RUNNING",
        jobSpec={"workerPoolSpecs": [POOL | {"replicaCount": "1"}, POOL | {"replicaCount": "3"}], "scheduling": {"strategy": "SPOT"}},
        **job,
    )  # fmt: skip
    ended = job | {
        "state": "JOB_STATE_FAILED",
        "endTime": "2026-11-19T06:00:00Z",
        "error": {"code": 3, "message": "OOM"},
    }
    google.add(ML, us, "customJobs", name="302", displayName="train v2", jobSpec={"workerPoolSpecs": [POOL]}, **ended)
    google.add(
        ML, us, "customJobs", name="303", displayName="long ago", **(ended | {"endTime": "2026-08-01T00:00:00Z"})
    )
    google.add(
        ML, us, "trainingPipelines", name="311", displayName="tune", state="PIPELINE_STATE_RUNNING",
        trainingTaskInputs={"workerPoolSpecs": [POOL]}, trainingTaskMetadata={"backingCustomJob": "projects/1/…/301"}, **job,
    )  # fmt: skip
    google.add(
        ML, us, "pipelineJobs", name="nightly-1", displayName="nightly", pipelineSpec={"root": "a secret"}, **ended
    )
    google.add(
        ML,
        us,
        "hyperparameterTuningJobs",
        name="321",
        displayName="hp",
        trialJobSpec={"workerPoolSpecs": [POOL]},
        **ended,
    )
    google.add(
        ML,
        us,
        "batchPredictionJobs",
        name="331",
        displayName="bp",
        dedicatedResources=POOL | {"startingReplicaCount": 2},
        **ended,
    )
    google.add(
        ML, us, "featurestores", name="fs", state="STABLE", onlineServingConfig={"fixedNodeCount": 2}, createTime=MADE
    )
    google.add(ML, us, "featureOnlineStores", name="fos", state="STABLE", bigtable={"autoScaling": {"minNodeCount": 1}})
    google.add(
        ML, us, "indexEndpoints", name="401", displayName="vectors",
        deployedIndexes=[{"id": "idx", "index": "projects/1/…/indexes/5", "dedicatedResources": {"machineSpec": model}}],
    )  # fmt: skip
    google.add(
        ML, "us-central1-a", "instances", name="wb-1", state="ACTIVE", createTime=MADE, creator="someone@acme.example",
        gceSetup={"machineType": "zones/us-central1-a/machineTypes/n1-standard-8",
                  "acceleratorConfigs": [{"type": "NVIDIA_TESLA_T4", "coreCount": "1"}],
                  "metadata": {"idle-timeout-seconds": "", "proxy-user-mail": "someone@acme.example"}},
    )  # fmt: skip
    google.add(
        ML, "us-central1-b", "instances", name="wb-2", state="ACTIVE",
        gceSetup={"machineType": "e2-standard-4", "metadata": {"idle-timeout-seconds": "10800"}},
    )  # fmt: skip
    google.add(
        ML, "us-central1-c", "instances", name="wb-3", state="STOPPED", gceSetup={"machineType": "e2-standard-4"}
    )
    google.add(
        ML, "us-central2-b", "nodes", name="tpu-1", id="5551", state="READY", acceleratorType="v4-8", createTime=MADE,
        networkEndpoints=[{"ipAddress": "10.0.0.2"}], metadata={"startup-script": "a secret"},
    )  # fmt: skip
    machines = "https://www.googleapis.com/compute/v1/projects/acme-ml/zones/us-central1-a/machineTypes/"
    secret = {"items": [{"key": "ssh-keys", "value": "a secret"}]}
    google.add(
        ML, "zones/us-central1-a", "instances", name="gpu-1", id="6001", status="RUNNING", guestAccelerators=NVIDIA,
        machineType=f"{machines}a2-highgpu-2g", creationTimestamp="2026-09-01T01:00:00.000-07:00", metadata=secret,
        lastStartTimestamp="2026-10-01T01:00:00.000-07:00", scheduling={"provisioningModel": "SPOT"}, labels={"team": "vision"},
    )  # fmt: skip
    for name, number in (("wb-1", "6002"), ("plain", "6003")):
        google.add(
            ML,
            "zones/us-central1-a",
            "instances",
            name=name,
            id=number,
            status="RUNNING",
            machineType=f"{machines}n1-standard-8",
        )
    google.add(
        ML, "zones/us-central1-a", "reservations", name="held", id="6101", status="READY",
        specificReservation={"count": "4", "inUseCount": "1", "instanceProperties": {"machineType": "a2-highgpu-1g", "guestAccelerators": NVIDIA}},
    )  # fmt: skip
    google.add(ML, "zones/us-central1-a", "disks", name="used", id="6201", sizeGb="10", users=["…/instances/plain"])
    google.add(
        ML, "zones/us-central1-b", "disks", name="left", id="6202", sizeGb="500", status="READY", type="…/diskTypes/pd-ssd",
        creationTimestamp="2026-01-01T00:00:00Z", lastDetachTimestamp="2026-08-01T00:00:00Z",
    )  # fmt: skip
    google.add(
        ML, "global", "snapshots", name="snap", id="6301", status="READY", diskSizeGb="500", storageBytes="123", storageLocations=["us"],
        sourceDisk="https://www.googleapis.com/compute/v1/projects/acme-ml/zones/us-central1-b/disks/left",
    )  # fmt: skip
    google.add(OTHER, "zones/us-central1-a", "instances", name="web", id="1", machineType="e2-small", status="RUNNING")
    google.add(OTHER, "us-central2-b", "nodes", name="tpu-9", state="READY", acceleratorType="v4-8")
    some_activity(google)


def some_activity(google: FakeGoogle) -> None:
    """Minutes of the last three days, and the minutes around their ends."""
    endpoint = {"resource_container": NUMBERS[ML], "location": "us-central1", "endpoint_id": "111"}
    vertex = "aiplatform.googleapis.com"
    requests = [
        (at(17, 0, 0), 100.0),
        (at(17, 0, 1), 1.0),
        (at(17, 1, 0), 2.0),
        (at(19, 23), 5.0),
        (at(20, 0, 0), 7.0),
        (at(20, 0, 1), 100.0),
    ]
    google.measure(
        ML,
        f"{vertex}/prediction/online/request_count",
        f"{vertex}/Endpoint",
        endpoint,
        requests,
        integer=True,
        response_code="200",
    )
    google.measure(
        ML,
        f"{vertex}/prediction/online/request_count",
        f"{vertex}/Endpoint",
        endpoint,
        [(at(19, 23), 1.0)],
        integer=True,
        response_code="500",
    )
    # the project's metrics scope has another project in it, whose metrics are listed too
    theirs = endpoint | {"resource_container": f"projects/{NUMBERS[OTHER]}"}
    google.measure(ML, f"{vertex}/prediction/online/request_count", f"{vertex}/Endpoint", theirs, [(at(18, 3), 9.0)])
    for replica, busy in (("a", 0.25), ("b", 0.75)):
        google.measure(
            ML, f"{vertex}/prediction/online/accelerator/duty_cycle", f"{vertex}/Endpoint", endpoint,
            [(at(18, hour, minute), busy) for hour in range(24) for minute in (15, 45)],
            unit="10^2.%", deployed_model_id="900", replica_id=replica,
        )  # fmt: skip
    deleted = endpoint | {"endpoint_id": "999"}
    google.measure(
        ML,
        f"{vertex}/prediction/online/prediction_count",
        f"{vertex}/Endpoint",
        deleted,
        [(at(18, 3), 4.0)],
        integer=True,
    )
    job = {"project_id": ML, "job_id": "301", "region": "us-central1"}
    google.measure(
        ML, "ml.googleapis.com/training/accelerator/utilization", "cloudml_job", job, [(at(19, 5), 0.5)], unit="10^2.%"
    )
    machine = {"project_id": ML, "zone": "us-central1-a", "instance_id": "6001"}
    for number, busy in (("0", 80.0), ("1", 0.0)):
        google.measure(
            ML,
            "agent.googleapis.com/gpu/utilization",
            "gce_instance",
            machine,
            [(at(19, 5), busy)],
            unit="%",
            gpu_number=number,
            uuid=number,
        )
    for number in ("6001", "6002", "6003"):
        google.measure(
            ML, "compute.googleapis.com/instance/cpu/utilization", "gce_instance", machine | {"instance_id": number},
            [(at(19, 5), 0.125)], unit="10^2.%",
        )  # fmt: skip
    for worker in ("tpu-1-w-0", "t1v-n-abcdef-w-0"):
        google.measure(
            ML, "tpu.googleapis.com/accelerator/duty_cycle", "tpu.googleapis.com/GceTpuWorker",
            {"resource_container": ML, "location": "us-central2-b", "worker_id": worker}, [(at(19, 5), 60.0)], unit="%",
        )  # fmt: skip


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with FakeGoogle() as served:
        a_world(served)
        yield served


def settings(google: FakeGoogle, **changed: Any) -> dict[str, Any]:
    told = {"type": "gcp-utilisation", "projects": [ML], "endpoints": google.endpoints(), "anonymous": True}
    return told | {"deadline": FAIL_FAST, "history_days": 3} | changed


def collector(google: FakeGoogle, **changed: Any) -> GcpUtilisationCollector:
    return GcpUtilisationCollector("gcp", GcpUtilisation.model_validate(settings(google, **changed)), Path())


class Run:
    """One look at everything and fetching of what is new, as the pipeline does it."""

    def __init__(
        self, collecting: GcpUtilisationCollector, folder: Path, today: date = TODAY, known: Any = None
    ) -> None:
        self.request = Request(date(2026, 8, 1), date(2026, 12, 1), today, known or {})
        self.listing: Listing = collecting.look(self.request)
        self.lines: dict[str, list[dict[str, Any]]] = {}
        self.troubles: list[Trouble] = []
        self.known = dict(self.request.known)
        for number, offer in enumerate(self.listing.offers):
            if offer.version and offer.key in self.known and self.known[offer.key].version == offer.version:
                continue
            path = folder / f"{today}-{number}"
            path.mkdir(parents=True)
            try:
                collecting.fetch(offer, offer.files, path, lambda name, size: None)
            except Trouble as trouble:
                self.troubles.append(trouble)
                continue
            self.known[offer.key] = Fetched(offer.version, datetime.now(tz=UTC), {})
            self.lines[offer.key] = [
                line
                for file in sorted(path.iterdir())
                for line in (
                    pl.read_parquet(file).to_dicts()
                    if file.suffix == ".parquet"
                    else map(json.loads, file.read_text().splitlines())
                )
            ]

    def read(
        self, service: str, project: str = ML, region: str | None = None, *, covers: str = "inventory"
    ) -> tuple[str, str, str]:
        """Outcome, what and next step of a line of reads."""
        asked = project, service, region, "metrics" if service == "monitoring" else covers
        (line,) = [
            each
            for each in self.lines["gcp-utilisation://gcp/reads"]
            if (each["account_id"], each["service"], each["region"], each["covers"]) == asked
        ]
        assert line["provider"] == "GCP"
        return line["outcome"], line["what"], line["next_step"]


def toml(google: FakeGoogle) -> str:
    addresses = ", ".join(f'{name} = "{url}"' for name, url in google.endpoints().items())
    return (
        f'[company]\nname = "T"\n[sources.gcp]\ntype = "gcp-utilisation"\nprojects = ["{ML}", "{OTHER}"]\nanonymous = true\n'
        f"deadline = 5\nhistory_days = 3\nendpoints = {{ {addresses} }}\n"
    )


def test_projects_become_inventory_activity_and_reads(google: FakeGoogle, workspace: Workspace) -> None:
    """The whole way, as a user goes it: two runs on one day, one on the next."""
    google.page_size = 2
    (workspace.folder / "finops.toml").write_text(toml(google))
    run = workspace.finops("--today", f"{TODAY}", "collect", "--json")
    assert run.exit_code == 0, run.err

    def one(sql: str) -> Any:
        (row,) = workspace.query(sql)
        return row

    ids = {row[0] for row in workspace.query("SELECT resource_id FROM inventory.resources")}
    vertex = f"//aiplatform.googleapis.com/projects/{ML}/locations"
    compute = f"//compute.googleapis.com/projects/{ML}"
    assert ids == {
        f"{vertex}/us-central1/endpoints/111", f"{vertex}/europe-west4/endpoints/222",
        f"{vertex}/us-central1/customJobs/301", f"{vertex}/us-central1/customJobs/302",
        f"{vertex}/us-central1/trainingPipelines/311", f"{vertex}/us-central1/pipelineJobs/nightly-1",
        f"{vertex}/us-central1/hyperparameterTuningJobs/321", f"{vertex}/us-central1/batchPredictionJobs/331",
        f"{vertex}/us-central1/featurestores/fs", f"{vertex}/us-central1/featureOnlineStores/fos",
        f"{vertex}/us-central1/indexEndpoints/401",
        f"//notebooks.googleapis.com/projects/{ML}/locations/us-central1-a/instances/wb-1",
        f"//notebooks.googleapis.com/projects/{ML}/locations/us-central1-b/instances/wb-2",
        f"//notebooks.googleapis.com/projects/{ML}/locations/us-central1-c/instances/wb-3",
        f"//tpu.googleapis.com/projects/{ML}/locations/us-central2-b/nodes/tpu-1",
        f"//tpu.googleapis.com/projects/{OTHER}/locations/us-central2-b/nodes/tpu-9",
        f"{compute}/zones/us-central1-a/instances/gpu-1", f"{compute}/zones/us-central1-a/reservations/held",
        f"{compute}/zones/us-central1-b/disks/left", f"{compute}/global/snapshots/snap",
    }  # fmt: skip
    about = "resource_name, resource_type, account_id, region, state, created_at::VARCHAR, changed_at::VARCHAR, tags['team']"
    assert one(f"SELECT {about} FROM inventory.resources WHERE resource_id LIKE '%/endpoints/111'") == (
        "chat", "aiplatform.googleapis.com/Endpoint", ML, "us-central1", None, "2026-09-01 08:00:00.123457", "2026-09-02 08:00:00", "search",
    )  # fmt: skip
    assert one(f"SELECT {about} FROM inventory.resources WHERE resource_id LIKE '%/gpu-1'") == (
        "gpu-1", "compute.googleapis.com/Instance", ML, "us-central1", "RUNNING", "2026-09-01 08:00:00", "2026-10-01 08:00:00", "vision",
    )  # fmt: skip

    def properties(name: str) -> dict[str, Any]:
        return dict(json.loads(one(f"SELECT properties FROM inventory.resources WHERE resource_id LIKE '%/{name}'")[0]))

    chat = properties("endpoints/111")
    assert chat["Aliases"] == [f"{vertex}/us-central1/endpoints/111".replace(ML, NUMBERS[ML])]
    assert chat["DeployedModels"][0] == {
        "Id": "900", "Model": f"projects/{NUMBERS[ML]}/locations/us-central1/models/7", "Index": None, "Name": None,
        "CreatedAt": MADE, "MachineType": "g2-standard-12", "AcceleratorType": "NVIDIA_L4", "AcceleratorCount": 1,
        "MinReplicaCount": 1, "MaxReplicaCount": 4, "Spot": None, "SharedResources": None,
    }  # fmt: skip
    assert (chat["DeployedModels"][1]["MachineType"], chat["DeployedModels"][1]["MinReplicaCount"]) == (None, 1)
    assert properties("endpoints/222")["DeployedModels"] == []
    job = properties("customJobs/301")
    assert (job["Family"], job["MachineType"], job["AcceleratorCount"], job["ReplicaCount"], job["Spot"]) == (
        "train-bert", "a2-highgpu-1g", 1, 4, True,
    )  # fmt: skip
    failed = properties("customJobs/302")
    assert (failed["Family"], failed["FailureReason"], failed["EndedAt"], failed["Spot"]) == (
        "train", "OOM", "2026-11-19T06:00:00Z", False,
    )  # fmt: skip
    assert properties("trainingPipelines/311")["MachineType"] == "a2-highgpu-1g"
    assert "MachineType" not in properties("pipelineJobs/nightly-1")
    assert properties("batchPredictionJobs/331")["ReplicaCount"] == 2
    assert (properties("featurestores/fs")["NodeCount"], properties("featureOnlineStores/fos")["NodeCount"]) == (2, 1)
    assert properties("indexEndpoints/401")["DeployedIndexes"][0]["Index"] == "projects/1/…/indexes/5"
    workbench = properties("instances/wb-1")
    assert (workbench["IdleShutdown"], workbench["AcceleratorType"], workbench["AcceleratorCount"], workbench["MachineType"]) == (
        False, "NVIDIA_TESLA_T4", 1, "n1-standard-8",
    )  # fmt: skip
    # its machine is billed as Compute Engine's, with numbers for names
    assert f"//compute.googleapis.com/projects/{NUMBERS[ML]}/zones/us-central1-a/instances/6002" in workbench["Aliases"]
    assert (properties("wb-2")["IdleShutdown"], properties("wb-2")["IdleTimeoutSeconds"]) == (True, 10800)
    assert "IdleShutdown" not in properties("wb-3"), "nobody knows: its metadata is not there"
    gpu = properties("gpu-1")
    assert (gpu["MachineType"], gpu["GpuType"], gpu["GpuCount"], gpu["Spot"]) == (
        "a2-highgpu-2g",
        "nvidia-tesla-a100",
        2,
        True,
    )
    assert sorted(gpu["Aliases"]) == sorted(
        f"//compute.googleapis.com/projects/{project}/zones/us-central1-a/instances/{name}"
        for project, name in ((ML, "6001"), (NUMBERS[ML], "gpu-1"), (NUMBERS[ML], "6001"))
    )
    assert (properties("tpu-1")["AcceleratorType"], properties("tpu-1")["Workers"]) == ("v4-8", ["10.0.0.2"])
    held = properties("held")
    assert (held["InstanceCount"], held["InUseCount"], held["GpuCount"], held["MachineType"]) == (
        4,
        1,
        2,
        "a2-highgpu-1g",
    )
    left = properties("left")
    assert (left["SizeGiB"], left["VolumeType"], left["AttachedTo"]) == (500, "pd-ssd", [])
    assert properties("snap")["SourceDisk"] == f"{compute}/zones/us-central1-b/disks/left"

    def daily(metric: str, statistic: str) -> list[tuple[Any, ...]]:
        return workspace.query(
            "SELECT regexp_extract(resource_id, '[^/]+$'), part, day(day), value::DOUBLE, unit, samples FROM utilisation.daily "
            f"WHERE metric LIKE '%{metric}' AND statistic = '{statistic}' ORDER BY ALL"
        )

    # the 17th's first minutes, and the 19th's last; midnight itself belongs to the day before
    assert daily("request_count", "Sum") == [("111", None, 17, 3.0, "Count", 1), ("111", None, 19, 13.0, "Count", 1)]
    # a share of one is a percentage once; the mean of two replicas and the greatest
    assert daily("duty_cycle", "Average")[0] == ("111", "900", 18, 50.0, "Percent", 24)
    assert daily("duty_cycle", "Maximum")[0] == ("111", "900", 18, 75.0, "Percent", 24)
    assert daily("prediction_count", "Sum") == [("999", None, 18, 4.0, "Count", 1)], "the endpoint has been deleted"
    assert daily("training/accelerator/utilization", "Maximum") == [("301", None, 19, 50.0, "Percent", 1)]
    assert daily("gpu/utilization", "Average") == [
        ("gpu-1", "0", 19, 80.0, "Percent", 1),
        ("gpu-1", "1", 19, 0.0, "Percent", 1),
    ]
    assert daily("instance/cpu/utilization", "Average") == [
        ("gpu-1", None, 19, 12.5, "Percent", 1),
        ("wb-1", None, 19, 12.5, "Percent", 1),
    ]
    assert daily("duty_cycle", "Maximum")[1:] == [("tpu-1", "tpu-1-w-0", 19, 60.0, "Percent", 1)], (
        "the other names no node"
    )
    reads = workspace.query(
        "SELECT account_id, coalesce(region, ''), service, covers, outcome FROM inventory.reads ORDER BY ALL"
    )
    assert reads == [
        (ML, "", "compute", "inventory", "complete"), (ML, "", "monitoring", "metrics", "complete"),
        (ML, "", "notebooks", "inventory", "complete"), (ML, "", "tpu", "inventory", "complete"),
        (ML, "europe-west4", "aiplatform", "inventory", "complete"), (ML, "us-central1", "aiplatform", "inventory", "complete"),
        (OTHER, "", "compute", "inventory", "complete"), (OTHER, "", "monitoring", "metrics", "complete"),
        (OTHER, "", "notebooks", "inventory", "empty"), (OTHER, "", "tpu", "inventory", "complete"),
        (OTHER, "us-central1", "aiplatform", "inventory", "empty"),
    ]  # fmt: skip

    # nothing is written anywhere, and nothing that is secret or personal is kept
    assert {each.method for each in google.calls} == {"GET"}
    landing = b"".join(each.read_bytes() for each in (workspace.folder / "landing").rglob("*") if each.is_file())
    assert b"train-bert" in landing
    assert b"a secret" not in landing
    assert b"someone@" not in landing

    # the same day again: lists, but no metrics; the same bytes are no further delivery
    loads = one("SELECT count(*) FROM ops.loads")
    google.calls.clear()
    again = workspace.finops("--today", f"{TODAY}", "collect", "--json")
    assert again.exit_code == 0, again.err
    assert google.asked("/instances$")
    assert not google.asked("/timeSeries$")
    assert one("SELECT count(*) FROM ops.loads") == loads

    # the next day: what is gone is gone, and the last days are asked for
    google.remove(ML, "endpoints", "222")
    google.remove(OTHER, "nodes", "tpu-9")  # the last: its list is now as empty as others of the project were before
    google.calls.clear()
    later = workspace.finops("--today", "2026-11-21", "collect", "--json")
    assert later.exit_code == 0, later.err
    spans = {
        (each.params["interval.startTime"][0], each.params["interval.endTime"][0])
        for each in google.asked("/timeSeries$")
    }
    assert spans == {("2026-11-18T00:00:00Z", "2026-11-21T00:00:00Z")}
    assert daily("request_count", "Sum") == [
        ("111", None, 17, 3.0, "Count", 1),
        ("111", None, 19, 13.0, "Count", 1),
        ("111", None, 20, 100.0, "Count", 1),
    ]
    assert not workspace.query("SELECT 1 FROM inventory.resources WHERE resource_name IN ('empty', 'tpu-9')")


# --- what goes wrong ----------------------------------------------------------------------------------------------------


def test_denied_is_never_empty(google: FakeGoogle, tmp_path: Path) -> None:
    """A project that denies everything beside one that does not; a list, metrics and zones that do not come."""
    google.deny(f"/projects/{OTHER}")
    run = Run(collector(google, projects=[OTHER, ML]), tmp_path)
    assert {each.outcome for each in run.listing.troubles} == {Outcome.DENIED}
    assert {each.where for each in run.listing.troubles} == {
        f"project {OTHER}, {service}" for service in ("aiplatform", "notebooks", "tpu", "compute")
    }
    step = f"Grant the identity aiplatform.locations.list (roles/aiplatform.viewer has it) on project {OTHER}."
    assert run.listing.troubles[0].next_step == step
    assert run.read("aiplatform", OTHER)[::2] == ("denied", step)
    outcome, what, step = run.read("monitoring", OTHER)
    assert outcome == "denied"
    assert what.startswith("monitoring.timeSeries.list was denied")
    assert "roles/monitoring.viewer" in step
    assert [trouble.outcome for trouble in run.troubles] == [Outcome.DENIED]
    assert len(google.asked(f"{OTHER}/timeSeries")) == 1, "one denial is enough"
    assert [each for each in run.lines if OTHER in each] == []
    assert run.read("compute")[0] == run.read("monitoring")[0] == "complete"
    assert any("number" in note for note in run.listing.notes)


def test_an_unread_part_keeps_the_old_inventory_and_says_so(google: FakeGoogle, tmp_path: Path) -> None:
    google.unreachable = {"us-central1-b"}
    google.deny("/europe-west4/featurestores")
    google.fail(404, "/europe-west4/indexEndpoints")
    run = Run(collector(google), tmp_path)
    told = {each.where: (each.outcome, each.what) for each in run.listing.troubles}
    denied = "aiplatform.featurestores.list was denied: Permission denied on resource (or it may not exist)."
    lists = [f"compute.{each}.list could not reach us-central1-b" for each in ("instances", "reservations", "disks")]
    assert told == {
        f"project {ML}, aiplatform in europe-west4": (Outcome.INCOMPLETE, denied),
        f"project {ML}, notebooks": (Outcome.INCOMPLETE, "notebooks.instances.list could not reach us-central1-b"),
        f"project {ML}, tpu": (Outcome.INCOMPLETE, "tpu.nodes.list could not reach us-central1-b"),
        f"project {ML}, compute": (Outcome.INCOMPLETE, "; ".join(lists)),
    }
    assert not [each for each in run.lines if each.startswith("gcp-inventory")]
    assert run.read("aiplatform", region="us-central1")[0] == "complete"
    assert run.read("aiplatform", region="europe-west4")[0] == "incomplete"
    # what is known of Vertex AI came; what machines did cannot be told, and is asked for again
    assert run.read("monitoring")[0] == "complete"
    assert [run.read(each, covers="metrics")[0] for each in ("compute", "notebooks")] == ["incomplete", "incomplete"]
    measured = {each["resource_id"].rpartition("/")[2] for each in run.lines[f"monitoring://{ML}/{TODAY}"]}
    assert {"111", "301"} < measured
    google.works_again()
    again = Run(collector(google), tmp_path / "again", known=run.known)
    assert not again.listing.troubles
    assert again.read("monitoring")[0] == "complete"
    assert {each["service"] for each in again.lines["gcp-utilisation://gcp/reads"] if each["covers"] == "metrics"} == {
        "monitoring"
    }
    assert "gpu-1" in {each["resource_id"].rpartition("/")[2] for each in again.lines[f"monitoring://{ML}/{TODAY}"]}


def test_an_api_that_is_not_enabled_has_nothing_and_misses_nothing(google: FakeGoogle, tmp_path: Path) -> None:
    google.disable(ML, "tpu", "/nodes$")
    google.disable(ML, "aiplatform", "^/v1/")
    google.disable(ML, "monitoring", "/timeSeries$")
    run = Run(collector(google), tmp_path)
    assert not run.listing.troubles
    assert [each.key for each in run.listing.offers] == [
        f"gcp-inventory://{ML}/notebooks", f"gcp-inventory://{ML}/compute", f"monitoring://{ML}/{TODAY}", "gcp-utilisation://gcp/reads",
    ]  # fmt: skip
    assert run.read("tpu")[0] == run.read("aiplatform")[0] == "unsupported"
    # but without Cloud Monitoring, what is there is not measured
    assert run.read("monitoring") == (
        "unsupported",
        f"the API is not enabled in project {ML}",
        "Enable the API: 'gcloud services enable monitoring.googleapis.com'.",
    )
    assert [each.outcome for each in run.troubles] == [Outcome.DENIED]


def test_what_one_list_lacks_does_not_stop_the_others(google: FakeGoogle, tmp_path: Path) -> None:
    """A list that fails is no reason not to ask for the next; one that a location does not have is no hole."""
    google.fail(400, "us-central1/customJobs$", "Request contains an invalid argument.")
    google.fail(400, "europe-west4/featurestores$", "Feature store is not supported in this location.")
    google.fail(
        400,
        "token_count",
        "The supplied filter does not specify a valid combination of metric and monitored resource descriptors.",
    )
    run = Run(collector(google), tmp_path)
    (trouble,) = run.listing.troubles
    assert trouble.where == f"project {ML}, aiplatform in us-central1"
    assert run.read("aiplatform", region="us-central1")[:2] == (
        "incomplete", "aiplatform.customJobs.list could not be read: Request contains an invalid argument.",
    )  # fmt: skip
    assert run.read("aiplatform", region="europe-west4")[0] == run.read("monitoring")[0] == "complete"
    assert len(google.asked("^/v1/.*europe-west4/")) == len(google.asked("^/v1/.*us-central1/")) == 9


def test_many_metrics_are_several_files(
    google: FakeGoogle, tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Run(collector(google), tmp_path / "whole").lines[f"monitoring://{ML}/{TODAY}"]
    monkeypatch.setattr("finops.collectors.gcp.utilisation.ROWS", 10)
    parts = Run(collector(google), tmp_path / "parts").lines[f"monitoring://{ML}/{TODAY}"]
    assert len(whole) > 30
    assert {*map(str, parts)} == {*map(str, whole)}
    (folder,) = {each.parent for each in tmp_path.glob("parts/*/metrics-00002.parquet")}
    assert workspace.finops("load", folder, "--source", "gcp").exit_code == 0
    assert workspace.query(
        "SELECT sum(samples) FROM utilisation.daily WHERE statistic IN ('Sum', 'Average', 'Maximum')"
    ) == [(len(whole) - 1,)], "all but the row that says whose they are"


def test_throttling_passes_or_the_read_has_failed(google: FakeGoogle, tmp_path: Path) -> None:
    google.throttle("/endpoints$", times=1, Retry_After="0")
    google.throttle("duty_cycle", times=1)
    run = Run(collector(google, deadline=20), tmp_path)
    assert not run.listing.troubles + run.troubles
    assert len(google.asked("us-central1/endpoints$")) + len(google.asked("europe-west4/endpoints$")) == 3
    google.throttle("/nodes$")
    google.throttle("/locations/[^/]+/(?!nodes|instances)")
    google.throttle("cpu/utilization")
    google.calls.clear()
    run = Run(collector(google), tmp_path / "again")
    assert {each.outcome for each in run.listing.troubles} == {Outcome.FAILED}
    services = ("aiplatform in europe-west4, us-central1", "tpu")
    assert [each.where for each in run.listing.troubles] == [f"project {ML}, {each}" for each in services]
    assert (
        run.read("tpu")[0] == run.read("monitoring")[0] == run.read("aiplatform", region="us-central1")[0] == "failed"
    )
    assert len({each.path for each in google.asked("^/v1/.*/locations/")}) < 18, (
        "of those that waited, no more are asked"
    )
    assert f"monitoring://{ML}/{TODAY}" not in run.known
    assert run.read("compute")[0] == "complete"


def test_days_that_did_not_come_whole_are_asked_for_again(google: FakeGoogle, tmp_path: Path) -> None:
    """From the last whole ones on: not more, and not less."""
    first = Run(collector(google, history_days=31), tmp_path / "first")
    google.broken = {"agent.googleapis.com/gpu/utilization"}
    second = Run(collector(google, history_days=31), tmp_path / "second", TODAY + timedelta(days=1), first.known)
    assert [each.outcome for each in second.troubles] == [Outcome.INCOMPLETE]
    assert second.read("monitoring")[0] == "incomplete"
    google.works_again()
    google.calls.clear()
    third = Run(collector(google, history_days=31), tmp_path / "third", TODAY + timedelta(days=4), second.known)
    assert {each.params["interval.startTime"][0] for each in google.asked("/timeSeries$")} == {"2026-11-18T00:00:00Z"}
    assert third.read("monitoring")[0] == "complete"


def test_nobody_is_signed_in(google: FakeGoogle, tmp_path: Path) -> None:
    """Each read has expired, none is empty, and nothing more is asked."""
    google.fail(401, "", "Request had invalid authentication credentials.")
    run = Run(collector(google), tmp_path)
    assert {each.outcome for each in run.listing.troubles} == {Outcome.EXPIRED}
    assert {run.read(service)[0] for service in ("aiplatform", "compute", "monitoring")} == {"expired"}
    assert not google.asked("/timeSeries$")
    assert [each.key for each in run.listing.offers] == ["gcp-utilisation://gcp/reads"]


def test_a_project_that_is_not_there(google: FakeGoogle, tmp_path: Path) -> None:
    google.fail(404, "/compute/", "The resource 'projects/acme-ml' was not found")
    run = Run(collector(google), tmp_path)
    assert run.read("compute")[0] == "missing"
    google.works_again()
    google.fail(404, "/timeSeries", "The project was not found.")
    run = Run(collector(google), tmp_path / "again")
    assert run.read("monitoring")[0] == "missing"


def test_a_key_is_exchanged_for_a_token_and_nothing_else_is_sent(google: FakeGoogle, tmp_path: Path) -> None:
    with GoogleKey() as key:
        (tmp_path / "key.json").write_text(key.content)
        place = f"file:{tmp_path / 'key.json'}"
        run = Run(collector(google, anonymous=False, credentials=place, locations=["us-central1"]), tmp_path / "run")
    assert not run.listing.troubles + run.troubles
    assert {(each.method, each.authorization) for each in google.calls} == {("GET", f"Bearer {TOKEN}")}
    assert not google.asked("/locations$"), "they are configured"
    assert not google.asked("europe-west4")


def test_without_the_projects_number_vertex_ai_says_it(google: FakeGoogle, tmp_path: Path) -> None:
    google.deny("/v3/projects/[^/]*$")
    run = Run(collector(google), tmp_path)
    assert not run.listing.notes
    assert {each["projectNumber"] for each in run.lines[f"gcp-inventory://{ML}/compute"]} == {NUMBERS[ML]}


def test_a_dry_run_asks_for_no_metrics(google: FakeGoogle) -> None:
    listing = collector(google).look(Request(date(2026, 8, 1), date(2026, 12, 1), TODAY, dry=True))
    assert not google.asked("/timeSeries$")
    notes = {each.key: each.note for each in listing.offers}
    assert notes[f"monitoring://{ML}/{TODAY}"].startswith("3 days, ")
    assert notes[f"gcp-inventory://{ML}/compute"] == "4 resources"


# --- doctor ---------------------------------------------------------------------------------------------------------------


def test_the_least_privilege(google: FakeGoogle) -> None:
    """What the calls that are made need: no more, and no less."""
    needed = collector(google).permissions()
    assert {each.action for each in needed if not each.optional} == {
        *(f"aiplatform.{each}.list" for each in (
            "locations", "endpoints", "customJobs", "trainingPipelines", "pipelineJobs", "hyperparameterTuningJobs",
            "batchPredictionJobs", "featurestores", "featureOnlineStores", "indexEndpoints",
        )),
        "notebooks.instances.list", "tpu.nodes.list", "monitoring.timeSeries.list",
        *(f"compute.{each}.list" for each in ("instances", "reservations", "disks", "snapshots")),
    }  # fmt: skip
    assert [each.action for each in needed if each.optional] == ["resourcemanager.projects.get"]
    assert {each.resource for each in needed} == {f"project {ML}"}
    assert "aiplatform.locations.list" not in {
        each.action for each in collector(google, locations=["us-central1"]).permissions()
    }


def test_doctor_tries_each_service(google: FakeGoogle) -> None:
    google.deny("/nodes$")
    google.deny("/timeSeries$")
    google.disable(ML, "notebooks", "/v2/.*/instances$")
    found = {
        each.check: each for each in collector(google).examine(Request(date(2026, 8, 1), date(2026, 12, 1), TODAY))
    }
    assert {check: each.verdict for check, each in found.items()} == {
        "identity": Verdict.OK, f"{ML}, aiplatform": Verdict.OK, f"{ML}, notebooks": Verdict.OK,
        f"{ML}, tpu": Verdict.FAILED, f"{ML}, compute": Verdict.OK, f"{ML}, monitoring": Verdict.FAILED,
    }  # fmt: skip
    assert "roles/tpu.viewer" in found[f"{ML}, tpu"].next_step
    assert "roles/monitoring.viewer" in found[f"{ML}, monitoring"].next_step
