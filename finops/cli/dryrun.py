"""``finops collect --dry-run``: what would be fetched, how many bytes, at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App
from finops.cli.collect import exit_code
from finops.cli.jsontext import dumps
from finops.errors import FinopsError, SourceError

if TYPE_CHECKING:
    from finops.collectors.interface import Offer, RemoteFile
    from finops.pipeline.collecting import Prospect
    from finops.pipeline.loading import Loader


def dry_run(
    app: App, wanted: Sequence[str], since: date | None, until: date | None, *, strict: bool, as_json: bool
) -> int:
    """Look at each source with calls that cost nothing, and say what a real run would fetch. The exit code.

    The warehouse is left alone: there may be none yet, or a run may be at work in it.
    """
    from finops.collectors.interface import Request
    from finops.pipeline.collecting import configured, prospect
    from finops.pipeline.loading import Loader
    from finops.pipeline.offers import known, window
    from finops.warehouse.connection import connect
    from finops.warehouse.landing import Landing

    loader = Loader(connect(None), Landing(app.workspace.landing), app.catalogue, app.now)
    months, held = window(app.calendar, since, until), known(loader.landing)
    code, data = 0, []
    for each in configured(app.workspace, wanted):
        found = prospect(each, Request(*months, app.calendar, held.get(each.source_id, {}), dry=True))
        would_load = _tell(app, loader, found, each.source.format)
        data.append({**_as_data(found), "type": each.source.type, "would_load": would_load})
        code = max(code, exit_code([found.report]))
        if strict and found.report.holes:
            code = SourceError.exit_code
            break
    if as_json:
        click.echo(dumps(data))
    return code


def _tell(app: App, loader: Loader, found: Prospect, format_: str) -> list[dict[str, Any]]:
    from finops.cli.load import found_as_data, tell_found
    from finops.pipeline.holes import gathered
    from finops.pipeline.loading import LoadReport

    deliveries, says = [], []
    report = found.report
    for offer, files in found.new:
        if not offer.lies_at:
            says.append(_in_words(offer, files))
            continue
        try:
            here, read = loader.find([offer.lies_at], format_)
        except FinopsError as error:
            here, read = [], LoadReport(problems=[error])
        deliveries += here
        for problem in read.problems:
            report.miss(problem, offer.period)
    report.conclude(anything=bool(found.new or report.unchanged))
    app.say(f"{report.source_id}: {report.outcome}, {len(found.new)} new, {len(report.unchanged)} unchanged")
    for text in says:
        app.say(text)
    tell_found(app, deliveries, LoadReport())
    for note in report.notes:
        app.say(f"  {note}")
    for problem in gathered(report.holes):
        app.error(problem)
    return found_as_data(deliveries)


def _in_words(offer: Offer, files: Sequence[RemoteFile]) -> str:
    size = sum(file.bytes for file in files)
    much = f": {len(files)} of {len(offer.files)} files, {size:,} bytes" if offer.files else ""
    cost = f", {offer.cost_usd} USD" if offer.cost_usd else ""
    return f"would fetch {offer.key}{much}{cost}" + (f" ({offer.note})" if offer.note else "")


def _as_data(found: Prospect) -> dict[str, Any]:
    return {
        "source": found.report.source_id,
        "outcome": found.report.outcome.value,
        "unchanged": [offer.key for offer in found.report.unchanged],
        "would_fetch": [
            {
                "key": offer.key,
                "files": [file.name for file in files],
                "bytes": sum(file.bytes for file in files),
                "cost_usd": offer.cost_usd,
                "note": offer.note,
            }
            for offer, files in found.new
            if not offer.lies_at
        ],
        "notes": found.report.notes,
        "problems": [
            {"code": p.slug, "what": p.what, "where": p.where, "next_step": p.next_step}
            for p in found.report.loads.problems
        ],
    }
