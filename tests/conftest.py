"""What many tests share: a workspace in a temporary folder, and the command line as a function."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from finops.cli import run
from finops.warehouse.connection import Connection, connect

REPO = Path(__file__).resolve().parent.parent
FIXTURES = REPO / "fixtures" / "deliveries"
CORPUS = REPO.parent / "shared" / "corpus"


def pytest_configure() -> None:
    """Each worker has one core: else DuckDB starts as many threads in each of them as the machine has."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


LONG = (
    "test_after_each_of_twelve_weekly_runs",
    "test_the_weekly_job",
    "test_kill_dash_nine_while",
)
LONG_FILES = ("test_fleet.py",)
"""Whose tests share what takes long to make: they stay together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: at the end one worker would wait for the other."""
    items.sort(key=lambda item: not (item.name.startswith(LONG) or item.path.name in LONG_FILES))


def pytest_collection_finish() -> None:
    """What has been imported stays: nobody needs to look through it for garbage."""
    gc.collect()
    gc.freeze()


@dataclass
class Result:
    """How a command ended."""

    exit_code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Workspace:
    """A workspace in a temporary folder, and ``finops`` in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        (folder / "finops.toml").write_text('[company]\nname = "Test"\n')

    def finops(self, *args: str | Path) -> Result:
        """Run a command as a user would, in this process."""
        self._capsys.readouterr()
        code = run(["--config", str(self.folder / "finops.toml"), *map(str, args)])
        out, err = self._capsys.readouterr()
        return Result(code, out, err)

    def write(self, name: str, content: str | bytes) -> Path:
        """A file below the workspace."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    @contextmanager
    def warehouse(self) -> Iterator[Connection]:
        con = connect(self.folder / "finops.duckdb", read_only=True)
        try:
            yield con
        finally:
            con.close()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        with self.warehouse() as con:
            return con.execute(sql).fetchall()


Made = Callable[[Workspace, str, Callable[[], object]], None]
"""Takes a workspace, a name for what is made, and its maker."""


@pytest.fixture
def workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path, capsys)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Fill a workspace as its maker does, which works once only: the tests after it get a copy of what it made."""
    folder = tmp_path_factory.mktemp("made")

    def fill(workspace: Workspace, name: str, make: Callable[[], object]) -> None:
        if (folder / name).exists():
            shutil.copytree(folder / name, workspace.folder, dirs_exist_ok=True)
            return
        make()
        shutil.copytree(workspace.folder, folder / name)

    return fill


@pytest.fixture
def finops_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """``finops`` as a process of its own."""

    def call(*args: str | Path, cwd: Path | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "finops", *map(str, args)],
            cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"}, **options,
        )  # fmt: skip

    return call


FOCUS_HEADER = (
    "BillingAccountId,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,"
    "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,ServiceName,ServiceCategory,ProviderName,"
    "PublisherName,InvoiceIssuerName,ResourceId,SubAccountId,ConsumedQuantity,ConsumedUnit,Tags"
)


def focus_csv(*costs: str, account: str = "A", month: str = "2026-09", tags: str = "") -> str:
    """A FOCUS 1.0 file with one row a cost."""
    year, number = map(int, month.split("-"))
    following = f"{year + number // 12}-{number % 12 + 1:02}"
    rows = [
        f"{account},{month}-01T00:00:00Z,{following}-01T00:00:00Z,{month}-{day:02}T00:00:00Z,{month}-{day:02}T01:00:00Z,"
        f"Usage,{cost},{cost},{cost},{cost},USD,Amazon EC2,Compute,AWS,AWS,AWS,i-{day},acct-1,1,Hours,{tags}"
        for day, cost in enumerate(costs, start=1)
    ]
    return "\n".join([FOCUS_HEADER, *rows, ""])
