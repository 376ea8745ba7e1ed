"""When a scheduled run starts: ``Mon 06:00``, as cron and systemd write it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from finops.errors import UsageError

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EXAMPLES = "'Mon 06:00', 'Mon,Thu 06:00', 'Mon-Fri 06:00', 'daily 06:00', or '3 06:00' for the third of each month"
_AT = re.compile(r"(?:(?P<days>[\w,-]+)\s+)?(?P<hour>\d{1,2}):(?P<minute>\d{2})")
_LAST_DAY = 28
"""The last day that every month has."""


@dataclass(frozen=True)
class Timetable:
    """The days of a week, or a day of the month, and a time of day."""

    weekdays: tuple[int, ...]
    """Monday is 0; empty: not by the week."""
    month_day: int
    """0: not by the month."""
    hour: int
    minute: int

    @property
    def cron(self) -> str:
        """The five fields."""
        days = ",".join(str((day + 1) % 7) for day in self.weekdays) if 0 < len(self.weekdays) < len(WEEKDAYS) else "*"
        return f"{self.minute} {self.hour} {self.month_day or '*'} * {days}"

    def on_calendar(self, zone: str) -> str:
        """As systemd writes it, with its time zone."""
        days = ",".join(WEEKDAYS[day][:3] for day in self.weekdays) if len(self.weekdays) < len(WEEKDAYS) else ""
        date = f"*-*-{self.month_day:02}" if self.month_day else "*-*-*"
        return f"{days + ' ' if days else ''}{date} {self.hour:02}:{self.minute:02}:00 {zone}"

    def falls_before(self, zone: tzinfo | None) -> str:
        """The moment in UTC, in words, if in this zone a week's or month's first run comes before UTC's week or month begins.

        Args:
            zone: None: the machine's.
        """
        for start in self._firsts():
            aware = start.astimezone() if zone is None else start.replace(tzinfo=zone)
            moment = aware.astimezone(UTC)
            if moment.date() < start.date():
                return f"{WEEKDAYS[moment.weekday()]} {moment:%H:%M} UTC"
        return ""

    def _firsts(self) -> Iterable[datetime]:
        """Runs on a Monday or a first, in winter and in summer."""
        for month in (1, 7):
            day = datetime(2026, month, 1, self.hour, self.minute)
            if self.month_day == 1:
                yield day
            if 0 in self.weekdays:
                yield day + timedelta(days=-day.weekday() % 7)


def parse_timetable(text: str) -> Timetable:
    """``Mon 06:00`` and the like.

    Raises:
        UsageError: it is none.
    """
    found = _AT.fullmatch(text.strip())
    wrong = UsageError(f"--at {text!r} is no time for a schedule", next_step=f"Write it as {EXAMPLES}.")
    if not found or int(found["hour"]) > 23 or int(found["minute"]) > 59:
        raise wrong
    hour, minute, days = int(found["hour"]), int(found["minute"]), (found["days"] or "daily").lower()
    if days == "daily":
        return Timetable(tuple(range(len(WEEKDAYS))), 0, hour, minute)
    if days.isdecimal():
        if not 1 <= int(days) <= _LAST_DAY:
            raise UsageError(
                f"--at {text!r}: not every month has such a day", next_step=f"Give a day from 1 to {_LAST_DAY}."
            )
        return Timetable((), int(days), hour, minute)
    chosen: set[int] = set()
    for part in days.split(","):
        first, _, last = part.partition("-")
        ends = [_weekday(first), _weekday(last or first)]
        if None in ends:
            raise wrong
        start, end = (each for each in ends if each is not None)
        chosen |= {(start + step) % 7 for step in range((end - start) % 7 + 1)}
    return Timetable(tuple(sorted(chosen)), 0, hour, minute)


def _weekday(name: str) -> int | None:
    return next(
        (number for number, day in enumerate(WEEKDAYS) if len(name) >= 3 and day.lower().startswith(name)), None
    )


def parse_zone(name: str) -> ZoneInfo:
    """A time zone of the IANA database.

    Raises:
        UsageError: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # not found, a path, a folder of zones
        raise UsageError(
            f"--timezone {name!r} is no time zone", next_step="Write it as in the IANA database: UTC, Europe/Vienna."
        ) from error
