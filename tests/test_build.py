"""``finops build``: from the demo company's bills to teams, findings and checks; what changed and what did not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules_kit import ALLOCATION, CATALOGUE, TODAY, new_ledger, write_mappings

from finops.errors import CheckFailedError, ConfigError, QueryFileError
from finops.pipeline.build import STAGES, BuildReport, build
from finops.pipeline.loading import Loader
from finops.rules.catalogue import Catalogue
from finops.rules.lifecycle import follow
from finops.rules.mappings import read_mappings, shape
from finops.warehouse.connection import Connection, connect
from finops.warehouse.landing import Landing
from finops.warehouse.schema import migrate

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
MAPPINGS = FIXTURES / "workspace" / "mappings"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text(), parse_float=Decimal)
SOURCES = {source: source.replace("gcp-", "gcp/") for source in EXPECTED["sources"]}

FOUND = {
    # planted waste: the rule that finds it, the window whose money the answer sheet states, its verdict from the bill alone, and with
    # the inventory and metrics that were delivered beside it
    "hyperpod-left-on": ("hyperpod_cluster", "7d", "unknown", "unknown"),
    "gpu-box-1": ("idle_gpu_instance", "7d", "unknown", "idle"),
    "gpu-box-2": ("idle_gpu_instance", "7d", "unknown", "idle"),
    "unused-reservation": ("unused_capacity_reservation", "7d", "idle", "idle"),
    "idle-endpoint": ("idle_endpoint", "14d", "unknown", "idle"),
    "underused-endpoint": ("idle_endpoint", "14d", "unknown", "underused"),
    "canary-endpoint": ("idle_endpoint", "14d", "unknown", "underused"),
    "idle-async-endpoint": ("idle_async_endpoint", "14d", "unknown", "idle"),
    "notebook-24x7": ("always_on_notebook_instance", "14d", "idle", "idle"),
    "notebook-stopped": ("stopped_notebook_volume", "30d", "idle", "idle"),
    "studio-app-left-on": ("always_on_studio_app", "7d", "idle", "idle"),
    "empty-studio-domain": ("empty_studio_domain_storage", "30d", "idle", "idle"),
    "long-training-job": ("long_running_job", "7d", "unknown", "idle"),
    "idle-provisioned-throughput": ("provisioned_throughput", "7d", "unknown", "idle"),
    "labs-notebook": ("always_on_notebook_instance", "14d", "idle", "idle"),
    "idle-vertex-endpoint": ("idle_endpoint", "14d", "unknown", "idle"),
    "tpu-left-on": ("idle_tpu", "7d", "unknown", "unknown"),
    "workbench-24x7": ("always_on_notebook_instance", "14d", "idle", "idle"),
    "azure-compute-instance": ("azure_ml_compute", "14d", "unknown", "idle"),
    "azure-ptu-idle": ("provisioned_throughput", "7d", "unknown", "idle"),
}
INSTEAD = {"underused-endpoint": "underused_endpoint", "canary-endpoint": "canary_endpoint"}
"""With metrics another rule has the last word."""
LEFT_ALONE = {"volume-left-1", "volume-left-2", "volume-left-3", "snapshot-left"}
"""The bill does not say whether a volume is attached: it takes an inventory to say anything."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Connection, BuildReport]]:
    """All of the demo company's bills, built once."""
    folder = tmp_path_factory.mktemp("demo")
    con = connect(folder / "finops.duckdb", threads=2)
    migrate(con)
    loader = Loader(con, Landing(folder / "landing"), CATALOGUE)
    for source, path in SOURCES.items():
        assert not loader.load_paths([FIXTURES / "deliveries" / path], source).problems
    yield con, build(con, CATALOGUE, MAPPINGS, TODAY)
    con.close()


