"""Documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import REPO

import finops.errors
from docs.generate import pages
from finops.cli import COMMANDS
from finops.errors import FinopsError

DOCS = REPO / "docs"


@pytest.mark.parametrize("page", ["cli.md", "rules.md", "columns.md", "configuration.md", "templates.md"])
def test_a_generated_page_is_what_the_code_says(page: str) -> None:
    assert (DOCS / page).read_text() == pages()[page], f"run 'make docs' and commit docs/{page}"


def test_every_error_has_a_heading() -> None:
    headings = set(re.findall(r"^## (\S+)$", (DOCS / "messages.md").read_text(), re.MULTILINE))
    slugs = {
        each.slug for each in vars(finops.errors).values() if isinstance(each, type) and issubclass(each, FinopsError)
    }
    assert slugs == headings


def test_the_readme_names_only_commands_that_exist() -> None:
    text = (REPO / "README.md").read_text()
    named = set(re.findall(r"`finops ([a-z]+)", text)) | set(re.findall(r"^finops ([a-z]+)", text, re.MULTILINE))
    assert named
    assert named <= COMMANDS.keys()


def test_relative_links_lead_somewhere() -> None:
    for page in [REPO / "README.md", *DOCS.rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.relative_to(REPO)} links to {link}"


def test_the_mapping_in_the_docs_works(tmp_path: Path, workspace) -> None:  # type: ignore[no-untyped-def]
    """The example of a vendor's own mapping is a file that loads a bill."""
    sql = re.search(r"```sql\n(.*?)```", (DOCS / "queries.md").read_text(), re.DOTALL)
    assert sql
    workspace.write("queries/normalise/example_vendor.sql", sql[1])
    bill = workspace.write(
        "gpu.csv", 'contract_no,day,gpu_hours,amount_eur,labels\nC-1,03.09.2026,8,"1,234.50","{""team"": ""search""}"\n'
    )
    assert workspace.finops("load", bill).exit_code == 0
    assert workspace.query(
        "SELECT BilledCost::VARCHAR, BillingCurrency, ChargePeriodStart::DATE::VARCHAR, Tags['team'] FROM focus.cost_and_usage"
    ) == [("1234.500000000000000000", "EUR", "2026-09-03", "search")]
