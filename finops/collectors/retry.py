"""Trying again: throttling and a provider's own errors pass, but not for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_delay
from tenacity.wait import wait_base, wait_random_exponential

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds. Each wait is random up to a bound that doubles, so that many clients do not come back at once."""


class _AsAsked(wait_base):
    """Waits as long as the provider asked for (``Retry-After``), else longer and longer, and never past the deadline."""

    def __init__(self, asked: Callable[[BaseException], float], deadline: float) -> None:
        self._asked = asked
        self._deadline = deadline
        self._longer = wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)

    def __call__(self, retry_state: object) -> float:
        outcome = getattr(retry_state, "outcome", None)
        error = outcome.exception() if outcome else None
        wait = max(self._asked(error) if error else 0.0, float(self._longer(retry_state)))  # type: ignore[arg-type]
        return max(0.0, min(wait, self._deadline - (getattr(retry_state, "seconds_since_start", None) or 0.0)))


def retrying(
    call: Callable[[], T],
    *,
    passing: Callable[[BaseException], bool],
    deadline: float,
    asked: Callable[[BaseException], float] = lambda error: 0.0,
) -> T:
    """What ``call`` gives, tried again while its error is a passing one and the deadline has not come.

    Args:
        passing: is this error one that goes away by itself: throttled, 5xx, a connection that broke?
        deadline: seconds in all.
        asked: how many seconds an error says to wait.

    Raises:
        Exception: the last error, as it was.
    """
    attempts = Retrying(
        retry=retry_if_exception(passing), stop=stop_after_delay(deadline), wait=_AsAsked(asked, deadline), reraise=True
    )
    return attempts(call)
