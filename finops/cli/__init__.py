"""The command line. A command's module is imported when the command is called, so that ``--help`` stays fast."""

from __future__ import annotations

import importlib
import sys
from datetime import date
from pathlib import Path
from typing import Any

import click

from finops import __version__
from finops.cli.app import App
from finops.errors import FinopsError

COMMANDS = {
    "init": "Start a workspace: finops.toml, mapping files, a folder for your own queries.",
    "load": "Read billing files or folders into the ledger.",
    "collect": "Fetch what changed at the configured sources and load it.",
    "build": "Classify, allocate, find, check: what changed, or all.",
    "run": "The scheduled job: collect, build, report. Safe to run again.",
    "report": "Write the HTML and CSV report of a period.",
    "analyze": "Ask the ledger: a named query, or any SQL, read-only.",
    "findings": "What the rules found: idle, underused, unknown.",
    "explain": "One resource or finding: its charges, its team, the rules that looked at it.",
    "queries": "The SQL files: shipped and yours.",
}


class LazyGroup(click.Group):
    """Knows its commands' names and one-line helps; imports a command's module only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"finops.cli.{cmd_name}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(f"There is no command '{args[0]}'.{hint}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _today(ctx: click.Context, param: click.Parameter, value: str | None) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no date; write it as 2026-10-26.") from error


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Start with:  finops init acme && cd acme && finops load BILLS && finops report",
)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The workspace's finops.toml.")
@click.option(
    "--today", callback=_today, metavar="DATE", help="What 'last week' and '14 days' count from. Default: today, UTC."
)
@click.option("-v", "--verbose", count=True, help="Say more; -vv shows tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong.")
@click.option("--no-color", is_flag=True, help="No colours (also: NO_COLOR=1).")
@click.version_option(__version__, prog_name="finops")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, today: date | None, verbose: int, quiet: bool, no_color: bool) -> None:
    """An accountant's ledger for cloud and AI spend.

    Bills go in, one ledger in the FOCUS 1.4 layout comes out; spend is tagged by team, idle ML resources are flagged, and a
    report says so. Every number comes from billed rows and adds up to the bill.
    """
    ctx.obj = App(config=config, today=today, verbose=verbose, quiet=quiet, no_color=no_color)


def main(args: list[str] | None = None) -> None:
    """Run the command line; errors become one clear message and the documented exit code."""
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """As ``main``, but returns the exit code."""
    try:
        result: Any = cli.main(args=args, prog_name="finops", standalone_mode=False)
    except FinopsError as error:
        return _fail(error, args)
    except click.exceptions.Abort:
        click.echo("Stopped. What was finished is kept; run the command again to go on.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return result if isinstance(result, int) else 0


def _fail(error: FinopsError, args: list[str] | None) -> int:
    click.secho("error: ", fg="red", bold=True, err=True, nl=False)
    click.echo(str(error), err=True)
    given = args if args is not None else sys.argv[1:]
    if "-vv" in given:
        import traceback

        traceback.print_exception(error)
    return error.exit_code
