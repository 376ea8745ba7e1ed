"""A small company's whole report, as it was last read and found good: the page, the workbook, the manifest.

To accept a change: delete the golden file and run the test twice; then read the diff.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from finops.reports.build import Options, ReportFiles
from finops.reports.contexts import Brand
from reports.conftest import Books
from reports.test_xlsx import Workbook

GOLDEN = Path(__file__).parent / "golden"


def page(folder: Path) -> str:
    """Without what every page has: style and script."""
    text = (folder / "index.html").read_text(encoding="utf-8")
    return re.sub(r"(<(style|script)[^>]*>).*?(</\2>)", r"\1\3", text, flags=re.DOTALL)


def workbook(folder: Path) -> str:
    """A line per cell: sheet, place, type, value, number format."""
    (path,) = folder.glob("*.xlsx")
    book = Workbook(path.read_bytes())
    lines = [
        "\t".join((sheet, place, cell.type, str(cell.value), cell.form))
        for sheet in book.paths
        for place, cell in book.cells(sheet).items()
    ]
    return "\n".join(lines) + "\n"


def manifest(folder: Path) -> str:
    """Without the hashes of what is in the repository, which change with every commit."""
    content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for name in ("rules", "templates"):
        assert content.pop(name)
    content["files"] = [each["name"] for each in content["files"]]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


@pytest.fixture
def report(two_weeks: Books, tmp_path: Path) -> ReportFiles:
    return two_weeks.report(tmp_path, options=Options(brand=Brand(name="A Company"), teams=("search", "vision")))


@pytest.mark.parametrize("told", [page, workbook, manifest], ids=lambda told: told.__name__)
@pytest.mark.parametrize("team", ["", "vision"])
def test_it_is_as_it_was(report: ReportFiles, team: str, told: Callable[[Path], str]) -> None:
    folder = report.folder / "teams" / team if team else report.folder
    golden = GOLDEN / f"{told.__name__}{f'-{team}' if team else ''}.txt"
    if not golden.is_file():
        golden.write_text(told(folder), encoding="utf-8", newline="")
        pytest.fail("the golden file was missing and has been written: read it, then run again")
    assert told(folder) == golden.read_text(encoding="utf-8")
