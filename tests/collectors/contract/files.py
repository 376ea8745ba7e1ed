"""Folders of billing files on a stage: a local one, and buckets of S3 and of Google Cloud into which an export is copied."""

from __future__ import annotations

import json
import os
import uuid
from abc import abstractmethod
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from collectors.fakes.aws import FakeAws
from collectors.fakes.gcs import FakeGcs

from . import bills
from .aws import AwsStage
from .google_key import TOKEN, GoogleKey
from .stage import DEADLINE, Stage, halves

WHOLE = "a folder is read whole, whatever the months: names do not say what is in a file"


class LocalFolder(Stage):
    """A CSV a month, which somebody writes over."""

    kind = "files, local"
    is_elsewhere_each_time = True
    cannot: ClassVar = {
        "since": WHOLE,
        "half": "a CSV does not say what belongs to it: only a manifest does",
        "denied": "the tests may run as root, who may read everything",
        "expired": "a local folder asks for no credentials",
        "throttled": "a local disk does not throttle",
        "broken": "a local disk has no errors that pass",
        "secret": "a local folder asks for no credentials",
    }

    def toml(self, name: str) -> str:
        return f'[sources.{name}]\ntype = "files"\npath = "bills"\n'

    def write(self, month: date, costs: Sequence[Decimal]) -> None:
        self._put(f"focus-{month:%Y-%m}.csv", bills.focus(month, costs), self.next_moment())

    def deliver_late_old(self, month: date, costs: Sequence[Decimal]) -> None:
        """A copy that was written in the first days of October is put beside."""
        name = f"focus-{month:%Y-%m}-old-{uuid.uuid4()}.csv"
        self._put(name, bills.focus(month, costs), self._clock.replace(day=2))

    def write_renamed(self, month: date, costs: Sequence[Decimal]) -> None:
        self._put(f"focus-{month:%Y-%m}.csv", bills.focus(month, costs, renamed=True), self.next_moment())

    def small_pages(self) -> None:
        """A folder has no pages."""

    def deliver_many(self, month: date, costs: Sequence[Decimal]) -> None:
        """A hundred files beside."""
        for number in range(100):
            self._put(f"notes/{number}.txt", b"not a bill\n", self.next_moment())
        self.deliver(month, costs)

    def mend(self) -> None:
        """Nothing can be wrong."""

    def calls_that_fetch(self) -> Sequence[str]:
        return []

    def forget_calls(self) -> None:
        """There are none."""

    def permissions_used(self) -> set[str]:
        return set()

    def _put(self, name: str, content: bytes, at: datetime) -> None:
        path = self.folder / "bills" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (at.timestamp(), at.timestamp()))


class CopiedExport(Stage):
    """A data export of FOCUS that keeps each execution, copied file by file into a bucket."""

    is_by_month = False

    @abstractmethod
    def put(self, name: str, content: bytes) -> None:
        """An object."""

    def write(self, month: date, costs: Sequence[Decimal]) -> None:
        self._execution(month, [bills.focus(month, each) for each in halves(costs)], self.next_moment())

    def deliver_many(self, month: date, costs: Sequence[Decimal]) -> None:
        """A part for each cost."""
        self.small_pages()
        self._execution(month, [bills.focus(month, [each]) for each in costs], self.next_moment())
        self.bills[month] = [*costs]

    def deliver_late_old(self, month: date, costs: Sequence[Decimal]) -> None:
        parts = [bills.focus(month, each) for each in halves(costs)]
        self._execution(month, parts, self.next_moment().replace(day=2))

    def write_half(self, month: date, costs: Sequence[Decimal]) -> None:
        """The manifest is copied, and one of the two parts that it names."""
        self._execution(month, [bills.focus(month, each) for each in halves(costs)], self.next_moment(), stop_after=1)

    def write_renamed(self, month: date, costs: Sequence[Decimal]) -> None:
        parts = [bills.focus(month, each, renamed=True) for each in halves(costs)]
        self._execution(month, parts, self.next_moment())

    def _execution(self, month: date, parts: Sequence[bytes], at: datetime, stop_after: int | None = None) -> None:
        run = f"{at:%Y%m%dT%H%M%SZ}-{uuid.uuid5(uuid.NAMESPACE_URL, str(at))}"
        folder = f"billing_period={month:%Y-%m}/{run}"
        names = [f"exports/focus/data/{folder}/focus-{number:05}.csv" for number in range(1, len(parts) + 1)]
        for name, part in list(zip(names, parts, strict=True))[:stop_after]:
            self.put(name, part)
        manifest = {"executionId": run, "dataFiles": [f"s3://elsewhere/{name}" for name in names]}
        self.put(f"exports/focus/metadata/{folder}/focus-Manifest.json", json.dumps(manifest).encode())


class S3Folder(AwsStage, CopiedExport):
    kind = "files, s3://"
    cannot: ClassVar = {"since": WHOLE}

    def __init__(self, folder: Path, aws: FakeAws) -> None:
        super().__init__(folder, aws)
        self.put("readme.txt", b"of others\n")

    def toml(self, name: str) -> str:
        return f'[sources.{name}]\ntype = "files"\npath = "s3://acme-copies/exports"\ndeadline = {DEADLINE}\n'

    def put(self, name: str, content: bytes) -> None:
        self.aws.put("acme-copies", name, content)


class GcsFolder(CopiedExport):
    kind = "files, gs://"
    is_elsewhere_each_time = True
    cannot: ClassVar = {"since": WHOLE}
    refusals: ClassVar = {each: each for each in ("storage.objects.list", "storage.objects.get")}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.key = self._started.enter_context(GoogleKey())
        self.gcs = self._started.enter_context(FakeGcs("acme-copies"))

    @property
    def secrets(self) -> dict[str, str]:
        return {"GOOGLE_KEY": self.key.content, "the private key": self.key.private, "the access token": TOKEN}

    def environment(self) -> dict[str, str]:
        return {"GOOGLE_KEY": self.key.content}

    def toml(self, name: str) -> str:
        return (
            f'[sources.{name}]\ntype = "files"\npath = "gs://acme-copies/exports"\ncredentials = "env:GOOGLE_KEY"\n'
            f'deadline = {DEADLINE}\nendpoints = {{ storage = "{self.gcs.url}" }}\n'
        )

    def put(self, name: str, content: bytes) -> None:
        self.gcs.put("acme-copies", name, content)

    def small_pages(self) -> None:
        self.gcs.page_size = 2

    def deny(self, permission: str) -> None:
        wanted = permission.rpartition(".")[2]
        self.gcs.fail(403, "forbidden", concerns=lambda operation, _: operation == wanted)

    def expire(self) -> None:
        self.gcs.fail(401, "authError")

    def throttle(self, times: int) -> None:
        self.gcs.fail(429, "rateLimitExceeded", times, lambda operation, _: operation == "list")
        self.gcs.fail(503, "backendError", times, lambda operation, _: operation == "get")

    def break_for_ever(self) -> None:
        self.gcs.fail(503, "backendError")

    def mend(self) -> None:
        self.gcs.works_again()

    def calls_that_fetch(self) -> Sequence[str]:
        return self.gcs.asked("get")

    def forget_calls(self) -> None:
        self.gcs.calls.clear()

    def permissions_used(self) -> set[str]:
        names = {"get bucket": "storage.buckets.get"}
        return {names.get(operation, f"storage.objects.{operation}") for operation, _ in self.gcs.calls}
