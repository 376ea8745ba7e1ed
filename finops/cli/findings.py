"""``finops findings``."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.output import with_output, write
from finops.errors import UsageError

if TYPE_CHECKING:
    from finops.warehouse.connection import Connection

STATUSES = ("idle", "underused", "unknown", "active", "excepted", "new", "resolved", "rule-gone")
_DEFAULT = ("idle", "underused", "unknown")

_CHOSEN = """
SELECT *, coalesce(
    CASE WHEN resource_name = 'default'     -- a Studio app: its space or user says more
         THEN nullif(regexp_extract(resource_id, '([^/:]+/[^/:]+)/default$', 1), '') END,
    resource_name, nullif(regexp_extract(resource_id, '([^/:]+)$', 1), ''), resource_id) AS name
FROM findings.followed
WHERE (list_contains($status, status) OR (list_contains($status, 'new') AND state IN ('new', 'reopened')))
  AND (len($team) = 0 OR list_contains($team, team))
  AND (len($rule) = 0 OR list_contains($rule, rule_id))
  AND (len($account) = 0 OR list_contains($account, account_id))
  AND ($least IS NULL OR monthly_cost >= CAST($least AS DECIMAL(38, 18)))
"""
_MOST = Decimal(10) ** 20
"""No amount of a ledger is as large."""
_ORDER = """
ORDER BY CASE status WHEN 'idle' THEN 0 WHEN 'underused' THEN 1 WHEN 'unknown' THEN 2 WHEN 'excepted' THEN 3 WHEN 'active' THEN 4
    ELSE 5 END, monthly_cost DESC NULLS LAST, finding_id
"""
_ALL = f"""
SELECT finding_id, status, confidence, team, resource_name, workload_kind, monthly_cost, monthly_saving, currency, reason,
  recommended_action, rule_id, provider, account_id, region, resource_id, resource_type, window_start, window_end,
  billed_hours, cost_in_window, evidence, rule_version, state, since, found_on, cost_since_opened, monthly_cost_when_open,
  resolved_on, verified_monthly_saving, verified_until, note, exception_owner, excepted_until, exception_reason
FROM ({_CHOSEN}) AS f {_ORDER}
"""
SHORT = f"""
SELECT status, state, since, resolved_on, team, name, monthly_cost, cost_since_opened,
  CASE WHEN status = 'resolved' THEN verified_monthly_saving ELSE monthly_saving END AS monthly_saving, currency, finding_id,
  rule_id, confidence, reason, note
FROM ({_CHOSEN}) AS f {_ORDER}
"""
_TOTALS = f"""
SELECT coalesce(currency, 'no currency') AS currency,
  count(*) FILTER (status IN ('idle', 'underused')) AS found,
  CAST(sum(monthly_cost) FILTER (status IN ('idle', 'underused')) AS DECIMAL(38, 18)) AS cost,
  CAST(sum(monthly_saving) FILTER (status IN ('idle', 'underused')) AS DECIMAL(38, 18)) AS saving,
  count(*) FILTER (status IN ('idle', 'underused') AND monthly_saving IS NULL) AS unsaid,
  count(*) FILTER (status = 'unknown') AS unknown,
  CAST(sum(monthly_cost) FILTER (status = 'unknown') AS DECIMAL(38, 18)) AS unknown_cost,
  count(*) FILTER (status = 'resolved') AS resolved,
  CAST(sum(verified_monthly_saving) FILTER (status = 'resolved') AS DECIMAL(38, 18)) AS verified
