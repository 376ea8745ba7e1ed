"""Names of files from names that came from outside."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

LONGEST = 60


def slugs(names: Iterable[str]) -> dict[str, str]:
    """A file name for each: letters, digits, ``-``, ``_`` and ``.``, never the same for two, the same again for the same name.

    A name that is one already stays as it is; another gets eight digits of its hash.
    """
    return {name: _slug(name) for name in names}


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9_.-]+", "-", plain).strip("-.")[:LONGEST]
    if short == name:
        return name
    return f"{short or 'team'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
