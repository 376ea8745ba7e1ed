"""Measures what the README claims: ``make bench`` (10 million rows) or ``python -m benchmarks.run --rows 1e6``.

Each step is a process of its own, so that its peak memory is its own. The table gives seconds, the ratio to the floor, memory.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
MAPPING_ENTRIES = 5_000


@dataclass(frozen=True)
class Measured:
    """One step."""

    step: str
    seconds: float
    ratio_to_floor: float
    peak_gb: float


def measure(step: str, command: list[str], cwd: Path, floor: float | None, output: Path | None = None) -> Measured:
    """Run a command; its wall time and the largest resident memory that it had."""
    started = time.perf_counter()
    with (output or Path(os.devnull)).open("w") as stdout:
        process = subprocess.Popen(command, cwd=cwd, env={**os.environ, "PYTHONPATH": str(HERE.parent)}, stdout=stdout)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{step} failed: {' '.join(command)}")
    measured = Measured(
        step, round(seconds, 2), round(seconds / (floor or seconds), 2), round(usage.ru_maxrss / 1e6, 2)
    )
    print(
        f"{measured.step:<44}{measured.seconds:>9.2f} s{measured.ratio_to_floor:>8.2f} x{measured.peak_gb:>8.2f} GB",
        flush=True,
    )
    return measured


def write_mappings(folder: Path) -> None:
    """Account, project and resource entries, 5,000 in all; most match nothing, as in life."""
    folder.mkdir(parents=True, exist_ok=True)
    teams = ["ml-research", "search", "platform", "data-eng", "payments"]
    tables = {
        "teams.csv": [["team", "name"], *([team, team] for team in teams)],
        "accounts.csv": [["account_id", "team"], *([str(100000000000 + n * 2), teams[n % 5]] for n in range(2000))],
        "projects.csv": [["project_id", "team"], *([f"project-{n}", teams[n % 5]] for n in range(2000))],
        "resources.csv": [["pattern", "team"], *([f":res/{n:05x}", teams[n % 5]] for n in range(1000))],
    }
    for name, rows in tables.items():
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)


def main() -> None:
    """Generate, measure, print; ``--json`` keeps the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--dimensions", type=lambda text: int(float(text)), default=200_000)
    parser.add_argument("--data", type=Path, default=HERE / "data")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = options.data / f"cur2-{options.rows}-{options.dimensions}"
    # in a process of its own: a child's peak memory starts with what its parent had
    make = [sys.executable, "-m", "benchmarks.generate", str(data), str(options.rows), str(options.dimensions)]
    subprocess.run(make, cwd=HERE.parent, check=True)
    size = sum(file.stat().st_size for file in data.glob("*.parquet"))
    with tempfile.TemporaryDirectory(prefix="finops-bench-") as temporary:
        work = Path(temporary)
        results = _measure_all(work, data)
        warehouse = (work / "ws" / "finops.duckdb").stat().st_size
        wide = (work / "floor.duckdb").stat().st_size
        print(
            f"\ndelivered {size / 1e6:,.0f} MB zstd Parquet; warehouse {warehouse / 1e6:,.0f} MB; wide table {wide / 1e6:,.0f} MB"
        )
        if options.json:
            options.json.write_text(json.dumps([asdict(each) for each in results], indent=1))
        shutil.rmtree(work, ignore_errors=True)


def _measure_all(work: Path, data: Path) -> list[Measured]:
    finops = [sys.executable, "-m", "finops", "--today", "2026-10-05", "--quiet"]
    workspace = work / "ws"
    workspace.mkdir()
    (workspace / "finops.toml").write_text(
        f'[sources.aws]\ntype = "files"\npath = "{data.resolve()}"\n[warehouse]\nthreads = 2\n'
    )
    plain = [sys.executable, "-m", "benchmarks.floor", str(data), str(work / "floor.duckdb")]
    floor = measure("floor: one wide table of 65 columns", plain, work, None)
    load = measure("finops load", [*finops, "load", str(data), "--source", "aws"], workspace, floor.seconds)
    build = measure("finops build", [*finops, "build"], workspace, floor.seconds)
    write_mappings(workspace / "mappings")
    tagged = measure(
        f"finops build, {MAPPING_ENTRIES:,} new mapping entries",
        [*finops, "build", "--json"],
        workspace,
        floor.seconds,
        output=work / "build.json",
    )
    report = measure("finops run: the report", [*finops, "run"], workspace, floor.seconds)
    again = measure("finops run, nothing new", [*finops, "run"], workspace, floor.seconds)
    seconds = {stage["stage"]: stage["seconds"] for stage in json.loads((work / "build.json").read_text())["stages"]}
    tagging = seconds["mappings"] + seconds["allocate"]
    both = load.seconds + build.seconds
    print(f"\nload and build {both:.1f} s = {both / floor.seconds:.2f} x floor")
    print(f"tagging with {MAPPING_ENTRIES:,} entries {tagging:.1f} s = {tagging / load.seconds:.0%} of loading")
    return [floor, load, build, tagged, report, again]


if __name__ == "__main__":
    main()
