"""Small books: charges written straight into the ledger, so that a test shows its whole input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from finops.periods import parse_period
from finops.pipeline.build import build
from finops.pipeline.loading import Loader
from finops.reports.build import ReportFiles, write_report
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection, connect
from finops.warehouse.landing import Landing
from finops.warehouse.schema import migrate

TODAY = date(2026, 10, 26)
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
_FOLDERS = {"gcp-usd": "gcp/usd", "gcp-eur": "gcp/eur"}
BILLS = {
    source: _FOLDERS.get(source, source) for source in json.loads((FIXTURES / "expected.json").read_text())["sources"]
}
"""The demo company's sources, with their folders."""


class Books:
    """A warehouse in memory and what a test puts into it."""

    def __init__(self, con: Connection) -> None:
        self.con = con
        self.dimensions = 0
        self.slices: dict[tuple[str, datetime], int] = {}

    def charge(
        self,
        when: str,
        cost: str,
        team: str | None = None,
        *,
        currency: str = "USD",
        billed: str | None = None,
        service: str = "Compute",
        resource: str | None = None,
        category: str = "Usage",
        kind: str | None = None,
        invoice: str | None = None,
        source: str = "bill",
        used: str | None = None,
        unit: str | None = "Hours",
        sku: str | None = "sku-1",
        account: str = "111",
    ) -> None:
        """One row of the bill; ``used``: how much of the unit."""
        start = datetime.fromisoformat(when)
        paid = Decimal(billed if billed is not None else cost)
        self.dimensions += 1
        self.con.execute(
            "INSERT INTO ledger.dimension (dimension_id, key, BillingCurrency, ServiceName, ServiceProviderName, SubAccountId, "
            "SubAccountName, ResourceId, ResourceName, ChargeCategory, InvoiceIssuerName, InvoiceId, ConsumedUnit, SkuId) VALUES "
            "($id, $id, $currency, $service, 'AWS', $account, 'main', $resource, $resource, $category, 'AWS', $invoice, $unit, $sku)",
            {"id": self.dimensions, "currency": currency, "service": service, "resource": resource, "category": category,
             "invoice": invoice, "account": account, "unit": unit if used else None, "sku": sku if used else None},
        )  # fmt: skip
        self.con.execute(
            "INSERT INTO ledger.charge (slice_id, dimension_id, BilledCost, EffectiveCostDelta, ChargePeriodStart, "
            "ChargePeriodMicroseconds, ConsumedQuantity) VALUES (?, ?, ?, ?, ?, 3600000000, ?)",
            [self._slice(source, start.replace(day=1, hour=0, minute=0, second=0)), self.dimensions, paid,
             Decimal(cost) - paid, start, Decimal(used) if used else None],
        )  # fmt: skip
        if team:
            self.con.execute(
                "INSERT INTO allocation.dimension_team (book, dimension_id, valid_from, valid_until, Team, is_pool, "
                "x_AllocationRuleId, x_AllocationMethod) "
                "VALUES (0, ?, '0001-01-01', '9999-12-31', ?, FALSE, 'team_tag', 'direct')",
                [self.dimensions, team],
            )
        if kind:
            self.con.execute(
                "INSERT INTO ledger.dimension_class (dimension_id, x_WorkloadKind) VALUES (?, ?)",
                [self.dimensions, kind],
            )

    def _slice(self, source: str, month: datetime) -> int:
        if (source, month) not in self.slices:
            self.slices[source, month] = len(self.slices) + 1
            after = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
            self.con.execute(
                "INSERT INTO ledger.slice VALUES (?, ?, 'payer', ?, ?, 'load')",
                [self.slices[source, month], source, month, after],
            )
        return self.slices[source, month]

    def finding(
        self,
        resource: str,
        status: str,
        cost: str | None,
        saving: str | None,
        *,
        currency: str = "USD",
        reason: str = "idle",
    ) -> None:
        """One finding, over seven days."""
        self.con.execute(
            "INSERT INTO findings.findings (finding_id, rule_id, rule_version, resource_id, resource_name, team, status, "
            "confidence, window_start, window_end, cost_in_window, monthly_cost, monthly_saving, currency, reason) VALUES "
            "($r, 'rule', 1, $r, $r, 'vision', $status, 'high', TIMESTAMP '2026-10-19', TIMESTAMP '2026-10-26', $cost, $cost, "
            "$saving, $currency, $reason)",
            {"r": resource, "status": status, "cost": cost, "saving": saving, "currency": currency, "reason": reason},
        )

    def deliver(self, *, short_of: str = "0") -> None:
        """Note all that was charged as delivered; ``short_of`` is what the ledger lacks."""
        self.con.execute(
            "INSERT INTO ops.loads (load_id, slice_id, source_id, billing_account_id, billing_period_start, delivered_at, status, "
            "row_count, sums) SELECT 'load', slice_id, source_id, 'payer', billing_period_start, TIMESTAMP '2026-10-26 04:00', "
            "'current', sum(n)::BIGINT, list({'currency': currency, 'row_count': n, 'billed_cost': billed, "
            "'effective_cost': effective, 'delivered_cost': billed} ORDER BY currency) FROM ("
            "SELECT c.slice_id, d.BillingCurrency AS currency, count(*) AS n, "
            "(sum(c.BilledCost) + $short)::DECIMAL(38, 18) AS billed, sum(c.BilledCost + c.EffectiveCostDelta) AS effective "
            "FROM ledger.charge AS c JOIN ledger.dimension AS d USING (dimension_id) GROUP BY ALL) "
            "JOIN ledger.slice AS s USING (slice_id) GROUP BY ALL",
            {"short": Decimal(short_of)},
        )

    def report(self, folder: Path, period: str = "last-week", **options: object) -> ReportFiles:
        """Write the weekly report."""
        return write_report(self.con, Catalogue(), parse_period(period, TODAY), TODAY, folder, **options)  # type: ignore[arg-type]


@pytest.fixture
def books() -> Iterator[Books]:
    """An empty ledger."""
    con = connect(None)
    migrate(con)
    yield Books(con)
    con.close()


@pytest.fixture
def two_weeks(books: Books) -> Books:
    """A dollar and a euro bill; the dollars doubled."""
    for day, cost in (("2026-10-01T00", "10.01"), ("2026-10-13T08", "100.005"), ("2026-10-20T08", "200.0001")):
        books.charge(day, cost, "vision", resource="i-1", kind="gpu.ec2")
    books.charge("2026-10-01T00", "3", "search", currency="EUR")
    books.charge("2026-10-14T00", "40", "search", currency="EUR")
    books.charge("2026-10-21T00", "41.5", "search", currency="EUR", billed="50")
    books.charge("2026-10-21T00", "7.777", None, service="Networking")
    books.charge("2026-10-22T00", "-1.25", None, service="Credit", category="Credit")
    books.deliver()
    return books


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Connection, Landing]]:
    """All bills of the demo company, loaded and built. Tests only read it."""
    con = connect(None)
    migrate(con)
    landing = Landing(tmp_path_factory.mktemp("landing"))
    loader = Loader(con, landing, Catalogue(), datetime(2026, 10, 26, 6, tzinfo=UTC))
    for source, folder in BILLS.items():
        report = loader.load_paths([FIXTURES / "deliveries" / folder], source_id=source)
        assert not report.problems
    build(con, Catalogue(), FIXTURES / "workspace" / "mappings", TODAY)
    yield con, landing
    con.close()
