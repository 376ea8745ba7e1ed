"""``finops load``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.journal import noted
from finops.cli.jsontext import dumps
from finops.errors import UsageError

if TYPE_CHECKING:
    from finops.formats.deliveries import Delivery
    from finops.pipeline.loading import LoadReport


SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""As for the sections of finops.toml."""


def _source_name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not SOURCE_NAME.fullmatch(value):
        raise UsageError(
            f"--source {value!r} is no name for a source",
            next_step="A name has small letters, digits, '-' and '_', and begins with a letter or a digit: prod-aws",
        )
    return value


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--source",
    "source_id",
    default="files",
    show_default=True,
    callback=_source_name,
    metavar="NAME",
    help="Whose bill it is: slices are replaced per source.",
)
@click.option("--format", "wanted", default="", metavar="FORMAT", help="Don't detect; it is this one.")
@click.option("--dry-run", is_flag=True, help="Say what would be loaded, and load nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was loaded as JSON.")
@pass_app
def load(app: App, paths: tuple[Path, ...], source_id: str, wanted: str, dry_run: bool, as_json: bool) -> int:  # fmt: skip
    """Read billing files or folders into the landing folder and the ledger.

    The format is found from the file's columns: FOCUS 1.0 to 1.4, AWS CUR and CUR 2.0, GCP exports, Azure exports, OCI
    reports, OpenAI and Anthropic cost pages; CSV, Parquet or JSON, plain, .gz or .zip. A delivery replaces the months that it
    holds; loading the same file again changes nothing.

    \b
    Examples:
      finops load ~/Downloads/focus-2026-10.csv.gz
      finops load exports/ --source prod-aws
    """
    from finops.pipeline.loading import Loader
    from finops.warehouse.landing import Landing

    with app.warehouse() as con:
        loader = Loader(con, Landing(app.workspace.landing), app.catalogue, app.now)
        if dry_run:
            return _dry_run(app, loader, paths, wanted, as_json)
        from finops.cli.progress import watch

        with noted(app, con, "load") as entry, watch(app, con) as progress:
            report = loader.load_paths(paths, source_id, wanted, progress.loading)
            entry.exit_code = exit_code(report)
    if as_json:
        click.echo(dumps(as_data(report)))
    else:
        tell(app, report)
    return entry.exit_code


def exit_code(report: LoadReport) -> int:
    """The worst of the problems: bad input (4) before incomplete (3)."""
    return max((problem.exit_code for problem in report.problems), default=0)


def tell(app: App, report: LoadReport) -> None:
    """The outcome in words: one line a slice on stderr, problems in full."""
    for text in report.passed_over:
        app.detail(f"passed over: {text}")
    for result in report.results:
        name = result.files[0] + (f" and {len(result.files) - 1} more" if len(result.files) > 1 else "")
        if result.status == "unchanged":
            app.say(f"unchanged   {name} ({result.format})")
            continue
        if not result.slices:
            app.say(f"{result.status:<11} {name} ({result.format}): no charges")
        for each in result.slices:
            sums = "; ".join(
                f"{s.currency or 'no currency'} {s.billed_cost:,.2f} billed, {s.effective_cost:,.2f} effective"
                for s in each.sums
            )
            app.say(
                f"{each.status:<11} {name} ({result.format}): {each.billing_account_id or 'no account'} "
                f"{each.billing_period_start:%Y-%m}, {each.row_count:,} rows{', ' + sums if sums else ''}"
            )
            if each.warning:
                app.warn(f"{name}: {each.warning}")
    for problem in report.problems:
        app.error(problem)


def as_data(report: LoadReport) -> dict[str, Any]:
    """The outcome for machines."""
    return {
        "deliveries": [
            {
                "delivery_id": result.delivery_id,
                "source": result.source_id,
                "format": result.format,
                "status": result.status,
                "files": list(result.files),
                "bytes": result.byte_count,
                "slices": [
                    {
                        "billing_account_id": each.billing_account_id,
                        "billing_period": f"{each.billing_period_start:%Y-%m}",
                        "status": each.status,
                        "rows": each.row_count,
                        "warning": each.warning,
                        "sums": [
                            {
                                "currency": s.currency,
                                "rows": s.row_count,
                                "billed_cost": s.billed_cost,
                                "effective_cost": s.effective_cost,
                                "delivered_cost": s.delivered_cost,
                            }
                            for s in each.sums
                        ],
                    }
                    for each in result.slices
                ],
            }
            for result in report.results
        ],
        "problems": [
            {"code": p.slug, "what": p.what, "where": p.where, "next_step": p.next_step} for p in report.problems
        ],
        "passed_over": report.passed_over,
    }


def _dry_run(app: App, loader: Any, paths: tuple[Path, ...], wanted: str, as_json: bool) -> int:
    deliveries, report = loader.find(paths, wanted)
    if as_json:
        click.echo(dumps({"would_load": found_as_data(deliveries), **as_data(report)}))
    else:
        tell_found(app, deliveries, report)
    return exit_code(report)


def found_as_data(deliveries: list[Delivery]) -> list[dict[str, Any]]:
    """What a dry run found, for machines."""
    return [
        {"format": d.spec.id, "files": list(d.names), "delivered_at": d.delivered_at.isoformat()} for d in deliveries
    ]


def tell_found(app: App, deliveries: list[Delivery], report: LoadReport) -> None:
    """What a dry run found, in words. What is loaded already is found too: loading it again changes nothing."""
    for delivery in deliveries:
        size = sum(file.path.stat().st_size for file in delivery.files)
        app.say(f"would load  {', '.join(delivery.names[:3])} ({delivery.spec.id}, {size:,} bytes)")
    tell(app, report)
