"""``finops allocate diff``: who gains and who loses between two versions of rules and mappings, to the last digit."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from conftest import FOCUS_HEADER, Workspace
from few_rules import few_rules
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_kit import new_ledger, write_mappings

from finops.errors import QueryFileError, UsageError
from finops.pipeline.build import build
from finops.pipeline.comparing import Comparison, Scope, Side, compare
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection

TODAY = date(2026, 11, 20)
RULE = """/*
id: parts
title: Parts
version: 1
owner: me
order: 5
method: split
why: test
misses: nothing
*/
WITH parts AS (
    SELECT x_DimensionId, v.team AS Team, v.weight AS Weight, 'in parts' AS x_AllocationReason
    FROM ledger.dimensions, (VALUES {weights}) AS v (team, weight)
    WHERE ServiceName = 'Shared'
)
SELECT * FROM parts
"""


def side(folder: Path, team: str, weights: str = "") -> Side:
    """All accounts are of a team; what is shared is divided by weights such as ``('search', 1), ('vision', 2)``."""
    folder.mkdir(exist_ok=True)
    write_mappings(folder / "mappings", {"accounts": [{"account_id": "111111111111", "team": team}]})
    if weights:
        rule = folder / "queries" / "allocate" / "parts.sql"
        rule.parent.mkdir(parents=True, exist_ok=True)
        rule.write_text(RULE.format(weights=weights))
    return Side(folder.name, Catalogue(folder / "queries", few_rules(folder.parent)), folder / "mappings", {})


def built(charges: Sequence[Mapping[str, Any]], before: Side) -> Connection:
    con = new_ledger(charges)
    build(con, before.catalogue, before.mappings, TODAY)
    return con


def moves(found: Comparison) -> list[tuple[str, str, str, Decimal]]:
    return [(move.currency, move.from_team, move.to_team, move.amount) for move in found.moves]


def test_what_one_team_loses_another_gains(tmp_path: Path) -> None:
    con = built(
        [{"cost": "2.000000000000000001", "ServiceName": "Compute"}, {"cost": 1, "Tags": {"team": "vision"}}],
        side(tmp_path / "old", "search"),
    )
    found = compare(con, None, side(tmp_path / "new", "payments"), TODAY, [], Scope())
    assert moves(found) == [("USD", "search", "payments", Decimal("2.000000000000000001"))]
    move = found.moves[0]
    assert (move.rule_before, move.rule_after, move.kinds) == ("account_map", "account_map", 1)
    assert move.behind == (("111111111111", "Compute", Decimal("2.000000000000000001")),)
    assert found.totals == (("USD", Decimal("3.000000000000000001"), Decimal("3.000000000000000001")),)
    assert [(team.team, team.before, team.after, team.difference) for team in found.teams] == [
        ("payments", 0, Decimal("2.000000000000000001"), Decimal("2.000000000000000001")),
        ("vision", 1, 1, 0),
        ("search", Decimal("2.000000000000000001"), 0, Decimal("-2.000000000000000001")),
    ]


def test_a_credit_moves_as_a_credit(tmp_path: Path) -> None:
    con = built([{"cost": -5}], side(tmp_path / "old", "search"))
    found = compare(con, None, side(tmp_path / "new", "payments"), TODAY, [], Scope())
    assert moves(found) == [("USD", "search", "payments", Decimal(-5))]


def test_parts_move_without_being_divided_again(tmp_path: Path) -> None:
    con = built([{"cost": 8, "ServiceName": "Shared"}], side(tmp_path / "old", "x", "('a', 1), ('b', 1), ('c', 2)"))
    found = compare(con, None, side(tmp_path / "new", "x", "('c', 1), ('d', 1), ('e', 2)"), TODAY, [], Scope())
    assert moves(found) == [
        ("USD", "a", "e", Decimal(2)), ("USD", "b", "e", Decimal(2)), ("USD", "c", "d", Decimal(2)),
    ]  # fmt: skip
    assert {move.rule_before for move in found.moves} == {"parts"}


def test_currencies_are_never_added(tmp_path: Path) -> None:
    con = built([{"cost": 1}, {"cost": 2, "BillingCurrency": "EUR"}], side(tmp_path / "old", "search"))
    found = compare(con, None, side(tmp_path / "new", "payments"), TODAY, [], Scope())
    assert moves(found) == [("EUR", "search", "payments", Decimal(2)), ("USD", "search", "payments", Decimal(1))]
    assert [total[0] for total in found.totals] == ["EUR", "USD"]


def test_scopes(tmp_path: Path) -> None:
    con = built(
        [
            {"cost": 1, "effective": 10, "from": date(2026, 9, 3)},
            {"cost": 2, "effective": 20, "from": date(2026, 10, 3)},
            {"cost": 4, "effective": 40, "from": date(2026, 10, 4)},
        ],
        side(tmp_path / "old", "search"),
    )
    new = side(tmp_path / "new", "payments")

    def moved(scope: Scope) -> Decimal:
        [move] = compare(con, None, new, TODAY, [], scope).moves
        return move.amount

    assert moved(Scope()) == 7
    assert moved(Scope(month=date(2026, 10, 1))) == 6
    assert moved(Scope(start=date(2026, 9, 3), end=date(2026, 10, 4))) == 3
    assert moved(Scope(cost="effective")) == 70


def state(con: Connection) -> list[list[tuple[Any, ...]]]:
    tables = con.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE NOT temporary ORDER BY ALL"
    ).fetchall()
    return [
        tables,
        *(con.execute(f"FROM {table} ORDER BY ALL").fetchall() for (table,) in tables if not table.startswith("ledger.")),
        con.execute("FROM allocation.charges ORDER BY ALL").fetchall(),
        con.execute("FROM ledger.dimension_class ORDER BY ALL").fetchall(),
        con.execute("SELECT function_name, macro_definition FROM duckdb_functions() WHERE function_type LIKE '%macro' "
                    "ORDER BY ALL").fetchall(),
    ]  # fmt: skip


def test_the_warehouse_stays_as_it_is(tmp_path: Path) -> None:
    old = side(tmp_path / "old", "search", "('a', 1), ('b', 1)")
    con = built([{"cost": 8, "ServiceName": "Shared"}, {"cost": 1}], old)
    before = state(con)
    compare(con, old, side(tmp_path / "new", "payments", "('c', 1)"), TODAY, [], Scope())
    assert state(con) == before
    assert not build(con, old.catalogue, old.mappings, TODAY).changed


def test_a_version_that_is_wrong_leaves_the_warehouse_as_it_is(tmp_path: Path) -> None:
    old = side(tmp_path / "old", "search")
    con = built([{"cost": 8, "ServiceName": "Shared"}], old)
    before = state(con)
    with pytest.raises(QueryFileError, match="no_such_column"):
        compare(con, None, side(tmp_path / "new", "x", "(no_such_column, 1)"), TODAY, [], Scope())
    assert state(con) == before
    assert not build(con, old.catalogue, old.mappings, TODAY).changed


def test_nothing_built_is_nothing_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing is built yet"):
        compare(new_ledger([{"cost": 1}]), None, side(tmp_path / "new", "x"), TODAY, [], Scope())


WEIGHTS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(1, 1000)), min_size=1, max_size=5, unique_by=lambda each: each[0]
).map(lambda pairs: ", ".join(f"('{team}', {weight})" for team, weight in pairs))


@given(
    costs=st.lists(st.sampled_from(["0", "-1.5", "0.000000000000000001", "-99999999999.999999999999999999", "7", "100"]), max_size=4),
    old=WEIGHTS,
    new=WEIGHTS,
)  # fmt: skip
@settings(max_examples=5, deadline=None)
def test_moves_explain_every_teams_difference(
    tmp_path_factory: pytest.TempPathFactory, costs: list[str], old: str, new: str
) -> None:
    folder = tmp_path_factory.mktemp("diff")
    charges = [
        {"cost": cost, "ServiceName": "Shared", "ResourceId": str(place % 2)} for place, cost in enumerate(costs)
    ]
    con = built(charges, side(folder / "old", "x", old))
    found = compare(con, None, side(folder / "new", "x", new), TODAY, [], Scope())
    changes = {team.team: team.difference for team in found.teams}
    with localcontext(prec=60):
        for move in found.moves:
            assert move.amount
            changes[move.from_team] += move.amount
            changes[move.to_team] -= move.amount
    assert set(changes.values()) <= {0}
    assert all(before == after for _, before, after in found.totals)


# --- the command


def bill(*rows: str) -> str:
    """A FOCUS bill of September: ``account,resource,cost`` a row."""
    lines = []
    for row in rows:
        account, resource, cost = row.split(",")
        lines.append(
            f"A,2026-09-01T00:00:00Z,2026-10-01T00:00:00Z,2026-09-02T00:00:00Z,2026-09-02T01:00:00Z,Usage,{cost},{cost},{cost},"
            f"{cost},USD,Amazon EC2,Compute,AWS,AWS,AWS,{resource},{account},1,Hours,"
        )
    return "\n".join([FOCUS_HEADER, *lines, ""])


@pytest.fixture
def company(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two accounts of two teams, built."""
    shipped = few_rules(workspace.folder.parent)
    monkeypatch.setattr("finops.rules.catalogue.shipped_queries", lambda: shipped)
    workspace.write("mappings/accounts.csv", "account_id,team\nacct-1,search\nacct-2,vision\n")
    workspace.write("in/bill.csv", bill("acct-1,i-1,5.000000000001", "acct-2,i-2,2.5"))
    assert workspace.finops("load", workspace.folder / "in").exit_code == 0
    assert workspace.finops("build").exit_code == 0
    return workspace


