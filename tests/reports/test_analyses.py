"""What every named query promises, and what the important ones count."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from finops.errors import UsageError
from finops.reports.analyses import Result, bind, run_analysis
from finops.rules.catalogue import Catalogue
from finops.rules.header import QueryFile
from reports.conftest import TODAY, Books

CATALOGUE = Catalogue()
QUERIES = CATALOGUE.layer("analyses")


def rows(books: Books, query: str, **arguments: str) -> list[dict[str, Any]]:
    return run_analysis(books.con, CATALOGUE.get(query), arguments, TODAY).records()


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.id)
class TestEveryQuery:
    def test_its_columns_are_documented_in_order_or_not_but_all(self, query: QueryFile, books: Books) -> None:
        result = run_analysis(books.con, query, {}, TODAY)
        assert set(query.extra["columns"]) == set(result.columns)
        assert result.rows == (), "an empty ledger has no rows, and no error"

    def test_money_is_decimal(self, query: QueryFile, two_weeks: Books) -> None:
        two_weeks.finding("i-1", "idle", "1", "1")
        result: Result = run_analysis(two_weeks.con, query, {}, TODAY)
        for name, type_ in zip(result.columns, result.types, strict=True):
            if re.search("Cost(?!Center)|Saving|Difference|Change$", name) and name != "Change":
                assert type_.startswith("DECIMAL"), f"{name} is {type_}"

    def test_it_reads_top_to_bottom(self, query: QueryFile) -> None:
        last = query.body.rstrip(";").splitlines()
        assert f"SELECT * FROM {query.id}" in last
        assert re.search(r"\nORDER BY ", query.body), "rows have an order"
        for division in re.finditer(r"//?\s*(\S+)", re.sub(r"--.*", "", query.body)):
            if "'" not in division[0]:
                assert division[1].startswith("NULLIF("), f"unguarded: {division[0]}"

    def test_currencies_are_told_apart(self, query: QueryFile) -> None:
        if re.search(r"sum\([^)]*(cost|billed)", query.body, re.IGNORECASE):
            assert "BillingCurrency" in query.extra["columns"]

    def test_it_gives_the_same_rows_in_the_same_order(self, query: QueryFile, two_weeks: Books) -> None:
        two_weeks.con.execute("SET threads = 2")
        first, second = (run_analysis(two_weeks.con, query, {}, TODAY).rows for _ in range(2))
        assert first == second


def test_the_end_of_a_period_is_exclusive(books: Books) -> None:
    books.charge("2026-10-18T23:59:59", "1", "before")
    books.charge("2026-10-19T00:00:00", "2", "first")
    books.charge("2026-10-25T23:59:59", "4", "last")
    books.charge("2026-10-26T00:00:00", "8", "after")
    assert {row["Team"] for row in rows(books, "spend_by_team", period="2026-W43") if row["EffectiveCost"]} == {
        "first",
        "last",
    }


def test_before_the_ledger_begins_the_cost_is_unknown_and_not_zero(books: Books) -> None:
    books.charge("2026-10-15T00", "5", "vision")
    books.charge("2026-10-20T00", "7", "vision")
    (row,) = rows(books, "spend_by_team", period="2026-W43")
    assert (row["EffectiveCost"], row["PreviousEffectiveCost"], row["EffectiveCostChange"]) == (7, None, None)
    assert rows(books, "spend_change", period="2026-W43") == []


def test_months_are_compared_with_months(books: Books) -> None:
    books.charge("2026-02-01T00", "1", "vision")
    books.charge("2026-02-28T00", "2", "vision")
    books.charge("2026-03-31T00", "10", "vision")
    (row,) = rows(books, "spend_by_team", period="2026-03")
    assert (row["PreviousEffectiveCost"], row["ChangePercent"]) == (3, 233.3)


def test_changes_add_up_to_the_change_of_the_total(two_weeks: Books) -> None:
    changes = rows(two_weeks, "spend_change")
    teams = rows(two_weeks, "spend_by_team")
    for currency in ("USD", "EUR"):
        mine = [row for row in teams if row["BillingCurrency"] == currency]
        total = sum(row["EffectiveCost"] - row["PreviousEffectiveCost"] for row in mine)
        assert sum(row["EffectiveCostChange"] for row in changes if row["BillingCurrency"] == currency) == total
    assert {(row["ServiceName"], row["Change"]) for row in changes} == {
        ("Compute", "more"), ("Networking", "new"), ("Credit", "new"),
    }  # fmt: skip


def test_reconciliation_sees_a_missing_cent(books: Books) -> None:
    books.charge("2026-10-20T00", "10", "vision")
    books.deliver(short_of="0.000000000000000001")
    (row,) = rows(books, "reconciliation")
    assert row["LedgerDifference"] == Decimal("-1e-18")
    assert row["AllocationDifference"] == 0


def test_reconciliation_does_not_call_a_missing_side_zero(books: Books) -> None:
    books.charge("2026-10-20T00", "10", "vision")
    (row,) = rows(books, "reconciliation")
    assert (row["DeliveredBilledCost"], row["LedgerDifference"]) == (None, None)


def test_an_invoice_id_makes_a_charge_final(books: Books) -> None:
    books.charge("2026-09-20T00", "10", invoice="INV-9")
    books.charge("2026-10-20T00", "20")
    books.deliver()
    assert [(row["InvoiceStatus"], row["ProvisionalBilledCost"]) for row in rows(books, "reconciliation")] == [
        ("provisional", 20), ("invoiced", 0),
    ]  # fmt: skip


def test_a_source_that_stopped_is_stale_and_one_that_never_came_is_missing(books: Books) -> None:
    books.charge("2026-10-21T00", "1", source="stopped")
    books.charge("2026-10-25T00", "1", source="fresh")
    books.deliver()
    books.con.execute("INSERT INTO ops.sources (source_id, status) VALUES ('never', 'ok'), ('closed', 'denied')")
    assert {row["SourceId"]: row["Status"] for row in rows(books, "sources_freshness")} == {
        "stopped": "stale", "fresh": "current", "never": "missing", "closed": "denied",
    }  # fmt: skip


def test_days_to_come_are_not_missing(books: Books) -> None:
    books.charge("2026-10-25T00", "1", source="fresh")
    books.charge("2026-10-23T00", "1", source="stopped")
    books.deliver()
    assert [(row["SourceId"], row["Status"], row["DaysMissing"]) for row in rows(books, "sources_freshness", period="2026-10")] == [
        ("stopped", "stale", 2), ("fresh", "current", 0),
    ]  # fmt: skip


def test_a_hole_says_what_the_ledger_keeps_in_its_place(books: Books) -> None:
    books.charge("2026-10-21T00", "1", source="prod")
    books.deliver()
    books.con.execute("UPDATE ops.loads SET delivered_at = '2026-10-22 06:00'")
    books.con.execute(
        "INSERT INTO ops.holes (source_id, billing_period, outcome, what) VALUES "
        "('prod', '2026-10-01', 'incomplete', 'half'), ('prod', '2026-09-01', 'denied', 'no'), ('gone', NULL, 'expired', 'key')"
    )
    assert [(row["SourceId"], row["BillingMonth"], row["InTheLedger"]) for row in rows(books, "source_holes")] == [
        ("gone", None, "nothing"), ("prod", date(2026, 9, 1), "nothing"), ("prod", date(2026, 10, 1), "2026-10-22 06:00"),
    ]  # fmt: skip


def test_an_inventory_is_as_its_collection_ended_and_a_lower_grade_is_said(books: Books) -> None:
    books.charge("2026-10-25T00", "1", source="totals")
    books.deliver()
    books.con.execute("UPDATE ops.loads SET grade = 'daily totals'")
    books.con.execute("INSERT INTO ops.loads (source_id, status) VALUES ('accounts', 'current')")
    books.con.execute("INSERT INTO ops.sources (source_id, status) VALUES ('accounts', 'complete')")
    assert [(row["SourceId"], row["Status"], row["Grade"]) for row in rows(books, "sources_freshness")] == [
        ("accounts", "current", None), ("totals", "current", "daily totals"),
    ]  # fmt: skip


def test_a_parameter_that_is_not_declared_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'period'"):
        bind(CATALOGUE.get("spend_by_team"), {"perod": "2026-10"}, TODAY)
    with pytest.raises(UsageError, match="no integer"):
        bind(CATALOGUE.get("sources_freshness"), {"stale_after_days": "few"}, TODAY)


def test_a_period_binds_itself_and_the_one_before() -> None:
    values, period = bind(CATALOGUE.get("spend_by_team"), {"period": "2026-10"}, TODAY)
    assert values["previous_start"] == date(2026, 9, 1)
    assert period is not None
    assert period.name == "2026-10"


def test_a_source_without_invoice_ids_is_provisional_only_while_its_month_is_open(books: Books) -> None:
    books.charge("2026-09-20T00", "10")
    books.charge("2026-10-20T00", "20")
    books.deliver()
    assert [(row["InvoiceStatus"], row["ProvisionalBilledCost"]) for row in rows(books, "reconciliation")] == [
        ("provisional", 20), ("no invoice ids", 0),
    ]  # fmt: skip
