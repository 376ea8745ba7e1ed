"""``[chargeback]``: how the files for finance are written."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from finops.config.section import Section
from finops.rules.placeholders import names_in, problems

PLACEHOLDERS = (
    "month", "month_start", "month_end", "team", "team_name", "cost_center", "account_id", "account_name", "service",
    "currency", "debit", "credit", "amount", "exact_amount", "ledger_account", "invoice_id", "invoice_issuer",
    "billing_account_id", "line",
)  # fmt: skip
"""What a cell of the journal may name."""


def _known(text: str) -> str:
    if wrong := problems(text, PLACEHOLDERS):
        raise ValueError("; ".join(wrong))
    return text


Cell = Annotated[str, AfterValidator(_known)]


class JournalColumn(Section):
    """One column of the journal."""

    column: Annotated[str, Field(min_length=1)]
    """Its heading."""
    value: Cell
    """What stands in it: text with names in braces, such as ``Cloud {month} {service}``."""
    offset: Cell | None = None
    """What stands in it on the lines of the clearing account. Default: as ``value``; team, account and service are empty there."""

    @property
    def names(self) -> set[str]:
        """The names that it uses."""
        return names_in(self.value) | names_in(self.offset or "")


class Chargeback(Section):
    """What ``finops allocate chargeback`` writes: see [chargeback.md](chargeback.md)."""

    journal: list[JournalColumn] = []
    """The columns of the journal, in order: ``{column = "Debit", value = "{debit}"}``. Left out: a plain layout."""
    expense_account: str = "cloud-costs"
    """``{ledger_account}`` of a team's lines."""
    clearing_account: str = "cloud-clearing"
    """``{ledger_account}`` of the lines against them, one per invoice and currency. Empty: there are no such lines."""
    default_cost_center: str = ""
    """``{cost_center}`` in the journal of teams that have none, "unallocated" among them."""
    date_format: str = "%Y-%m-%d"
    """How the journal's dates are written: ``%d.%m.%Y`` for 31.10.2026."""
    decimal_comma: bool = False
    """``12,50`` and not ``12.50``, in both CSV files."""
    delimiter: Literal[",", ";"] = ","
    """What stands between cells, in both CSV files."""

    @field_validator("date_format")
    @classmethod
    def _plain_date(cls, value: str) -> str:
        left = re.sub(r"%[Ymdy]", "", value)
        if "%" in left or left == value:
            raise ValueError("a date is made of %Y (2026), %y (26), %m and %d, such as %d.%m.%Y")
        return value

    @model_validator(mode="after")
    def _can_be_booked(self) -> Chargeback:
        if not self.journal:
            return self
        headings = [each.column for each in self.journal]
        names = set[str]().union(*(each.names for each in self.journal))
        wrong = [f"two columns are called '{each}'" for each in dict.fromkeys(headings) if headings.count(each) > 1]
        if "amount" not in names and not {"debit", "credit"} <= names:
            wrong.append("no column of the journal has {amount}, or {debit} and {credit}")
        if self.clearing_account and "ledger_account" not in names and not any(each.offset for each in self.journal):
            wrong.append(
                "no column of the journal tells the lines of the clearing account from the others: name {ledger_account}, or give "
                'a column an offset; or clearing_account = "" to have none'
            )
        if wrong:
            raise ValueError("; ".join(wrong))
        return self
