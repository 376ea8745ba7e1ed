"""One ``finops run`` at a time: a lock beside the warehouse that ends with its process, however that ends."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from finops.cli.app import App
from finops.errors import WarehouseBusyError

if TYPE_CHECKING:
    from finops.warehouse.connection import Connection

PAUSE = 0.5
"""Seconds between two looks at whether it is free."""


def lock_file(warehouse: Path) -> Path:
    """Beside the warehouse: who writes to the same one waits for the same lock."""
    return warehouse.with_name(f"{warehouse.name}.lock")


@contextmanager
def only_run(app: App, deadline: float) -> Iterator[None]:
    """Nobody else runs on this warehouse in the meantime. The file stays; what is locked is released by the system.

    Args:
        deadline: of ``time.monotonic()``; until then another run is waited for.

    Raises:
        WarehouseBusyError: another run is at work. It says which.
    """
    from filelock import FileLock, Timeout

    file = lock_file(app.workspace.warehouse)
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        left = deadline - time.monotonic()
        if left > 0:
            app.say(f"another 'finops run' is at work{_holder(file)}; waiting up to {left:.0f} s")
        try:
            lock.acquire(timeout=max(left, 0), poll_interval=PAUSE)
        except Timeout:
            raise WarehouseBusyError(
                f"another 'finops run' is at work{_holder(file)}",
                where=str(file),
                next_step="Wait for it to finish, or let this one wait: --wait SECONDS. It does the same work.",
            ) from None
    try:
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(tz=UTC).isoformat("T", "seconds"),
        }
        with suppress(OSError):  # who waits is told less
            file.write_text(json.dumps(note) + "\n")
        yield
    finally:
        lock.release()


def _holder(file: Path) -> str:
    """Who says to hold the lock: `` (PID 4711, since 2026-10-26T06:00:00+00:00)``; nothing, if it can't be read."""
    try:
        note = json.loads(file.read_text())
        elsewhere = f" on {note['host']}" if note["host"] != socket.gethostname() else ""
        return f" (PID {note['pid']}{elsewhere}, since {note['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


@contextmanager
def free_warehouse(app: App, deadline: float) -> Iterator[Connection]:
    """The warehouse, when whoever reads it has let go of it.

    Raises:
        WarehouseBusyError: it is still in use at the deadline.
    """
    with ExitStack() as stack:
        yield _opened(app, deadline, stack)


def _opened(app: App, deadline: float, stack: ExitStack) -> Connection:
    said = False
    while True:
        try:
            return stack.enter_context(app.warehouse())
        except WarehouseBusyError as error:
            if time.monotonic() >= deadline:
                raise
            if not said:
                app.say(f"{error.what}; waiting")
                said = True
            time.sleep(PAUSE)
