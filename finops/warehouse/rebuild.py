"""Makes the warehouse again beside the old one, which stays until the new one is whole."""

from __future__ import annotations

import os
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
