"""What a rule may answer and what becomes of odd answers: none of a charge is moved to another team in silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rules_kit import TODAY, new_ledger, write_mappings

from finops.errors import FinopsError, QueryFileError
from finops.pipeline.build import build
from finops.rules.catalogue import Catalogue

Allocate = Callable[..., dict[tuple[str, str], Decimal]]
NODE = {"cost": 10, "ResourceId": "node"}
SHARED = NODE | {"Tags": {"team": "shared"}}
"""A charge of the pool that the user's own rule ``mine`` divides."""


@pytest.fixture
def allocate(tmp_path: Path) -> Allocate:
    """Build with a rule of the user's; the answer is what each team has of each resource."""

    def run(
        sql: str, *charges: Mapping[str, Any], teams: bool = True, **header: object
    ) -> dict[tuple[str, str], Decimal]:
        lines = {
            "id": "mine",
            "title": "Mine",
            "version": 1,
            "owner": "us",
            "order": 5,
            "method": "split",
            "why": "Ours.",
        } | header
        folder = tmp_path / "queries" / "allocate"
        folder.mkdir(parents=True, exist_ok=True)
        written = "".join(f"{key}: {value}\n" for key, value in lines.items())
        (folder / "mine.sql").write_text(f"/*\n{written}*/\n{sql}\n", encoding="utf-8")
        con = new_ledger(charges)
        files: dict[str, list[dict[str, str]]] = {}
        if teams:
            files["teams"] = [{"team": "ada"}, {"team": "bob"}]
        if "splits" in header:
            files["pools"] = [{"pool": "shared", "split": "mine"}, {"pool": "another", "split": "even"}]
        build(con, Catalogue(tmp_path / "queries"), write_mappings(tmp_path / "mappings", files), TODAY)
        return {
            (resource or "", team): amount
            for resource, team, amount in con.execute(
                "SELECT ResourceId, Team, sum(AllocatedBilledCost) FROM allocation.charges GROUP BY ALL"
            ).fetchall()
        }

    return run


def weights(*parts: tuple[str, str]) -> str:
    """A rule that shares the node: SQL for teams and weights."""
    rows = ", ".join(f"({team}, {weight})" for team, weight in parts)
    return (
        "SELECT x_DimensionId, team AS Team, weight AS Weight, 'ours' AS x_AllocationReason "
        f"FROM ledger.dimensions CROSS JOIN (VALUES {rows}) AS v(team, weight) WHERE ResourceId = 'node'"
    )


def percentages(*parts: tuple[str, str, str]) -> str:
    """A rule that divides the pool: SQL for teams, percentages and currencies."""
    rows = ", ".join(f"({team}, {percent}, {currency})" for team, percent, currency in parts)
    return (
        "SELECT 'shared' AS Pool, team AS Team, percent AS Percent, CAST(currency AS VARCHAR) AS BillingCurrency "
        f"FROM (VALUES {rows}) AS v(team, percent, currency)"
    )


def test_the_weight_of_no_team_is_nobodys(allocate: Allocate) -> None:
    """As after a LEFT JOIN that found no team: the others don't pay that part."""
    shared = allocate(weights(("'ada'", "3"), ("NULL", "1")), NODE)
    assert shared == {("node", "ada"): Decimal("7.5"), ("node", "unallocated"): Decimal("2.5")}


def test_the_percentage_of_no_team_is_nobodys(allocate: Allocate) -> None:
    sql = percentages(("'ada'", "60", "NULL"), ("NULL", "40", "NULL"))
    shared = allocate(sql, SHARED, order=200, splits="pools")
    assert shared == {("node", "ada"): Decimal(6), ("node", "unallocated"): Decimal(4)}


def test_an_empty_team_is_no_answer(allocate: Allocate) -> None:
    sql = "SELECT x_DimensionId, ' ' AS Team, 'ours' AS x_AllocationReason FROM ledger.dimensions"
    assert allocate(sql, NODE, teams=False, method="mapped") == {("node", "unallocated"): Decimal(10)}


