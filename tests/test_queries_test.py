"""finops queries test: a user's rule, tried on a few charges that the user wrote down."""

from __future__ import annotations

import re

import pytest
from conftest import REPO, Workspace

RULE = """/*
id: shared_cluster
title: The cluster that everybody uses
version: 1
owner: platform
order: 5
method: split
why: By agreement.
*/
WITH weights AS (
    FROM (VALUES ('search', 1), ('vision', 2), ('ml-research', 4)) AS w(Team, Weight)
),
shared_cluster AS (
    SELECT x_DimensionId, Team, Weight, 'agreed' AS x_AllocationReason, DATE '2026-09-01' AS ValidFrom
    FROM ledger.dimensions CROSS JOIN weights WHERE ResourceName = 'shared'
)
SELECT * FROM shared_cluster
"""
EXAMPLE = """
mappings:
  teams: [{team: search}, {team: vision}, {team: ml-research}]
charges:
  - {from: 2026-10-05, cost: 10, ResourceName: shared}
  - {from: 2026-08-31, cost: 10, ResourceName: shared}
  - {from: 2026-10-05, cost: 10, ResourceName: another}
expect:
  - {Team: ml-research, share: 5.71428573}
  - {Team: search, share: 1.42857142, weight: 0.142857142, Month: 2026-10}
  - {Team: vision, share: 2.85714285}
"""


@pytest.fixture
def mine(workspace: Workspace) -> Workspace:
    workspace.write("queries/allocate/shared_cluster.sql", RULE)
    workspace.write("queries/tests/allocate/shared_cluster/by_weights.yaml", EXAMPLE)
    return workspace


def test_a_rule_that_does_what_its_example_says(mine: Workspace) -> None:
    result = mine.finops("queries", "test")
    assert result.exit_code == 0, result.out + result.err
    assert "passed  allocate/shared_cluster/by_weights" in result.out
    assert result.out.endswith("1 passed\n")


def test_an_amount_is_compared_to_the_last_digit(mine: Workspace) -> None:
    mine.write("queries/tests/allocate/shared_cluster/off.yaml", EXAMPLE.replace("5.71428573", "5.714285730000000001"))
    result = mine.finops("queries", "test", "--json")
    assert result.exit_code == 1
    assert (result.json()["passed"], result.json()["failed"]) == (1, 1)
    failed = next(each for each in result.json()["examples"] if each["status"] == "failed")
    assert [row["Team"] for row in failed["missing"]] == ["ml-research"]
    assert [row["Team"] for row in failed["unexpected"]] == ["ml-research"]
    assert "5.714285730000000001" in result.out and "5.71428573," in result.out


def test_a_failing_example_shows_both_sides(mine: Workspace) -> None:
    mine.write("queries/tests/allocate/shared_cluster/other.yaml", EXAMPLE.replace("Team: vision", "Team: payments"))
    out = mine.finops("queries", "test").out
    assert "failed  allocate/shared_cluster/other" in out
    assert "expected, not found: Team: payments, share: 2.85714285" in out
    assert "found, not expected: Team: vision, share: 2.85714285" in out
    assert out.endswith("1 passed, 1 failed\n")


def test_who_took_the_charges_is_told_if_the_rule_did_not(mine: Workspace) -> None:
    tagged = EXAMPLE.replace("cost: 10, ResourceName: shared", "cost: 10, ResourceName: shared, Tags: {team: vision}")
    mine.write("queries/allocate/shared_cluster.sql", RULE.replace("order: 5", "order: 15"))
    mine.write("queries/tests/allocate/shared_cluster/by_weights.yaml", tagged)
    result = mine.finops("queries", "test")
    assert result.exit_code == 1
    assert "the rule took nothing; the charges went to team_tag (vision), unallocated (unallocated)" in result.out


def test_the_folder_form_of_the_shipped_examples(mine: Workspace) -> None:
    inputs, expect = EXAMPLE.split("expect:")
    mine.write("queries/tests/allocate/shared_cluster/folder/inputs.yaml", inputs)
    mine.write("queries/tests/allocate/shared_cluster/folder/expect.yaml", expect)
    assert mine.finops("queries", "test").out.endswith("2 passed\n")


def test_a_shipped_rule_can_be_tried_on_charges_of_ones_own(workspace: Workspace) -> None:
    workspace.write(
        "queries/tests/allocate/team_tag/label.yaml",
        "charges: [{cost: 1, Tags: {Team: Search}}, {cost: 1, Tags: {colour: red}}]\n"
        "expect: [{Team: search, x_AllocationReason: '~Team=Search', ValidFrom: null}]\n",
    )
    result = workspace.finops("queries", "test", "team_tag")
    assert result.exit_code == 0, result.out


def test_findings_and_checks_have_examples_too(workspace: Workspace) -> None:
    copied = workspace.finops("queries", "copy", "warm_pool").out
    assert copied
    workspace.write("queries/tests/findings/warm_pool/quiet.yaml", "charges: [{cost: 1, ResourceId: a}]\nexpect: []\n")
    workspace.write(
        "queries/checks/no_tax.sql",
        "/*\nid: no_tax\ntitle: No tax\nversion: 1\nowner: me\ngrade: stop\nwhy: we pay none\n*/\n"
        "WITH no_tax AS (SELECT ServiceName FROM ledger.dimensions WHERE ChargeCategory = 'Tax') SELECT * FROM no_tax",
    )
    workspace.write(
        "queries/tests/checks/no_tax/taxed.yaml",
        "charges: [{cost: 1, ChargeCategory: Tax}]\nexpect: [{ServiceName: Amazon SageMaker}]\n",
    )
    result = workspace.finops("queries", "test")
    assert result.exit_code == 0, result.out + result.err
    assert result.out.endswith("2 passed\n")


