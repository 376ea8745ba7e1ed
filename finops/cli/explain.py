"""``finops explain``."""

from __future__ import annotations

from typing import Any

import click

from finops.cli.app import App, pass_app
from finops.cli.jsontext import dumps
from finops.errors import UsageError


@click.command()
@click.argument("identifier", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@pass_app
def explain(app: App, identifier: str, as_json: bool) -> None:
    """One resource or finding: its charges, who got them and by which rule, and which rules looked at it.

    ID is a finding's id, or a resource's id or name (its end is enough where only one resource has it).

    \b
    Examples:
      finops explain arn:aws:sagemaker:us-east-1:111122223333:endpoint/search-qa
      finops explain search-qa
    """
    from finops.pipeline.explaining import explain_resource, find_resource
    from finops.warehouse.ask import sandbox

    settings = app.workspace.config.warehouse
    con = sandbox(app.workspace.warehouse, settings.memory_limit, settings.threads)
    try:
        found = find_resource(con, identifier)
        if not found:
            raise UsageError(
                f"nothing in the ledger is called '{identifier}'",
                next_step="finops findings lists findings; finops analyze top_resources lists resources.",
            )
        if len(found) > 1:
            listed = "\n  ".join(found[:10])
            raise UsageError(f"{len(found)} resources match '{identifier}'", next_step=f"Say which one:\n  {listed}")
        explanation = explain_resource(con, found[0], app.catalogue)
    finally:
        con.close()
    if as_json:
        click.echo(dumps(explanation))
    else:
        _print(app, explanation)


def _print(app: App, e: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(no_color=not app.colour, highlight=False, markup=False, soft_wrap=True)
    console.print(e["resource_id"], style="bold")
    for key, value in e["facts"].items():
        console.print(f"  {key:<15}{value}")

    def table(title: str, rows: list[dict[str, Any]]) -> None:
        console.print(f"\n{title}", style="bold")
        if not rows:
            console.print("  none")
            return
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for column in rows[0]:
            money = "cost" in column or column in ("hours", "rows")
            made.add_column(column, justify="right" if money else "left", overflow="fold")
        for row in rows:
            made.add_row(*("" if value is None else _cell(value) for value in row.values()))
        console.print(made)

    table("Charges by month", e["charges"])
    table("Whose they are, and why", e["allocation"])
    for rule in e["rules_tried"]:
        console.print(f"  {rule['order']:>4}  {rule['id']:<28} {rule['method']:<10} {rule['outcome']}")
    table("What the rules say", e["findings"])
    table("Where the rows came from", e["deliveries"])


def _cell(value: Any) -> str:
    from decimal import Decimal

    return f"{value:,.2f}" if isinstance(value, Decimal) else str(value)
