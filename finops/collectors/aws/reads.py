"""How each reading ended, for ``inventory.reads``: a line per account, region and service."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from finops.collectors.interface import Outcome

INVENTORY, METRICS = "inventory", "metrics"
"""What a reading covers."""


@dataclass(frozen=True)
class Read:
    """One line."""

    account: str
    region: str
    service: str
    covers: str
    outcome: str
    """One of ``Outcome``, or ``unsupported``."""
    what: str = ""
    next_step: str = ""


class Reads:
    """All lines of one run."""

    def __init__(self) -> None:
        self._every: dict[tuple[str, str, str, str], Read] = {}

    def __bool__(self) -> bool:
        return bool(self._every)

    def note(self, read: Read) -> None:
        """How a reading ended; the last word holds."""
        self._every[read.account, read.region, read.service, read.covers] = read

    def text(self) -> str:
        """The lines as JSON, in a fixed order."""
        return "".join(
            json.dumps(
                {
                    "provider": "AWS",
                    "account_id": each.account,
                    "region": each.region,
                    "service": each.service,
                    "covers": each.covers,
                    "outcome": each.outcome,
                    "what": _clause(each) or None,
                    "next_step": each.next_step or None,
                },
                sort_keys=True,
                ensure_ascii=False,
            )
            + "\n"
            for _, each in sorted(self._every.items())
        )


def _clause(read: Read) -> str:
    """What was denied, without AWS's own words in brackets, which the hole in ``ops.holes`` has: findings quote it."""
    return re.sub(r" \((?:[^()]|\([^()]*\))*\)", "", read.what) if read.outcome == Outcome.DENIED else read.what
