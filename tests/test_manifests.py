"""Only what the newest manifest lists is read, and only if all of it is there."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import FIXTURES, Workspace, focus_csv

from finops.formats.manifests import modified_at, read_manifest

CUR = "lineItem/UsageStartDate,lineItem/UsageEndDate,bill/BillingPeriodStartDate,bill/PayerAccountId,lineItem/UsageAccountId,lineItem/ProductCode,lineItem/UsageType,lineItem/UnblendedCost,lineItem/CurrencyCode,lineItem/LineItemType\n"


def cur(*costs: str) -> str:
    return CUR + "".join(
        f"2026-09-0{day}T00:00:00Z,2026-09-0{day}T01:00:00Z,2026-09-01T00:00:00Z,1,2,AmazonEC2,BoxUsage:m5.large,{cost},USD,Usage\n"
        for day, cost in enumerate(costs, 1)
    )


def legacy_report(workspace: Workspace, assembly: str, files: dict[str, str], listed: list[str] | None = None) -> Path:
    """A CUR period folder with an assembly below it, as AWS's CREATE_NEW_REPORT layout has it."""
    folder = workspace.folder / "reports/cur/20260901-20261001"
    for name, content in files.items():
        workspace.write(f"reports/cur/20260901-20261001/{assembly}/{name}", content)
    manifest = json.dumps(
        {
            "assemblyId": assembly,
            "account": "1",
            "reportName": "cur",
            "billingPeriod": {"start": "20260901T000000.000Z", "end": "20261001T000000.000Z"},
            "reportKeys": [f"reports/cur/20260901-20261001/{assembly}/{name}" for name in listed or files],
        }
    )
    for place in (folder / assembly, folder):
        (place / "cur-Manifest.json").write_text(manifest)
    return workspace.folder / "reports"


def total(workspace: Workspace) -> Decimal:
    return Decimal(workspace.query("SELECT coalesce(sum(BilledCost), 0) FROM focus.cost_and_usage")[0][0])


def test_a_manifest_whose_files_are_not_all_there_is_refused(workspace: Workspace) -> None:
    reports = legacy_report(workspace, "a1", {"cur-1.csv": cur("1")}, listed=["cur-1.csv", "cur-2.csv"])
    result = workspace.finops("load", reports)
    assert result.exit_code == 3
    assert (
        "1 of 2 files that the manifest names are not there: reports/cur/20260901-20261001/a1/cur-2.csv" in result.err
    )
    assert workspace.query("SELECT count(*) FROM focus.cost_and_usage") == [(0,)]
    workspace.write("reports/cur/20260901-20261001/a1/cur-2.csv", cur("2"))
    assert workspace.finops("load", reports).exit_code == 0
    assert total(workspace) == 3


def test_only_the_manifests_files_are_read(workspace: Workspace) -> None:
    reports = legacy_report(workspace, "a1", {"cur-1.csv": cur("1"), "cur-2.csv": cur("100")}, listed=["cur-1.csv"])
    result = workspace.finops("-v", "load", reports)
    assert result.exit_code == 0
    assert "cur-2.csv: not in the newest manifest of its export" in result.err
    assert total(workspace) == 1


def test_the_files_of_older_assemblies_stay_unread(workspace: Workspace) -> None:
    """CREATE_NEW_REPORT leaves every earlier assembly in the bucket: adding them up would multiply the bill."""
    legacy_report(workspace, "a1", {"cur-1.csv": cur("1")})
    reports = legacy_report(workspace, "a2", {"cur-1.csv": cur("1", "2")})
    period = reports / "cur/20260901-20261001"
    for age, place in enumerate((period, period / "a2", period / "a1")):
        stamp = 1_790_000_000 - age * 100
        os.utime(place / "cur-Manifest.json", (stamp, stamp))
    assert workspace.finops("load", reports).exit_code == 0
    assert total(workspace) == 3


def test_a_restated_month_of_a_data_export_is_read_once(workspace: Workspace) -> None:
    """The demo company's September was delivered twice; the folder holds both runs."""
    shutil.copytree(FIXTURES / "aws-cur2", workspace.folder / "in")
    expected = json.loads((FIXTURES.parent / "expected.json").read_text())["sources"]["aws-cur2"]["currencies"]["USD"]
    workspace.finops("load", workspace.folder / "in")
    for month, stated in expected["months"].items():
        row = workspace.query(
            f"SELECT count(*), sum(BilledCost) FROM focus.cost_and_usage WHERE strftime(BillingPeriodStart, '%Y-%m') = '{month}'"
        )
        assert row == [(stated["rows"], Decimal(stated["billed"]))]


