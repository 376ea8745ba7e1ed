"""The files of a chargeback: its lines as CSV, and a journal whose columns the configuration chooses, debits equal to credits."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from finops.errors import ConfigError
from finops.reports.chargeback import Bill, Line, Statement
from finops.reports.csv import cell
from finops.reports.money import plain
from finops.rules.placeholders import fill, names_in

LINE_COLUMNS = (
    "month", "team", "team_name", "cost_center", "account_id", "account_name", "service", "currency", "amount",
    "exact_amount", "rounding", "invoice_issuer", "billing_account_id", "invoice_id",
)  # fmt: skip
NUMBERS = ("amount", "exact_amount", "rounding")
"""The columns that are numbers."""
_NUMBER = re.compile(r"-?\d+([.,]\d+)?")


@dataclass(frozen=True)
class Column:
    """A column of the journal: its heading, and texts with places (``finops.rules.placeholders``)."""

    heading: str
    value: str
    offset: str
    """On the lines of the clearing account."""


DEFAULT_COLUMNS = (
    Column("Posting date", "{month_end}", "{month_end}"),
    Column("Reference", "{invoice_id}", "{invoice_id}"),
    Column("Account", "{ledger_account}", "{ledger_account}"),
    Column("Cost center", "{cost_center}", "{cost_center}"),
    Column("Currency", "{currency}", "{currency}"),
    Column("Debit", "{debit}", "{debit}"),
    Column("Credit", "{credit}", "{credit}"),
    Column(
        "Text",
        "Cloud {month} {team_name}: {service} {account_id}",
        "Cloud {month}: {invoice_issuer} {billing_account_id}",
    ),
)


@dataclass(frozen=True)
class Layout:
    """How the files are written: what ``[chargeback]`` says."""

    columns: Sequence[Column] = DEFAULT_COLUMNS
    expense_account: str = "cloud-costs"
    clearing_account: str = "cloud-clearing"
    """Empty: no lines against those of the teams."""
    default_cost_center: str = ""
    date_format: str = "%Y-%m-%d"
    decimal_comma: bool = False
    delimiter: str = ","


def lines_csv(statement: Statement, layout: Layout) -> str:
    """One line per team, account and service of a bill: rounded amount, exact amount, and the difference."""
    rows = (
        [_number(str(value), layout) if name in NUMBERS else cell(value) for name, value in record.items()]
        for record in lines_data(statement)
    )
    return _csv(LINE_COLUMNS, rows, layout)


def lines_data(statement: Statement) -> Iterator[dict[str, str]]:
    """The same as text by column: amounts with the currency's decimals, exact amounts with all their digits."""
    for line in statement.lines:
        bill = line.key.bill
        values = (
            f"{statement.month:%Y-%m}", line.key.team, line.team_name, line.cost_center, line.key.account, line.account_name,
            line.key.service, bill.currency, f"{line.amount:f}", plain(line.exact), plain(line.rounding), bill.issuer,
            bill.billing_account, _invoices(line),
        )  # fmt: skip
        yield dict(zip(LINE_COLUMNS, values, strict=True))


def journal_csv(statement: Statement, layout: Layout) -> str:
    """The journal. Lines of 0.00 are not in it; a negative line is a credit.

    Against the lines stands the clearing account: a line per invoice, or per bill if the statement is a part of it.

    Raises:
        ConfigError: the month has several currencies, and no column says which.
    """
    currencies = {line.key.bill.currency for line in statement.lines}
    if len(currencies) > 1 and not any("currency" in names_in(each.value) for each in layout.columns):
        raise ConfigError(
            f"{statement.month:%Y-%m} has {', '.join(sorted(currencies))}, and no column of the journal names {{currency}}",
            where="finops.toml, chargeback.journal",
            next_step='Add one: {column = "Currency", value = "{currency}"}',
        )
    rows = []
    for number, (is_offset, values) in enumerate(_entries(statement, layout), start=1):
        values["line"] = str(number)
        texts = (fill(each.offset if is_offset else each.value, values) for each in layout.columns)
        rows.append([_safe(" ".join(text.split())) for text in texts])
    return _csv([each.heading for each in layout.columns], rows, layout)


def _entries(statement: Statement, layout: Layout) -> Iterator[tuple[bool, dict[str, str]]]:
    """What each line of the journal may say, and whether it is one of the clearing account."""
    for line in statement.lines:
        if line.amount:
            yield (
                False,
                {
                    **_values(statement.month, line.key.bill, line.amount, line.exact, layout),
                    "team": line.key.team,
                    "team_name": line.team_name,
                    "cost_center": line.cost_center or layout.default_cost_center,
                    "account_id": line.key.account,
                    "account_name": line.account_name,
                    "service": line.key.service,
                    "ledger_account": layout.expense_account,
                    "invoice_id": _invoices(line),
                },
            )
    for bill, number, amount, exact in _offsets(statement) if layout.clearing_account else ():
        if amount:
            yield (
                True,
                {
                    **dict.fromkeys(("team", "team_name", "cost_center", "account_id", "account_name", "service"), ""),
                    **_values(statement.month, bill, amount.copy_negate(), exact.copy_negate(), layout),
                    "ledger_account": layout.clearing_account,
                    "invoice_id": number,
                },
            )


def _offsets(statement: Statement) -> Iterator[tuple[Bill, str, Decimal, Decimal]]:
    if not statement.is_part:
        yield from ((each.bill, each.id, each.amount, each.exact) for each in statement.invoices)
        return
    for total in statement.totals():
        numbers = {each.id for each in statement.invoices if each.bill == total.bill}
        yield total.bill, _joined(sorted(numbers)), total.booked, total.exact


def _values(month: date, bill: Bill, amount: Decimal, exact: Decimal, layout: Layout) -> dict[str, str]:
    after = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
    return {
        "month": f"{month:%Y-%m}",
        "month_start": month.strftime(layout.date_format),
        "month_end": (after - timedelta(days=1)).strftime(layout.date_format),
        "currency": bill.currency,
        "invoice_issuer": bill.issuer,
        "billing_account_id": bill.billing_account,
        "amount": _number(f"{amount:f}", layout),
        "debit": _number(f"{amount:f}", layout) if amount > 0 else "",
        "credit": _number(f"{amount.copy_abs():f}", layout) if amount < 0 else "",
        "exact_amount": _number(plain(exact), layout),
    }


def _invoices(line: Line) -> str:
    return _joined(line.invoices)


def _joined(invoices: Iterable[str]) -> str:
    """``A; B``. What has no number is said only beside one that has."""
    numbers = tuple(invoices)
    return "; ".join(number or "not invoiced" for number in numbers) if any(numbers) else ""


def _number(text: str, layout: Layout) -> str:
    return text.replace(".", ",") if layout.decimal_comma else text


def _safe(text: str) -> str:
    """Numbers as they are; text that a spreadsheet would run gets an apostrophe."""
    return text if _NUMBER.fullmatch(text) else cell(text)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]], layout: Layout) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=layout.delimiter, lineterminator="\r\n")
    writer.writerow([cell(column) for column in columns])
    writer.writerows(rows)
    return buffer.getvalue()
