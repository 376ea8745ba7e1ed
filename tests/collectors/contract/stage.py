"""What the contract asks of every kind of source: a provider that bills what it is told, and fails as it is told.

A stage remembers what its provider has delivered whole: ``truth`` is what the ledger must say. What cannot happen with a kind of
source, it says in ``cannot``, with the reason; the suite then skips with these words.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Self

MAY, JUNE, JULY, AUGUST, SEPTEMBER, OCTOBER = (date(2026, month, 1) for month in range(5, 11))
FIRST_DAY = date(2026, 10, 5)
"""The day of a story's first run: the month before is over, and may still be restated."""
DEADLINE = 2
"""Seconds, as every stage configures it."""


class Provider(ABC):
    """One kind of source, its provider, and what goes wrong. Used in a ``with``."""

    kind: ClassVar[str]
    """What the tests call it."""
    cannot: ClassVar[Mapping[str, str]] = {}
    """By scenario: why there is no such thing with this kind of source."""
    is_elsewhere_each_time: ClassVar[bool] = False
    """Another stage has its bills at another place (a folder, a port) or of another time: collected there is not collected here."""
    refusals: ClassVar[Mapping[str, str]] = {}
    """By permission that is needed: the words in which a hole must name it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """The workspace."""
        self.today = FIRST_DAY
        self._started = ExitStack()
        self._clock = datetime(2026, 10, 5, 4, tzinfo=UTC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    # what is configured

    @abstractmethod
    def toml(self, name: str) -> str:
        """The source's section of ``finops.toml``."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """By name: what nobody may ever read."""
        return {}

    def environment(self) -> Mapping[str, str]:
        """The variables that the source takes."""
        return self.secrets

    # what goes wrong

    def deny(self, permission: str) -> None:
        """Take one of the ``refusals`` away."""
        raise NotImplementedError

    def expire(self) -> None:
        """The credentials have run out."""
        raise NotImplementedError

    def throttle(self, times: int) -> None:
        """The next calls, listing and fetching ones, are too many."""
        raise NotImplementedError

    def break_for_ever(self) -> None:
        """Every call fails with an error of the provider's."""
        raise NotImplementedError

    @abstractmethod
    def mend(self) -> None:
        """Nothing goes wrong any more."""

    # what was asked

    @abstractmethod
    def calls_that_fetch(self) -> Sequence[str]:
        """The calls since ``forget_calls`` that brought bills: not those that only list or describe."""

    @abstractmethod
    def forget_calls(self) -> None:
        """From now on."""

    @abstractmethod
    def permissions_used(self) -> set[str]:
        """The permissions that the calls since ``forget_calls`` needed, in the words of ``Permission.action``."""

    # for the subclasses

    def next_moment(self) -> datetime:
        """A minute after the last one: when the next delivery is made."""
        self._clock += timedelta(minutes=1)
        return self._clock

    def next_day(self) -> None:
        """The next run is tomorrow's."""
        self.today += timedelta(days=1)
        self._clock += timedelta(days=1)


class Stage(Provider):
    """A source of bills."""

    half_is: ClassVar[str] = "incomplete"
    """The outcome of a month of which only a part arrives."""
    is_by_month: ClassVar[bool] = True
    """Is it offered month by month? Else a hole is one of the whole source."""
    not_for_money: ClassVar[frozenset[str]] = frozenset()
    """Of the ``refusals``: those without which the bill comes all the same, and something beside it does not."""
    says_what_is_new: ClassVar[bool] = True
    """Is there a list that tells what is new? Else the open months are fetched each time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bills: dict[date, list[Decimal]] = {}
        self._pending: tuple[date, list[Decimal]] | None = None

    # what is delivered

    @property
    def truth(self) -> dict[date, Decimal]:
        """What each month comes to; months that come to nothing are not in it."""
        return {month: sum(costs, Decimal(0)) for month, costs in self.bills.items() if costs}

    def deliver(self, month: date, costs: Sequence[Decimal]) -> None:
        """The provider's newest word on a month: a charge for each cost."""
        self.write(month, costs)
        self.bills[month] = [*costs]

    def deliver_many(self, month: date, costs: Sequence[Decimal]) -> None:
        """As ``deliver``, in more objects or pages than the provider lists or sends at once."""
        self.small_pages()
        self.deliver(month, costs)

    def deliver_again(self) -> None:
        """Every month once more, with the same content: new manifests, ETags, runs."""
        for month, costs in self.bills.items():
            self.write(month, costs)

    def deliver_late_old(self, month: date, costs: Sequence[Decimal]) -> None:
        """An older delivery of a month turns up after the newest one."""
        raise NotImplementedError

    def deliver_half(self, month: date, costs: Sequence[Decimal]) -> None:
        """A delivery of which only a part arrives."""
        self._pending = (month, [*costs])
        self.write_half(month, costs)

    def complete_it(self) -> None:
        """The rest of it arrives."""
        assert self._pending
        self.mend()
        self.deliver(*self._pending)

    def drift(self, month: date, costs: Sequence[Decimal]) -> None:
        """The column or field of the money is called otherwise from now on, beginning with a delivery of this month."""
        self._pending = (month, [*costs])
        self.write_renamed(month, costs)

    def undrift(self) -> None:
        """It has its name back, and the month is delivered again."""
        self.complete_it()

    def empty(self, month: date) -> None:
        """The provider delivers a month in which there was nothing."""
        self.deliver(month, [])

    @abstractmethod
    def write(self, month: date, costs: Sequence[Decimal]) -> None:
        """Deliver."""

    @abstractmethod
    def small_pages(self) -> None:
        """Lists and answers come in pages of a few."""

    def write_half(self, month: date, costs: Sequence[Decimal]) -> None:
        """Deliver a part."""
        raise NotImplementedError

    def write_renamed(self, month: date, costs: Sequence[Decimal]) -> None:
        """Deliver with another name for the money."""
        raise NotImplementedError


def halves(costs: Iterable[Decimal]) -> list[list[Decimal]]:
    """The costs in two parts; one where there is only one."""
    every = [*costs]
    parts = [every[0::2], every[1::2]]
    return [part for part in parts if part] or [[]]
