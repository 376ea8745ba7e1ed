"""``finops collect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.journal import noted
from finops.cli.jsontext import dumps
from finops.errors import FinopsError, SourceError

if TYPE_CHECKING:
    from finops.formats.deliveries import Delivery
    from finops.pipeline.collecting import SourceReport
    from finops.warehouse.connection import Connection


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--strict", is_flag=True, help="Stop with exit 3 right after a source that is not complete (empty is complete)."
)
@click.option("--dry-run", is_flag=True, help="Say per source what would be loaded, and load nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was fetched as JSON.")
@pass_app
def collect(app: App, sources: tuple[str, ...], strict: bool, dry_run: bool, as_json: bool) -> int:
    """Fetch what changed at the configured sources and load it.

    Sources are sections of finops.toml. This version reads local folders (type = "files"); the cloud collectors follow.
    """
    with app.warehouse() as con:
        if dry_run:
            return _dry_run(app, con, sources, strict, as_json)
        with noted(app, con, "collect") as entry:
            reports = collect_sources(app, con, sources, strict=strict)
            stopped = strict and any(_is_incomplete(each) for each in reports)
            entry.exit_code = SourceError.exit_code if stopped else exit_code(reports)
    if as_json:
        click.echo(dumps([as_data(each) for each in reports]))
    return entry.exit_code


class _Stop(Exception):  # noqa: N818
    """A strict collection ends here."""


def collect_sources(
    app: App, con: Connection, wanted: tuple[str, ...] = (), *, strict: bool = False
) -> list[SourceReport]:
    """Collect, telling what happens as it happens.

    Args:
        strict: stop after the first source that is neither complete nor empty; the sources before it stay loaded.
    """
    from finops.cli.load import tell
    from finops.cli.progress import watch
    from finops.pipeline.collecting import collect, collectors
    from finops.pipeline.loading import Loader
    from finops.warehouse.landing import Landing

    loader = Loader(con, Landing(app.workspace.landing), app.catalogue, app.now)
    sources = collectors(app.workspace, wanted)
    reports: list[SourceReport] = []

    def say(report: SourceReport) -> None:
        reports.append(report)
        unchanged = sum(result.status == "unchanged" for result in report.loads.results)
        news = [result for result in report.loads.results if result.status != "unchanged"]
        app.say(f"{report.source_id}: {report.outcome}, {len(news)} new, {unchanged} unchanged")
        report.loads.results[:] = [*news, *(r for r in report.loads.results if r.status == "unchanged")]
        if app.verbose or news or report.loads.problems:
            tell(app, _only_news(report))
        if strict and _is_incomplete(report):
            raise _Stop

    try:
        with watch(app, con) as progress:
            collect(loader, sources, progress, say)
    except _Stop:
        left = list(sources)[len(reports) :]
        app.say(f"stopped, because of --strict{'; not collected: ' + ', '.join(left) if left else ''}")
    return reports


def _dry_run(app: App, con: Connection, wanted: tuple[str, ...], strict: bool, as_json: bool) -> int:
    from finops.cli.load import as_data as loads_as_data
    from finops.cli.load import exit_code as loads_exit_code
    from finops.cli.load import found_as_data, tell_found
    from finops.collectors.interface import Outcome
    from finops.pipeline.collecting import collectors
    from finops.pipeline.loading import Loader, LoadReport
    from finops.warehouse.landing import Landing

    loader = Loader(con, Landing(app.workspace.landing), app.catalogue, app.now)
    code, data = 0, []
    for name, (type_, format_, collector) in collectors(app.workspace, wanted).items():
        collected = collector.collect()
        deliveries: list[Delivery] = []
        report = LoadReport()
        if collected.outcome is Outcome.COMPLETE:
            try:
                deliveries, report = loader.find(list(collected.paths), format_)
            except FinopsError as error:
                report.problems.append(error)
        elif collected.outcome is not Outcome.EMPTY:
            report.problems.append(SourceError(collected.detail, where=f"source {name}"))
        app.say(f"{name}: {collected.outcome}, {len(deliveries)} found")
        tell_found(app, deliveries, report)
        data.append({"source": name, "type": type_, "outcome": collected.outcome.value,
                     "would_load": found_as_data(deliveries), **loads_as_data(report)})  # fmt: skip
        code = max(code, loads_exit_code(report))
        if strict and report.problems:
            code = SourceError.exit_code
            break
    if as_json:
        click.echo(dumps(data))
    return code


def _is_incomplete(report: SourceReport) -> bool:
    return report.outcome.value not in ("complete", "empty")


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
