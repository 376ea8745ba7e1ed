"""docs/sample_report/ is a report as finops wrote it, with pictures of it. Whether it is the newest is not asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from finops.reports.manifest import verify
from tests.conftest import REPO

SAMPLE = REPO / "docs" / "sample_report"
REPORT = SAMPLE / "weekly-2026-W43"


@pytest.mark.parametrize("folder", [REPORT, REPORT / "teams" / "ml-research"], ids=["company", "team"])
def test_every_file_of_the_sample_is_as_its_manifest_says(folder: Path) -> None:
    found = verify(folder)
    assert found.as_written, (found.changed, found.missing, found.extra)
    assert found.files > 10


def test_pictures_show_it_in_light_dark_on_a_phone_and_on_paper() -> None:
    pictures = {path.stem for path in SAMPLE.glob("*.png")}
    assert pictures >= {"light-1280", "dark-1280", "phone-390", "paper-a4", "team-1280"}
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 3_000_000