@pytest.fixture(scope="module")
def measured(demo: tuple[Connection, BuildReport], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """The same bills, and what the resources did."""
    con, _ = demo
    folder = tmp_path_factory.mktemp("measured")
    con.execute("CHECKPOINT")
    file = Path(
        con.execute("SELECT path FROM duckdb_databases() WHERE database_name = current_database()").fetchone()[0]
    )
    shutil.copy(file, folder / "finops.duckdb")
    with connect(folder / "finops.duckdb", threads=2) as copy:
        loader = Loader(copy, Landing(folder / "landing"), CATALOGUE)
        assert not loader.load_paths([FIXTURES / "deliveries" / "activity"], "activity").problems
        build(copy, CATALOGUE, MAPPINGS, TODAY)
        yield copy


def rows(con: Connection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    return con.execute(sql, list(values)).fetchall()


def test_every_stage_is_built_and_every_check_passes(demo: tuple[Connection, BuildReport]) -> None:
    _, report = demo
    assert [stage.stage for stage in report.stages] == list(STAGES)
    assert all(stage.status == "built" for stage in report.stages)
    assert [check.check_id for check in report.checks if not check.passed] == []


@pytest.mark.parametrize("key", FOUND)
def test_what_was_planted_is_found_with_its_money(
    demo: tuple[Connection, BuildReport], measured: Connection, key: str
) -> None:
    planted = EXPECTED["planted"][key]
    rule, window, alone, together = FOUND[key]
    money = (Decimal(str(planted[f"effective_{window}"])), planted["currency"])
    found = "SELECT rule_id, status, cost_in_window, currency FROM findings.findings WHERE resource_id = ?"
    assert rows(demo[0], found, planted["resource_id"]) == [(rule, alone, *money)]
    assert rows(measured, found, planted["resource_id"]) == [(INSTEAD.get(key, rule), together, *money)]


@pytest.mark.parametrize("key", sorted(LEFT_ALONE))
def test_what_was_left_behind_takes_an_inventory(measured: Connection, key: str) -> None:
    planted = EXPECTED["planted"][key]
    found = "SELECT rule_id, status, cost_in_window FROM findings.findings WHERE resource_id = ?"
    assert rows(measured, found, planted["resource_id"]) == [
        ("left_behind_storage", "idle", Decimal(str(planted["effective_30d"])))
    ]


def test_the_answer_sheet_has_nothing_else() -> None:
    assert EXPECTED["planted"].keys() == FOUND.keys() | LEFT_ALONE


@pytest.mark.parametrize("key", sorted(LEFT_ALONE))
def test_what_the_bill_cannot_tell_is_not_claimed(demo: tuple[Connection, BuildReport], key: str) -> None:
    con, _ = demo
    planted = EXPECTED["planted"][key]
    assert not rows(con, "SELECT * FROM findings.findings WHERE resource_id = ?", planted["resource_id"])


def test_the_cost_since_a_finding_was_opened_is_counted_as_its_rule_counts(
    demo: tuple[Connection, BuildReport],
) -> None:
    """Endpoints, volumes, reservations, commitments: in the window of the first day it is the same, to the last digit."""
    con, _ = demo
    follow(con, [], [query.id for query in CATALOGUE.layer("findings")], TODAY)
    found = rows(con, "SELECT f.rule_id, l.cost_since_opened, f.cost_in_window FROM findings.lifecycle AS l "
                      "JOIN findings.findings AS f USING (finding_id)")  # fmt: skip
    assert {rule for rule, _, _ in found} >= {
        "unused_reservation",
        "unused_capacity_reservation",
        "empty_studio_domain_storage",
    }
    assert [each for each in found if each[1] != each[2]] == []


def test_nothing_but_what_was_planted_is_called_idle(
    demo: tuple[Connection, BuildReport], measured: Connection
) -> None:
    planted = {each["resource_id"] for each in EXPECTED["planted"].values()}
    for con in (demo[0], measured):
        found = rows(con, "SELECT resource_id, rule_id FROM findings.findings WHERE status = 'idle'")
        assert {resource for resource, _ in found} <= planted


def test_a_finding_names_the_team_that_pays(demo: tuple[Connection, BuildReport]) -> None:
    con, _ = demo
    teams = dict(rows(con, "SELECT resource_id, team FROM findings.findings"))
    for key in FOUND:
        planted = EXPECTED["planted"][key]
        tagged = {"ml-research (as 'ML-Research')": "ml-research", "search (as 'Search ')": "search",
                  "(none)": "unallocated", "(tag key user_tema)": "ml-research"}  # fmt: skip
        assert teams[planted["resource_id"]] == tagged.get(planted["team"], planted["team"]), key


def test_findings_have_ids_windows_and_reasons(demo: tuple[Connection, BuildReport]) -> None:
    con, _ = demo
    found = rows(
        con, "SELECT finding_id, window_start, window_end, reason, evidence, recommended_action FROM findings.findings"
    )
    assert len({row[0] for row in found}) == len(found)
    assert all(row[1] < row[2] == con.execute("SELECT TIMESTAMP '2026-10-26'").fetchone()[0] for row in found)
    assert all(row[3] and row[5] and json.loads(row[4])["window_days"] for row in found)


def test_a_saving_is_named_only_where_it_is_known(demo: tuple[Connection, BuildReport]) -> None:
    con, _ = demo
    assert not rows(con, "SELECT * FROM findings.findings WHERE status = 'unknown' AND monthly_saving IS NOT NULL")
    assert not rows(con, "SELECT * FROM findings.findings WHERE monthly_saving > monthly_cost")


def test_teams_add_up_to_the_bill(demo: tuple[Connection, BuildReport]) -> None:
    con, _ = demo
    for source, answer in EXPECTED["sources"].items():
        for currency, totals in answer["currencies"].items():
            [(billed, effective, teams)] = rows(
                con, "SELECT sum(AllocatedBilledCost), sum(AllocatedEffectiveCost), count(DISTINCT Team) "
                "FROM allocation.charges WHERE x_SourceId = ? AND BillingCurrency = ?", source, currency)  # fmt: skip
            assert (billed, effective) == (Decimal(str(totals["billed"])), Decimal(str(totals["effective"])))
            assert teams > 1


def test_every_rule_has_a_share_and_something_is_left(demo: tuple[Connection, BuildReport]) -> None:
    con, _ = demo
    methods = dict(rows(con, "SELECT x_AllocationMethod, sum(AllocatedEffectiveCost) FROM allocation.charges "
                        "WHERE BillingCurrency = 'USD' GROUP BY ALL"))  # fmt: skip
    assert methods.keys() == {"direct", "inherited", "mapped", "split", "default"}
    assert Decimal("0.03") < methods["default"] / sum(methods.values()) < Decimal("0.04")


def test_every_service_has_a_category(demo: tuple[Connection, BuildReport]) -> None:
    con, _ = demo
    assert not rows(
        con, "SELECT * FROM focus.cost_and_usage WHERE ServiceCategory IS NULL OR ServiceSubcategory IS NULL"
    )


def test_a_second_build_has_nothing_to_do(demo: tuple[Connection, BuildReport]) -> None:
    con, first = demo
    again = build(con, CATALOGUE, MAPPINGS, TODAY)
    assert not again.changed
    assert [(check.check_id, check.passed) for check in again.checks] == [
        (check.check_id, check.passed) for check in first.checks
    ]


def test_a_full_build_gives_the_same(demo: tuple[Connection, BuildReport]) -> None:
    con, _ = demo
    everything = ("SELECT * FROM findings.findings ORDER BY ALL", "SELECT * FROM allocation.dimension_team ORDER BY ALL",
                  "SELECT * FROM ledger.dimension_class ORDER BY ALL")  # fmt: skip
    before = [rows(con, sql) for sql in everything]
    assert build(con, CATALOGUE, MAPPINGS, TODAY, full=True).changed
    assert [rows(con, sql) for sql in everything] == before


NOTEBOOK = {"from": "2026-10-12", "until": "2026-10-26", "every": "hour", "cost": 1, "quantity": 1, "ConsumedUnit": "Hrs",
            "ResourceId": "nb-1", "x_UsageType": "Notebk:ml.m5.large", "Tags": {"team": "search"}}  # fmt: skip


def stages(report: BuildReport) -> set[str]:
    return {stage.stage for stage in report.stages if stage.status == "built"}


def test_only_what_changed_is_built(tmp_path: Path) -> None:
    con = new_ledger([NOTEBOOK])
    assert stages(build(con, CATALOGUE, tmp_path, TODAY)) == set(STAGES)
    assert stages(build(con, CATALOGUE, tmp_path, TODAY)) == set()
    assert stages(build(con, CATALOGUE, tmp_path, date(2026, 10, 27))) == {"find", "check"}
    assert stages(build(con, CATALOGUE, tmp_path, date(2026, 10, 27), params={"warm_pool": {"window_days": 9}})) >= {
        "find"
    }
    write_mappings(tmp_path, {"teams": [{"team": "search"}]})
    assert stages(build(con, CATALOGUE, tmp_path, TODAY)) == set(STAGES)
    con.execute("UPDATE ops.loads SET loaded_at = now()::TIMESTAMP")
    assert stages(build(con, CATALOGUE, tmp_path, TODAY)) == {"classify", "allocate", "find", "check"}


def test_a_failing_rule_leaves_the_last_result(tmp_path: Path) -> None:
    con = new_ledger([NOTEBOOK])
    build(con, CATALOGUE, None, TODAY)
    before = rows(con, "SELECT * FROM allocation.dimension_team")
    broken = tmp_path / "allocate" / "project_map.sql"
    broken.parent.mkdir()
    text = CATALOGUE.get("project_map").path.read_text()
    broken.write_text(text.replace("m.team AS Team", "CAST(CAST(m.team AS INTEGER) AS VARCHAR) AS Team"))
    (tmp_path / "mappings").mkdir()
    write_mappings(tmp_path / "mappings", {"projects": [{"project_id": "111111111111", "team": "search"}]})
    con.execute("UPDATE ledger.dimension SET Tags = NULL")
    with pytest.raises(QueryFileError, match=r"project_map\.sql"):
        build(con, Catalogue(tmp_path), tmp_path / "mappings", TODAY)
    assert rows(con, "SELECT * FROM allocation.dimension_team") == before


def test_a_failed_stop_check_stops_and_is_noted() -> None:
    con = new_ledger([NOTEBOOK])
    build(con, CATALOGUE, None, TODAY)
    con.execute("DELETE FROM ledger.charge WHERE ChargePeriodStart = '2026-10-13'")
    for _ in range(2):  # and is looked at again
        with pytest.raises(CheckFailedError, match="loads_reconcile") as error:
            build(con, CATALOGUE, None, TODAY, run_id="r1", full=True)
        assert error.value.exit_code == 1
    assert ("loads_reconcile", "stop", False) in rows(
        con, "SELECT check_id, grade, passed FROM ops.checks WHERE run_id = 'r1'"
    )


def test_an_empty_ledger_builds() -> None:
    report = build(new_ledger([]), CATALOGUE, None, TODAY)
    assert all(check.passed for check in report.checks)


def test_unknown_parameters_are_told() -> None:
    with pytest.raises(ConfigError, match="has no parameter 'window'; did you mean 'window_days'"):
        build(new_ledger([]), CATALOGUE, None, TODAY, params={"warm_pool": {"window": 3}})
    with pytest.raises(ConfigError, match="there is no query 'warmpool'; did you mean 'warm_pool'"):
        build(new_ledger([]), CATALOGUE, None, TODAY, params={"warmpool": {}})
    with pytest.raises(ConfigError, match="is an integer, not 'soon'"):
        build(new_ledger([]), CATALOGUE, None, TODAY, params={"warm_pool": {"window_days": "soon"}})
    with pytest.raises(ConfigError, match="'window_days' of 'warm_pool' is 1 to 3,660 days, not 0"):
        build(new_ledger([]), CATALOGUE, None, TODAY, params={"warm_pool": {"team": {"search": {"window_days": 0}}}})
    with pytest.raises(ConfigError, match="'idle_percent' of 'idle_tpu' is 0 to 100 percent, not 101"):
        build(new_ledger([]), CATALOGUE, None, TODAY, params={"idle_tpu": {"idle_percent": 101}})


def test_all_problems_of_the_mapping_files_at_once(tmp_path: Path) -> None:
    (tmp_path / "teams.csv").write_text("team,name\nsearch,Search\nvision,Vision\nSearch,again\nUnallocated,x\n")
    (tmp_path / "accounts.csv").write_text("account_id,team\n1,serch\n1,vision\n2\n3,\n")
    (tmp_path / "resources.csv").write_text("pattern,team\n[a-,vision\n(b|c),vision\n")
    (tmp_path / "tag_aliases.csv").write_text(
        "kind,alias,canonical\nvalue,x,visio\nwhat,y,z\nkey,abteilung,department\n"
    )
    (tmp_path / "exceptions.csv").write_text("rule_id,resource_id,reason,owner,until\nwarmpool,i,why,me,soon\n")
    (tmp_path / "projects.csv").write_text("project,team\n1,vision\n")
    (tmp_path / "acounts.csv").write_text("")
    with pytest.raises(ConfigError) as error:
        read_mappings(connect(None), CATALOGUE, tmp_path)
    text = str(error.value)
    for problem in (
        "teams.csv:4: Search is also in line 2",
        "accounts.csv:2: there is no team 'serch'; did you mean 'search'",
        "accounts.csv:3: 1 is also in line 2",
        "accounts.csv:4: 1 cell, but the header has 2 columns",
        "accounts.csv:5: team must not be empty",
        "resources.csv:2: '[a-' is no regular expression",
        "tag_aliases.csv:2: there is no team 'visio'; did you mean 'vision'",
        "tag_aliases.csv:3: kind is 'key' or 'value', not 'what'",
        "tag_aliases.csv:4: the only tag key with a meaning is 'team'",
        "teams.csv:5: 'unallocated' is what belongs to no team",
        "exceptions.csv:2: until is a day",
        "exceptions.csv:2: there is no findings rule 'warmpool'; did you mean 'warm_pool'",
        "projects.csv:1: the column project_id is missing; it has project, team",
        "acounts.csv: no rule reads a file of this name; did you mean 'accounts.csv'",
    ):
        assert problem in text
    assert "14 problems" in text


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("vol-1", ("exact", "vol-1")), ("^vol-1$", ("exact", "vol-1")), ("lake-.*", ("prefix", "lake-")),
     (".*-prod", ("pattern", "")), ("a.c", ("pattern", "")), (".*", ("pattern", ""))],
)  # fmt: skip
def test_patterns_that_can_be_looked_up(pattern: str, expected: tuple[str, str]) -> None:
    assert shape(pattern) == expected


