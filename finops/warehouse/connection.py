"""Opens the warehouse, with the settings that every connection needs."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import ModuleType

import duckdb

from finops.errors import FinopsError, WarehouseBusyError

Connection = duckdb.DuckDBPyConnection
DatabaseError = duckdb.Error


def connect(path: Path | None, *, read_only: bool = False, memory_limit: str = "3GB", threads: int = 0) -> Connection:
    """Open the warehouse file, or a scratch database in memory if ``path`` is None.

    Raises:
        WarehouseBusyError: another process writes to it.
        FinopsError: the file is no DuckDB database.
    """
    # 'order' is not kept: keeping it made a load of 10 million rows need 11.7 GB
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if threads:
        config["threads"] = threads
    if path is not None and not read_only:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
            raise FinopsError(
                "the warehouse cannot be written",
                where=str(path),
                next_step="Give the user who runs finops the right to write the file and its folder.",
            )
    try:
        con = duckdb.connect(str(path) if path else ":memory:", read_only=read_only, config=config)
    except duckdb.IOException as error:
        raise _open_error(path, str(error)) from error
    except duckdb.Error as error:
        raise FinopsError(f"the warehouse cannot be opened: {error}", where=str(path)) from error
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = true")  # it is asked for (progress_of), never printed
    con.execute("SET enable_progress_bar_print = false")
    if not _pandas_is_known.is_set():
        _pandas_is_known.set()
        _end_search_for_pandas(con)
    return con


_pandas_is_known = Event()


def _end_search_for_pandas(con: Connection) -> None:
    """Bind a value while an empty pandas can be seen, if there is no other.

    DuckDB asks of every value that is bound whether it is pandas' NaT or NA, and looks for pandas until it has found it: where
    it is not installed, twice per value through all of Python's path, which takes longer than most statements.
    """
    if "pandas" in sys.modules or importlib.util.find_spec("pandas"):
        return
    empty = ModuleType("pandas")
    empty.__dict__.update(NaT=object(), NA=object())
    sys.modules["pandas"] = empty
    try:
        con.execute("SELECT ?", [""])
    finally:
        del sys.modules["pandas"]


def progress_of(con: Connection) -> float:
    """How far the running query is, 0 to 1; 0 where DuckDB does not know. May be asked from another thread."""
    return max(con.query_progress(), 0.0) / 100


def _open_error(path: Path | None, message: str) -> FinopsError:
    if "lock" in message:
        holder = re.search(r"PID (\d+)", message)
        return WarehouseBusyError(
            f"the warehouse is in use by another process{f' (PID {holder[1]})' if holder else ''}",
            where=str(path),
            next_step="Wait for it to finish, or close the program that has the file open.",
        )
    if "does not exist" in message or "Cannot open" in message:
        return FinopsError(
            "there is no warehouse yet", where=str(path), next_step="Load a bill first: finops load FILE_OR_FOLDER."
        )
    return FinopsError(
        f"the warehouse cannot be opened: {message.splitlines()[0]}",
        where=str(path),
        next_step="If the file is damaged, delete it and run 'finops build --full': landing/ has every delivered file.",
    )


def out_of_room(error: Exception) -> FinopsError | None:
    """The error to show when it was memory or disk that ran out, not the data that is wrong; else None."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return FinopsError(
            "there is not enough memory for this load",
            next_step="Raise memory_limit under [warehouse] in finops.toml. Nothing was changed.",
        )
    if isinstance(error, duckdb.Error) and "No space left" in str(error):  # a commit says it as a TransactionException
        file = re.search(r'file "([^"]+)"', str(error))
        return FinopsError(
            "the disk is full",
            where=file[1] if file else "",
            next_step="Make room and run the command again. Nothing was changed.",
        )
    return None


def was_interrupted(error: Exception) -> bool:
    """Ctrl-C inside of DuckDB comes out as an error of its own, or as a RuntimeError."""
    return isinstance(error, duckdb.InterruptException) or (
        isinstance(error, RuntimeError) and "Query interrupted" in str(error)
    )


@contextmanager
def transaction(con: Connection) -> Iterator[None]:
    """All or nothing, whatever ends the block: an error, or Ctrl-C."""
    con.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        con.execute("ROLLBACK")
        raise
    con.execute("COMMIT")
