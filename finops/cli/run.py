"""``finops run``."""

from __future__ import annotations

from typing import Any

import click

from finops.cli.app import App, pass_app
from finops.cli.journal import noted
from finops.cli.jsontext import dumps


@click.command()
@click.option("--period", metavar="P", help="What the report covers. Default: what finops.toml says, else last-week.")
@click.option("--no-send", is_flag=True, help="Don't mail the report. (This version mails nothing yet.)")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@pass_app
def run(app: App, period: str | None, no_send: bool, as_json: bool) -> int:
    """The scheduled job: collect, build, report. Safe to run again.

    A source that fails does not stop the rest: the exit code is 3 (or 4 for bad input) and the report says what is missing.
    The last line on stdout names the report's page.
    """
    from finops.cli.build import build_stages
    from finops.cli.collect import as_data, collect_sources, exit_code
    from finops.cli.report import write_reports

    with app.warehouse() as con, noted(app, con, "run") as entry:
        sources = collect_sources(app, con)
        stages = build_stages(app, con)
        written = write_reports(app, con, (), period)
        entry.exit_code = exit_code(sources)
    if as_json:
        data: dict[str, Any] = {
            "run_id": entry.run_id,
            "outcome": entry.outcome,
            "sources": [as_data(each) for each in sources],
            "stages": [{"stage": s.stage, "status": s.status, "rows": s.rows} for s in stages.stages],
            "reports": [str(page) for page in written],
        }
        click.echo(dumps(data))
    else:
        for page in written:
            click.echo(page)
    return entry.exit_code