MONEY = st.decimals(min_value=-(10**9), max_value=10**9, places=18, allow_nan=False, allow_infinity=False)
CHARGE = st.fixed_dictionaries(
    {
        "cost": MONEY,
        "effective": MONEY,
        "BillingCurrency": st.sampled_from(["USD", "EUR"]),
        "ChargeCategory": st.sampled_from(["Usage", "Purchase", "Tax", "Credit", "Adjustment"]),
        "ResourceId": st.sampled_from([None, "i-1", "lake-1", "job-7"]),
        "SubAccountId": st.sampled_from([None, "1", "2"]),
        "Tags": st.none()
        | st.dictionaries(st.sampled_from(["team", "Team", "env"]), st.sampled_from(["a", "B ", "zzz", ""])),
        "x_ProjectTags": st.none() | st.just({"team": "b"}),
    }
)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(CHARGE, min_size=1, max_size=12))
def test_allocation_conserves_cost(tmp_path: Path, charges: list[dict[str, Any]]) -> None:
    folder = write_mappings(
        tmp_path / "mappings",
        {
            "teams": [{"team": "a"}, {"team": "b"}],
            "accounts": [{"account_id": "1", "team": "a"}],
            "resources": [{"pattern": "lake-.*", "team": "b"}, {"pattern": "job-[0-9]", "team": "a"}],
        },
    )
    con = new_ledger(charges)
    build(con, ALLOCATION, folder, TODAY)
    for currency in ("USD", "EUR"):
        [(whole, billed, effective)] = rows(
            con, "SELECT coalesce(sum(coalesce(x_AllocationWeight, 1)), 0), sum(AllocatedBilledCost), sum(AllocatedEffectiveCost) FROM allocation.charges "
            "WHERE BillingCurrency = ?", currency)  # fmt: skip
        mine = [charge for charge in charges if charge["BillingCurrency"] == currency]
        assert whole == len(mine)  # tax may have a share for each of two teams
        assert (billed or 0) == sum((charge["cost"] for charge in mine), Decimal(0))
        assert (effective or 0) == sum((charge["effective"] for charge in mine), Decimal(0))
    con.close()


def test_hundreds_of_patterns_first_line_wins(tmp_path: Path) -> None:
    patterns = [{"pattern": f"it's-[a-z]+-{number}", "team": f"t{number}"} for number in range(250)]
    patterns.insert(120, {"pattern": "it's-[a-z]+-1(19|99)", "team": "both"})
    con = new_ledger([{"cost": 1, "ResourceId": f"it's-x-{number}"} for number in (7, 119, 199, 249, 250)])
    build(con, ALLOCATION, write_mappings(tmp_path, {"resources": patterns}), TODAY)
    teams = rows(con, "SELECT ResourceId, Team FROM allocation.charges ORDER BY x_DimensionId")
    assert [team for _, team in teams] == ["t7", "t119", "both", "t249", "unallocated"]
