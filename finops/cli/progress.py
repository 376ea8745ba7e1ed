"""Progress for a person at a terminal; silence for a log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from finops.cli.app import App
from finops.formats.deliveries import Delivery
from finops.warehouse.connection import Connection, progress_of
from finops.warehouse.plan import Tell


@contextmanager
def watch(app: App, con: Connection) -> Iterator[Callable[[Delivery], Tell] | None]:
    """A line that says which delivery is being read, how many rows and bytes it has, and how far that is."""
    if not app.interactive:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True, no_color=not app.colour),
        transient=True,
    )
    task = bar.add_task("looking for bills", total=None)
    shares = [0.0, 1.0]  # where the present step begins, and where it ends
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.2):
            bar.update(task, completed=100 * (shares[0] + (shares[1] - shares[0]) * progress_of(con)))

    def begin(delivery: Delivery) -> Tell:
        size = sum(file.path.stat().st_size for file in delivery.files)
        name = f"{delivery.names[0]} ({delivery.spec.id}, {size / 1e6:,.1f} MB"
        shares[:] = [0.0, 0.0]
        bar.update(task, description=f"{name})", total=100, completed=0)

        def step(what: str, share: float, rows: int) -> None:
            shares[:] = [share, {0.0: 0.4, 0.4: 0.95}.get(share, 1.0)]
            bar.update(task, description=f"{name}, {rows:,} rows): {what}")

        return step

    ticker = threading.Thread(target=tick, daemon=True)
    with bar:
        ticker.start()
        try:
            yield begin
        finally:
            done.set()
            ticker.join()
