"""The frozen months of a workspace: ``frozen/journal.csv`` says who froze and reopened what, a Parquet file beside it holds each.

The warehouse is derived and may be deleted, so none of this is in it. The journal only grows; a snapshot is never changed.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from finops.errors import FrozenMonthError
from finops.rules.header import nearest
from finops.rules.shared import digest as name_for
from finops.warehouse.connection import Connection
from finops.warehouse.snapshots import Snapshot, verify_snapshot

FORM = "1"
"""How the rows of a snapshot are to be read."""
JOURNAL = "journal.csv"
COLUMNS = (
    "time", "action", "month", "by", "reason", "charges", "billed", "effective", "snapshot", "sha256", "finops"
)  # fmt: skip
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_SUM = re.compile(r"(\S.*) (-?\d+(?:\.\d+)?)")  # a bill may be in "REWARD POINTS"
_MARKERS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")


@dataclass(frozen=True)
class Entry:
    """One line of the journal."""

    at: datetime
    """UTC."""
    action: str
    """``freeze`` or ``reopen``."""
    month: date
    """The first day of the billing month."""
    by: str
    reason: str
    charges: int
    """How many the month had when it was frozen; of a reopening: as frozen before. So are the sums, the file and its digest."""
    billed: Mapping[str, Decimal]
    """By currency."""
    effective: Mapping[str, Decimal]
    snapshot: str
    digest: str
    finops: str
    """The version of the tool."""

    @property
    def name(self) -> str:
        """``2026-10``."""
        return f"{self.month:%Y-%m}"

    @property
    def book(self) -> int:
        """``202610``: the month's number in ``allocation.*``."""
        return self.month.year * 100 + self.month.month


@dataclass(frozen=True)
class FrozenMonth:
    """A month that is frozen now."""

    entry: Entry
    """The line that froze it."""
    snapshot: Snapshot
    columns: tuple[str, ...]
    """The columns of a dimension that it is known by."""


