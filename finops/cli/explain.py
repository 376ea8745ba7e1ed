"""``finops explain``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from finops.cli.app import App, pass_app
from finops.cli.jsontext import dumps
from finops.errors import UsageError

if TYPE_CHECKING:
    from finops.pipeline.explaining import Subject
    from finops.warehouse.connection import Connection


@click.command()
@click.argument("identifier", metavar="ID")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Only charges that begin on this day.")
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="Only charges that begin in this month.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@pass_app
def explain(app: App, identifier: str, day: datetime | None, month: datetime | None, as_json: bool) -> None:
    """One resource, charge or finding: who got it, by which rule, and how it was divided, to the last digit.

    ID is a finding's id; a resource's id or name (its end is enough where only one resource has it); or the number of a kind of
    charge, as finops analyze shows it in the column x_DimensionId. The arithmetic is that of the largest of the charges: --day
    and --month choose among them.

    \b
    Examples:
      finops explain arn:aws:sagemaker:us-east-1:111122223333:endpoint/search-qa
      finops explain search-qa --month 2026-10
      finops explain 4711 --day 2026-10-05
    """
    from finops.cli.explained import print_explanation
    from finops.pipeline.explaining import explain as explained
    from finops.warehouse.ask import refuse_older, sandbox

    settings = app.workspace.config.warehouse
    con = sandbox(app.workspace.warehouse, settings.memory_limit, settings.threads)
    try:
        refuse_older(con)
        subject = _chosen(con, identifier, day, month)
        explanation = explained(con, subject, app.catalogue, app.workspace.path(app.workspace.config.paths.mappings))
    finally:
        con.close()
    if as_json:
        click.echo(dumps(explanation))
    else:
        print_explanation(app, explanation)


def _chosen(con: Connection, identifier: str, day: datetime | None, month: datetime | None) -> Subject:
    """The one thing that is meant, in the days that are asked for.

    Raises:
        UsageError: there is no such thing, there are several, or it has no charges then.
    """
    from dataclasses import replace

    from finops.pipeline.explaining import days_of, find_subjects

    if day and month:
        raise UsageError("--day and --month are two ways to choose days", next_step="Give one of them.")
    found = find_subjects(con, identifier)
    if not found:
        raise UsageError(
            f"nothing in the ledger is called '{identifier}'",
            next_step="finops findings lists findings; finops analyze top_resources lists resources.",
        )
    if len(found) > 1:
        listed = "\n  ".join(str(each.resource_id) for each in found[:10])
        raise UsageError(f"{len(found)} resources match '{identifier}'", next_step=f"Say which one:\n  {listed}")
    subject = found[0]
    first = day or month
    if first is None:
        return subject
    until = first + timedelta(days=1) if day else (first + timedelta(days=31)).replace(day=1)
    subject = replace(subject, first=first, until=until)
    days = days_of(con, subject)
    if days is None or days[1] < f"{first:%Y-%m-%d}" or days[0] >= f"{until:%Y-%m-%d}":
        asked = f"on {first:%Y-%m-%d}" if day else f"in {first:%Y-%m}"
        raise UsageError(
            f"'{identifier}' has no charges {asked}",
            next_step=f"It has charges from {days[0]} to {days[1]}." if days else "",
        )
    return subject
