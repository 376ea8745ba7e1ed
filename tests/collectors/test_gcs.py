"""A bucket of Google Cloud Storage as a store of files: for ``gs://`` folders."""

from __future__ import annotations

import gzip
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import Workspace, focus_csv

from finops.collectors import small
from finops.collectors.files.folder import FilesCollector
from finops.collectors.gcp.gcs import GcsStore
from finops.collectors.interface import Outcome, RemoteFile, Request, Trouble
from finops.collectors.store import download
from finops.config.sources import FilesSource, GcpAccess

from .contract.google_key import GoogleKey
from .fakes.gcs import FakeGcs

FAIL_FAST = 1


class Proxy:
    """Lets nobody through, and notes who wanted to be reached."""

    def __init__(self) -> None:
        asked = self.asked = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                asked.append(self.path)
                self.send_error(403)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGcs]:
    """No credentials, and a metadata server that nobody may look for."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with FakeGcs("exports") as service:
        yield service


def store(gcs: FakeGcs, bucket: str = "exports", **changed: Any) -> GcsStore:
    told = {"type": "gcp", "endpoints": {"storage": gcs.url}, "anonymous": True, "deadline": FAIL_FAST}
    return GcsStore(GcpAccess.model_validate(told | changed), bucket, Path())


def fetch(place: GcsStore, files: list[RemoteFile], folder: Path) -> list[tuple[str, int]]:
    told: list[tuple[str, int]] = []
    download(place, files, folder, lambda name, size: told.append((name, size)))
    return told


def test_files_below_a_prefix(gcs: FakeGcs) -> None:
    gcs.put("exports", "2026/a.csv", "12345")
    gcs.put("exports", "2026/b/", "")
    gcs.put("exports", "2025/c.csv", "1")
    (file,) = store(gcs).files("2026/")
    assert (file.name, file.bytes) == ("2026/a.csv", 5)
    assert file.version.isdigit()
    assert file.modified
    assert abs(file.modified.timestamp() - time.time()) < 60


def test_a_replaced_object_has_another_version(gcs: FakeGcs) -> None:
    gcs.put("exports", "a.csv", "1")
    (before,) = store(gcs).files("")
    gcs.put("exports", "a.csv", "2")
    (after,) = store(gcs).files("")
    assert before.version != after.version


def test_lists_and_folders_come_in_pages(gcs: FakeGcs) -> None:
    gcs.page_size = 2
    for number in range(5):
        gcs.put("exports", f"month-{number}/a.csv", "1")
    place = store(gcs)
    assert [file.name for file in place.files("month")] == [f"month-{number}/a.csv" for number in range(5)]
    assert len(gcs.calls) == 3
    assert place.folders("") == [f"month-{number}/" for number in range(5)]
    assert place.folders("month-1/") == []


def test_a_file_is_fetched_in_ranges_and_its_md5_checked(
    gcs: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finops.collectors.gcp.gcs.RANGE", 1000)
    body = bytes(range(256)) * 20
    gcs.put("exports", "a.csv", body)
    place = store(gcs)
    files = list(place.files(""))
    assert place.md5(files[0]) == hashlib.md5(body).hexdigest()
    fetch(place, files, tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == body
    assert len(gcs.asked("get")) == 6


def test_what_is_stored_packed_stays_packed(gcs: FakeGcs, tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n1,2\n")
    gcs.put("exports", "a.csv.gz", packed)
    place = store(gcs)
    fetch(place, list(place.files("")), tmp_path)
    assert (tmp_path / "a.csv.gz").read_bytes() == packed
    assert place.read("a.csv.gz") == packed


def test_a_download_goes_on_where_it_broke_off(gcs: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finops.collectors.gcp.gcs.RANGE", 1000)
    body = bytes(range(256)) * 20
    gcs.put("exports", "a.csv", body)
    place = store(gcs)
    files = list(place.files(""))
    reads = iter(range(1000))
    gcs.fail(503, "backendError", concerns=lambda operation, what: operation == "get" and next(reads) >= 3)
    with pytest.raises(Trouble) as raised:
        fetch(place, files, tmp_path)
    assert raised.value.outcome is Outcome.FAILED
    assert not (tmp_path / "a.csv").exists()
    gcs.works_again()
    assert ("a.csv", 3000) in fetch(place, files, tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == body


def test_a_connection_that_breaks_is_tried_again_and_given_up(gcs: FakeGcs, tmp_path: Path) -> None:
    gcs.put("exports", "a.csv", "0123456789")
    place = store(gcs)
    files = list(place.files(""))
    gcs.cut_after = 4
    with pytest.raises(Trouble) as raised:
        fetch(place, files, tmp_path)
    assert raised.value.outcome is Outcome.FAILED
    assert len(gcs.asked("get")) > 1
    gcs.works_again()
    fetch(place, files, tmp_path)
    assert (tmp_path / "a.csv").read_text() == "0123456789"


def test_a_manifest_is_read_whole_and_nothing_larger_is(gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in ("{}", ""):
        gcs.put("exports", "manifest.json", content)
        assert store(gcs).read("manifest.json") == content.encode()
    monkeypatch.setattr(small, "LARGEST", 1000)
    gcs.put("exports", "manifest.json", "1" * 1000)
    assert len(store(gcs).read("manifest.json")) == 1000
    gcs.put("exports", "manifest.json", "1" * 1001)
    with pytest.raises(Trouble, match="more than 1,000 bytes") as raised:
        store(gcs).read("manifest.json")
    assert (raised.value.outcome, raised.value.where) == (Outcome.CHANGED, "gs://exports/manifest.json")


@pytest.mark.parametrize("removed", [True, False])
def test_an_object_that_changes_between_list_and_read(gcs: FakeGcs, tmp_path: Path, removed: bool) -> None:
    gcs.put("exports", "a.csv", "1")
    place = store(gcs)
    files = list(place.files(""))
    if removed:
        gcs.remove("exports", "a.csv")
    else:
        gcs.put("exports", "a.csv", "2")
    with pytest.raises(Trouble) as raised:
        fetch(place, files, tmp_path)
    assert raised.value.outcome is Outcome.INCOMPLETE
    assert raised.value.where == "gs://exports/a.csv"


@pytest.mark.parametrize(
    ("status", "reason", "outcome", "advice"),
    [
        (401, "required", Outcome.EXPIRED, "gcloud auth"),
        (
            403,
            "forbidden",
            Outcome.DENIED,
            "storage.objects.list (roles/storage.objectViewer has it) on the bucket exports",
        ),
        (429, "rateLimitExceeded", Outcome.FAILED, "deadline"),
        (503, "backendError", Outcome.FAILED, "deadline"),
    ],
)
def test_refusals(gcs: FakeGcs, status: int, reason: str, outcome: Outcome, advice: str) -> None:
    gcs.fail(status, reason)
    started = time.monotonic()
    with pytest.raises(Trouble) as raised:
        list(store(gcs).files(""))
    assert raised.value.outcome is outcome
    assert advice in raised.value.next_step
    assert raised.value.where == "gs://exports"
    assert time.monotonic() - started < FAIL_FAST + 3, "given up at the deadline"


def test_reading_may_be_denied_where_listing_is_not(gcs: FakeGcs, tmp_path: Path) -> None:
    gcs.put("exports", "a.csv", "1")
    gcs.fail(403, "forbidden", concerns=lambda operation, what: operation == "get")
    place = store(gcs)
    with pytest.raises(Trouble) as raised:
        fetch(place, list(place.files("")), tmp_path)
    assert "storage.objects.get" in raised.value.next_step


def test_throttled_then_fine(gcs: FakeGcs, tmp_path: Path) -> None:
    gcs.put("exports", "a.csv", "1")
    gcs.fail(429, "rateLimitExceeded", times=2)
    place = store(gcs, deadline=30)
    files = list(place.files(""))
    gcs.fail(503, "backendError", times=2)
    fetch(place, files, tmp_path)
    assert (tmp_path / "a.csv").read_text() == "1"


def test_a_bucket_that_is_not_there(gcs: FakeGcs) -> None:
    with pytest.raises(Trouble) as raised:
        list(store(gcs, "nowhere").files(""))
    assert raised.value.outcome is Outcome.MISSING


def test_the_emulators_own_variable_holds(gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    gcs.put("exports", "a.csv", "1")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    place = GcsStore(GcpAccess(type="gcp"), "exports", Path())
    assert [file.name for file in place.files("")] == ["a.csv"]


def test_anonymous_asks_no_one_but_the_endpoint(gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the metadata server either, which is what takes ten seconds on a machine outside Google's cloud."""
    gcs.put("exports", "a.csv", "1")
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    asked: list[Any] = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", lambda self, to: (asked.append(to[0]), connect(self, to))[1])
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **also: (asked.append(host), look_up(host, *more, **also))[1]
    )
    assert len(list(store(gcs).files(""))) == 1
    assert set(asked) == {"127.0.0.1"}


