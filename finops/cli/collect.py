"""``finops collect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.jsontext import dumps

if TYPE_CHECKING:
    from finops.pipeline.collecting import SourceReport
    from finops.warehouse.connection import Connection


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--strict", is_flag=True, help="Stop with exit 3 when a source is not complete, before anything is built."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was fetched as JSON.")
@pass_app
def collect(app: App, sources: tuple[str, ...], strict: bool, as_json: bool) -> int:
    """Fetch what changed at the configured sources and load it.

    Sources are sections of finops.toml. This version reads local folders (type = "files"); the cloud collectors follow.
    """
    with app.warehouse() as con:
        reports = collect_sources(app, con, sources)
    if as_json:
        click.echo(dumps([as_data(each) for each in reports]))
    return exit_code(reports)


def collect_sources(app: App, con: Connection, wanted: tuple[str, ...] = ()) -> list[SourceReport]:
    """Collect, telling what happens as it happens; first finish what an interrupted run left in landing."""
    from finops.cli.load import tell
    from finops.cli.progress import watch
    from finops.pipeline.collecting import collect, collectors
    from finops.pipeline.loading import Loader
    from finops.warehouse.landing import Landing

    loader = Loader(con, Landing(app.workspace.landing), app.catalogue, app.now)

    def say(report: SourceReport) -> None:
        unchanged = sum(result.status == "unchanged" for result in report.loads.results)
        news = [result for result in report.loads.results if result.status != "unchanged"]
        app.say(f"{report.source_id}: {report.outcome}, {len(news)} new, {unchanged} unchanged")
        report.loads.results[:] = [*news, *(r for r in report.loads.results if r.status == "unchanged")]
        if app.verbose or news or report.loads.problems:
            tell(app, _only_news(report))

    with watch(app, con) as progress:
        return collect(loader, collectors(app.workspace, wanted), progress, say)


def _only_news(report: SourceReport) -> Any:
    from finops.pipeline.loading import LoadReport

    loads = report.loads
    return LoadReport([r for r in loads.results if r.status != "unchanged"], loads.problems, loads.passed_over)


def exit_code(reports: list[SourceReport]) -> int:
    """Bad input (4) before missing (3)."""
    return max((problem.exit_code for report in reports for problem in report.loads.problems), default=0)


def as_data(report: SourceReport) -> dict[str, Any]:
    """The outcome for machines."""
    from finops.cli.load import as_data as loads_as_data

    return {
        "source": report.source_id,
        "type": report.type,
        "outcome": report.outcome.value,
        "detail": report.detail,
        **loads_as_data(report.loads),
    }
