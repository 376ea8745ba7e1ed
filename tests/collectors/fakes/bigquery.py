"""A BigQuery that answers over HTTP as the real one does, and really runs the queries: DuckDB is behind it.

By hand: ``python -m tests.collectors.fakes.bigquery`` starts it with a small detailed export and prints the source to put into
``finops.toml``.
"""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow

from .bigquery_tables import DETAILED, FOCUS, STANDARD, Field, Tables, charge, focus_charge

__all__ = ["DETAILED", "FOCUS", "STANDARD", "Call", "FakeBigQuery", "charge", "focus_charge"]

PROJECT = "acme-billing"
TABLE = f"{PROJECT}.billing.gcp_billing_export_resource_v1_0A1B2C_3D4E5F_607182"


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    """``tables.get``, ``jobs.insert``, ``jobs.get``, ``jobs.getQueryResults``."""
    sql: str = ""
    dry: bool = False


@dataclass
class Failure:
    """What goes wrong with the next calls of a method."""

    method: str
    status: int
    reason: str
    message: str
    times: float
    after: int = 0
    """So many calls go well before."""


@dataclass
class Job:
    """A query that was run."""

    resource: dict[str, Any]
    fields: list[Field] = field(default_factory=list)
    rows: pyarrow.Table | None = None


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


class FakeBigQuery(Tables):
    """The server. ``with FakeBigQuery() as fake:`` starts it on a loopback port."""

    def __init__(self, port: int = 0, *, rows_per_page: int = 100_000) -> None:
        super().__init__()
        self.rows_per_page = rows_per_page
        """No page has more, whatever is asked for: the real one stops at some megabytes."""
        self.calls: list[Call] = []
        self.denied: set[str] = set()
        """Permissions that the identity lacks: ``bigquery.tables.getData``."""
        self.jobs: dict[str, Job] = {}
        self._failures: list[Failure] = []
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"fake": self}))
        self._server.daemon_threads = True

    def __enter__(self) -> FakeBigQuery:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """For ``endpoints = { bigquery = … }`` or ``BIGQUERY_EMULATOR_HOST``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def fail(
        self, status: int, reason: str = "backendError", message: str = "", *,
        method: str = "", times: float = 1, after: int = 0,
    ) -> None:  # fmt: skip
        """The next calls (of a method) are answered with an error. Status 0: the connection breaks."""
        self._failures.append(Failure(method, status, reason, message or f"{reason} for a test", times, after))

    def heal(self) -> None:
        """Nothing fails, nothing is denied any more."""
        self._failures.clear()
        self.denied.clear()

    def queries(self) -> list[str]:
        """The SQL of the queries that were really run."""
        return [call.sql for call in self.calls if call.method == "jobs.insert" and not call.dry]

    def permissions_used(self) -> set[str]:
        """The permissions that the calls so far needed."""
        found = set()
        for call in self.calls:
            found |= (
                {"bigquery.tables.get"}
                if call.method == "tables.get"
                else {"bigquery.jobs.create", "bigquery.tables.getData"}
            )
        return found

    def answer(self, method: str, path: list[str], query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            Refused: it is an error.
        """
        with self._lock:
            if method == "GET" and "tables" in path:
                self._note(Call("tables.get"))
                return self._table(".".join((path[1], path[3], path[5])))
            if method == "POST" and path[-1] == "jobs":
                stated = body["configuration"]
                self._note(Call("jobs.insert", stated["query"]["query"], bool(stated.get("dryRun"))))
                return self._insert(body)
            if method == "GET" and path[2] == "jobs":
                self._note(Call("jobs.get"))
                return self._job(path[3]).resource
            if method == "GET" and path[2] == "queries":
                self._note(Call("jobs.getQueryResults"))
                return self._results(path[3], query)
            raise Refused(404, "notFound", f"the fake has no {method} {'/'.join(path)}")

    def _note(self, call: Call) -> None:
        self.calls.append(call)
        for failure in self._failures:
            if failure.method in ("", call.method) and failure.times > 0:
                if failure.after > 0:
                    failure.after -= 1
                    continue
                failure.times -= 1
                raise Refused(failure.status, failure.reason, failure.message)

    def _table(self, name: str) -> dict[str, Any]:
        if "bigquery.tables.get" in self.denied:
            raise Refused(403, "accessDenied", f"Access Denied: Table {name}: Permission bigquery.tables.get denied on table {name} "
                          "(or it may not exist).")  # fmt: skip
        if name not in self.tables:
            raise Refused(404, "notFound", f"Not found: Table {name}")
        return self.tables[name].described()

    def _insert(self, body: dict[str, Any]) -> dict[str, Any]:
        config, reference = body["configuration"], body.get("jobReference", {})
        sql, project = config["query"]["query"], reference.get("projectId", PROJECT)
        if "bigquery.jobs.create" in self.denied:
            raise Refused(403, "accessDenied", f"Access Denied: Project {project}: User does not have bigquery.jobs.create "
                          f"permission in project {project}.")  # fmt: skip
        if "bigquery.tables.getData" in self.denied:
            raise Refused(403, "accessDenied", "Access Denied: User does not have permission to query table, or perhaps it "
                          "does not exist.")  # fmt: skip
        try:
            size = self.scanned(sql)
            where = {self.tables[name].location for name in self.tables if f"`{name}`" in sql}
            if reference.get("location") and {reference["location"]} != where:
                raise Refused(404, "notFound", f"Not found: Dataset was not found in location {reference['location']}")
            resource = _resource(project, reference.get("jobId", ""), where.pop(), config, size)
            if config.get("dryRun"):
                return resource
            job = Job(resource)
            bound = int(config["query"].get("maximumBytesBilled") or 0)
            if bound and size > bound:
                resource["status"]["errorResult"] = {
                    "reason": "bytesBilledLimitExceeded",
                    "message": f"Query exceeded limit for bytes billed: {bound}. {size} or higher required.",
                }
            else:
                job.fields, job.rows = self.ask(sql)
        except LookupError as error:
            raise Refused(404, "notFound", str(error).strip("'")) from error
        except ValueError as error:
            raise Refused(400, "invalidQuery", str(error)) from error
        if reference["jobId"] in self.jobs:
            raise Refused(409, "duplicate", "Already Exists: Job")
        self.jobs[reference["jobId"]] = job
        return resource

    def _job(self, name: str) -> Job:
        if name not in self.jobs:
            raise Refused(404, "notFound", f"Not found: Job {name}")
        return self.jobs[name]

    def _results(self, name: str, query: dict[str, str]) -> dict[str, Any]:
        job = self._job(name)
        if error := job.resource["status"].get("errorResult"):
            raise Refused(400, error["reason"], error["message"])
        assert job.rows is not None
        start = int(query.get("pageToken") or query.get("startIndex") or 0)
        count = min(int(query.get("maxResults", self.rows_per_page)), self.rows_per_page)
        moments = query.get("formatOptions.useInt64Timestamp", "").lower() == "true"
        answer: dict[str, Any] = {
            "jobReference": job.resource["jobReference"],
            "jobComplete": True,
            "schema": {"fields": job.fields},
            "totalRows": str(job.rows.num_rows),
            "totalBytesProcessed": job.resource["statistics"]["totalBytesProcessed"],
        }
        if count:
            page = job.rows.slice(start, count).to_pylist()
            answer["rows"] = [
                {"f": [{"v": _json(each, row[each["name"]], moments)} for each in job.fields]} for row in page
            ]
        if count and start + count < job.rows.num_rows:
            answer["pageToken"] = str(start + count)
        return answer


