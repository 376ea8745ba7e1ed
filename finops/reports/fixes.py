"""The cheapest way to give money an owner: the one line of a mapping that would give most of it a team."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from finops.reports.analyses import Result
from finops.reports.contexts import Fix
from finops.reports.money import Money, exact_sum, format_number, percent

Record = Mapping[str, Any]


def fixes(
    near_misses: Result, untagged: Result, currencies: Sequence[str], command: Callable[[Result], str]
) -> dict[str, Fix]:
    """By currency. A currency of which everything has a team, or of which no line would help, has none."""
    found = {}
    for currency in currencies:
        misses, rows = (
            [each for each in result.records() if each["BillingCurrency"] == currency]
            for result in (near_misses, untagged)
        )
        nobodys = exact_sum(each["EffectiveCost"] for each in rows)
        lines = [*_aliases(misses, currency, command(near_misses)), *_accounts(rows, currency, command(untagged))]
        best = max(lines, key=lambda fix: fix.cost.amount or 0, default=None)
        if best and best.cost.amount and best.cost.amount > 0:
            share = percent(best.cost.amount, nobodys)
            part = "" if share is None or share > 100 else f"{format_number(share, 1)}\N{NO-BREAK SPACE}%"
            found[currency] = Fix(best.line, best.file, best.why, best.needs_a_name, best.cost, part, best.command)
    return found


def _aliases(misses: Sequence[Record], currency: str, command: str) -> list[Fix]:
    return [
        Fix(each["AliasLine"], "mappings/tag_aliases.csv", each["Why"], False,
            Money(each["UnallocatedCost"], currency), "", command)
        for each in misses
        if each["AliasLine"]
    ]  # fmt: skip


def _accounts(rows: Sequence[Record], currency: str, command: str) -> list[Fix]:
    """Use only: fees follow the use that they belong to, whatever accounts.csv says."""
    of_account: dict[str, list[Record]] = {}
    for each in rows:
        if each["SubAccountId"] and each["ChargeCategory"] == "Usage":
            of_account.setdefault(each["SubAccountId"], []).append(each)
    return [
        Fix(_line(account, "TEAM"), "mappings/accounts.csv", f"no team answers for {mine[0]['SubAccountName'] or account}",
            True, Money(exact_sum(each["EffectiveCost"] for each in mine), currency), "", command)
        for account, mine in of_account.items()
    ]  # fmt: skip


def _line(*fields: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()
