"""What was mailed to whom: ``outbox/journal.jsonl`` has a line before each mail is handed over, and one after.

A line is never changed. Where the second line is missing, the process ended in between, and nobody knows whether the mail arrived.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from finops.delivery.folder import Totals, read_totals
from finops.errors import OutboxError, naming

JOURNAL = "journal.jsonl"
ATTEMPTS, DAYS = 10, 14
"""After so many attempts, or so long after the first, a mail is given up."""
SENDING, SENT, UNKNOWN, GIVEN_UP = "sending", "sent", "unknown", "given up"
TRIED = ("refused", "failed")
STATES = (SENDING, SENT, UNKNOWN, GIVEN_UP, *TRIED)
_WAIT = 10
"""Seconds to wait for another process that sends."""
_REPAIR = "The journal is written by finops alone. Bring it back as it was (a backup), or take the line out if nobody misses it."


class Key(NamedTuple):
    """Once per recipient and report."""

    report: str
    period: str
    team: str
    to: str
    """In small letters."""


@dataclass(frozen=True)
class Entry:
    """A line of the journal."""

    at: datetime
    state: str
    key: Key
    folder: str
    """Where the report is, from the workspace's folder."""
    totals: Totals
    message_id: str = ""
    detail: str = ""
    next_step: str = ""
    by_hand: bool = False
    """The recipient was given with ``--to``."""


@dataclass
class Standing:
    """What the lines of one key come to."""

    last: Entry
    sent: Entry | None = None
    """What the recipient has."""
    tries: list[Entry] = field(default_factory=list)
    """Those without success since then, or since it was given up."""

    @property
    def unknown(self) -> bool:
        """May it or may it not have arrived?"""
        return self.last.state in (SENDING, UNKNOWN)

    @property
    def given_up(self) -> bool:
        """Is it not tried any more?"""
        return self.last.state == GIVEN_UP

    @property
    def waiting(self) -> bool:
        """Is it to be tried again?"""
        return self.last.state in TRIED

    def is_over(self, now: datetime) -> bool:
        """Has it been tried often or long enough?"""
        return len(self.tries) >= ATTEMPTS or (bool(self.tries) and now - self.tries[0].at > timedelta(days=DAYS))


class Outbox:
    """The journal of a workspace.

    Args:
        folder: need not exist: then nothing was mailed before.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / JOURNAL

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process sends at a time.

        Raises:
            OutboxError: another one does.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / ".lock", timeout=_WAIT):
                yield
        except Timeout as error:
            raise OutboxError(
                "another finops is sending at this moment",
                where=str(self.folder),
                next_step="Try again when it has ended.",
            ) from error

    def standings(self) -> dict[Key, Standing]:
        """What became of each mail, oldest first.

        Raises:
            OutboxError: naming every line that is wrong.
        """
        found: dict[Key, Standing] = {}
        for entry in self._read()[0]:
            standing = found.setdefault(entry.key, Standing(entry))
            standing.last = entry
            if entry.state == SENT:
                standing.sent, standing.tries = entry, []
            elif entry.state == GIVEN_UP:
                standing.tries = []
            elif entry.state in TRIED:
                standing.tries.append(entry)
        return found

    def note(self, entry: Entry) -> None:
        """Add a line. When this returns, it is on the disk."""
        fresh = not self.path.exists()
        whole = b"" if fresh else self._mended()
        self.folder.mkdir(parents=True, exist_ok=True)
        with naming(self.path), self.path.open("ab") as file:
            file.write(whole + (_text(entry) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            _sync_folder(self.folder)

    @property
    def cut(self) -> bool:
        """Did a crash cut the last line?"""
        return self._read()[1] is not None

    def _mended(self) -> bytes:
        """Take away a last line that was cut; what must stand before the next line."""
        with self.path.open("rb+") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return b""
            file.seek(-1, os.SEEK_END)
            if file.read(1) == b"\n":
                return b""
            cut = self._read()[1]
            if cut is None:
                return b"\n"
            file.truncate(cut)
            os.fsync(file.fileno())
        return b""

    def _read(self) -> tuple[list[Entry], int | None]:
        """All lines; and where the last one begins, if it was cut."""
        content = self.path.read_bytes() if self.path.exists() else b""
        entries: list[Entry] = []
        problems: list[str] = []
        lines = content.split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                entries.append(_entry(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
                if number == len(lines):  # it has no end
                    return self._all(entries, problems), len(content) - len(line)
                problems.append(f"{self.path}:{number}: {_problem(error)}")
        return self._all(entries, problems), None

    def _all(self, entries: list[Entry], problems: list[str]) -> list[Entry]:
        if problems:
            raise OutboxError(
                f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the journal of mails, so nothing is sent:\n  "
                + "\n  ".join(problems),
                next_step=_REPAIR,
            )
        return entries


def _text(entry: Entry) -> str:
    cells: dict[str, Any] = {
        "at": entry.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "state": entry.state,
        **entry.key._asdict(),
        "folder": entry.folder,
        "totals": {each: None if amount is None else f"{amount:f}" for each, amount in entry.totals.items()},
        "message_id": entry.message_id,
        "detail": entry.detail,
        "next_step": entry.next_step,
        "by_hand": entry.by_hand,
    }
    return json.dumps(cells, ensure_ascii=True)


def _entry(cells: Mapping[str, Any]) -> Entry:
    at = datetime.fromisoformat(_str(cells["at"]))
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    if cells["state"] not in STATES:
        raise ValueError(f"there is no state {cells['state']!r}")
    return Entry(
        at=at,
        state=cells["state"],
        key=Key(*(_str(cells[each]) for each in Key._fields)),
        folder=_str(cells["folder"]),
        totals=read_totals(cells["totals"]),
        message_id=_str(cells.get("message_id", "")),
        detail=_str(cells.get("detail", "")),
        next_step=_str(cells.get("next_step", "")),
        by_hand=cells.get("by_hand", False) is True,
    )


def _str(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _problem(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "is no line of JSON"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _sync_folder(folder: Path) -> None:
    """The folder knows of its new file even after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
