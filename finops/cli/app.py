"""What every command needs: the workspace, the calendar, the warehouse, and how to talk."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from finops.config.load import Workspace
    from finops.errors import FinopsError
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
    heard: list[Callable[[str, str], None]] = field(default_factory=list)
    """Who else is told what is said, whatever the verbosity: a level (``debug``, ``info``, ``warning``, ``error``) and the text."""

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace.

        Raises:
            ConfigError: there is none, or it is wrong.
        """
        from finops.config.load import find_workspace
        from finops.errors import ConfigError

        try:
            return find_workspace(self.config)
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"finops.toml is not UTF-8 (byte {error.start})",
                where=str(self.config or ""),
                next_step="Save it as UTF-8.",
            ) from error

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
        return coloured(self.no_color)

    def say(self, text: str) -> None:
        """Talk, on stderr."""
        self.note("info", text)
        if not self.quiet:
            _talk(text)

    def detail(self, text: str) -> None:
        """Talk that only -v asks for."""
        self.note("debug", text)
        if self.verbose:
            _talk(text)

    def warn(self, text: str) -> None:
        """Something that the reader should not miss, whatever the verbosity."""
        self.note("warning", text)
        _talk(click.style("warning: ", fg="yellow" if self.colour else None, reset=self.colour) + text)

    def error(self, problem: FinopsError) -> None:
        """A problem that does not stop the rest."""
        self.note("error", str(problem))
        error_line(problem, self.colour)

    def note(self, level: str, text: str) -> None:
        """For those who listen, such as a log: nothing is said on stderr."""
        for each in self.heard:
            each(level, text)


def coloured(no_color: bool) -> bool:
    """May colours be used?"""
    return not no_color and not os.environ.get("NO_COLOR")


def error_line(problem: FinopsError, colour: bool) -> None:
    """An error in words, on stderr."""
    _talk((click.style("error: ", fg="red", bold=True) if colour else "error: ") + str(problem))


def _talk(text: str) -> None:
    """A line on stderr. That nobody reads it any more is no reason to stop the work."""
    with suppress(BrokenPipeError):
        click.echo(text, err=True)


pass_app = click.make_pass_decorator(App)
