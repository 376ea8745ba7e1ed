"""The books of the simulated world: what is charged, what of it can be read, and what can not.

``truth`` is what a ledger has that has read everything that could be read so far, in every week. ``holes`` is what could not
be read this week. Both follow from the story alone; no fake and no line of finops has a part in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from .charges import GCP, SOURCES, Charge, Totals, charges_of, first_of, totals

BEGINNING = date(2026, 5, 1)
FIRST_MONDAY = date(2026, 8, 10)


@dataclass(frozen=True)
class Hole:
    """What cannot be read: a source, or one month of it."""

    source: str
    outcome: str
    month: date | None = None


@dataclass(frozen=True)
class Week:
    """A week of the story: what is said of it, and what happens."""

    says: str
    plays: Sequence[Callable[[World], None]] = ()
    silent: bool = False
    """No provider charges or writes anything."""


class World:
    """The world on a Monday. ``advance`` brings the next one."""

    def __init__(self, story: Sequence[Week]) -> None:
        self.story = story
        self.week = 0
        self.today = FIRST_MONDAY - timedelta(days=7)
        self.books: dict[str, list[Charge]] = {source: [] for source in SOURCES}
        self.deliveries: dict[tuple[str, date], int] = {}
        """How often a source has written a month anew."""
        self.invoices: dict[date, str] = {}
        """The number of the AWS invoice of a month that is closed."""
        self.holes: set[Hole] = set()
        self.oddities: set[str] = set()
        """What else is peculiar this week and needs no hole: 'openai is throttled'."""
        self.columns: set[str] = set()
        """How the forms of the bills differ from the first week's, from now on."""
        self._underway: list[Charge] = []
        self._counted = BEGINNING
        self._read: dict[tuple[str, date], list[Charge]] = {}

    def advance(self) -> Week:
        """A week goes by, its events happen, and what can be read is read."""
        self.week += 1
        self.today = FIRST_MONDAY + timedelta(weeks=self.week - 1)
        self.holes, self.oddities = set(), set()
        week = self.story[self.week - 1]
        if not week.silent:
            self._charge_until(self.today)
        for play in week.plays:
            play(self)
        self.read(self.window())
        self.read(self.months(GCP), [GCP])
        return week

    def window(self) -> list[date]:
        """The months that a weekly run looks at: this one and the three before."""
        month, found = first_of(self.today), []
        for _ in range(4):
            found.append(month)
            month = first_of(month - timedelta(days=1))
        return found

    def read(self, months: Sequence[date], sources: Sequence[str] = SOURCES) -> None:
        """Somebody reads these months, as far as it can be done. New rows in Google's table are seen whatever month they are of."""
        for source in sources:
            for month in months:
                if not self._hidden(source, month):
                    self._read[source, month] = self.month(source, month)

    def month(self, source: str, month: date) -> list[Charge]:
        """What a source charges for a month, as of now."""
        return [each for each in self.books[source] if each.month == month]

    def months(self, source: str) -> list[date]:
        """The months for which a source charges something."""
        return sorted({each.month for each in self.books[source]})

    def truth(self, source: str) -> Totals:
        """What a ledger must hold of a source, per currency and month."""
        return totals(each for (of, _), charges in self._read.items() if of == source for each in charges)

    def owed(self, source: str) -> Totals:
        """What a source charges in all, read or not."""
        return totals(self.books[source])

    # what events do

    def write(self, source: str, *charges: Charge) -> None:
        """Add charges."""
        self.books[source] += charges
        for month in {each.month for each in charges}:
            self.deliver(source, month)

    def restate(self, source: str, month: date, change: Callable[[Charge], Charge | None]) -> None:
        """Write a month anew, each charge as ``change`` makes it; None: it is dropped."""
        found: list[Charge] = []
        for each in self.books[source]:
            new = change(each) if each.month == month else each
            if new is not None:
                found.append(new)
        assert found != self.books[source], f"nothing of {source}, {month:%Y-%m} changed"
        self.books[source] = found
        self.deliver(source, month)

    def deliver(self, source: str, month: date) -> None:
        """The source writes a month once more."""
        self.deliveries[source, month] = self.deliveries.get((source, month), 0) + 1

    def hide(self, source: str, outcome: str, month: date | None = None) -> None:
        """This week a source, or one month of it, cannot be read."""
        self.holes.add(Hole(source, outcome, month))

    def _hidden(self, source: str, month: date) -> bool:
        return any(each.source == source and each.month in (None, month) for each in self.holes)

    def _charge_until(self, end: date) -> None:
        """The days before ``end``; Google's rows once they are in the table."""
        new: dict[str, list[Charge]] = {source: [] for source in SOURCES}
        while self._counted < end:
            for source in SOURCES:
                new[source] += charges_of(source, self._counted)
            self._counted += timedelta(days=1)
        new[GCP] = [*self._underway, *new[GCP]]
        self._underway = [each for each in new[GCP] if not _arrived(each, end)]
        new[GCP] = [each for each in new[GCP] if _arrived(each, end)]
        for source, charges in new.items():
            self.write(source, *charges)


def _arrived(charge: Charge, today: date) -> bool:
    """Is a row in Google's table when the weekly run looks? Some of today's come after it."""
    return charge.written < today or (charge.written == today and charge.start.hour < 20)


def dearer(share: str) -> Callable[[Charge], Charge]:
    """A change for ``restate``: usage costs this share more, or less."""

    def change(charge: Charge) -> Charge:
        if charge.billed <= 0 or charge.billed != charge.effective:
            return charge
        money = (charge.billed * (1 + Decimal(share))).quantize(Decimal("1e-10"))
        return replace(charge, billed=money, effective=money)

    return change
