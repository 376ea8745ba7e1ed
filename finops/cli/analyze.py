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
    from finops.rules.header import QueryFile


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
@with_output
@pass_app
def analyze(
    app: App, query: str | None, sql: str | None, file: Path | None, given: tuple[str, ...], period: str | None,
    format_: str | None, output: Path | None,
) -> None:  # fmt: skip
    """Ask the ledger: a named query, or any SQL, read-only.

    Without arguments it lists the named queries. Tables: focus.cost_and_usage, focus_data_table (every FOCUS version's
    columns), allocation.charges, findings.findings, utilisation.daily, ops.loads …

    \b
    Examples:
      finops analyze spend_by_team --period 2026-10
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
    values = _values(app, given, period)
    if query:
        named = app.catalogue.get(query, "analyses")
        text, values = named.body, bind(app, named, values)
    elif file:
        text = file.read_text(encoding="utf-8")
    else:
        text = sys.stdin.read() if sql == "-" else str(sql)
    settings = app.workspace.config.warehouse
    con = sandbox(app.workspace.warehouse, settings.memory_limit, settings.threads)
    try:
        rows = write(ask(con, text, values), format_, output, colour=app.colour)
    finally:
        con.close()
    if output:
        app.say(f"{rows:,} rows -> {output}")


def _values(app: App, given: tuple[str, ...], period: str | None) -> dict[str, Any]:
    values: dict[str, Any] = {"today": app.calendar}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--param {item!r} is not of the form NAME=VALUE", next_step="For example --param days=14")
        values[name] = value
    if period:
        from finops.periods import parse_period

        parsed = parse_period(period, app.calendar)
        values |= {"period_start": parsed.start, "period_end": parsed.end}
        values |= {"previous_start": parsed.previous().start, "previous_end": parsed.previous().end}
    return values


def bind(app: App, query: QueryFile, values: dict[str, Any]) -> dict[str, Any]:
    """The values of a named query: what was given, else what its header declares.

    Raises:
        UsageError: a value is given that the query does not declare.
    """
    from finops.periods import parse_period
    from finops.rules.header import nearest

    known = {"today", "period_start", "period_end", "previous_start", "previous_end", *query.params}
    for name in values:
        if name not in known:
            raise UsageError(
                f"'{query.id}' has no parameter '{name}'{nearest(name, list(query.params))}",
                next_step=f"It has: {', '.join(query.params) or 'none'}.",
            )
    bound = dict(values)
    for name, parameter in query.params.items():
        if parameter.type == "period":
            if "period_start" not in bound:
                parsed = parse_period(str(bound.pop(name, parameter.default)), app.calendar)
                before = parsed.previous()
                bound |= {"period_start": parsed.start, "period_end": parsed.end}
                bound |= {"previous_start": before.start, "previous_end": before.end}
        else:
            bound.setdefault(name, parameter.default)
    return bound


def _complete(incomplete: str) -> list[str]:
    from finops.rules.catalogue import Catalogue

    return [query.id for query in Catalogue().layer("analyses") if query.id.startswith(incomplete)]
