"""Several files' problems, told at once."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from finops.errors import QueryFileError


def listed(problems: Sequence[str], place: str) -> str:
    """One problem as it is; several in lines of their own below their number."""
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} problems in {place}:\n  " + "\n  ".join(problems)


class Problems:
    """``with problems:`` keeps a query file's error instead of raising it; ``tell`` raises what was kept.

    A query that fails while it runs aborts the transaction, and every query after it fails for that reason alone: such
    consequences are not kept. What is wrong with a query's SQL or with its answer aborts nothing.
    """

    def __init__(self) -> None:
        self.kept: list[QueryFileError] = []

    def __enter__(self) -> Problems:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, QueryFileError):
            return False
        if not (self.kept and "transaction is aborted" in error.what):
            self.kept.append(error)
        return True

    def tell(self) -> None:
        """Raise what was kept.

        Raises:
            QueryFileError: the one, or all in one.
        """
        if len(self.kept) == 1:
            raise self.kept[0]
        if self.kept:
            raise QueryFileError(
                listed([f"{error.where}: {error.what}" for error in self.kept], "the queries"),
                next_step=next((error.next_step for error in self.kept if error.next_step), ""),
            )
