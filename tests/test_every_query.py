"""Every SQL file: its header, its contract, and its examples in ``tests/queries/<layer>/<id>/<case>/``."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from few_rules import few_rules
from rules_kit import CATALOGUE, EXAMPLES, TODAY, mismatch, new_ledger, run_example

from finops.errors import QueryFileError
from finops.pipeline.build import build
from finops.rules.catalogue import Catalogue
from finops.rules.contract import check_catalogue
from finops.rules.finding import find
from finops.rules.header import LAYERS, QueryFile, read_query

QUERIES = list(CATALOGUE)
RULES = [query for query in QUERIES if query.layer in ("classify", "allocate", "findings", "checks")]
CASES = [(query, case) for query in RULES for case in sorted((EXAMPLES / query.layer / query.id).glob("*/"))]


def names(value: object) -> str:
    return value.id if isinstance(value, QueryFile) else value.name if isinstance(value, Path) else str(value)


@pytest.mark.parametrize("query", QUERIES, ids=names)
def test_says_who_and_why(query: QueryFile) -> None:
    assert query.id == query.path.stem
    assert query.owner and query.why and query.title
    assert len(query.title) < 100


@pytest.mark.parametrize("query", RULES, ids=names)
def test_says_what_it_misses(query: QueryFile) -> None:
    assert str(query.extra.get("misses", "")).strip()


@pytest.mark.parametrize("query", RULES, ids=names)
def test_ends_with_the_cte_named_like_the_file(query: QueryFile) -> None:
    last = query.body[query.body.rindex("\nSELECT ") :]
    assert f"FROM {query.id}" in last


def test_all_contracts_hold() -> None:
    assert check_catalogue(CATALOGUE) == len(QUERIES)


def test_ids_are_unique() -> None:
    assert len({query.id for query in QUERIES}) == len(QUERIES)


@pytest.mark.parametrize("query", RULES, ids=names)
def test_has_examples(query: QueryFile) -> None:
    cases = [case for known, case in CASES if known is query]
    assert cases, f"write tests/queries/{query.layer}/{query.id}/<case>/inputs.yaml and expect.yaml"
    if query.layer in ("findings", "checks"):
        expected = [yaml.safe_load((case / "expect.yaml").read_text()) for case in cases]
        assert any(expected), "no example that it must flag"
        assert not all(expected), "no example that it must not flag"


@pytest.mark.parametrize(("query", "case"), CASES, ids=names)
def test_example(query: QueryFile, case: Path) -> None:
    answer, expected = run_example(query, case)
    assert not mismatch(answer, expected), mismatch(answer, expected)


def test_examples_belong_to_queries() -> None:
    known = {(query.layer, query.id) for query in QUERIES}
    assert {(path.parent.name, path.name) for layer in LAYERS for path in (EXAMPLES / layer).glob("*/")} <= known


def test_usage_types_are_what_the_price_lists_say() -> None:
    with (EXAMPLES / "classify" / "workload_kind_aws" / "usage_types.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    con = new_ledger([{"x_ServiceCode": row["product_code"], "ServiceName": row["product_code"],
                       "x_UsageType": row["usage_type"]} for row in rows])  # fmt: skip
    build(con, CATALOGUE, None, TODAY)
    found = dict(con.execute("SELECT x_UsageType, coalesce(x_WorkloadKind, '') FROM ledger.dimensions").fetchall())
    assert found == {row["usage_type"]: row["workload_kind"] for row in rows}


GOOD = """/*
id: mine
title: Mine
version: 1
owner: me
order: 15
method: mapped
why: it is
*/
WITH mine AS (SELECT x_DimensionId, 'me' AS Team, 'why' AS x_AllocationReason FROM ledger.dimensions)
SELECT * FROM mine
"""


def overlay(tmp_path: Path, *, few: bool = False, **files: str) -> Catalogue:
    """The shipped queries, or ``few`` of them, with the user's own on top; ``layer__name`` is a path."""
    for name, text in files.items():
        path = tmp_path / (name.replace("__", "/") + ".sql")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Catalogue(tmp_path, few_rules(tmp_path.parent) if few else None)


