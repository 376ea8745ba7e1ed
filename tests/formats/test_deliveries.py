"""Which files are one delivery: numbered parts are, snapshots of different days are not, and nothing is counted twice."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from conftest import FOCUS_HEADER, Workspace, focus_csv

from finops.formats.names import groups


def together(*names: str) -> bool:
    return len(groups([Path("in") / name for name in names])) == 1


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("focus-1.csv", "focus-2.csv"),
        ("focus.part9.csv.gz", "focus.part10.csv.gz"),
        ("part_0_0001.csv", "part_0_0002.csv"),
        ("gcp_000000000000.json.gz", "gcp_000000000001.json.gz"),
        ("cur2-00001.snappy.parquet", "cur2-00002.snappy.parquet"),
        ("0001000000012345.csv.gz", "0001000000012346.csv.gz"),
        ("0001000000012345-00001.csv.gz", "0001000000012346-00001.csv.gz"),
        ("focus-2026-09-part-1.csv", "focus-2026-09-part-2.csv"),
        ("focus-20260905-0001.csv", "focus-20260905-0002.csv"),
        ("focus-20260905-000001.csv", "focus-20260905-000002.csv"),
        ("focus-202699.csv", "focus-202698.csv"),
    ],
)
def test_numbered_files_are_parts(one: str, another: str) -> None:
    assert together(one, another)


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("focus-20261005.csv", "focus-20261012.csv"),
        ("focus-2026-10-05.csv", "focus-2026-10-12.csv"),
        ("focus_2026_10_05.csv.gz", "focus_2026_10_12.csv.gz"),
        ("20261005.csv", "20261012.csv"),
        ("focus-2026-09.csv", "focus-2026-10.csv"),
        ("focus-202609.csv", "focus-202610.csv"),
        ("focus-202610051200.csv", "focus-202610051300.csv"),
        ("focus-2026-10-05T12-00-00.csv", "focus-2026-10-05T12-00-30.csv"),
        ("focus-20261005_120000.csv", "focus-20261005_120030.csv"),
        ("cur-20260901-20261001.csv", "cur-20261001-20261101.csv"),
        ("focus-1.csv", "other-1.csv"),
        ("focus-1.csv", "focus-2.parquet"),
    ],
)
def test_a_date_at_the_end_is_no_part_number(one: str, another: str) -> None:
    """The snapshot of the 12th holds that of the 5th: added up, a week would count twice."""
    assert not together(one, another)


def test_two_snapshots_of_a_month_are_not_added_up(workspace: Workspace) -> None:
    workspace.write("in/focus-20261005.csv", focus_csv("1", "2"))
    workspace.write("in/focus-20261012.csv", focus_csv("1", "2", "3"))
    workspace.finops("load", workspace.folder / "in")
    (found,) = workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage")[0]
    assert found in (Decimal(3), Decimal(6))  # one of them; which, the loader decides by their times


def test_the_same_content_twice_in_one_delivery_is_refused(workspace: Workspace) -> None:
    workspace.write("in/focus-1.csv", focus_csv("1"))
    workspace.write("in/focus-2.csv", focus_csv("1"))
    result = workspace.finops("load", workspace.folder / "in")
    assert result.exit_code == 4
    assert "focus-2.csv: has the same content as focus-1.csv" in result.err
    assert "One is a copy: remove it." in result.err


def test_parts_without_rows_may_be_equal(workspace: Workspace) -> None:
    """BigQuery writes shards that hold nothing but the header."""
    workspace.write("in/focus-1.csv", focus_csv("1"))
    workspace.write("in/focus-2.csv", FOCUS_HEADER + "\n")
    workspace.write("in/focus-3.csv", FOCUS_HEADER + "\n")
    assert workspace.finops("load", workspace.folder / "in").exit_code == 0
    assert workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage") == [(Decimal(1),)]
