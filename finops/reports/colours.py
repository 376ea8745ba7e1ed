"""One colour per name, the same in every report: made from the name, not from its rank."""

from __future__ import annotations

import hashlib

from finops.reports.contexts import Brand

PALETTE_SIZE = 10
"""Colours in ``style.css`` (``--tint-0`` …), each with a light and a dark form."""
NOBODY = "nobody"
REST = "rest"


def tints(names: list[str], brand: Brand = Brand()) -> dict[str, str]:  # noqa: B008
    """The colour class of each name: ``tint-3``; ``tint-nobody`` for what is unallocated; the company's own where it has set one.

    A name's colour comes from its hash. Two names that would get the same one are told apart by giving the later in the
    alphabet the next free colour, so adding a team rarely changes another's.
    """
    given: dict[str, str] = {}
    taken: set[int] = set()
    for name in sorted(set(names)):
        if name in brand.tint_of:
            given[name] = brand.tint_of[name]
            continue
        if name == "unallocated":
            given[name] = f"tint-{NOBODY}"
            continue
        wanted = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % PALETTE_SIZE
        free = [(wanted + step) % PALETTE_SIZE for step in range(PALETTE_SIZE)]
        index = next((each for each in free if each not in taken), wanted)
        taken.add(index)
        given[name] = f"tint-{index}"
    return given
