"""What docs/sources.md and the README tell somebody who sets finops up once is what finops does."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from conftest import FIXTURES, REPO

from finops.cli import COMMANDS, cli
from finops.collectors.aws import cost_explorer
from finops.collectors.gcp.troubles import ROLES
from finops.collectors.interface import Outcome
from finops.collectors.registry import collector
from finops.config.schema import Config
from finops.config.sources import SOURCE_TYPES

PAGE = (REPO / "docs" / "sources.md").read_text()
README = (REPO / "README.md").read_text()
SECTIONS = {
    part.partition("\n")[0]: part.partition("\n")[2] for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
}
TOML = [
    pytest.param(block, id=f"{name}:{text[: text.index(block)].count(chr(10)) + 1}")
    for name, text in {"sources.md": PAGE, "README.md": README}.items()
    for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
]
FAKES = sorted(set(re.findall(r"`tests\.collectors\.fakes\.(\w+)", PAGE)))
FIXED_PORT = {"bigquery", "llm"}
"""Two at the same time cannot be, so that a test starts none."""


def section(type_: str) -> str:
    """What the page says of a type of source."""
    return next((text for title, text in SECTIONS.items() if f"`{type_}`" in title), "")


@pytest.mark.parametrize("block", TOML)
def test_what_is_shown_of_finops_toml_is_accepted(block: str) -> None:
    assert Config.model_validate(tomllib.loads(block)) != Config()


@pytest.mark.parametrize("type_", SOURCE_TYPES)
def test_every_type_of_source_has_a_section_with_an_example(type_: str) -> None:
    assert f'type = "{type_}"' in section(type_)
    assert f"`{type_}`" in PAGE.partition("\n## ")[0], "and a line in the overview"


@pytest.mark.parametrize("type_", SOURCE_TYPES)
def test_a_section_says_what_to_switch_on_what_comes_what_it_costs_and_what_it_lacks(type_: str) -> None:
    said = re.sub(r"\s+", " ", section(type_)).lower()
    for what in ("fetched", "costs", "hasn't"):
        assert f"**{what}" in said or f"{what}:**" in said
    assert "switch on" in said or "permissions:" in said or "ask from" in said


def test_every_outcome_is_in_the_table_and_no_other() -> None:
    rows = re.findall(r"^\| (\w+) \| .* \| .*\|$", SECTIONS["When something could not be read"], re.MULTILINE)
    assert sorted(rows[1:]) == sorted(each.value for each in Outcome)  # but for the heading


def test_the_messages_page_names_every_outcome_that_is_a_hole() -> None:
    text = (REPO / "docs" / "messages.md").read_text()
    assert [each.value for each in Outcome if each.is_hole and not re.search(rf"\b{each.value}\b", text)] == []


@pytest.mark.parametrize("text", [PAGE, README], ids=["sources.md", "README.md"])
def test_commands_and_their_options_exist(text: str) -> None:
    calls = re.findall(r"(?:`|^|&& )finops ([^`#\n]+)", text, re.MULTILINE)
    calls = [call for call in calls if not call.startswith("=")]
    assert calls
    for call in calls:
        command: click.Command = cli
        for word in call.split():
            name = word.partition("=")[0]
            if name.startswith("-"):
                assert name in {option for each in command.params for option in each.opts}, f"finops {call}"
            elif command is cli and name in COMMANDS:
                command = cli.get_command(click.Context(cli), name) or command
        assert command is not cli, f"finops {call}"


def test_links_within_the_page_lead_to_its_headings() -> None:
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in SECTIONS}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors
    pages = [*(REPO / "docs").glob("*.md"), REPO / "README.md"]
    assert {each for page in pages for each in re.findall(r"sources\.md#([^)]+)\)", page.read_text())} <= anchors


@pytest.mark.parametrize("type_", ["gcp-bigquery", "gcp-billing", "gcp-utilisation"])
def test_the_roles_of_google_cloud_are_those_that_carry_the_permissions(type_: str) -> None:
    source = tomllib.loads(re.findall(r"```toml\n(.*?)```", section(type_), re.DOTALL)[0])["sources"]
    needed = collector("gcp", SOURCE_TYPES[type_](**next(iter(source.values()))), Path()).permissions()
    assert {ROLES[each.action] for each in needed} <= set(re.findall(r"`(roles/[\w.]+)`", section(type_)))


def test_numbers_are_those_of_the_code() -> None:
    said = section("aws-cost-explorer")
    assert f"{cost_explorer.PRICE} USD for each page" in said
    assert f"{cost_explorer.SETTLED.days} days after its end" in re.sub(r"\s+", " ", said)
    assert f"more than {cost_explorer.MONTHS_KEPT} months" in said
    bigquery = SOURCE_TYPES["gcp-bigquery"].model_fields
    assert f"{bigquery['usd_per_tib'].default} USD per TiB" in section("gcp-bigquery")
    assert f"({SOURCE_TYPES['openai'].model_fields['deadline'].default})" in PAGE


def test_every_fake_can_be_started_by_hand() -> None:
    """The ones with a free port are started as the page says, all at once, and each prints its address."""
    assert set(FAKES) > FIXED_PORT
    for name in FAKES:
        assert '__name__ == "__main__"' in (REPO / "tests" / "collectors" / "fakes" / f"{name}.py").read_text()
    started = {
        name: subprocess.Popen(
            [sys.executable, "-u", "-m", f"tests.collectors.fakes.{name}", FIXTURES / "azure"],
            cwd=REPO,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in FAKES
        if name not in FIXED_PORT
    }
    try:
        for name, process in started.items():
            assert process.stdout
            assert any("127.0.0.1:" in line for line in process.stdout), f"{name} ended without an address"
    finally:
        for process in started.values():
            process.kill()
            process.communicate()