def test_a_rule_of_the_users_is_welcome(tmp_path: Path) -> None:
    assert check_catalogue(overlay(tmp_path, allocate__mine=GOOD)) == len(QUERIES) + 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("order: 15", "order: 10", "order 10 is taken by"),
        ("method: mapped", "method: maped", "method must be one of direct, inherited, mapped, split, default; did you mean 'mapped'"),
        ("AS Team", "AS team_", "does not return the column 'Team'; did you mean 'team_'"),
        ("'why' AS", "42 AS", "column 'x_AllocationReason' is INTEGER, but must be text"),
        ("'me' AS", "$who AS", r"\$who is used but not declared"),
        ("why: it is", "why: it is\nparams:\n  who: {type: text, default: me, help: h}", "parameter 'who' is declared but not used"),
        ("ledger.dimensions", "ledger.dimension_s", "does not exist"),
        ("SELECT * FROM mine", "SELECT * FROM mine; SELECT 1", "has 2 statements"),
        ("id: mine", "id: mine\nordr: 3", "unknown key 'ordr' in the header; did you mean 'order'"),
        ("id: mine", "id: yours", "id 'yours' is not the file's name"),
        ("SELECT * FROM mine", "SELEC * FROM mine", "Parser Error"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_told_with_its_file(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(QueryFileError, match=message) as error:
        check_catalogue(overlay(tmp_path, few=True, allocate__mine=GOOD.replace(old, new)))
    assert "mine.sql" in str(error.value)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(QueryFileError) as error:
        check_catalogue(overlay(tmp_path, few=True, allocate__mine=GOOD.replace("AS Team", "AS T"), checks__other="SELECT 1",
                                allocate__third=GOOD.replace("id: mine", "id: third")))  # fmt: skip
    assert error.value.what.startswith("3 problems") or error.value.what.startswith("4 problems")
    for file in ("mine.sql", "other.sql", "third.sql"):
        assert file in str(error.value)


def test_money_as_floating_point_is_refused(tmp_path: Path) -> None:
    rule = CATALOGUE.get("unused_reservation", "findings")
    text = rule.path.read_text().replace("CAST(unused_cost AS DECIMAL(38, 18)) AS cost_in_window",
                                         "CAST(unused_cost AS DOUBLE) AS cost_in_window")  # fmt: skip
    with pytest.raises(QueryFileError, match="money, hours and weights are DECIMAL, never DOUBLE"):
        check_catalogue(overlay(tmp_path, few=True, findings__unused_reservation=text))


def test_a_finding_per_resource(tmp_path: Path) -> None:
    """A rule that names a resource twice would count its money twice."""
    rule = CATALOGUE.get("warm_pool", "findings")
    text = rule.path.read_text().replace(
        "SELECT * FROM warm_pool", "SELECT * FROM warm_pool UNION ALL SELECT * FROM warm_pool"
    )
    catalogue = overlay(tmp_path, findings__warm_pool=text)
    case = EXAMPLES / "findings" / "warm_pool" / "billed" / "inputs.yaml"
    con = new_ledger(yaml.safe_load(case.read_text())["charges"])
    build(con, CATALOGUE, None, TODAY)
    with pytest.raises(QueryFileError, match="says 2 things about one"):
        find(con, catalogue, {}, TODAY)


def test_a_shipped_rule_can_be_replaced(tmp_path: Path) -> None:
    shipped = CATALOGUE.get("account_map", "allocate")
    text = shipped.path.read_text().replace(f"version: {shipped.version}", "version: 99")
    catalogue = overlay(tmp_path, allocate__account_map=text)
    assert catalogue.get("account_map").origin == f"yours, replaces v{shipped.version}"
    assert read_query(catalogue.get("account_map").path, "allocate").version == 99
