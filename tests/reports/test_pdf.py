"""PDF of a page, by whatever Chromium there is."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest
from pypdf import PdfReader

from finops.reports.pdf import PrintError, find_browser, print_page
from tests.conftest import Workspace, focus_csv

PAGE = (
    '<!doctype html><title>Bills</title><h1>USD 12.30</h1><a href="spend.csv">spend.csv</a>'
    '<a href="https://docs.example/">how</a><p style="break-before: page">second</p>'
)
TODAY = date(2026, 10, 26)


def a_program(folder: Path, script: str) -> str:
    path = folder / "chromium"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_same_page_gives_the_same_bytes() -> None:
    try:
        find_browser()
    except PrintError as problem:
        pytest.skip(str(problem))
    one = print_page(PAGE, TODAY)
    assert one == print_page(PAGE, TODAY)
    read = PdfReader(io.BytesIO(one))
    assert [page.extract_text().split()[0] for page in read.pages] == ["USD", "second"]
    assert read.metadata is not None
    assert read.metadata.title == "Bills"
    assert str(read.metadata.creation_date) == "2026-10-26 00:00:00+00:00"
    links = [str(note.get_object()["/A"]["/URI"]) for page in read.pages for note in page.get("/Annots", [])]
    assert links == ["https://docs.example/"], "a file beside the page is not beside its PDF"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("sleep 30", "took longer than 1 s"),
        ("echo 'cannot open display' >&2; exit 3", r"printed nothing \(exit 3\): cannot open display"),
    ],
)
def test_what_chromium_fails_at_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    monkeypatch.setenv("FINOPS_CHROMIUM", a_program(tmp_path, script))
    with pytest.raises(PrintError, match=message):
        print_page(PAGE, TODAY, seconds=1)


def test_a_report_goes_on_without_and_gets_its_pdf_as_soon_as_it_can(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.write("bill.csv", focus_csv("10", "2.5", month="2026-10"))
    workspace.write("finops.toml", "[reports]\nteams = false\nxlsx = false\n")
    workspace.finops("load", workspace.folder / "bill.csv")
    folder = workspace.folder / "reports" / "weekly-2026-W43"

    monkeypatch.setenv("FINOPS_CHROMIUM", "no-such-browser")
    done = workspace.finops("--today", "2026-10-26", "report", "--pdf")
    assert done.exit_code == 0
    assert "warning: no PDF: FINOPS_CHROMIUM=no-such-browser is no program" in done.err
    assert "[reports] pdf = false" in done.err
    assert (folder / "index.html").is_file()

    monkeypatch.setenv("FINOPS_CHROMIUM", a_program(workspace.folder, "exit 1"))
    done = workspace.finops("--today", "2026-10-26", "report", "--pdf")
    assert done.exit_code == 0
    assert "warning: " in done.err
    assert "printed nothing (exit 1)" in done.err
    assert not list(folder.glob("*.pdf"))

    prints = 'for each; do case "$each" in --print-to-pdf=*) printf %%PDF-1.4 > "${each#*=}";; esac; done'
    monkeypatch.setenv("FINOPS_CHROMIUM", a_program(workspace.folder, prints))
    assert workspace.finops("--today", "2026-10-26", "report", "--pdf").exit_code == 0
    assert (folder / "weekly-2026-W43.pdf").read_bytes() == b"%PDF-1.4"
    assert "weekly-2026-W43.pdf" in (folder / "manifest.json").read_text()
