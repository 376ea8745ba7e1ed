"""Measures what the README claims: ``make bench`` (10 million rows) or ``python -m benchmarks.run --rows 1e6``.

Each step is a process of its own, so that its peak memory is its own. The table gives seconds, the ratio to the floor, memory.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from finops.rules.catalogue import Catalogue

HERE = Path(__file__).parent
MAPPING_ENTRIES, RULES = 50_000, 50
TEAMS = ("ml-research", "search", "data-eng", "payments")


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


def write_mappings(folder: Path, teams: Sequence[str] = TEAMS) -> None:
    """Account, project and resource entries, 50,000 in all, 200 of them regular expressions; three pools that are divided by
    cost, by percentages and evenly, the first feeding the second."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = MAPPING_ENTRIES - 200
    exact, prefixes = entries // 2, entries // 10
    others = (entries - exact - prefixes) // 2
    ids = [hashlib.md5(str(n).encode(), usedforsecurity=False).hexdigest() for n in range(exact)]
    tables = {
        "teams.csv": [["team", "name"], *([team, team] for team in teams)],
        # a tag 'platform' names a pool, and so do a fifth of the accounts
        "pools.csv": [["pool", "split", "among", "fallback"], ["platform", "by_cost", "", "even"],
                      ["networking", "by_percent", "", ""], ["tooling", "even", "search;payments", ""]],
        "splits.csv": [["pool", "team", "percent"], ["networking", "search", "33.3"], ["networking", "payments", "33.3"],
                       ["networking", "platform", "33.4"]],
        "accounts.csv": [["account_id", "team"], *([str(100000000000 + n * 2), [*teams, *["networking"] * (len(teams) // 4)][n % (len(teams) + len(teams) // 4)]] for n in range(others))],
        "projects.csv": [["project_id", "team"], *([f"project-{n}", teams[n % len(teams)]] for n in range(others))],
        "resources.csv": [["pattern", "team"],
                          *([f"arn:aws:AmazonEC2:us-east-1:100000000001:res/{key}", teams[n % len(teams)]] for n, key in enumerate(ids)),
                          *([f"arn:aws:AmazonS3:eu-west-1:1000000000{n % 40:02}:res/{n:05x}.*", teams[n % len(teams)]] for n in range(prefixes)),
                          *([f"arn:aws:Amazon(RDS|EKS):[a-z0-9-]+:1000000000{n % 40:02}:res/{n:02x}[0-9a-f]+", "tooling"] for n in range(200))],
    }  # fmt: skip
    for name, rows in tables.items():
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)


RULE = """/*
id: bench_{n:02}
title: What rule {n} says
version: 1
owner: bench
order: {order}
method: mapped
why: A rule as users write them, over service, region, operation and a tag.
*/
WITH bench_{n:02} AS (
    SELECT x_DimensionId, '{team}' AS Team, 'rule {n}' AS x_AllocationReason
    FROM allocation.remaining
    WHERE x_Operation = 'Operation{n}' AND RegionId = '{region}' AND Tags['user_env'] = '{env}'
      AND regexp_matches(coalesce(ResourceId, ''), '[{n:02}]$')
)
SELECT x_DimensionId, Team, x_AllocationReason FROM bench_{n:02}
"""


def write_rules(folder: Path) -> int:
    """As many rules as make 50 with the shipped ones; the answer is how many."""
    shipped = len(Catalogue().layer("allocate"))
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(RULES - shipped):
        values = {"team": ["search", "payments", "networking"][n % 3], "region": ["us-east-1", "eu-west-1"][n % 2]}
        text = RULE.format(n=n, order=500 + n, env=["prod", "dev", "staging"][n % 3], **values)
        (folder / f"bench_{n:02}.sql").write_text(text)
    return RULES - shipped


def main() -> None:
    """Generate, measure, print; ``--json`` keeps the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--dimensions", type=lambda text: int(float(text)), default=200_000)
    parser.add_argument("--data", type=Path, default=HERE / "data")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = options.data / f"cur2-fees-{options.rows}-{options.dimensions}"
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
    write_rules(workspace / "queries" / "allocate")
    tagged = measure(
        f"finops build, {RULES} rules, {MAPPING_ENTRIES:,} entries, 3 pools",
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
    print(
        f"allocating by {RULES} rules, {MAPPING_ENTRIES:,} entries, 3 pools {tagging:.1f} s = {tagging / load.seconds:.0%} of loading"
    )
    return [floor, load, build, tagged, report, again]


if __name__ == "__main__":
    main()
