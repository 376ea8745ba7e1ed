"""What can go wrong, said so that the reader knows what happened, where, and what to do next.

Every error has a *slug* (a heading in ``docs/messages.md``) and the exit code that ``docs/interface.md`` promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FinopsError(Exception):
    """The base of every error that a user can meet.

    ``what`` happened, in one sentence; ``where``: a file, line, column, key or source; ``next_step``: what to do about it.
    """

    exit_code = 2
    slug = "error"

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f"\n  {self.next_step}" if self.next_step else "")

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.next_step))


def _rebuild(kind: type[FinopsError], what: str, where: str, next_step: str) -> FinopsError:
    return kind(what, where=where, next_step=next_step)


class UsageError(FinopsError):
    """The command was called in a way that cannot work."""

    slug = "usage"


class ConfigError(FinopsError):
    """``finops.toml`` or a file that it names is wrong."""

    slug = "configuration"


class QueryFileError(FinopsError):
    """A file in ``queries/``, shipped or the user's, breaks its contract."""

    slug = "query-file"


class AllocationError(FinopsError):
    """Charges cannot be divided as the rules and mappings say."""

    slug = "allocation"


class FrozenMonthError(FinopsError):
    """The journal of frozen months, or the file of a frozen month, is damaged or lost."""

    slug = "frozen-month"


class FindingsJournalError(FinopsError):
    """The journal of findings is damaged."""

    slug = "findings-journal"


class WarehouseBusyError(FinopsError):
    """Another process holds the warehouse."""

    slug = "warehouse-busy"


class CheckFailedError(FinopsError):
    """A stop-grade check failed: the numbers do not add up, so nothing is published."""

    exit_code = 1
    slug = "check-failed"


class ReportChangedError(FinopsError):
    """A report's files are not what its manifest says."""

    exit_code = 1
    slug = "report-changed"


class SourceError(FinopsError):
    """A source was denied, missing or incomplete."""

    exit_code = 3
    slug = "source"


class BadInputError(FinopsError):
    """A delivered file cannot be read. Nothing of its slice was loaded; the old slice is kept."""

    exit_code = 4
    slug = "bad-input"


class UnknownFormatError(BadInputError):
    """A file is none of the formats we know."""

    slug = "unknown-format"


class IncompleteDeliveryError(BadInputError):
    """A manifest names files that are not there."""

    exit_code = 3
    slug = "incomplete-delivery"


class MailError(FinopsError):
    """A report could not be mailed: its folder is not as it was written, or the mail is not one that can be made."""

    exit_code = 5
    slug = "mail"


class OutboxError(FinopsError):
    """The outbox's journal is damaged, or another process is sending."""

    slug = "outbox"


class InternalError(FinopsError):
    """Something that should not be possible: a fault of finops itself."""

    exit_code = 1
    slug = "internal"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What cannot be written in the block says where: of a full disk the system says no name."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
