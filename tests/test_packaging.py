"""A wheel carries the SQL and the templates, and works where there is no checkout."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from conftest import REPO, focus_csv


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=REPO, check=True, capture_output=True)  # fmt: skip
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_query_and_template(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder, packaged in (("queries", "finops/_queries"), ("reports/templates", "finops/_templates")):
        files = [path for path in (REPO / folder).rglob("*") if path.is_file()]
        assert files
        missing = [
            path.name for path in files if f"{packaged}/{path.relative_to(REPO / folder).as_posix()}" not in inside
        ]
        assert not missing
    assert "finops/py.typed" in inside
    assert not any(name.startswith(("tests/", "fixtures/", "benchmarks/")) for name in inside)


def test_the_wheel_works_when_installed_elsewhere(wheel: Path, tmp_path: Path) -> None:
    """In a virtual environment of its own, with this one's libraries but without the checkout."""
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    site = next((home / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "libraries.pth").write_text(libraries)
    (tmp_path / "bill.csv").write_text(focus_csv("1.25"))

    def finops(*args: str) -> str:
        code = "import finops; assert 'site-packages' in finops.__file__; from finops.cli import main; main()"
        result = subprocess.run([home / "bin" / "python", "-c", code, *args], cwd=tmp_path, capture_output=True, text=True, check=False)  # fmt: skip
        assert result.returncode == 0, result.stderr
        return result.stdout

    finops("init")
    finops("load", "bill.csv")
    finops("--today", "2026-10-01", "report", "--period", "2026-09")
    assert finops(
        "analyze", "--sql", "SELECT sum(BilledCost) AS cost FROM focus.cost_and_usage", "--format", "csv"
    ).split() == [
        "cost",
        "1.25",
    ]
