"""A few of the shipped queries: what a test of allocation needs, without the findings and checks that it does not look at."""

from __future__ import annotations

import shutil
from pathlib import Path

from finops.resources import shipped_queries

ALLOCATE = ("team_tag", "account_map")
CHECKS = ("allocation_reconciles", "frozen_months_as_booked")
NORMALISE = ("focus",)


def few_rules(folder: Path, *, every_format: bool = False) -> Path:
    """A folder that can stand for the shipped one: ``Catalogue(overlay, few_rules(folder))``."""
    formats = [path.stem for path in (shipped_queries() / "normalise").glob("*.sql")] if every_format else NORMALISE
    kept = {"allocate": ALLOCATE, "checks": CHECKS, "normalise": formats}
    target = folder / ("few_rules_of_every_format" if every_format else "few_rules")
    if not target.exists():
        shutil.copytree(
            shipped_queries(),
            target,
            ignore=lambda path, names: [
                name
                for name in names
                if name.endswith(".sql") and not name.startswith("_") and name[:-4] not in kept.get(Path(path).name, ())
            ],
        )
    return target
