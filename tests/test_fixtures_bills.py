"""The demo company's bills: every delivery loads and adds up to the answer sheet, to the last digit.

``fixtures/expected.json`` was summed from the rows as they were generated, never from the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops.pipeline.loading import Loader
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection, connect
from finops.warehouse.landing import Landing
from finops.warehouse.schema import migrate

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text())["sources"]
FOLDERS = {source: source.replace("gcp-", "gcp/") for source in EXPECTED}

# What the answer sheet calls a service, as SQL over the ledger; '' is a row without one.
SERVICE = {
    "aws-cur2": "x_ServiceCode",
    "aws-focus": "ServiceName",
    "gcp-usd": "ServiceName",
    "gcp-eur": "ServiceName",
    "azure": "nullif(ServiceName, 'Rounding adjustment')",  # has no meter category: the ledger shows the product
    "openai": "ChargeDescription",
}
MONTH = "strftime(BillingPeriodStart, '%Y-%m')"


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A warehouse with all deliveries, each under its own source."""
    folder = tmp_path_factory.mktemp("demo")
    con = connect(folder / "finops.duckdb", threads=2)
    migrate(con)
    loader = Loader(con, Landing(folder / "landing"), Catalogue())
    for source, path in FOLDERS.items():
        report = loader.load_paths([FIXTURES / "deliveries" / path], source)
        assert not report.problems
    yield con
    con.close()


def totals(con: Connection, source: str, *keys: str, where: str = "true") -> dict[Any, tuple[int, Decimal, Decimal]]:
    rows = con.execute(
        f"SELECT {', '.join(keys)}, count(*), sum(BilledCost), sum(EffectiveCost) FROM focus.cost_and_usage "
        f"WHERE x_SourceId = ? AND {where} GROUP BY ALL",
        [source],
    ).fetchall()
    return {row[:-3]: row[-3:] for row in rows}


def stated(group: dict[str, Any]) -> tuple[int, Decimal, Decimal]:
    return group["rows"], Decimal(group["billed"]), Decimal(group["effective"])


@pytest.mark.parametrize("source", EXPECTED)
def test_each_month_sub_account_and_service_is_as_expected(con: Connection, source: str) -> None:
    currencies = EXPECTED[source]["currencies"]
    assert totals(con, source, "BillingCurrency") == {(name,): stated(each) for name, each in currencies.items()}
    months = {(name, month): each for name, group in currencies.items() for month, each in group["months"].items()}
    assert totals(con, source, "BillingCurrency", MONTH) == {key: stated(each) for key, each in months.items()}
    for group, sql in (("sub_accounts", "SubAccountId"), ("services", SERVICE[source])):
        assert totals(con, source, "BillingCurrency", MONTH, f"coalesce({sql}, '')") == {
            (*key, value): stated(part) for key, each in months.items() for value, part in each[group].items()
        }


@pytest.mark.parametrize("source", EXPECTED)
@pytest.mark.parametrize(("week", "first", "end"), [("week_before", "10-12", "10-19"), ("last_week", "10-19", "10-26")])
def test_each_week_is_as_expected(con: Connection, source: str, week: str, first: str, end: str) -> None:
    where = f"ChargePeriodStart >= '2026-{first}' AND ChargePeriodStart < '2026-{end}'"
    found = totals(con, source, "BillingCurrency", where=where)
    assert found == {(name,): stated(each[week]) for name, each in EXPECTED[source]["currencies"].items()}


def test_the_superseded_run_of_september_is_not_counted(con: Connection) -> None:
    rows = totals(con, "aws-cur2", MONTH)[("2026-09",)][0]
    assert rows == EXPECTED["aws-cur2"]["currencies"]["USD"]["months"]["2026-09"]["rows"]
    assert rows != EXPECTED["aws-cur2"]["superseded"]["2026-09"]["rows"]


def test_what_focus_allows_only_in_some_spellings_is_spelt_so(con: Connection) -> None:
    found = con.execute("SELECT DISTINCT ChargeCategory FROM focus.cost_and_usage ORDER BY ALL").fetchall()
    assert [value for (value,) in found] == ["Adjustment", "Credit", "Purchase", "Tax", "Usage"]


def test_a_period_ends_where_the_next_begins(con: Connection) -> None:
    found = con.execute("SELECT DISTINCT BillingPeriodEnd::VARCHAR FROM focus.cost_and_usage ORDER BY ALL").fetchall()
    assert [value[:10] for (value,) in found] == ["2026-09-01", "2026-10-01", "2026-11-01"]


def test_a_tag_keeps_the_key_and_value_that_was_typed(con: Connection) -> None:
    teams = con.execute(
        "SELECT DISTINCT x_SourceId, coalesce(Tags['team'], Tags['Team']) AS team FROM focus.cost_and_usage "
        "WHERE team IS NOT NULL ORDER BY ALL"
    ).fetchall()
    assert ("aws-cur2", "ML-Research") in teams and ("aws-cur2", "Search ") in teams
    assert ("azure", "Vision") in teams and ("gcp-usd", "search") in teams and ("aws-focus", "vision") in teams
