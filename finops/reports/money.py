"""Money for people: one formatter. Display rounds; nothing that is counted with goes through here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

UNKNOWN = "unknown"
MINUS = "\N{MINUS SIGN}"
_EXACT = Context(prec=76, rounding=ROUND_HALF_EVEN)
"""Wide enough for any sum of DECIMAL(38, 18): Python's default of 28 digits would round."""
_MINOR_UNITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV"), 0),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def minor_unit(currency: str) -> int:
    """Decimals that people write in this currency (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """The sum to the last digit. Amounts of one currency only: the caller groups."""
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total


def exact_difference(left: Decimal, right: Decimal) -> Decimal:
    """``left - right`` to the last digit."""
    return _EXACT.subtract(left, right)


def quotient(amount: Decimal, number: int) -> Decimal:
    """``amount`` divided, with 18 places: for people, not to be added up again."""
    return _EXACT.divide(amount, Decimal(number)).quantize(Decimal(1).scaleb(-18), context=_EXACT)


def percent(part: Decimal, whole: Decimal) -> Decimal | None:
    """``part`` in percent of ``whole``, to one decimal; None if there is no whole."""
    if not whole:
        return None
    return _EXACT.divide(_EXACT.multiply(part, Decimal(100)), abs(whole)).quantize(Decimal("0.1"), context=_EXACT)


def format_number(value: Decimal, places: int, *, signed: bool = False) -> str:
    """``55,979.68``; a true minus sign; ``+`` only if ``signed`` and not zero once rounded."""
    rounded = value.quantize(Decimal(1).scaleb(-places), context=_EXACT)
    sign = MINUS if rounded < 0 else "+" if signed and rounded > 0 else ""
    return f"{sign}{abs(rounded):,.{places}f}"


def format_money(
    amount: Decimal | None, currency: str | None, *, signed: bool = False, places: int | None = None
) -> str:
    """``USD 55,979.68``. No amount is ``unknown``, never 0; no currency is said too.

    Rounded half even to the currency's minor unit, or to ``places``.
    """
    if amount is None:
        return UNKNOWN
    number = format_number(amount, minor_unit(currency or "") if places is None else places, signed=signed)
    sign = number[0] if number[0] in f"+{MINUS}" else ""
    return f"{sign}{currency or '(no currency)'} {number[len(sign) :]}"


def plain(amount: Decimal) -> str:
    """All its digits, no exponent, no trailing zeros: what CSV, JSON and ``data-value`` hold."""
    text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


@dataclass(frozen=True)
class Money:
    """An amount that never goes without its currency."""

    amount: Decimal | None
    """None: unknown."""
    currency: str | None

    @property
    def text(self) -> str:
        """``USD 55,979.68``."""
        return format_money(self.amount, self.currency)

    @property
    def exact(self) -> str:
        """``USD 0.00``, but ``USD 0.000000001`` for what rounding would hide: for differences that must be zero."""
        unit = Decimal(1).scaleb(-minor_unit(self.currency or ""))
        if self.amount is None or self.amount.quantize(unit, context=_EXACT) == self.amount:
            return self.text
        return f"{MINUS if self.amount < 0 else ''}{self.currency or '(no currency)'} {plain(abs(self.amount))}"

    @property
    def signed(self) -> str:
        """``+USD 21,800.00``."""
        return format_money(self.amount, self.currency, signed=True)

    @property
    def whole(self) -> str:
        """``USD 55,980``: for a sentence, where cents distract."""
        return format_money(self.amount, self.currency, places=0)

    @property
    def signed_whole(self) -> str:
        """``+USD 21,800``."""
        return format_money(self.amount, self.currency, signed=True, places=0)

    @property
    def number(self) -> str:
        """``55,979.68`` for a large figure that has its currency beside it."""
        return UNKNOWN if self.amount is None else format_number(self.amount, minor_unit(self.currency or ""))

    @property
    def plain(self) -> str:
        """All digits, or nothing if unknown."""
        return "" if self.amount is None else plain(self.amount)

    @property
    def is_known(self) -> bool:
        """Is there an amount?"""
        return self.amount is not None

    def __str__(self) -> str:
        return self.text
