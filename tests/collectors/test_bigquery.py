"""Google Cloud's billing export in BigQuery: what is new is fetched by day of export, and the ledger has the table's sums."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import Workspace

from finops.collectors.gcp import dayfiles, jobs
from finops.collectors.gcp.bigquery import GcpBigQueryCollector
from finops.collectors.interface import Fetched, Finding, Listing, Offer, Outcome, Request, Trouble, Verdict
from finops.config.sources import GcpBigQuery

from .fakes.bigquery import DETAILED, FOCUS, PROJECT, STANDARD, TABLE, FakeBigQuery, charge

FAIL_FAST = 2
SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)
KEY = f"bigquery://{TABLE}"


@pytest.fixture
def bigquery() -> Iterator[FakeBigQuery]:
    with FakeBigQuery() as fake:
        fake.create(TABLE)
        yield fake


def source(bigquery: FakeBigQuery, **changed: Any) -> GcpBigQuery:
    told = {"type": "gcp-bigquery", "project": PROJECT, "table": TABLE, "anonymous": True, "deadline": FAIL_FAST}
    return GcpBigQuery.model_validate(told | {"endpoints": {"bigquery": bigquery.url}} | changed)


def collector(bigquery: FakeBigQuery, folder: Path = Path(), **changed: Any) -> GcpBigQueryCollector:
    return GcpBigQueryCollector("gcp", source(bigquery, **changed), folder)


def request(today: str = "2026-10-20", since: str = "2026-09-01", *, dry: bool = False, **known: Fetched) -> Request:
    return Request(date.fromisoformat(since), date(2026, 11, 1), date.fromisoformat(today), known, dry)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fill(bigquery: FakeBigQuery, table: str = TABLE) -> None:
    """Two months: usage of each day is exported on the same day, some of it on the next."""
    for month in (9, 10):
        for day in range(1, 15):
            bigquery.add(
                table,
                date(2026, month, day),
                [
                    charge(at(f"2026-{month:02}-{day:02}T10:00"), "1.10", credits=["-0.1", "-0.003"]),
                    charge(at(f"2026-{month:02}-{day:02}T11:00"), "0.0000123456789", labels=[]),
                ],
            )
            bigquery.add(table, date(2026, month, day + 1), [charge(at(f"2026-{month:02}-{day:02}T23:00"), 0.07)])


def fetched(collector: GcpBigQueryCollector, offer: Offer, folder: Path) -> Fetched:
    """Fetch all of an offer; what landing would then know of it."""
    collector.fetch(offer, offer.files, folder, lambda name, size: None)
    files = {file.name: (file.version, folder / file.name) for file in offer.files}
    return Fetched(offer.version, datetime.now(tz=UTC), files)


def trouble(collector: GcpBigQueryCollector, **asked: Any) -> Trouble:
    with pytest.raises(Trouble) as caught:
        collector.look(request(**asked))
    return caught.value


# into the ledger


def configure(workspace: Workspace, bigquery: FakeBigQuery, table: str = TABLE, **more: str) -> None:
    workspace.write(
        "finops.toml",
        f'[company]\nname = "Test"\n[sources.gcp]\ntype = "gcp-bigquery"\nproject = "{PROJECT}"\ntable = "{table}"\n'
        f'anonymous = true\ndeadline = {FAIL_FAST}\nendpoints = {{ bigquery = "{bigquery.url}" }}\n'
        + "".join(f"{key} = {value}\n" for key, value in more.items()),
    )


def collect(workspace: Workspace, today: str = "2026-10-20") -> dict[str, Any]:
    """A weekly run; what it says of the source."""
    run = workspace.finops("--today", today, "collect", "--json")
    (said,) = run.json()
    return {"exit_code": run.exit_code, "err": run.err} | said


def ledger(workspace: Workspace) -> dict[tuple[str, str], Decimal]:
    rows = workspace.query(
        "SELECT BillingCurrency, strftime(BillingPeriodStart, '%Y%m'), sum(BilledCost) FROM focus.cost_and_usage GROUP BY ALL"
    )
    return {(currency, month): cost for currency, month, cost in rows}


@pytest.mark.parametrize("listing", [DETAILED, STANDARD], ids=["detailed", "standard"])
def test_the_ledger_has_the_sums_of_the_table_to_the_last_digit(
    workspace: Workspace, bigquery: FakeBigQuery, listing: str
) -> None:
    table = f"{PROJECT}.billing.gcp_billing_export_v1_0A1B2C_3D4E5F_607182"
    bigquery.create(table, listing)
    fill(bigquery, table)
    bigquery.add(table, date(2026, 10, 9), [charge(at("2026-10-09T05:00"), "0.1", currency="EUR") for _ in range(3)])
    configure(workspace, bigquery, table)

    said = collect(workspace)

    assert said["outcome"] == "complete", said
    assert said["exit_code"] == 0
    assert ledger(workspace) == bigquery.sums(table)
    assert ledger(workspace)["EUR", "202610"] == Decimal("0.3"), "three equal rows are three charges"
