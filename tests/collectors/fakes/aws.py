"""AWS on a loopback port: moto's server behind a thin front that answers what moto lacks, injects errors and notes every call.

By hand: ``python -m tests.collectors.fakes.aws`` starts it with an export, and prints the variables to set.

    with FakeAws() as aws:
        aws.environment()                       # AWS_ENDPOINT_URL, keys that mean nothing
        aws.make_export("cur2", "acme-billing", "exports")
        aws.publish("cur2", "2026-10", [parquet_bytes])
        aws.deny("s3:GetObject"); aws.throttle("s3:ListObjectsV2", 3); aws.expire(); aws.forgive()
        aws.calls                               # what was asked, in order

All fakes of one process share moto's memory, so that ``reset`` empties it for all.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.config import Config
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/finops"
ACTIONS = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
}
"""The IAM action that allows an operation, where it is called otherwise."""


@dataclass(frozen=True)
class Call:
    """One request as it came in."""

    service: str
    operation: str
    what: str = ""
    """Bucket, key or prefix; empty for other services."""
    range: str = ""
    """The Range header."""

    @property
    def name(self) -> str:
        """``s3:GetObject``."""
        return f"{self.service}:{self.operation}"

    @property
    def action(self) -> str:
        """The IAM action that allows it."""
        return ACTIONS.get(self.name, self.name)


@dataclass
class Fault:
    """An error that is answered instead of what was asked for."""

    match: str
    """A regular expression over ``service:operation what``."""
    code: str
    status: int
    message: str = ""
    times: int = -1
    """-1: for ever."""
    cut_after: int = -1
    """Not an error code, but a connection that breaks after so many bytes of the body."""
    retry_after: int = 0
    """Seconds, stated in the answer's Retry-After."""


@dataclass
class Export:
    """What the fake knows of a data export or a legacy report."""

    name: str
    bucket: str
    prefix: str
    overwrite: bool
    partition: str
    definition: dict[str, Any]
    arn: str = ""
    executions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def base(self) -> str:
        return "/".join(filter(None, (self.prefix, self.name)))


