"""``finops allocate chargeback``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.journal import noted
from finops.cli.jsontext import dumps
from finops.errors import UsageError

if TYPE_CHECKING:
    from finops.reports.chargeback import BillTotals, Statement
    from finops.reports.journal_entries import Layout
    from finops.warehouse.connection import Connection


@click.command(short_help="Write what finance books: lines in cents, and a journal.")
@click.argument("period", default="last-month")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Default: reports/chargeback-PERIOD.",
)
@click.option(
    "--cost",
    type=click.Choice(["billed", "effective"]),
    default="billed",
    help="Default: billed, what the invoice charges.",
)
@click.option(
    "--only", multiple=True, metavar="TEAM", help="Only this team's lines: a part of the invoice. May be repeated."
)
@click.option(
    "--format", "format_", type=click.Choice(["csv", "json"]), default="csv", help="Of the lines. Default: csv."
)
@click.option("--json", "as_json", is_flag=True, help="Print the totals as JSON.")
@pass_app
def chargeback(
    app: App, period: str, output: Path | None, cost: str, only: tuple[str, ...], format_: str, as_json: bool
) -> int:
    """Write what finance books: lines in cents that add up to the invoice, and a journal.

    PERIOD is one or more billing months: 2026-10, 2026-Q4, last-month (the default). For each month there is
    chargeback-2026-10.csv, a line per team, cost centre, account, service and currency, with the exact amount beside the
    rounded one; and chargeback-2026-10-journal.csv, whose columns [chargeback] in finops.toml chooses. What has changed is
    built first.

    \b
    Example:
      finops allocate chargeback 2026-10
    """
    from finops.cli.build import build_stages, finish_loading
    from finops.cli.load import exit_code
    from finops.periods import parse_period
    from finops.reports.chargeback import compute_statement

    wanted = parse_period(period, app.calendar)
    if wanted.start.day != 1 or wanted.end.day != 1:
        raise UsageError(
            f"'{period}' is not made of whole months",
            next_step="An invoice is of a billing month: 2026-10, 2026-Q4, last-month.",
        )
    folder = output or app.workspace.path(app.workspace.config.reports.path) / f"chargeback-{wanted.slug}"
    with app.warehouse() as con, noted(app, con, f"allocate chargeback {wanted.name}") as entry:
        pending = finish_loading(app, con)
        build_stages(app, con)
        months = _billed_months(con, wanted.start, wanted.end)
        if not months:
            raise UsageError(
                f"the ledger has no bill of {wanted.label}",
                next_step="'finops allocate status' lists the months that it has.",
            )
        lacking = [f"{month:%Y-%m}" for month in _months(wanted.start, wanted.end) if month not in months]
        if lacking:
            app.warn(
                f"no bill of {', '.join(lacking)}: {'it is' if len(lacking) == 1 else 'they are'} not in the files"
            )
        teams = _teams(con, only)
        statements = [compute_statement(con, app.catalogue, month, app.calendar, cost) for month in months]
        if teams:
            statements = [each.only(teams) for each in statements]
        for month in months:
            _warn(app, con, month)
        for source, what in con.execute(_WHOLE_SOURCES).fetchall():
            app.warn(f"{source}: {what}")
        files = _files(statements, teams, _layout(app), format_)
        _write(folder, files)
        entry.exit_code = exit_code(pending)
    if as_json:
        click.echo(dumps([_as_data(each, cost, folder, files) for each in statements]))
    else:
        _tell(app, statements, teams, "invoices" if cost == "billed" else "total, rounded")
    for name in files:
        app.say(f"wrote {folder / name}")
    return entry.exit_code


def _billed_months(con: Connection, start: date, end: date) -> list[date]:
    rows = con.execute(
        "SELECT DISTINCT CAST(date_trunc('month', billing_period_start) AS DATE) AS month FROM ledger.slice "
        "WHERE billing_period_start >= ? AND billing_period_start < ? "
        "AND slice_id IN (SELECT slice_id FROM ledger.charge) ORDER BY month",
        [start, end],
    ).fetchall()
    return [month for (month,) in rows]


def _months(start: date, end: date) -> list[date]:
    """The first days of the months from ``start`` until before ``end``."""
    months = []
    while start < end:
        months.append(start)
        start = (start + timedelta(days=31)).replace(day=1)
    return months


def _teams(con: Connection, given: Sequence[str]) -> list[str]:
    """The teams as they are spelled.

    Raises:
        UsageError: there is none of that name.
    """
    from finops.rules.header import nearest

    rows = con.execute(
        "SELECT team FROM mapping.teams UNION SELECT Team FROM allocation.dimension_team WHERE NOT is_pool "
        "UNION SELECT Team FROM allocation.pool_share UNION SELECT 'unallocated' ORDER BY ALL"
    ).fetchall()
    known = {str(team).strip().lower(): str(team) for (team,) in rows}
    for name in given:
        if name.strip().lower() not in known:
            raise UsageError(
                f"there is no team '{name}'{nearest(name.strip().lower(), list(known))}",
                next_step=f"There are: {', '.join(known.values())}.",
            )
    return [known[name.strip().lower()] for name in given]


def _warn(app: App, con: Connection, month: date) -> None:
    """Say why the numbers may still move."""
    from finops.pipeline.closing import concerns

    if not con.execute("SELECT 1 FROM allocation.frozen_months WHERE month = ?", [month]).fetchall():
        app.warn(
            f"{month:%Y-%m} is not frozen: the numbers may still move. To keep what is booked: finops allocate freeze {month:%Y-%m}"
        )
    for concern in concerns(con, month, app.calendar):
        app.warn(concern)


def _layout(app: App) -> Layout:
    from finops.reports.journal_entries import DEFAULT_COLUMNS, Column, Layout

    settings = app.workspace.config.chargeback
    columns = [
        Column(each.column, each.value, each.value if each.offset is None else each.offset) for each in settings.journal
    ]
    return Layout(
        columns or DEFAULT_COLUMNS,
        settings.expense_account,
        settings.clearing_account,
        settings.default_cost_center,
        settings.date_format,
        settings.decimal_comma,
        settings.delimiter,
    )


_WHOLE_SOURCES = "SELECT source_id, what FROM ops.holes WHERE billing_period IS NULL ORDER BY ALL"


def _files(statements: Sequence[Statement], teams: Sequence[str], layout: Layout, format_: str) -> dict[str, str]:
    from finops.reports.journal_entries import journal_csv, lines_csv

    files = {}
    part = "".join("-" + re.sub(r"[^\w-]+", "_", team) for team in teams)[:80]
    for statement in statements:
        name = f"{_name(statement)}{part}"
        lines = lines_csv(statement, layout) if format_ == "csv" else dumps(list(_typed(statement))) + "\n"
        files[f"{name}.{format_}"] = lines
        files[f"{name}-journal.csv"] = journal_csv(statement, layout)
    return files


def _name(statement: Statement) -> str:
    return f"chargeback-{statement.month:%Y-%m}{'-part' if statement.is_part else ''}"


def _typed(statement: Statement) -> Iterator[dict[str, Any]]:
    from finops.reports.journal_entries import NUMBERS, lines_data

    for record in lines_data(statement):
        yield {name: Decimal(value) if name in NUMBERS else value for name, value in record.items()}


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """All files are written beside their places before the first takes its own."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = {folder / f".{name}.{os.getpid()}.partial": folder / name for name in files}
    try:
        for path, text in zip(partial, files.values(), strict=True):
            path.write_bytes(text.encode())
        for path, place in partial.items():
            path.replace(place)
    finally:
        for path in partial:
            path.unlink(missing_ok=True)


