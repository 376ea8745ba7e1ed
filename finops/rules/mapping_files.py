"""What the user's mapping files may hold, and how one of them is read: strictly, every mistake told with its line."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from finops.rules.header import nearest


@dataclass(frozen=True)
class MappingFile:
    """What one of the files may hold."""

    name: str
    columns: tuple[str, ...]
    """All columns that it may have; those in ``required`` must be there and filled."""
    required: tuple[str, ...]
    key: tuple[str, ...]
    """The columns that may not repeat together, unless in spans of time that don't overlap."""
    folded: frozenset[str] = frozenset()
    """Those of the key that are compared as people mean them: without case and spaces around."""

    @property
    def is_dated(self) -> bool:
        """Can a line hold for a span of time only?"""
        return "valid_from" in self.columns


DATES = ("valid_from", "valid_until")


def _spec(name: str, columns: str, required: str, key: str, folded: str = "", *, dated: bool = False) -> MappingFile:
    names = (*columns.split(), *(DATES if dated else ()))
    return MappingFile(name, names, tuple(required.split()), tuple(key.split()), frozenset(folded.split()))


FILES = {
    spec.name: spec
    for spec in (
        _spec("teams.csv", "team name cost_center owner colour", "team", "team", "team"),
        _spec("pools.csv", "pool name split basis window among fallback", "pool split", "pool", "pool"),
        _spec("splits.csv", "pool team percent", "pool team percent", "pool team", "pool team", dated=True),
        _spec("tag_aliases.csv", "kind alias canonical", "kind alias canonical", "kind alias", "kind alias"),
        _spec("resources.csv", "pattern team", "pattern team", "pattern", dated=True),
        _spec("tags.csv", "key value team", "key value team", "key value", dated=True),
        _spec("callers.csv", "pattern team", "pattern team", "pattern", dated=True),
        _spec("keys.csv", "key_id team", "key_id team", "key_id", dated=True),
        _spec("names.csv", "kind pattern team", "kind pattern team", "kind pattern", dated=True),
        _spec("projects.csv", "project_id team", "project_id team", "project_id", dated=True),
        _spec("namespaces.csv", "cluster namespace team", "cluster namespace team", "cluster namespace", dated=True),
        _spec("folders.csv", "folder team", "folder team", "folder", dated=True),
        _spec("accounts.csv", "account_id team", "account_id team", "account_id", dated=True),
        _spec(
            "exceptions.csv",
            "rule_id resource_id reason owner until",
            "rule_id resource_id reason owner until",
            "rule_id resource_id",
        ),
    )
}
"""The files of the folder. Further columns are allowed: they are yours."""

OF_TEAMS = tuple(
    spec.name for spec in FILES.values() if "team" in spec.required and spec.name not in ("teams.csv", "splits.csv")
)
"""The files that give something to a team or a pool."""

_META = re.compile(r"[.^$*+?{}\[\]|()\\]")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file and where it stands."""

    number: int
    cells: Mapping[str, str]
    valid_from: date | None = None
    """The first day on which it holds, UTC; None: it always has."""
    valid_until: date | None = None
    """The first day on which it holds no more; None: it always will."""

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


@dataclass
class Problems:
    """What is wrong with the files, each with its place."""

    folder: Path
    found: list[str] = field(default_factory=list)

    def add(self, name: str, line: Line | int | None, what: str) -> None:
        """Note a problem of the file ``name``, in a line of it or as a whole."""
        number = line.number if isinstance(line, Line) else line
        self.found.append(f"{self.folder / name}{'' if number is None else f':{number}'}: {what}")


def fold(word: str) -> str:
    """A team's name as people mean it; ``allocation.folded_value`` is the same in SQL."""
    return word.strip().lower()


def fold_key(key: str) -> str:
    """A tag key as people mean it; ``allocation.folded_key`` is the same in SQL."""
    return re.sub("[_ ]", "-", re.sub("^user[:_]", "", key.strip().lower()))


def shape(pattern: str) -> tuple[str, str]:
    """How a pattern can be looked up: (``exact`` | ``prefix`` | ``pattern``, its literal part)."""
    inner = pattern.removeprefix("^").removesuffix("$")
    if not _META.search(inner):
        return "exact", inner
    if inner.endswith(".*") and inner != ".*" and not _META.search(inner[:-2]):
        return "prefix", inner[:-2]
    return "pattern", ""


