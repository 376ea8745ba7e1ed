"""Answers of AWS Cost Explorer: ``{ResultsByTime: [{TimePeriod, Groups: [{Keys, Metrics}]}]}`` as one flat record per group.

An answer does not say who asked for what. The collector therefore keeps it beside its request, ``{request: {…}, answer: {…}}``;
an answer alone, as ``aws ce get-cost-and-usage`` prints it, is read too, without the accounts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from finops.errors import BadInputError


def is_answer(page: Any) -> bool:
    """Is this parsed JSON an answer of Cost Explorer, alone or beside its request?"""
    return isinstance(page, dict) and isinstance(_answer(page).get("ResultsByTime"), list)


def more_follows(page: dict[str, Any]) -> bool:
    """Does the answer say that another page follows?"""
    return bool(_answer(page).get("NextPageToken"))


def answer_records(page: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Each group with its keys under the names of their dimensions, its metrics, and its day's fields as ``bucket_…``.

    A day without groups gives one record of its ``bucket_…`` fields alone, and so does an answer without days.

    Raises:
        BadInputError: a group has more or fewer keys than the answer was grouped by.
    """
    answer, request = _answer(page), page.get("request") or {}
    grouped_by = [each.get("Key") for each in answer.get("GroupDefinitions") or request.get("GroupBy") or []]
    asked = {"bucket_asked_by": request.get("CallerAccount"), "bucket_account": _linked_account(request)}
    if not answer["ResultsByTime"]:
        yield {"bucket_estimated": None, **asked}
    for day in answer["ResultsByTime"]:
        period = day.get("TimePeriod") or {}
        around = {
            "bucket_start": period.get("Start"),
            "bucket_end": period.get("End"),
            "bucket_estimated": day.get("Estimated"),
            **asked,
        }
        groups = day.get("Groups") or []
        for group in groups:
            keys = group.get("Keys") or []
            if len(keys) != len(grouped_by):
                raise BadInputError(
                    f"has a group of {len(keys)} keys in an answer that is grouped by {len(grouped_by)} dimensions",
                    where=name,
                    next_step="Fetch the page again.",
                )
            yield {**around, **dict(zip(grouped_by, keys, strict=True)), **(group.get("Metrics") or {})}
        if not groups:
            yield around if grouped_by else {**around, **(day.get("Total") or {})}


def _answer(page: dict[str, Any]) -> dict[str, Any]:
    answer = page.get("answer", page)
    return answer if isinstance(answer, dict) else {}


def _linked_account(request: dict[str, Any]) -> str | None:
    """The one account that the request was restricted to."""
    dimension = (request.get("Filter") or {}).get("Dimensions") or {}
    values = dimension.get("Values") or []
    return str(values[0]) if dimension.get("Key") == "LINKED_ACCOUNT" and len(values) == 1 else None
