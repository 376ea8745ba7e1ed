"""Only what the newest manifest lists is read, and only if all of it is there."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import FIXTURES, Workspace, focus_csv

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
    import os

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