class FakeAws:
    """Starts at once; stop it, or use it in a ``with``."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        self.moto_address = self._moto.get_host_and_port()
        self._front = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._front.daemon_threads = True
        self._front.aws = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._front.server_address[1]}"
        threading.Thread(target=self._front.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self._ids = 0
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.exports: dict[str, Export] = {}
        self.reports: dict[str, Export] = {}
        self.tags: list[str] = ["team"]
        self.role_lasts = timedelta(hours=1)
        """For how long a role that is taken on from now on is valid."""
        self._lock = threading.Lock()

    def __enter__(self) -> FakeAws:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._front.shutdown()
        self._front.server_close()
        self._moto.stop()

    def environment(self) -> dict[str, str]:
        """What has to be set in the environment for every AWS SDK to come here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIAFAKE",
            "AWS_SECRET_ACCESS_KEY": "fake",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def reset(self) -> None:
        """As if it had just been started."""
        connection = HTTPConnection(*self.moto_address)
        connection.request("POST", "/moto-api/reset")
        connection.getresponse().read()
        self.calls.clear()
        self._ids = 0
        self.exports.clear()
        self.reports.clear()
        self.role_lasts = timedelta(hours=1)
        self.forgive()

    def _next_id(self) -> str:
        """Of an execution: the same after each start, so that what was collected from one can be taken up by another."""
        self._ids += 1
        return str(uuid.UUID(int=self._ids))

    # what AWS has

    def client(self, service: str = "s3", region: str = "us-east-1") -> Any:
        """A client past the front: nothing is noted, nothing fails."""
        host, port = self.moto_address
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id="AKIAFAKE",
            aws_secret_access_key="fake",
            config=Config(s3={"addressing_style": "path"}),
        )

    def put(self, bucket: str, key: str, content: bytes, at: datetime | None = None) -> None:
        """An object, last modified at a time of choice."""
        backend: Any = get_backend("s3")[ACCOUNT]["aws"]
        self._bucket(bucket)
        backend.put_object(bucket, key, content)
        if at:
            self.touch(bucket, key, at)

    def touch(self, bucket: str, key: str, at: datetime) -> None:
        """Change when an object was last modified."""
        found: Any = get_backend("s3")[ACCOUNT]["aws"].get_object(bucket, key)
        found.last_modified = at.astimezone(UTC).replace(tzinfo=None)

    def make_export(
        self,
        name: str,
        bucket: str,
        prefix: str = "exports",
        *,
        overwrite: bool = True,
        partition: str = "BILLING_PERIOD",
        table: str = "COST_AND_USAGE_REPORT",
        settings: dict[str, str] | None = None,
        form: str = "PARQUET",
    ) -> Export:
        """A data export: the bucket is made, nothing is delivered yet."""
        options = {
            "OutputType": "CUSTOM",
            "Format": form,
            "Compression": "PARQUET" if form == "PARQUET" else "GZIP",
            "Overwrite": "OVERWRITE_REPORT" if overwrite else "CREATE_NEW_REPORT",
        }
        arn = f"arn:aws:bcm-data-exports:us-east-1:{ACCOUNT}:export/{name}-{self._next_id()}"
        good = {
            "TIME_GRANULARITY": "HOURLY",
            "INCLUDE_RESOURCES": "TRUE",
            "INCLUDE_SPLIT_COST_ALLOCATION_DATA": "TRUE",
        }
        definition = {
            "ExportArn": arn,
            "Name": name,
            "DataQuery": {"QueryStatement": f"SELECT … FROM {table}", "TableConfigurations": {table: settings or good}},
            "DestinationConfigurations": {
                "S3Destination": {
                    "S3Bucket": bucket,
                    "S3Prefix": prefix,
                    "S3Region": "us-east-1",
                    "S3OutputConfigurations": options,
                }
            },
            "RefreshCadence": {"Frequency": "SYNCHRONOUS"},
        }
        self._bucket(bucket)
        self.exports[name] = Export(name, bucket, prefix, overwrite, partition, definition, arn)
        return self.exports[name]

    def make_report(self, name: str, bucket: str, prefix: str = "cur", *, overwrite: bool = False) -> Export:
        """A legacy report."""
        definition = {
            "ReportName": name,
            "TimeUnit": "HOURLY",
            "Format": "textORcsv",
            "Compression": "GZIP",
            "AdditionalSchemaElements": ["RESOURCES", "SPLIT_COST_ALLOCATION_DATA"],
            "S3Bucket": bucket,
            "S3Prefix": prefix,
            "S3Region": "us-east-1",
            "RefreshClosedReports": True,
            "ReportVersioning": "OVERWRITE_REPORT" if overwrite else "CREATE_NEW_REPORT",
        }
        self._bucket(bucket)
        self.reports[name] = Export(name, bucket, prefix, overwrite, "", definition)
        return self.reports[name]

    def publish(
        self,
        name: str,
        month: str,
        parts: Sequence[bytes],
        *,
        at: datetime | None = None,
        suffix: str = ".snappy.parquet",
        stop_after: int | None = None,
    ) -> str:
        """A delivery of a data export as AWS makes it: the parts, then the manifest.

        Args:
            month: ``2026-10``.
            at: when it is delivered, in UTC.
            stop_after: so many parts are written, and no manifest: a delivery that has not arrived whole.

        Returns:
            The execution's id.
        """
        export, now, run = self.exports[name], at or datetime.now(tz=UTC), self._next_id()
        folder = f"{export.partition}={month}"
        if not export.overwrite:
            folder += f"/{now:%Y%m%dT%H%M%SZ}-{run}"
        keys = [f"{export.base}/data/{folder}/{name}-{n:05}{suffix}" for n in range(1, len(parts) + 1)]
        for key, part in list(zip(keys, parts, strict=True))[:stop_after]:
            self.put(export.bucket, key, part, now)
        manifest = {
            "executionId": run,
            "exportArn": export.arn,
            "columns": [],
            "dataFiles": [f"s3://{export.bucket}/{key}" for key in keys],
            "additionalOutputFiles": [],
        }
        if stop_after is None:
            where = f"{export.base}/metadata/{folder}/{name}-Manifest.json"
            self.put(export.bucket, where, json.dumps(manifest).encode(), now)
            self.executed(name, "DELIVERY_SUCCESS", now, run)
        return run

    def publish_report(
        self,
        name: str,
        month: str,
        parts: Sequence[bytes],
        *,
        at: datetime | None = None,
        suffix: str = ".csv.gz",
        stop_after: int | None = None,
        parquet: bool = False,
    ) -> str:
        """A delivery of a legacy report. Returns the assembly's id."""
        report, now, run = self.reports[name], at or datetime.now(tz=UTC), self._next_id()
        year, number = map(int, month.split("-"))
        start, end = f"{year}{number:02}01", f"{year + number // 12}{number % 12 + 1:02}01"
        period = f"{report.base}/{start}-{end}"
        folder = period if report.overwrite else f"{period}/{run}"
        if parquet:
            folder, suffix = f"{report.base}/{name}/year={year}/month={number}", ".snappy.parquet"
        keys = [f"{folder}/{name}-{n:05}{suffix}" for n in range(1, len(parts) + 1)]
        for key, part in list(zip(keys, parts, strict=True))[:stop_after]:
            self.put(report.bucket, key, part, now)
        manifest = {
            "assemblyId": run,
            "account": ACCOUNT,
            "columns": [],
            "charset": "UTF-8",
            "reportName": name,
            "billingPeriod": {"start": f"{start}T000000.000Z", "end": f"{end}T000000.000Z"},
            "bucket": report.bucket,
            "reportKeys": keys,
        }
        if stop_after is None:
            places = [period] if report.overwrite or parquet else [folder, period]
            for place in places:
                self.put(report.bucket, f"{place}/{name}-Manifest.json", json.dumps(manifest).encode(), now)
        return run

    def executed(self, name: str, status: str, at: datetime, run: str = "", reason: str = "") -> None:
        """Note an execution of an export, for ``ListExecutions``."""
        stated = {"StatusCode": status, "CreatedAt": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        if reason:
            stated["StatusReason"] = reason
        self.exports[name].executions.append({"ExecutionId": run or self._next_id(), "ExecutionStatus": stated})

    # what goes wrong

    def deny(self, action: str, match: str = "") -> None:
        """Answer AccessDenied. ``action``: an operation as in ``Call.name``, or the IAM action."""
        for name in {action, *(name for name, needed in ACTIONS.items() if needed == action)}:
            self._fault(Fault(_pattern(name, match), "AccessDenied", 403))

    def throttle(self, operation: str, times: int, match: str = "", retry_after: int = 0) -> None:
        """Answer SlowDown or ThrottlingException so many times."""
        pattern = _pattern(operation, match)
        self._fault(Fault(pattern, "ThrottlingException", 400, "Rate exceeded", times, retry_after=retry_after))

    def fail(self, operation: str, times: int, status: int = 500, match: str = "") -> None:
        """Answer with an error of the server so many times; -1: for ever."""
        self._fault(
            Fault(_pattern(operation, match), "InternalError", status, "We encountered an internal error.", times)
        )

    def cut(self, operation: str, after: int, times: int = 1, match: str = "") -> None:
        """Break the connection after so many bytes of the body."""
        self._fault(Fault(_pattern(operation, match), "", 0, times=times, cut_after=after))

    def answer(self, operation: str, code: str, status: int = 400, message: str = "", times: int = -1) -> None:
        """Answer with any error code."""
        self._fault(Fault(_pattern(operation, ""), code, status, message, times))

    def expire(self) -> None:
        """From now on the credentials have run out."""
        self._fault(Fault(".*", "ExpiredToken", 400, "The provided token has expired."))

    def forgive(self) -> None:
        """No more errors."""
        with self._lock:
            self.faults.clear()

    def called(self, name: str) -> list[Call]:
        """The calls of one operation: ``s3:GetObject``."""
        return [each for each in self.calls if each.name == name]

    # for the front

    def note(self, call: Call) -> Fault | None:
        """Note a call, and say what is to go wrong with it."""
        with self._lock:
            self.calls.append(call)
            for fault in self.faults:
                if fault.times != 0 and re.match(fault.match, f"{call.name} {call.what}"):
                    fault.times -= fault.times > 0
                    return fault
        return None

    def answer_billing(self, call: Call, asked: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """What moto lacks; None: moto may know it. Lists come in pages of two."""
        if call.service == "bcm-data-exports":
            return self._data_exports(call.operation, asked)
        if call.name == "cur:DescribeReportDefinitions":
            return 200, _page([each.definition for each in self.reports.values()], "ReportDefinitions", asked)
        if call.name == "ce:ListCostAllocationTags":
            tags = [{"TagKey": tag, "Type": "UserDefined", "Status": "Active"} for tag in self.tags]
            return 200, _page(tags, "CostAllocationTags", asked)
        return None

    def _data_exports(self, operation: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation == "ListExports":
            every = [
                {"ExportArn": each.arn, "ExportName": name, "ExportStatus": {"StatusCode": "HEALTHY"}}
                for name, each in self.exports.items()
            ]
            return 200, _page(every, "Exports", asked)
        export = next((each for each in self.exports.values() if each.arn == asked.get("ExportArn")), None)
        if export is None:
            return 400, {"__type": "ResourceNotFoundException", "Message": "There is no such export."}
        if operation == "GetExport":
            return 200, {"Export": export.definition, "ExportStatus": {"StatusCode": "HEALTHY"}}
        if operation == "ListExecutions":
            return 200, _page(export.executions, "Executions", asked)
        return 400, {"__type": "UnknownOperationException"}

    def _fault(self, fault: Fault) -> None:
        with self._lock:
            self.faults.append(fault)

    def _bucket(self, name: str) -> None:
        backend: Any = get_backend("s3")[ACCOUNT]["aws"]
        if name not in backend.buckets:
            backend.create_bucket(name, "us-east-1")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one(self) -> None:
        aws: FakeAws = self.server.aws  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = self._call(body)
        fault = aws.note(call)
        if fault and fault.cut_after < 0:
            self._refuse(call, fault)
            return
        own = aws.answer_billing(call, json.loads(body or b"{}")) if "X-Amz-Target" in self.headers else None
        if own:
            self._send(own[0], {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(own[1]).encode())
            return
        connection = HTTPConnection(*aws.moto_address)
        connection.request(self.command, self.path, body or None, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        if call.name == "sts:AssumeRole":
            ends = f"<Expiration>{datetime.now(tz=UTC) + aws.role_lasts:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
            content = re.sub(rb"<Expiration>[^<]*</Expiration>", ends.encode(), content)
        headers = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date")
        }
        size = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._send(answer.status, headers, content, size=size, cut=fault.cut_after if fault else -1)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_one

    def _call(self, body: bytes) -> Call:
        scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", self.headers.get("Authorization", ""))
        service = scope[1] if scope else "s3"
        if target := self.headers.get("X-Amz-Target"):
            return Call(service, target.rpartition(".")[2])
        if service != "s3":
            action = parse_qs(body.decode()).get("Action", [f"{self.command} {urlsplit(self.path).path}"])[0]
            return Call(service, action)
        parts, given = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        if key:
            verb = {"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete", "POST": "Post"}[self.command]
            return Call(service, f"{verb}Object", f"{bucket}/{key}", self.headers.get("Range", ""))
        if self.command == "HEAD":
            return Call(service, "HeadBucket", bucket)
        if "list-type" in given:
            return Call(service, "ListObjectsV2", f"{bucket}/{given.get('prefix', [''])[0]}")
        return Call(service, "ListBuckets" if not bucket else f"{self.command} {parts.query}", bucket)

    def _refuse(self, call: Call, fault: Fault) -> None:
        code, message = fault.code, fault.message
        if call.service == "s3" and code == "ThrottlingException":
            code = "SlowDown"
        if not message and fault.status == 403:
            resource = f"arn:aws:s3:::{call.what}" if call.service == "s3" else "*"
            if call.operation == "ListObjectsV2":
                resource = resource.partition("/")[0]
            message = f"User: {USER} is not authorized to perform: {call.action} on resource: {resource}"
        status = 503 if code == "SlowDown" else fault.status
        if call.service == "s3":
            text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        elif "X-Amz-Target" in self.headers:
            kind = code + ("Exception" if code == "AccessDenied" else "")
            text = json.dumps({"__type": kind, "message": message})
        else:
            text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
        self._send(status, {"Content-Type": "application/xml"} | headers, text.encode())

    def _send(
        self, status: int, headers: dict[str, str], content: bytes, size: str | None = None, cut: int = -1
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", size or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if cut < 0 else content[:cut])
        if cut >= 0:
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _page(every: Sequence[Any], name: str, asked: dict[str, Any], size: int = 2) -> dict[str, Any]:
    start = int(asked.get("NextToken") or 0)
    answer: dict[str, Any] = {name: list(every[start : start + size])}
    if start + size < len(every):
        answer["NextToken"] = str(start + size)
    return answer


def _pattern(operation: str, match: str) -> str:
    return re.escape(operation) + r"\b.*" + (match or "")


def main() -> None:
    """Run until interrupted."""
    with FakeAws() as aws:
        aws.make_export("cur2", "acme-billing")
        for name, value in aws.environment().items():
            print(f"export {name}={value}")
        print("# an empty data export 'cur2' in s3://acme-billing/exports; Ctrl-C ends it", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
