"""Shared costs with numbers: how each rule divides, what happens when it can't, and that no charge loses or gains a digit."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import REPO
from rules_kit import ALLOCATION, TODAY, new_ledger, write_mappings

from finops.errors import AllocationError, ConfigError, FinopsError, QueryFileError
from finops.pipeline.build import build
from finops.pipeline.example_ledger import add_utilisation
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection

Row = dict[str, Any]
Divide = Callable[..., Connection]
TEAMS = [{"team": "search"}, {"team": "vision"}, {"team": "ml"}]
NAT = {"ResourceId": "nat", "Tags": {"team": "platform"}}
"""What is shared: its tag names the pool."""


@pytest.fixture
def divide(tmp_path: Path) -> Divide:
    """Build a ledger of charges with mappings, and look after every charge that its shares add up to it."""

    def run(
        charges: Sequence[Mapping[str, Any]],
        pools: Sequence[Mapping[str, Any]],
        catalogue: Catalogue = ALLOCATION,
        utilisation: Sequence[Mapping[str, Any]] = (),
        **files: Sequence[Mapping[str, Any]],
    ) -> Connection:
        con = new_ledger(charges)
        add_utilisation(con, utilisation)
        columns = dict.fromkeys(key for pool in pools for key in pool)
        lines = [{key: pool.get(key, "") for key in columns} for pool in pools]
        given = {"teams": TEAMS, **({"pools": lines} if lines else {}), **files}
        build(con, catalogue, write_mappings(tmp_path / "mappings", given), TODAY)
        unequal = con.execute(
            """SELECT x_DimensionId, ChargePeriodStart FROM allocation.charges
            GROUP BY x_DimensionId, ChargePeriodStart
            HAVING sum(AllocatedBilledCost) <> min(BilledCost) OR sum(AllocatedEffectiveCost) <> min(EffectiveCost)
                OR sum(AllocatedConsumedQuantity) IS DISTINCT FROM min(ConsumedQuantity)"""
        ).fetchall()
        assert unequal == []
        charged = con.execute("SELECT count(*) FROM ledger.charge").fetchone()
        shown = con.execute(
            "SELECT count(DISTINCT (x_DimensionId, ChargePeriodStart)) FROM allocation.charges"
        ).fetchone()
        assert shown == charged
        return con

    return run


def shares(con: Connection, resource: str = "nat", where: str = "TRUE") -> dict[str, Decimal]:
    """Team -> what it pays of a resource."""
    return dict(
        con.execute(
            "SELECT Team, sum(AllocatedBilledCost) FROM allocation.charges "
            f"WHERE ResourceId = ? AND {where} GROUP BY Team ORDER BY Team",
            [resource],
        ).fetchall()
    )


def exactly(**amounts: str) -> dict[str, Decimal]:
    return {team: Decimal(amount) for team, amount in amounts.items()}


# --- Who gets what ----------------------------------------------------------------------------------------------------


def test_a_third_each_and_the_rest_to_the_first_by_name(divide: Divide) -> None:
    con = divide([{"cost": "100.00", **NAT}], [{"pool": "platform", "split": "even"}])
    assert shares(con) == exactly(ml="33.3333334", search="33.3333333", vision="33.3333333")


def test_percentages_are_exact(divide: Divide) -> None:
    con = divide(
        [{"cost": "100.00", **NAT}],
        [{"pool": "platform", "split": "by_percent"}],
        splits=[
            {"pool": "platform", "team": "search", "percent": "33.3"},
            {"pool": "platform", "team": "vision", "percent": "33.3"},
            {"pool": "platform", "team": "ml", "percent": "33.4"},
        ],
    )
    assert shares(con) == exactly(ml="33.4", search="33.3", vision="33.3")


def test_percentages_change_on_a_day_within_a_month(divide: Divide) -> None:
    """Half-open: what begins on the 15th is divided anew, the last hour of the 14th is not."""
    before, after = {"valid_from": "", "valid_until": "2026-10-15"}, {"valid_from": "2026-10-15", "valid_until": ""}
    con = divide(
        [{"cost": 10, "every": "hour", "from": "2026-10-14T23:00", "until": "2026-10-15T01:00", **NAT}],
        [{"pool": "platform", "split": "by_percent"}],
        splits=[
            {"pool": "platform", "team": "search", "percent": 100, **before},
            {"pool": "platform", "team": "search", "percent": 10, **after},
            {"pool": "platform", "team": "vision", "percent": 90, **after},
        ],
    )
    assert shares(con, where="ChargePeriodStart < '2026-10-15'") == exactly(search="10")
    assert shares(con, where="ChargePeriodStart >= '2026-10-15'") == exactly(search="1", vision="9")


def test_a_team_whose_credits_exceed_its_cost_has_no_share(divide: Divide) -> None:
    con = divide(
        [
            {"cost": 100, **NAT},
            {"cost": 30, "ResourceId": "a", "Tags": {"team": "search"}},
            {"cost": 10, "ResourceId": "b", "Tags": {"team": "vision"}},
            {"cost": 20, "ResourceId": "c", "Tags": {"team": "ml"}},
            {"cost": -25, "ResourceId": "c", "ChargeCategory": "Credit", "Tags": {"team": "ml"}},
        ],
        [{"pool": "platform", "split": "by_cost"}],
    )
    assert shares(con) == exactly(search="75", vision="25")


def test_a_currency_is_divided_by_costs_in_it(divide: Divide) -> None:
    con = divide(
        [
            {"cost": 100, **NAT},
            {"cost": 100, "BillingCurrency": "EUR", **NAT},
            {"cost": 100, "BillingCurrency": "GBP", **NAT},
            {"cost": 30, "ResourceId": "a", "Tags": {"team": "search"}},
            {"cost": 10, "ResourceId": "b", "Tags": {"team": "vision"}},
            {"cost": 9, "BillingCurrency": "EUR", "ResourceId": "b", "Tags": {"team": "vision"}},
        ],
        [{"pool": "platform", "split": "by_cost"}],
    )
    assert shares(con, where="BillingCurrency = 'USD'") == exactly(search="75", vision="25")
    assert shares(con, where="BillingCurrency = 'EUR'") == exactly(vision="100")
    assert shares(con, where="BillingCurrency = 'GBP'") == exactly(unallocated="100")


def test_what_is_split_is_no_basis(divide: Divide) -> None:
    """Neither the pool itself nor another one: vision pays all of the network and a quarter of the platform."""
    con = divide(
        [
            {"cost": 100, **NAT},
            {"cost": 1000, "ResourceId": "vpn", "Tags": {"team": "network"}},
            {"cost": 30, "ResourceId": "a", "Tags": {"team": "search"}},
            {"cost": 10, "ResourceId": "b", "Tags": {"team": "vision"}},
        ],
        [{"pool": "platform", "split": "by_cost"}, {"pool": "network", "split": "even", "among": "vision"}],
    )
    assert shares(con, "vpn") == exactly(vision="1000")
    assert shares(con) == exactly(search="75", vision="25")


def test_metrics_of_different_units_are_refused(divide: Divide) -> None:
    usage = {"resource_id": "openai/proj/gpt-4o", "day": "2026-10-02", "value": 5}
    with pytest.raises(
        QueryFileError, match=r"pool 'platform' \(pools.csv:2\) adds up .* different units: requests, tokens"
    ):
        divide(
            [{"cost": 1, **NAT}],
            [{"pool": "platform", "split": "by_usage", "basis": "input_tokens;requests"}],
            utilisation=[
                usage | {"metric": "input_tokens", "unit": "tokens"},
                usage | {"metric": "requests", "unit": "requests"},
            ],
        )


@pytest.mark.parametrize(
    ("split", "told"), [("by_usage", "the metric that it is divided by"), ("by_kubernetes", "the name of the cluster")]
)
def test_a_rule_that_needs_a_basis_says_which(divide: Divide, split: str, told: str) -> None:
    with pytest.raises(ConfigError, match=rf"pools.csv:2: 'platform' is split {split}: basis must say {told}"):
        divide([{"cost": 1, **NAT}], [{"pool": "platform", "split": split}])


# --- Pools in pools ---------------------------------------------------------------------------------------------------

OFFICE = [{"pool": "platform", "split": "by_percent"}, {"pool": "research", "split": "by_percent"}]


def test_a_team_that_is_reached_over_two_paths_has_the_sum(divide: Divide) -> None:
    """search: 50 directly, and 30 of research's 50, which is divided 60 to 40."""
    con = divide(
        [{"cost": 100, **NAT}],
        OFFICE,
        splits=[
            {"pool": "platform", "team": "search", "percent": 50},
            {"pool": "platform", "team": "research", "percent": 50},
            {"pool": "research", "team": "search", "percent": 60},
            {"pool": "research", "team": "ml", "percent": 40},
        ],
    )
    assert shares(con) == exactly(search="80", ml="20")
    steps = con.execute("SELECT pool, Team, is_pool, weight FROM allocation.pool_step ORDER BY ALL").fetchall()
    assert steps == [
        ("platform", "research", True, Decimal("0.5")),
        ("platform", "search", False, Decimal("0.5")),
        ("research", "ml", False, Decimal("0.4")),
        ("research", "search", False, Decimal("0.6")),
    ]


