"""``finops run``."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import click

from finops import __version__
from finops.cli.app import App, pass_app
from finops.cli.jsontext import dumps
from finops.errors import FinopsError


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
    from finops.cli.build import build_stages, finish_loading
    from finops.cli.collect import as_data, collect_sources, exit_code
    from finops.cli.load import as_data as loads_as_data
    from finops.cli.load import exit_code as loads_exit_code
    from finops.cli.report import write_reports

    started = datetime.now(tz=UTC).replace(tzinfo=None)
    run_id = uuid.uuid4().hex[:12]
    with app.warehouse() as con:
        outcome, detail, written, sources, code = "failed", "", [], [], 1
        try:
            pending = finish_loading(app, con)
            sources = collect_sources(app, con)
            stages = build_stages(app, con)
            written = write_reports(app, con, (), period)
            code = max(exit_code(sources), loads_exit_code(pending))
            outcome = "complete" if code == 0 else "incomplete"
        except FinopsError as error:
            detail = str(error)
            raise
        finally:
            con.execute(
                "INSERT INTO ops.runs VALUES (?, 'run', ?, ?, ?, ?, ?, ?)",
                [
                    run_id,
                    app.calendar,
                    started,
                    datetime.now(tz=UTC).replace(tzinfo=None),
                    __version__,
                    outcome,
                    detail,
                ],
            )
    if as_json:
        data: dict[str, Any] = {
            "run_id": run_id,
            "outcome": outcome,
            "pending": loads_as_data(pending),
            "sources": [as_data(each) for each in sources],
            "stages": [{"stage": s.stage, "status": s.status, "rows": s.rows} for s in stages.stages],
            "reports": [str(page) for page in written],
        }
        click.echo(dumps(data))
    else:
        for page in written:
            click.echo(page)
    return code
