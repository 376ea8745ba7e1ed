"""``finops queries``."""

from __future__ import annotations

import shutil

import click

from finops.cli.app import App, pass_app
from finops.cli.examples import test
from finops.cli.linting import check
from finops.errors import ConfigError, UsageError
from finops.rules.catalogue import Catalogue


@click.group()
def queries() -> None:
    """The SQL files: shipped and yours."""


queries.add_command(check)
queries.add_command(test)


def _catalogue(app: App) -> Catalogue:
    """The workspace's, or outside of one the shipped files."""
    try:
        return app.catalogue
    except ConfigError:
        if app.config:
            raise
        return Catalogue()


def list_queries(app: App, layer: str | None) -> None:
    """Print the files, a line each."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("layer", "id", "title", "origin"):
        table.add_column(column, overflow="fold", no_wrap=column in ("layer", "id"))
    catalogue = _catalogue(app)
    for query in catalogue.layer(layer) if layer else catalogue:
        table.add_row(query.layer, query.id, query.title, query.origin)
    Console(no_color=not app.colour, highlight=False, markup=False).print(table)


@queries.command("list")
@click.argument(
    "layer", required=False, type=click.Choice(["normalise", "classify", "allocate", "findings", "checks", "analyses"])
)
@pass_app
def list_(app: App, layer: str | None) -> None:
    """List the SQL files, in the order in which they run."""
    list_queries(app, layer)


@queries.command()
@click.argument("query_id", metavar="ID")
@click.option("--bound", is_flag=True, help="Put the parameters' default values in, so that it runs anywhere.")
@pass_app
def show(app: App, query_id: str, bound: bool) -> None:
    """Print one SQL file."""
    from finops.rules.bound import bound_sql

    query = _catalogue(app).get(query_id)
    app.say(f"-- {query.path} ({query.origin}, version {query.version})")
    click.echo(bound_sql(query, app.calendar) if bound else query.path.read_text(encoding="utf-8").rstrip())


@queries.command()
@click.argument("query_id", metavar="ID")
@click.option("--force", is_flag=True, help="Replace a copy that is there.")
@pass_app
def copy(app: App, query_id: str, force: bool) -> None:
    """Copy a shipped file into your queries folder, to start from."""
    query = Catalogue().get(query_id)
    target = app.workspace.path(app.workspace.config.paths.queries) / query.layer / query.path.name
    if target.exists() and not force:
        raise UsageError("you have a copy already", where=str(target), next_step="--force replaces it.")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(query.path, target)
    click.echo(target)
