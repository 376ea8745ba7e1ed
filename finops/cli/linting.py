"""``finops queries check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.jsontext import dumps
from finops.errors import ConfigError, WarehouseBusyError

if TYPE_CHECKING:
    from finops.pipeline.linted_rules import Note
    from finops.pipeline.linting import Lint


@click.command()
@click.option("--strict", is_flag=True, help="Exit with 1 if a rule or a mapping line does nothing, or lines tie.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@pass_app
def check(app: App, strict: bool, as_json: bool) -> int:
    """Check every SQL and mapping file, and try the rules on your charges. All problems at once.

    A problem is what a build would refuse. Where there is a warehouse, the allocation rules are run on it (it is left as it was),
    and what a build would do but nobody can have meant is noted: rules and mapping lines that match nothing, rules whose matches
    are all taken by rules before them, mapping lines between which only their order decides.
    """
    from finops.pipeline.linting import refuse

    lint = _lint(app)
    # a shipped rule that does nothing here is made for other bills
    meant = [note for note in lint.notes if not note.is_shipped]
    if as_json:
        click.echo(dumps(_as_data(lint)))
        return 2 if lint.problems else int(strict and bool(meant))
    if lint.problems:
        refuse(lint.problems)
    for note in meant:
        app.warn(f"{note.where}: {_text(note)}")
    idle = [Path(note.where).stem for note in lint.notes if note.is_shipped]
    if idle:
        app.say(f"Shipped rules that have nothing to do here: {', '.join(idle)}.")
    app.say(f"All {lint.queries} queries keep their contracts.")
    return int(strict and bool(meant))


def _lint(app: App) -> Lint:
    from finops.pipeline.linting import check_files, try_rules
    from finops.rules.catalogue import Catalogue

    try:
        workspace = app.workspace
    except ConfigError:
        if app.config:
            raise
        return check_files(Catalogue(), None, {})[0]
    folder = workspace.path(workspace.config.paths.mappings)
    lint, mappings = check_files(app.catalogue, folder, workspace.config.params)
    if lint.problems or not workspace.warehouse.is_file():
        return lint
    try:
        with app.warehouse() as con:
            try_rules(con, app.catalogue, mappings, folder, workspace.config.params, app.calendar, lint)
    except WarehouseBusyError as error:
        app.warn(f"the rules were not tried on data: {error.what}")
    return lint


def _text(note: Note) -> str:
    from finops.reports.money import format_money

    if not note.kinds:
        return note.text
    money = ", ".join(format_money(amount, currency) for currency, amount in note.money)
    return f"{note.text}: {note.kinds:,} kinds of charges{f', {money}' if money else ''}"


def _as_data(lint: Lint) -> dict[str, Any]:
    return {
        "queries": lint.queries,
        "tried_on_data": lint.tried,
        "problems": lint.problems,
        "notes": [
            {
                "kind": note.kind,
                "where": note.where,
                "text": note.text,
                "shipped": note.is_shipped,
                "taken_by": note.taken_by,
                "kinds_of_charges": note.kinds,
                "billed_cost": [{"currency": currency, "amount": amount} for currency, amount in note.money],
            }
            for note in lint.notes
        ],
    }
