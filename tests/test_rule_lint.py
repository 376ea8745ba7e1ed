"""finops queries check: what a build would refuse, all at once, and what does nothing or is left to chance."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Workspace, focus_csv

RULE = """/*
id: mine
title: Mine
version: 1
owner: me
order: 5
method: mapped
why: because
*/
WITH mine AS (
    SELECT x_DimensionId, 'search' AS Team, 'why' AS x_AllocationReason
    FROM ledger.dimensions
    WHERE ResourceId = 'i-1'
)
SELECT * FROM mine
"""


def rule(name: str = "mine", **changes: str) -> str:
    """The rule, renamed, with pieces of text replaced."""
    text = RULE.replace("mine", name)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture
def loaded(workspace: Workspace) -> Workspace:
    workspace.finops("load", workspace.write("bill.csv", focus_csv("1.25", "2.5", "5", "-1")))
    result = workspace.finops("--today", "2026-10-26", "build")
    assert result.exit_code == 0, result.err
    return workspace


def check(workspace: Workspace, *args: str) -> Any:
    return workspace.finops("--today", "2026-10-26", "queries", "check", *args)


def notes(workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
    result = check(workspace, "--json")
    assert result.exit_code == 0, result.out + result.err
    found: dict[str, list[dict[str, Any]]] = {}
    for note in result.json()["notes"]:
        if not note["shipped"]:
            found.setdefault(note["kind"], []).append(note)
    return found


def test_problems_of_queries_and_mappings_are_told_together(workspace: Workspace) -> None:
    workspace.write("queries/allocate/mine.sql", rule(**{"ResourceId =": "ResorceId ="}))
    workspace.write("queries/allocate/other.sql", rule("other", **{"order: 5": "order: 10"}))
    workspace.write("queries/allocate/third.sql", "SELECT 1")
    workspace.write(
        "queries/checks/fourth.sql", "/*\nid: fourth\ntitle: F\nversion: 1\nowner: me\nwhy: b\ngrad: warn\n*/\nSELECT 1"
    )
    workspace.write("mappings/teams.csv", "team\nsearch\n")
    workspace.write("mappings/accounts.csv", "account_id,team\n1,search\n2,saerch\n1,search\n")
    workspace.write("mappings/resources.csv", "pattern,team\na(b,search\n")
    result = check(workspace)
    assert result.exit_code == 2
    for told in (
        "mine.sql:13: Binder Error: Referenced column \"ResorceId\" not found in FROM clause; did you mean 'ResourceId'?",
        "other.sql:6: order 10 is taken by 'team_tag'",
        "third.sql: has no header comment",
        "fourth.sql:7: the header lacks 'grade'; unknown key 'grad' in the header; did you mean 'grade'?",
        "accounts.csv:3: there is no team 'saerch'; did you mean 'search'?",
        "accounts.csv:4: ",
        "resources.csv:2: ",
    ):
        assert told in result.err, result.err
    assert result.err.startswith("error: 7 problems in the queries and mapping files:")
    assert len(check(workspace, "--json").json()["problems"]) == 7


def test_an_order_that_is_no_number(workspace: Workspace) -> None:
    workspace.write("queries/allocate/mine.sql", rule(**{"order: 5": "order: five"}))
    assert "mine.sql:6: order must be a whole number, not 'five'" in check(workspace).err


def test_a_day_that_there_is_not(workspace: Workspace) -> None:
    workspace.write("queries/allocate/mine.sql", rule(**{"order: 5": "order: 5\nvalid_from: 2026-13-01"}))
    result = check(workspace)
    assert result.exit_code == 2
    assert "mine.sql:7: the header is not YAML: '2026-13-01' is no day: month must be in 1..12" in result.err


def test_a_build_tells_all_problems_too_and_before_it_changes_anything(loaded: Workspace) -> None:
    before = loaded.finops("analyze", "--sql", "FROM ops.stages ORDER BY stage").out
    loaded.write("mappings/accounts.csv", "account_id,team\n1,search\n1,search\n")
    loaded.write("mappings/teams.csv", "team\nsearch\n")
    loaded.write("queries/allocate/first.sql", rule("first", **{"title:": "titel:"}))
    loaded.write(
        "queries/allocate/second.sql", rule("second", **{"order: 5": "order: 10", "ResourceId =": "ResorceId ="})
    )
    told = ("accounts.csv:3: ", "first.sql:3: ", "second.sql:6: order 10 is taken by 'team_tag'", "second.sql:13: ")
    result = loaded.finops("--today", "2026-10-26", "build")
    assert result.exit_code == 2
    assert result.err.startswith("error: 4 problems in the queries and mapping files:")
    assert [each for each in told if each not in result.err] == []

    loaded.write("mappings/accounts.csv", "account_id,team\n1,search\n")
    loaded.write("queries/allocate/first.sql", rule("first", x_AllocationReason="x_AllocatonReason"))
    result = loaded.finops("--today", "2026-10-26", "build")
    assert result.err.startswith("error: 4 problems") and "did you mean 'x_AllocatonReason'?" in result.err
    assert loaded.finops("analyze", "--sql", "FROM ops.stages ORDER BY stage").out == before


def test_teams_that_there_are_not_are_told_rule_by_rule_with_their_lines(loaded: Workspace) -> None:
    loaded.write("mappings/teams.csv", "team\nsearch\n")
    loaded.write("queries/allocate/mine.sql", rule(**{"'search' AS": "'serch' AS"}))
    loaded.write(
        "queries/allocate/other.sql",
        rule("other", **{"'search' AS": "'saerch' AS", "i-1": "i-2", "order: 5": "order: 6"}),
    )
    for command in (["queries", "check"], ["build"]):
        result = loaded.finops("--today", "2026-10-26", *command)
        assert result.err.startswith("error: 2 problems in the queries")
        for place in ("mine.sql:11: returns the team 'serch'", "other.sql:11: returns the team 'saerch'"):
            assert f"{place}, which teams.csv does not have; did you mean 'search'?\n" in result.err


def test_a_rule_whose_percentages_do_not_add_up(loaded: Workspace) -> None:
    loaded.write("mappings/teams.csv", "team\nsearch\n")
    loaded.write("mappings/pools.csv", "pool,split\nshared,mine\n")
    loaded.write("mappings/resources.csv", "pattern,team\ni-1,shared\n")
    select = "SELECT 'shared' AS Pool, 'search' AS Team, 99.9 AS Percent"
    loaded.write(
        "queries/allocate/mine.sql",
        RULE.split("*/")[0].replace("mapped", "split\nsplits: pools").replace("order: 5", "order: 160")
        + f"*/\n{select}",
    )
    assert "mine.sql: percentages must add up to 100: pool 'shared': 99.9 %\n" in check(loaded).err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("x_DimensionId, 'search'", "d.x_DimensionID2, 'search'", "mine.sql:11: "),
        ("FROM ledger.dimensions\n", "FROM ledger.dimensoins\n", "mine.sql:12: Catalog Error: Table with name dimensoins does not exist; did you mean 'dimensions'?"),
        ("SELECT * FROM mine", "SELECT *\n\nFRM mine", "mine.sql:17: Parser Error"),
    ],
)  # fmt: skip
def test_the_line_is_that_of_the_file(workspace: Workspace, old: str, new: str, told: str) -> None:
    workspace.write("queries/allocate/mine.sql", rule(**{old: new}))
    result = check(workspace)
    assert result.exit_code == 2
    assert told in result.err


def test_a_column_of_an_alias_has_its_nearest_word_too(workspace: Workspace) -> None:
    text = rule(**{"FROM ledger.dimensions": "FROM ledger.dimensions AS d", "WHERE ResourceId": "WHERE d.ResorceId"})
    workspace.write("queries/allocate/mine.sql", text)
    assert "did you mean 'ResourceId'?" in check(workspace).err


def test_two_teams_for_one_charge_are_refused_before_a_build(loaded: Workspace) -> None:
    twice = "FROM ledger.dimensions CROSS JOIN (VALUES ('search'), ('vision')) AS t(Team)"
    for name, order in (("mine", "5"), ("again", "6")):
        text = rule(
            name, **{"'search' AS Team": "t.Team", "FROM ledger.dimensions": twice, "order: 5": f"order: {order}"}
        )
        loaded.write(f"queries/allocate/{name}.sql", text)
    result = check(loaded)
    assert result.exit_code == 2
    assert result.err.count("says more than one thing about the charges of dimension") == 2
    assert "mine.sql" in result.err and "again.sql" in result.err
    loaded.write("queries/allocate/again.sql", rule("again", **{"order: 5": "order: 6"}))
    assert check(loaded).exit_code == 2


def test_percentages_of_99_9_are_refused(loaded: Workspace) -> None:
    loaded.write("mappings/teams.csv", "team\nsearch\nvision\n")
    loaded.write("mappings/pools.csv", "pool,split\nshared,by_percent\n")
    loaded.write("mappings/splits.csv", "pool,team,percent\nshared,search,50\nshared,vision,49.9\n")
    loaded.write("mappings/resources.csv", "pattern,team\ni-1,shared\n")
    result = check(loaded)
    assert result.exit_code == 2
    assert "99.9" in result.err


def test_a_shadowed_rule_is_told_with_its_money_and_who_takes_it(loaded: Workspace) -> None:
    loaded.write("queries/allocate/mine.sql", rule(**{"'i-1'": "'i-1' OR ResourceId = 'i-3'"}))
    loaded.write(
        "queries/allocate/late.sql",
        rule("late", **{"order: 5": "order: 75", "ledger.dimensions": "allocation.remaining"}),
    )
    [note] = notes(loaded)["shadowed"]
    assert note["where"].endswith("late.sql")
    assert note["taken_by"] == ["mine"]
    assert note["kinds_of_charges"] == 1
    assert [(each["currency"], str(each["amount"])) for each in note["billed_cost"]] == [("USD", "1.25")]
    warned = check(loaded)
    assert warned.exit_code == 0
    assert (
        "late takes nothing: all that it matches is taken by rules before it (mine): 1 kinds of charges, USD 1.25"
        in warned.err
    )
    assert check(loaded, "--strict").exit_code == 1


def test_a_rule_that_matches_nothing(loaded: Workspace) -> None:
    loaded.write("queries/allocate/mine.sql", rule(**{"'i-1'": "'no-such-thing'"}))
    [note] = notes(loaded)["matches nothing"]
    assert note["text"] == "mine matches nothing"
    assert check(loaded, "--strict").exit_code == 1


def test_a_clean_workspace_is_not_warned_about(loaded: Workspace) -> None:
    loaded.write("queries/allocate/mine.sql", RULE)
    result = check(loaded, "--strict")
    assert result.exit_code == 0
    assert "warning" not in result.err
    assert "queries keep their contracts" in result.err


def test_lines_that_tie(loaded: Workspace) -> None:
    lines = ["i-[1-3],search", ".*-[12],vision", "i-[13]x?,search", "i-4,search", "i-[4],vision"]
    loaded.write("mappings/resources.csv", "\n".join(["pattern,team", *lines, ""]))
    [tie] = notes(loaded)["tie"]
    assert tie["where"].endswith("resources.csv:3")
    assert tie["text"] == (
        "'.*-[12]' (vision) and line 2, 'i-[1-3]' (search), match i-1 and 1 more equally well: line 2 wins because it comes first"
    )


def test_lines_of_different_days_do_not_tie(loaded: Workspace) -> None:
    loaded.write(
        "mappings/resources.csv",
        "pattern,team,valid_from,valid_until\ni-[1],search,,2026-09-01\n[a-z]-1,vision,2026-09-01,\n",
    )
    assert "tie" not in notes(loaded)


def test_exact_names_and_prefixes_do_not_tie(loaded: Workspace) -> None:
    loaded.write("mappings/resources.csv", "pattern,team\ni-1,search\ni-.*,vision\n[a-z]-[0-9],payments\n")
    assert "tie" not in notes(loaded)


def test_mapping_lines_that_match_nothing(loaded: Workspace) -> None:
    gone = "".join(f"gone-{number},vision\n" for number in range(12))
    loaded.write("mappings/resources.csv", f"pattern,team\ni-1,search\n{gone}")
    loaded.write("mappings/accounts.csv", "account_id,team\nacct-1,search\nacct-9,search\n")
    unused = {note["where"].rsplit("/", 1)[1]: note["text"] for note in notes(loaded)["unused lines"]}
    assert unused["resources.csv:3"].startswith("12 of 13 lines match nothing")
    assert "3 (gone-0), 4 (gone-1)" in unused["resources.csv:3"] and unused["resources.csv:3"].endswith("and 2 more")
    assert unused["accounts.csv:3"] == "line 3 (acct-9) matches nothing, or only what other lines take"


def test_checking_leaves_the_warehouse_as_it_was(loaded: Workspace) -> None:
    everything = (
        "SELECT * FROM allocation.dimension_team ORDER BY ALL",
        "SELECT * FROM mapping.resources",
        "SELECT * FROM ops.stages ORDER BY ALL",
        "SELECT sql FROM duckdb_views() WHERE view_name = 'remaining'",
    )
    before = [loaded.query(sql) for sql in everything]
    loaded.write("mappings/resources.csv", "pattern,team\ni-1,search\n")
    loaded.write("queries/allocate/mine.sql", rule(**{"'i-1'": "'i-2'"}))
    assert check(loaded).exit_code == 0
    assert [loaded.query(sql) for sql in everything] == before
