"""``finops collect``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.journal import noted
from finops.cli.jsontext import dumps
from finops.errors import BadInputError, FinopsError, SourceError, UsageError

if TYPE_CHECKING:
    from decimal import Decimal

    from finops.collectors.interface import Offer
    from finops.pipeline.collecting import SourceReport
    from finops.warehouse.connection import Connection


def _month(ctx: click.Context, param: click.Parameter, value: str | None) -> date | None:
    try:
        return date.fromisoformat(f"{value}-01") if value else None
    except ValueError as error:
        raise UsageError(f"{param.opts[0]} {value!r} is no month", next_step="Write it as 2026-10.") from error


def complete_source(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The names of the configured sources, for the shell."""
    from finops.config.load import find_workspace

    try:
        return [name for name in find_workspace(None).config.sources if name.startswith(incomplete)]
    except (FinopsError, OSError, UnicodeError):  # a shell waits for names, not for what is wrong with finops.toml
        return []


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", shell_complete=complete_source)
@click.option(
    "--since", metavar="YYYY-MM", callback=_month, help="The first month to look at. Default: three months back."
)
@click.option(
    "--until", metavar="YYYY-MM", callback=_month, help="The last month to look at. Default: the current one."
)
@click.option("--yes", is_flag=True, help="Agree to what fetching costs (Cost Explorer: 0.01 USD a request).")
@click.option(
    "--strict", is_flag=True, help="Stop with exit 3 right after a source that is not complete (empty is complete)."
)
@click.option("--dry-run", is_flag=True, help="Say what would be fetched, how many bytes, at what cost; fetch nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was fetched as JSON.")
@pass_app
def collect(
    app: App,
    sources: tuple[str, ...],
    since: date | None,
    until: date | None,
    yes: bool,
    strict: bool,
    dry_run: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Fetch what changed at the configured sources and load it.

    Sources are sections of finops.toml. The current and the three previous months are looked at again each time, because
    providers restate them; only what has changed is fetched. A source that fails does not stop the others: exit 3, and what
    is missing is in ops.holes and in the report.

    \b
    Examples:
      finops collect                      # all sources
      finops collect prod-aws --dry-run   # what would be fetched
      finops collect gcp --since 2026-01  # backfill
    """
    if since and until and until < since:
        raise UsageError("--until is before --since", next_step="Swap them.")
    if dry_run:
        from finops.cli.dryrun import dry_run as tell_what

        return tell_what(app, sources, since, until, strict=strict, as_json=as_json)
    with app.warehouse() as con, noted(app, con, "collect") as entry:
        reports = collect_sources(app, con, sources, since, until, strict=strict, yes=yes)
        stopped = strict and any(each.outcome.is_hole for each in reports)
        entry.exit_code = SourceError.exit_code if stopped else exit_code(reports)
    if as_json:
        click.echo(dumps([as_data(each) for each in reports]))
    return entry.exit_code


class _Stop(Exception):  # noqa: N818
    """A strict collection ends here."""


def collect_sources(
    app: App,
    con: Connection,
    wanted: Sequence[str] = (),
    since: date | None = None,
    until: date | None = None,
    *,
    strict: bool = False,
    yes: bool = False,
) -> list[SourceReport]:
    """Collect, telling what happens as it happens.

    Args:
        strict: stop after the first source that is neither complete nor empty; the sources before it stay loaded.
        yes: what costs money is agreed to.
    """
    from finops.cli.load import tell
    from finops.cli.progress import watch
    from finops.pipeline.collecting import Watch, collect, configured, forget_unconfigured
    from finops.pipeline.loading import Loader, LoadReport
    from finops.pipeline.offers import window
    from finops.warehouse.landing import Landing

    loader = Loader(con, Landing(app.workspace.landing), app.catalogue, app.now)
    sources = configured(app.workspace, wanted)
    months = window(app.calendar, since, until)
    if not sources:
        app.say("no source is configured: docs/sources.md tells how; 'finops load' reads files without one")
    pending = loader.load_pending()
    landed: dict[str, list[FinopsError]] = {}
    for source_id, problem in pending.landed:
        landed.setdefault(source_id, []).append(problem)
    tell(app, LoadReport(pending.results))
    reports: list[SourceReport] = []

    def approve(source_id: str, cost: Decimal, offers: Sequence[Offer]) -> bool:
        for offer in offers:
            app.say(f"{source_id}: {offer.key} costs {offer.cost_usd} USD{f' ({offer.note})' if offer.note else ''}")
        if yes or getattr(app.workspace.config.sources[source_id], "allow_cost", False):
            return True
        return app.interactive and click.confirm(f"{source_id}: spend about {cost} USD?", err=True)

    def say(report: SourceReport) -> None:
        reports.append(report)
        _tell(app, report)
        if strict and report.outcome.is_hole:
            raise _Stop

    try:
        with watch(app, con) as progress:
            watched = Watch(progress.fetching, progress.loading, progress.looking, say, approve)
            collect(loader, sources, months, app.calendar, watched, landed)
            for source_id in landed.keys() - {each.source_id for each in sources}:
                say(_of_landing(source_id, landed[source_id]))
            if not wanted:
                forget_unconfigured(loader, sources)
    except _Stop:
        left = [each.source_id for each in sources[len(reports) :]]
        app.say(f"stopped, because of --strict{'; not collected: ' + ', '.join(left) if left else ''}")
    return reports


def _of_landing(source_id: str, problems: Sequence[FinopsError]) -> SourceReport:
    """What is wrong in landing with the deliveries of a source that is not collected now, or was loaded by hand."""
    from finops.pipeline.collecting import SourceReport

    report = SourceReport(source_id, "landing")
    for problem in problems:
        report.miss(problem)
    report.conclude(anything=False)
    return report


def _tell(app: App, report: SourceReport) -> None:
    """One line a source, then what came, what is worth a note, and every hole in full."""
    from finops.cli.load import tell
    from finops.config.secrets import without_secrets
    from finops.pipeline.holes import gathered
    from finops.pipeline.loading import LoadReport

    loads = report.loads
    changed = [each for each in loads.results if each.status != "unchanged"]
    unchanged = len(report.unchanged) + sum(each.status == "unchanged" for each in loads.results)
    app.say(f"{report.source_id}: {report.outcome}, {len(changed)} new, {unchanged} unchanged")
    for note in report.notes:
        app.say(f"  {note}")
    tell(app, LoadReport(changed, [], loads.passed_over))
    for problem in gathered(report.holes):
        app.error(problem)
        if app.verbose > 1 and problem.__cause__:
            import traceback

            app.say(without_secrets("".join(traceback.format_exception(problem.__cause__))))


def exit_code(reports: Sequence[SourceReport]) -> int:
    """Bad input (4) before missing (3)."""
    codes = [problem.exit_code for report in reports for problem in report.loads.problems]
    return (
        0 if not codes else max(SourceError.exit_code, *(code for code in codes if code == BadInputError.exit_code), 0)
    )


def as_data(report: SourceReport) -> dict[str, Any]:
    """The outcome for machines."""
    from finops.cli.load import as_data as loads_as_data

    return {
        "source": report.source_id,
        "type": report.type,
        "outcome": report.outcome.value,
        "detail": report.detail,
        "notes": report.notes,
        "unchanged": [{"key": each.key, "version": each.version} for each in report.unchanged],
        "fetched": [{"key": each.key, "version": each.version} for each in report.fetched],
        "holes": [
            {
                "billing_period": f"{hole.period:%Y-%m}" if hole.period else None,
                "outcome": hole.outcome.value,
                "what": hole.problem.what,
                "where": hole.problem.where,
                "next_step": hole.problem.next_step,
            }
            for hole in report.holes
        ],
        **loads_as_data(report.loads),
    }
