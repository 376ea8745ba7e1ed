"""Buckets take names that disks do not. Such files are a hole; the others are loaded, and other sources go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import Workspace, focus_csv

from finops.collectors.store import can_be_kept
from tests.collectors.fakes.aws import FakeAws

SOURCES = """
[sources.bucket]
type = "files"
path = "s3://acme/exports/"
deadline = 2
"""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    with FakeAws() as fake:
        for name, value in fake.environment().items():
            monkeypatch.setenv(name, value)
        yield fake
        fake.reset()


@pytest.mark.parametrize("name", ["a.csv", "b/a.csv", "b/ä b=1.csv", "b/" + "x" * 240])
def test_what_can_be_kept(name: str) -> None:
    assert can_be_kept(name)


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "./a", "a/../b", "b/" + "x" * 241, "ä" * 121, "a\0b"])
def test_what_can_not_be_kept(name: str) -> None:
    assert not can_be_kept(name)


@pytest.mark.parametrize(
    "odd", ["exports//a.csv", "exports/../b.csv", "exports/" + "x" * 250 + ".csv", "exports/a.csv/part.csv"]
)
def test_a_file_whose_name_cannot_be_kept_is_a_hole_and_the_others_are_loaded(
    workspace: Workspace, aws: FakeAws, odd: str
) -> None:
    workspace.write("finops.toml", SOURCES)
    aws.put("acme", "exports/a.csv", focus_csv("5", account="A").encode())
    aws.put("acme", "exports/z.csv", focus_csv("7", account="Z").encode())
    aws.put("acme", odd, focus_csv("11", account="ODD").encode())
    result = workspace.finops("collect")
    assert result.exit_code == 3
    assert "have names that cannot be kept on a disk, such as exports/" in result.err
    assert workspace.query("SELECT outcome FROM ops.holes") == [("incomplete",)]
    loaded = {row[0] for row in workspace.query("SELECT BillingAccountId FROM focus.cost_and_usage")}
    assert loaded == ({"ODD", "Z"} if "part.csv" in odd else {"A", "Z"})
