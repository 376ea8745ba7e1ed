"""The one shape of all collectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Outcome(StrEnum):
    """How a read ended. A failed read is not an empty one."""

    COMPLETE = "complete"
    EMPTY = "empty"
    INCOMPLETE = "incomplete"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True)
class Collected:
    """What a collector brought."""

    outcome: Outcome
    paths: Sequence[Path] = ()
    """Files and folders to load; they stay where they are until landing has its copy."""
    detail: str = ""
    """What happened, where, and what to do, when the outcome is not complete."""


class Collector(Protocol):
    """Fetches what one configured source delivers."""

    @property
    def source_id(self) -> str:
        """The source's name in ``finops.toml``."""
        ...

    def collect(self) -> Collected:
        """Fetch. Raises nothing that one source can cause: that is an outcome."""
        ...
