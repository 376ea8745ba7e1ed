"""How Cost Management lays out an export: ``DIRECTORY/EXPORT/20261001-20261031/RUN/part_0_0001.csv``.

``RUN`` is the run's id where each run replaces the one before, ``202610050518/ID`` where they are kept. A run in a folder of
its own ends with its ``manifest.json`` (``_manifest.json`` at first). Exports from before file partitioning have neither:
each run is one file, right in the month's folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from finops.collectors.interface import RemoteFile

MANIFESTS = ("manifest.json", "_manifest.json")
DATA = (".csv", ".csv.gz", ".parquet", ".zip")

COSTS = {"ActualCost": "actual", "Usage": "actual", "AmortizedCost": "amortised", "FocusCost": "FOCUS"}
"""What ``exportConfig.type`` says of an export of costs. Others hold prices, reservations and advice."""

_SPAN = re.compile(r"(20\d{6})-(20\d{6})")
_STAMP = re.compile(r"20\d{10}")


@dataclass
class Run:
    """One execution of an export."""

    folder: str
    """Where its files are, with ``/`` at the end; the file itself where a run is one file."""
    manifest: RemoteFile | None = None
    parts: list[RemoteFile] = field(default_factory=list)
    alone: bool = False
    """A file without a folder and a manifest: whole as it is."""

    @property
    def files(self) -> list[RemoteFile]:
        """All of it."""
        return sorted([*self.parts, *([self.manifest] if self.manifest else [])], key=lambda file: file.name)

    @property
    def version(self) -> str:
        """Changes with any of its files."""
        state = "\n".join(f"{file.name}\t{file.bytes}\t{file.version}" for file in self.files)
        return hashlib.sha256(state.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    @property
    def at(self) -> datetime:
        """When it ran, as its folder is called, or else when its last file was written."""
        for part in reversed(PurePosixPath(self.folder).parts):
            if _STAMP.fullmatch(part):
                with suppress(ValueError):
                    return datetime.strptime(part, "%Y%m%d%H%M").replace(tzinfo=UTC)
        return max((file.modified for file in self.files if file.modified), default=datetime.min.replace(tzinfo=UTC))


@dataclass(frozen=True)
class Stated:
    """What a manifest says that matters here."""

    kind: str
    """``AmortizedCost``, ``ActualCost``, ``FocusCost`` …; empty where it isn't said."""
    blobs: tuple[str, ...] | None = None
    """What belongs to the run; None: all that is there."""
    delivery: dict[str, Any] = field(default_factory=dict)
    """File format, compression, overwriting, partitioning."""


def span(folder: str) -> tuple[date, date] | None:
    """The first and the last day of what a folder ``…/20261001-20261031/`` holds; None: it is another folder."""
    match = _SPAN.fullmatch(PurePosixPath(folder).name)
    if not match:
        return None
    try:
        first, last = (datetime.strptime(text, "%Y%m%d").date() for text in match.groups())
    except ValueError:
        return None
    return (first, last) if first <= last else None


def whole_months(first: date, last: date) -> list[date]:
    """The months from a first to a last day; none unless they are whole: a week would replace its month in the ledger."""
    if first.day != 1 or (last + timedelta(days=1)).day != 1:
        return []
    months, month = [], first
    while month <= last:
        months.append(month)
        month = (month + timedelta(days=31)).replace(day=1)
    return months


def runs(folder: str, files: Iterable[RemoteFile]) -> list[Run]:
    """The runs in a month's folder (which ends with ``/``), the newest first."""
    found = list(files)
    manifests = {_above(file.name): file for file in found if PurePosixPath(file.name).name in MANIFESTS}
    by_folder: dict[str, Run] = {}
    for file in found:
        if not file.name.lower().endswith(DATA):
            continue
        home = _home(file.name, folder, manifests)
        run = by_folder.setdefault(home, Run(home, manifests.get(home), alone=home == file.name))
        run.parts.append(file)
    for home, manifest in manifests.items():
        by_folder.setdefault(home, Run(home, manifest))
    return sorted(by_folder.values(), key=lambda run: (run.at, run.folder), reverse=True)


def read(content: bytes) -> Stated | None:
    """A manifest's content; None if it is no manifest of an export."""
    try:
        stated = json.loads(content.decode("utf-8-sig"))
        config, delivery, blobs = stated.get("exportConfig") or {}, stated.get("deliveryConfig") or {}, stated["blobs"]
        names = tuple(str(blob["blobName"]) for blob in blobs)
        return Stated(str(config.get("type") or ""), names, dict(delivery))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def missing(run: Run, stated: Stated) -> list[str]:
    """The blobs that a manifest names and that are not there. In a synced folder only the last part of the name is the same."""
    there = {file.name for file in run.parts}
    beside = {PurePosixPath(file.name).name for file in run.parts}
    return [name for name in stated.blobs or () if name not in there and PurePosixPath(name).name not in beside]


def delivered(run: Run, stated: Stated | None) -> Sequence[RemoteFile]:
    """What is read of a run: what its manifest names, and the manifest."""
    if stated is None or stated.blobs is None:
        return run.files
    names = {PurePosixPath(name).name for name in stated.blobs}
    return [file for file in run.files if file is run.manifest or PurePosixPath(file.name).name in names]


def _above(name: str) -> str:
    return name.rpartition("/")[0] + "/"


def _home(name: str, month: str, manifests: dict[str, RemoteFile]) -> str:
    """The run's folder that a file is in: the nearest with a manifest, else the one that must get one."""
    above = _above(name)
    while above.startswith(month) and above:
        if above in manifests:
            return above
        above = _above(above.rstrip("/"))
    folders = name.removeprefix(month).split("/")[:-1]
    if not folders:
        return name
    return month + "/".join(folders[: 2 if _STAMP.fullmatch(folders[0]) else 1]) + "/"
