"""``finops allocate diff``."""

from __future__ import annotations

import sys
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.jsontext import dumps
from finops.errors import UsageError

if TYPE_CHECKING:
    from finops.pipeline.comparing import Comparison, Move, Scope
    from finops.pipeline.frozen_files import FrozenMonth
    from finops.warehouse.connection import Connection

_FORMATS = ("table", "csv", "json")
_SHOWN_MOVES = 40


@click.command()
@click.option(
    "--against", metavar="REF", help="Before: the workspace as a git revision has it. Default: what is built."
)
@click.option("--queries", type=click.Path(path_type=Path), metavar="DIR", help="After: the rules of this folder.")
@click.option("--mappings", type=click.Path(path_type=Path), metavar="DIR", help="After: the mappings of this folder.")
@click.option("--month", metavar="YYYY-MM", help="Only this billing month.")
@click.option("--period", metavar="P", help="Only charges that begin in these days: 2026-Q4, last-30-days …")
@click.option("--frozen", is_flag=True, help="Frozen months: as booked, against what the rules would give now.")
@click.option(
    "--cost", type=click.Choice(("billed", "effective")), default="billed", show_default=True, help="Which cost."
)
@click.option("--moves", is_flag=True, help="Only the moves; in CSV, instead of the teams.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    help="Default: table on a terminal, csv otherwise (every digit).",
)
@pass_app
def diff(
    app: App,
    against: str | None,
    queries: Path | None,
    mappings: Path | None,
    month: str | None,
    period: str | None,
    frozen: bool,
    cost: str,
    moves: bool,
    format_: str | None,
) -> None:
    """Who gains, who loses: two versions of the rules.

    Left to itself it compares what is built with the workspace's files as they are now: what an edit of a rule or a mapping
    would move, before it is built. A folder that --queries or --mappings names takes the place of the workspace's. Shipped
    rules are those of this version of finops on both sides. Frozen months move nothing, unless --frozen asks what they would.
    Nothing is changed.

    \b
    Examples:
      finops allocate diff                                  what is built, and the files as they are now
      finops allocate diff --against main --month 2026-10   the branch main, and the files as they are now
      finops allocate diff --mappings proposal/mappings     what is built, and a proposal
      finops allocate diff --frozen --month 2026-09         what was booked, and what today's rules would say
    """
    from finops.pipeline.comparing import Side, compare
    from finops.pipeline.frozen_files import FrozenFiles
    from finops.pipeline.revision import restore
    from finops.rules.catalogue import Catalogue

    if frozen and against:
        raise UsageError(
            "--frozen compares with what was booked, --against with a revision", next_step="Give one of them."
        )
    scope = _scope(app, month, period, frozen, cost)
    for folder in (queries, mappings):
        if folder is not None and not folder.is_dir():
            raise UsageError("there is no such folder", where=str(folder))
    workspace = app.workspace
    paths = workspace.config.paths
    named = [str(folder) for folder in (queries, mappings) if folder]
    after = Side(
        " and ".join(named) or "the workspace's files",
        Catalogue(queries) if queries else app.catalogue,
        mappings or workspace.path(paths.mappings),
        workspace.config.params,
    )
    with tempfile.TemporaryDirectory(prefix="finops-") as scratch, app.warehouse() as con:
        before = None
        if against:
            then = restore(workspace, against, Path(scratch) / "workspace")
            before = Side(
                against,
                Catalogue(then.path(then.config.paths.queries)),
                then.path(then.config.paths.mappings),
                then.config.params,
            )
        booked = FrozenFiles(workspace.path(paths.frozen)).verified(con)
        _look(app, con, scope, booked, built=before is None)
        found = compare(con, before, after, app.calendar, booked, scope)
    names = ("as booked" if frozen else against or "what is built", after.name)
    chosen = format_ or ("table" if sys.stdout.isatty() else "csv")
    if chosen == "json":
        click.echo(dumps(_data(found, names, cost)))
    elif chosen == "csv":
        _csv(*(_move_rows(found) if moves else _team_rows(found)))
        if not found.moves:
            app.say(_nothing(found))
    else:
        _show(app, found, names, cost, moves)


def _scope(app: App, month: str | None, period: str | None, frozen: bool, cost: str) -> Scope:
    from finops.periods import parse_period
    from finops.pipeline.comparing import Scope

    if month and period:
        raise UsageError(
            "--month is a billing month, --period the days on which charges begin", next_step="Give one of them."
        )
    if month:
        given = parse_period(month, app.calendar)
        if given.kind != "month":
            raise UsageError(f"'{month}' is no month", next_step="For example --month 2026-10, --month last-month.")
        return Scope(month=given.start, frozen_only=frozen, cost=cost)
    if period:
        days = parse_period(period, app.calendar)
        return Scope(start=days.start, end=days.end, frozen_only=frozen, cost=cost)
    return Scope(frozen_only=frozen, cost=cost)


