"""A user with one source: writes ``finops.toml``, runs ``finops collect``, and looks at what the ledger and ``ops`` say."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from conftest import Result, Workspace, focus_csv

from finops.warehouse.connection import Connection, connect

from .stage import Provider

SOURCE, NEIGHBOUR = "under-test", "neighbour"


def copy(file: Path, target: Path) -> None:
    """A file or a whole folder."""
    if file.is_dir():
        shutil.copytree(file, target)
    else:
        shutil.copy(file, target)


@dataclass(frozen=True)
class Hole:
    """A row of ``ops.holes``."""

    month: date | None
    outcome: str
    what: str
    place: str
    next_step: str


@dataclass
class Run:
    """What a collection came to for the source that is tested."""

    exit_code: int
    outcome: str
    holes: list[Hole]
    source: dict[str, Any]
    """Its part of ``--json``."""
    said: str
    """Everything that was printed."""
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """It went well, and nothing is missing."""
        return self.exit_code == 0 and self.outcome == "complete" and not self.holes

    @property
    def months_missing(self) -> set[date | None]:
        return {hole.month for hole in self.holes}

    @property
    def has_news(self) -> bool:
        """Was anything offered in a version that landing did not have?"""
        return bool(self.source["fetched"])


@dataclass
class Ledger:
    """One workspace with the source under test and, after it, a neighbour that is always well."""

    workspace: Workspace
    stage: Provider
    said: str = field(default="")
    """All that any command has printed."""

    def __post_init__(self) -> None:
        neighbour = f'[sources.{NEIGHBOUR}]\ntype = "files"\npath = "neighbour"\n'
        self.workspace.write("finops.toml", f'[company]\nname = "Test"\n{self.stage.toml(SOURCE)}{neighbour}')
        (self.workspace.folder / "neighbour").mkdir()
        self._neighbours_bill = Decimal(0)
        self._open: Connection | None = None

    def finops(self, *args: str) -> Result:
        self.close()
        result = self.workspace.finops("--today", self.stage.today.isoformat(), "-vv", *args)
        self.said += result.out + result.err
        return result

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse, which stays open until the next command."""
        self._open = self._open or connect(self.workspace.folder / "finops.duckdb", read_only=True)
        return self._open.execute(sql).fetchall()

    def close(self) -> None:
        """Let go of the warehouse."""
        if self._open:
            self._open.close()
        self._open = None

    def the_neighbour_delivers(self) -> None:
        """From the next run on the neighbour's bill must be in the ledger, whatever becomes of the source under test."""
        self._neighbours_bill += 1
        bill = focus_csv(str(self._neighbours_bill), account="neighbour", month="2026-09")
        self.workspace.write("neighbour/focus.csv", bill)

    def collect(self, *args: str) -> Run:
        """A run today. The neighbour is read, whatever becomes of the source."""
        began = time.monotonic()
        result = self.finops("collect", "--json", *args)
        seconds = time.monotonic() - began
        assert result.out, result.err
        by_name = {each["source"]: each for each in result.json()}
        source = by_name[SOURCE]
        assert by_name[NEIGHBOUR]["outcome"] == ("complete" if self._neighbours_bill else "empty"), result.err
        run = Run(result.exit_code, source["outcome"], self.holes(source), source, result.out + result.err, seconds)
        said = {(each["billing_period"], each["outcome"], each["what"]) for each in source["holes"]}
        assert said == {(f"{h.month:%Y-%m}" if h.month else None, h.outcome, h.what) for h in run.holes}, result.err
        return run

    def begin_as(self, begun: Path) -> None:
        """A first run, of which nothing is missing; if another ledger has had the very same one, what that made."""
        made = ("finops.duckdb", "landing")
        if begun.exists():
            for name in made:
                copy(begun / name, self.workspace.folder / name)
            return
        run = self.collect()
        assert run.is_clean, run.said
        self.close()
        if not self.stage.is_elsewhere_each_time:
            begun.mkdir()
            for name in made:
                copy(self.workspace.folder / name, begun / name)

    def holes(self, source: dict[str, Any]) -> list[Hole]:
        """What ``ops`` says is missing of the source. Each says what, where and what to do."""
        rows = self.query(
            "SELECT status, billing_period, outcome, what, place, next_step FROM ops.sources "
            f"LEFT JOIN ops.holes USING (source_id) WHERE source_id = '{SOURCE}' ORDER BY ALL"
        )
        assert {status for status, *_ in rows} == {source["outcome"]}
        holes = [Hole(*row) for _, *row in rows if row[1]]
        assert all(each.what and each.place and each.next_step for each in holes), holes
        return holes

    def months(self) -> dict[date, Decimal]:
        """What the ledger says that each month comes to."""
        return dict(
            self.query(
                "SELECT BillingPeriodStart::DATE, sum(BilledCost) FROM focus.cost_and_usage "
                f"WHERE x_SourceId = '{SOURCE}' GROUP BY 1 HAVING sum(BilledCost) <> 0 ORDER BY 1"
            )
        )

    def has_the_neighbours_bill(self) -> bool:
        """Is all of it there that the neighbour has delivered?"""
        rows = self.query(f"SELECT sum(BilledCost) FROM focus.cost_and_usage WHERE x_SourceId = '{NEIGHBOUR}'")
        return rows == [(self._neighbours_bill,)]

    def names(self) -> set[str]:
        """What the inventory calls the things that the source knows."""
        rows = self.query(f"SELECT resource_name FROM inventory.resources WHERE source_id = '{SOURCE}'")
        assert len({name for (name,) in rows}) == len(rows), "each of them once"
        return {name for (name,) in rows}

    def loads(self) -> dict[date, set[str]]:
        """By month: the deliveries that it consists of."""
        found: dict[date, set[str]] = {}
        for month, load in self.query(
            f"SELECT billing_period_start::DATE, load_id FROM ops.loads WHERE source_id = '{SOURCE}' "
            "AND status = 'current' AND billing_period_start IS NOT NULL"
        ):
            found.setdefault(month, set()).add(load)
        return found

    def tomorrow(self) -> None:
        self.stage.next_day()

    def kill_in_the_middle(self, *args: str) -> None:
        """A run as a process of its own, killed when it has begun to fetch."""
        self.close()
        self.stage.forget_calls()
        command = ["--config", str(self.workspace.folder / "finops.toml"), "--today", self.stage.today.isoformat()]
        landing = self.workspace.folder / "landing"
        process = subprocess.Popen(
            [sys.executable, "-m", "finops", *command, "collect", *args],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ,
        )  # fmt: skip
        until, begun = time.monotonic() + 60, False
        try:
            while not begun and process.poll() is None and time.monotonic() < until:
                begun = bool(self.stage.calls_that_fetch()) or any(landing.rglob("*.json"))
                time.sleep(0.001)
        finally:
            process.kill()
        assert begun
        assert process.wait() == -signal.SIGKILL, "it had ended before it could be killed"

    def secrets_found(self) -> list[str]:
        """Where a secret of the source can be read: in any file of the workspace, or in what was printed."""
        found = []
        contents = {str(path): path.read_bytes() for path in self.workspace.folder.rglob("*") if path.is_file()}
        for name, secret in self.stage.secrets.items():
            found += [f"{name} in {path}" for path, content in contents.items() if secret.encode() in content]
            found += [f"{name} in the output"] if secret in self.said else []
        return found
