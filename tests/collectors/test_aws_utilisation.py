"""What AWS accounts have and do: everything is read, nothing is changed, and what could not be read is never taken for nothing."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pytest
from conftest import Workspace
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from finops.collectors.aws.inventory_sagemaker import stops_itself
from finops.collectors.aws.utilisation import AwsUtilisationCollector
from finops.collectors.interface import Fetched, Listing, Outcome, Request, Trouble, Verdict
from finops.config.sources import AwsUtilisation
from finops.pipeline.loading import Loader
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import connect
from finops.warehouse.landing import Landing
from finops.warehouse.schema import migrate
from tests.collectors.fakes.aws_fleet import ACCOUNT, FakeFleet

TODAY = date(2026, 10, 20)
MADE = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
HOUR = datetime(2026, 10, 19, 7, tzinfo=UTC)
OTHER = "210987654321"
ROLE = f"arn:aws:iam::{OTHER}:role/finops-read"
READ_ONLY = re.compile(r"\w[\w-]*:(?:List|Describe|Get|BatchGet)\w+|sts:AssumeRole")


@pytest.fixture(scope="module")
def server() -> Iterator[FakeFleet]:
    with FakeFleet() as fake:
        yield fake


@pytest.fixture
def fleet(server: FakeFleet, monkeypatch: pytest.MonkeyPatch) -> FakeFleet:
    server.reset()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


SOURCES: dict[str, AwsUtilisation] = {}
"""By their settings: the SDK's clients, which take long to make, are kept by source."""


def collector(**options: Any) -> AwsUtilisationCollector:
    source = AwsUtilisation(type="aws-utilisation", **{"deadline": 20, **options})
    return AwsUtilisationCollector("activity", SOURCES.setdefault(repr(options), source), Path())


def request(day: date = TODAY, known: dict[str, Fetched] | None = None, *, dry: bool = False) -> Request:
    return Request(date(2026, 10, 1), date(2026, 11, 1), day, known or {}, dry)


class Run:
    """One look, and all offers fetched; what a run of the pipeline does."""

    def __init__(self, folder: Path, each: AwsUtilisationCollector, asked: Request) -> None:
        self.troubles: list[Trouble] = []
        self.listing: Listing = each.look(asked)
        self.known = dict(asked.known)
        self.folders: dict[str, Path] = {}
        for number, offer in enumerate(self.listing.offers):
            held = asked.known.get(offer.key)
            if held and held.version == offer.version != "":
                continue
            place = folder / f"{asked.today}-{number}"
            place.mkdir(parents=True)
            try:
                each.fetch(offer, (), place, lambda name, size: None)
            except Trouble as trouble:
                self.troubles.append(trouble)
                continue
            self.folders[offer.key] = place
            files = {path.name: ("", path) for path in place.iterdir()}
            self.known[offer.key] = Fetched(offer.version, datetime.now(tz=UTC), files)

    def lines(self, service: str, *, account: str = ACCOUNT, region: str = "us-east-1") -> list[dict[str, Any]]:
        """The inventory of a service."""
        path = self.folders[f"aws-inventory://{account}/{region}/{service}"] / "inventory.jsonl"
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [each for each in found if each["id"]]

    def reads(self) -> dict[tuple[str, str, str], str]:
        """The outcome by region, service and what it covers."""
        path = self.folders["aws-utilisation://activity/reads"] / "reads.jsonl"
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {(each["region"], each["service"], each["covers"]): each["outcome"] for each in found}

    def hours(self) -> pl.DataFrame:
        """All that was measured."""
        paths = [
            path for key, each in self.folders.items() if key.startswith("cloudwatch://") for path in each.iterdir()
        ]
        return pl.concat([pl.read_parquet(path) for path in paths])


