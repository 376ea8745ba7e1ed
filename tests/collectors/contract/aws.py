"""AWS on a stage: exports in a bucket, by data export and by legacy report."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from collectors.fakes.aws import FakeAws

from . import bills
from .stage import DEADLINE, Provider, Stage, halves

BUCKET = "acme-billing"
NEEDS_NO_PERMISSION = frozenset({"sts:GetCallerIdentity"})
"""What AWS tells everybody."""
PAGE_SIZE = "MOTO_S3_DEFAULT_MAX_KEYS"


class AwsStage(Provider):
    """What all of AWS does alike."""

    refusals: ClassVar = {"s3:ListBucket": "s3:ListBucket", "s3:GetObject": "s3:GetObject"}

    @property
    def secrets(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "AKIACONTRACTSUITEKEY",
            "AWS_SECRET_ACCESS_KEY": "the/secret/key/of/the/contract/suite",
        }

    def __init__(self, folder: Path, aws: FakeAws) -> None:
        super().__init__(folder)
        self.aws = aws
        aws.reset()
        self._started.callback(os.environ.pop, PAGE_SIZE, None)

    def environment(self) -> dict[str, str]:
        return {**self.aws.environment(), **self.secrets}

    def small_pages(self) -> None:
        os.environ[PAGE_SIZE] = "2"

    def deny(self, permission: str) -> None:
        self.aws.deny(permission)

    def expire(self) -> None:
        self.aws.expire()

    def throttle(self, times: int) -> None:
        self.aws.throttle("s3:ListObjectsV2", times)
        self.aws.throttle("s3:GetObject", times)

    def break_for_ever(self) -> None:
        self.aws.answer("", "InternalError", 500)

    def mend(self) -> None:
        self.aws.forgive()

    def calls_that_fetch(self) -> Sequence[str]:
        return [call.what for call in self.aws.called("s3:GetObject")]

    def forget_calls(self) -> None:
        self.aws.calls.clear()

    def permissions_used(self) -> set[str]:
        return {call.action for call in self.aws.calls} - NEEDS_NO_PERMISSION


class ExportStage(AwsStage, Stage):
    """A delivery is some parts and a manifest that names them."""

    @abstractmethod
    def part(self, month: date, costs: Sequence[Decimal], *, renamed: bool = False) -> bytes:
        """A data file."""

    @abstractmethod
    def publish(self, month: date, parts: Sequence[bytes], at: datetime, stop_after: int | None = None) -> None:
        """A delivery."""

    def write(self, month: date, costs: Sequence[Decimal]) -> None:
        self.publish(month, [self.part(month, each) for each in halves(costs)], self.next_moment())

    def deliver_many(self, month: date, costs: Sequence[Decimal]) -> None:
        """A part for each cost."""
        self.small_pages()
        self.publish(month, [self.part(month, [each]) for each in costs], self.next_moment())
        self.bills[month] = [*costs]

    def write_renamed(self, month: date, costs: Sequence[Decimal]) -> None:
        parts = [self.part(month, each, renamed=True) for each in halves(costs)]
        self.publish(month, parts, self.next_moment())

    def lose_a_part(self, month: date, sign: str) -> None:
        """Remove the second part of the newest delivery of a month."""
        parts = {key: at for key, at in self._objects().items() if sign in key and "-00002" in key}
        self.aws.client().delete_object(Bucket=BUCKET, Key=max(parts, key=parts.__getitem__))

    def _objects(self) -> dict[str, datetime]:
        """The bucket's keys, and when each was written."""
        listed = self.aws.client().list_objects_v2(Bucket=BUCKET, MaxKeys=1000)["Contents"]
        return {each["Key"]: each["LastModified"] for each in listed}


class Cur2Overwritten(ExportStage):
    """A data export of CUR 2.0 that overwrites its files."""

    kind = "aws-data-export, CUR 2.0, overwritten"
    cannot: ClassVar = {"late old": "an export that overwrites has one delivery a month: no older one stands beside it"}

    def __init__(self, folder: Path, aws: FakeAws) -> None:
        super().__init__(folder, aws)
        aws.make_export("cur2", BUCKET)

    def toml(self, name: str) -> str:
        return (
            f'[sources.{name}]\ntype = "aws-data-export"\nbucket = "{BUCKET}"\nprefix = "exports"\nexport = "cur2"\n'
            f"deadline = {DEADLINE}\n"
        )

    def part(self, month: date, costs: Sequence[Decimal], *, renamed: bool = False) -> bytes:
        return bills.cur(bills.CUR2, month, costs, renamed=renamed)

    def publish(self, month: date, parts: Sequence[bytes], at: datetime, stop_after: int | None = None) -> None:
        self.aws.publish("cur2", f"{month:%Y-%m}", parts, at=at, suffix=".csv.gz", stop_after=stop_after)

    def write_half(self, month: date, costs: Sequence[Decimal]) -> None:
        """The first part is written over; the manifest is still the old one."""
        self.publish(month, [self.part(month, each) for each in halves(costs)], self.next_moment(), stop_after=1)


