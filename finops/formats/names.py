"""What the names of files and folders say: which are numbered parts of one delivery, which are dates, which are runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

_PART = re.compile(r"(?:(?<=[-_.])|(?<=part)|^)\d{1,12}$|^\d{16}(-\d+)?$", re.IGNORECASE)
"""The number of a part, at a name's end; Oracle's reports are named by sixteen digits alone."""
_MONTH = r"(?<!\d)20\d\d[-_.]?(?:0[1-9]|1[0-2])"
_DAY = r"[-_.]?(?:0[1-9]|[12]\d|3[01])"
_TIME = (
    r"(?:T?(?:[01]\d|2[0-3])[-_.]?[0-5]\d[-_.]?[0-5]\d|(?:[01]\d|2[0-3])(?:[0-5]\d)?"
    r"|[-_ ](?:0[1-9]|1\d|2[0-3])[-_.]?[0-5]\d[-_.]?[0-5]\d)"  # 20261005-000001 has a part number
)
_DATE = re.compile(rf"{_MONTH}(?:{_DAY}{_TIME}?)?$", re.IGNORECASE)
"""A month, a day or a time at a name's end: 2026-10, 20261005, 2026-10-05T12-00-00. Such files are snapshots, and the later
one usually holds the earlier: adding them up would count money twice."""
_SUFFIXES = (".gz", ".zip", ".snappy", ".zst", ".gzip", ".csv", ".parquet", ".json", ".jsonl", ".ndjson")
_RUNNING = re.compile(r"[0-9a-f-]*\d[0-9a-f-]*", re.IGNORECASE)


def groups(files: Iterable[Path]) -> list[list[Path]]:
    """Files that are the numbered parts of one delivery: same folder, same name but for a last number that is no date."""
    found: dict[tuple[Path, str, str], list[Path]] = {}
    for file in files:
        stem, suffix = split(file.name)
        numbered = stem if _DATE.search(stem) else _PART.sub("#", stem)
        found.setdefault((file.parent, numbered, suffix), []).append(file)
    return [sorted(group) for group in found.values()]


def split(name: str) -> tuple[str, str]:
    """A file's name and all of its endings: ``bill-1.csv.gz`` is ``bill-1`` and ``.csv.gz``."""
    stem, suffix = name, ""
    while (ending := next((s for s in _SUFFIXES if stem.lower().endswith(s)), "")) and len(stem) > len(ending):
        stem, suffix = stem[: -len(ending)], stem[-len(ending) :] + suffix
    return stem, suffix


@lru_cache(maxsize=10_000)
def _without_numbers(part: str) -> str:
    return _RUNNING.sub("#", part.lower())


def pattern(parts: Sequence[str]) -> tuple[str, ...]:
    """Folders and a file's name without what changes from run to run and from part to part: numbers, dates and ids."""
    return tuple(map(_without_numbers, parts))
