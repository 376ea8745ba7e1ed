"""The ledger keeps the rules of FOCUS 1.4, whatever the bills were: here over all bills of the demo company."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from conftest import FIXTURES, REPO

from finops.pipeline.build import build
from finops.pipeline.loading import Loader
from finops.rules.catalogue import Catalogue
from finops.warehouse.columns import ledger_columns
from finops.warehouse.connection import Connection, connect
from finops.warehouse.landing import Landing
from finops.warehouse.schema import migrate

CONDITIONAL = ("PricingCurrency", "PricingCurrencyEffectiveCost", "BillingAccountType")
"""Not nullable, but only for providers that have more than one of it."""
FOCUS = [column for column in ledger_columns() if column.since and column.current]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Connection:
    from datetime import date

    folder = tmp_path_factory.mktemp("ledger")
    con = connect(folder / "finops.duckdb")
    migrate(con)
    loader = Loader(con, Landing(folder / "landing"), Catalogue())
    for source in sorted(FIXTURES.iterdir()):
        assert not loader.load_paths([source], source.name).problems
    build(con, Catalogue(), None, date(2026, 10, 26))
    return con


def test_the_table_has_the_65_columns_of_focus_1_4_with_their_types(ledger: Connection) -> None:
    described = {name: type_ for name, type_, *_ in ledger.execute("DESCRIBE focus.cost_and_usage").fetchall()}
    assert len(FOCUS) == 65
    assert list(described)[:65] == sorted(column.name for column in FOCUS)
    for column in FOCUS:
        assert described[column.name].replace(" ", "") == column.type.replace(" ", ""), column.name
    assert all(name.startswith("x_") for name in list(described)[65:])


def test_the_columns_are_those_of_the_specification() -> None:
    facts = REPO.parent / "shared" / "facts" / "focus_columns.csv"
    if not facts.is_file():
        pytest.skip("the specification's column list is not here")
    with facts.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == "CostAndUsage"]
    stated = {row["column"]: row for row in rows if row["version"] == "1.4"}
    assert {column.name for column in FOCUS} == stated.keys()
    for column in FOCUS:
        assert min(row["version"] for row in rows if row["column"] == column.name) == column.since
        assert (stated[column.name]["nullable"] == "True") == column.nullable, column.name
        if column.allowed:
            assert "; ".join(column.allowed) == stated[column.name]["allowed_values"]


@pytest.mark.parametrize("column", [c for c in FOCUS if c.allowed], ids=lambda c: c.name)
def test_only_allowed_values(ledger: Connection, column) -> None:  # type: ignore[no-untyped-def]
    found = {row[0] for row in ledger.execute(f'SELECT DISTINCT "{column.name}" FROM focus.cost_and_usage').fetchall()}
    assert found - {None} <= set(column.allowed)


@pytest.mark.parametrize(
    "column",
    [c for c in FOCUS if not c.nullable and c.name not in CONDITIONAL],
    ids=lambda c: c.name,
)
def test_mandatory_columns_are_filled(ledger: Connection, column) -> None:  # type: ignore[no-untyped-def]
    """Where the source does not state it, even a mandatory column is NULL: it is not invented."""
    rows = ledger.execute(
        f'SELECT DISTINCT x_SourceId FROM focus.cost_and_usage WHERE "{column.name}" IS NULL'
    ).fetchall()
    assert {source for (source,) in rows} == NOT_STATED.get(column.name, set())


NOT_STATED = {
    "BillingAccountId": {"openai"},  # a cost page does not name the organisation
    "ListCost": {"openai"},  # nor a list price
    "ContractedCost": {"azure"},  # for usage under a commitment, Azure states the list and the effective price only
}


RULES = {
    "tax and credits are the same in both costs": "ChargeCategory IN ('Tax', 'Credit') AND EffectiveCost <> BilledCost",
    "a period ends after it starts": "ChargePeriodEnd <= ChargePeriodStart",
    "a billing period is a whole month": "BillingPeriodStart <> date_trunc('month', BillingPeriodStart) OR BillingPeriodEnd <> BillingPeriodStart + INTERVAL 1 MONTH",
    "a commitment has a category": "CommitmentDiscountId IS NOT NULL AND CommitmentDiscountCategory IS NULL",
    "no commitment, no status": "CommitmentDiscountId IS NULL AND CommitmentDiscountStatus IS NOT NULL",
    "no reservation, no status": "CapacityReservationId IS NULL AND CapacityReservationStatus IS NOT NULL",
    "no SKU price, no unit price": "SkuPriceId IS NULL AND SkuId IS NULL AND ListUnitPrice IS NOT NULL",
    "a quantity has a unit": "ConsumedQuantity IS NOT NULL AND ConsumedUnit IS NULL",
    "a pricing quantity has a unit": "PricingQuantity IS NOT NULL AND PricingUnit IS NULL",
    "a sub account's name needs its id": "SubAccountName IS NOT NULL AND SubAccountId IS NULL",
    "a subcategory belongs to its category": "ServiceCategory = 'Other' AND ServiceSubcategory <> 'Other (Other)'",
    "tags are never an empty map": "cardinality(Tags) = 0",
    "text is never empty": "ResourceId = '' OR RegionId = '' OR InvoiceId = '' OR ChargeDescription = '' OR SubAccountId = ''",
    "the charge is in or near its billing period": "ChargePeriodStart < BillingPeriodStart - INTERVAL 2 MONTH OR ChargePeriodStart >= BillingPeriodEnd + INTERVAL 12 HOUR",  # Google's month ends in California
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(ledger: Connection, rule: str) -> None:
    broken = ledger.execute(
        f"SELECT x_SourceId, ChargeCategory, ServiceName, x_LineItemType, count(*) FROM focus.cost_and_usage WHERE {RULES[rule]} GROUP BY ALL LIMIT 5"
    ).fetchall()
    assert broken == []


def test_landing_and_ledger_can_be_taken_elsewhere(ledger: Connection, tmp_path: Path) -> None:
    """The warehouse is a plain DuckDB file: any client reads its views."""
    ledger.execute("CHECKPOINT")
    file = Path(ledger.execute("SELECT path FROM duckdb_databases() WHERE NOT internal").fetchone()[0])  # type: ignore[index]
    shutil.copyfile(file, tmp_path / "copy.duckdb")
    import duckdb

    other = duckdb.connect(str(tmp_path / "copy.duckdb"), read_only=True)
    sql = "SELECT count(*), sum(BilledCost) FILTER (BillingCurrency = 'USD') FROM focus.cost_and_usage"
    assert other.execute(sql).fetchone() == ledger.execute(sql).fetchone()
