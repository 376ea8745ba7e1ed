"""``ops.runs``: every command that may change the warehouse notes that it ran, and how it ended."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from finops import __version__
from finops.cli.app import App
from finops.errors import FinopsError

if TYPE_CHECKING:
    from finops.warehouse.connection import Connection


@dataclass
class Entry:
    """One run of a command."""

    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    exit_code: int = 0
    """Set by the command; anything but 0 makes the run ``incomplete``."""

    @property
    def outcome(self) -> str:
        """``complete``, or ``incomplete`` where something could not be read."""
        return "incomplete" if self.exit_code else "complete"


@contextmanager
def noted(app: App, con: Connection, command: str) -> Iterator[Entry]:
    """Note a run: its command, calendar, times, version and outcome (``failed`` with the error, if it raises)."""
    entry = Entry()
    started = _now()
    try:
        yield entry
    except FinopsError as error:
        _write(app, con, command, entry.run_id, started, "failed", str(error))
        raise
    _write(app, con, command, entry.run_id, started, entry.outcome, "")


def _write(app: App, con: Connection, command: str, run_id: str, started: datetime, outcome: str, detail: str) -> None:
    con.execute(
        "INSERT INTO ops.runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [run_id, command, app.calendar, started, _now(), __version__, outcome, detail],
    )


def _now() -> datetime:
    return datetime.now(tz=UTC).replace(tzinfo=None)
