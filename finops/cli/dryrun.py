"""``finops collect --dry-run``: what would be fetched, how many bytes, at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App
from finops.cli.jsontext import dumps
from finops.errors import FinopsError, SourceError

if TYPE_CHECKING:
    from finops.pipeline.collecting import Prospect
    from finops.pipeline.loading import Loader


def dry_run(
    app: App, wanted: Sequence[str], since: date | None, until: date | None, *, strict: bool, as_json: bool
) -> int:
    """Look at each source with calls that cost nothing, and say what a real run would fetch. The exit code.

    The warehouse is left alone: there may be none yet, or a run may be at work in it.
    """
    from finops.collectors.interface import Request
    from finops.pipeline.collecting import configured, known, prospect, window
    from finops.pipeline.loading import Loader
    from finops.warehouse.connection import connect
    from finops.warehouse.landing import Landing

    loader = Loader(connect(None), Landing(app.workspace.landing), app.catalogue, app.now)
    months, held = window(app.calendar, since, until), known(loader.landing)
    code, data = 0, []
    for each in configured(app.workspace, wanted):
        found = prospect(each, Request(*months, app.calendar, held.get(each.source_id, {}), dry=True))
        would_load = _tell(app, loader, found, each.source.format)
        data.append({**_as_data(found), "type": each.source.type, "would_load": would_load})
        code = max([code, *(hole.problem.exit_code for hole in found.holes)])
        if strict and found.holes:
            code = SourceError.exit_code
            break
    if as_json:
        click.echo(dumps(data))
    return code


def _tell(app: App, loader: Loader, found: Prospect, format_: str) -> list[dict[str, Any]]:
    from finops.cli.load import found_as_data, tell_found
    from finops.pipeline.holes import hole_of

    deliveries = []
    app.say(f"{found.source_id}: {found.outcome}, {len(found.new)} new, {len(found.unchanged)} unchanged")
    for offer, files in found.new:
        size = sum(file.bytes for file in files)
        cost = f", {offer.cost_usd} USD" if offer.cost_usd else ""
        note = f" ({offer.note})" if offer.note else ""
        if not offer.lies_at:
            much = f": {len(files)} of {len(offer.files)} files, {size:,} bytes" if offer.files else ""
            app.say(f"would fetch {offer.key}{much}{cost}{note}")
            continue
        try:
            here, report = loader.find([offer.lies_at], format_)
        except FinopsError as problem:
            found.holes.append(hole_of(problem, offer.period))
            continue
        deliveries += here
        tell_found(app, here, report)
        found.holes += [hole_of(problem, offer.period) for problem in report.problems]
    for note in found.notes:
        app.say(f"  {note}")
    for hole in found.holes:
        app.error(hole.problem)
    return found_as_data(deliveries)


def _as_data(found: Prospect) -> dict[str, Any]:
    return {
        "source": found.source_id,
        "outcome": found.outcome.value,
        "unchanged": [offer.key for offer in found.unchanged],
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
        "notes": found.notes,
        "problems": [
            {"code": p.slug, "what": p.what, "where": p.where, "next_step": p.next_step}
            for p in (hole.problem for hole in found.holes)
        ],
    }