def test_two_levels_of_thirds_add_up(divide: Divide) -> None:
    con = divide(
        [{"cost": "0.01", "quantity": "1", **NAT}],
        [*OFFICE, {"pool": "lab", "split": "even"}],
        splits=[
            {"pool": "platform", "team": "research", "percent": "33.333333333333333333"},
            {"pool": "platform", "team": "lab", "percent": "66.666666666666666667"},
            {"pool": "research", "team": "lab", "percent": "99.9"},
            {"pool": "research", "team": "vision", "percent": "0.1"},
        ],
    )
    found = shares(con)
    assert sum(found.values()) == Decimal("0.01")
    assert found["vision"] > found["ml"] > Decimal("0.00333")


def test_a_circle_of_percentages_is_refused_by_name(divide: Divide) -> None:
    with pytest.raises(
        ConfigError, match=r"splits.csv:2: pools feed each other in a circle: platform -> research -> platform"
    ):
        divide(
            [{"cost": 100, **NAT}],
            OFFICE,
            splits=[
                {"pool": "platform", "team": "research", "percent": 100},
                {"pool": "research", "team": "platform", "percent": 100},
            ],
        )


def test_a_circle_that_only_the_build_can_see_is_refused_by_name(divide: Divide) -> None:
    """The namespace of a cluster that belongs to the pool which the cluster feeds."""
    with pytest.raises(AllocationError, match="pools feed each other in a circle: platform -> prod -> platform"):
        divide(
            [{"cost": 100, **NAT}],
            [{"pool": "platform", "split": "by_percent"}, {"pool": "prod", "split": "by_kubernetes", "basis": "prod"}],
            splits=[{"pool": "platform", "team": "prod", "percent": 100}],
            namespaces=[{"cluster": "prod", "namespace": "dns", "team": "platform"}],
            utilisation=[{"resource_id": "kubernetes:prod/dns", "metric": "kubernetes.total_cost",
                          "day": "2026-10-02", "value": 1, "unit": "cost"}],
        )  # fmt: skip


