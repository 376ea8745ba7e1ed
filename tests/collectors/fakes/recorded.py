"""Servers on a loopback port that answer what a real one answered (``collectors/recorded/``), and fail as they are told.

    with FakePrometheus() as prometheus:
        prometheus.fail(403)
        … url = prometheus.url …
        prometheus.calls

To a question that was not recorded Prometheus has no series, and MLflow answers with an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

RECORDED = Path(__file__).resolve().parents[1] / "recorded"


@dataclass
class Call:
    """One call that was made."""

    method: str
    path: str
    params: dict[str, str]
    question: Any
    headers: Mapping[str, str]


@dataclass
class Fault:
    """An answer in place of the right one."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 10**9
    on: str = ""
    """Part of the path and question that it concerns."""


class Loopback:
    """A server whose answers ``answer`` gives."""

    prefix = ""
    """Of the path below which the API is."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.wants: str = ""
        """The Authorization header without which there is no answer; empty: none is wanted."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._handle(self)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fail(self, status: int, body: bytes | str = b"", *, times: int = 10**9, on: str = "", **headers: str) -> None:
        """Answer so; ``retry_after="2"`` is a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(status, body.encode() if isinstance(body, str) else body, named, times, on))

    def answer(self, call: Call) -> tuple[int, Any]:
        """The status, and the answer as JSON."""
        raise NotImplementedError

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        call = Call(handler.command, parts.path.removeprefix(self.prefix), dict(parse_qsl(parts.query)),
                    json.loads(body) if body else None, handler.headers)  # type: ignore[arg-type]  # fmt: skip
        self.calls.append(call)
        said = f"{call.path} {call.params} {call.question}"
        fault = next((each for each in self.faults if each.times > 0 and each.on in said), None)
        if fault:
            fault.times -= 1
            status, content, headers = fault.status, fault.body, fault.headers
        elif self.wants and handler.headers.get("Authorization") != self.wants:
            status, content, headers = 401, b"Unauthorized\n", {}
        elif not parts.path.startswith(self.prefix):
            status, content, headers = 404, b"404 page not found\n", {}
        else:
            status, answer = self.answer(call)
            content, headers = json.dumps(answer).encode(), {}
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


class FakePrometheus(Loopback):
    """What Prometheus answered, and its limit on points."""

    most_points = 11_000

    def __init__(self) -> None:
        super().__init__()
        recorded = json.loads((RECORDED / "prometheus" / "answers.json").read_text())
        self.recorded = {_key(each["path"], each["params"]): each["answer"] for each in recorded}
        self.not_recorded: list[str] = []

    def answer(self, call: Call) -> tuple[int, Any]:
        kind = {"/api/v1/query": "vector", "/api/v1/query_range": "matrix"}.get(call.path)
        if call.method != "GET" or kind is None:
            return 404, {}
        if kind == "matrix":
            start, end, step = (float(call.params[name]) for name in ("start", "end", "step"))
            if (end - start) / step > self.most_points:
                said = (
                    "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution"
                )
                return 400, {"status": "error", "errorType": "bad_data", "error": said}
        found = self.recorded.get(_key(call.path, call.params))
        if found is None:
            self.not_recorded.append(call.params["query"])
        return 200, found or {"status": "success", "data": {"resultType": kind, "result": []}}


class FakeMLflow(Loopback):
    """What MLflow's tracking server answered."""

    def __init__(self) -> None:
        super().__init__()
        recorded = json.loads((RECORDED / "mlflow" / "answers.json").read_text())
        self.recorded = {
            (each["method"], each["path"], json.dumps(each["question"], sort_keys=True)): each for each in recorded
        }

    def answer(self, call: Call) -> tuple[int, Any]:
        found = self.recorded.get((call.method, call.path, json.dumps(call.question, sort_keys=True)))
        return (
            (found["status"], found["answer"]) if found else (400, {"error_code": "NOT_RECORDED", "message": str(call)})
        )


def _key(path: str, params: Mapping[str, str]) -> str:
    return json.dumps([path, dict(params)], sort_keys=True)
