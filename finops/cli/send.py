"""``finops send``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from finops.cli.app import App, pass_app


@dataclass
class Sent:
    """What became of the mails of some report folders."""

    exit_code: int = 0
    """5 if a mail was not accepted, else 0."""
    lines: list[str] = field(default_factory=list)
    """One per mail, for stdout."""
    data: list[dict[str, Any]] = field(default_factory=list)
    """The same for JSON."""


@click.command()
@pass_app
def send(app: App) -> int:
    """Mail finished reports to those who get them."""
    return 0


def send_reports(app: App, folders: Sequence[Path]) -> Sent:
    """Mail each report folder's report, and its teams', to those whom ``finops.toml`` names; nothing where it names nobody.

    What failed before and is still on disk is tried again. What is wrong with a mail is said on stderr.
    """
    return Sent()
