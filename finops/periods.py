"""Periods of days: ``2026-10``, ``2026-W43``, ``last-week`` … Days are UTC, ends are exclusive."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from finops.errors import UsageError

EXAMPLES = (
    "2026-10, 2026-Q4, 2026-W43, 2026-10-05, 2026-10-01/2026-11-01 (the end is exclusive), "
    "last-week, last-month, this-month, last-30-days"
)
_DAY = timedelta(days=1)
_DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Period:
    """Whole days from ``start`` up to, not including, ``end``."""

    name: str
    """What to type to get this period again on any day: ``2026-W43``, never ``last-week``."""
    start: date
    end: date

    @property
    def days(self) -> int:
        """Its length."""
        return (self.end - self.start).days

    @property
    def last_day(self) -> date:
        """The last day in it."""
        return self.end - _DAY

    @property
    def slug(self) -> str:
        """Its name as part of a file's name."""
        return self.name.replace("/", "_")

    @property
    def kind(self) -> str:
        """``day``, ``week``, ``month``, ``quarter`` or ``range``."""
        return _kind(self.start, self.end)

    @property
    def label(self) -> str:
        """For people, with the number of the week or quarter and the days."""
        if self.kind == "day":
            return f"{self.start:%A}, {_spell(self.start)}"
        if self.kind == "week":
            return f"Week {self.start.isocalendar().week}, {self.dates}"
        if self.kind == "month":
            return f"{self.start:%B %Y}"
        if self.kind == "quarter":
            return f"Quarter {(self.start.month + 2) // 3}, {self.dates}"
        return self.dates

    @property
    def short_label(self) -> str:
        """For a sentence: ``week 43``, ``October 2026``."""
        if self.kind == "week":
            return f"week {self.start.isocalendar().week}"
        if self.kind == "quarter":
            return f"quarter {(self.start.month + 2) // 3} of {self.start.year}"
        return self.label if self.kind == "month" else self.dates

    @property
    def dates(self) -> str:
        """The first and the last day, or the only one."""
        first, last = self.start, self.last_day
        if first == last:
            return _spell(first)
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day}{_DASH}{_spell(last)}"
        if first.year == last.year:
            return f"{first.day} {first:%B} {_DASH} {_spell(last)}"
        return f"{_spell(first)} {_DASH} {_spell(last)}"

    def previous(self) -> Period:
        """The period just before: as many whole months if it is made of whole months, else as many days.

        The analyses that compare follow the same rule in SQL.
        """
        if self.start.day == 1 and self.end.day == 1:
            months = (self.end.year - self.start.year) * 12 + self.end.month - self.start.month
            return between(_add_months(self.start, -months), self.start)
        return between(self.start - (self.end - self.start), self.start)


def between(start: date, end: date) -> Period:
    """The period from ``start`` up to, not including, ``end``, under the shortest name that it has.

    Raises:
        UsageError: it has no day.
    """
    if end <= start:
        raise UsageError(
            f"the period {start}/{end} has no day",
            next_step=f"The end is exclusive: one day is {start}/{_after(start)}. Examples: {EXAMPLES}.",
        )
    kind = _kind(start, end)
    iso = start.isocalendar()
    name = {
        "day": start.isoformat(),
        "week": f"{iso.year}-W{iso.week:02d}",
        "month": f"{start.year:04d}-{start.month:02d}",
        "quarter": f"{start.year:04d}-Q{(start.month + 2) // 3}",
    }.get(kind, f"{start}/{end}")
    return Period(name, start, end)


def parse_period(text: str, today: date) -> Period:
    """The period that ``text`` names; ``last-…`` count from ``today``, which is not over and so not in them.

    Raises:
        UsageError: it names none.
    """
    wanted = text.strip().lower()
    if wanted in _RELATIVE:
        return _RELATIVE[wanted](today)
    try:
        for pattern, reader in _PATTERNS:
            match = pattern.fullmatch(wanted)
            if match:
                return reader(match)
        if re.fullmatch(r"last-\d+-days", wanted):
            return between(today - timedelta(days=int(wanted.split("-")[1])), today)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"there is no period '{text}': {error}", next_step=f"Examples: {EXAMPLES}.") from error
    raise UsageError(f"'{text}' is no period", next_step=f"Examples: {EXAMPLES}.")


def _after(day: date) -> date:
    return day + _DAY if day < date.max else day


def _spell(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _kind(start: date, end: date) -> str:
    if end == _after(start):
        return "day"
    if start.isoweekday() == 1 and (end - start).days == 7:
        return "week"
    if start.day == 1 and end.day == 1:
        months = (end.year - start.year) * 12 + end.month - start.month
        if months == 1:
            return "month"
        if months == 3 and start.month % 3 == 1:
            return "quarter"
    return "range"


def _add_months(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)


def _month(match: re.Match[str]) -> Period:
    first = date(int(match[1]), int(match[2]), 1)
    return between(first, _add_months(first, 1))


def _quarter(match: re.Match[str]) -> Period:
    first = date(int(match[1]), int(match[2]) * 3 - 2, 1)
    return between(first, _add_months(first, 3))


def _week(match: re.Match[str]) -> Period:
    monday = date.fromisocalendar(int(match[1]), int(match[2]), 1)
    return between(monday, monday + timedelta(days=7))


def _days(match: re.Match[str]) -> Period:
    first = date.fromisoformat(match[1])
    return between(first, date.fromisoformat(match[2]))


def _one_day(match: re.Match[str]) -> Period:
    day = date.fromisoformat(match[0])
    return between(day, day + _DAY)


_ISO = r"\d{4}-\d{2}-\d{2}"
_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Period]], ...] = (
    (re.compile(r"(\d{4})-(\d{2})"), _month),
    (re.compile(r"(\d{4})-q([1-4])"), _quarter),
    (re.compile(r"(\d{4})-w(\d{2})"), _week),
    (re.compile(_ISO), _one_day),
    (re.compile(f"({_ISO})/({_ISO})"), _days),
)


def _last_week(today: date) -> Period:
    monday = today - timedelta(days=today.weekday())
    return between(monday - timedelta(days=7), monday)


def _last_month(today: date) -> Period:
    first = today.replace(day=1)
    return between(_add_months(first, -1), first)


def _this_month(today: date) -> Period:
    first = today.replace(day=1)
    return between(first, _add_months(first, 1))


_RELATIVE: dict[str, Callable[[date], Period]] = {
    "last-week": _last_week,
    "last-month": _last_month,
    "this-month": _this_month,
}
