"""Makes the warehouse again beside the old one, which stays until the new one is whole; or for a look only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finops.warehouse.connection import Connection, connect
from finops.warehouse.landing import alive
from finops.warehouse.schema import migrate


@contextmanager
def beside(path: Path, *, memory_limit: str, threads: int) -> Iterator[Connection]:
    """A new, empty warehouse; it takes the place of the one at ``path`` if the block ends without an error.

    Raises:
        WarehouseBusyError: somebody has the present one open.
    """
    if path.is_file():
        connect(path).close()
    for left in path.parent.glob(f".{path.name}.*.new*"):
        number = left.name.removeprefix(f".{path.name}.").split(".")[0]
        if number.isdigit() and not alive(int(number)):
            left.unlink(missing_ok=True)  # a rebuild that was killed
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    logs = [file.with_name(file.name + ".wal") for file in (path, fresh)]
    try:
        con = connect(fresh, memory_limit=memory_limit, threads=threads)
        try:
            migrate(con)
            yield con
            con.execute("CHECKPOINT")
        finally:
            con.close()
        logs[0].unlink(missing_ok=True)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
        logs[1].unlink(missing_ok=True)


@contextmanager
def aside(path: Path, *, memory_limit: str, threads: int) -> Iterator[tuple[Connection, Path]]:
    """A new, empty warehouse in a folder of its own beside ``path``, where the user has disk. Both go away at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.aside"):
        number = left.name.removeprefix(f".{path.name}.").split(".")[0]
        if number.isdigit() and not alive(int(number)):
            shutil.rmtree(left, ignore_errors=True)  # of a run that was killed
    folder = path.with_name(f".{path.name}.{os.getpid()}.aside")
    try:
        folder.mkdir()
        con = connect(folder / path.name, memory_limit=memory_limit, threads=threads)
        try:
            migrate(con)
            yield con, folder
        finally:
            con.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
