"""What people type for a period, and the days that they get."""
# ruff: noqa: RUF001  # people read en dashes

from __future__ import annotations

from datetime import date

import pytest

from finops.errors import UsageError
from finops.periods import between, parse_period

TODAY = date(2026, 10, 26)  # a Monday


@pytest.mark.parametrize(
    ("text", "name", "start", "end"),
    [
        ("2026-10", "2026-10", "2026-10-01", "2026-11-01"),
        ("2026-12", "2026-12", "2026-12-01", "2027-01-01"),
        ("2026-Q4", "2026-Q4", "2026-10-01", "2027-01-01"),
        ("2026-q1", "2026-Q1", "2026-01-01", "2026-04-01"),
        ("2026-W43", "2026-W43", "2026-10-19", "2026-10-26"),
        ("2026-W01", "2026-W01", "2025-12-29", "2026-01-05"),  # an ISO week may begin in the year before
        ("2026-W53", "2026-W53", "2026-12-28", "2027-01-04"),
        ("2026-10-05", "2026-10-05", "2026-10-05", "2026-10-06"),
        ("2026-10-03/2026-10-09", "2026-10-03/2026-10-09", "2026-10-03", "2026-10-09"),
        ("2026-10-01/2026-11-01", "2026-10", "2026-10-01", "2026-11-01"),  # the shortest name
        ("last-week", "2026-W43", "2026-10-19", "2026-10-26"),
        ("last-month", "2026-09", "2026-09-01", "2026-10-01"),
        ("this-month", "2026-10", "2026-10-01", "2026-11-01"),
        ("last-30-days", "2026-09-26/2026-10-26", "2026-09-26", "2026-10-26"),
        ("last-7-days", "2026-W43", "2026-10-19", "2026-10-26"),
        (" Last-Week ", "2026-W43", "2026-10-19", "2026-10-26"),
    ],
)
def test_a_period_is_whole_days_with_an_exclusive_end(text: str, name: str, start: str, end: str) -> None:
    period = parse_period(text, TODAY)
    assert (period.name, str(period.start), str(period.end)) == (name, start, end)
    assert parse_period(period.name, date(2031, 1, 1)) == period, "its name means the same on any other day"


@pytest.mark.parametrize("day", range(19, 26))
def test_last_week_is_complete_on_every_day_of_the_week_after(day: int) -> None:
    assert parse_period("last-week", date(2026, 10, day)).name == "2026-W42"


@pytest.mark.parametrize(
    ("text", "previous"),
    [
        ("2026-W01", "2025-W52"),
        ("2026-03", "2026-02"),  # whole months are compared with whole months, whatever their length
        ("2026-01", "2025-12"),
        ("2026-Q1", "2025-Q4"),
        ("2026-03-01", "2026-02-28"),
        ("2026-10-03/2026-10-06", "2026-09-30/2026-10-03"),
        ("2026-02-01/2026-04-01", "2025-12-01/2026-02-01"),
    ],
)
def test_the_previous_period(text: str, previous: str) -> None:
    assert parse_period(text, TODAY).previous().name == previous


@pytest.mark.parametrize(
    ("text", "label", "short"),
    [
        ("2026-W43", "Week 43, 19–25 October 2026", "week 43"),
        ("2026-W40", "Week 40, 28 September – 4 October 2026", "week 40"),
        ("2026-W53", "Week 53, 28 December 2026 – 3 January 2027", "week 53"),
        ("2026-10", "October 2026", "October 2026"),
        ("2026-Q4", "Quarter 4, 1 October – 31 December 2026", "quarter 4 of 2026"),
        ("2026-10-05", "Monday, 5 October 2026", "5 October 2026"),
        ("last-30-days", "26 September – 25 October 2026", "26 September – 25 October 2026"),
    ],
)
def test_people_read_a_label(text: str, label: str, short: str) -> None:
    period = parse_period(text, TODAY)
    assert (period.label, period.short_label) == (label, short)


def test_a_name_is_safe_as_part_of_a_file_name() -> None:
    assert parse_period("last-30-days", TODAY).slug == "2026-09-26_2026-10-26"


@pytest.mark.parametrize(
    "text",
    ["", "october", "2026", "2026-13", "2026-00", "2026-Q5", "2026-W54", "2025-W53", "2026-02-30", "2026-10-05/",
     "0000-01", "last-0-days", "last-9999999999-days", "2026-10-05/2026-10-05", "2026-10-06/2026-10-05", "9999-12-31", "9999-12"],
)  # fmt: skip
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="Examples: 2026-10, 2026-Q4"):
        parse_period(text, TODAY)


def test_an_empty_period_says_that_the_end_is_exclusive() -> None:
    with pytest.raises(UsageError, match="2026-10-05/2026-10-06"):
        between(date(2026, 10, 5), date(2026, 10, 5))