# --- Nothing to divide by ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fallback", "expected"),
    [
        ("unallocated", exactly(unallocated="100")),
        ("", exactly(unallocated="100")),
        ("even", exactly(search="50", vision="50")),
    ],
)
def test_an_empty_basis_falls_back_as_declared(divide: Divide, fallback: str, expected: dict[str, Decimal]) -> None:
    """The only cost is that of a team that takes no part, and one whose credits leave nothing."""
    con = divide(
        [
            {"cost": 100, **NAT},
            {"cost": 7, "ResourceId": "c", "Tags": {"team": "ml"}},
            {"cost": 5, "ResourceId": "a", "Tags": {"team": "search"}},
            {"cost": -5, "ResourceId": "a", "Tags": {"team": "search"}},
        ],
        [{"pool": "platform", "split": "by_cost", "among": "search;vision", "fallback": fallback}],
    )
    assert shares(con) == expected


def test_an_empty_basis_may_be_an_error(divide: Divide) -> None:
    with pytest.raises(AllocationError) as error:
        divide([{"cost": 100, **NAT}], [{"pool": "platform", "split": "by_cost", "fallback": "error"}])
    assert error.value.what == (
        "mappings/pools.csv:2: pool 'platform' has nothing to be divided by in 2026-10 (USD): "
        "rule 'by_cost' gives no weight above zero"
    )


# --- Any amount -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "amount",
    [
        "0.000000000001",
        "-0.000000000001",
        "0.000000000000000001",
        "0",
        "-100",
        "0.07",
        "99999999999.999999999999999999",
        "99999999999999999999.999999999999999999",
    ],
)
def test_any_amount_adds_up(divide: Divide, amount: str) -> None:
    con = divide([{"cost": amount, "quantity": "0.333333333333", **NAT}], [{"pool": "platform", "split": "even"}])
    assert list(shares(con)) == ["ml", "search", "vision"]
    assert con.execute("SELECT sum(AllocatedBilledCost) FROM allocation.charges").fetchone() == (Decimal(amount),)


