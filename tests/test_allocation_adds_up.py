"""Whatever the bill, the rules and the splits are: the shares of every charge add up to it, to the last digit.

Random bills and rules, every bill of the corpus, and the fixtures.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import REPO
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules_kit import ALLOCATION, CATALOGUE, TODAY, new_ledger, write_mappings
from test_corpus import BILLS, dataset

from finops.pipeline.build import build
from finops.pipeline.loading import Loader
from finops.warehouse.connection import Connection, connect
from finops.warehouse.landing import Landing
from finops.warehouse.schema import migrate

QUICK = settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
TEAMS = ("ada", "bob", "cat", "dee")
ACCOUNTS = ("1", "2", "3", "4", "5")
POOLS = ("first", "second", "third")

# what a bill may hold: nothing, the smallest amount that there is, credits, more than any invoice
AMOUNTS = st.one_of(
    st.sampled_from(["0", "0.000000000001", "-0.000000000001", "0.000000000000000001", "-100", "0.07"]).map(Decimal),
    st.decimals(min_value=-(10**11), max_value=10**11, places=18, allow_nan=False, allow_infinity=False),
)
CHARGES = st.lists(
    st.fixed_dictionaries(
        {
            "cost": AMOUNTS,
            "effective": AMOUNTS,
            "quantity": st.none() | st.sampled_from(["0", "1", "0.333333333333", "730"]),
            "from": st.dates(date(2026, 8, 20), date(2026, 10, 25)).map(str),
            "BillingCurrency": st.sampled_from(["USD", "EUR", None]),
            "ChargeCategory": st.sampled_from(["Usage", "Usage", "Usage", "Purchase", "Tax", "Credit", "Adjustment"]),
            "ServiceName": st.sampled_from(["Amazon Elastic Compute Cloud", "Amazon SageMaker"]),
            "CommitmentDiscountId": st.sampled_from([None, None, "sp-1"]),
            "CommitmentDiscountStatus": st.sampled_from([None, "Used", "Unused"]),
            "ResourceId": st.sampled_from([None, "i-1", "lake-1"]),
            "SubAccountId": st.sampled_from([None, *ACCOUNTS]),
            "Tags": st.none()
            | st.dictionaries(
                st.sampled_from(["team", "Team", "env"]), st.sampled_from(["ada", "Bob ", "first", "x", ""])
            ),
        }
    ),
    min_size=1,
    max_size=10,
)


@st.composite
def workspaces(draw: st.DrawFn) -> dict[str, list[dict[str, str]]]:
    """Mapping files: accounts to teams or pools, some only from a day on; pools that divide by any rule and feed later pools."""
    files: dict[str, list[dict[str, str]]] = {"teams": [{"team": team} for team in TEAMS], "pools": [], "splits": []}
    rules = {pool: draw(st.sampled_from(["even", "by_percent", "by_cost"])) for pool in POOLS}
    for place, (pool, rule) in enumerate(rules.items()):
        among = draw(st.sets(st.sampled_from(TEAMS)))
        fallback = draw(st.sampled_from(["", "even", "unallocated"]))
        files["pools"].append({"pool": pool, "split": rule, "among": ";".join(sorted(among)), "fallback": fallback,
                               "window": draw(st.sampled_from(["", "month", "previous-month", "last-3-months"]))})  # fmt: skip
        if rule == "by_percent":
            receivers = draw(st.lists(st.sampled_from([*TEAMS, *POOLS[place + 1 :]]), min_size=1, unique=True))
            for spans in draw(st.sampled_from([[("", "")], [("", "2026-09-15"), ("2026-09-15", "")]])):
                cuts = sorted(
                    draw(st.lists(st.integers(1, 99_999), min_size=len(receivers) - 1, max_size=len(receivers) - 1))
                )
                for receiver, low, high in zip(receivers, [0, *cuts], [*cuts, 100_000], strict=True):
                    percent = Decimal(high - low) / 1000
                    files["splits"].append({"pool": pool, "team": receiver, "percent": f"{percent:f}",
                                            "valid_from": spans[0], "valid_until": spans[1]})  # fmt: skip
    files["accounts"] = [
        {"account_id": account, "team": draw(st.sampled_from([*TEAMS, *POOLS])), "valid_from": draw(st.sampled_from(["", "2026-09-10"])),
         "valid_until": ""} for account in draw(st.sets(st.sampled_from(ACCOUNTS)))
    ]  # fmt: skip
    files["resources"] = [{"pattern": "lake-.*", "team": draw(st.sampled_from([*TEAMS, *POOLS]))}]
    return {name: rows for name, rows in files.items() if rows}


def built(
    charges: Sequence[Mapping[str, Any]], folder: Path, files: Mapping[str, Sequence[Mapping[str, str]]]
) -> Connection:
    for old in folder.glob("*.csv"):
        old.unlink()
    con = new_ledger(charges)
    build(con, ALLOCATION, write_mappings(folder, files), TODAY)
    return con


SHARES = """SELECT x_DimensionId, ChargePeriodStart, any_value(BilledCost), any_value(EffectiveCost), any_value(ConsumedQuantity),
    sum(AllocatedBilledCost), sum(AllocatedEffectiveCost), sum(AllocatedConsumedQuantity), count(*), count(DISTINCT Team)
    FROM allocation.charges GROUP BY ALL"""


@QUICK
@given(CHARGES, workspaces())
def test_the_shares_of_every_charge_add_up_to_it_and_building_again_changes_nothing(
    tmp_path: Path, charges: list[dict[str, Any]], files: dict[str, list[dict[str, str]]]
) -> None:
    con = built(charges, tmp_path / "mappings", files)
    found = con.execute(SHARES).fetchall()
    assert len(found) == len(charges)
    for number, _, billed, effective, quantity, *sums, shares, teams in found:
        charge = charges[number - 1]
        assert (billed, effective) == (charge["cost"], charge["effective"])
        assert sums == [billed, effective, quantity]
        assert shares == teams, "a team has at most one share of a charge"
    for table in ("pool_step", "pool_share"):
        weights = con.execute(
            f"SELECT sum(weight), min(weight) FROM allocation.{table} "
            "GROUP BY book, pool, month, valid_from, BillingCurrency"
        ).fetchall()
        assert all(total == 1 and least >= 0 for total, least in weights)
    tables = [f"FROM allocation.{name} ORDER BY ALL" for name in ("dimension_team", "pool_step", "pool_share")]
    before = [con.execute(table).fetchall() for table in tables]
    assert not build(con, ALLOCATION, tmp_path / "mappings", TODAY).changed
    assert build(con, ALLOCATION, tmp_path / "mappings", TODAY, full=True).changed
    assert [con.execute(table).fetchall() for table in tables] == before
    con.close()


@QUICK
@given(CHARGES, workspaces(), st.randoms())
def test_the_order_of_files_lines_and_charges_does_not_matter(
    tmp_path: Path, charges: list[dict[str, Any]], files: dict[str, list[dict[str, str]]], chance: random.Random
) -> None:
    charges = [charge | {"SkuId": str(number)} for number, charge in enumerate(charges)]
    shares = (
        "SELECT SkuId, Team, x_AllocationRuleId, x_AllocationWeight, AllocatedBilledCost, AllocatedEffectiveCost "
        "FROM allocation.charges ORDER BY ALL"
    )
    one = built(charges, tmp_path / "mappings", files)
    before = one.execute(shares).fetchall()
    one.close()
    chance.shuffle(charges)
    shuffled = {name: chance.sample(rows, len(rows)) for name, rows in files.items()}
    other = built(charges, tmp_path / "mappings", shuffled)
    assert other.execute(shares).fetchall() == before
    other.close()


def everything_is_shared(con: Connection, folder: Path) -> Counter[str]:
    """Build with half of the accounts in pools; compare the sums per load and currency; the answer is shares by method."""
    names = [
        row[0]
        for row in con.execute(
            "SELECT DISTINCT SubAccountId FROM ledger.dimensions WHERE SubAccountId IS NOT NULL ORDER BY 1"
        ).fetchall()
    ]
    files: dict[str, list[dict[str, str]]] = {
        "teams": [{"team": team} for team in TEAMS],
        "pools": [{"pool": "shared", "split": "by_percent"}, {"pool": "costs", "split": "by_cost", "fallback": "even"}],
        "splits": [{"pool": "shared", "team": "ada", "percent": "33.3"}, {"pool": "shared", "team": "bob", "percent": "33.4"},
                   {"pool": "shared", "team": "costs", "percent": "33.3"}],
        "resources": [{"pattern": ".*[0-7]", "team": "shared"}, {"pattern": ".*[89ab]", "team": "dee"}],
    }  # fmt: skip
    if names:
        files["accounts"] = [
            {"account_id": name, "team": ("shared", "ada", "costs", "bob")[place % 4]}
            for place, name in enumerate(names)
        ]
    folder.mkdir(exist_ok=True)
    build(con, ALLOCATION, write_mappings(folder, files), date(2026, 11, 1))
    billed = con.execute(
        "SELECT x_LoadId, BillingCurrency, sum(BilledCost), sum(EffectiveCost) FROM focus.cost_and_usage GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    allocated = con.execute(
        "SELECT x_LoadId, BillingCurrency, sum(AllocatedBilledCost), sum(AllocatedEffectiveCost) "
        "FROM allocation.charges GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert allocated == billed
    return Counter(
        dict(con.execute("SELECT x_AllocationMethod, count(*) FROM allocation.charges GROUP BY ALL").fetchall())
    )


@pytest.mark.skipif(not BILLS, reason="the billing corpus is not beside this checkout")
@pytest.mark.parametrize("path", BILLS, ids=lambda path: path.stem)
def test_every_bill_of_the_corpus_is_allocated_whole(path: Path, tmp_path: Path) -> None:
    con = connect(tmp_path / "finops.duckdb", threads=2)
    migrate(con)
    Loader(con, Landing(tmp_path / "landing"), CATALOGUE).load_paths(dataset(json.loads(path.read_text())))
    assert everything_is_shared(con, tmp_path / "mappings").total()
    con.close()


def test_the_bills_of_the_fixtures_are_allocated_whole(tmp_path: Path) -> None:
    con = connect(tmp_path / "finops.duckdb", threads=2)
    migrate(con)
    loader = Loader(con, Landing(tmp_path / "landing"), CATALOGUE)
    for source in sorted((REPO / "fixtures" / "deliveries").iterdir()):
        loader.load_paths([source])
    methods = everything_is_shared(con, tmp_path / "mappings")
    assert methods["split"] > methods["mapped"] > 0
    con.close()