def test_usage_and_parameters(workspace: Workspace) -> None:
    workspace.write(
        "queries/allocate/by_hours.sql",
        RULE.replace("shared_cluster", "by_hours").replace(
            "FROM (VALUES ('search', 1), ('vision', 2), ('ml-research', 4)) AS w(Team, Weight)",
            "SELECT resource_id AS Team, sum(value)::DECIMAL(38, 18) AS Weight FROM utilisation.daily WHERE metric = $metric GROUP BY 1",
        ).replace("why: By", "params:\n  metric: {type: text, default: hours, help: which}\nwhy: By"),
    )  # fmt: skip
    workspace.write(
        "queries/tests/allocate/by_hours/gpu.yaml",
        "params: {metric: gpu_hours}\n"
        "charges: [{from: 2026-10-05, cost: 8, ResourceName: shared}]\n"
        "utilisation:\n"
        "  - {resource_id: search, metric: gpu_hours, from: 2026-10-01, until: 2026-10-04, value: 1}\n"
        "  - {resource_id: vision, metric: gpu_hours, day: 2026-10-01, value: 1}\n"
        "  - {resource_id: vision, metric: hours, day: 2026-10-01, value: 100}\n"
        "expect: [{Team: search, share: 6}, {Team: vision, share: 2}]\n",
    )
    result = workspace.finops("queries", "test")
    assert result.exit_code == 0, result.out + result.err


BROKEN = {
    "unknown key": (EXAMPLE.replace("mappings:", "mapings:"), "unknown key 'mapings'; did you mean 'mappings'?"),
    "unknown column": (EXAMPLE.replace("ResourceName: another", "ResorceName: x"), "no column 'ResorceName'; did you mean 'ResourceName'?"),
    "unknown answer": (EXAMPLE.replace("share: 2", "shar: 2"), "no column 'shar'; did you mean 'share'?"),
    "unknown answer of nothing": ("charges: []\nexpect: [{Tem: search}]", "no column 'Tem'; did you mean 'Team'?"),
    "unknown mapping file": (EXAMPLE.replace("teams:", "taems:"), "no rule reads a file of this name; did you mean 'teams.csv'?"),
    "no yaml": (EXAMPLE + "  - {", "is not YAML"),
    "nothing expected": (EXAMPLE.split("expect:", maxsplit=1)[0], "lacks 'expect'"),
    "no number": (EXAMPLE.replace("cost: 10", "cost: ten"), "cost is a number, not 'ten'"),
    "no table": (EXAMPLE + "inventory: {resorces: [{a: 1}]}", "resorces"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_example_is_told_with_its_file_and_the_others_run(mine: Workspace, case: str) -> None:
    text, message = BROKEN[case]
    mine.write("queries/tests/allocate/shared_cluster/bad.yaml", text)
    result = mine.finops("queries", "test")
    assert result.exit_code == 2, result.out
    assert message in result.out
    assert "bad" in result.out
    assert result.out.endswith("1 passed, 1 broken\n")


def test_an_example_of_nothing_is_told(mine: Workspace) -> None:
    mine.write("queries/tests/allocate/shared_clster/a.yaml", EXAMPLE)
    mine.write("queries/tests/alocate/shared_cluster/a.yaml", EXAMPLE)
    result = mine.finops("queries", "test")
    assert result.exit_code == 2
    assert "there is no query 'shared_clster' in allocate; did you mean 'shared_cluster'?" in result.out
    assert "there is no layer 'alocate' with examples; did you mean 'allocate'?" in result.out


def test_a_rule_without_examples_is_noted(workspace: Workspace) -> None:
    workspace.write("queries/allocate/shared_cluster.sql", RULE)
    result = workspace.finops("queries", "test")
    assert result.exit_code == 0
    assert "allocate/shared_cluster has no example" in result.err
    assert workspace.finops("queries", "test", "no_such_rule").exit_code == 2


def test_the_examples_of_the_docs_run(workspace: Workspace) -> None:
    docs = (REPO / "docs" / "queries.md").read_text()
    examples = re.findall(r"`queries/tests/([a-z]+)/(\w+)/(\w+\.yaml)`.*?```yaml\n(.*?)```", docs, re.DOTALL)
    for layer, rule, case, example in examples:
        sql = re.search(rf"```sql\n(/\*\nid: {rule}\n.*?)```", docs, re.DOTALL)
        assert sql
        workspace.write(f"queries/{layer}/{rule}.sql", sql[1])
        workspace.write(f"queries/tests/{layer}/{rule}/{case}", example)
    result = workspace.finops("queries", "test")
    assert result.exit_code == 0, result.out + result.err
    assert {layer for layer, *_ in examples} == {"allocate", "findings"}
    assert result.out.endswith("2 passed\n")