def _resource(project: str, job_id: str, location: str, config: dict[str, Any], size: int) -> dict[str, Any]:
    now = str(int(time.time() * 1000))
    table = {"projectId": project, "datasetId": "_answers", "tableId": re.sub(r"\W", "_", job_id)}
    stated = config | {"query": config["query"] | {"destinationTable": table}, "jobType": "QUERY"}
    return {
        "kind": "bigquery#job",
        "id": f"{project}:{location}.{job_id}",
        "jobReference": {"projectId": project, "jobId": job_id, "location": location},
        "configuration": stated,
        "status": {"state": "DONE"},
        "statistics": {
            "creationTime": now, "startTime": now, "endTime": now, "totalBytesProcessed": str(size),
            "query": {"totalBytesProcessed": str(size), "totalBytesBilled": str(size), "statementType": "SELECT"},
        },
    }  # fmt: skip


def _json(field: Field, value: Any, moments: bool, *, inside: bool = False) -> Any:
    """A value as the REST API writes it: everything is text, records are lists of cells."""
    if field["mode"] == "REPEATED" and not inside:
        return [{"v": _json(field, each, moments, inside=True)} for each in value or []]
    if value is None:
        return None
    if field["type"] == "RECORD":
        return {"f": [{"v": _json(each, value[each["name"]], moments)} for each in field["fields"]]}
    if isinstance(value, datetime):
        micros = (value.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)
        return str(micros) if moments else repr(micros / 1e6)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, float):
        return repr(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Handler(BaseHTTPRequestHandler):
    fake: FakeBigQuery
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        address = urlsplit(self.path)
        path = [part for part in address.path.split("/") if part]
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        try:
            status, answer = 200, self.fake.answer(self.command, path[path.index("v2") + 1 :], query, body)
        except Refused as refused:
            if refused.status == 0:
                self.close_connection = True
                return
            status, reason = refused.status, {"reason": refused.reason, "message": refused.message, "domain": "global"}
            answer = {"error": {"code": status, "message": refused.message, "errors": [reason]}}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _serve

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def main() -> None:
    """Run it until it is interrupted."""
    with FakeBigQuery(9050) as fake:
        fake.create(TABLE)
        today = datetime.now(tz=UTC).date()
        for day in range(1, today.day + 1):
            start = datetime(today.year, today.month, day, 10, tzinfo=UTC)
            fake.add(TABLE, date(today.year, today.month, day), [charge(start, "1.25", credits=["-0.25"])])
        print(f'[sources.gcp]\ntype = "gcp-bigquery"\nproject = "{PROJECT}"\ntable = "{TABLE}"\nanonymous = true')
        print(f'endpoints = {{ bigquery = "{fake.url}" }}')
        threading.Event().wait()


if __name__ == "__main__":
    main()
