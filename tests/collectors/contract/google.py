"""The billing export in BigQuery on a stage: a table that only grows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pyarrow

from collectors.fakes.bigquery import PROJECT, TABLE, FakeBigQuery, charge
from collectors.fakes.bigquery_tables import Field

from .google_key import TOKEN, GoogleKey
from .stage import DEADLINE, FIRST_DAY, Stage


class _Moving(FakeBigQuery):
    """A table into which rows arrive while others are being fetched."""

    arriving: list[tuple[date, dict[str, Any]]] = []  # noqa: RUF012

    def ask(self, sql: str) -> tuple[list[Field], pyarrow.Table]:
        if sql.startswith("SELECT *") and any(row["invoice"]["month"] in sql for _, row in self.arriving):
            for day, row in self.arriving:
                self.add(TABLE, day, [row])
            self.arriving = []
        return super().ask(sql)


class BigQueryStage(Stage):
    """What a month comes to is changed by rows that correct it."""

    kind = "gcp-bigquery"
    cannot: ClassVar = {
        "late old": "a table has rows and no deliveries: what arrives late is a charge that is owed",
        "again": "a table has rows and no deliveries: the same rows once more are owed once more",
    }
    refusals: ClassVar = {
        each: each for each in ("bigquery.jobs.create", "bigquery.tables.get", "bigquery.tables.getData")
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.key = self._started.enter_context(GoogleKey())
        self.bigquery = self._started.enter_context(_Moving())
        self.bigquery.create(TABLE)

    @property
    def secrets(self) -> dict[str, str]:
        return {"GOOGLE_KEY": self.key.content, "the private key": self.key.private, "the access token": TOKEN}

    def environment(self) -> dict[str, str]:
        return {"GOOGLE_KEY": self.key.content}

    def toml(self, name: str) -> str:
        return (
            f'[sources.{name}]\ntype = "gcp-bigquery"\nproject = "{PROJECT}"\ntable = "{TABLE}"\n'
            f'credentials = "env:GOOGLE_KEY"\ndeadline = {DEADLINE}\nendpoints = {{ bigquery = "{self.bigquery.url}" }}\n'
        )

    def write(self, month: date, costs: Sequence[Decimal]) -> None:
        """A row a cost on the first day of which; later, what a row of then costs less or more today."""
        for day, row in self._rows(month, costs):
            self.bigquery.add(TABLE, day, [row])

    def _rows(self, month: date, costs: Sequence[Decimal]) -> list[tuple[date, dict[str, Any]]]:
        before, rows = self.bills.get(month, []), []
        for number in range(max(len(before), len(costs))):
            old = before[number] if number < len(before) else Decimal(0)
            new = costs[number] if number < len(costs) else Decimal(0)
            start = datetime(month.year, month.month, 1 + number, 10, tzinfo=UTC)
            exported = start.date() if self.today == FIRST_DAY else self.today
            if new != old:
                rows.append((exported, charge(start, new - old)))
        return rows

    def small_pages(self) -> None:
        self.bigquery.rows_per_page = 5

    def write_half(self, month: date, costs: Sequence[Decimal]) -> None:
        """Some rows are in the table when it is looked at, and others arrive while they are fetched."""
        (day, row), *others = self._rows(month, costs)
        self.bigquery.add(TABLE, day, [row])
        self.bigquery.arriving = others

    def complete_it(self) -> None:
        assert self._pending
        assert not self.bigquery.arriving, "they have arrived"
        month, costs = self._pending
        self.bills[month] = costs

    def write_renamed(self, month: date, costs: Sequence[Decimal]) -> None:
        self.write(month, costs)
        self.bigquery.rename_column(TABLE, "cost", "cost_total")

    def undrift(self) -> None:
        assert self._pending
        self.bigquery.rename_column(TABLE, "cost_total", "cost")
        month, costs = self._pending
        self.bills[month] = costs

    def deny(self, permission: str) -> None:
        self.bigquery.denied.add(permission)

    def expire(self) -> None:
        self.bigquery.fail(401, "authError", times=float("inf"))

    def throttle(self, times: int) -> None:
        self.bigquery.fail(403, "rateLimitExceeded", method="jobs.insert", times=times)
        self.bigquery.fail(503, "backendError", method="jobs.getQueryResults", times=times)

    def break_for_ever(self) -> None:
        self.bigquery.fail(503, times=float("inf"))

    def mend(self) -> None:
        self.bigquery.heal()

    def calls_that_fetch(self) -> Sequence[str]:
        return [sql for sql in self.bigquery.queries() if sql.startswith("SELECT *")]

    def forget_calls(self) -> None:
        self.bigquery.calls.clear()

    def permissions_used(self) -> set[str]:
        return self.bigquery.permissions_used()
