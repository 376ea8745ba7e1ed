"""``finops doctor``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.collect import complete_source
from finops.cli.jsontext import dumps
from finops.errors import FinopsError, SourceError

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
    """Look at each source: identity, permissions, export settings, freshness; say what to do.

    Exit 0 if all that collecting needs is there, 3 if something is not. Nothing is changed and nothing is fetched; calls
    that cost money are made only with --yes.

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
    data: dict[str, list[dict[str, Any]]] = {}
    worst = 0
    parts: list[tuple[str, Iterable[Finding]]] = [] if sources else [("workspace", examine_workspace(app.workspace))]
    for each in found:
        request = Request(*months, app.calendar, held.get(each.source_id, {}), dry=not yes)
        parts.append(
            (f"{each.source_id} ({each.source.type})", examine_source(each, request, last.get(each.source_id)))
        )
    for (title, findings), name in zip(
        parts, [*([] if sources else [""]), *(each.source_id for each in found)], strict=True
    ):
        if not as_json:
            click.echo(click.style(title, bold=True) if app.colour else title)
        data[name] = []
        for finding in findings:
            data[name].append({**vars(finding), "verdict": finding.verdict.value})
            if finding.verdict.value == "failed":
                worst = SourceError.exit_code
            if not as_json:
                _line(app, finding)
    if as_json:
        click.echo(dumps({"workspace": data.pop("", []), "sources": data}))
    return worst


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
