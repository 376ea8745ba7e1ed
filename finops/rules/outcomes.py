"""What a query did, and what a check said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RuleOutcome:
    """What one query did."""

    query_id: str
    matched: int
    """Dimensions (or resources) that it matched; pools, of a rule that splits."""
    won: int
    """Those that no rule before it had taken. 0 of many: it is fully shadowed."""

    @property
    def note(self) -> str:
        """A hint for the reader, if there is one."""
        if self.matched == 0:
            return "matches nothing"
        return "" if self.won else "everything that it matches is taken by rules before it"


@dataclass(frozen=True)
class CheckOutcome:
    """What one check said."""

    check_id: str
    title: str
    grade: str
    """``stop`` or ``warn``."""
    passed: bool
    violations: int
    detail: str
    """The first violations as text; empty if it passed."""
