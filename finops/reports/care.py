"""What must be known before a report is believed, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from finops.periods import Period
from finops.reports.analyses import Result
from finops.reports.contexts import Balance, Book
from finops.reports.money import Money, exact_sum

Record = Mapping[str, Any]
NOTHING = Decimal(0)


def warnings(
    balances: Sequence[Balance],
    books: Sequence[Book],
    sources: Sequence[Record],
    checks: Sequence[Record],
    as_of: datetime | None,
    team: str,
    period: Period,
    begins: date | None,
    apart: Sequence[str] = (),
) -> tuple[str, ...]:
    """The gravest first. Of the company's books a team is told whether they match, and no amount; of its checks nothing."""
    return (
        *_as_of(as_of),
        *_unbalanced(balances, team),
        *apart,
        *(f"{book.currency}: this page is {book.difference.exact} apart from the company's report."
          for book in books if book.matches is False),
        *_unknown_days(period, begins),
        *_source_warnings(sources),
        *_grades(sources),
        *(() if team else _check_warnings(checks)),
    )  # fmt: skip


SAME_TOTAL = ("spend_by_team", "spend_by_service", "spend_by_account", "spend_by_workload_kind", "top_resources")
"""Tables that are the whole of the period."""


def disagreements(results: Mapping[str, Result]) -> tuple[str, ...]:
    """Tables of the page that do not add up to the same: one of them, perhaps the user's own, leaves something out."""
    totals = {query_id: _totals(results[query_id].records()) for query_id in SAME_TOTAL if query_id in results}
    first, *others = totals
    return tuple(
        f"{first} and {other} do not add up to the same: {Money(totals[first].get(currency, NOTHING), currency).exact} and "
        f"{Money(totals[other].get(currency, NOTHING), currency).exact}."
        for other in others
        for currency in sorted(totals[first].keys() | totals[other].keys())
        if totals[first].get(currency, NOTHING) != totals[other].get(currency, NOTHING)
    )


def _totals(records: Sequence[Record]) -> dict[str, Decimal]:
    currencies = {str(each["BillingCurrency"]) for each in records}
    return {
        currency: exact_sum(each["EffectiveCost"] for each in records if each["BillingCurrency"] == currency)
        for currency in currencies
    }


def late(sources: Sequence[Record]) -> tuple[str, ...]:
    """Sources that are not current, with what is wrong."""
    return tuple(f"{each['SourceId']} ({each['Status']})" for each in sources if each["Status"] != "current")


def _as_of(moment: datetime | None) -> list[str]:
    if moment is None:
        return []
    sentence = (
        f"Made again from the deliveries that had landed by {moment.day} {moment:%B %Y, %H:%M:%S} UTC, with the rules, mappings "
        "and settings of the day it was made. What a collection could not read at that time is not known any more; the commands "
        "below ask today's ledger."
    )
    return [sentence]


def _unknown_days(period: Period, begins: date | None) -> list[str]:
    if begins is None or not period.start < begins < period.end:
        return []
    days = (begins - period.start).days
    first = f"the first {days} of {period.days} days are" if days > 1 else f"the first of {period.days} days is"
    return [f"The ledger begins on {begins.day} {begins:%B %Y}: {first} not in this report."]


def _source_warnings(sources: Sequence[Record]) -> list[str]:
    warnings = []
    for each in sources:
        detail = f" {each['Detail']}" if each["Detail"] else ""
        if each["Status"] == "stale":
            last = each["DataThrough"]
            since = (
                f"after {last.day} {last:%B}: costs of this period are missing" if last else "up to this period's end"
            )
            warnings.append(f"{each['SourceId']} has no charges {since}.{detail}")
        elif each["Status"] != "current" and each["ChargeCount"]:
            warnings.append(
                f"{each['SourceId']} is {each['Status']}: its newest costs may not be in this report.{detail}"
            )
        elif each["Status"] != "current":
            warnings.append(f"{each['SourceId']} is {each['Status']}: its costs are not in this report.{detail}")
    return warnings


def _grades(sources: Sequence[Record]) -> list[str]:
    return [f"{each['SourceId']} is of a lower grade: {each['Grade']}." for each in sources if each["Grade"]]


def _check_warnings(checks: Sequence[Record]) -> list[str]:
    return [f"Check {each['CheckId']}: {each['Detail'] or 'failed'}" for each in checks if each["Passed"] is False]


def _unbalanced(balances: Sequence[Balance], team: str) -> list[str]:
    if team:
        return [
            f"The company's books in {balance.currency} do not match the bill; its own report says by how much."
            for balance in balances
            if balance.matches is False
        ]
    return [
        f"{balance.currency} does not match the bill: {balance.difference.exact} apart."
        for balance in balances
        if balance.matches is False
    ]
