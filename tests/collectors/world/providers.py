"""The world's books as the providers show them: exports in S3, a table in BigQuery, two cost APIs; and what is wrong this week."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, date, datetime, time
from typing import Any

from collectors.fakes.aws import FakeAws
from collectors.fakes.bigquery import FakeBigQuery
from collectors.fakes.llm import LlmWorld, Vendor

from . import bills
from .charges import ANTHROPIC, AWS, FOCUS, GCP, OPENAI, Charge
from .world import Hole, World

PROJECT = "acme-billing"
TABLE = f"{PROJECT}.billing.gcp_billing_export_resource_v1_0A1B2C_3D4E5F_607182"
EXPORTS = {AWS: ("cur2-hourly", "acme-billing"), FOCUS: ("focus", "labs-billing")}
"""By source: the export's name and its bucket."""


class Providers:
    """The fakes, started by ``with``. ``show`` makes them those of the world's present week."""

    def __init__(self, *, openai_key: str, anthropic_key: str) -> None:
        self._keys = (openai_key, anthropic_key)
        self._started = ExitStack()
        self._shown: dict[tuple[str, date], int] = {}
        self._rows = 0
        self._manifests_before: dict[str, bytes] = {}

    def __enter__(self) -> Providers:
        self.aws = self._started.enter_context(FakeAws())
        self.aws.reset()
        self.bigquery = self._started.enter_context(FakeBigQuery())
        self.llm = self._started.enter_context(LlmWorld(*self._keys))
        name, bucket = EXPORTS[AWS]
        self.aws.make_export(name, bucket)
        name, bucket = EXPORTS[FOCUS]
        self.aws.make_export(name, bucket, overwrite=False, partition="billing_period", table="FOCUS_1_2_AWS")
        self.bigquery.create(TABLE)
        return self

    def __exit__(self, *_: object) -> None:
        self.aws.reset()  # moto's memory is shared by all fakes of the process
        self._started.close()

    def configuration(self) -> str:
        """The sources, for ``finops.toml``."""
        return f"""
[sources.{AWS}]
type = "aws-data-export"
bucket = "{EXPORTS[AWS][1]}"
prefix = "exports"
export = "{EXPORTS[AWS][0]}"

[sources.{FOCUS}]
type = "aws-data-export"
bucket = "{EXPORTS[FOCUS][1]}"
prefix = "exports"
export = "{EXPORTS[FOCUS][0]}"

[sources.{GCP}]
type = "gcp-bigquery"
project = "{PROJECT}"
table = "{TABLE}"
anonymous = true
endpoints = {{ bigquery = "{self.bigquery.url}" }}

[sources.{OPENAI}]
type = "openai"
usage = false
api_key = "env:OPENAI_KEY"
endpoints = {{ openai = "{self.llm.url}" }}

[sources.{ANTHROPIC}]
type = "anthropic"
usage = false
api_key = "env:ANTHROPIC_KEY"
endpoints = {{ anthropic = "{self.llm.url}" }}
"""

    def environment(self) -> dict[str, str]:
        """What brings AWS's SDK here; the keys are for the caller to choose."""
        return {name: value for name, value in self.aws.environment().items() if "KEY" not in name}

    def show(self, world: World) -> None:
        """Deliver what is new since last week, then be as readable as the week wants it."""
        at = datetime.combine(world.today, time(5), UTC)
        self._manifests_before = self._manifests() if "an old manifest is uploaded again" in world.oddities else {}
        for source, row in ((AWS, self._cur2), (FOCUS, self._focus)):
            for month in world.months(source):
                number = world.deliveries[source, month]
                if self._shown.get((source, month)) != number:
                    self._shown[source, month] = number
                    name, _ = EXPORTS[source]
                    self.aws.publish(name, f"{month:%Y-%m}", row(world, month, number), at=at)
        self._add_rows(world)
        self.llm.openai.put(bills.openai_results(world.books[OPENAI]))
        self.llm.anthropic.put(bills.anthropic_results(world.books[ANTHROPIC]))
        self._play(world, at)

    def _cur2(self, world: World, month: date, number: int) -> list[bytes]:
        charges, invoice = world.month(AWS, month), world.invoices.get(month, "")
        rows = [bills.cur2_row(each, invoice, index * 1000 + number) for index, each in enumerate(charges)]
        return [bills.parquet(rows[part::3], bills.CUR2) for part in range(3)]

    def _focus(self, world: World, month: date, number: int) -> list[bytes]:
        columns = dict(bills.FOCUS_1_2)
        if "focus: x_discounts renamed" in world.columns:
            columns["x_discountdetails"] = columns.pop("x_discounts")
        rows = [bills.focus_row(each) for each in world.month(FOCUS, month)]
        return [bills.parquet(rows[part::2], columns) for part in range(2)]

    def _add_rows(self, world: World) -> None:
        if "gcp: a new column" in world.columns and "carbon" not in self._columns():
            self.bigquery.add_column(TABLE, "carbon.grams", "FLOAT")
        new: list[Charge] = world.books[GCP][self._rows :]
        self._rows += len(new)
        for day in sorted({each.written for each in new}):
            self.bigquery.add(TABLE, day, [bills.gcp_record(each) for each in new if each.written == day])

    def _columns(self) -> set[str]:
        return {each["name"] for each in self.bigquery.tables[TABLE].fields}

    def _play(self, world: World, at: datetime) -> None:
        """What went wrong last week is over; this is what does now."""
        self.aws.forgive()
        self.llm.openai.heal()
        self.llm.anthropic.heal()
        if "cost" not in self._columns():
            self.bigquery.rename_column(TABLE, "cost_total", "cost")
        for hole in world.holes:
            self._hide(hole)
        if "everything stutters" in world.oddities:
            self.llm.openai.throttle(2, on="costs")
            self.llm.anthropic.fail(529, times=1, on="cost_report")
            self.aws.throttle("s3:ListObjectsV2", 1)
            self.aws.cut("s3:GetObject", 2000, match=r"-00002\.")
            self.bigquery.fail(503, method="jobs.insert")
        for key, content in self._manifests_before.items():
            self.aws.put(EXPORTS[FOCUS][1], key, content, at.replace(hour=6))

    def _hide(self, hole: Hole) -> None:
        vendors: dict[str, Vendor] = {OPENAI: self.llm.openai, ANTHROPIC: self.llm.anthropic}
        match hole.source, hole.outcome:
            case source, "denied" if source in EXPORTS:
                for action in ("s3:ListBucket", "s3:GetObject"):
                    self.aws.deny(action, EXPORTS[source][1])
            case source, "incomplete" if source in EXPORTS and hole.month:
                self._lose_a_part(source, hole.month)
            case "gcp", "changed":
                self.bigquery.rename_column(TABLE, "cost", "cost_total")
            case source, "expired" if source in vendors:
                vendors[source].revoke()
            case _:
                raise NotImplementedError(hole)

    def _lose_a_part(self, source: str, month: date) -> None:
        """The manifest is there, and names a part that is not; next week all of it is delivered."""
        _, bucket = EXPORTS[source]
        key = next(
            key for key in self._objects(bucket) if f"/data/BILLING_PERIOD={month:%Y-%m}/" in key and "00002" in key
        )
        self.aws.client().delete_object(Bucket=bucket, Key=key)

    def _manifests(self) -> dict[str, bytes]:
        """The newest manifest of each month of the FOCUS export."""
        bucket, newest = EXPORTS[FOCUS][1], dict[str, str]()
        for key in self._objects(bucket):
            if "/metadata/" in key:
                newest[key.split("/")[3]] = key
        s3: Any = self.aws.client()
        return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in newest.values()}

    def _objects(self, bucket: str) -> list[str]:
        return sorted(each["Key"] for each in self.aws.client().list_objects_v2(Bucket=bucket)["Contents"])

    def forget_calls(self) -> None:
        """From now on."""
        self.aws.calls.clear()
        self.bigquery.calls.clear()

    def data_calls(self) -> list[str]:
        """The calls that fetched bills. Cost APIs have no lists, so their pages are asked for each time, and are not among them."""
        files = [call.what for call in self.aws.called("s3:GetObject")]
        return files + [sql for sql in self.bigquery.queries() if sql.startswith("SELECT *")]
