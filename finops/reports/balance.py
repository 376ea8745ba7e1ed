"""Does it match: what was delivered, what the ledger holds, what the teams got; and a team's page with the company's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from finops.periods import Period
from finops.reports.analyses import Result
from finops.reports.contexts import Balance, Book, Headline
from finops.reports.money import Money, exact_difference, exact_sum


def balances(result: Result, period: Period, currencies: Sequence[str]) -> tuple[Balance, ...]:
    """One per currency of ``reconciliation``."""
    records = result.records()
    names = [*currencies, *sorted({r["BillingCurrency"] for r in records} - set(currencies))]
    groups = ((name, [r for r in records if r["BillingCurrency"] == name]) for name in names)
    return tuple(_balance(name, group, period) for name, group in groups if group)


def _balance(currency: str, records: list[dict[str, Any]], period: Period) -> Balance:
    first = period.start.replace(day=1)
    touched = [r for r in records if first <= r["BillingMonth"] < period.end] or records
    gaps = [r[name] for r in records for name in ("LedgerDifference", "AllocationDifference")]
    known = [gap for gap in gaps if gap is not None]
    worst = max(known, key=abs, default=None)
    matches: bool | None = None
    if worst is not None:
        matches = False if worst else (None if None in gaps else True)
    months = sorted({r["BillingMonth"] for r in touched})
    return Balance(
        currency=currency,
        months=" and ".join(f"{month:%B %Y}" for month in months) if len(months) < 3 else f"{len(months)} months",
        delivered=_total(touched, "DeliveredBilledCost", currency),
        ledger=_total(touched, "LedgerBilledCost", currency),
        allocated=_total(touched, "AllocatedBilledCost", currency),
        invoiced=_invoiced(touched, currency),
        difference=Money(worst, currency),
        matches=matches,
        provisional=_total(touched, "ProvisionalBilledCost", currency),
    )


def _total(records: list[dict[str, Any]], column: str, currency: str) -> Money:
    values: list[Decimal | None] = [record[column] for record in records]
    known = [value for value in values if value is not None]
    return Money(exact_sum(known) if known and len(known) == len(values) else None, currency)


def _invoiced(records: list[dict[str, Any]], currency: str) -> Money:
    """What has an invoice: the ledger's sum less what is provisional. Unknown if no source says."""
    ledger, provisional = (
        _total(records, name, currency).amount for name in ("LedgerBilledCost", "ProvisionalBilledCost")
    )
    if ledger is None or provisional is None or all(r["InvoiceStatus"] == "no invoice ids" for r in records):
        return Money(None, currency)
    return Money(exact_difference(ledger, provisional), currency)


def all_match(verdicts: Sequence[bool | None]) -> bool | None:
    """None: one is unknown, or there is none."""
    if False in verdicts:
        return False
    return None if not verdicts or None in verdicts else True


def books(headlines: Sequence[Headline], team: str, by_team: Sequence[Mapping[str, Any]]) -> tuple[Book, ...]:
    """A team's totals beside its rows in the company's report.

    Args:
        by_team: the rows of the company's ``spend_by_team``.
    """
    mine = {row["BillingCurrency"]: row["EffectiveCost"] for row in by_team if row["Team"] == team}
    here = {headline.currency: headline.total.amount for headline in headlines}
    return tuple(_book(currency, here.get(currency), mine.get(currency, Decimal(0))) for currency in here | mine)


def _book(currency: str, here: Decimal | None, company: Decimal) -> Book:
    gap = None if here is None else exact_difference(here, company)
    matches = None if gap is None else not gap
    return Book(currency, Money(here, currency), Money(company, currency), Money(gap, currency), matches)
