"""Reading a manifest whole: only as far as a manifest can be."""

from __future__ import annotations

import io
from typing import Any

from finops.collectors.interface import Outcome, Trouble

LARGEST = 64 << 20
"""Bytes. The manifest of a thousand data files has less than one megabyte."""


class Small(io.BytesIO):
    """Takes the bytes of a file that is read whole. Writing more than a manifest has raises ``Trouble``."""

    def __init__(self, where: str) -> None:
        """``where``: the file, for the message."""
        super().__init__()
        self._where = where

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > LARGEST:
            raise Trouble(
                Outcome.CHANGED,
                f"is no manifest: it has more than {LARGEST:,} bytes",
                where=self._where,
                next_step="Look at what writes there: a manifest names files, and is small.",
            )
        return super().write(data)
