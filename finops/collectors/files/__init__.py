"""A folder of billing files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finops.collectors.interface import Collected, Outcome


@dataclass(frozen=True)
class FilesCollector:
    """A local folder or file, read as it is."""

    source_id: str
    path: Path

    def collect(self) -> Collected:
        """The folder itself: loading knows which of its files are new."""
        if not self.path.exists():
            return Collected(Outcome.FAILED, detail=f"{self.path} does not exist; correct the source's path")
        try:
            empty = self.path.is_dir() and not any(self.path.iterdir())
        except PermissionError:
            return Collected(Outcome.DENIED, detail=f"{self.path} may not be read; check its permissions")
        if empty:
            return Collected(Outcome.EMPTY, detail=f"{self.path} is empty")
        return Collected(Outcome.COMPLETE, [self.path])
