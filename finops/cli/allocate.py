"""``finops allocate``: months are frozen and reopened here; what a change of rules moves is told before it is built."""

from __future__ import annotations

import getpass
import importlib.util
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from finops.cli.app import App, pass_app
from finops.cli.journal import noted
from finops.cli.jsontext import dumps
from finops.errors import UsageError

if TYPE_CHECKING:
    from finops.pipeline.frozen_files import Entry, FrozenFiles
    from finops.warehouse.connection import Connection

_ELSEWHERE = {"chargeback": "finops.cli.chargeback", "diff": "finops.cli.allocate_diff"}
"""Commands with a module of their own, which is imported to run them."""


class _Group(click.Group):
    """Takes in the commands of other modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *(name for name, module in _ELSEWHERE.items() if _exists(module))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _ELSEWHERE.get(cmd_name)
        if module is None or not _exists(module):
            return super().get_command(ctx, cmd_name)
        command = getattr(importlib.import_module(module), cmd_name)
        assert isinstance(command, click.Command)
        return command


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@click.group(cls=_Group)
def allocate() -> None:
    """Who pays: freeze a month, compare rules, book the chargeback.

    \b
    Examples:
      finops allocate status                                   which months are frozen, and what came after
      finops allocate diff                                     what your edits of rules and mappings would move
      finops allocate freeze 2026-10 --reason "booked"         the month keeps its allocation from now on
      finops allocate reopen 2026-10 --reason "wrong account"  until somebody reopens it
    """


@allocate.command()
@click.argument("month")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the journal.")
@click.option("--by", metavar="NAME", help="Who books it. Default: you, as the system knows you.")
@click.option("--yes", is_flag=True, help="Freeze it although it may not be complete.")
@click.option("--json", "as_json", is_flag=True, help="Print the journal's line as JSON.")
@pass_app
def freeze(app: App, month: str, reason: str, by: str | None, yes: bool, as_json: bool) -> None:
    """Keep a month's allocation as it is now.

    Rules and mappings may change, the month does not, until somebody reopens it. MONTH is a billing month: 2026-10,
    last-month. What has changed is built first. The allocation is written to the workspace's frozen/ folder, which belongs
    under version control. Charges that are delivered later get the rules of their day, and their reason says so. A month that
    is not over, or whose bill is not final, needs --yes.

    \b
    Example:
      finops allocate freeze 2026-10 --reason "booked in the October close" --by "A. Controller"
    """
    from finops.pipeline.closing import concerns, refuse_freezing
    from finops.pipeline.closing import freeze as freeze_month

    first, files = _month(app, month), _files(app)
    with app.warehouse() as con, noted(app, con, f"allocate freeze {first:%Y-%m}"):
        if first in files.frozen():
            refuse_freezing(con, files, first)
        against = _build(app, con)  # a new warehouse has its charges only now
        refuse_freezing(con, files, first)
        against += concerns(con, first, app.calendar)
        if against and not yes:
            raise UsageError(
                f"{first:%Y-%m} may not be complete:\n  " + "\n  ".join(against),
                next_step="Freeze it when it is, or nevertheless with --yes. Nothing was frozen.",
            )
        for concern in against:
            app.warn(concern)
        entry = freeze_month(con, files, first, by or _somebody(), reason)
        _build_again(app, con, entry)
    _tell(app, entry, as_json, f"{entry.name} is frozen: {_sums(entry)} billed, {entry.charges:,} charges.")
    app.say(f"Commit {files.folder / entry.snapshot} and {files.journal.name}: they cannot be made again.")


@allocate.command()
@click.argument("month")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the journal.")
@click.option("--by", metavar="NAME", help="Who reopens it. Default: you, as the system knows you.")
@click.option("--json", "as_json", is_flag=True, help="Print the journal's line as JSON.")
@pass_app
def reopen(app: App, month: str, reason: str, by: str | None, as_json: bool) -> None:
    """Let today's rules decide on a frozen month again.

    What was booked stays in the frozen/ folder, and the journal says who reopened it and why. To see beforehand
    what it moves: finops allocate diff --frozen --month 2026-10

    \b
    Example:
      finops allocate reopen 2026-10 --reason "account 4711 was mapped to the wrong team"
    """
    from finops.pipeline.closing import reopen as reopen_month

    if not reason.strip():
        raise UsageError("--reason is empty", next_step="Say why the month is reopened: the journal keeps it.")
    first, files = _month(app, month), _files(app)
    with app.warehouse() as con, noted(app, con, f"allocate reopen {first:%Y-%m}"):
        entry = reopen_month(files, first, by or _somebody(), reason)
        _build_again(app, con, entry)
    _tell(app, entry, as_json, f"{entry.name} is open: today's rules decide. Booked before: {_sums(entry)}.")


@allocate.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@pass_app
def journal(app: App, as_json: bool) -> None:
    """Who froze and reopened which month, and why.

    Oldest first; the table names the file by the first digits of its SHA-256.
    """
    from finops.pipeline.closing import entry_data

    entries = _files(app).entries()
    if as_json:
        click.echo(dumps([entry_data(entry) for entry in entries]))
        return
    if not entries:
        app.say("No month was ever frozen. To freeze one: finops allocate freeze 2026-10")
        return
    print_table(
        app,
        ("time", "action", "month", "by", "reason", "billed", "sha256"),
        [(f"{e.at:%Y-%m-%d %H:%M}", e.action, e.name, e.by, e.reason, _sums(e), e.digest[:12]) for e in entries],
    )


@allocate.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@pass_app
def status(app: App, as_json: bool) -> None:
    """Which months are frozen, and what came after.

    "billed now" is the ledger's sum; "late" is what came after the month was frozen, under charges that it did not have.
    Money is BilledCost.
    """
    from finops.pipeline.closing import month_states

    with app.warehouse(read_only=True) as con:
        states = month_states(con, _files(app))
    if not states and not as_json:
        app.say("There are no charges yet. To load a bill: finops load FILE_OR_FOLDER")
        return
    if as_json:
        data = [
            {"month": f"{s.month:%Y-%m}", "currency": s.currency, "state": "frozen" if s.frozen else "open",
             "frozen_at": s.frozen.at.strftime("%Y-%m-%dT%H:%M:%SZ") if s.frozen else None,
             "frozen_by": s.frozen.by if s.frozen else None, "booked": s.booked, "billed": s.billed,
             "difference": s.difference, "late": s.late}
            for s in states
        ]  # fmt: skip
        click.echo(dumps(data))
        return

    print_table(
        app,
        ("month", "state", "booked", "billed now", "difference", "late"),
        [
            (
                f"{s.month:%Y-%m}",
                f"frozen {s.frozen.at:%Y-%m-%d} by {s.frozen.by}" if s.frozen else "open",
                *(
                    "" if amount is None else shown_money(amount, s.currency)
                    for amount in (s.booked, s.billed, s.difference, s.late)
                ),
            )
            for s in states
        ],
        right=("booked", "billed now", "difference", "late"),
    )


def _build(app: App, con: Connection) -> list[str]:
    """Bring everything up to date; the answer is what could not be read, as sentences."""
    from finops.cli.build import build_stages, finish_loading

    problems = finish_loading(app, con).problems
    build_stages(app, con)
    return [f"{problem.where}: {problem.what}" for problem in problems]


def _build_again(app: App, con: Connection, entry: Entry) -> None:
    """The journal has its line, so a build that fails here is made up for by the next."""
    from finops.cli.build import build_stages, finish_loading
    from finops.errors import FinopsError

    try:
        if entry.action == "reopen":
            finish_loading(app, con)
        build_stages(app, con)
    except FinopsError:
        app.warn(
            f"{entry.name}: the journal says {entry.action}, but the build after it failed. The next one makes up for it."
        )
        raise


def _month(app: App, text: str) -> date:
    from finops.periods import parse_period

    period = parse_period(text, app.calendar)
    if period.kind != "month":
        raise UsageError(
            f"'{text}' is no month", next_step="A billing month is frozen as a whole: 2026-10, last-month."
        )
    return period.start


def _files(app: App) -> FrozenFiles:
    from finops.pipeline.frozen_files import FrozenFiles

    return FrozenFiles(app.workspace.path(app.workspace.config.paths.frozen))


def _somebody() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"


def _sums(entry: Entry) -> str:
    from finops.reports.money import Money

    return ", ".join(Money(amount, currency).text for currency, amount in sorted(entry.billed.items())) or "nothing"


def shown_money(amount: Decimal, currency: str) -> str:
    """``USD 1,234.50``; all digits of what rounding would make zero."""
    from finops.reports.money import Money

    money = Money(amount, currency)
    return money.exact if amount and abs(amount) < Decimal("0.01") else money.text


def _tell(app: App, entry: Entry, as_json: bool, text: str) -> None:
    from finops.pipeline.closing import entry_data

    if as_json:
        click.echo(dumps(entry_data(entry)))
    else:
        app.say(text)


def print_table(
    app: App, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: tuple[str, ...] = ()
) -> None:
    """Rows of text on stdout; the columns of ``right`` are numbers and are never folded."""
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(
            column, justify="right" if column in right else "left", overflow="fold", no_wrap=column in right
        )
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 160
    Console(no_color=not app.colour, highlight=False, markup=False, width=width).print(table)