def map_to(company: Workspace, team: str) -> None:
    company.write("mappings/accounts.csv", f"account_id,team\nacct-1,{team}\nacct-2,vision\n")


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_an_edit_is_compared_with_what_is_built(company: Workspace) -> None:
    for shape in ("table", "csv"):
        assert "Nobody gains or loses." in company.finops("allocate", "diff", "--format", shape).err
    map_to(company, "payments")
    teams = read(company.finops("allocate", "diff").out)
    assert [(row["team"], row["before"], row["after"], row["difference"]) for row in teams] == [
        ("payments", "0", "5.000000000001", "5.000000000001"),
        ("vision", "2.5", "2.5", "0"),
        ("search", "5.000000000001", "0", "-5.000000000001"),
    ]
    [move] = read(company.finops("allocate", "diff", "--moves", "--format", "csv").out)
    assert move == {
        "currency": "USD", "from_team": "search", "to_team": "payments", "amount": "5.000000000001", "rule_before": "account_map",
        "rule_after": "account_map", "kinds_of_charges": "1", "behind": "acct-1 Amazon EC2 5.000000000001",
    }  # fmt: skip
    data = json.loads(company.finops("allocate", "diff", "--format", "json").out, parse_float=Decimal)
    assert data["totals"] == [
        {"currency": "USD", "before": Decimal("7.500000000001"), "after": Decimal("7.500000000001")}
    ]
    assert data["moves"][0]["behind"] == [
        {"account": "acct-1", "service": "Amazon EC2", "amount": Decimal("5.000000000001")}
    ]
    shown = company.finops("allocate", "diff", "--format", "table")
    assert "+USD 5.00" in shown.out and "account_map" in shown.out
    assert (
        "Before (what is built) and after (the workspace's files) the BilledCost adds up to the same: USD 7.50."
        in shown.err
    )


