"""An Azure Cost Management export in a blob container on a stage. Its runs are kept, each in a folder of its own."""

from __future__ import annotations

import base64
import calendar
import json
import uuid
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from collectors.fakes.azureblob import FakeBlobService

from . import bills
from .stage import DEADLINE, Stage, halves

READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
KEY = base64.b64encode(b"the account key of the contract suite").decode()


class AzureStage(Stage):
    kind = "azure-export"
    is_elsewhere_each_time = True
    refusals: ClassVar = {READ: "Storage Blob Data Reader"}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.azure = self._started.enter_context(FakeBlobService())
        self.azure.create("exports")

    @property
    def secrets(self) -> dict[str, str]:
        text = f"BlobEndpoint={self.azure.url};AccountName=acme;AccountKey={KEY}"
        return {"AZURE_CONNECTION": text, "the account key": KEY}

    def environment(self) -> dict[str, str]:
        return {"AZURE_CONNECTION": self.secrets["AZURE_CONNECTION"]}

    def toml(self, name: str) -> str:
        return (
            f'[sources.{name}]\ntype = "azure-export"\nconnection_string = "env:AZURE_CONNECTION"\ncontainer = "exports"\n'
            f'directory = "costs"\nexport = "focus"\ndeadline = {DEADLINE}\n'
        )

    def write(self, month: date, costs: Sequence[Decimal]) -> None:
        self._run(month, [bills.focus(month, each) for each in halves(costs)], self.next_moment())

    def deliver_many(self, month: date, costs: Sequence[Decimal]) -> None:
        """A part for each cost."""
        self.small_pages()
        self._run(month, [bills.focus(month, [each]) for each in costs], self.next_moment())
        self.bills[month] = [*costs]

    def deliver_late_old(self, month: date, costs: Sequence[Decimal]) -> None:
        """Its folder says that it ran in the first days of October; it is copied into the container only now."""
        parts = [bills.focus(month, each) for each in halves(costs)]
        self._run(month, parts, self.next_moment(), called=self._clock.replace(day=2))

    def write_half(self, month: date, costs: Sequence[Decimal]) -> None:
        """The manifest names two parts, and one of them is there."""
        self._run(month, [bills.focus(month, each) for each in halves(costs)], self.next_moment(), stop_after=1)

    def write_renamed(self, month: date, costs: Sequence[Decimal]) -> None:
        parts = [bills.focus(month, each, renamed=True) for each in halves(costs)]
        self._run(month, parts, self.next_moment())

    def empty(self, month: date) -> None:
        """A manifest that names no file."""
        self._run(month, [], self.next_moment())

    def small_pages(self) -> None:
        self.azure.page_size = 2

    def deny(self, permission: str) -> None:
        self.azure.fail(403, "AuthorizationPermissionMismatch")

    def expire(self) -> None:
        self.azure.fail(403, "AuthenticationFailed")

    def throttle(self, times: int) -> None:
        self.azure.fail(503, "ServerBusy", times, lambda operation, _: operation == "List")
        self.azure.fail(503, "ServerBusy", times, lambda operation, _: operation == "Get")

    def break_for_ever(self) -> None:
        self.azure.fail(500, "InternalError")

    def mend(self) -> None:
        self.azure.works_again()

    def calls_that_fetch(self) -> Sequence[str]:
        return self.azure.asked("Get")

    def forget_calls(self) -> None:
        self.azure.calls.clear()

    def permissions_used(self) -> set[str]:
        return {READ for operation, _ in self.azure.calls if operation in ("List", "Get")} | {
            operation for operation, _ in self.azure.calls if operation not in ("List", "Get")
        }

    def _run(
        self,
        month: date,
        parts: Sequence[bytes],
        at: datetime,
        called: datetime | None = None,
        stop_after: int | None = None,
    ) -> None:
        run, last = str(uuid.uuid4()), calendar.monthrange(month.year, month.month)[1]
        folder = f"costs/focus/{month:%Y%m}01-{month:%Y%m}{last}/{called or at:%Y%m%d%H%M}/{run}/"
        names = [f"{folder}part_{number}_0001.csv" for number in range(len(parts))]
        for name, part in list(zip(names, parts, strict=True))[:stop_after]:
            self.azure.put("exports", name, part, at=at)
        manifest = {
            "exportConfig": {"exportName": "focus", "type": "FocusCost"},
            "deliveryConfig": {"fileFormat": "Csv", "compressionMode": "None"},
            "runInfo": {
                "runId": run,
                "submittedTime": f"{called or at:%Y-%m-%dT%H:%M:%SZ}",
                "startDate": f"{month}T00:00:00",
            },
            "blobs": [{"blobName": name, "byteCount": 1, "dataRowCount": 1} for name in names],
        }
        self.azure.put("exports", folder + "manifest.json", json.dumps(manifest), at=at)
