"""Writes docs/sample_report/ from the fixtures: the demo company's weekly report with one team's, and how they look.

``make sample-report``. The files are as ``finops run`` writes them; the pictures need a Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from finops.reports.pdf import PrintError, find_browser

DOCS = Path(__file__).parent
FIXTURES = DOCS.parent / "fixtures"
SAMPLE = DOCS / "sample_report"
TODAY = "2026-10-26"
REPORT = "weekly-2026-W43"
TEAM = "ml-research"
A4 = {"width": 794, "height": 1123}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = _report(Path(folder))
        shutil.rmtree(SAMPLE, ignore_errors=True)
        shutil.copytree(page.parent, SAMPLE / REPORT)
    try:
        browser = find_browser()
    except PrintError as problem:
        print(f"no pictures: {problem}", file=sys.stderr)
        return
    _pictures(SAMPLE / REPORT, browser)


def _report(folder: Path) -> Path:
    """The demo company's page."""
    (folder / "fixtures").symlink_to(FIXTURES)
    workspace = folder / "workspace"
    shutil.copytree(FIXTURES / "workspace", workspace)
    config = workspace / "finops.toml"
    config.write_text(f'{config.read_text()}\n[reports]\nteams = ["{TEAM}"]\n')
    command = [sys.executable, "-m", "finops", "--today", TODAY, "--quiet", "run"]
    done = subprocess.run(command, cwd=workspace, stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.splitlines()[-1])


def _pictures(report: Path, browser: str) -> None:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 960})
        page.goto((report / "index.html").as_uri())
        _shoot(page, "light-1280")
        page.emulate_media(color_scheme="dark")
        _shoot(page, "dark-1280")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 390, "height": 1640})
        _shoot(page, "phone-390")
        page.emulate_media(media="print")
        page.set_viewport_size(A4)  # type: ignore[arg-type]
        page.add_style_tag(content="body { padding: 13mm } .jump { display: none }")
        _shoot(page, "paper-a4")
        page.goto((report / "teams" / TEAM / "index.html").as_uri())
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": 1280, "height": 960})
        _shoot(page, "team-1280")
        chromium.close()


def _shoot(page: Page, name: str) -> None:
    page.screenshot(path=SAMPLE / f"{name}.png")


if __name__ == "__main__":
    main()
