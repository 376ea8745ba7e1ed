"""Which format a file holds, from its columns; and the nearest known format when it is none."""

from __future__ import annotations

from collections.abc import Sequence

from finops.errors import UnknownFormatError, UsageError
from finops.formats.spec import FormatSpec, spellings
from finops.rules.header import nearest


def detect(columns: Sequence[str], specs: Sequence[FormatSpec], name: str, wanted: str = "") -> FormatSpec:
    """The format whose telling columns are all there; of several, the one that asks for most.

    Args:
        columns: the file's column names; a nested column also counts as ``parent.field``.
        name: the file, for messages.
        wanted: ``--format``: only this one is considered.

    Raises:
        UnknownFormatError: says what was seen and which known format is nearest.
        UsageError: ``wanted`` is no format.
    """
    seen = {spelling for column in columns for spelling in spellings(column)}
    if wanted:
        by_id = {spec.id: spec for spec in specs}
        if wanted not in by_id:
            raise UsageError(
                f"there is no format '{wanted}'{nearest(wanted, list(by_id))}",
                next_step=f"Known formats: {', '.join(sorted(by_id))}.",
            )
        specs = [by_id[wanted]]
    matching = [spec for spec in specs if is_of(columns, spec)]
    if matching:
        return max(matching, key=lambda spec: (len(spec.detect), spec.id))
    raise _unknown(columns, seen, specs, name)


def is_of(columns: Sequence[str], spec: FormatSpec) -> bool:
    """Are a format's telling columns all there?"""
    seen = {spelling for column in columns for spelling in spellings(column)}
    return all(seen & set(any_of) for any_of in spec.detect)


def _unknown(columns: Sequence[str], seen: set[str], specs: Sequence[FormatSpec], name: str) -> UnknownFormatError:
    def share(spec: FormatSpec) -> float:
        return sum(bool(seen & set(any_of)) for any_of in spec.detect) / len(spec.detect)

    best = max(specs, key=share)
    shown = ", ".join(columns[:8]) + (f", … ({len(columns)} columns)" if len(columns) > 8 else "")
    if share(best) == 0:
        hint = f"No known format has any of these columns. Known: {', '.join(sorted(spec.id for spec in specs))}."
    else:
        missing = [" or ".join(any_of) for any_of in best.detect if not seen & set(any_of)]
        hint = f"Nearest is '{best.id}' ({best.query.title}), but it lacks: {', '.join(missing)}."
    return UnknownFormatError(
        f"is no bill that finops knows; its columns are: {shown or 'none'}",
        where=name,
        next_step=f"{hint} A mapping of your own goes into queries/normalise/ (docs/queries.md).",
    )
