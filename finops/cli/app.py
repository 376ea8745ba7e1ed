"""What every command needs: the workspace, the calendar, the warehouse, and how to talk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from finops.config.load import Workspace
    from finops.rules.catalogue import Catalogue
    from finops.warehouse.connection import Connection


@dataclass
class App:
    """The global options, and what is made from them when it is first needed."""

    config: Path | None = None
    today: date | None = None
    verbose: int = 0
    quiet: bool = False
    no_color: bool = False

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace.

        Raises:
            ConfigError: there is none, or it is wrong.
        """
        from finops.config.load import find_workspace

        return find_workspace(self.config)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The shipped queries with the workspace's on top."""
        from finops.rules.catalogue import Catalogue

        return Catalogue(self.workspace.path(self.workspace.config.paths.queries))

    @cached_property
    def now(self) -> datetime:
        """The time of the run, to the second."""
        return datetime.now(tz=UTC).replace(microsecond=0)

    @property
    def calendar(self) -> date:
        """The day that counts as today."""
        return self.today or self.now.date()

    @contextmanager
    def warehouse(self, *, read_only: bool = False) -> Iterator[Connection]:
        """The warehouse, migrated; closed at the end."""
        from finops.warehouse.connection import connect
        from finops.warehouse.schema import migrate

        settings = self.workspace.config.warehouse
        con = connect(
            self.workspace.warehouse, read_only=read_only, memory_limit=settings.memory_limit, threads=settings.threads
        )
        try:
            if not read_only:
                migrate(con)
            yield con
        finally:
            con.close()

    @property
    def interactive(self) -> bool:
        """Is a person watching? Then progress is shown."""
        return sys.stderr.isatty() and not self.quiet

    @property
    def colour(self) -> bool:
        """May colours be used?"""
        return not self.no_color and not os.environ.get("NO_COLOR")

    def say(self, text: str) -> None:
        """Talk, on stderr."""
        if not self.quiet:
            click.echo(text, err=True)

    def detail(self, text: str) -> None:
        """Talk that only -v asks for."""
        if self.verbose:
            click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """Something that the reader should not miss, whatever the verbosity."""
        click.secho("warning: ", fg="yellow" if self.colour else None, err=True, nl=False)
        click.echo(text, err=True)


pass_app = click.make_pass_decorator(App)