def test_a_fee_that_follows_usage_without_weights_is_nobodys_too(allocate: Allocate) -> None:
    """No weight is above zero: the charge is nobody's, and so is its tax. The name of the rule's pool is no team."""
    tax = {"cost": 3, "ChargeCategory": "Tax"}
    shared = allocate(weights(("'ada'", "0"), ("'bob'", "-1")), NODE, tax, teams=False)
    assert shared == {("node", "unallocated"): Decimal(10), ("", "unallocated"): Decimal(3)}


def test_the_header_limits_a_rule_that_divides_pools(allocate: Allocate) -> None:
    sql = percentages(("'ada'", "100", "NULL"))
    october, september = (SHARED | {"from": day} for day in ("2026-10-01", "2026-09-30"))
    shared = allocate(sql, october, september, order=200, splits="pools", valid_from="2026-10-01")
    assert shared == {("node", "ada"): Decimal(10), ("node", "unallocated"): Decimal(10)}


def test_percentages_add_up_in_each_currency(allocate: Allocate) -> None:
    sql = percentages(("'ada'", "100", "'USD'"), ("'bob'", "100", "'EUR'"))
    euros = {"cost": 7, "ResourceId": "nat", "Tags": {"team": "shared"}, "BillingCurrency": "EUR"}
    shared = allocate(sql, SHARED, euros, order=200, splits="pools")
    assert shared == {("node", "ada"): Decimal(10), ("nat", "bob"): Decimal(7)}
    halves = percentages(("'ada'", "50", "'USD'"), ("'bob'", "50", "'EUR'"))
    with pytest.raises(QueryFileError, match=r"100: pool 'shared' in EUR: 50 %; pool 'shared' in USD: 50 %"):
        allocate(halves, SHARED, euros, order=200, splits="pools")


def test_a_negative_percentage_is_refused(allocate: Allocate) -> None:
    sql = percentages(("'ada'", "110", "NULL"), ("'bob'", "-10", "NULL"))
    with pytest.raises(QueryFileError, match=r"not be negative: pool 'shared': 100 %, with -10 % for 'bob'"):
        allocate(sql, SHARED, order=200, splits="pools")


def test_a_pool_of_another_rule_is_not_this_rules_to_answer_for(allocate: Allocate) -> None:
    sql = percentages(("'ada'", "100", "NULL")) + " UNION ALL SELECT 'another', 'bob', 30, NULL"
    assert allocate(sql, SHARED, order=200, splits="pools") == {("node", "ada"): Decimal(10)}


def test_a_bill_may_spell_its_currency_in_small_letters(allocate: Allocate) -> None:
    sql = percentages(("'ada'", "100", "'USD'"))
    small = SHARED | {"BillingCurrency": "usd"}
    assert allocate(sql, small, order=200, splits="pools") == {("node", "ada"): Decimal(10)}


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (weights(("'ada'", "100000000000000000000::HUGEINT")), "a weight is below 10\\^18, not 100000000000000000000"),
        (weights(("'ada'", "1")).replace("x_DimensionId,", "(x_DimensionId + 10::HUGEINT ** 20)::HUGEINT AS x_DimensionId,"),
         "out of range"),
    ],
)  # fmt: skip
def test_numbers_that_do_not_fit_are_the_rules_problem(allocate: Allocate, sql: str, told: str) -> None:
    with pytest.raises(FinopsError, match=told) as refused:
        allocate(sql, NODE)
    assert refused.value.where.endswith("mine.sql")


def test_a_misspelt_pool_is_told(allocate: Allocate) -> None:
    """Its charges would be left to the fallback of the pool that was meant."""
    with pytest.raises(
        QueryFileError, match=r"divides a pool that pools\.csv does not have: 'shred'; did you mean 'shared'"
    ):
        allocate("SELECT 'shred' AS Pool, 'ada' AS Team, 1 AS Weight", SHARED, splits="pools")
