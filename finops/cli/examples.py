"""``finops queries test``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.jsontext import dumps

if TYPE_CHECKING:
    from finops.pipeline.examples import Trial


@click.command()
@click.argument("query_ids", metavar="[ID]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the result of each example as JSON.")
@pass_app
def test(app: App, query_ids: tuple[str, ...], as_json: bool) -> int:
    """Run your examples: a few charges, and what a rule must make of them.

    They are in the workspace, in queries/tests/LAYER/RULE/CASE.yaml (docs/queries.md shows one), and are built in memory: your
    warehouse and your mappings are not read. Exit code 1: a rule answers something else; 2: a file is wrong.

    \b
    Examples:
      finops queries test
      finops queries test gpu_by_hours
    """
    from dataclasses import asdict

    from finops.pipeline.examples import try_all, without_examples

    catalogue = app.catalogue
    for query_id in query_ids:
        catalogue.get(query_id)
    folder = app.workspace.path(app.workspace.config.paths.queries) / "tests"
    trials = []
    for trial in try_all(catalogue, folder, query_ids):
        trials.append(trial)
        if not as_json:
            _print(app, trial)
    untried = [name for name in without_examples(catalogue, folder) if not query_ids or name.split("/")[1] in query_ids]
    counts = {status: sum(trial.status == status for trial in trials) for status in ("passed", "failed", "broken")}
    if as_json:
        click.echo(dumps(counts | {"examples": [asdict(trial) for trial in trials], "without_examples": untried}))
    else:
        if not trials:
            app.say(f"There are no examples in {folder}.")
        for name in untried:
            app.say(f"{name} has no example.")
        click.echo(", ".join(f"{number} {status}" for status, number in counts.items() if number or status == "passed"))
    return 2 if counts["broken"] else 1 if counts["failed"] else 0


_COLOURS = {"passed": "green", "failed": "red", "broken": "red"}


def _print(app: App, trial: Trial) -> None:
    word = click.style(f"{trial.status:<7}", fg=_COLOURS[trial.status]) if app.colour else f"{trial.status:<7}"
    click.echo(f"{word} {trial.name}")
    if trial.problem:
        click.echo("          " + trial.problem.replace("\n", "\n          "))
    for title, rows in (("expected, not found", trial.missing), ("found, not expected", trial.unexpected)):
        for row in rows:
            click.echo(f"          {title}: {_row(row)}")


def _row(row: dict[str, Any]) -> str:
    from decimal import Decimal

    from finops.reports.money import plain

    return ", ".join(f"{key}: {plain(value) if isinstance(value, Decimal) else value}" for key, value in row.items())