def test_partition_names_are_compared_without_case(workspace: Workspace) -> None:
    """AWS writes BILLING_PERIOD= for CUR 2.0 and billing_period= for FOCUS; other tools that copy buckets change it."""
    source = FIXTURES / "aws-cur2" / "halcyon-exports" / "cur2-hourly"
    target = workspace.folder / "in" / "cur2-hourly"
    for path in source.rglob("*"):
        if path.is_file() and "2026-08" in str(path):
            copy = target / str(path.relative_to(source)).replace("BILLING_PERIOD", "billing_period")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    assert workspace.finops("load", workspace.folder / "in").exit_code == 0
    assert workspace.query("SELECT count(*) FROM focus.cost_and_usage") == [(14530,)]


def test_a_manifest_that_is_no_json_is_said(workspace: Workspace) -> None:
    workspace.write("in/cur-Manifest.json", "{")
    result = workspace.finops("load", workspace.folder / "in")
    assert result.exit_code == 4
    assert "the manifest is not JSON" in result.err


@pytest.mark.parametrize("blob", ["part_0_0001.csv", "exports/run/part_0_0001.csv"])
def test_an_azure_manifest_is_a_manifest_too(workspace: Workspace, blob: str) -> None:
    """Any format may come with one: here FOCUS rows behind Azure's manifest."""
    workspace.write("in/20260901-20260930/run-1/part_0_0001.csv", focus_csv("1"))
    workspace.write("in/20260901-20260930/run-1/part_1_0001.csv", focus_csv("9"))
    manifest = {
        "exportConfig": {"exportName": "x"},
        "runInfo": {"runId": "run-1", "startDate": "2026-09-01", "submittedTime": "2026-10-02T03:04:05Z"},
        "blobs": [{"blobName": blob}],
    }
    workspace.write("in/20260901-20260930/run-1/manifest.json", json.dumps(manifest))
    assert workspace.finops("load", workspace.folder / "in").exit_code == 0
    assert total(workspace) == 1
    assert workspace.query("SELECT delivered_at::VARCHAR FROM ops.loads") == [("2026-10-02 03:04:05",)]


def hive_report(workspace: Workspace, month: int, files: dict[str, str]) -> None:
    """A month of an AWS report for Athena: year=/month= folders, and the same names in each."""
    folder = f"in/r/year=2026/month={month}"
    for name, content in files.items():
        workspace.write(f"{folder}/{name}", content)
    manifest = {
        "assemblyId": f"a{month}",
        "reportName": "r",
        "billingPeriod": {"start": f"2026{month:02}01T000000.000Z"},
    }
    keys = [f"prefix/r/r/year=2026/month={month}/r-00001.csv"]
    workspace.write(f"{folder}/r-Manifest.json", json.dumps(manifest | {"reportKeys": keys}))


def test_a_missing_file_is_not_replaced_by_its_namesake_of_another_month(workspace: Workspace) -> None:
    hive_report(workspace, 10, {"r-00001.csv": cur("1")})
    hive_report(workspace, 11, {})
    result = workspace.finops("load", workspace.folder / "in")
    assert result.exit_code == 3
    assert "1 of 1 files that the manifest names are not there: prefix/r/r/year=2026/month=11/r-00001.csv" in result.err
    assert workspace.query("SELECT count(*) FROM ops.loads") == [(1,)]


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("p/accA/r/r-00001.csv", "bucketB/r-00001.csv"),
        ("p/data/billing_period=2026-11/r-00001.csv", "accA/billing_period=2026-10/r-00001.csv"),
        ("p/20261101-20261201/r-00001.csv", "accA/20261001-20261101/r-00001.csv"),
        ("p/r/year=2026/month=11/r-00001.csv", "year=2026/month=10/accA/r-00001.csv"),
    ],
)
def test_a_file_of_another_folder_or_period_is_not_the_one_that_is_meant(
    workspace: Workspace, key: str, place: str
) -> None:
    workspace.write(f"in/{place}", cur("1"))
    folder = Path("in") / (Path(place).parent if place.startswith("year") else "accA")
    workspace.write(f"{folder}/r-Manifest.json", json.dumps({"assemblyId": "a", "reportKeys": [key]}))
    result = workspace.finops("load", workspace.folder / "in")
    assert f"1 of 1 files that the manifest names are not there: {key}" in result.err


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("p/r/20260901-20261001/a/r-00001.csv", "r-00001.csv"),
        ("p/r/20260901-20261001/a/r-00001.csv", "a/r-00001.csv"),
        ("r-00001.csv", "r-00001.csv"),
        ("p/r/year=2026/month=9/r-00001.csv", "r-00001.csv"),
    ],
)
def test_a_folder_may_be_copied_from_any_level(workspace: Workspace, key: str, place: str) -> None:
    """Only the folders between manifest and file are compared: what is above them is the reader's own filing."""
    workspace.write(f"my bills/september/{place}", cur("1"))
    workspace.write("my bills/september/r-Manifest.json", json.dumps({"assemblyId": "a", "reportKeys": [key]}))
    assert workspace.finops("load", workspace.folder / "my bills").exit_code == 0
    assert total(workspace) == 1