class FrozenFiles:
    """The folder.

    Args:
        folder: need not exist: then nothing was ever frozen.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = folder / JOURNAL

    def entries(self) -> list[Entry]:
        """The journal, oldest first.

        Raises:
            FrozenMonthError: naming every line that is wrong.
        """
        if not self.journal.is_file():
            left = sorted(self.folder.glob("*.parquet")) if self.folder.is_dir() else []
            if left:
                raise FrozenMonthError(
                    f"there are frozen months ({left[0].name}), but the journal is not there",
                    where=str(self.journal),
                    next_step="Bring it back (git checkout, or a backup); or take the folder away if nothing is to be frozen.",
                )
            return []
        return _read(self.journal)

    def frozen(self) -> dict[date, Entry]:
        """The months that are frozen now, by the line that froze each."""
        return standing(self.entries())

    def verified(self, con: Connection) -> list[FrozenMonth]:
        """The frozen months, each with its file, whose digest is the journal's.

        Args:
            con: any connection.

        Raises:
            FrozenMonthError: a file is lost, damaged or of a newer version, or the journal is.
        """
        return [self._verified(con, entry) for _, entry in sorted(self.frozen().items())]

    def _verified(self, con: Connection, entry: Entry) -> FrozenMonth:
        snapshot = Snapshot(self.folder / entry.snapshot, entry.digest)
        notes = verify_snapshot(con, snapshot, entry.name)
        if notes.get("form") != FORM or notes.get("month") != entry.name:
            raise FrozenMonthError(
                f"{entry.name} was frozen by finops {entry.finops}, in a form that this version does not read",
                where=str(snapshot.path),
                next_step="Run that version of finops, or a newer one.",
            )
        return FrozenMonth(entry, snapshot, tuple(notes.get("columns", "").split(",")))

    def begin(self) -> None:
        """Make an empty journal if there is none, so that a freeze that is killed never leaves a file without one."""
        if not self.journal.is_file():
            self._write(_line(COLUMNS))

    def append(self, entry: Entry) -> None:
        """Add a line. The journal is replaced as a whole: it is never half written."""
        self.begin()
        before = self.journal.read_bytes()
        ended = before if not before or before.endswith(b"\n") else before + b"\n"
        self._write(ended + _line(_cells(entry)))

    def _write(self, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{JOURNAL}.{os.getpid()}.partial"
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.journal)
        finally:
            partial.unlink(missing_ok=True)


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def standing(entries: Sequence[Entry]) -> dict[date, Entry]:
    """What is frozen at the end of these entries."""
    frozen: dict[date, Entry] = {}
    for entry in entries:
        if entry.action == "freeze":
            frozen[entry.month] = entry
        else:
            frozen.pop(entry.month, None)
    return frozen


def fingerprint(months: Sequence[FrozenMonth]) -> list[str]:
    """What the allocation depends on here: it changes when a month is frozen or reopened."""
    return [name_for([m.entry.name, m.entry.digest, m.entry.at, m.entry.by, m.entry.reason]) for m in months]


def plain(amount: Decimal) -> str:
    """All digits that count: ``12.5``, never ``1.25E+1``."""
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def sums_text(sums: Mapping[str, Decimal]) -> str:
    """``EUR 12.5; USD 100``: currencies are never added."""
    return "; ".join(f"{currency} {plain(amount)}" for currency, amount in sorted(sums.items()))


def _cells(entry: Entry) -> list[str]:
    return [
        f"{entry.at:%Y-%m-%dT%H:%M:%SZ}", entry.action, entry.name, entry.by, " ".join(entry.reason.split()),
        str(entry.charges), sums_text(entry.billed), sums_text(entry.effective), entry.snapshot, entry.digest, entry.finops,
    ]  # fmt: skip


def _read(path: Path) -> list[Entry]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FrozenMonthError(f"the journal cannot be read: {error}", where=str(path), next_step=_REPAIR) from error
    lines = text.splitlines(keepends=True)
    marked = [number for number, line in enumerate(lines, start=1) if line.startswith(_MARKERS)]
    if marked:
        raise FrozenMonthError(
            "git could not merge the journal: the lines of two branches are between its markers",
            where=f"{path}:{marked[0]}",
            next_step="Keep both sides, by time, without the markers; of a month that both froze, the line that finance booked.",
        )
    rows = csv.reader(lines)
    header = next(rows, [])
    if tuple(header) != COLUMNS:
        raise FrozenMonthError(
            f"the header is not {','.join(COLUMNS)}", where=f"{path}:1", next_step=_REPAIR
        )  # fmt: skip
    entries: list[Entry] = []
    problems: list[str] = []
    for row in rows:
        if not any(row):
            continue
        wrong = list(_problems(row, standing(entries)))
        problems += [f"{path}:{rows.line_num}: {problem}" for problem in wrong]
        if not wrong:
            entries.append(_entry(dict(zip(COLUMNS, row, strict=True))))
    if problems:
        raise FrozenMonthError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the journal of frozen months:\n  "
            + "\n  ".join(problems),
            next_step=_REPAIR,
        )
    return entries


_REPAIR = "The journal is written by finops alone. Bring it back as it was (git checkout, or a backup)."


def _problems(row: list[str], frozen: Mapping[date, Entry]) -> Iterator[str]:
    if len(row) != len(COLUMNS):
        yield f"{len(row)} cells, but the header has {len(COLUMNS)} columns"
        return
    cells = dict(zip(COLUMNS, row, strict=True))
    if cells["action"] not in ("freeze", "reopen"):
        yield f"the action is 'freeze' or 'reopen', not '{cells['action']}'{nearest(cells['action'], ['freeze', 'reopen'])}"
        return
    if not _MONTH.fullmatch(cells["month"]):
        yield f"'{cells['month']}' is no month such as 2026-10"
        return
    try:
        entry = _entry(cells)
    except (ValueError, InvalidOperation) as error:
        yield str(error)
        return
    if entry.snapshot != Path(entry.snapshot).name or not entry.snapshot.endswith(".parquet"):
        yield f"'{entry.snapshot}' is no file of this folder"
    if entry.action == "freeze" and entry.month in frozen:
        yield f"{entry.name} is frozen twice, without having been reopened"
    if entry.action == "reopen" and entry.month not in frozen:
        yield f"{entry.name} is reopened, but is not frozen"


def _entry(cells: Mapping[str, str]) -> Entry:
    return Entry(
        datetime.strptime(cells["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        cells["action"],
        date.fromisoformat(cells["month"] + "-01"),
        cells["by"],
        cells["reason"],
        int(cells["charges"]),
        _sums(cells["billed"]),
        _sums(cells["effective"]),
        cells["snapshot"],
        cells["sha256"],
        cells["finops"],
    )


def _sums(text: str) -> dict[str, Decimal]:
    found = [(each, _SUM.fullmatch(each)) for each in text.split("; ") if each]
    wrong = [each for each, match in found if match is None]
    if wrong:
        raise ValueError(f"'{wrong[0]}' is no amount such as USD 12.5")
    return {match[1]: Decimal(match[2]) for _, match in found if match}