def _tell(app: App, statements: Sequence[Statement], teams: Sequence[str], target: str) -> None:
    from finops.cli.allocate import print_table
    from finops.reports.money import Money

    numbers = ("lines", "exact", "booked", *(("other teams",) if teams else ()), target, "difference")

    def cells(month: date, total: BillTotals) -> tuple[str, ...]:
        amounts = [total.booked, *([total.others] if teams else []), total.invoiced, total.difference]
        shown = (Money(amount, total.bill.currency).text for amount in amounts)
        names = (f"{month:%Y-%m}", total.bill.issuer, total.bill.billing_account)
        return *names, f"{total.lines:,}", Money(total.exact, total.bill.currency).exact, *shown

    rows = [cells(statement.month, total) for statement in statements for total in statement.totals()]
    print_table(app, ("month", "issuer", "billing account", *numbers), rows, right=numbers)
    if teams:
        app.say(f"This is a part: {', '.join(teams)}. Without --only all of the invoices is booked.")


def _as_data(statement: Statement, cost: str, folder: Path, files: Mapping[str, str]) -> dict[str, Any]:
    return {
        "month": f"{statement.month:%Y-%m}",
        "cost": cost,
        "is_part": statement.is_part,
        "files": [
            str(folder / name) for name in files if name.rsplit(".", 1)[0].removesuffix("-journal") == _name(statement)
        ],
        "bills": [
            {
                "currency": total.bill.currency,
                "invoice_issuer": total.bill.issuer,
                "billing_account_id": total.bill.billing_account,
                "lines": total.lines,
                "exact": total.exact,
                "booked": total.booked,
                "other_teams": total.others,
                "invoiced": total.invoiced,
                "difference": total.difference,
            }
            for total in statement.totals()
        ],
    }