def test_a_file_that_is_listed_twice_is_read_once(workspace: Workspace) -> None:
    workspace.write("in/r-1.csv", cur("1"))
    workspace.write("in/r-Manifest.json", json.dumps({"assemblyId": "a", "reportKeys": ["p/r-1.csv", "p/r-1.csv"]}))
    assert workspace.finops("load", workspace.folder / "in").exit_code == 0
    assert total(workspace) == 1


def test_one_file_cannot_stand_for_two_keys(workspace: Workspace) -> None:
    workspace.write("in/r-1.csv", cur("1"))
    workspace.write("in/r-Manifest.json", json.dumps({"assemblyId": "a", "reportKeys": ["p/x/r-1.csv", "p/y/r-1.csv"]}))
    assert workspace.finops("load", workspace.folder / "in").exit_code == 3


def data_export(workspace: Workspace, folder: str, run: str) -> Path:
    key = f"s3://b/x/data/BILLING_PERIOD=2026-09/{run}/x-00001.csv"
    workspace.write(f"{folder}/x/data/BILLING_PERIOD=2026-09/{run}/x-00001.csv", cur("1"))
    place = f"{folder}/x/metadata/BILLING_PERIOD=2026-09/{run}/x-Manifest.json"
    return workspace.write(place, json.dumps({"executionId": "", "dataFiles": [key]}))


@pytest.mark.parametrize(
    ("folder", "run", "made_at"),
    [
        ("in", "20261008T052217Z-df13", datetime(2026, 10, 8, 5, 22, 17, tzinfo=UTC)),
        ("20200101T000000Z/in", "20261008T052217Z-df13", datetime(2026, 10, 8, 5, 22, 17, tzinfo=UTC)),
        ("20200101T000000Z/in", "df13", datetime(2026, 10, 9, tzinfo=UTC)),
        ("in", "20261399T999999Z", datetime(2026, 10, 9, tzinfo=UTC)),
    ],
)
def test_a_run_is_as_old_as_its_own_folder_says_else_as_its_manifest(
    workspace: Workspace, folder: str, run: str, made_at: datetime
) -> None:
    """A time in a folder above the export is the reader's filing; the 99th of month 13 is no time."""
    path = data_export(workspace, folder, run)
    os.utime(path, (datetime(2026, 10, 9, tzinfo=UTC).timestamp(),) * 2)
    manifest = read_manifest(path)
    assert manifest and manifest.made_at == made_at


def test_a_clock_that_runs_ahead_does_not_win_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("x")
    os.utime(path, (4_000_000_000, 4_000_000_000))
    assert modified_at(path) <= datetime.now(tz=UTC)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x-Manifest.json", '{"dataFiles": []}', "x-Manifest.json: the manifest lists no file"),
        ("manifest.json", '{"blobs": ["x"]}', "the manifest lists a blob without a blobName"),
        ("manifest.json", '{"blobs": [{"name": "x"}]}', "the manifest lists a blob without a blobName"),
        ("manifest.json", '{"blobs": [{"blobName": "x.csv"}], "runInfo": ["x"]}', "the manifest's 'runInfo' is no object"),
        ("x-Manifest.json", '{"reportKeys": ["x.csv"], "billingPeriod": "x"}', "the manifest's 'billingPeriod' is no object"),
        ("x-Manifest.json", "[" * 200_000, "the manifest is not JSON"),
        ("bill.json", "[" * 200_000, "is not JSON"),
        ("bill.json", '{"data": [{"results": [1]}]}', "its 'data' has no buckets with 'results'"),
        ("bill.json", '{"data": [1]}', "its 'data' has no buckets with 'results'"),
    ],
)  # fmt: skip
def test_odd_json_is_said_and_no_traceback(workspace: Workspace, name: str, content: str, message: str) -> None:
    result = workspace.finops("load", workspace.write(f"in/{name}", content).parent)
    assert result.exit_code == 4, result.err
    assert message in result.err and name in result.err and "Traceback" not in result.err
    assert "\n  " in result.err  # what to do


def test_a_manifest_without_a_billing_period_is_one(workspace: Workspace) -> None:
    workspace.write("in/r-1.csv", cur("1"))
    workspace.write(
        "in/r-Manifest.json", json.dumps({"assemblyId": None, "billingPeriod": None, "reportKeys": ["r-1.csv"]})
    )
    assert workspace.finops("load", workspace.folder / "in").exit_code == 0
