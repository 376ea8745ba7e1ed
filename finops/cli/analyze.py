"""``finops analyze``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.output import with_output, write
from finops.errors import UsageError

if TYPE_CHECKING:
    from finops.warehouse.connection import Connection


@click.command()
@click.argument("query", required=False, shell_complete=lambda ctx, param, incomplete: _complete(incomplete))
@click.option("--sql", metavar="SQL", help="Any SELECT instead of a named query; '-' reads it from stdin.")
@click.option(
    "--file", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A file with one SELECT."
)
@click.option("--param", "given", multiple=True, metavar="K=V", help="A value for $K in the query. May be repeated.")
@click.option(
    "--period",
    metavar="P",
    help="2026-10, 2026-W43, 2026-Q4, last-week, 2026-10-01/2026-10-15 … ($period_start, $period_end).",
)
@click.option("--team", default="", metavar="T", help="One team's part only: its shares of the charges, its findings.")
@with_output
@pass_app
def analyze(
    app: App, query: str | None, sql: str | None, file: Path | None, given: tuple[str, ...], period: str | None, team: str,
    format_: str | None, output: Path | None,
) -> None:  # fmt: skip
    """Ask the ledger: a named query, or any SQL, read-only.

    Without arguments it lists the named queries. Tables: focus.cost_and_usage, focus_data_table (every FOCUS version's
    columns), allocation.charges, findings.findings, utilisation.daily, ops.loads …

    \b
    Examples:
      finops analyze spend_by_team --period 2026-10
      finops analyze top_resources --team search --period last-week
      finops analyze --sql "SELECT ServiceName, sum(BilledCost) FROM focus.cost_and_usage GROUP BY 1" --format markdown
    """
    from finops.warehouse.ask import ask, sandbox

    chosen = [each for each in (query, sql, file) if each]
    if not chosen:
        from finops.cli.queries import list_queries

        list_queries(app, "analyses")
        return
    if len(chosen) > 1:
        raise UsageError("give one of QUERY, --sql and --file", next_step="finops analyze --help has examples.")
    if query:
        from finops.reports.analyses import bind

        named = app.catalogue.get(query, "analyses")
        arguments = _given(given) | ({"period": period} if period else {})
        text, values = named.body, bind(named, arguments, app.calendar, team)[0]
    else:
        text = _sql_of(file) if file else sys.stdin.read() if sql == "-" else str(sql)
        values = _calendar(app, period, team) | _given(given)
    settings = app.workspace.config.warehouse
    con = sandbox(app.workspace.warehouse, settings.memory_limit, settings.threads, team)
    try:
        if team:
            _refuse_unknown(con, team)
        rows = write(ask(con, text, values), format_, output, colour=app.colour)
    finally:
        con.close()
    if output:
        app.say(f"{rows:,} rows -> {output}")


def _refuse_unknown(con: Connection, team: str) -> None:
    from finops.rules.header import nearest

    known = con.execute(
        "SELECT team FROM mapping.teams UNION SELECT Team FROM allocation.dimension_team WHERE NOT is_pool "
        "UNION SELECT Team FROM allocation.pool_share"
    ).fetchall()
    names = sorted(name for (name,) in known if name)
    if team not in names and team != "unallocated":
        raise UsageError(
            f"there is no team '{team}'{nearest(team, names)}", next_step=f"There are: {', '.join(names) or 'none'}."
        )


def _sql_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"is not UTF-8 (byte {error.start})", where=str(file), next_step="Save it as UTF-8."
        ) from error


def _given(items: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--param {item!r} is not of the form NAME=VALUE", next_step="For example --param days=14")
        values[name] = value
    return values


def _calendar(app: App, period: str | None, team: str) -> dict[str, Any]:
    """What any SQL may use without declaring it."""
    values: dict[str, Any] = {"today": app.calendar, "team": team or None}
    if period:
        from finops.periods import parse_period

        parsed = parse_period(period, app.calendar)
        values |= {"period_start": parsed.start, "period_end": parsed.end}
        values |= {"previous_start": parsed.previous().start, "previous_end": parsed.previous().end}
    return values


def _complete(incomplete: str) -> list[str]:
    from finops.rules.catalogue import Catalogue

    return [query.id for query in Catalogue().layer("analyses") if query.id.startswith(incomplete)]
