"""What is missing at the sources: ``ops.sources`` has how each source's last reading ended, ``ops.holes`` what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from finops.collectors.interface import Outcome, Trouble
from finops.errors import BadInputError, ConfigError, FinopsError, IncompleteDeliveryError, UnknownFormatError
from finops.warehouse.connection import Connection, transaction, was_interrupted


@dataclass(frozen=True)
class Hole:
    """Something that should be in the ledger and could not be read."""

    outcome: Outcome
    problem: FinopsError
    period: date | None
    """The first of the month that is missing; None: not of one month."""


def hole_of(problem: FinopsError, period: date | None = None) -> Hole:
    """A problem as a hole of its source.

    Args:
        period: of the offer that it happened with, unless the problem knows its own.
    """
    if isinstance(problem, Trouble):
        return Hole(problem.outcome, problem, problem.period or period)
    if isinstance(problem, IncompleteDeliveryError):
        return Hole(Outcome.INCOMPLETE, problem, period)
    if isinstance(problem, UnknownFormatError):
        return Hole(Outcome.CHANGED, problem, period)
    outcome = Outcome.REFUSED if isinstance(problem, BadInputError) else Outcome.FAILED
    return Hole(outcome, problem, period)


def as_trouble(error: Exception) -> FinopsError:
    """Whatever went wrong with one source, so that the others go on.

    Raises:
        Exception: the error itself, if somebody has stopped the run.
    """
    if was_interrupted(error):
        raise error
    if isinstance(error, ConfigError):  # a secret that is not where the configuration says
        return Trouble(Outcome.EXPIRED, error.what, where=error.where, next_step=error.next_step)
    if isinstance(error, FinopsError):
        return error
    if isinstance(error, OSError):
        what = (error.strerror or str(error) or type(error).__name__).lower()
        trouble = Trouble(Outcome.FAILED, what, where=str(error.filename2 or error.filename or ""),
                          next_step="Check the disk, the path and its permissions.")  # fmt: skip
    else:
        text = " ".join(str(error).split())
        trouble = Trouble(Outcome.FAILED, f"a fault of finops: {type(error).__name__}{': ' if text else ''}{text}",
                          next_step="Please report it, with what 'finops -vv collect' prints.")  # fmt: skip
    trouble.__cause__ = error
    return trouble


def gathered(holes: Sequence[Hole]) -> list[FinopsError]:
    """The problems of holes, to be read: months to which the same happened are one problem."""
    alike: dict[tuple[Outcome, str, str], list[Hole]] = {}
    for hole in holes:
        alike.setdefault((hole.outcome, hole.problem.what, hole.problem.next_step), []).append(hole)
    found = []
    for some in alike.values():
        first = some[0].problem
        months = [f"{hole.period:%Y-%m}" for hole in some if hole.period]
        if len(some) == 1 or len(months) < len(some):
            found += [hole.problem for hole in some]
            continue
        text = ", ".join([first.where, *months[1:]])
        found.append(type(first).__new__(type(first)))
        found[-1].__dict__.update(first.__dict__, where=text)
    return found


def overall(holes: Sequence[Hole], *, anything: bool) -> Outcome:
    """How a source's reading ended: complete, the outcome that all its holes share, or ``incomplete`` where something came.

    Args:
        anything: could any of its offers be read?
    """
    if not holes:
        return Outcome.COMPLETE
    whole = [each.outcome for each in holes if each.period is None]
    kinds = {each.outcome for each in holes}
    if whole and not anything:
        return max(whole, key=list(Outcome).index)
    return kinds.pop() if len(kinds) == 1 and not anything else Outcome.INCOMPLETE


def note_source(
    con: Connection,
    source_id: str,
    type_: str,
    outcome: Outcome,
    detail: str,
    holes: Sequence[Hole],
    months: tuple[date, date],
    now: datetime,
) -> None:
    """Replace what is known of a source's last reading.

    A hole that was there before keeps the day it was first seen. One of a month that was not looked at this time stays until
    something of that month has been loaded.

    Args:
        months: that were looked at; the end is exclusive.
    """
    moment = now.replace(tzinfo=None)
    before = {
        (period, kind): first
        for period, kind, first in con.execute(
            "SELECT billing_period, outcome, min(first_seen_at) FROM ops.holes WHERE source_id = ? GROUP BY ALL",
            [source_id],
        ).fetchall()
    }
    with transaction(con):
        con.execute("DELETE FROM ops.sources WHERE source_id = ?", [source_id])
        con.execute(
            """DELETE FROM ops.holes WHERE source_id = $source AND (
                billing_period IS NULL OR (billing_period >= $since AND billing_period < $until)
                OR EXISTS (FROM ops.loads WHERE loads.source_id = holes.source_id AND status = 'current'
                    AND CAST(billing_period_start AS DATE) = billing_period AND loaded_at > last_seen_at))""",
            {"source": source_id, "since": months[0], "until": months[1]},
        )
        con.execute("INSERT INTO ops.sources VALUES (?, ?, ?, ?, ?)", [source_id, type_, moment, outcome.value, detail])
        for hole in holes:
            first = before.get((hole.period, hole.outcome.value), moment)
            problem = hole.problem
            con.execute(
                "INSERT INTO ops.holes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    source_id,
                    hole.period,
                    hole.outcome.value,
                    problem.what,
                    problem.where,
                    problem.next_step,
                    first,
                    moment,
                ],
            )


def forget_others(con: Connection, source_ids: Sequence[str]) -> None:
    """Drop what is known of the last readings of all other sources: they are not configured any more."""
    for table in ("ops.sources", "ops.holes"):
        con.execute(f"DELETE FROM {table} WHERE NOT list_contains(?, source_id)", [list(source_ids)])
