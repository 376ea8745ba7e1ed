"""A delivery replaces its slices: once, whole, and only if it is the newest."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

from conftest import FOCUS_HEADER, Workspace, focus_csv

from finops.cli.app import App
from finops.errors import FinopsError
from finops.pipeline.loading import Loader, LoadResult
from finops.warehouse.connection import connect
from finops.warehouse.landing import DeliveryRecord, Landing
from finops.warehouse.schema import migrate

OCTOBER = 1_790_000_000


def delivered(path: Path, when: int) -> Path:
    """Give a file the time at which the provider wrote it."""
    os.utime(path, (when, when))
    return path


def total(workspace: Workspace) -> Decimal:
    return Decimal(workspace.query("SELECT coalesce(sum(BilledCost), 0) FROM focus.cost_and_usage")[0][0])


def test_the_same_file_again_changes_nothing(workspace: Workspace) -> None:
    file = workspace.write("bill.csv", focus_csv("1.10", "2.20"))
    workspace.finops("load", file)
    again = workspace.finops("load", file, "--json").json()
    assert again["deliveries"][0]["status"] == "unchanged"
    assert again["deliveries"][0]["slices"][0]["sums"][0]["billed_cost"] == 3.3
    assert total(workspace) == Decimal("3.30")


def test_a_newer_delivery_replaces_the_month_and_only_the_month(workspace: Workspace) -> None:
    workspace.finops("load", workspace.write("august.csv", focus_csv("100", month="2026-08")))
    workspace.finops("load", delivered(workspace.write("september.csv", focus_csv("1", "2")), OCTOBER))
    workspace.finops("load", delivered(workspace.write("restated.csv", focus_csv("1", "2", "3")), OCTOBER + 60))
    assert total(workspace) == 106
    assert workspace.query("SELECT status, count(*) FROM ops.loads GROUP BY 1 ORDER BY 1") == [
        ("current", 2),
        ("superseded", 1),
    ]


def test_an_older_delivery_that_comes_late_does_not_win(workspace: Workspace) -> None:
    workspace.finops("load", delivered(workspace.write("new.csv", focus_csv("5")), OCTOBER + 60))
    late = workspace.finops("load", delivered(workspace.write("old.csv", focus_csv("4")), OCTOBER), "--json").json()
    assert late["deliveries"][0]["status"] == "superseded"
    assert total(workspace) == 5


def test_sources_do_not_replace_each_other(workspace: Workspace) -> None:
    workspace.finops("load", workspace.write("a.csv", focus_csv("1")), "--source", "one")
    workspace.finops("load", workspace.write("b.csv", focus_csv("2")), "--source", "two")
    assert total(workspace) == 3


def test_numbered_files_of_a_folder_are_parts_of_one_delivery(workspace: Workspace) -> None:
    workspace.write("in/part-00001.csv", focus_csv("1"))
    workspace.write("in/part-00002.csv", focus_csv("2"))
    loaded = workspace.finops("load", workspace.folder / "in", "--json").json()
    assert len(loaded["deliveries"]) == 1
    assert total(workspace) == 3


def test_two_loose_files_of_one_minute_are_not_added_up_silently(workspace: Workspace) -> None:
    """Parts or versions? Only the user knows. The second is refused, on the first run and on every later one."""
    workspace.write("in/one.csv", focus_csv("1"))
    workspace.write("in/two.csv", focus_csv("2"))
    for _ in range(2):
        result = workspace.finops("load", workspace.folder / "in")
        assert result.exit_code == 4
        assert "two.csv: holds account A, 2026-09, which one.csv holds too" in result.err
        assert total(workspace) == 1


def test_a_folder_that_gathers_restatements_follows_the_newest(workspace: Workspace) -> None:
    """Day after day a new file with a new name lands beside the old ones, as an export without a fixed name does it."""
    expected = Decimal(0)
    for day in range(3):
        delivered(workspace.write(f"in/report-{'abc'[day]}.csv", focus_csv(*["1"] * (day + 3))), OCTOBER + day * 86_400)
        expected = Decimal(day + 3)
        for _ in range(2):
            assert workspace.finops("load", workspace.folder / "in").exit_code == 0
            assert total(workspace) == expected


def test_a_newer_file_that_is_only_a_part_of_its_neighbour_is_refused(workspace: Workspace) -> None:
    delivered(workspace.write("in/whole.csv", focus_csv(*["1"] * 20)), OCTOBER)
    delivered(workspace.write("in/rest.csv", focus_csv("5")), OCTOBER + 86_400)
    for _ in range(2):
        result = workspace.finops("load", workspace.folder / "in")
        assert result.exit_code == 4
        assert "but only a part of it" in result.err
        assert total(workspace) == 20


def test_a_wrong_delivery_is_undone_by_delivering_the_right_one_again(workspace: Workspace) -> None:
    bill = delivered(workspace.write("right.csv", focus_csv("10")), OCTOBER)
    workspace.finops("load", bill)
    workspace.finops("load", delivered(workspace.write("wrong.csv", focus_csv("99")), OCTOBER + 60))
    assert total(workspace) == 99
    assert workspace.finops("load", bill, "--json").json()["deliveries"][0]["status"] == "superseded"
    assert workspace.finops("load", delivered(bill, OCTOBER + 120)).exit_code == 0
    assert total(workspace) == 10
    assert workspace.finops("load", bill, "--json").json()["deliveries"][0]["status"] == "unchanged"
    workspace.finops("build", "--full")
    assert total(workspace) == 10


def test_of_two_deliveries_of_the_same_second_the_later_received_wins_also_when_made_again(
    workspace: Workspace,
) -> None:
    for name, cost in (("z.csv", "10"), ("a.csv", "99"), ("m.csv", "55")):
        workspace.finops("load", delivered(workspace.write(name, focus_csv(cost)), OCTOBER))
    assert total(workspace) == 55
    workspace.finops("build", "--full")
    assert total(workspace) == 55


def test_vendors_that_name_no_account_do_not_overwrite_each_other(workspace: Workspace) -> None:
    workspace.finops("load", workspace.write("openai.json", page(0, "100.5", False)))
    claude = '{"data": [{"starting_at": "2026-09-01T00:00:00Z", "ending_at": "2026-09-02T00:00:00Z", "results": [{"currency": "USD", "amount": "700", "workspace_id": null, "description": "tokens"}]}], "has_more": false}'
    workspace.finops("load", workspace.write("claude.json", claude))
    assert total(workspace) == Decimal("107.5")


def test_a_file_of_two_months_replaces_each_of_them_where_it_is_newer(workspace: Workspace) -> None:
    both = focus_csv("1", month="2026-08") + focus_csv("2").split("\n", 1)[1]
    workspace.finops("load", delivered(workspace.write("september.csv", focus_csv("9")), OCTOBER + 60))
    workspace.finops("load", delivered(workspace.write("both.csv", both), OCTOBER))
    assert total(workspace) == 10


def test_deleting_the_warehouse_and_building_again_gives_the_same_numbers(workspace: Workspace) -> None:
    workspace.finops("load", delivered(workspace.write("old.csv", focus_csv("4")), OCTOBER))
    workspace.finops("load", delivered(workspace.write("new.csv", focus_csv("0.1", "0.2")), OCTOBER + 60))
    workspace.finops("load", workspace.write("b.csv", focus_csv("7", account="B")))
    sql = "SELECT BillingAccountId, ChargePeriodStart, BilledCost, x_LoadId FROM focus.cost_and_usage ORDER BY ALL"
    before = workspace.query(sql)
    (workspace.folder / "finops.duckdb").unlink()
    for file in workspace.folder.glob("*.csv"):
        file.unlink()
    assert workspace.finops("build", "--full").exit_code == 0
    assert workspace.query(sql) == before


def test_landing_keeps_the_bytes_under_their_hash(workspace: Workspace) -> None:
    file = workspace.write("bill.csv", focus_csv("1"))
    workspace.finops("load", file)
    (kept,) = (workspace.folder / "landing" / "files").rglob("*.csv")
    assert kept.read_bytes() == file.read_bytes()
    import hashlib

    assert kept.name.startswith(hashlib.sha256(file.read_bytes()).hexdigest())


def test_a_dry_run_loads_nothing(workspace: Workspace) -> None:
    file = workspace.write("bill.csv", focus_csv("1"))
    assert "would load  bill.csv (focus" in workspace.finops("load", file, "--dry-run").err
    assert not (workspace.folder / "landing").exists()


def test_a_month_that_comes_back_much_smaller_is_remarked_on(workspace: Workspace) -> None:
    """Perhaps the second file was a part, not a version. It replaces, as documented, but not silently."""
    workspace.finops("load", delivered(workspace.write("all.csv", focus_csv(*["1"] * 20)), OCTOBER))
    result = workspace.finops("load", delivered(workspace.write("rest.csv", focus_csv("1", "1")), OCTOBER + 60))
    assert result.exit_code == 0
    assert "20 rows on 20 days were replaced by 2 rows on 2" in result.err
    restated = workspace.finops("load", delivered(workspace.write("again.csv", focus_csv("1", "2")), OCTOBER + 90))
    assert "were replaced" not in restated.err


def page(day: int, cost: str, more: bool) -> str:
    start = 1_788_220_800 + day * 86_400  # 1 September 2026
    return (
        f'{{"object": "page", "has_more": {str(more).lower()}, "data": [{{"object": "bucket", "start_time": {start}, "end_time": {start + 86_400}, '
        f'"results": [{{"object": "organization.costs.result", "amount": {{"value": {cost}, "currency": "usd"}}, "line_item": "x", "project_id": "p"}}]}}]}}'
    )


def test_the_pages_of_a_folder_are_one_delivery_whatever_their_names(workspace: Workspace) -> None:
    for name, day, more in (("first", 0, True), ("second", 1, True), ("third", 2, False)):
        workspace.write(f"in/{name}.json", page(day, "1.1", more))
    assert workspace.finops("load", workspace.folder / "in").exit_code == 0
    assert total(workspace) == Decimal("3.3")


def test_pages_whose_last_is_missing_are_refused(workspace: Workspace) -> None:
    workspace.write("in/first.json", page(0, "1.1", True))
    result = workspace.finops("load", workspace.folder / "in")
    assert result.exit_code == 3
    assert "has_more: true" in result.err
    assert total(workspace) == 0


def test_a_page_a_line_is_read_too(workspace: Workspace) -> None:
    workspace.finops("load", workspace.write("pages.jsonl", page(0, "1", True) + "\n" + page(1, "2", False) + "\n"))
    assert total(workspace) == 3


def test_a_delivery_without_charges_is_read_once(workspace: Workspace) -> None:
    """A file with a header alone is no error, and not looked at again on every run."""
    file = workspace.write("october.csv", FOCUS_HEADER + "\n")
    assert workspace.finops("load", file, "--json").json()["deliveries"][0]["status"] == "empty"
    assert workspace.finops("build", "--json").json()["deliveries"] == []
    assert workspace.finops("load", file, "--json").json()["deliveries"][0]["status"] == "unchanged"
    assert workspace.query("SELECT count(*) FROM focus.cost_and_usage") == [(0,)]


def test_a_changed_mapping_is_applied_to_what_is_in_landing(workspace: Workspace) -> None:
    workspace.finops("load", workspace.write("bill.csv", focus_csv("1")))
    mapping = Path(workspace.finops("queries", "copy", "focus").out.strip())
    mapping.write_text(mapping.read_text().replace("FROM delivered", "-- ours\nFROM delivered"))
    rebuilt = workspace.finops("build", "--json").json()
    assert [each["status"] for each in rebuilt["deliveries"]] == ["loaded"]
    assert workspace.finops("build", "--json").json()["deliveries"] == []
    assert total(workspace) == 1


def test_a_mapping_that_changes_the_account_moves_the_money_and_does_not_double_it(workspace: Workspace) -> None:
    workspace.finops("load", workspace.write("bill.csv", focus_csv("10")))
    mapping = Path(workspace.finops("queries", "copy", "focus").out.strip())
    text = mapping.read_text()
    assert "    BillingAccountId,\n" in text
    mapping.write_text(
        text.replace("    BillingAccountId,\n", "    concat('acct-', BillingAccountId) AS BillingAccountId,\n")
    )
    assert workspace.finops("build").exit_code == 0
    assert workspace.query("SELECT BillingAccountId, sum(BilledCost) FROM focus.cost_and_usage GROUP BY 1") == [
        ("acct-A", Decimal(10))
    ]


def test_a_warehouse_of_another_version_is_made_again_from_landing(workspace: Workspace) -> None:
    from finops.warehouse.connection import connect

    bill = workspace.write("bill.csv", focus_csv("10"))
    workspace.finops("load", bill)
    with connect(workspace.folder / "finops.duckdb") as con:
        con.execute("DROP VIEW focus.cost_and_usage")
        con.execute("ALTER TABLE ledger.dimension DROP COLUMN RegionName")
    result = workspace.finops("load", bill)
    assert result.exit_code == 2
    assert "finops build --full" in result.err
    assert workspace.finops("build", "--full").exit_code == 0
    assert total(workspace) == 10


def test_a_changed_macro_is_a_changed_mapping(workspace: Workspace) -> None:
    """What all mappings share counts as part of each: a mended macro reaches what has been loaded."""
    from finops.resources import shipped_queries

    workspace.finops("load", workspace.write("bill.csv", focus_csv("10")))
    macros = (shipped_queries() / "normalise" / "_macros.sql").read_text()
    workspace.write("queries/normalise/_macros.sql", macros + "\n-- ours\n")
    assert [each["status"] for each in workspace.finops("build", "--json").json()["deliveries"]] == ["loaded"]


def test_a_landed_file_that_was_changed_is_not_built_from(workspace: Workspace) -> None:
    """The old ledger stays until the new one is whole."""
    workspace.finops("load", workspace.write("bill.csv", focus_csv("10")))
    (kept,) = (workspace.folder / "landing" / "files").rglob("*.csv")
    kept.chmod(0o644)
    kept.write_text(focus_csv("77"))
    result = workspace.finops("build", "--full")
    assert result.exit_code == 4
    assert "copy of bill.csv has been changed" in result.err
    assert total(workspace) == 10
    kept.unlink()
    assert workspace.finops("build", "--full").exit_code == 4
    assert total(workspace) == 10


class OnAFullDisk(Loader):
    def load_record(self, record: DeliveryRecord) -> LoadResult:
        raise FinopsError("the disk is full", next_step="Make room.")


def test_a_full_disk_is_no_reason_to_remove_a_delivery(workspace: Workspace) -> None:
    workspace.finops("load", workspace.write("bill.csv", focus_csv("10")))
    con = connect(None)
    migrate(con)
    catalogue = App(workspace.folder / "finops.toml").catalogue
    [problem] = OnAFullDisk(con, Landing(workspace.folder / "landing"), catalogue).load_pending().problems
    assert problem.next_step == "Make room."


def test_a_landed_delivery_that_cannot_be_read_is_said_until_it_is_mended(workspace: Workspace) -> None:
    """As if killed between landing a bad file and reading it."""
    workspace.finops("load", workspace.write("bill.csv", focus_csv("10")))
    (record,) = (workspace.folder / "landing" / "deliveries").glob("*.json")
    (kept,) = (workspace.folder / "landing" / "files").rglob("*.csv")
    for file in workspace.folder.glob("finops.duckdb*"):
        file.unlink()
    import hashlib
    import json

    bad = focus_csv("broken").encode()
    kept.chmod(0o644)
    kept.write_bytes(bad)
    content = json.loads(record.read_text())
    content["files"][0]["sha256"] = hashlib.sha256(bad).hexdigest()
    record.write_text(json.dumps(content))
    assert workspace.finops("build").exit_code == 4
    again = workspace.finops("build")
    assert again.exit_code == 4
    assert f"landing/deliveries/{record.name}" in again.err
    record.unlink()
    assert workspace.finops("build").exit_code == 0


def usage(tokens: int) -> str:
    return (
        '{"object": "page", "has_more": false, "data": [{"object": "bucket", "start_time": 1788220800, "end_time": 1788307200, '
        f'"results": [{{"object": "organization.usage.completions.result", "input_tokens": {tokens}, "output_tokens": 1, '
        '"num_model_requests": 1, "project_id": "p", "model": "m"}]}]}'
    )


def test_an_older_usage_page_does_not_win(workspace: Workspace) -> None:
    workspace.finops("load", delivered(workspace.write("new.json", usage(1000)), OCTOBER + 60))
    workspace.finops("load", delivered(workspace.write("old.json", usage(7)), OCTOBER))
    assert workspace.query("SELECT value::INT FROM utilisation.daily WHERE metric = 'input_tokens'") == [(1000,)]