def _look(app: App, con: Connection, scope: Scope, booked: list[FrozenMonth], *, built: bool) -> None:
    """Refuse what compares nothing, and say what the reader should know of the two sides."""
    months: list[date] = [each.entry.month for each in booked]
    names = ", ".join(f"{each:%Y-%m}" for each in months)
    if scope.frozen_only and (not months or (scope.month and scope.month not in months)):
        what = f"{scope.month:%Y-%m} is not frozen" if scope.month else "no month is frozen"
        raise UsageError(what, next_step=f"Frozen months: {names or 'none'}.")
    if not scope.frozen_only and (scope.month in months if scope.month else months):
        app.say(
            f"Left as booked: {names if not scope.month else f'{scope.month:%Y-%m}'}. --frozen shows what would move there."
        )
    if built:
        row = con.execute(
            "SELECT count(DISTINCT load_id) FROM ops.loads "
            "WHERE loaded_at > (SELECT built_at FROM ops.stages WHERE stage = 'allocate')"
        ).fetchone()
        if row and row[0]:
            app.warn(
                f"{row[0]} deliveries were loaded after the last build, so a part of the difference is theirs. "
                "To see the rules alone: finops allocate diff --against HEAD"
            )


def _team_rows(found: Comparison) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    columns = ("currency", "team", "before", "after", "difference")
    return columns, [(t.currency, t.team, t.before, t.after, t.difference) for t in found.teams]


def _move_rows(found: Comparison) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    columns = ("currency", "from_team", "to_team", "amount", "rule_before", "rule_after", "kinds_of_charges", "behind")
    return columns, [
        (m.currency, m.from_team, m.to_team, m.amount, m.rule_before, m.rule_after, m.kinds, _behind(m, exact=True))
        for m in found.moves
    ]


def _csv(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    import csv

    from finops.reports.csv import cell

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)


def _data(found: Comparison, names: tuple[str, str], cost: str) -> dict[str, object]:
    return {
        "before": names[0],
        "after": names[1],
        "cost": {"billed": "BilledCost", "effective": "EffectiveCost"}[cost],
        "totals": [{"currency": currency, "before": one, "after": other} for currency, one, other in found.totals],
        "teams": [vars(team) for team in found.teams],
        "moves": [
            {
                "currency": m.currency, "from_team": m.from_team, "to_team": m.to_team, "amount": m.amount,
                "rule_before": m.rule_before, "rule_after": m.rule_after, "kinds_of_charges": m.kinds,
                "behind": [dict(zip(("account", "service", "amount"), each, strict=True)) for each in m.behind],
            }
            for m in found.moves
        ],
    }  # fmt: skip


def _show(app: App, found: Comparison, names: tuple[str, str], cost: str, moves: bool) -> None:
    from finops.cli.allocate import print_table, shown_money
    from finops.reports.money import Money

    before, after = names
    said = {"billed": "BilledCost", "effective": "EffectiveCost"}[cost]
    sums = ", ".join(Money(total, currency).text for currency, total, _ in found.totals)
    app.say(f"Before ({before}) and after ({after}) the {said} adds up to the same: {sums or 'nothing'}.")
    if not found.moves:
        app.say(_nothing(found))
        return
    if not moves:
        rows = [
            (
                t.team,
                *(Money(amount, t.currency).exact for amount in (t.before, t.after)),
                _signed(t.difference, t.currency),
            )
            for t in found.teams
            if t.difference
        ]
        print_table(app, ("team", "before", "after", "difference"), rows, right=("before", "after", "difference"))
        same = len(found.teams) - len(rows)
        if same:
            app.say(f"{same} other{'s' if same > 1 else ''} neither gain nor lose.")
    shown = [
        (shown_money(m.amount, m.currency), m.from_team, m.to_team, m.rule_before, m.rule_after, _behind(m))
        for m in found.moves[:_SHOWN_MOVES]
    ]
    columns = ("moves", "from", "to", "rule before", "rule after", "largest behind it")
    print_table(app, columns, shown, right=("moves",))
    if len(found.moves) > len(shown):
        app.say(f"… and {len(found.moves) - len(shown)} smaller moves: --moves --format csv gives them all.")


def _nothing(found: Comparison) -> str:
    return "Nobody gains or loses." if found.totals else "There are no charges to compare."


def _signed(amount: Decimal, currency: str) -> str:
    from finops.cli.allocate import shown_money

    text = shown_money(amount, currency)
    return f"+{text}" if amount > 0 else text


def _behind(move: Move, *, exact: bool = False) -> str:
    from finops.reports.money import Money, plain

    return "; ".join(
        f"{account} {service} {plain(amount) if exact else Money(amount, move.currency).number}"
        for account, service, amount in move.behind
    )