def test_byte_seconds_of_many_petabytes_are_shared(divide: Divide) -> None:
    """Google Cloud measures storage so: ten petabytes for a day are 8.64e20, more than 20 digits hold."""
    quantity = "864000000000000000000.000000000001"
    con = divide(
        [{"cost": 1, "quantity": quantity, **NAT}, {"quantity": quantity}], [{"pool": "platform", "split": "even"}]
    )
    asked = "SELECT Team, AllocatedConsumedQuantity FROM allocation.charges ORDER BY ALL"
    assert con.execute(asked).fetchall() == [
        ("ml", Decimal("288000000576000000000.000000000001")),
        ("search", Decimal("287999999712000000000")),
        ("unallocated", Decimal(quantity)),
        ("vision", Decimal("287999999712000000000")),
    ]


def test_what_is_too_small_to_divide_goes_to_the_first(divide: Divide) -> None:
    con = divide([{"cost": "0.000000000001", **NAT}], [{"pool": "platform", "split": "even"}])
    assert shares(con) == exactly(ml="0.000000000001", search="0", vision="0")


def test_a_refund_goes_as_what_it_refunds_went(divide: Divide) -> None:
    """It bears no tag; the resource is the same, so the pool is, and each team gets back what it paid."""
    con = divide(
        [
            {"cost": "10.01", **NAT},
            {"cost": "-10.01", "ResourceId": "nat", "ChargeCategory": "Credit", "ChargeClass": "Correction"},
        ],
        [{"pool": "platform", "split": "even"}],
    )
    assert shares(con, where="BilledCost < 0") == {
        team: -share for team, share in shares(con, where="BilledCost > 0").items()
    }
    assert shares(con) == exactly(ml="0", search="0", vision="0")


# --- docs/shared-costs.md ---------------------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    text = (REPO / "docs" / "shared-costs.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def documented(name: str) -> list[dict[str, str]]:
    """The rows of a CSV of the page."""
    text = next(block for block in blocks("csv") if block.startswith(f"# {name}\n"))
    return list(csv.DictReader(text.splitlines()[1:]))


def test_the_pools_of_the_page_are_taken(divide: Divide) -> None:
    con = divide(
        [{"cost": 100, "from": "2026-10-14", "until": "2026-10-16", **NAT}],
        documented("mappings/pools.csv"),
        splits=documented("mappings/splits.csv"),
        namespaces=documented("mappings/namespaces.csv"),
    )
    assert shares(con, where="ChargePeriodStart < '2026-10-15'") == exactly(search="75", vision="25")
    assert shares(con, where="ChargePeriodStart >= '2026-10-15'") == exactly(search="80", vision="20")


def test_a_rule_of_ones_own_divides_a_node_by_day(tmp_path: Path, divide: Divide) -> None:
    """The rule and the table of the page, run as the user's own."""
    (sql,) = blocks("sql")
    (tmp_path / "queries" / "allocate").mkdir(parents=True)
    (tmp_path / "queries" / "allocate" / "node_hours.sql").write_text(sql, encoding="utf-8")
    (tmp_path / "mappings").mkdir()
    write_mappings(tmp_path / "mappings" / "tables", {"node_hours": documented("mappings/tables/node_hours.csv")})
    node = {"ResourceId": "i-0a1", "Tags": {"team": "ml"}}
    con = divide(
        [{"cost": 1, "every": "hour", "from": "2026-10-01", "until": "2026-10-04", **node}],
        [],
        Catalogue(tmp_path / "queries"),
    )
    by_day = {day: shares(con, "i-0a1", f"ChargePeriodStart::DATE = '2026-10-0{day}'") for day in (1, 2, 3)}
    assert by_day == {1: exactly(search="18", vision="6"), 2: exactly(vision="24"), 3: exactly(ml="24")}
    reason = con.execute("SELECT DISTINCT x_AllocationReason FROM allocation.charges WHERE Team = 'search'").fetchone()
    assert reason is not None and reason[0].startswith("pods on i-0a1 on 2026-10-01")


def test_weights_whose_spans_overlap_are_refused(tmp_path: Path, divide: Divide) -> None:
    """Two answers for one moment: a day of the first row begins before the other's has ended."""
    (sql,) = blocks("sql")
    (tmp_path / "queries" / "allocate").mkdir(parents=True)
    wrong = sql.replace("CAST(n.day AS DATE) + 1", "CAST(n.day AS DATE) + 2")
    (tmp_path / "queries" / "allocate" / "node_hours.sql").write_text(wrong, encoding="utf-8")
    (tmp_path / "mappings").mkdir()
    write_mappings(tmp_path / "mappings" / "tables", {"node_hours": documented("mappings/tables/node_hours.csv")})
    with pytest.raises(FinopsError, match="says more than one thing about the charges of dimension 1"):
        divide([{"cost": 1, "from": "2026-10-01", "ResourceId": "i-0a1"}], [], Catalogue(tmp_path / "queries"))
