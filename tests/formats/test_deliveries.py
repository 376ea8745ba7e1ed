"""Which files are one delivery: numbered parts are, snapshots of different days are not, and nothing is counted twice."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import FOCUS_HEADER, Workspace, focus_csv

from finops.formats.manifests import read_manifest
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


GCP = (
    "billing_account_id,service.id,service.description,sku.id,sku.description,usage_start_time,usage_end_time,cost,currency\n"
    "B-1,S-1,Vertex AI,K-1,Prediction,2026-09-01 00:00:00 UTC,2026-09-01 01:00:00 UTC,{cost},USD\n"
)


def test_parts_of_differing_formats_are_deliveries_of_their_own(workspace: Workspace) -> None:
    """One folder for everything: what is numbered alike need not belong together, and stops nothing."""
    workspace.write("in/e-1.csv", focus_csv("1"))
    workspace.write("in/e-2.csv", GCP.format(cost=10))
    workspace.write("in/good.csv", focus_csv("100", account="B"))
    assert workspace.finops("load", workspace.folder / "in").exit_code == 0
    assert workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage") == [(Decimal(111),)]


def test_a_manifest_says_nothing_about_its_neighbours(workspace: Workspace) -> None:
    """Other files of the export are passed over; a bill of another provider is not."""
    workspace.write("in/part-1.csv", focus_csv("1"))
    workspace.write("in/part-2.csv", focus_csv("7"))
    workspace.write("in/gcp-bill.csv", GCP.format(cost=10))
    workspace.write("in/accB/part-1.csv", focus_csv("100", account="B"))
    workspace.write("in/r-Manifest.json", json.dumps({"assemblyId": "a", "reportKeys": ["p/r/part-1.csv"]}))
    result = workspace.finops("-v", "load", workspace.folder / "in")
    assert result.exit_code == 0
    assert "part-2.csv: not in the newest manifest of its export" in result.err
    assert workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage") == [(Decimal(111),)]


def test_azure_runs_are_passed_over_and_what_lies_beside_them_is_not(workspace: Workspace) -> None:
    period = "exports/daily/20260901-20260930"
    for run, cost in (("0c1a-1", "5"), ("0c1a-2", "1")):
        workspace.write(f"in/{period}/{run}/part_0_0001.csv", focus_csv(cost))
        content = {"runInfo": {"runId": run, "submittedTime": f"2026-10-0{run[-1]}T03:04:05Z"}}
        content["blobs"] = [{"blobName": f"{period}/{run}/part_0_0001.csv"}]  # type: ignore[assignment]
        workspace.write(f"in/{period}/{run}/manifest.json", json.dumps(content))
    workspace.write(f"in/{period}/0c1a-3/part_0_0001.csv", focus_csv("9"))  # a run that has not finished
    workspace.write(f"in/{period}/gcp-bill.csv", GCP.format(cost=10))
    workspace.write("in/gcp-other.csv", GCP.format(cost=100).replace("B-1", "B-2"))
    assert workspace.finops("load", workspace.folder / "in").exit_code == 0
    assert workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage") == [(Decimal(111),)]


def test_an_azure_manifest_that_was_given_alone_does_not_reach_above_its_folder(workspace: Workspace) -> None:
    workspace.write("in/part_0_0001.csv", focus_csv("1"))
    workspace.write(
        "in/manifest.json", json.dumps({"blobs": [{"blobName": "x/y/part_0_0001.csv"}], "runInfo": {"runId": "z"}})
    )
    manifest = read_manifest(workspace.folder / "in" / "manifest.json")
    assert manifest and manifest.root == workspace.folder / "in"


def test_a_pipe_or_a_device_is_wrong_usage(workspace: Workspace) -> None:
    os.mkfifo(workspace.folder / "pipe")
    for path in ("/dev/null", str(workspace.folder / "pipe")):
        result = workspace.finops("load", path)
        assert result.exit_code == 2
        assert f"'{path}' is neither a file nor a folder" in result.err