def test_comparing_changes_nothing(company: Workspace) -> None:
    map_to(company, "payments")
    shares = "FROM allocation.charges ORDER BY ALL"
    before = company.query(shares)
    company.finops("allocate", "diff")
    assert company.query(shares) == before
    map_to(company, "search")
    assert {stage["status"] for stage in company.finops("build", "--json").json()["stages"]} == {"unchanged"}


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false", *arguments],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


def test_a_revision_is_compared_with_the_files_as_they_are(company: Workspace) -> None:
    """In a folder of a repository, as workspaces often are; what is checked out and staged stays."""
    git(company.folder.parent, "init", "-q", str(company.folder))
    git(company.folder, "add", "finops.toml", "mappings")
    git(company.folder, "commit", "-qm", "first")
    git(company.folder, "tag", "v1")
    map_to(company, "payments")
    git(company.folder, "commit", "-qam", "second")
    company.write("queries/allocate/parts.sql", RULE.format(weights="('x', 1)"))
    for revision, expected in {"v1": [("search", "payments")], "HEAD": []}.items():
        result = company.finops("allocate", "diff", "--against", revision, "--moves", "--format", "csv")
        assert result.exit_code == 0, result.err
        assert [(row["from_team"], row["to_team"]) for row in read(result.out)] == expected
    result = company.finops("allocate", "diff", "--against", "v9")
    assert result.exit_code == 2 and "git knows no commit 'v9'" in result.err
    result = company.finops("allocate", "diff", "--against=--output=x")
    assert result.exit_code == 2 and not (company.folder / "x").exists()


