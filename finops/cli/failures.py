"""Whatever ends a command becomes one clear message and the documented exit code."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator, Sequence

import click

from finops.cli.app import coloured, error_line
from finops.errors import FinopsError, InternalError

_NEXT = {
    errno.ENOSPC: "Make room and run the command again. What was loaded before is as it was.",
    errno.EDQUOT: "Make room and run the command again. What was loaded before is as it was.",
    errno.EACCES: "Correct its permissions, or give another path.",
    errno.EPERM: "Correct its permissions, or give another path.",
    errno.EROFS: "Give a path that can be written.",
    errno.ENOTDIR: "A part of this path is a file: give another path, or move that file away.",
    errno.EEXIST: "There is a file where a folder is needed: give another path, or move that file away.",
    errno.EISDIR: "This is a folder: give the path of a file.",
    errno.ENOENT: "Check the path.",
    errno.ENAMETOOLONG: "Give a shorter name.",
}


def stopped() -> int:
    """Ctrl-C."""
    click.echo("Stopped. What was finished is kept; run the command again to go on.", err=True)
    return 130


def fail(error: Exception, args: Sequence[str]) -> int:
    """Say what happened. Returns the exit code."""
    if is_interrupt(error):
        return stopped()
    problem = known(error)
    colour = coloured("--no-color" in args)
    error_line(problem, colour)
    if _very_verbose(args):
        import traceback

        traceback.print_exception(error)
    return problem.exit_code


def known(error: Exception) -> FinopsError:
    """The error as a user is told of it."""
    if isinstance(error, FinopsError):
        return error
    if isinstance(error, OSError):
        return _of_files(error)
    if isinstance(error, UnicodeError):
        return FinopsError(f"text that is not UTF-8: {error}", next_step="Save the file, or give the text, as UTF-8.")
    if "duckdb" in sys.modules:
        from finops.warehouse.connection import out_of_room

        if room := out_of_room(error):
            return room
    text = " ".join(str(error).split())
    return InternalError(
        f"internal error: {type(error).__name__}{': ' if text else ''}{text}",
        next_step="This is a fault of finops. Please report it, with what 'finops -vv …' prints for the same command.",
    )


def _of_files(error: OSError) -> FinopsError:
    path = error.filename2 or error.filename  # of two, the second is where it should have gone
    what = error.strerror or str(error)
    return FinopsError(
        "the disk is full" if error.errno == errno.ENOSPC else what[:1].lower() + what[1:],
        where=str(path) if isinstance(path, str) or path else "",
        next_step=_NEXT.get(error.errno or 0, "Check the path and the disk, and run the command again."),
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def is_interrupt(error: BaseException) -> bool:
    """Was it Ctrl-C? Inside of DuckDB that comes out as an error of its own."""
    return any(_interrupts(each) for each in _chain(error))


def _interrupts(error: BaseException) -> bool:
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "InterruptException":
        return True
    return isinstance(error, RuntimeError) and "Query interrupted" in str(error)


def _very_verbose(args: Sequence[str]) -> bool:
    count = args.count("--verbose")
    for each in args:
        if re.fullmatch("-[vq]+", each):
            count += each.count("v")
    return count >= 2
