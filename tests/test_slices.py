"""A delivery replaces its slices: once, whole, and only if it is the newest."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

from conftest import FOCUS_HEADER, Workspace, focus_csv

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


def test_two_loose_files_with_the_same_month_are_not_added_up_silently(workspace: Workspace) -> None:
    """Parts or versions? Only the user knows. The second is refused, on the first run and on every later one."""
    workspace.write("in/one.csv", focus_csv("1"))
    workspace.write("in/two.csv", focus_csv("2"))
    for _ in range(2):
        result = workspace.finops("load", workspace.folder / "in")
        assert result.exit_code == 4
        assert "holds account A, 2026-09, which" in result.err
        assert total(workspace) in (1, 2)


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