def test_a_workspace_that_is_not_under_git_has_no_revisions(
    company: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(company.folder.parent))
    result = company.finops("allocate", "diff", "--against", "HEAD")
    assert result.exit_code == 2 and "is not under git" in result.err and "--queries DIR --mappings DIR" in result.err


def test_a_proposal_in_folders_of_its_own(company: Workspace) -> None:
    company.write("proposal/accounts.csv", "account_id,team\nacct-2,search\n")
    result = company.finops("allocate", "diff", "--mappings", company.folder / "proposal", "--moves", "--format", "csv")
    assert [(row["from_team"], row["to_team"], row["rule_after"]) for row in read(result.out)] == [
        ("search", "unallocated", "unallocated"), ("vision", "search", "account_map"),
    ]  # fmt: skip
    result = company.finops("allocate", "diff", "--mappings", company.folder / "nowhere")
    assert result.exit_code == 2 and "there is no such folder" in result.err


def test_frozen_months_move_only_when_asked(company: Workspace) -> None:
    assert company.finops("--today", "2026-11-02", "allocate", "freeze", "2026-09").exit_code == 0
    map_to(company, "payments")
    result = company.finops("allocate", "diff", "--format", "table")
    assert "Left as booked: 2026-09. --frozen shows what would move there." in result.err and not result.out.strip()
    [move] = read(company.finops("allocate", "diff", "--frozen", "--moves", "--format", "csv").out)
    assert (move["from_team"], move["to_team"], move["amount"]) == ("search", "payments", "5.000000000001")
    assert company.finops("allocate", "diff", "--frozen", "--month", "2026-09").exit_code == 0
    result = company.finops("allocate", "diff", "--frozen", "--month", "2026-08")
    assert result.exit_code == 2 and "2026-08 is not frozen\n  Frozen months: 2026-09." in result.err
    company.finops("build")
    [move] = read(company.finops("allocate", "diff", "--frozen", "--moves", "--format", "csv").out)
    assert (move["from_team"], move["to_team"]) == ("search", "payments")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--month", "2026-09", "--period", "2026-Q3"], "--month is a billing month"),
        (["--month", "2026-W40"], "'2026-W40' is no month"),
        (["--frozen"], "no month is frozen"),
        (["--frozen", "--against", "HEAD"], "Give one of them"),
    ],
)
def test_what_cannot_be_compared(company: Workspace, options: list[str], message: str) -> None:
    result = company.finops("allocate", "diff", *options)
    assert result.exit_code == 2 and message in result.err


def test_deliveries_after_the_last_build_are_not_blamed_on_the_rules(company: Workspace) -> None:
    company.write("in/bill.csv", bill("acct-1,i-1,5", "acct-2,i-2,2.5", "acct-2,i-3,1"))
    time.sleep(1)  # times of loads are kept to the second
    company.finops("load", company.folder / "in")
    result = company.finops("allocate", "diff")
    assert "1 deliveries were loaded after the last build" in result.err and "--against HEAD" in result.err
