"""Names of files from names that came from outside."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

LONGEST = 60
_DIGITS = 16
_HASHED = re.compile(rf".*-[0-9a-f]{{{_DIGITS}}}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
"""What Windows takes for a device, with any extension."""


def slugs(names: Iterable[str]) -> dict[str, str]:
    """A file name for each: small letters, digits, ``-``, ``_`` and ``.``; never the same for two, even where a file system does
    not tell large letters from small ones; the same again for the same name.

    A name that is one already stays as it is; another gets sixteen digits of its hash.
    """
    return {name: _slug(name) for name in names}


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9_.-]+", "-", plain).strip("-.")[:LONGEST].rstrip("-.")
    if name and short == name and not _HASHED.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{(short or 'team').replace('.', '-')}-{digest}"