FROM ({_CHOSEN}) AS f GROUP BY ALL ORDER BY 1
"""


_KNOWN = {
    "team": "SELECT team FROM mapping.teams UNION SELECT Team FROM allocation.dimension_team WHERE NOT is_pool "
            "UNION SELECT Team FROM allocation.pool_share UNION SELECT team FROM findings.followed UNION SELECT 'unallocated'",
    "account": "SELECT SubAccountId FROM ledger.dimension UNION SELECT account_id FROM findings.followed",
}  # fmt: skip
"""Every value that an option may have."""


@click.command()
@click.option("--status", multiple=True, type=click.Choice(STATUSES),
              help="May be repeated. Default: idle, underused, unknown. 'new' was found in the last 7 days; 'resolved' has the "
                   "saving that the bill shows since.")  # fmt: skip
@click.option("--team", multiple=True, metavar="T", help="Only these teams. May be repeated.")
@click.option("--min-cost", metavar="N", help="Only what costs at least N a month, each in its own currency.")
@click.option("--rule", multiple=True, metavar="ID", help="Only what these rules found. May be repeated.")
@click.option("--account", multiple=True, metavar="ID", help="Only these accounts, projects or subscriptions.")
@with_output
@pass_app
def findings(
    app: App,
    status: tuple[str, ...],
    team: tuple[str, ...],
    min_cost: str | None,
    rule: tuple[str, ...],
    account: tuple[str, ...],
    format_: str | None,
    output: Path | None,
) -> None:
    """What the rules found, since when, and what it has cost since then. The most expensive first.

    The table shows the main columns; every other format has all of them, with the evidence. A finding is open until a run sees that
    its resource is used, or billed no more; what could not be measured is neither idle nor resolved. Sums are told for each
    currency, on stderr. 'finops explain ID' tells all about one of them.

    \b
    Examples:
      finops findings --status idle --min-cost 100
      finops findings --team search --status new           # what is new this week
      finops findings --status resolved                    # and what it saved, in the bill that followed
      finops findings --status excepted                    # known and accepted: why, by whom, until when
      finops findings --format json | jq '.[].evidence'
    """
    import sys

    from finops.warehouse.ask import ask, refuse_older, sandbox

    least = _amount(min_cost)
    settings = app.workspace.config.warehouse
    con = sandbox(app.workspace.warehouse, settings.memory_limit, settings.threads)
    values = {
        "status": [each.replace("-", " ") for each in status or _DEFAULT],
        "team": list(team),
        "rule": list(rule),
        "account": list(account),
        "least": None if least is None else str(least),
    }
    try:
        refuse_older(con)
        _refuse_rules(app, con, rule)
        if output is None and (format_ == "table" or (format_ is None and sys.stdout.isatty())):
            from finops.cli.findings_table import print_findings

            answer = ask(con, SHORT, values)
            rows = print_findings(app, [dict(zip(answer.columns, row, strict=True)) for row in answer.rows()])
        else:
            sql = SHORT if format_ == "table" or (format_ is None and output and output.suffix == ".txt") else _ALL
            objects = () if sql == SHORT else ("evidence",)
            rows = write(ask(con, sql, values), format_, output, colour=app.colour, objects=objects)
        if rows:
            _tell_totals(app, con, values)
        _tell_unknown(app, con, "team", team)
        _tell_unknown(app, con, "account", account)
    finally:
        con.close()
    if not rows:
        app.say("Nothing found. If bills were loaded since the last build, run: finops build")


def _refuse_rules(app: App, con: Connection, rules: tuple[str, ...]) -> None:
    """A rule that there neither is nor was is misspelt."""
    from finops.rules.header import nearest
    from finops.warehouse.ask import ask

    known = {query.id for query in app.catalogue.layer("findings")} if rules else set()
    for rule in rules:
        found = "SELECT 1 FROM findings.lifecycle WHERE rule_id = $rule LIMIT 1"
        if rule not in known and not list(ask(con, found, {"rule": rule}).rows()):
            raise UsageError(
                f"there is no rule '{rule}'{nearest(rule, sorted(known))}", next_step="docs/rules.md lists them."
            )


def _tell_unknown(app: App, con: Connection, kind: str, asked: tuple[str, ...]) -> None:
    """A team or account that there is not may be misspelt: no finding is its."""
    from finops.rules.header import nearest

    if asked:
        known = sorted(name for (name,) in con.execute(_KNOWN[kind]).fetchall() if name)
        for name in sorted({*asked} - {*known}):
            app.say(f"there is no {kind} '{name}'{nearest(name, known)}")


def _tell_totals(app: App, con: Connection, values: dict[str, Any]) -> None:
    from finops.warehouse.ask import ask

    answer = ask(con, _TOTALS, values)
    for row in answer.rows():
        total = dict(zip(answer.columns, row, strict=True))
        parts = []
        if total["found"]:
            saving = "no saving is known" if total["saving"] is None else f"ending them saves {total['saving']:,.2f}"
            unsaid = (
                f" ({total['unsaid']} of them without a known saving)" if total["unsaid"] and total["saving"] else ""
            )
            parts.append(f"{total['found']} idle or underused, {_words(total['cost'])} a month; {saving}{unsaid}")
        if total["unknown"]:
            parts.append(f"{total['unknown']} not judged, {_words(total['unknown_cost'])} a month")
        if total["resolved"]:
            parts.append(
                f"{total['resolved']} resolved, "
                + (
                    "no saving verified yet"
                    if total["verified"] is None
                    else f"{_words(total['verified'])} a month saved, verified in the bill"
                )
            )
        if parts:
            app.say(f"{total['currency']}: {'; '.join(parts)}")


def _words(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:,.2f}"


def _amount(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"--min-cost {text!r} is no amount", next_step="For example --min-cost 100") from error
    if not amount.is_finite() or abs(amount) >= _MOST:
        raise UsageError(f"--min-cost {text!r} is no amount", next_step="For example --min-cost 100")
    return amount
