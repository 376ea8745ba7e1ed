"""``ops.runs``: every command that may change the warehouse notes that it runs, and how it ended."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from finops import __version__
from finops.cli.app import App

if TYPE_CHECKING:
    from finops.warehouse.connection import Connection

STOPPED = 130
"""The exit code after Ctrl-C."""


@dataclass
class Entry:
    """One run of a command."""

    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    exit_code: int = 0
    """Set by the command; anything but 0 makes the run ``incomplete``."""

    @property
    def outcome(self) -> str:
        """``complete``, or ``incomplete`` where something could not be read or sent."""
        return "incomplete" if self.exit_code else "complete"


@contextmanager
def noted(app: App, con: Connection, command: str) -> Iterator[Entry]:
    """Note a run: its command, calendar, times, version, exit code and outcome.

    The outcome is ``running`` until it ends, and stays so if it is killed; ``failed``, with the error, if it raises; ``stopped``
    after Ctrl-C.
    """
    entry = Entry()
    started = _now()
    columns = "(run_id, command, today, started_at, tool_version, outcome, detail)"
    con.execute(
        f"INSERT INTO ops.runs {columns} VALUES (?, ?, ?, ?, ?, 'running', '')",
        [entry.run_id, command, app.calendar, started, __version__],
    )
    try:
        yield entry
    except BaseException as error:
        from finops.warehouse.connection import DatabaseError

        with suppress(DatabaseError):  # perhaps the very reason of the error: the disk is full
            _end(con, entry.run_id, *_failure(error))
        raise
    _end(con, entry.run_id, entry.outcome, entry.exit_code, "")


def _failure(error: BaseException) -> tuple[str, int, str]:
    from finops.cli.failures import is_interrupt, known
    from finops.config.secrets import without_secrets

    if is_interrupt(error) or not isinstance(error, Exception):
        return "stopped", STOPPED, ""
    problem = known(error)
    return "failed", problem.exit_code, without_secrets(str(problem))


def _end(con: Connection, run_id: str, outcome: str, exit_code: int, detail: str) -> None:
    con.execute(
        "UPDATE ops.runs SET finished_at = ?, outcome = ?, exit_code = ?, detail = ? WHERE run_id = ?",
        [_now(), outcome, exit_code, detail, run_id],
    )


def _now() -> datetime:
    return datetime.now(tz=UTC).replace(tzinfo=None)
