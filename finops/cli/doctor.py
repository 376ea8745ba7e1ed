"""``finops doctor``."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.collect import complete_source
from finops.cli.jsontext import dumps
from finops.errors import FinopsError, MailError, SourceError

if TYPE_CHECKING:
    from finops.collectors.interface import Finding
    from finops.pipeline.collecting import Configured

MARKS = {"ok": ("ok", "green"), "warning": ("!!", "yellow"), "failed": ("no", "red"), "unknown": ("??", "cyan")}


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", shell_complete=complete_source)
@click.option(
    "--policy", is_flag=True, help="Print the least that each provider must allow, as text to copy; connect to nothing."
)
@click.option(
    "--yes", is_flag=True, help="Make the checks too that cost money: 0.01 USD for AWS's list of active tags."
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@pass_app
def doctor(app: App, sources: tuple[str, ...], policy: bool, yes: bool, as_json: bool) -> int:
    """Look at each source: identity, permissions, export settings, freshness; at the mail server; say what to do.

    Exit 0 if all that collecting and mailing need is there, 3 if something is not, 5 if only mailing would not work.
    Nothing is changed, fetched or sent; calls that cost money are made only with --yes.

    \b
    Examples:
      finops doctor
      finops doctor prod-aws
      finops doctor --policy > policies.txt
    """
    from finops.collectors.interface import Request
    from finops.pipeline.collecting import configured
    from finops.pipeline.examining import examine_source, examine_workspace
    from finops.pipeline.offers import known, window
    from finops.warehouse.landing import Landing

    found = configured(app.workspace, sources)
    if policy:
        return _policy(found, as_json)
    months = window(app.calendar, None, None)
    last = _last_runs(app)
    held = known(Landing(app.workspace.landing))
    data: dict[str, Any] = {"workspace": [], "mail": [], "sources": {}}
    worst = 0
    parts: list[tuple[str, list[dict[str, Any]], Iterable[Finding], int]] = []
    if not sources:
        parts.append(("workspace", data["workspace"], examine_workspace(app.workspace), SourceError.exit_code))
    for each in found:
        request = Request(*months, app.calendar, held.get(each.source_id, {}), dry=not yes)
        looks = examine_source(each, request, last.get(each.source_id))
        data["sources"][each.source_id] = []
        parts.append(
            (f"{each.source_id} ({each.source.type})", data["sources"][each.source_id], looks, SourceError.exit_code)
        )
    if not sources and _mails(app):
        parts.append(("mail", data["mail"], _examine_mail(app), MailError.exit_code))
    for title, kept, findings, code in parts:
        if not as_json:
            click.echo(click.style(title, bold=True) if app.colour else title)
        for finding in findings:
            kept.append({**vars(finding), "verdict": finding.verdict.value})
            if finding.verdict.value == "failed":
                worst = worst or code
            if not as_json:
                _line(app, finding)
    if as_json:
        click.echo(dumps(data))
    return worst


def _mails(app: App) -> bool:
    mail = app.workspace.config.mail
    return bool(mail.smtp or mail.ses)


def _examine_mail(app: App) -> Iterator[Finding]:
    """What sending needs, without sending."""
    from finops.collectors.interface import Finding, Verdict
    from finops.delivery.examine import examine_mail

    for look in examine_mail(app.workspace, _teams(app)):
        yield Finding(look.check, Verdict(look.verdict), look.detail, look.next_step)


def _teams(app: App) -> list[str]:
    """Teams by id and name, as far as ``mappings/teams.csv`` can be read; 'finops build' says what is wrong with it."""
    path = app.workspace.path(app.workspace.config.paths.mappings) / "teams.csv"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [str(row[key]) for row in csv.DictReader(file) for key in ("team", "name") if row.get(key)]
    except (OSError, ValueError, csv.Error):
        return []


def _last_runs(app: App) -> dict[str, datetime]:
    """When each source was collected last; nothing where the warehouse is not there or busy."""
    from finops.pipeline.examining import last_runs

    if not app.workspace.warehouse.is_file():
        return {}
    try:
        with app.warehouse(read_only=True) as con:
            return last_runs(con)
    except FinopsError:
        return {}


def _line(app: App, finding: Finding) -> None:
    mark, colour = MARKS[finding.verdict.value]
    shown = click.style(mark, fg=colour, bold=True) if app.colour else mark
    click.echo(f"  {shown}  {finding.check}: {finding.detail}")
    if finding.next_step:
        click.echo(f"      {finding.next_step}")


def _policy(found: Sequence[Configured], as_json: bool) -> int:
    from finops.collectors.policy import Need, policies

    needs = [Need(each.source_id, each.source, each.collector.permissions()) for each in found]
    if as_json:
        click.echo(dumps({each.source_id: [vars(some) for some in each.permissions] for each in needs}))
        return 0
    texts = policies(needs)
    for name, text in texts.items():
        click.echo(f"# {name}\n{text}")
    if not texts:
        click.echo("# No source needs a permission at a provider.")
    return 0
