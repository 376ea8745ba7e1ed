"""``finops findings``."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from finops.cli.app import App, pass_app
from finops.cli.output import with_output, write
from finops.errors import UsageError

STATUSES = ("idle", "underused", "active", "unknown", "excepted")

_ALL = """
SELECT finding_id, status, confidence, team, resource_name, workload_kind, monthly_cost, monthly_saving, currency, reason,
  recommended_action, rule_id, provider, account_id, region, resource_id, resource_type, window_start, window_end,
  billed_hours, cost_in_window, evidence, rule_version
FROM findings.findings
WHERE status IN (SELECT unnest($status)) AND (len($team) = 0 OR list_contains($team, team))
  AND ($least IS NULL OR monthly_cost >= CAST($least AS DECIMAL(38, 18)))
ORDER BY CASE status WHEN 'idle' THEN 0 WHEN 'underused' THEN 1 WHEN 'unknown' THEN 2 ELSE 3 END,
  monthly_cost DESC NULLS LAST, finding_id
"""
_SHORT = "SELECT finding_id, status, confidence, team, resource_name, monthly_cost, currency, reason FROM ({}) AS f"


@click.command()
@click.option(
    "--status", multiple=True, type=click.Choice(STATUSES), help="May be repeated. Default: idle, underused, unknown."
)
@click.option("--team", multiple=True, metavar="T", help="Only these teams. May be repeated.")
@click.option("--min-cost", metavar="N", help="Only what costs at least N a month.")
@with_output
@pass_app
def findings(
    app: App,
    status: tuple[str, ...],
    team: tuple[str, ...],
    min_cost: str | None,
    format_: str | None,
    output: Path | None,
) -> None:
    """What the rules found: idle, underused, unknown. The most expensive first.

    The table shows the main columns; every other format has all of them.

    \b
    Example:
      finops findings --status idle --min-cost 100
    """
    import sys

    from finops.warehouse.ask import ask, sandbox

    least = _amount(min_cost)
    settings = app.workspace.config.warehouse
    con = sandbox(app.workspace.warehouse, settings.memory_limit, settings.threads)
    shown = format_ == "table" or (format_ is None and output is None and sys.stdout.isatty())
    values = {
        "status": list(status or ("idle", "underused", "unknown")),
        "team": list(team),
        "least": None if least is None else str(least),
    }
    try:
        rows = write(ask(con, _SHORT.format(_ALL) if shown else _ALL, values), format_, output, colour=app.colour)
    finally:
        con.close()
    if not rows:
        app.say("Nothing found. If bills were loaded since the last build, run: finops build")


def _amount(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"--min-cost {text!r} is no amount", next_step="For example --min-cost 100") from error
    if not amount.is_finite():
        raise UsageError(f"--min-cost {text!r} is no amount", next_step="For example --min-cost 100")
    return amount
