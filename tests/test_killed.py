"""Killed at any moment, the next run finds a consistent warehouse and finishes the work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import Workspace, focus_csv

from finops.warehouse.connection import connect


def big_bill(path: Path, rows: int, cost: str) -> Path:
    """A FOCUS file that takes a second or so to load."""
    header, first, *_ = focus_csv(cost).split("\n")
    path.write_text("\n".join([header, *([first] * rows), ""]))
    return path


@pytest.mark.parametrize("delay", [0.15, 0.45, 0.8, 1.5])
def test_kill_dash_nine_during_a_load(workspace: Workspace, delay: float) -> None:
    workspace.finops("load", workspace.write("old.csv", focus_csv("7")))
    bill = big_bill(workspace.folder / "new.csv", 300_000, "0.01")
    os.utime(bill, (time.time() + 60, time.time() + 60))
    process = subprocess.Popen(
        [sys.executable, "-m", "finops", "load", str(bill)], cwd=workspace.folder, stderr=subprocess.DEVNULL
    )
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()

    con = connect(workspace.folder / "finops.duckdb")
    cost, rows = con.execute("SELECT sum(BilledCost), count(*) FROM focus.cost_and_usage").fetchone() or (0, 0)
    con.close()
    assert (cost, rows) in [(Decimal(7), 1), (Decimal(3000), 300_000)], "the old slice or the new one, never a mixture"

    assert workspace.finops("load", bill).exit_code == 0
    assert workspace.query("SELECT sum(BilledCost), count(*) FROM focus.cost_and_usage") == [(Decimal(3000), 300_000)]
    assert workspace.query("SELECT count(*) FROM ops.loads WHERE status = 'current'") == [(1,)]
    assert not list((workspace.folder / "landing").rglob("*.partial")), "what the killed run left behind is tidied away"


@pytest.mark.parametrize("delay", [0.3, 0.9])
def test_kill_dash_nine_while_everything_is_made_again(workspace: Workspace, delay: float) -> None:
    """The old ledger stays until the new one is whole, and nothing is left lying about."""
    workspace.finops("load", big_bill(workspace.folder / "bill.csv", 300_000, "0.01"))
    process = subprocess.Popen(
        [sys.executable, "-m", "finops", "build", "--full"], cwd=workspace.folder, stderr=subprocess.DEVNULL
    )
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert workspace.query("SELECT sum(BilledCost), count(*) FROM focus.cost_and_usage") == [(Decimal(3000), 300_000)]
    assert workspace.finops("build", "--full").exit_code == 0
    assert workspace.query("SELECT sum(BilledCost), count(*) FROM focus.cost_and_usage") == [(Decimal(3000), 300_000)]
    assert not list(workspace.folder.glob(".finops.duckdb.*"))


def test_a_delivery_that_was_landed_but_not_loaded_is_finished_by_the_next_build(workspace: Workspace) -> None:
    workspace.finops("load", workspace.write("bill.csv", focus_csv("1", "2")))
    for file in workspace.folder.glob("finops.duckdb*"):
        file.unlink()  # as if killed between landing and loading
    (workspace.folder / "bill.csv").unlink()
    assert workspace.finops("build").exit_code == 0
    assert workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage") == [(Decimal(3),)]


def test_a_warehouse_in_use_is_said_and_not_waited_for(workspace: Workspace) -> None:
    bill = workspace.write("bill.csv", focus_csv("1"))
    workspace.finops("load", bill)
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import duckdb,time; c=duckdb.connect({str(workspace.folder / 'finops.duckdb')!r}); print('up', flush=True); time.sleep(30)"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout and holder.stdout.readline()
    try:
        result = workspace.finops("load", bill)
        assert result.exit_code == 2
        assert f"in use by another process (PID {holder.pid})" in result.err
    finally:
        holder.kill()
        holder.wait()
