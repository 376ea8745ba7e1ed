"""Texts with named places, such as ``Cloud {month} {service}``: names of a closed list, and nothing but names.

``str.format`` would follow ``{team.__class__}`` into the program; here a place is looked up in a table, or it is an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from string import Formatter

from finops.rules.header import nearest


def names_in(text: str) -> set[str]:
    """The names of a text that has no ``problems``."""
    return {name for _, name in _parts(text) if name is not None}


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its places filled. A value is put in as it is: braces in it mean nothing."""
    return "".join(literal + (values[name] if name is not None else "") for literal, name in _parts(text))


def problems(text: str, known: Collection[str]) -> list[str]:
    """What is wrong with a text, as sentences."""
    try:
        pieces = list(Formatter().parse(text))
    except ValueError:
        return ["a brace is not closed or not opened; a brace that means itself is written twice: {{ or }}"]
    found = []
    strange = False
    for _, name, form, conversion in pieces:
        if name is None:
            continue
        if name not in known:
            close = nearest(re.split(r"\W", name)[0], sorted(known))
            strange = strange or not close
            found.append(f"there is no {{{name}}}{close}")
        elif form or conversion:
            found.append(f"{{{name}}} stands alone in its braces, without '!' or ':'")
    return [*found, f"there are {', '.join(f'{{{each}}}' for each in known)}"] if strange else found


def _parts(text: str) -> Iterator[tuple[str, str | None]]:
    for literal, name, _, _ in Formatter().parse(text):
        yield literal, name
