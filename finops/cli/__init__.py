"""The command line. A command's module is imported when the command is called, so that ``--help`` stays fast."""

from __future__ import annotations

import importlib
import os
import sys
from datetime import date
from pathlib import Path
from typing import Any

import click

from finops import __version__
from finops.cli.app import App

COMMANDS = {
    "init": "Start a workspace: finops.toml, mapping files, a folder for your own queries.",
    "load": "Read billing files or folders into the ledger.",
    "collect": "Fetch what changed at the configured sources and load it.",
    "build": "Classify, allocate, find, check: what changed, or all.",
    "run": "The scheduled job: collect, build, report, send. Safe to run again.",
    "schedule": "A ready schedule for the job: cron, systemd, GitHub Actions, Kubernetes.",
    "report": "Write the HTML and CSV report of a period.",
    "send": "Mail finished reports, once per recipient.",
    "analyze": "Ask the ledger: a named query, or any SQL, read-only.",
    "findings": "What the rules found: idle, underused, unknown.",
    "explain": "A resource, charge or finding: whose it is, by which rule, with the arithmetic.",
    "allocate": "Who pays: freeze a month, compare rules, book the chargeback.",
    "queries": "The SQL files: shipped and yours.",
    "doctor": "Credentials, permissions, export settings, freshness: what works, what does not, what to do.",
}


class ClosedPipe(Exception):  # noqa: N818
    """The reader of our output has gone. Not an OSError: click would make exit code 1 of that."""


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

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except BrokenPipeError as error:
            raise ClosedPipe from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ClosedPipe from error
        except SystemExit as error:  # rich makes that of a closed pipe
            if isinstance(error.__context__, BrokenPipeError):
                raise ClosedPipe from error
            raise

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
    code = run(args)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_stdout()
    sys.exit(code)


def run(args: list[str] | None = None) -> int:
    """As ``main``, but returns the exit code."""
    from finops.cli import failures

    given = args if args is not None else sys.argv[1:]
    try:
        result: Any = cli.main(args=args, prog_name="finops", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return failures.stopped()
    except click.ClickException as error:
        error.show()
        return 2
    except ClosedPipe:  # who reads has seen enough, as in 'finops analyze … | head -1'
        _let_go_of_stdout()
        return 0
    except Exception as error:
        return failures.fail(error, given)
    return result if isinstance(result, int) else 0


def _let_go_of_stdout() -> None:
    """What is still buffered goes nowhere; else Python complains about the pipe when it ends."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), descriptor)