@pytest.mark.parametrize("copied", [False, True])
def test_with_credentials_too_no_one_but_the_endpoints_is_asked(
    gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch, copied: bool
) -> None:
    """Every other address would be reached by the proxy."""
    gcs.put("exports", "a.csv", "1")
    with GoogleKey() as key, Proxy() as proxy:
        monkeypatch.setenv("FINOPS_GCP", key.content)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        place = store(gcs, anonymous=False, credentials="env:FINOPS_GCP")
        if copied:
            client = place._bucket().client
            client._credentials = client._credentials.with_scopes(
                ["https://www.googleapis.com/auth/devstorage.read_only"]
            )
        assert [each.name for each in place.files("")] == ["a.csv"]
        gives_up = time.monotonic() + 0.5
        while not proxy.asked and time.monotonic() < gives_up:
            time.sleep(0.02)  # it would be asked in the background
        assert proxy.asked == []


def test_the_calls_made_are_those_that_need_the_permissions_told(gcs: FakeGcs, tmp_path: Path) -> None:
    """``storage.objects.list`` and ``.get``: the SDK would ask for the bucket too, in the background."""
    gcs.put("exports", "a.csv", "1")
    place = store(gcs)
    place.folders("")
    place.read("a.csv")
    fetch(place, list(place.files("")), tmp_path)
    time.sleep(0.2)
    assert {operation for operation, _ in gcs.calls} == {"list", "get"}


def test_a_folder_of_a_bucket_loads(workspace: Workspace, gcs: FakeGcs) -> None:
    gcs.put("exports", "focus/2026-09.csv", focus_csv("1.25", "2"))
    told = {"type": "files", "path": "gs://exports/focus", "endpoints": {"storage": gcs.url}, "anonymous": True}
    collecting = FilesCollector("bucket", FilesSource.model_validate(told), workspace.folder)
    (offer,) = collecting.look(Request(date(2026, 9, 1), date(2026, 10, 1), date(2026, 9, 30))).offers
    collecting.fetch(offer, offer.files, workspace.folder / "got", lambda name, size: None)
    assert workspace.finops("load", workspace.folder / "got", "--source", "bucket").exit_code == 0
    assert workspace.query("SELECT sum(BilledCost)::VARCHAR FROM focus.cost_and_usage")[0][0].startswith("3.25")
