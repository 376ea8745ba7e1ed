"""The weekly report of 40 teams from 10 million charges: ``make bench-report``.

The same bill, mappings and pools as ``make bench``, with 40 teams: each gets a page, CSV files, a workbook and a mail's body of its own.
The floor is plain DuckDB: sums by team, service and resource of the week and the week before, over the same shares, once.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.run import HERE, TEAMS, measure, write_mappings

FLOOR = """
import duckdb, sys
con = duckdb.connect(sys.argv[1], read_only=True, config={"threads": 2})
con.execute('''SELECT Team, ServiceName, ResourceId, ChargePeriodStart >= DATE '2026-09-28' AS now, sum(AllocatedEffectiveCost)
FROM allocation.charges WHERE ChargePeriodStart >= DATE '2026-09-21' GROUP BY ALL ORDER BY ALL LIMIT 1''').fetchall()
"""


def write_teams(folder: Path) -> None:
    """40 teams: four by tags, 36 by their account; every tenth of the bill's 40 accounts is a pool."""
    owners = ["networking" if n % 10 == 9 else f"team-{n:02}" for n in range(40)]
    write_mappings(folder, [*TEAMS, *(each for each in owners if each != "networking")])
    with (folder / "accounts.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["account_id", "team"], *([100000000000 + n, owner] for n, owner in enumerate(owners))]
        )


def main() -> None:
    """Load, build and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--memory", default="1200MB", help="DuckDB's memory_limit")
    options = parser.parse_args()
    data = HERE / "data" / f"cur2-fees-{options.rows}-200000"
    make = [sys.executable, "-m", "benchmarks.generate", str(data), str(options.rows), "200000"]
    subprocess.run(make, cwd=HERE.parent, check=True)
    with tempfile.TemporaryDirectory(prefix="finops-bench-") as temporary:
        workspace = Path(temporary)
        (workspace / "finops.toml").write_text(
            f'[sources.aws]\ntype = "files"\npath = "{data.resolve()}"\n'
            f'[warehouse]\nthreads = 2\nmemory_limit = "{options.memory}"\n'
        )
        write_teams(workspace / "mappings")
        finops = [sys.executable, "-m", "finops", "--today", "2026-10-05", "--quiet"]
        measure("finops load", [*finops, "load", str(data), "--source", "aws"], workspace, None)
        measure("finops build", [*finops, "build"], workspace, None)
        floor = measure(
            "floor: one question over all shares",
            [sys.executable, "-c", FLOOR, "finops.duckdb"],
            workspace,
            None,
        )
        measure("finops report, 40 teams", [*finops, "report", "weekly"], workspace, floor.seconds)
        pages = list((workspace / "reports").glob("weekly-*/teams/*/index.html"))
        print(f"{len(pages)} teams' pages, {sum(1 for each in workspace.glob('reports/**/*') if each.is_file())} files")
        measure("finops report, nothing new", [*finops, "report", "weekly"], workspace, floor.seconds)


if __name__ == "__main__":
    main()
