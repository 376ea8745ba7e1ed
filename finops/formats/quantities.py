"""Quantities of charges that are on other pages: Anthropic's cost report states no tokens, its usage report does.

A mapping's header says so (``quantities``). Usage pages that lie in the folder of the costs belong to their delivery, and each
charge gets as its ``quantity`` what was used on the same day, in the same workspace, of the same model, … No charge is added
and no quantity is shared out: where two charges or none would fit, there is none.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class QuantityRule:
    """How usage finds its charge. Fields are named as in the pages, those of the bucket as ``bucket_…``."""

    pages: str
    """The format of the usage pages."""
    field: str
    """The charges' field that names the field of the usage: ``token_type``."""
    by: tuple[str, ...]
    """Fields that are equal in both. One that no charge states was not asked for: the usage is added up over it."""
    where_null: tuple[str, ...]
    """Such fields in which null is a value too (the default workspace): either both pages state it or neither."""


Record = dict[str, Any]
Key = tuple[str, ...]


def add_quantities(charges: Sequence[Path], usage: Sequence[Path], rule: QuantityRule) -> None:
    """Give the charges (JSON lines) a field ``quantity``, and leave nothing of the usage.

    Args:
        charges: flattened pages of charges; rewritten.
        usage: flattened pages of usage; emptied.
    """
    by = _comparable(charges, usage, rule)
    if by is not None:
        times = Counter(_key(record, by, str(record.get(rule.field))) for record in _records(charges))
        found = _sums(_records(usage), by, {key[-1] for key in times})
        for path in charges:
            records = list(_records([path]))
            with path.open("w", encoding="utf-8") as lines:
                for record in records:
                    key = _key(record, by, str(record.get(rule.field)))
                    if times[key] == 1 and found.get(key):
                        record["quantity"] = f"{found[key]:f}"
                    lines.write(json.dumps(record) + "\n")
    for path in usage:
        path.write_text("")


def _comparable(charges: Sequence[Path], usage: Sequence[Path], rule: QuantityRule) -> tuple[str, ...] | None:
    """The fields to compare; None: the pages were not asked for alike."""
    charged = _stated((record for record in _records(charges) if record.get(rule.field)), rule)
    used = _stated(_records(usage), rule)
    if any((name in charged) != (name in used) for name in rule.where_null) or charged - used:
        return None
    return tuple(name for name in rule.by if name in charged) + rule.where_null


def _stated(records: Iterable[Record], rule: QuantityRule) -> set[str]:
    names = (*rule.by, *rule.where_null)
    return {name for record in records for name in names if record.get(name) is not None}


def _sums(usage: Iterable[Record], by: Sequence[str], fields: Iterable[str]) -> Mapping[Key, Decimal]:
    found: dict[Key, Decimal] = {}
    for record in usage:
        for name in fields:
            amount = _number(record, name)
            if amount is not None:
                key = _key(record, by, name)
                found[key] = found.get(key, Decimal(0)) + amount
    return found


def _key(record: Record, by: Sequence[str], field: str) -> Key:
    return (*(json.dumps(record.get(name)) for name in by), field)


def _number(record: Record, name: str) -> Decimal | None:
    value: Any = record
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None


def _records(paths: Iterable[Path]) -> Iterator[Record]:
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
