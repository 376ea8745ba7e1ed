"""Progress for a person at a terminal; silence for a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from finops.cli.app import App
from finops.formats.deliveries import Delivery
from finops.warehouse.connection import Connection


@contextmanager
def watch(app: App, con: Connection) -> Iterator[Callable[[str, Delivery | None], None] | None]:
    """A line that says which delivery is being read, how large it is, and for how long already."""
    if not app.interactive:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color=not app.colour)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    size = 0
    task = bar.add_task("looking for bills", total=None)
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.2):
            share = con.query_progress()
            if size and share >= 0:
                bar.update(task, completed=size * share / 100)

    def progress(stage: str, delivery: Delivery | None) -> None:
        nonlocal size
        if delivery is not None:
            size = sum(file.path.stat().st_size for file in delivery.files)
            bar.update(task, description=f"{delivery.names[0]} ({delivery.spec.id})", total=size, completed=0)

    ticker = threading.Thread(target=tick, daemon=True)
    with bar:
        ticker.start()
        try:
            yield progress
        finally:
            done.set()
            ticker.join()
            time.sleep(0)
