"""What finance books of a billing month: lines in cents that add up to the invoices, and the exact amounts beside them.

A *bill* is a month's invoices of one issuer to one billing account in one currency. Each invoice is rounded as the issuer would
(halves away from zero); the bill's lines are rounded so that they add up to the sum of that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from finops.errors import CheckFailedError
from finops.reports.analyses import run_analysis
from finops.reports.cents import apportion, rounded
from finops.reports.money import exact_difference, exact_sum, minor_unit
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection

COSTS = {"billed": "BilledCost", "effective": "EffectiveCost"}
"""What may be booked: what the invoice charges, or the amortised cost."""


class Bill(NamedTuple):
    """Which invoices belong together. What a bill does not state is empty."""

    currency: str
    issuer: str
    billing_account: str


class LineKey(NamedTuple):
    """What a line is of."""

    bill: Bill
    team: str
    account: str
    service: str


@dataclass(frozen=True)
class Line:
    """One line of the file."""

    key: LineKey
    team_name: str
    cost_center: str
    account_name: str
    invoices: tuple[str, ...]
    """Those that it is part of; '' is what has no invoice number yet."""
    exact: Decimal
    amount: Decimal
    """In whole cents."""

    @property
    def rounding(self) -> Decimal:
        """What rounding added."""
        return exact_difference(self.amount, self.exact)


@dataclass(frozen=True)
class Invoice:
    """What one invoice charges, from the ledger and not from the allocation."""

    bill: Bill
    id: str
    """Empty: it has no number yet, or the bill states none."""
    exact: Decimal
    amount: Decimal
    """In whole cents."""


@dataclass(frozen=True)
class BillTotals:
    """How a bill comes out."""

    bill: Bill
    lines: int
    exact: Decimal
    """Sum of the lines' exact amounts."""
    booked: Decimal
    """Sum of the lines' amounts."""
    invoiced: Decimal
    """What the invoices come to."""
    others: Decimal
    """What the lines of teams that were left out come to."""

    @property
    def difference(self) -> Decimal:
        """Zero."""
        return exact_difference(exact_sum([self.booked, self.others]), self.invoiced)


@dataclass(frozen=True)
class Statement:
    """A month."""

    month: date
    """The first day."""
    lines: tuple[Line, ...]
    invoices: tuple[Invoice, ...]
    """With the effective cost one per bill: nobody invoices that."""
    left_out: tuple[Line, ...] = ()
    """Lines of teams that were not asked for."""
    is_part: bool = False
    """Was it asked for some teams only? Then the lines do not add up to the invoices."""

    def only(self, teams: Collection[str]) -> Statement:
        """The lines of these teams, with the amounts that they have in the whole."""
        mine = tuple(line for line in self.lines if line.key.team in teams)
        others = tuple(line for line in self.lines if line.key.team not in teams)
        return replace(self, lines=mine, left_out=others, is_part=True)

    def totals(self) -> list[BillTotals]:
        """Each bill, by currency, issuer and account."""
        mine, others = _by_bill(self.lines), _by_bill(self.left_out)
        return [
            BillTotals(
                bill,
                len(mine[bill]),
                exact_sum(line.exact for line in mine[bill]),
                exact_sum(line.amount for line in mine[bill]),
                exact_sum(each.amount for each in self.invoices if each.bill == bill),
                exact_sum(line.amount for line in others[bill]),
            )
            for bill in sorted({each.bill for each in self.invoices})
        ]


def compute_statement(
    con: Connection, catalogue: Catalogue, month: date, today: date, cost: str = "billed"
) -> Statement:
    """The whole of a month.

    Args:
        con: the allocation is up to date.
        month: its first day.
        cost: a key of ``COSTS``.

    Raises:
        CheckFailedError: what was allocated is not what was billed.
    """
    period = {"period": f"{month:%Y-%m}"}
    shares, invoices = (
        run_analysis(con, catalogue.get(query, "analyses"), period, today).records()
        for query in ("chargeback", "invoices")
    )
    return state(month, shares, invoices, cost)


def state(
    month: date, shares: Iterable[Mapping[str, Any]], invoices: Iterable[Mapping[str, Any]], cost: str = "billed"
) -> Statement:
    """A month from the rows of the analyses ``chargeback`` and ``invoices``, in any order.

    Raises:
        CheckFailedError: a bill's shares do not add up to its invoices, to the last digit.
    """
    billed = _invoices(invoices, COSTS[cost], whole_bills=cost != "billed")
    parts: dict[LineKey, list[Mapping[str, Any]]] = defaultdict(list)
    for row in shares:
        parts[LineKey(_bill(row), _text(row["Team"]), _text(row["SubAccountId"]), _text(row["ServiceName"]))].append(
            row
        )
    exact = {key: exact_sum(row[COSTS[cost]] for row in rows) for key, rows in parts.items()}
    bills: dict[Bill, dict[LineKey, Decimal]] = defaultdict(dict)
    for key, amount in exact.items():
        bills[key.bill][key] = amount
    amounts: dict[LineKey, Decimal] = {}
    for bill in sorted({each.bill for each in billed} | bills.keys()):
        mine = [each for each in billed if each.bill == bill]
        _refuse_difference(month, bill, bills[bill].values(), [each.exact for each in mine])
        amounts |= apportion(bills[bill], exact_sum(each.amount for each in mine), minor_unit(bill.currency))
    lines = tuple(_line(key, parts[key], exact[key], amounts[key]) for key in sorted(parts))
    return Statement(month, lines, tuple(billed))


def _invoices(rows: Iterable[Mapping[str, Any]], column: str, *, whole_bills: bool) -> list[Invoice]:
    exact: dict[tuple[Bill, str], list[Decimal]] = defaultdict(list)
    for row in rows:
        exact[_bill(row), "" if whole_bills else _text(row["InvoiceId"])].append(row[column])
    sums = {key: exact_sum(amounts) for key, amounts in sorted(exact.items())}
    return [
        Invoice(bill, number, total, rounded(total, minor_unit(bill.currency)))
        for (bill, number), total in sums.items()
    ]


def _line(key: LineKey, rows: Sequence[Mapping[str, Any]], exact: Decimal, amount: Decimal) -> Line:
    first = rows[0]
    invoices = tuple(sorted({_text(row["InvoiceId"]) for row in rows}, key=lambda number: (not number, number)))
    names = _text(first["TeamName"]), _text(first["CostCenter"]), _text(first["SubAccountName"])
    return Line(key, *names, invoices, exact, amount)


def _refuse_difference(month: date, bill: Bill, lines: Iterable[Decimal], invoices: Iterable[Decimal]) -> None:
    allocated, billed = exact_sum(lines), exact_sum(invoices)
    if allocated != billed:
        raise CheckFailedError(
            f"{month:%Y-%m}, {bill.issuer} {bill.billing_account}: {bill.currency} {allocated:f} is allocated, "
            f"{bill.currency} {billed:f} is billed",
            next_step="Nothing was written. 'finops build' says which check fails.",
        )


def _by_bill(lines: Iterable[Line]) -> dict[Bill, list[Line]]:
    found: dict[Bill, list[Line]] = defaultdict(list)
    for line in lines:
        found[line.key.bill].append(line)
    return found


def _bill(row: Mapping[str, Any]) -> Bill:
    return Bill(_text(row["BillingCurrency"]), _text(row["InvoiceIssuerName"]), _text(row["BillingAccountId"]))


def _text(value: Any) -> str:
    return "" if value is None else str(value)
