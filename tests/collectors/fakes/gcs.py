"""``gcp-storage-emulator`` on a loopback port, with what it lacks: pages, generations that must match, errors, calls made.

By hand: ``python -m tests.collectors.fakes.gcs FOLDER`` serves the files of a folder as the bucket ``exports`` and prints the
endpoint: ``endpoints = { storage = "http://127.0.0.1:…" }`` with ``anonymous = true``, or ``STORAGE_EMULATOR_HOST``.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.handlers.objects import _checksums, _make_object_resource
from gcp_storage_emulator.server import RequestHandler, create_server


class FakeGcs:
    """Buckets. Put objects in, make it fail, and see what it was asked."""

    def __init__(self, *names: str) -> None:
        self.page_size = 1000
        self.cut_after: int | None = None
        """Break the connection of each read after so many bytes, while it is set."""
        self.calls: list[tuple[str, str]] = []
        """Operation and what it was of: ``("list", "exports/2026/")``, ``("get", "exports/2026/a.csv")``."""
        self._failures: list[list[Any]] = []
        self.storage = create_server("127.0.0.1", 0, in_memory=True)._storage
        for name in names:
            buckets.create_bucket(name, self.storage)

    def __enter__(self) -> FakeGcs:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The service's endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, bucket: str, name: str, data: bytes | str, *, md5: bool = True) -> None:
        """Put or replace an object."""
        content = data.encode() if isinstance(data, str) else data
        time.sleep(0.002)  # the emulator's generations are milliseconds
        kind = "application/octet-stream"
        about = _checksums(content, _make_object_resource("http://gcs", bucket, name, kind, str(len(content))))
        if not md5:
            del about["md5Hash"]
        self.storage.create_file(bucket, name, content, about)

    def put_folder(self, bucket: str, folder: Path, prefix: str = "") -> None:
        """Put every file of a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(bucket, prefix + path.relative_to(folder).as_posix(), path.read_bytes())

    def remove(self, bucket: str, name: str) -> None:
        self.storage.delete_file(bucket, name)

    def fail(
        self,
        status: int,
        reason: str,
        times: int | None = None,
        concerns: Callable[[str, str], bool] = lambda operation, what: True,
    ) -> None:
        """Answer with an error: ``times`` times, or until ``works_again``."""
        self._failures.append([status, reason, times, concerns])

    def works_again(self) -> None:
        self._failures.clear()
        self.cut_after = None

    def asked(self, operation: str) -> list[str]:
        return [what for kind, what in self.calls if kind == operation]

    def failing(self, operation: str, what: str) -> tuple[int, str] | None:
        for failure in self._failures:
            status, reason, times, concerns = failure
            if times != 0 and concerns(operation, what):
                if times:
                    failure[2] -= 1
                return status, reason
        return None


class _Handler(RequestHandler):
    def __init__(self, fake: FakeGcs, *args: Any) -> None:
        self.fake = fake
        super().__init__(fake.storage, *args)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        bucket, _, rest = url.path.partition("/b/")[2].partition("/")
        name = unquote(rest.partition("/")[2])
        operation = "get" if name else "list" if rest == "o" else "get bucket"
        what = f"{bucket}/{name or query.get('prefix', '')}"
        self.fake.calls.append((operation, what))
        if failure := self.fake.failing(operation, what):
            self._error(*failure, what)
        elif operation == "list":
            self._list(bucket, query)
        elif name and self._has_changed(bucket, name, query):
            self._error(412, "conditionNotMet", what)
        elif name and self.fake.cut_after is not None:
            self._cut(bucket, name, self.fake.cut_after)
        else:
            super().do_GET()

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        try:
            files, folders = self.storage.get_file_list(bucket, query.get("prefix"), query.get("delimiter"))
        except NotFound:
            self._error(404, "notFound", bucket)
            return
        entries = sorted([*((each["name"], each) for each in files), *((each, None) for each in folders)])
        start = int(query.get("pageToken", "0"))
        page = entries[start : start + self.fake.page_size]
        answer: dict[str, Any] = {
            "kind": "storage#objects",
            "items": [about for _, about in page if about],
            "prefixes": [name for name, about in page if about is None],
        }
        if start + len(page) < len(entries):
            answer["nextPageToken"] = str(start + len(page))
        self._answer(200, answer)

    def _has_changed(self, bucket: str, name: str, query: dict[str, str]) -> bool:
        wanted = query.get("ifGenerationMatch")
        try:
            return bool(wanted) and self.storage.get_file_obj(bucket, name)["generation"] != wanted
        except NotFound:
            return False

    def _cut(self, bucket: str, name: str, after: int) -> None:
        data = self.storage.get_file(bucket, name)
        self.send_response(206)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Range", f"bytes 0-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[:after])

    def _error(self, status: int, reason: str, what: str) -> None:
        about = {"message": f"{what}: {reason}", "domain": "global", "reason": reason}
        self._answer(status, {"error": {"code": status, "message": about["message"], "errors": [about]}})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    with FakeGcs("exports") as fake:
        fake.put_folder("exports", Path(sys.argv[1]))
        print(fake.url)
        threading.Event().wait()
