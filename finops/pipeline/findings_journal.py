"""What became of findings, day by day: ``findings/journal.jsonl`` has a line for each change.

The warehouse is derived and may be deleted; what was found on earlier days cannot be made again, so it is kept here. Lines of
earlier days are never changed. Those of a day are written anew whenever that day is run again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from finops.errors import FindingsJournalError
from finops.rules.header import nearest
from finops.rules.lifecycle import CHANGE, STATES
from finops.warehouse.connection import Connection

JOURNAL = "journal.jsonl"
_AMOUNTS = ("monthly_cost", "monthly_saving")
_MAY_BE_EMPTY = {"provider", "account_id", "resource_name", "currency", "team", "reason", "window", *_AMOUNTS}
_DAYS = ("date", "since", "found_on")
_MARKERS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
_REPAIR = "The journal is written by finops alone. Bring it back as it was (git checkout, or a backup)."


@dataclass(frozen=True)
class Line:
    """One line of the journal."""

    day: date
    text: str
    cells: tuple[str | None, ...]
    """In the order of ``CHANGE``."""


class FindingsJournal:
    """The journal of a workspace.

    Args:
        folder: need not exist: then nothing was found before.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        self._lines: list[Line] | None = None

    @property
    def lines(self) -> list[Line]:
        """All lines, as they stand.

        Raises:
            FindingsJournalError: naming every line that is wrong.
        """
        if self._lines is None:
            self._lines = _read(self.path) if self.path.exists() else []
        return self._lines

    def before(self, today: date) -> list[tuple[str | None, ...]]:
        """The changes of earlier days, oldest first. Of two lines of a day about one finding, the later one holds."""
        earlier = {(line.day, line.cells[1]): line.cells for line in self.lines if line.day < today}
        return [earlier[key] for key in sorted(earlier, key=lambda key: (key[0], key[1] or ""))]

    def fingerprint(self, today: date) -> str:
        """It changes with what is known of earlier days, and not with what today's run adds."""
        return hashlib.sha256(repr(self.before(today)).encode()).hexdigest()

    def note(self, con: Connection, today: date) -> bool:
        """Write the changes of ``today`` that ``findings.changes`` has, in place of those that the day had; was anything written?

        Where the journal knows later days, it stays as it is: a look back changes nothing.
        """
        if any(line.day > today for line in self.lines):
            return False
        columns = ", ".join(f'"{name}"' for name in CHANGE)
        found = con.execute(
            f"SELECT {columns} FROM findings.changes WHERE date = ? ORDER BY resource_id, currency, account_id, finding_id",
            [today],
        ).fetchall()
        kept = [line.text for line in self.lines if line.day < today]
        new = [_text(dict(zip(CHANGE, row, strict=True))) for row in found]
        if [*kept, *new] == [line.text for line in self.lines]:
            return False
        self._write("".join(f"{text}\n" for text in (*kept, *new)))
        self._lines = None
        return True

    def _write(self, content: str) -> None:
        """Replace the file as a whole: it is never half written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{JOURNAL}.{os.getpid()}.partial")
        try:
            with partial.open("w", encoding="utf-8", newline="\n") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        finally:
            partial.unlink(missing_ok=True)


def _text(cells: Mapping[str, Any]) -> str:
    """An amount is text: a reader that makes a float of it would lose its last digits."""
    return json.dumps({name: _plain(value) for name, value in cells.items()}, ensure_ascii=False)


def _plain(value: object) -> str | None:
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return None if value is None else str(value)


def _read(path: Path) -> list[Line]:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FindingsJournalError(
            f"the journal cannot be read: {error}", where=str(path), next_step=_REPAIR
        ) from error
    lines: list[Line] = []
    problems: list[str] = []
    for number, text in enumerate(content.split("\n"), start=1):
        if text.startswith(_MARKERS):
            raise FindingsJournalError(
                "git could not merge the journal: the lines of two branches are between its markers",
                where=f"{path}:{number}",
                next_step="Keep both sides and take the markers out: of two lines of a day about one finding, the later holds.",
            )
        if not text.strip():
            continue
        cells = _cells(text)
        wrong = ["is no line of JSON such as the others"] if cells is None else list(_problems(cells))
        problems += [f"{path}:{number}: {problem}" for problem in wrong]
        if cells is not None and not wrong:
            lines.append(Line(date.fromisoformat(cells["date"]), text, tuple(cells.get(name) for name in CHANGE)))
    if problems:
        raise FindingsJournalError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the journal of findings:\n  "
            + "\n  ".join(problems),
            next_step=_REPAIR,
        )
    return lines


def _cells(text: str) -> dict[str, Any] | None:
    try:
        cells = json.loads(text)
    except json.JSONDecodeError:
        return None
    return cells if isinstance(cells, dict) else None


def _problems(cells: Mapping[str, Any]) -> Iterator[str]:
    for name in CHANGE:
        value = cells.get(name)
        if value is None and name not in _MAY_BE_EMPTY:
            yield f"{name} is missing"
        elif value is not None and not isinstance(value, str):
            yield f"{name} is no text"
        elif value is not None and name in _DAYS and not _is_day(value):
            yield f"{name} is a day such as 2026-10-26, not '{value}'"
    state = cells.get("state")
    if isinstance(state, str) and state not in STATES:
        yield f"there is no state '{state}'{nearest(state, list(STATES))}"
    for name in _AMOUNTS:
        amount = cells.get(name)
        if isinstance(amount, str) and not _is_amount(amount):
            yield f"{name} is an amount such as 12.5, not '{amount}'"


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_amount(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False
