"""Rounding many amounts so that they add up to a rounded total: cut all, and give the missing cents to the largest remainders."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from itertools import cycle, islice
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Any)

_EXACT = Context(prec=76)
"""Wide enough for any sum of DECIMAL(38, 18)."""


def rounded(amount: Decimal, places: int) -> Decimal:
    """To the currency's unit, halves away from zero: as invoices are."""
    return amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)


def apportion(exact: Mapping[Key, Decimal], total: Decimal, places: int) -> dict[Key, Decimal]:
    """Each amount rounded to ``places``, so that together they are ``total``.

    Each is less than one unit off, as long as ``total`` is less than one unit off the exact sum. Where it is further off, as
    the total of many invoices may be, what is left goes to the largest amounts, a unit each. Of equals the first key takes it.

    Args:
        exact: by keys that can be sorted; the order of the mapping does not matter.
        total: has no more than ``places``.

    Raises:
        ValueError: there is nothing that ``total`` could be given to.
    """
    if total and not exact:
        raise ValueError(f"{total} is to be apportioned among nobody")
    unit = Decimal(1).scaleb(-places)
    cut = {key: amount.quantize(unit, ROUND_FLOOR, _EXACT) for key, amount in exact.items()}
    rest = {key: _EXACT.subtract(exact[key], cut[key]) for key in exact}
    missing = total
    for amount in cut.values():
        missing = _EXACT.subtract(missing, amount)
    units = int(missing.scaleb(places, _EXACT))
    ranked = sorted((key for key in exact if rest[key]), key=lambda key: (rest[key].copy_negate(), key))
    for key in ranked[: max(units, 0)]:
        cut[key] = _EXACT.add(cut[key], unit)
        units -= 1
    step = unit.copy_sign(Decimal(units))
    for key in islice(cycle(sorted(exact, key=lambda key: (exact[key].copy_abs().copy_negate(), key))), abs(units)):
        cut[key] = _EXACT.add(cut[key], step)
    return cut