def day(text: str) -> date | None:
    """A day such as 2026-12-31, or None if the text is no day."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def read_rows(problems: Problems, name: str, content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV with the line in which each begins; what breaks it off is noted."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.add(name, None, f"not UTF-8 (byte {error.start}): save it as UTF-8")
        return
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    try:
        for row in rows:
            yield begins, row
            begins = rows.line_num + 1
    except csv.Error as error:
        problems.add(name, begins, f"is no CSV from here on: {error}; is a quotation mark left open?")


def read_lines(problems: Problems, spec: MappingFile, content: bytes) -> list[Line]:
    """The lines of one file that are right by themselves; the others are noted."""
    rows = read_rows(problems, spec.name, content)
    header = [cell.strip() for cell in next(rows, (1, []))[1]]
    if not _header_is_right(problems, spec, header):
        return []
    lines = []
    for number, row in rows:
        if (row[:1] in ([], [""]) and not any(map(str.strip, row))) or row[0].lstrip().startswith("#"):
            continue
        if len(row) != len(header):
            problems.add(
                spec.name,
                number,
                f"{len(row)} cell{'s' if len(row) != 1 else ''}, but the header has {len(header)} columns",
            )
            continue
        cells = dict(zip(header, map(str.strip, row), strict=True))
        if not all(map(cells.__getitem__, spec.required)):
            empty = [column for column in spec.required if not cells[column]]
            problems.add(spec.name, number, f"{', '.join(empty)} must not be empty")
            continue
        line = Line(number, cells)
        if spec.is_dated and (cells.get("valid_from") or cells.get("valid_until")):
            dated = _dated(problems, spec, line)
            if dated is None:
                continue
            line = dated
        lines.append(line)
    return _without_repeats(problems, spec, lines)


def _header_is_right(problems: Problems, spec: MappingFile, header: list[str]) -> bool:
    lacking = [column for column in spec.required if column not in header]
    if lacking:
        known = ", ".join(header) or "nothing"
        hint = "; cells are separated by commas" if len(header) == 1 and re.search("[;\t|]", header[0]) else ""
        problems.add(spec.name, 1, f"the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)} "
                                   f"{'are' if len(lacking) > 1 else 'is'} missing; it has {known}{hint}")  # fmt: skip
        return False
    for column in sorted({column for column in header if header.count(column) > 1}):
        problems.add(spec.name, 1, f"the column {column or '(without a name)'} is there twice")
    absent = [column for column in spec.columns if column not in header]
    for column in header:
        meant = difflib.get_close_matches(column, absent, n=1, cutoff=0.75) if column not in spec.columns else []
        if meant:
            problems.add(spec.name, 1, f"nothing reads the column '{column}'; did you mean '{meant[0]}'?")
    return len(set(header)) == len(header)


def _dated(problems: Problems, spec: MappingFile, line: Line) -> Line | None:
    """The line with its span of time; None if that is wrong."""
    wrong = [column for column in DATES if line[column] and day(line[column]) is None]
    for column in wrong:
        problems.add(spec.name, line, f"{column} is a day such as 2026-12-31, not '{line[column]}'")
    begins, ends = day(line["valid_from"]), day(line["valid_until"])
    if begins and ends and begins >= ends:
        problems.add(spec.name, line, f"valid_until {ends} is exclusive and must come after valid_from {begins}")
        return None
    return None if wrong else Line(line.number, line.cells, begins, ends)


def _without_repeats(problems: Problems, spec: MappingFile, lines: list[Line]) -> list[Line]:
    """Those that say the first thing about their key at every moment."""
    seen: dict[str | tuple[str, ...], list[Line]] = {}
    kept = []
    for line in lines:
        before = seen.setdefault(_key(spec, line), [])
        other = next((each for each in before if overlap(each, line)), None) if before else None
        if other:
            when = ", for a part of the same time" if _is_limited(line) or _is_limited(other) else ""
            named = " ".join(line[column] for column in spec.key)
            problems.add(spec.name, line, f"{named} is also in line {other.number}{when}")
            continue
        before.append(line)
        kept.append(line)
    return kept


def _key(spec: MappingFile, line: Line) -> str | tuple[str, ...]:
    if spec.name == "tags.csv":
        return fold_key(line["key"]), fold(line["value"]) if shape(line["value"])[0] == "exact" else line["value"]
    if spec.name == "folders.csv":
        return line["folder"].strip("/")
    if not spec.folded and len(spec.key) == 1:
        return line.cells[spec.key[0]]
    return tuple(fold(line.cells[column]) if column in spec.folded else line.cells[column] for column in spec.key)


def _is_limited(line: Line) -> bool:
    return line.valid_from is not None or line.valid_until is not None


def overlap(one: Line, other: Line) -> bool:
    """Is there a moment at which both hold?"""
    return (one.valid_until is None or other.valid_from is None or other.valid_from < one.valid_until) and (
        other.valid_until is None or one.valid_from is None or one.valid_from < other.valid_until
    )


def unknown(word: str, known: list[str], what: str) -> str:
    """``there is no team 'x'; did you mean 'y'?``"""
    return f"there is no {what} '{word}'{nearest(word, known)}"


def among(line: Line) -> list[str]:
    """The teams that a line of pools.csv names."""
    return [word.strip() for word in line["among"].split(";") if word.strip()]