def fill(fleet: FakeFleet, *, account: str = ACCOUNT, region: str = "us-east-1") -> None:
    """Some of everything, more than a page of most."""
    place = {"account": account, "region": region}

    def arn(kind: str, name: str, service: str = "sagemaker") -> str:
        return f"arn:aws:{service}:{region}:{account}:{kind}/{name.lower()}"

    for name in ("Ranker", "reader", "Writer"):
        fleet.endpoint(name, "ml.g5.12xlarge" if name == "Ranker" else "ml.m5.large", "blue", "Green", **place)
    fleet.endpoint("batch", "ml.g4dn.xlarge", is_async=True, **place)
    fleet.endpoint(
        "small", None, serverless={"MemorySizeInMB": 2048, "MaxConcurrency": 5, "ProvisionedConcurrency": 2}, **place
    )
    shared = fleet.endpoint("shared", "ml.g5.xlarge", model=None, **place)
    for name in ("Chat", "Embed", "rerank"):
        fleet.put("InferenceComponent", {
            "InferenceComponentName": name, "InferenceComponentArn": arn("inference-component", name), "EndpointName": "shared",
            "EndpointArn": shared, "VariantName": "AllTraffic", "InferenceComponentStatus": "InService", "CreationTime": MADE,
            "LastModifiedTime": MADE, "RuntimeConfig": {"DesiredCopyCount": 2, "CurrentCopyCount": 2}}, **place)  # fmt: skip
    fleet.put("ScalableTarget", {
        "ServiceNamespace": "sagemaker", "ResourceId": "endpoint/Ranker/variant/blue", "MinCapacity": 2, "MaxCapacity": 9,
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount", "RoleARN": "r", "CreationTime": MADE}, **place)  # fmt: skip
    stops = base64.b64encode(b"#!/bin/bash\nIDLE=3600\npython autostop.py --time $IDLE\n").decode()
    fleet.put("Lifecycle", {"NotebookInstanceLifecycleConfigName": "stops", "OnStart": [{"Content": stops}]}, **place)
    for name, config in (("Alone", None), ("polite", "stops"), ("gone", "deleted")):
        fleet.put("NotebookInstance", {
            "NotebookInstanceName": name, "NotebookInstanceArn": arn("notebook-instance", name), "InstanceType": "ml.g4dn.xlarge",
            "NotebookInstanceStatus": "InService", "VolumeSizeInGB": 50, "CreationTime": MADE, "LastModifiedTime": MADE,
            **({"NotebookInstanceLifecycleConfigName": config} if config else {})}, **place)  # fmt: skip
    idle = {"AppLifecycleManagement": {"IdleSettings": {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": 60}}}
    times = {"CreationTime": MADE, "LastModifiedTime": MADE}
    fleet.put("Domain", {
        "DomainId": "d-1", "DomainArn": arn("domain", "d-1"), "DomainName": "lab", "Status": "InService",
        "HomeEfsFileSystemId": "fs-1", "DefaultUserSettings": {"JupyterLabAppSettings": idle}, **times}, **place)  # fmt: skip
    fleet.put("UserProfile", {
        "DomainId": "d-1", "UserProfileName": "ada", "UserProfileArn": arn("user-profile", "d-1/ada"), "Status": "InService",
        **times}, **place)  # fmt: skip
    fleet.put("Space", {
        "DomainId": "d-1", "SpaceName": "Notes", "SpaceArn": arn("space", "d-1/Notes"), "Status": "InService",
        "OwnershipSettingsSummary": {"OwnerUserProfileName": "ada"}, **times}, **place)  # fmt: skip
    app = {"DomainId": "d-1", "AppType": "JupyterLab", "Status": "InService", "CreationTime": MADE}
    for name, owner in (("default", {"SpaceName": "Notes"}), ("old", {"UserProfileName": "ada"})):
        fleet.put("App", {
            **app, **owner, "AppName": name, "AppArn": arn("app", f"d-1/{name}"), "ResourceSpec": {"InstanceType": "ml.g5.xlarge"},
            "LastUserActivityTimestamp": HOUR, "LastHealthCheckTimestamp": HOUR}, **place)  # fmt: skip
    fleet.put("App", {**app, "AppName": "dead", "Status": "Deleted", "UserProfileName": "ada", "AppArn": "x"}, **place)
    for name, state, ended in (
        ("Ranker-2026-10-18-01-02-03-444", "Completed", HOUR), ("ranker-2025", "Completed", MADE), ("long", "InProgress", None),
    ):  # fmt: skip
        fleet.put("TrainingJob", {
            "TrainingJobName": name, "TrainingJobArn": arn("training-job", name), "TrainingJobStatus": state,
            "CreationTime": MADE, "LastModifiedTime": ended or MADE, "TrainingStartTime": MADE, "EnableManagedSpotTraining": False,
            "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1, "KeepAlivePeriodInSeconds": 600},
            "BillableTimeInSeconds": 60, "TrainingTimeInSeconds": 90, "FailureReason": "out of memory",
            "WarmPoolStatus": {"Status": "Available", "ResourceRetainedBillableTimeInSeconds": 500},
            "HyperParameters": {"password": "hunter2"}, "Environment": {"TOKEN": "hunter2"},
            **({"TrainingEndTime": ended} if ended else {})}, **place)  # fmt: skip
    for kind, start, end, cluster in (
        ("ProcessingJob", "ProcessingStartTime", "ProcessingEndTime", "ProcessingResources"),
        ("TransformJob", "TransformStartTime", "TransformEndTime", "TransformResources"),
    ):
        size = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
        fleet.put(kind, {
            f"{kind}Name": "Nightly-20261019", f"{kind}Arn": arn(kind.lower(), "Nightly"), f"{kind}Status": "Failed",
            "CreationTime": MADE, "LastModifiedTime": HOUR, start: MADE, end: HOUR,
            cluster: {"ClusterConfig": size} if kind == "ProcessingJob" else size}, **place)  # fmt: skip
    fleet.put("HyperParameterTuningJob", {
        "HyperParameterTuningJobName": "search", "HyperParameterTuningJobArn": arn("hyper-parameter-tuning-job", "search"),
        "HyperParameterTuningJobStatus": "Completed", "LastModifiedTime": HOUR, "CreationTime": MADE,
        "TrainingJobDefinition": {"ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}}}, **place)  # fmt: skip
    group = {"InstanceGroupName": "workers", "InstanceType": "ml.p5.48xlarge", "CurrentCount": 3, "TargetCount": 4}
    fleet.put("Cluster", {
        "ClusterName": "pod", "ClusterArn": arn("cluster", "abc"), "ClusterStatus": "InService", "CreationTime": MADE,
        "InstanceGroups": [group]}, **place)  # fmt: skip
    for number in range(3):
        fleet.put("ClusterNode", {"ClusterName": "pod", "InstanceId": f"i-node{number}"}, **place)
    fleet.put("TrainingPlan", {
        "TrainingPlanName": "ahead", "TrainingPlanArn": arn("training-plan", "ahead"), "Status": "Active", "StartTime": MADE,
        "EndTime": HOUR, "TotalInstanceCount": 4, "AvailableInstanceCount": 4, "InUseInstanceCount": 0,
        "ReservedCapacitySummaries": [{"InstanceType": "ml.p5.48xlarge", "Status": "Active"}]}, **place)  # fmt: skip
    fleet.put("FeatureGroup", {
        "FeatureGroupName": "Users", "FeatureGroupArn": arn("feature-group", "users"), "FeatureGroupStatus": "Created",
        "OnlineStoreConfig": {"EnableOnlineStore": True}, **times}, **place)  # fmt: skip
    fleet.put("Model", {
        "ModelName": "Model", "ModelArn": arn("model", "model"), "CreationTime": MADE,
        "PrimaryContainer": {"ModelDataUrl": "s3://models/1.tar.gz", "Environment": {"TOKEN": "hunter2"}}}, **place)  # fmt: skip
    for number in range(3):
        fleet.put("Throughput", {
            "provisionedModelName": f"pt{number}", "provisionedModelArn": arn("provisioned-model", f"pt{number}", "bedrock"),
            "modelArn": "m", "foundationModelArn": "f", "modelUnits": 1, "desiredModelUnits": 1, "status": "InService",
            "commitmentDuration": "OneMonth", "commitmentExpirationTime": HOUR, "creationTime": MADE, "lastModifiedTime": MADE,
            "desiredModelArn": "m"}, **place)  # fmt: skip
    fleet.put("CustomModel", {
        "modelName": "tuned", "modelArn": arn("custom-model", "tuned", "bedrock"), "creationTime": MADE, "baseModelArn": "b",
        "baseModelName": "b", "customizationType": "FINE_TUNING", "modelStatus": "Active"}, **place)  # fmt: skip
    fleet.put("ImportedModel", {
        "modelName": "own", "modelArn": arn("imported-model", "own", "bedrock"), "creationTime": MADE, "modelArchitecture": "llama"},
        **place)  # fmt: skip
    for number, kind in enumerate(("g5.12xlarge", "trn1.32xlarge", "p4d.24xlarge", "m5.large")):
        fleet.put("Instance", {
            "InstanceId": f"i-{number}", "InstanceType": kind, "LaunchTime": HOUR, "State": {"Name": "running"},
            "InstanceLifecycle": "spot" if number == 1 else None, "Tags": [{"Key": "Name", "Value": f"gpu {number}"}],
            "NetworkInterfaces": [{"Attachment": {"AttachTime": MADE}}]}, **place)  # fmt: skip
    fleet.put("CapacityReservation", {
        "CapacityReservationId": "cr-1", "CapacityReservationArn": arn("capacity-reservation", "cr-1", "ec2"), "State": "active",
        "InstanceType": "p5.48xlarge", "TotalInstanceCount": 2, "AvailableInstanceCount": 1, "CreateDate": MADE}, **place)  # fmt: skip
    for number in range(3):
        attached = [{"InstanceId": "i-0", "VolumeId": "vol-0"}] if number == 0 else []
        fleet.put("Volume", {
            "VolumeId": f"vol-{number}", "State": "in-use" if attached else "available", "Size": 100, "VolumeType": "gp3",
            "CreateTime": MADE, "Attachments": attached, "Tags": [{"Key": "team", "Value": "ml"}]}, **place)  # fmt: skip
    fleet.put(
        "Snapshot",
        {"SnapshotId": "snap-1", "VolumeId": "vol-9", "VolumeSize": 8, "StartTime": MADE, "State": "completed"},
        **place,
    )
    domain = [{"Key": "ManagedByAmazonSageMakerResource", "Value": arn("domain", "d-1")}]
    fleet.put("FileSystem", {
        "FileSystemId": "fs-1", "FileSystemArn": arn("file-system", "fs-1", "elasticfilesystem"), "LifeCycleState": "available",
        "CreationTime": MADE, "SizeInBytes": {"Value": 6144}, "NumberOfMountTargets": 2, "Tags": domain, "OwnerId": account,
        "CreationToken": "t", "PerformanceMode": "generalPurpose"}, **place)  # fmt: skip
    for name in ("ranker", "reader", "writer"):
        tags = [{"Key": "team", "Value": name}]
        fleet.put("Tagged", {"ResourceARN": arn("endpoint", name), "Tags": tags}, **place)


COUNTS = {
    "AWS::Bedrock::CustomModel": 1, "AWS::Bedrock::ImportedModel": 1, "AWS::Bedrock::ProvisionedModelThroughput": 3,
    "AWS::EC2::CapacityReservation": 1, "AWS::EC2::Instance": 3, "AWS::EC2::Snapshot": 1, "AWS::EC2::Volume": 3,
    "AWS::EFS::FileSystem": 1, "AWS::SageMaker::App": 2, "AWS::SageMaker::Cluster": 1, "AWS::SageMaker::Domain": 1,
    "AWS::SageMaker::Endpoint": 6, "AWS::SageMaker::FeatureGroup": 1, "AWS::SageMaker::HyperParameterTuningJob": 1,
    "AWS::SageMaker::InferenceComponent": 3, "AWS::SageMaker::Model": 1, "AWS::SageMaker::NotebookInstance": 3,
    "AWS::SageMaker::ProcessingJob": 1, "AWS::SageMaker::Space": 1, "AWS::SageMaker::TrainingJob": 2,
    "AWS::SageMaker::TrainingPlan": 1, "AWS::SageMaker::TransformJob": 1, "AWS::SageMaker::UserProfile": 1,
}  # fmt: skip
"""What of the fleet above is in the inventory: not the instance without an accelerator, the deleted app and the old job."""


def measured(fleet: FakeFleet) -> None:
    """Some of the fleet is used."""
    one = {HOUR: 3.0, HOUR + timedelta(hours=1): 5.0}
    sagemaker, hardware = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
    for variant in ("blue", "Green"):
        fleet.metric(sagemaker, "Invocations", {"EndpointName": "Ranker", "VariantName": variant}, one)
        fleet.metric(hardware, "GPUUtilization", {"EndpointName": "Ranker", "VariantName": variant}, one)
    fleet.metric(sagemaker, "Invocations", {"InferenceComponentName": "Chat"}, one)
    fleet.metric(sagemaker, "ApproximateBacklogSize", {"EndpointName": "batch"}, one)
    dimensions = {"EndpointName": "small", "VariantName": "AllTraffic"}
    fleet.metric(sagemaker, "ServerlessProvisionedConcurrencyUtilization", dimensions, {HOUR: 0.5})
    fleet.metric("/aws/sagemaker/TrainingJobs", "GPUUtilization", {"Host": "long/algo-2"}, one)
    fleet.metric("/aws/sagemaker/TransformJobs", "CPUUtilization", {"Host": "Nightly-20261019/i-abc"}, one)
    fleet.metric("/aws/sagemaker/TransformJobs", "CPUUtilization", {"Host": "somebody-elses/i-abc"}, one)
    throughput = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:provisioned-model/pt1"
    fleet.metric("AWS/Bedrock", "InputTokenCount", {"ModelId": throughput}, one)
    fleet.metric("AWS/EC2", "CPUUtilization", {"InstanceId": "i-0"}, one)
    for index in "012":
        dimensions = {"InstanceId": "i-0", "index": index, "name": "A10G", "arch": "Ampere"}
        fleet.metric("CWAgent", "nvidia_smi_utilization_gpu", dimensions, one)
    fleet.metric("CWAgent", "nvidia_smi_utilization_gpu", {"InstanceId": "i-else", "index": "0"}, one)
    dimensions = {"FeatureGroupName": "Users", "OperationName": "GetRecord"}
    fleet.metric("AWS/SageMaker/FeatureStore", "ConsumedReadRequestsUnits", dimensions, one)
    fleet.metric("AWS/EFS", "ClientConnections", {"FileSystemId": "fs-1"}, one)


def test_a_run_reads_everything_there_is_and_what_it_does(
    fleet: FakeFleet, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finops.collectors.aws.metrics.ROWS", 20)  # several files, which are one delivery
    fill(fleet)
    measured(fleet)
    (workspace.folder / "finops.toml").write_text('[sources.activity]\ntype = "aws-utilisation"\n')
    ended = workspace.finops("--today", f"{TODAY}", "collect")
    assert (ended.exit_code, ended.err.count("denied")) == (0, 0)
    counts = workspace.query("SELECT resource_type, count(*) FROM inventory.resources GROUP BY 1 ORDER BY 1")
    assert dict(counts) == COUNTS
    stated = {
        (kind.rpartition("::")[2], name): json.loads(properties)
        for kind, name, properties in workspace.query(
            "SELECT resource_type, resource_name, properties FROM inventory.resources"
        )
    }
    ranker = stated["Endpoint", "Ranker"]
    assert [(each["VariantName"], each["InstanceType"]) for each in ranker["Variants"]] == [
        ("blue", "ml.g5.12xlarge"), ("Green", "ml.g5.12xlarge"),
    ]  # fmt: skip
    assert (ranker["MinCapacity"], ranker["Async"], ranker["ModelNames"]) == (2, False, ["model"])
    assert [stated["Endpoint", each]["Async"] for each in ("batch", "small")] == [True, False]
    assert [stated["Endpoint", each]["Serverless"] for each in ("batch", "small")] == [False, True]
    assert stated["Endpoint", "shared"]["InferenceComponents"] and not ranker["InferenceComponents"]
    assert stated["InferenceComponent", "Chat"]["CopyCount"] == 2
    assert [stated["NotebookInstance", each].get("AutoStop") for each in ("Alone", "polite", "gone")] == [
        False,
        True,
        None,
    ]
    assert stated["Domain", "lab"]["AppIdleTimeoutMinutes"] == 60
    assert stated["Space", "Notes"]["OwnerUserProfile"] == "ada"
    assert stated["App", "default"]["LastUserActivityAt"] == "2026-10-19T07:00:00Z"
    job = stated["TrainingJob", "Ranker-2026-10-18-01-02-03-444"]
    assert (job["Family"], job["InstanceCount"], job["Spot"], job["BillableSeconds"]) == ("Ranker", 2, False, 60)
    assert (job["KeepAliveSeconds"], job["WarmPoolStatus"], job["EndedAt"]) == (
        600,
        "Available",
        "2026-10-19T07:00:00Z",
    )
    assert stated["TransformJob", "Nightly-20261019"]["Family"] == "Nightly"
    assert stated["Cluster", "pod"]["InstanceIds"] == ["i-node0", "i-node1", "i-node2"]
    assert stated["TrainingPlan", "ahead"]["CapacityStatus"] == "Active"
    assert stated["ProvisionedModelThroughput", "pt1"]["CommitmentExpiresAt"] == "2026-10-19T07:00:00Z"
    assert [stated["Instance", f"gpu {each}"]["GpuCount"] for each in range(3)] == [4, 16, 8]
    assert [stated["Instance", f"gpu {each}"]["Spot"] for each in range(3)] == [False, True, False]
    assert stated["FileSystem", None]["DomainId"] == "d-1"
    assert workspace.query(
        "SELECT created_at::VARCHAR, changed_at::VARCHAR, tags['Name'] FROM inventory.resources WHERE resource_id = 'i-0'"
    ) == [("2026-01-01 09:30:00", "2026-10-19 07:00:00", "gpu 0")]
    assert workspace.query(
        f"SELECT resource_name, state, tags['team'] FROM inventory.resources WHERE resource_id = 'arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/ranker'"
    ) == [("Ranker", "InService", "ranker")]
    daily = workspace.query(
        "SELECT regexp_extract(resource_id, '[^/:]+$'), metric, statistic, part, value::DOUBLE, samples FROM utilisation.daily "
        "WHERE day = '2026-10-19' AND statistic IN ('Sum', 'Maximum') ORDER BY ALL"
    )
    assert daily == [
        ("batch", "ApproximateBacklogSize", "Maximum", None, 5.0, 2),
        ("chat", "Invocations", "Sum", None, 8.0, 2),
        ("fs-1", "ClientConnections", "Sum", None, 8.0, 2),
        ("i-0", "CPUUtilization", "Maximum", None, 5.0, 2),
        *(("i-0", "nvidia_smi_utilization_gpu", "Maximum", index, 5.0, 2) for index in "012"),
        ("long", "GPUUtilization", "Maximum", "algo-2", 5.0, 2),
        ("nightly", "CPUUtilization", "Maximum", "i-abc", 5.0, 2),
        ("pt1", "InputTokenCount", "Sum", None, 8.0, 2),
        *(("ranker", "GPUUtilization", "Maximum", variant, 5.0, 2) for variant in ("Green", "blue")),
        *(("ranker", "Invocations", "Sum", variant, 8.0, 2) for variant in ("Green", "blue")),
        ("shared", "Invocations", "Sum", "Chat", 8.0, 2),
        ("small", "ServerlessProvisionedConcurrencyUtilization", "Maximum", "AllTraffic", 50.0, 1),
        ("users", "ConsumedReadRequestsUnits", "Sum", "GetRecord", 8.0, 2),
    ]
    assert dict(workspace.query("SELECT service || ' ' || covers, outcome FROM inventory.reads")) == {
        **{f"{each} inventory": "complete" for each in ("sagemaker", "bedrock", "ec2", "ebs", "efs", "tags")},
        "cloudwatch metrics": "complete",
    }
    assert workspace.query("SELECT len(files) FROM ops.loads WHERE format = 'measured_hours'") == [(3,)]
    asked = len(fleet.called("cloudwatch:GetMetricData"))
    landed, seen = sorted((workspace.folder / "landing").rglob("*.*")), "SELECT min(seen_at) FROM inventory.resources"
    (before,) = workspace.query(seen)
    fleet.page_size = 100  # however it is paged
    again = workspace.finops("--today", f"{TODAY}", "collect")
    assert again.exit_code == 0 and len(fleet.called("cloudwatch:GetMetricData")) == asked
    assert sorted((workspace.folder / "landing").rglob("*.*")) == landed
    assert workspace.query(seen) > [before]  # the same answer, and a newer one
    tables = [f"FROM {each} ORDER BY ALL" for each in ("inventory.resources", "inventory.reads", "utilisation.daily")]
    held = [workspace.query(each) for each in tables]
    con = connect(None)
    migrate(con)
    Loader(con, Landing(workspace.folder / "landing"), Catalogue(None)).load_pending()
    assert [con.execute(each).fetchall() for each in tables] == held
    assert all(
        "hunter2" not in path.read_text(errors="replace") for path in (workspace.folder / "landing").rglob("*.json*")
    )


def test_only_read_calls_are_made_and_the_permissions_name_them_all(fleet: FakeFleet, tmp_path: Path) -> None:
    fleet.page_size = 100
    for account in (ACCOUNT, OTHER):
        fill(fleet, account=account)
    each = collector(accounts=[{"id": ACCOUNT}, {"id": OTHER, "role_arn": ROLE, "external_id": "secret"}])
    first = Run(tmp_path, each, request())
    assert first.troubles == first.listing.troubles == []
    each.examine(request())
    assert [call.action for call in fleet.calls if not READ_ONLY.fullmatch(call.action)] == []
    assert {call.account for call in fleet.called("sagemaker:DescribeEndpoint")} == {ACCOUNT, OTHER}
    assert fleet.called("sts:AssumeRole")[0].asked["ExternalId"] == ["secret"]
    allowed = {permission.action: permission.optional for permission in each.permissions()}
    assert {call.action for call in fleet.calls} - {"sts:GetCallerIdentity"} == set(allowed)
    assert [action for action, optional in allowed.items() if optional] == [
        "sagemaker:DescribeNotebookInstanceLifecycleConfig", "application-autoscaling:DescribeScalableTargets",
        "ec2:DescribeInstanceTypes", "tag:GetResources",
    ]  # fmt: skip


def test_what_is_optional_and_denied_is_unknown_and_the_rest_comes(fleet: FakeFleet, tmp_path: Path) -> None:
    fleet.page_size = 100
    fleet.endpoint("Ranker")
    fleet.put(
        "Tagged",
        {"ResourceARN": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/ranker", "Tags": [{"Key": "a", "Value": "b"}]},
    )
    fleet.put(
        "Instance",
        {"InstanceId": "i-0", "InstanceType": "p3.2xlarge", "LaunchTime": HOUR, "State": {"Name": "running"}},
    )
    script = base64.b64encode(b"ls").decode()
    fleet.put("Lifecycle", {"NotebookInstanceLifecycleConfigName": "own", "OnStart": [{"Content": script}]})
    notebook = {"NotebookInstanceName": "n", "NotebookInstanceArn": "arn:n"}
    fleet.put("NotebookInstance", {**notebook, "NotebookInstanceLifecycleConfigName": "own"})
    fleet.put("ScalableTarget", {
        "ServiceNamespace": "sagemaker", "ResourceId": "endpoint/Ranker/variant/AllTraffic", "MinCapacity": 0, "MaxCapacity": 9,
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount", "RoleARN": "r", "CreationTime": MADE})  # fmt: skip

    def seen(each: Run) -> list[Any]:
        endpoint, instance = each.lines("sagemaker")[0], each.lines("ec2")[0]
        notebook = each.lines("sagemaker")[1]["properties"]
        found = endpoint["tags"], instance["properties"]["GpuCount"], endpoint["properties"]["MinCapacity"]
        return [*found, notebook["AutoStop"]]

    whole = [{"a": "b"}, 1, 0, False]
    assert seen(Run(tmp_path / "a", collector(), request())) == whole
    actions = [
        "tag:GetResources", "ec2:DescribeInstanceTypes", "application-autoscaling:.*", "sagemaker:.*LifecycleConfig",
    ]  # fmt: skip
    for number, action in enumerate(actions):
        fleet.forgive()
        fleet.deny(action)
        denied = Run(tmp_path / action[:3], collector(), request())
        assert seen(denied) == [None if place == number else each for place, each in enumerate(whole)]
        assert denied.troubles == denied.listing.troubles == []
        assert denied.reads()["us-east-1", "tags", "inventory"] == ("complete" if number else "denied")


def test_a_denied_service_stops_no_other_and_its_old_snapshot_stays(fleet: FakeFleet, workspace: Workspace) -> None:
    fleet.page_size = 100
    fill(fleet)
    (workspace.folder / "finops.toml").write_text('[sources.activity]\ntype = "aws-utilisation"\n')
    assert workspace.finops("--today", f"{TODAY}", "collect").exit_code == 0
    fleet.deny("ec2:DescribeVolumes")
    fleet.deny("bedrock:ListCustomModels")
    fleet.endpoint("another")
    denied = workspace.finops("--today", f"{TODAY}", "collect")
    assert denied.exit_code == 3
    assert "Allow ec2:DescribeVolumes" in denied.err and "Allow bedrock:ListCustomModels" in denied.err
    kinds = "('AWS::EC2::Volume', 'AWS::EC2::Snapshot', 'AWS::Bedrock::ProvisionedModelThroughput', 'AWS::SageMaker::Endpoint')"
    counts = workspace.query(
        f"SELECT count(*) FROM inventory.resources WHERE resource_type IN {kinds} GROUP BY resource_type ORDER BY 1"
    )
    assert counts == [(1,), (3,), (3,), (7,)]
    reads = dict(
        workspace.query("SELECT service || ' ' || covers, outcome || coalesce(' ' || what, '') FROM inventory.reads")
    )
    assert reads["sagemaker inventory"] == "complete"
    assert reads["ebs inventory"] == "denied ec2:DescribeVolumes is denied"
    assert reads["bedrock metrics"].startswith("denied bedrock:ListCustomModels is denied")
    fleet.forgive()
    fleet.answer(".*", "ExpiredToken")  # who is asked for is not known but from the runs before
    assert workspace.finops("--today", f"{TODAY}", "collect").exit_code == 3
    assert workspace.query("SELECT DISTINCT account_id, outcome FROM inventory.reads") == [(ACCOUNT, "expired")]
    assert workspace.query("SELECT count(*) FROM inventory.resources") == [(sum(COUNTS.values()) + 1,)]


def test_a_denied_region_and_a_denied_account_are_unknown_and_the_others_come(fleet: FakeFleet, tmp_path: Path) -> None:
    for region in ("us-east-1", "eu-west-1"):
        fleet.endpoint("Ranker", region=region)
    fleet.deny(".*:(?:List|Describe|Get).*", region="eu-west-1")
    fleet.faults[0].match = r"(?!sts:).*"
    fleet.deny("sts:AssumeRole")
    each = collector(regions=["us-east-1", "eu-west-1"], accounts=[{"id": ACCOUNT}, {"id": OTHER, "role_arn": ROLE}])
    seen = Run(tmp_path, each, request())
    assert len(seen.lines("sagemaker")) == 1
    assert f"aws-inventory://{ACCOUNT}/eu-west-1/sagemaker" not in seen.folders
    path = seen.folders["aws-utilisation://activity/reads"] / "reads.jsonl"
    reads = [json.loads(line) for line in path.read_text().splitlines()]
    assert {each["outcome"] for each in reads if each["account_id"] == OTHER} == {"denied"}
    assert len([each for each in reads if each["account_id"] == OTHER]) == 2 * 7
    assert {each["outcome"] for each in reads if each["region"] == "eu-west-1" and each["covers"] == "inventory"} == {
        "denied"
    }
    entered = next(each for each in seen.listing.troubles if each.where == f"account {OTHER}")
    assert ROLE in entered.next_step and "sts:AssumeRole" in entered.next_step


def test_credentials_of_another_account_are_not_taken_for_it(fleet: FakeFleet, tmp_path: Path) -> None:
    fill(fleet)
    seen = Run(tmp_path, collector(accounts=[{"id": OTHER}]), request())
    assert list(seen.folders) == ["aws-utilisation://activity/reads"]
    assert [each.outcome for each in seen.listing.troubles] == [Outcome.MISSING]
    assert set(seen.reads().values()) == {"missing"}


def test_a_region_that_answers_nothing_is_unknown_or_not_there(fleet: FakeFleet, tmp_path: Path) -> None:
    fleet.deny("(?!sts:).*", region="eu-west-1")
    fleet.answer("(?!sts:).*", "UnrecognizedClientException", region="me-south-1")
    regions = ["eu-west-1", "me-south-1", "us-east-1"]
    seen = Run(tmp_path, collector(regions=regions), request())
    outcomes = [seen.reads()[each, "cloudwatch", "metrics"] for each in regions]
    assert outcomes == ["denied", "unsupported", "empty"]
    assert any("me-south-1: has none of the services" in each for each in seen.listing.notes)


@pytest.mark.parametrize(
    ("code", "message"),
    [("UnrecognizedClientException", "The security token included in the request is invalid."), ("UnknownOperationException", ""),
     ("ValidationException", "This operation is not supported in this Region.")],
)  # fmt: skip
def test_a_service_that_a_region_lacks_is_no_hole(fleet: FakeFleet, tmp_path: Path, code: str, message: str) -> None:
    fleet.endpoint("Ranker")
    fleet.answer("bedrock:.*", code, message=message)
    fleet.answer("sagemaker:(?:ListTrainingPlans|ListClusters)", code, message=message)
    seen = Run(tmp_path, collector(), request())
    assert seen.troubles == seen.listing.troubles == []
    reads = seen.reads()
    assert [reads["us-east-1", each, "inventory"] for each in ("bedrock", "sagemaker")] == ["unsupported", "complete"]
    assert f"aws-inventory://{ACCOUNT}/us-east-1/bedrock" not in seen.folders


def test_throttling_passes_and_what_does_not_get_through_has_failed(fleet: FakeFleet, tmp_path: Path) -> None:
    fleet.endpoint("Ranker")
    fleet.throttle("sagemaker:DescribeEndpoint", 1)
    fleet.throttle("bedrock:ListImportedModels")
    seen = Run(tmp_path, collector(deadline=2), request())
    assert len(seen.lines("sagemaker")) == 1
    assert [each.outcome for each in seen.listing.troubles] == [Outcome.FAILED]
    assert seen.reads()["us-east-1", "bedrock", "inventory"] == "failed"


def test_what_waits_a_deadline_out_again_and_again_is_given_up(
    fleet: FakeFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finops.collectors.aws.utilisation.ENOUGH", 1)
    fleet.throttle("(?!sts:|tag:).*")
    seen = Run(tmp_path, collector(deadline=1, regions=["eu-west-1", "us-east-1", "us-west-2"]), request())
    assert {call.service for call in fleet.calls} == {"sts", "resourcegroupstaggingapi", "sagemaker"}
    assert {call.region for call in fleet.calls if call.service == "sagemaker"} == {"eu-west-1"}
    outcomes = {each for (_, service, _), each in seen.reads().items() if service != "tags"}
    assert outcomes == {"failed"}
    assert len(seen.listing.troubles) == 3 * 5


def test_names_with_capitals_and_the_exact_pair_of_dimensions(fleet: FakeFleet, tmp_path: Path) -> None:
    arn = fleet.endpoint("Ranker-PROD", "ml.m5.large", "Blue", "green")
    fleet.metric("AWS/SageMaker", "Invocations", {"EndpointName": "Ranker-PROD"}, {HOUR: 99.0})  # no such pair
    fleet.metric("AWS/SageMaker", "Invocations", {"EndpointName": "Ranker-PROD", "VariantName": "Blue"}, {HOUR: 1.0})
    seen = Run(tmp_path, collector(), request())
    assert arn.endswith("endpoint/ranker-prod")
    assert seen.hours().select("resource_id", "part", "value").rows() == [(arn, "Blue", 1.0)]
    asked = [
        each["MetricStat"]["Metric"]["MetricName"]
        for each in fleet.called("cloudwatch:GetMetricData")[0].asked["MetricDataQueries"]
    ]
    assert not [each for each in asked if each.startswith("GPU")]


def test_hours_of_a_dead_namesake_are_left_out(fleet: FakeFleet, tmp_path: Path) -> None:
    fleet.endpoint("Ranker", "ml.m5.large", made=datetime(2026, 10, 19, 6, 40, tzinfo=UTC))
    hours = {HOUR + timedelta(hours=each): float(each) for each in range(-5, 3)}
    fleet.metric("AWS/SageMaker", "Invocations", {"EndpointName": "Ranker", "VariantName": "AllTraffic"}, hours)
    assert Run(tmp_path, collector(), request()).hours()["value"].to_list() == [-1.0, 0.0, 1.0, 2.0]


def test_a_later_day_asks_for_the_last_days_only(fleet: FakeFleet, tmp_path: Path) -> None:
    fleet.endpoint("Ranker", "ml.m5.large")

    def asked_from() -> list[date]:
        return [
            datetime.fromtimestamp(call.asked["StartTime"], UTC).date()
            for call in fleet.called("cloudwatch:GetMetricData")
        ]

    first = Run(tmp_path, collector(history_days=10), request())
    assert asked_from() == [date(2026, 10, 10)]
    assert first.hours().rows()[0][0] is None  # nothing was measured: a line says so
    second = Run(tmp_path, collector(history_days=10), request(TODAY + timedelta(days=3), first.known))
    assert asked_from() == [date(2026, 10, 10), date(2026, 10, 18)]
    fleet.deny("cloudwatch:GetMetricData")
    third = Run(tmp_path, collector(history_days=10), request(TODAY + timedelta(days=4), second.known))
    assert [each.outcome for each in third.troubles] == [Outcome.DENIED]
    assert third.reads()["us-east-1", "cloudwatch", "metrics"] == "denied"
    fleet.forgive()
    Run(tmp_path, collector(history_days=10), request(TODAY + timedelta(days=5), third.known))
    assert asked_from()[3:] == [date(2026, 10, 21)]


def test_what_could_not_be_listed_is_measured_from_the_beginning_later(fleet: FakeFleet, tmp_path: Path) -> None:
    fleet.endpoint("Ranker", "ml.m5.large")
    throughput = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:provisioned-model/one"
    fleet.put("Throughput", {"provisionedModelArn": throughput, "provisionedModelName": "one", "creationTime": MADE})
    fleet.metric("AWS/Bedrock", "InputTokenCount", {"ModelId": throughput}, {HOUR: 1.0})
    fleet.deny("bedrock:.*")
    first = Run(tmp_path / "a", collector(history_days=5), request())
    assert first.hours()["metric"].to_list() == [None]
    second = Run(tmp_path / "b", collector(history_days=5), request(TODAY, first.known))  # as before: not asked again
    assert not [key for key in second.folders if key.startswith("cloudwatch")]
    fleet.forgive()
    before = len(fleet.called("cloudwatch:GetMetricData"))
    third = Run(tmp_path / "c", collector(history_days=5), request(TODAY, first.known))
    assert third.hours()["metric"].to_list() == ["InputTokenCount"]
    Run(tmp_path / "d", collector(history_days=5), request(TODAY + timedelta(days=1), first.known))
    starts = {
        datetime.fromtimestamp(each.asked["StartTime"], UTC).date()
        for each in fleet.called("cloudwatch:GetMetricData")[before:]
    }
    assert starts == {date(2026, 10, 15), date(2026, 10, 16)}


def test_a_dry_run_asks_for_no_metrics_and_says_what_they_cost(fleet: FakeFleet) -> None:
    fleet.page_size = 100
    fill(fleet)
    listing = collector().look(request(dry=True))
    offer = next(each for each in listing.offers if each.key.startswith("cloudwatch"))
    assert not [call for call in fleet.calls if call.service == "cloudwatch"]
    assert offer.note.split()[1] == "series" and offer.cost_usd == Decimal(offer.note.split()[0]) / 100_000


def test_a_call_asks_for_five_hundred_series(fleet: FakeFleet, tmp_path: Path) -> None:
    fleet.page_size = 5000
    for number in range(334):
        arn = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:provisioned-model/{number}"
        fleet.put("Throughput", {"provisionedModelArn": arn, "provisionedModelName": f"{number}", "creationTime": MADE})
        for metric in ("Invocations", "InputTokenCount", "OutputTokenCount"):
            fleet.metric("AWS/Bedrock", metric, {"ModelId": arn}, {HOUR: float(number)})
    seen = Run(tmp_path, collector(deadline=60), request())
    calls = fleet.called("cloudwatch:GetMetricData")
    assert sum(len(each.asked["MetricDataQueries"]) for each in calls) == 1_002
    assert len(calls) == 3  # of ten thousand 20
    assert seen.hours().group_by("metric").agg(pl.col("value").sum()).sort("metric").rows() == [
        (metric, float(sum(range(334)))) for metric in ("InputTokenCount", "Invocations", "OutputTokenCount")
    ]


def test_answers_that_go_over_many_pages_are_put_together(fleet: FakeFleet, tmp_path: Path) -> None:
    fleet.endpoint("Ranker", "ml.m5.large", "a", "b", "c")
    fleet.most_points = 50
    for variant in "abc":
        dimensions = {"EndpointName": "Ranker", "VariantName": variant}
        fleet.metric("AWS/SageMaker", "Invocations", dimensions, lambda statistic, hour: float(hour.hour))
    hours = Run(tmp_path, collector(history_days=7), request()).hours()
    assert len(fleet.called("cloudwatch:GetMetricData")) == -(-3 * 7 * 24 // 50)
    assert hours.group_by("part").agg(pl.len(), pl.col("hour").n_unique().alias("hours"), pl.col("value").sum()).sort("part").rows() == [
        (variant, 168, 168, 7 * 276.0) for variant in "abc"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("PartialData", Outcome.INCOMPLETE), ("InternalError", Outcome.FAILED), ("Forbidden", Outcome.DENIED)],
)
def test_series_that_are_not_answered_whole(
    fleet: FakeFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, outcome: Outcome
) -> None:
    monkeypatch.setattr("finops.collectors.aws.metrics.FIRST_WAIT", 0.001)
    fleet.endpoint("Ranker", "ml.m5.large")
    dimensions = {"EndpointName": "Ranker", "VariantName": "AllTraffic"}
    fleet.metric("AWS/SageMaker", "Invocations", dimensions, {HOUR: 7.0})
    fleet.unfinished["Invocations"] = (status, -1)
    seen = Run(tmp_path / "a", collector(), request())
    assert [each.outcome for each in seen.troubles] == [outcome]
    assert seen.reads()["us-east-1", "cloudwatch", "metrics"] == outcome
    if outcome is not Outcome.DENIED:
        fleet.unfinished["Invocations"] = (status, 1)
        fleet.calls.clear()
        assert Run(tmp_path / "b", collector(), request()).hours()["value"].to_list() == [7.0]
        asked = [len(each.asked["MetricDataQueries"]) for each in fleet.called("cloudwatch:GetMetricData")]
        assert asked == [5, 1]  # the one that was not whole, alone


def test_an_answer_of_another_form_stops_no_other_service(fleet: FakeFleet, tmp_path: Path) -> None:
    fleet.put("Throughput", {"provisionedModelName": "without an ARN"})
    fleet.endpoint("Ranker")
    seen = Run(tmp_path, collector(), request())
    assert [(each.outcome, each.what) for each in seen.listing.troubles] == [
        (Outcome.CHANGED, "an answer lacks 'provisionedModelArn'")
    ]
    assert len(seen.lines("sagemaker")) == 1


def test_runs_of_one_job_are_a_family(workspace: Workspace) -> None:
    names = {
        "ranker-2026-10-18-01-02-03-444": "ranker",
        "ranker_20261018T010203Z": "ranker",
        "ranker-search-007-1a2b3c4d": "ranker-search",
        "pipelines-ab12cd34ef56-TrainRanker-Xy12Zw34Qr": "TrainRanker",
        "llama-70b": "llama-70b",
        "my-facade": "my-facade",
        "Ranker": "Ranker",
        "2026-10-18": "2026",
    }
    lines = [
        json.dumps({
            "aws_account": ACCOUNT, "service": "sagemaker", "type": "AWS::SageMaker::TrainingJob", "id": name, "name": name,
            "properties": {"Spot": False}, "region": "us-east-1"})
        for name in names
    ]  # fmt: skip
    assert workspace.finops("load", workspace.write("jobs.jsonl", "\n".join(lines) + "\n")).exit_code == 0
    found = workspace.query("SELECT resource_name, properties->>'Family', properties->>'Spot' FROM inventory.resources")
    assert {name: family for name, family, _ in found} == names
    assert {spot for *_, spot in found} == {"false"}


@pytest.mark.parametrize(
    ("script", "stops"),
    [("python autostop.py --time 3600", True), ("aws sagemaker stop-notebook-instance --notebook-instance-name x", True),
     ("./idle.sh --idle-time 60", True), ("pip install pandas", False), ("date --timezone UTC", False), ("", False)],
)  # fmt: skip
def test_scripts_that_stop_a_notebook_instance(script: str, stops: bool) -> None:
    assert stops_itself([base64.b64encode(script.encode()).decode()]) is stops


def test_scripts_that_are_no_text_say_nothing() -> None:
    assert stops_itself([base64.b64encode(b"\xff\xfe\x00").decode()]) is None
    assert stops_itself([]) is False


def test_the_doctor_looks_at_identity_and_each_service(fleet: FakeFleet) -> None:
    fleet.deny("sagemaker:ListApps")
    found = {each.check: each for each in collector().examine(request())}
    assert {check: each.verdict for check, each in found.items()} == {
        f"identity in {ACCOUNT}": Verdict.OK,
        f"sagemaker in {ACCOUNT}, us-east-1": Verdict.FAILED,
        **{f"{each} in {ACCOUNT}, us-east-1": Verdict.OK for each in ("bedrock", "ec2", "ebs", "efs")},
        "cloudwatch:GetMetricData": Verdict.UNKNOWN,
    }
    assert "Allow sagemaker:ListApps" in found[f"sagemaker in {ACCOUNT}, us-east-1"].next_step
    assert not [call for call in fleet.calls if call.service == "cloudwatch"]


def test_another_implementation_of_the_apis_is_read_alike(fleet: FakeFleet, tmp_path: Path) -> None:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    place = "{}:{}".format(*moto.get_host_and_port())
    fleet.behind = place, "sts:.*|cloudwatch:.*|elasticfilesystem:.*|ec2:Describe(?!CapacityReservations).*"
    try:
        ec2, efs, cloudwatch = (
            boto3.client(each, endpoint_url=f"http://{place}", region_name="us-east-1")
            for each in ("ec2", "efs", "cloudwatch")
        )
        for kind in ("g4dn.xlarge", "t3.micro"):
            ec2.run_instances(ImageId="ami-12c6146b", InstanceType=kind, MinCount=1, MaxCount=1)
        volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=10)["VolumeId"]
        ec2.create_snapshot(VolumeId=volume)
        efs.create_file_system(CreationToken="t", Tags=[{"Key": "Name", "Value": "home"}])
        today = datetime.now(tz=UTC).date()
        yesterday = datetime(today.year, today.month, today.day, tzinfo=UTC) - timedelta(hours=3)
        instance = ec2.describe_instances()["Reservations"][0]["Instances"][0]
        machine = get_backend("ec2")[ACCOUNT]["us-east-1"].get_instance(instance["InstanceId"])
        machine.launch_time = (yesterday - timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        for metric, dimensions in (
            ("CPUUtilization", []), ("nvidia_smi_utilization_gpu", [{"Name": "index", "Value": "0"}]),
        ):  # fmt: skip
            cloudwatch.put_metric_data(
                Namespace="AWS/EC2" if metric == "CPUUtilization" else "CWAgent",
                MetricData=[{"MetricName": metric, "Value": value, "Timestamp": yesterday,
                             "Dimensions": [{"Name": "InstanceId", "Value": instance["InstanceId"]}, *dimensions]} for value in (10, 30)],
            )  # fmt: skip
        seen = Run(tmp_path, collector(), request(today))
        assert seen.troubles == seen.listing.troubles == []
        assert [one["properties"]["InstanceType"] for one in seen.lines("ec2")] == ["g4dn.xlarge"]
        assert seen.lines("ec2")[0]["properties"]["GpuCount"] == 1
        assert volume in {one["id"] for one in seen.lines("ebs")}
        assert [one["name"] for one in seen.lines("efs")] == ["home"]
        assert sorted(seen.hours().select("metric", "statistic", "part", "value").rows()) == [
            ("CPUUtilization", "Average", None, 20.0), ("CPUUtilization", "Maximum", None, 30.0),
            ("nvidia_smi_utilization_gpu", "Average", "0", 20.0), ("nvidia_smi_utilization_gpu", "Maximum", "0", 30.0),
        ]  # fmt: skip
    finally:
        moto.stop()
