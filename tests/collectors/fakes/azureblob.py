"""A blob service on a loopback port, as far as the SDK asks: lists with pages and folders, ranged reads with If-Match.

By hand: ``python -m tests.collectors.fakes.azureblob FOLDER`` serves the files of a folder as the container ``exports`` and
prints the connection string that a source takes.
"""

from __future__ import annotations

import base64
import hashlib
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass
class Blob:
    """What the service keeps of a file."""

    data: bytes
    modified: datetime
    etag: str
    states_md5: bool = True


@dataclass
class Failure:
    """An error that is answered instead, a number of times or until it is lifted."""

    status: int
    code: str
    times: int | None
    concerns: Callable[[str, str], bool]


@dataclass
class FakeBlobService:
    """One storage account, ``acme``. Put blobs in, make it fail, and see what it was asked."""

    page_size: int = 5000
    cut_after: int | None = None
    """Break the connection of each read after so many bytes, while it is set."""
    containers: dict[str, dict[str, Blob]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Operation and what it was of: ``("List", "exports/cost/")``, ``("Get", "exports/cost/…/manifest.json")``."""
    failures: list[Failure] = field(default_factory=list)
    _made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> FakeBlobService:
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The account's endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/acme"

    @property
    def connection_string(self) -> str:
        key = base64.b64encode(b"not a key").decode()
        return f"BlobEndpoint={self.url};AccountName=acme;AccountKey={key}"

    def create(self, container: str) -> None:
        """An empty container."""
        self.containers.setdefault(container, {})

    def put(
        self, container: str, name: str, data: bytes | str, *, at: datetime | None = None, md5: bool = True
    ) -> None:
        """Put or replace a blob, written at a time (else now)."""
        self._made += 1
        content = data.encode() if isinstance(data, str) else data
        blobs = self.containers.setdefault(container, {})
        blobs[name] = Blob(content, at or datetime.now(tz=UTC), f'"0x8DC{self._made:012X}"', md5)

    def put_folder(self, container: str, folder: Path, prefix: str = "", *, at: datetime | None = None) -> None:
        """Put every file of a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(container, prefix + path.relative_to(folder).as_posix(), path.read_bytes(), at=at)

    def remove(self, container: str, prefix: str) -> None:
        """Remove what is called so, or lies below."""
        for name in [name for name in self.containers[container] if name.startswith(prefix)]:
            del self.containers[container][name]

    def fail(
        self,
        status: int,
        code: str,
        times: int | None = None,
        concerns: Callable[[str, str], bool] = lambda operation, what: True,
    ) -> None:
        """Answer with an error: ``times`` times, or until ``works_again``."""
        self.failures.append(Failure(status, code, times, concerns))

    def works_again(self) -> None:
        self.failures.clear()
        self.cut_after = None

    def asked(self, operation: str) -> list[str]:
        """What an operation was asked of."""
        return [what for kind, what in self.calls if kind == operation]

    def failing(self, operation: str, what: str) -> Failure | None:
        with self._lock:
            for failure in self.failures:
                if failure.concerns(operation, what) and failure.times != 0:
                    if failure.times:
                        failure.times -= 1
                    return failure
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: FakeBlobService

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        _, _, rest = unquote(url.path).lstrip("/").partition("/")
        container, _, name = rest.partition("/")
        listing = query.get("comp") == "list"
        operation = "List" if listing else {"HEAD": "Properties"}.get(self.command, "Get")
        what = f"{container}/{query.get('prefix', '')}" if listing else f"{container}/{name}"
        self.service.calls.append((operation, what))
        if failure := self.service.failing(operation, what):
            self._error(failure.status, failure.code)
        elif container not in self.service.containers:
            self._error(404, "ContainerNotFound")
        elif listing:
            self._list(container, query)
        else:
            self._blob(container, name)

    do_HEAD = do_GET

    def _list(self, container: str, query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        entries: dict[str, Blob | None] = {}
        for name, blob in sorted(self.service.containers[container].items()):
            if name.startswith(prefix):
                folder, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
                entries.setdefault(prefix + folder + found if found else name, None if found else blob)
        names = [name for name in entries if name > query.get("marker", "")]
        size = min(self.service.page_size, int(query.get("maxresults", "5000")))
        page, marker = names[:size], names[size - 1] if len(names) > size else ""
        items = "".join(_entry(name, entries[name]) for name in page)
        body = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{container}">'
            f"<Blobs>{items}</Blobs><NextMarker>{escape(marker)}</NextMarker></EnumerationResults>"
        )
        self._answer(200, body.encode(), {"Content-Type": "application/xml"})

    def _blob(self, container: str, name: str) -> None:
        blob = self.service.containers[container].get(name)
        if blob is None:
            self._error(404, "BlobNotFound")
            return
        if self.headers.get("If-Match", blob.etag) != blob.etag:
            self._error(412, "ConditionNotMet")
            return
        headers = {
            "ETag": blob.etag,
            "Last-Modified": format_datetime(blob.modified, usegmt=True),
            "x-ms-blob-type": "BlockBlob",
            "Content-Type": "application/octet-stream",
        }
        wanted = self.headers.get("x-ms-range") or self.headers.get("Range")
        if wanted is None:
            self._answer(200, blob.data, headers)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(blob.data)), len(blob.data) - 1)
        if start >= len(blob.data):
            self._error(416, "InvalidRange")
            return
        headers["Content-Range"] = f"bytes {start}-{end}/{len(blob.data)}"
        self._answer(206, blob.data[start : end + 1], headers)

    def _error(self, status: int, code: str) -> None:
        body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}.</Message></Error>'
        self._answer(status, body.encode(), {"Content-Type": "application/xml", "x-ms-error-code": code})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-ms-version", "2025-01-05")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self.service.cut_after
        if status == 206 and cut is not None and len(body) > cut:
            self.wfile.write(body[:cut])
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _entry(name: str, blob: Blob | None) -> str:
    if blob is None:
        return f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>"
    md5 = base64.b64encode(hashlib.md5(blob.data).digest()).decode() if blob.states_md5 else ""
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties>"
        f"<Last-Modified>{format_datetime(blob.modified, usegmt=True)}</Last-Modified><Etag>{blob.etag[1:-1]}</Etag>"
        f"<Content-Length>{len(blob.data)}</Content-Length><Content-Type>application/octet-stream</Content-Type>"
        f"<Content-MD5>{md5}</Content-MD5><BlobType>BlockBlob</BlobType></Properties></Blob>"
    )


if __name__ == "__main__":
    with FakeBlobService() as fake:
        fake.put_folder("exports", Path(sys.argv[1]))
        print(fake.connection_string)
        threading.Event().wait()
