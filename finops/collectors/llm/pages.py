"""Daily pages of a month: fetched one after the other, checked, and written as they came."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from finops.collectors.interface import Outcome, Tell, Trouble
from finops.collectors.llm.http import Answer, Api
from finops.collectors.web import Params

MOST_PAGES = 400
"""A month has 31 days; no vendor needs more pages for it."""


@dataclass(frozen=True)
class Report:
    """One report of a vendor: where it is, how it is asked for, how its pages look."""

    path: str
    params: Callable[[date, date], Params]
    """From the first day and the day after the last."""
    day: Callable[[dict[str, Any]], date]
    """The day (UTC) that a bucket begins on.

    Raises:
        KeyError, TypeError, ValueError: the bucket does not say so.
    """
    needs: Sequence[tuple[str, ...]]
    """What every result must have: of each group at least one, ``amount.value`` being a field of ``amount``."""
    filled: Sequence[str] = ()
    """Of these, what must not be null."""
    every_day: bool = False
    """Has it, as the vendor documents, one bucket for every day, with or without results?"""


def month_end(month: date) -> date:
    """The first of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def days_asked(month: date, today: date) -> tuple[date, date]:
    """The first day of a month and the day after its last, or after today where the month is not over."""
    return month, min(month_end(month), today + timedelta(days=1))


def pages(
    api: Api, report: Report, month: date, today: date, before: Collection[date] = frozenset()
) -> Iterator[Answer]:
    """The pages of a month, in the vendor's order.

    Args:
        before: days that had results when they were asked for the last time. They may have none now, but must be there.

    Raises:
        Trouble: as ``Api.get``; changed: they are of another shape, of other days, or do not end; incomplete: days are missing.
    """
    start, end = days_asked(month, today)
    token, tokens, days = "", set[str](), set[date]()
    for _ in range(MOST_PAGES):
        answer = api.get(report.path, report.params(start, end) + ([("page", token)] if token else []))
        problem = _wrong(answer.page, report, start, end, days)
        if problem:
            raise _changed(api, report, problem)
        yield answer
        if not answer.page["has_more"]:
            missing = _missing(days, start, min(end, today)) if report.every_day and days else None
            if missing := missing or min(set(before) - days, default=None):
                raise Trouble(
                    Outcome.INCOMPLETE,
                    f"does not say anything about {missing}",
                    where=api.where(report.path),
                    next_step="The next run asks again; until then the month stays as it was.",
                )
            return
        token = answer.page.get("next_page") or ""
        if not isinstance(token, str) or not token or token in tokens:
            what = "has more pages and does not say which" if not token else "names the same page again and again"
            raise _changed(api, report, what)
        tokens.add(token)
    raise _changed(api, report, f"has more than {MOST_PAGES} pages for one month")


def days_with_results(report: Report, files: Iterable[Path]) -> set[date]:
    """The days that have results on pages that were written before. A file that is no such page has none."""
    found = set[date]()
    for file in files:
        try:
            page = json.loads(file.read_bytes())
            found |= {report.day(bucket) for bucket in page["data"] if bucket["results"]}
        except (OSError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
            continue
    return found


def write(answers: Iterator[Answer], folder: Path, name: str, tell: Tell, *, all_pages: bool) -> int:
    """Write pages as ``NAME-001.json``, ``NAME-002.json``, …

    Args:
        all_pages: else only those with results.

    Returns:
        How many were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for answer in answers:
        if all_pages or any(bucket["results"] for bucket in answer.page["data"]):
            written += 1
            (folder / f"{name}-{written:03}.json").write_bytes(answer.content)
            tell(f"{folder.name}/{name}-{written:03}.json", len(answer.content))
    return written


def emptied(folder: Path) -> Path:
    """The folder without what an earlier run left: of another number of pages the last must not stay."""
    if folder.is_dir():
        shutil.rmtree(folder)
    return folder


def _changed(api: Api, report: Report, what: str) -> Trouble:
    return Trouble(
        Outcome.CHANGED,
        what,
        where=api.where(report.path),
        next_step="Look for a newer finops. Nothing of this month was loaded; the ledger keeps what it had.",
    )


def _wrong(page: Any, report: Report, start: date, end: date, days: set[date]) -> str:
    """What is not as it should be; empty: nothing. Notes the page's days."""
    if not (isinstance(page, dict) and isinstance(page.get("data"), list) and isinstance(page.get("has_more"), bool)):
        return f"is no page of buckets: it has {_keys(page)}"
    for bucket in page["data"]:
        if not (isinstance(bucket, dict) and isinstance(bucket.get("results"), list)):
            return f"has buckets without 'results': {_keys(bucket)}"
        try:
            day = report.day(bucket)
        except (KeyError, TypeError, ValueError, OverflowError):
            return f"has buckets without their day: {_keys(bucket)}"
        if not start <= day < end:
            return f"answers with {day}, which it was not asked for"
        if day in days:
            return f"answers with {day} twice"
        days.add(day)
        for result in bucket["results"]:
            problem = _lacks(result, report)
            if problem:
                return problem
    return ""


def _lacks(result: Any, report: Report) -> str:
    for group in report.needs:
        if not any(_has(result, name) for name in group):
            return f"has results without '{' or '.join(group)}': they have {_keys(result)}"
    for name in report.filled:
        if _value(result, name) in (None, ""):
            return f"has results whose '{name}' is empty"
    return ""


def _has(result: Any, name: str) -> bool:
    *outer, last = name.split(".")
    for part in outer:
        result = result.get(part) if isinstance(result, dict) else None
    return isinstance(result, dict) and last in result


def _value(result: Any, name: str) -> Any:
    for part in name.split("."):
        result = result.get(part) if isinstance(result, dict) else None
    return result


def _keys(value: Any) -> str:
    if not isinstance(value, dict):
        return f"a {type(value).__name__}"
    return ", ".join(re.sub(r"[^\w.\-]", "?", str(key))[:40] for key in list(value)[:12]) or "nothing"


def _missing(days: set[date], start: date, end: date) -> date | None:
    day = start
    while day < end:
        if day not in days:
            return day
        day += timedelta(days=1)
    return None


def day_of_epoch(value: Any) -> date:
    """The day of seconds since 1970."""
    return datetime.fromtimestamp(int(value), tz=UTC).date()


def epoch(day: date) -> str:
    """A day's beginning as seconds since 1970."""
    return str(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()))
