"""The files that docs/sources.md shows for an inventory and metrics of one's own are read as it says."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from conftest import REPO, Workspace

SECTION = (
    (REPO / "docs" / "sources.md").read_text().partition("## Your own inventory and metrics")[2].partition("\n## ")[0]
)
FILES = dict(re.findall(r"`([\w-]+\.\w+)`:\n\n```\w+\n(.*?)```", SECTION, re.DOTALL))


@pytest.mark.parametrize("how", ["load", "collect"])
def test_each_example_becomes_rows(how: str, workspace: Workspace) -> None:
    for name, content in FILES.items():
        workspace.write(f"own/{name}", content)
    workspace.write("finops.toml", '[sources.own]\ntype = "files"\npath = "own"\n')
    result = (
        workspace.finops("load", workspace.folder / "own", "--source", "own")
        if how == "load"
        else workspace.finops("collect")
    )
    assert result.exit_code == 0, result.err
    machine, endpoint = "i-0aaaaaaaaaaaaaaa1", "arn:aws:sagemaker:us-east-1:111122223333:endpoint/search"
    assert workspace.query("SELECT provider, resource_id, state, properties->>'GpuCount' FROM inventory.resources") == [
        ("AWS", machine, "running", "8")
    ]
    assert workspace.query(
        "SELECT resource_id, metric, statistic, part, day::VARCHAR, value::BIGINT, unit, samples FROM utilisation.daily ORDER BY ALL"
    ) == [
        *((endpoint, "Invocations", each, "blue", "2026-10-24", value, "Count", 2)
          for each, value in (("HourMaximum", 12), ("HourMinimum", 0), ("Sum", 12))),
        (machine, "DCGM_FI_DEV_GPU_UTIL", "Maximum", "0", "2026-10-24", 97, "Percent", 24),
        (machine, "DCGM_FI_DEV_GPU_UTIL", "Maximum", "1", "2026-10-24", 0, "Percent", 24),
    ]  # fmt: skip
    assert workspace.query("SELECT account_id, region, covers, outcome FROM inventory.reads ORDER BY ALL") == [
        ("111122223333", "us-east-1", "metrics", "complete"), ("444455556666", None, "metrics", "denied"),
    ]  # fmt: skip


def test_the_page_lists_every_metric_that_rules_know() -> None:
    sql = (
        (REPO / "queries" / "findings" / "_activity_day.sql")
        .read_text()
        .partition("VALUES")[2]
        .partition("metrics AS")[0]
    )
    known = set(re.findall(r"\('([^']+)', '", sql))
    assert len(known) > 30
    table = SECTION.partition("| tells | metrics |")[2].partition("\n\n")[0]
    assert {each.lower() for each in re.findall(r"`([^`]+)`", table)} == known


def test_periods_and_words_of_others_are_understood(workspace: Workspace) -> None:
    """What is sampled every five minutes has 288 samples in a day: 100 of them are 8 hours. A denial is one in capitals too."""
    days = [("a", 288), ("b", 288), ("c", 100), ("d", 1)]
    workspace.write(
        "util.csv", "resource_id,metric,statistic,day,value,unit,samples\n" + "".join(f"{name},Requests,SUM,2026-10-24,0,Count,{n}\n" for name, n in days)
    )  # fmt: skip
    workspace.write(
        "reads.csv",
        "provider,account_id,region,service,covers,outcome\naws,1,*,SageMaker,Inventory,DENIED\ngcp,p,us-central1-a,compute.googleapis.com,METRICS,ok\n",
    )
    assert workspace.finops("load", workspace.folder / "util.csv", workspace.folder / "reads.csv").exit_code == 0
    assert workspace.query("SELECT resource_id, samples, statistic FROM utilisation.daily ORDER BY ALL") == [
        ("a", 24, "Sum"), ("b", 24, "Sum"), ("c", 8, "Sum"), ("d", 24, "Sum")
    ]  # fmt: skip
    assert workspace.query("SELECT region, service, covers, outcome FROM inventory.reads ORDER BY ALL") == [
        ("us-central1-a", "compute", "metrics", "ok"), (None, "sagemaker", "inventory", "denied"),
    ]  # fmt: skip


def test_a_file_for_each_part(workspace: Workspace) -> None:
    """The second says nothing of the first's variant; a second word on its own replaces it."""
    for name, part, value in (("a", "blue", 50), ("b", "green", 0), ("c", "green", 3)):
        workspace.write(
            f"{name}.csv", f"resource_id,metric,part,day,value\nranker,Invocations,{part},2026-10-24,{value}\n"
        )
        assert workspace.finops("load", workspace.folder / f"{name}.csv").exit_code == 0
    assert workspace.query("SELECT part, value::INTEGER FROM utilisation.daily ORDER BY ALL") == [
        ("blue", 50),
        ("green", 3),
    ]


def lists(workspace: Workspace, name: str, *ids: str, age: int = 0) -> Path:
    """A file of resources, so many minutes old."""
    lines = ["provider,resource_id,resource_type,state", *(f"AWS,{each},AWS::EC2::Instance,running" for each in ids)]
    path = workspace.write(f"own/{name}", "\n".join([*lines, ""]))
    stamp = path.stat().st_mtime - 60 * age
    os.utime(path, (stamp, stamp))
    return path


def test_a_files_name_is_its_key_in_a_folder_too(workspace: Workspace) -> None:
    """Two lists in one folder are two snapshots: neither forgets what the other says."""
    workspace.write("finops.toml", '[sources.own]\ntype = "files"\npath = "own"\n')

    def known() -> list[str]:
        result = workspace.finops("collect")
        assert result.exit_code == 0, result.err
        return [row[0] for row in workspace.query("SELECT resource_id FROM inventory.resources ORDER BY ALL")]

    lists(workspace, "a.csv", "i-1", "i-2", age=3)
    lists(workspace, "b.csv", "i-3", age=3)
    assert known() == ["i-1", "i-2", "i-3"]
    lists(workspace, "a.csv", "i-2", age=2)
    assert known() == ["i-2", "i-3"], "what is gone from the file is gone"
    lists(workspace, "b.csv", "", age=1)
    assert known() == ["i-2"], "a line without an id says that there is nothing"
