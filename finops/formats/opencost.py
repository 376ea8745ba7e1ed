"""Answers of OpenCost and Kubecost: ``{code, data: [{name: {properties, window, totalCost, …}}]}``, one set a step.

Each allocation of each set becomes one flat record.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def is_allocation(page: Any) -> bool:
    """Is this parsed JSON an answer of ``/allocation``? Its data are sets of named allocations, not buckets with results."""
    data = page.get("data") if isinstance(page, dict) else None
    if not isinstance(data, list) or "code" not in page:
        return False
    return all(each is None or (isinstance(each, dict) and _named(each)) for each in data)


def _named(each: dict[str, Any]) -> bool:
    return all(isinstance(value, dict) for value in each.values())


def allocation_records(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each allocation, with the name under which it stands. Sets without any give one record of ``bucket_…`` fields alone."""
    for each in page["data"] or [None]:
        if not each:
            yield {"bucket_allocation_set": None}
        for name, allocation in (each or {}).items():
            yield {"name": name, **allocation}
