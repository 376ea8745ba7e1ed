"""AWS accounts full of machines, on a loopback port: SageMaker, Bedrock, EC2, EFS, tags, auto scaling, STS, and CloudWatch with its limits.

By hand: ``python -m tests.collectors.fakes.aws_fleet`` serves a small fleet and prints what to set.

    with FakeFleet() as fleet:
        fleet.environment()                     # AWS_ENDPOINT_URL, keys that mean nothing
        fleet.endpoint("Ranker", "ml.g5.xlarge", "AllTraffic"); fleet.put("bedrock", "Throughput", {...})
        fleet.metric("AWS/SageMaker", "Invocations", {"EndpointName": "Ranker", "VariantName": "AllTraffic"}, {hour: 3.0})
        fleet.deny("sagemaker:ListApps"); fleet.throttle("ec2:DescribeVolumes", 2); fleet.forgive()
        fleet.calls                             # what was asked, in order

Answers are cut to what the SDK's model of the call knows. Lists come in pages. A role that is taken on belongs to the account in its ARN.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model

ACCOUNT = "123456789012"
SIGNED_AS = {"elasticfilesystem": "efs", "monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi"}
"""By the name in a signature: what the SDK calls the service."""
ACTIONS = {"efs": "elasticfilesystem", "resourcegroupstaggingapi": "tag"}
MOST_QUERIES, MOST_POINTS = 500, 100_800

SageMaker = tuple[str, str, tuple[str, ...]]
KINDS: Mapping[str, tuple[str, str, str, tuple[str, ...]]] = {
    # kind: list, its field, description, what identifies
    "Endpoint": ("ListEndpoints", "Endpoints", "DescribeEndpoint", ("EndpointName",)),
    "EndpointConfig": ("ListEndpointConfigs", "EndpointConfigs", "DescribeEndpointConfig", ("EndpointConfigName",)),
    "InferenceComponent": (
        "ListInferenceComponents", "InferenceComponents", "DescribeInferenceComponent", ("InferenceComponentName",)),
    "NotebookInstance": (
        "ListNotebookInstances", "NotebookInstances", "DescribeNotebookInstance", ("NotebookInstanceName",)),
    "Lifecycle": (
        "ListNotebookInstanceLifecycleConfigs", "NotebookInstanceLifecycleConfigs",
        "DescribeNotebookInstanceLifecycleConfig", ("NotebookInstanceLifecycleConfigName",)),
    "Domain": ("ListDomains", "Domains", "DescribeDomain", ("DomainId",)),
    "UserProfile": ("ListUserProfiles", "UserProfiles", "DescribeUserProfile", ("DomainId", "UserProfileName")),
    "Space": ("ListSpaces", "Spaces", "DescribeSpace", ("DomainId", "SpaceName")),
    "App": ("ListApps", "Apps", "DescribeApp", ("DomainId", "AppType", "AppName", "UserProfileName", "SpaceName")),
    "TrainingJob": ("ListTrainingJobs", "TrainingJobSummaries", "DescribeTrainingJob", ("TrainingJobName",)),
    "ProcessingJob": ("ListProcessingJobs", "ProcessingJobSummaries", "DescribeProcessingJob", ("ProcessingJobName",)),
    "TransformJob": ("ListTransformJobs", "TransformJobSummaries", "DescribeTransformJob", ("TransformJobName",)),
    "HyperParameterTuningJob": (
        "ListHyperParameterTuningJobs", "HyperParameterTuningJobSummaries", "DescribeHyperParameterTuningJob",
        ("HyperParameterTuningJobName",)),
    "Cluster": ("ListClusters", "ClusterSummaries", "DescribeCluster", ("ClusterName",)),
    "ClusterNode": ("ListClusterNodes", "ClusterNodeSummaries", "", ("ClusterName",)),
    "TrainingPlan": ("ListTrainingPlans", "TrainingPlanSummaries", "", ()),
    "FeatureGroup": ("ListFeatureGroups", "FeatureGroupSummaries", "DescribeFeatureGroup", ("FeatureGroupName",)),
    "Model": ("ListModels", "Models", "DescribeModel", ("ModelName",)),
    "Throughput": ("ListProvisionedModelThroughputs", "provisionedModelSummaries", "", ()),
    "CustomModel": ("ListCustomModels", "modelSummaries", "", ()),
    "ImportedModel": ("ListImportedModels", "modelSummaries", "", ()),
    "Instance": ("DescribeInstances", "Reservations", "", ()),
    "InstanceType": ("DescribeInstanceTypes", "InstanceTypes", "", ()),
    "CapacityReservation": ("DescribeCapacityReservations", "CapacityReservations", "", ()),
    "Volume": ("DescribeVolumes", "Volumes", "", ()),
    "Snapshot": ("DescribeSnapshots", "Snapshots", "", ()),
    "FileSystem": ("DescribeFileSystems", "FileSystems", "", ()),
    "Tagged": ("GetResources", "ResourceTagMappingList", "", ()),
    "ScalableTarget": ("DescribeScalableTargets", "ScalableTargets", "", ()),
}  # fmt: skip
_LISTS = {listing: kind for kind, (listing, *_) in KINDS.items()}
_DESCRIBES = {describe: kind for kind, (_, _, describe, _) in KINDS.items() if describe}
_TOKENS = {"bedrock": "nextToken", "efs": "NextMarker", "resourcegroupstaggingapi": "PaginationToken"}
_GPUS = {
    "p3.2xlarge": {"GpuInfo": {"Gpus": [{"Count": 1}]}},
    "p4d.24xlarge": {"GpuInfo": {"Gpus": [{"Count": 8}]}},
    "g5.12xlarge": {"GpuInfo": {"Gpus": [{"Count": 4}]}},
    "trn1.32xlarge": {"NeuronInfo": {"NeuronDevices": [{"Count": 16}]}},
    "inf2.xlarge": {
        "NeuronInfo": {"NeuronDevices": [{"Count": 1}]},
        "InferenceAcceleratorInfo": {"Accelerators": [{"Count": 1}]},
    },
}


@dataclass(frozen=True)
class Call:
    """One request as it came in."""

    service: str
    operation: str
    account: str
    region: str
    asked: dict[str, Any]

    @property
    def action(self) -> str:
        """The IAM action: ``sagemaker:ListApps``."""
        return f"{ACTIONS.get(self.service, self.service)}:{self.operation}"


@dataclass
class Fault:
    """An error that is answered instead."""

    match: str
    """A regular expression over the action."""
    code: str
    status: int = 400
    message: str = ""
    times: int = -1
    """-1: for ever."""
    region: str = ""
    account: str = ""

    def concerns(self, call: Call) -> bool:
        return (
            self.times != 0
            and re.fullmatch(self.match, call.action) is not None
            and self.region in ("", call.region)
            and self.account in ("", call.account)
        )


Values = Mapping[datetime, float] | Callable[[str, datetime], float | None]
"""The value of an hour, the same by every statistic; or a function of statistic and hour."""


@dataclass
class FakeFleet:
    """Starts at once; stop it, or use it in a ``with``."""

    page_size: int = 2
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    things: dict[tuple[str, str, str], list[dict[str, Any]]] = field(default_factory=dict)
    """By account, region and kind."""
    metrics: dict[tuple[str, str, str, str, frozenset[tuple[str, str]]], Values] = field(default_factory=dict)
    unfinished: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By metric: a StatusCode that is answered in place of Complete, and how often; -1: for ever."""
    most_points: int = MOST_POINTS
    """What a page of metrics has at most."""
    behind: tuple[str, str] = ("", "")
    """Another server's host and port, and a regular expression over the actions that it answers."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        for service in ("sagemaker", "bedrock", "ec2", "efs", "sts"):
            _model(service)  # which takes longer than a test may wait for an answer
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fleet": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __enter__(self) -> FakeFleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """What has to be set in the environment for every AWS SDK to come here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": f"AKIA{ACCOUNT}",
            "AWS_SECRET_ACCESS_KEY": "fake",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def reset(self) -> None:
        """As if it had just been started."""
        with self._lock:
            for each in (self.calls, self.faults, self.things, self.metrics, self.unfinished):
                each.clear()
            self.page_size, self.most_points, self.behind = 2, MOST_POINTS, ("", "")

    # what there is

    def put(self, kind: str, thing: dict[str, Any], *, account: str = ACCOUNT, region: str = "us-east-1") -> None:
        """One thing, with everything that its list or its description says."""
        self.things.setdefault((account, region, kind), []).append(thing)

    def endpoint(
        self,
        name: str,
        kind: str | None = "ml.g5.xlarge",
        *variants: str,
        count: int = 1,
        made: datetime = datetime(2026, 1, 1, tzinfo=UTC),
        serverless: dict[str, int] | None = None,
        is_async: bool = False,
        model: str | None = "model",
        account: str = ACCOUNT,
        region: str = "us-east-1",
    ) -> str:
        """An endpoint with its configuration; gives the ARN, in lower case as SageMaker has it."""
        arn = f"arn:aws:sagemaker:{region}:{account}:endpoint/{name.lower()}"
        output = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://out"}}} if is_async else {}
        names, place = variants or ("AllTraffic",), {"account": account, "region": region}
        wanted = [
            {"VariantName": each, **({"ModelName": model} if model else {}),
             **({"ServerlessConfig": serverless} if serverless else {"InstanceType": kind, "InitialInstanceCount": count})}
            for each in names
        ]  # fmt: skip
        running = [
            {
                "VariantName": each,
                **({"CurrentServerlessConfig": serverless} if serverless else {"CurrentInstanceCount": count}),
            }
            for each in names
        ]
        config = {"EndpointConfigName": f"{name}-config", "ProductionVariants": wanted, "CreationTime": made, **output}
        times = {"CreationTime": made, "LastModifiedTime": made, "EndpointStatus": "InService"}
        stated = {"EndpointName": name, "EndpointArn": arn, "EndpointConfigName": f"{name}-config"}
        self.put("EndpointConfig", config, **place)
        self.put("Endpoint", {**stated, **times, "ProductionVariants": running, **output}, **place)
        return arn

    def metric(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        values: Values,
        *,
        account: str = ACCOUNT,
        region: str = "us-east-1",
    ) -> None:
        """What was measured under exactly these dimensions."""
        self.metrics[account, region, namespace, name, frozenset(dimensions.items())] = values

    # what goes wrong

    def deny(self, action: str, *, account: str = "", region: str = "") -> None:
        """Answer that the identity may not. ``action``: a regular expression."""
        self.faults.append(Fault(action, "", 403, account=account, region=region))

    def throttle(self, action: str, times: int = -1) -> None:
        """Answer ThrottlingException so many times."""
        self.faults.append(Fault(action, "ThrottlingException", 400, "Rate exceeded", times))

    def answer(self, action: str, code: str, *, message: str = "", status: int = 400, region: str = "") -> None:
        """Answer any error."""
        self.faults.append(Fault(action, code, status, message, region=region))

    def forgive(self) -> None:
        """No more errors."""
        self.faults.clear()
        self.unfinished.clear()

    def called(self, action: str) -> list[Call]:
        """The calls of one action."""
        return [each for each in self.calls if each.action == action]

    # for the handler

    def note(self, call: Call) -> Fault | None:
        """Note a call, and say what is to go wrong with it."""
        with self._lock:
            self.calls.append(call)
            for fault in self.faults:
                if fault.concerns(call):
                    fault.times -= fault.times > 0
                    return fault
        return None

    def respond(self, call: Call) -> dict[str, Any]:
        """What is answered.

        Raises:
            LookupError: there is no such thing.
            ValueError: it may not be asked like this.
        """
        if call.service == "sts":
            return _signed_in(call)
        if call.operation == "GetMetricData":
            return self._metric_data(call)
        if call.operation == "ListMetrics":
            return self._metrics(call)
        if call.operation in _LISTS:
            return self._listed(call)
        kind = _DESCRIBES[call.operation]
        for each in self.things.get((call.account, call.region, kind), ()):
            if all(each.get(key) == call.asked.get(key) for key in KINDS[kind][3]):
                return each
        raise LookupError(f"Could not find {kind} {call.asked}")

    def _listed(self, call: Call) -> dict[str, Any]:
        kind = _LISTS[call.operation]
        every = [each for each in self._every(call, kind) if _is_asked_for(each, kind, call.asked)]
        if kind == "Instance":
            every = [{"ReservationId": f"r-{each['InstanceId']}", "Instances": [each]} for each in every]
        return self._page(call, KINDS[kind][1], every)

    def _every(self, call: Call, kind: str) -> list[dict[str, Any]]:
        if kind == "InstanceType":
            return [{"InstanceType": each, **_GPUS.get(each, {})} for each in call.asked["InstanceType"]]
        return self.things.get((call.account, call.region, kind), [])

    def _page(self, call: Call, name: str, every: list[Any]) -> dict[str, Any]:
        token = _TOKENS.get(call.service, "NextToken")
        sent = call.asked.get("Marker" if call.service == "efs" else token) or 0
        start = int(sent[0] if isinstance(sent, list) else sent)
        answer: dict[str, Any] = {name: every[start : start + self.page_size]}
        if start + self.page_size < len(every):
            answer[token] = str(start + self.page_size)
        return answer

    def _metrics(self, call: Call) -> dict[str, Any]:
        asked = call.asked.get("Namespace"), call.asked.get("MetricName")
        found = [
            {
                "Namespace": ns,
                "MetricName": name,
                "Dimensions": [{"Name": k, "Value": v} for k, v in sorted(dimensions)],
            }
            for account, region, ns, name, dimensions in self.metrics
            if (account, region, ns, name) == (call.account, call.region, *asked)
        ]
        return self._page(call, "Metrics", found)

    def _metric_data(self, call: Call) -> dict[str, Any]:
        queries = call.asked["MetricDataQueries"]
        if len(queries) > MOST_QUERIES:
            raise ValueError(f"The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}.")
        if any("Expression" in each or each["MetricStat"]["Period"] != 3600 for each in queries):
            raise ValueError("Only MetricStat with a period of an hour is taken here.")
        start, end = (datetime.fromtimestamp(call.asked[each], UTC) for each in ("StartTime", "EndTime"))
        offset, room = int(call.asked.get("NextToken") or 0), min(self.most_points, call.asked["MaxDatapoints"])
        results, seen = [], 0
        for each in queries:
            points = self._points(call, each["MetricStat"], start, end)
            first, last = max(0, offset - seen), min(len(points), offset + room - seen)
            seen += len(points)
            if last < first or (points and first >= len(points)) or (not points and seen < offset):
                continue
            part, status = points[first:last], "Complete" if last == len(points) else "PartialData"
            results.append(
                {
                    "Id": each["Id"],
                    "Label": each["MetricStat"]["Metric"]["MetricName"],
                    "Timestamps": [moment.timestamp() for moment, _ in part],
                    "Values": [value for _, value in part],
                    "StatusCode": self._status(each["MetricStat"]["Metric"]["MetricName"], status),
                }
            )
        more = {"NextToken": str(offset + room)} if offset + room < seen else {}
        return {"MetricDataResults": results, "Messages": [], **more}

    def _points(self, call: Call, stat: dict[str, Any], start: datetime, end: datetime) -> list[tuple[datetime, float]]:
        metric = stat["Metric"]
        dimensions = frozenset((each["Name"], each["Value"]) for each in metric["Dimensions"])
        values = self.metrics.get((call.account, call.region, metric["Namespace"], metric["MetricName"], dimensions))
        if values is None:
            return []
        if not callable(values):
            return sorted((moment, value) for moment, value in values.items() if start <= moment < end)
        hours = [start + timedelta(hours=each) for each in range(int((end - start).total_seconds() // 3600))]
        return [(hour, value) for hour in hours if (value := values(stat["Stat"], hour)) is not None]

    def _status(self, metric: str, status: str) -> str:
        with self._lock:
            instead, times = self.unfinished.get(metric, ("", 0))
            if times:
                self.unfinished[metric] = (instead, times - (times > 0))
                return instead
        return status


def _is_asked_for(each: dict[str, Any], kind: str, asked: dict[str, Any]) -> bool:
    changed = each.get("LastModifiedTime")
    if "LastModifiedTimeAfter" in asked and changed.timestamp() < asked["LastModifiedTimeAfter"]:
        return False
    if kind == "ClusterNode":
        return bool(each["ClusterName"] == asked["ClusterName"])
    return asked.get("StatusEquals") in (None, each.get(f"{kind}Status"))


def _signed_in(call: Call) -> dict[str, Any]:
    if call.operation == "AssumeRole":
        role = call.asked["RoleArn"][0]
        account = role.split(":")[4]
        expires = datetime.now(tz=UTC) + timedelta(hours=1)
        keys = {"AccessKeyId": f"ASIA{account}", "SecretAccessKey": "fake", "SessionToken": "t", "Expiration": expires}
        return {"Credentials": keys, "AssumedRoleUser": {"AssumedRoleId": "x", "Arn": role}}
    return {"Account": call.account, "Arn": f"arn:aws:iam::{call.account}:role/finops-read", "UserId": "x"}


@cache
def _model(service: str) -> Any:
    return get_service_model(service)


@cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path and operation of a REST service."""
    found = []
    for name in _model(service).operation_names:
        http = _model(service).operation_model(name).http
        path = re.sub(r"\{[^}]+\}", "[^/]+", http["requestUri"].split("?")[0])
        found.append((http["method"], re.compile(path + "/?"), name))
    return found


class _Handler(BaseHTTPRequestHandler):
    fleet: FakeFleet
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        call = self._call(body)
        fault = self.fleet.note(call)
        if fault:
            self._refuse(call, fault)
            return
        place, actions = self.fleet.behind
        if place and re.fullmatch(actions, call.action):
            connection = HTTPConnection(place)
            connection.request(self.command, self.path, body, dict(self.headers))
            passed = connection.getresponse()
            self._send(passed.status, passed.read(), {"Content-Type": passed.headers.get("Content-Type", "")})
            return
        try:
            answer = self.fleet.respond(call)
        except (LookupError, ValueError) as error:
            self._refuse(call, Fault("", "ValidationException", 400, str(error)))
            return
        if call.operation == "GetMetricData":
            self._send(200, json.dumps(answer), {"Content-Type": "application/x-amz-json-1.0"})
            return
        model = _model(call.service).operation_model(call.operation)
        said = get_serializer_class(call.service, _protocol(call.service))(model).serialize(answer)
        self._send(200, said["body"], dict(said["headers"]))

    def _call(self, body: bytes) -> Call:
        scope = re.search(r"Credential=(\w+)/\d+/([\w-]+)/([\w-]+)/", self.headers.get("Authorization", ""))
        key, region, signed = scope.groups() if scope else (ACCOUNT, "us-east-1", "sts")
        service = SIGNED_AS.get(signed, signed)
        url, target = urlsplit(self.path), self.headers.get("X-Amz-Target", "")
        if target:
            operation, asked = target.rpartition(".")[2], json.loads(body or b"{}")
        elif _protocol(service) in ("ec2", "query"):
            form = parse_qs(body.decode())
            operation, asked = form["Action"][0], dict(form)
            asked["InstanceType"] = [each[0] for name, each in form.items() if name.startswith("InstanceType.")]
        else:
            path = unquote(url.path)
            operation = next(
                name for method, route, name in _routes(service) if method == self.command and route.fullmatch(path)
            )
            asked = {name: each[0] for name, each in parse_qs(url.query).items()}
        return Call(service, operation, key[4:] if len(key) > 12 else key, region, asked)

    def _refuse(self, call: Call, fault: Fault) -> None:
        protocol, code, message = _protocol(call.service), fault.code, fault.message
        if not code:
            code = {"ec2": "UnauthorizedOperation", "query": "AccessDenied"}.get(protocol, "AccessDeniedException")
            who = f"arn:aws:sts::{call.account}:assumed-role/finops-read/finops"
            message = (
                f"User: {who} is not authorized to perform: {call.action} because no identity-based policy allows it"
            )
        if protocol == "ec2":
            text = (
                f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>"
            )
        elif protocol == "query":
            text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        else:
            text = json.dumps({"__type": code, "message": message})
        self._send(fault.status, text, {"x-amzn-errortype": code})

    def _send(self, status: int, text: str | bytes, headers: dict[str, str]) -> None:
        data = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def _protocol(service: str) -> str:
    """What the SDK speaks to it. CloudWatch and tags know several; the SDK takes JSON."""
    return {"ec2": "ec2", "sts": "query", "bedrock": "rest-json", "efs": "rest-json"}.get(service, "json")


def main() -> None:
    """Serve until interrupted."""
    with FakeFleet() as fleet:
        fleet.endpoint("Ranker", "ml.g5.xlarge", "blue", "green")
        fleet.endpoint("reader", "ml.m5.large")
        for name, value in fleet.environment().items():
            print(f"export {name}={value}")
        print('# [sources.activity]\n# type = "aws-utilisation"', flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
