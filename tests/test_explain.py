"""finops explain: from a resource or a charge to the rules, the weights and the arithmetic behind each share."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from conftest import Made, Workspace, focus_csv

HEADER = """/*
id: {id}
title: {id}
version: 3
owner: platform
order: {order}
method: {method}
why: >
  The {id} rule
  was agreed on.
*/
"""
WEIGHTS = """WITH shared_cluster AS (
    SELECT x_DimensionId, Team, Weight, 'agreed' AS x_AllocationReason
    FROM ledger.dimensions CROSS JOIN (VALUES ('search', 1), ('vision', 2), ('ml-research', 4)) AS w(Team, Weight)
    WHERE ResourceId = 'i-1'
) SELECT * FROM shared_cluster
"""
FOLLOWS = """WITH follows AS (
    SELECT d.x_DimensionId, w.Team, w.Weight, 'half of it follows the cluster' AS x_AllocationReason
    FROM ledger.dimensions AS d
    CROSS JOIN (SELECT Team, 1 AS Weight FROM allocation.tagged WHERE is_pool UNION ALL SELECT 'payments', 1) AS w
    WHERE ResourceId = 'i-2'
) SELECT * FROM follows
"""
TIMED = """WITH timed AS (
    SELECT x_DimensionId, 'payments' AS Team, 'lent to payments' AS x_AllocationReason, DATE '2026-09-04' AS ValidUntil
    FROM ledger.dimensions WHERE ResourceId = 'i-3'
) SELECT * FROM timed
"""
COST = "3.000000001000000007"
"""Has digits after the ninth place, which are not divided."""


@pytest.fixture
def built(workspace: Workspace, made: Made) -> Workspace:
    made(workspace, "explain", lambda: _build(workspace))
    return workspace


def _build(workspace: Workspace) -> None:
    workspace.write(
        "queries/allocate/shared_cluster.sql", HEADER.format(id="shared_cluster", order=3, method="split") + WEIGHTS
    )
    workspace.write("queries/allocate/follows.sql", HEADER.format(id="follows", order=4, method="split") + FOLLOWS)
    workspace.write("queries/allocate/timed.sql", HEADER.format(id="timed", order=5, method="mapped") + TIMED)
    workspace.write("mappings/resources.csv", "pattern,team\n# the old one\ni-3,vision\n")
    september = focus_csv(COST, "-2.5", "7").splitlines()
    september += [line.replace("i-1", "i-3", 1) for line in focus_csv("8").splitlines()[1:]]
    october = focus_csv("1", month="2026-10").splitlines()[1:]
    september += [line.replace("i-1", "i-3").replace("2026-09-01T00:00:00Z,2026-09-01T01", "2026-09-20T00:00:00Z,2026-09-20T01")
                  for line in focus_csv("9").splitlines()[1:]]  # fmt: skip
    workspace.finops("load", workspace.write("september.csv", "\n".join([*september, ""])))
    workspace.finops("load", workspace.write("october.csv", "\n".join([september[0], *october, ""])))
    result = workspace.finops("--today", "2026-10-26", "build")
    assert result.exit_code == 0, result.err


def explained(workspace: Workspace, *args: str) -> Any:
    result = workspace.finops("explain", *args, "--json")
    assert result.exit_code == 0, result.err
    return json.loads(result.out, parse_float=Decimal)


def test_the_arithmetic_is_exact_and_is_what_is_charged(built: Workspace) -> None:
    e = explained(built, "i-1", "--month", "2026-09")
    a = e["arithmetic"]
    assert a["amount"] == Decimal(COST)
    assert (a["cut"], a["rest"]) == (Decimal("3.000000001"), Decimal("0.000000000000000007"))
    by_team = {share["team"]: share for share in a["shares"]}
    assert {team: share["weight"] for team, share in by_team.items()} == {
        "ml-research": Decimal("0.571428573"), "vision": Decimal("0.285714285"), "search": Decimal("0.142857142"),
    }  # fmt: skip
    assert by_team["vision"]["share"] == Decimal("3.000000001") * Decimal("0.285714285")
    assert by_team["ml-research"]["share"] == Decimal("3.000000001") * Decimal("0.571428573") + a["rest"]
    assert [team for team, share in by_team.items() if share["takes_rest"]] == ["ml-research"]
    assert a["sum"] == a["amount"] and a["difference"] == 0
    charged = built.query(
        "SELECT Team, AllocatedBilledCost FROM allocation.charges WHERE ResourceId = 'i-1' AND ChargePeriodStart < '2026-10-01'"
    )
    assert {team: share["share"] for team, share in by_team.items()} == dict(charged)


def test_the_chain_goes_from_a_pool_through_a_pool_to_teams(built: Workspace) -> None:
    e = explained(built, "i-2")
    [split] = e["splits"]
    [pool, payments] = sorted(split["steps"], key=lambda step: not step["is_pool"])
    assert (payments["receiver"], payments["weight"], payments["basis"]) == ("payments", Decimal("0.5"), 1)
    assert pool["receiver"].startswith("shared_cluster:")
    assert {step["receiver"]: step["basis"] for step in pool["steps"]} == {"ml-research": 4, "vision": 2, "search": 1}
    assert {step["rule"] for step in pool["steps"]} == {"shared_cluster"}
    shares = {share["team"]: share["weight"] for share in split["shares"]}
    assert sum(shares.values()) == 1
    assert shares["vision"] == Decimal("0.142857142")
    charged = built.query("SELECT Team, AllocatedBilledCost FROM allocation.charges WHERE ResourceId = 'i-2'")
    assert {share["team"]: share["billed_cost"] for share in split["shares"]} == dict(charged)
    assert {share["team"]: share["share"] for share in e["arithmetic"]["shares"]} == dict(charged)
    assert sum(share["share"] for share in e["arithmetic"]["shares"]) == Decimal("-2.5")


def test_the_rules_in_order_and_the_one_that_won(built: Workspace) -> None:
    tried = {rule["id"]: rule for rule in explained(built, "i-1")["rules_tried"]}
    assert tried["shared_cluster"]["status"] == "won"
    later = [rule for rule in tried.values() if rule["order"] > 3]
    assert {rule["outcome"] for rule in later} == {"not asked: taken by shared_cluster"}
    orders = [rule["order"] for rule in tried.values()]
    assert orders == sorted(orders)
    assert "even" not in tried, "rules that divide pools are asked about pools"
    [decision] = explained(built, "i-1", "--month", "2026-09")["decisions"]
    assert (decision["rule"], decision["version"], decision["reason"]) == ("shared_cluster", 3, "agreed")
    assert decision["why"] == "The shared_cluster rule was agreed on."
    assert decision["file"].endswith("shared_cluster.sql")


def test_a_rule_that_won_for_a_span_leaves_the_rest_to_the_next(built: Workspace) -> None:
    number = built.query("SELECT x_DimensionId FROM ledger.dimensions WHERE ResourceId = 'i-3'")[0][0]
    e = explained(built, str(number))
    tried = {rule["id"]: rule for rule in e["rules_tried"]}
    assert tried["team_tag"]["outcome"] == "did not match"
    assert tried["timed"]["outcome"] == "won 1 kind of charges, ever until 2026-09-04"
    assert tried["resource_map"]["outcome"] == "won 1 kind of charges, 2026-09-04 until ever"
    assert tried["account_map"]["outcome"] == "not asked: taken by timed and resource_map"
    spans = {row["team"]: (row["valid_from"], row["valid_until"], row["billed_cost"]) for row in e["decisions"]}
    assert spans == {"payments": (None, "2026-09-04", 15), "vision": ("2026-09-04", None, 9)}
    mapped = next(row for row in e["decisions"] if row["team"] == "vision")
    assert mapped["mapping_line"] == {"file": "resources.csv", "line": 3, "text": "i-3,vision"}
    on_the_day = explained(built, str(number), "--day", "2026-09-20")
    assert [row["team"] for row in on_the_day["decisions"]] == ["vision"]
    assert on_the_day["arithmetic"]["amount"] == 9
    assert on_the_day["allocation"][0]["billed_cost"] == 9


def test_the_terminal_shows_all_digits_in_100_columns(built: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    out = built.finops("explain", "i-1", "--month", "2026-09").out
    assert f"BilledCost USD {COST}" in out
    assert re.search(r"3\.000000001 x 0\.571428573 \+ 0\.000000000000000007 += 1\.714285719571428580  ml-research", out)
    assert f"{COST}  the charge" in out
    assert "not asked: taken by shared_cluster" in out
    assert max(len(line) for line in out.splitlines() if not line.startswith("     ")) <= 100
    nested = built.finops("explain", "i-2").out
    assert "pool shared_cluster:" in nested
    assert "divided by shared_cluster:" in nested


def test_a_pool_that_changes_within_a_month_says_how_to_see_its_other_spans(built: Workspace) -> None:
    built.write("mappings/pools.csv", "pool,split,among\nplatform,by_percent,search;vision\n")
    built.write("mappings/resources.csv", "pattern,team\ni-3,platform\n")
    timed = HEADER.format(id="timed", order=5, method="mapped") + TIMED.replace("'payments'", "'platform'")
    built.write("queries/allocate/timed.sql", timed)
    built.write(
        "mappings/splits.csv",
        "pool,team,percent,valid_from,valid_until\nplatform,search,100,,2026-09-15\nplatform,vision,100,2026-09-15,\n",
    )
    assert built.finops("--today", "2026-10-26", "build").exit_code == 0
    out = built.finops("explain", "i-3", "--month", "2026-09").out
    told = re.search(r"pool platform from (\S+) until \S+ \(exclusive\): .*; --day (\S+) shows it", out)
    assert told and told[1] == told[2], out


def test_a_charge_that_no_rule_takes(workspace: Workspace) -> None:
    workspace.finops("load", workspace.write("bill.csv", focus_csv("4")))
    workspace.finops("--today", "2026-10-26", "build")
    e = explained(workspace, "i-1")
    assert e["rules_tried"][-1]["id"] == "unallocated"
    assert [row["team"] for row in e["decisions"]] == ["unallocated"]
    assert e["arithmetic"]["shares"][0] | {"takes_rest": None} == {
        "team": "unallocated", "weight": 1, "takes_rest": None, "product": 4, "share": 4,
    }  # fmt: skip
    assert "nothing is divided" in workspace.finops("explain", "i-1").out


def test_a_frozen_month_is_explained_as_it_was_booked(built: Workspace) -> None:
    assert (
        built.finops("--today", "2026-10-26", "allocate", "freeze", "2026-09", "--reason", "booked", "--yes").exit_code
        == 0
    )
    built.write(
        "queries/allocate/shared_cluster.sql",
        (HEADER.format(id="shared_cluster", order=3, method="split") + WEIGHTS).replace(
            "('vision', 2)", "('vision', 20)"
        ),
    )
    assert built.finops("--today", "2026-10-26", "build").exit_code == 0
    splits = {split["month"]: split for split in explained(built, "i-1")["splits"]}
    assert splits["2026-09"]["frozen_month"] == "2026-09"
    assert splits["2026-10"]["frozen_month"] is None
    basis = {month: {step["receiver"]: step["basis"] for step in split["steps"]} for month, split in splits.items()}
    assert (basis["2026-09"]["vision"], basis["2026-10"]["vision"]) == (2, 20)
    e = explained(built, "i-1", "--month", "2026-09")
    assert [month["month"] for month in e["frozen_months"]] == ["2026-09"]
    assert e["arithmetic"]["difference"] == 0
    assert "2026-09 is frozen since" in built.finops("explain", "i-1").out


def test_what_cannot_be_explained_is_told(built: Workspace) -> None:
    result = built.finops("explain", "i-1", "--day", "2026-12-24")
    assert result.exit_code == 2
    assert "'i-1' has no charges on 2026-12-24" in result.err
    assert "It has charges from 2026-09-01 to 2026-10-01" in result.err
    assert "nothing in the ledger is called '99999'" in built.finops("explain", "99999").err
    assert built.finops("explain", "i-1", "--day", "2026-09-01", "--month", "2026-09").exit_code == 2