class FocusKept(ExportStage):
    """A data export of FOCUS as Parquet that keeps each execution in a folder of its own; its bucket is asked of the API."""

    kind = "aws-data-export, FOCUS, create new"
    refusals: ClassVar = AwsStage.refusals | {
        "bcm-data-exports:ListExports": "bcm-data-exports:ListExports",
        "bcm-data-exports:GetExport": "bcm-data-exports:GetExport",
    }

    def __init__(self, folder: Path, aws: FakeAws) -> None:
        super().__init__(folder, aws)
        aws.make_export("focus", BUCKET, overwrite=False, partition="billing_period", table="FOCUS_1_2_AWS")

    def toml(self, name: str) -> str:
        return f'[sources.{name}]\ntype = "aws-data-export"\nexport = "focus"\ndeadline = {DEADLINE}\n'

    def part(self, month: date, costs: Sequence[Decimal], *, renamed: bool = False) -> bytes:
        return bills.focus_parquet(month, costs, renamed=renamed)

    def publish(self, month: date, parts: Sequence[bytes], at: datetime, stop_after: int | None = None) -> None:
        self.aws.publish("focus", f"{month:%Y-%m}", parts, at=at)

    def deliver_late_old(self, month: date, costs: Sequence[Decimal]) -> None:
        """Its folder says that it ran in the first days of October; it is copied into the bucket only now."""
        before = self._objects()
        self.publish(month, [self.part(month, each) for each in halves(costs)], self._clock.replace(day=2))
        moment = self.next_moment()
        for key in self._objects().keys() - before.keys():
            self.aws.touch(BUCKET, key, moment)

    def write_half(self, month: date, costs: Sequence[Decimal]) -> None:
        """The manifest names two parts, and one of them is there."""
        self.write(month, costs)
        self.lose_a_part(month, f"/data/billing_period={month:%Y-%m}/")

    def empty(self, month: date) -> None:
        """A manifest that names no file."""
        self.publish(month, [], self.next_moment())


class LegacyCur(ExportStage):
    """The legacy report, which keeps each assembly."""

    kind = "aws-cur"
    refusals: ClassVar = AwsStage.refusals | {"cur:DescribeReportDefinitions": "cur:DescribeReportDefinitions"}

    def __init__(self, folder: Path, aws: FakeAws) -> None:
        super().__init__(folder, aws)
        aws.make_report("hourly", BUCKET)

    def toml(self, name: str) -> str:
        return f'[sources.{name}]\ntype = "aws-cur"\nreport = "hourly"\ndeadline = {DEADLINE}\n'

    def part(self, month: date, costs: Sequence[Decimal], *, renamed: bool = False) -> bytes:
        return bills.cur(bills.CUR, month, costs, renamed=renamed)

    def publish(self, month: date, parts: Sequence[bytes], at: datetime, stop_after: int | None = None) -> None:
        self.aws.publish_report("hourly", f"{month:%Y-%m}", parts, at=at)

    def deliver_late_old(self, month: date, costs: Sequence[Decimal]) -> None:
        """The folder of an older assembly, with its own manifest; the month's manifest names the newest one, as before."""
        folder = next(each for each in self._objects() if f"/hourly/{month:%Y%m}01-" in each).rpartition("/")[0]
        period = "/".join(folder.split("/")[:3]) + "/hourly-Manifest.json"
        newest = self.aws.client().get_object(Bucket=BUCKET, Key=period)
        self.publish(month, [self.part(month, each) for each in halves(costs)], self.next_moment())
        self.aws.put(BUCKET, period, newest["Body"].read(), newest["LastModified"])

    def write_half(self, month: date, costs: Sequence[Decimal]) -> None:
        self.write(month, costs)
        self.lose_a_part(month, f"/hourly/{month:%Y%m}01-")
