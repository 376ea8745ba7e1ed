"""Progress for a person at a terminal; silence for a log."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from finops.cli.app import App

if TYPE_CHECKING:
    from finops.collectors.interface import Offer
    from finops.collectors.interface import Tell as TellFetched
    from finops.formats.deliveries import Delivery
    from finops.pipeline.loading import Progress
    from finops.warehouse.connection import Connection
    from finops.warehouse.plan import Tell


class Watching:
    """Nobody watches: with -v a log says what is being waited for."""

    def __init__(self, app: App) -> None:
        self._app = app

    loading: Progress | None = None
    """Is told which delivery is being loaded; None: nobody is."""

    def looking(self, source_id: str) -> None:
        """A source is asked what it has."""
        self._app.detail(f"{source_id}: asking what there is")

    @contextmanager
    def fetching(self, source_id: str, offer: Offer, size: int) -> Iterator[TellFetched]:
        """While an offer is fetched."""
        self._app.detail(f"{source_id}: fetching {offer.key}{f', {size:,} bytes' if size else ''}")
        yield lambda name, size: None


class _OnTerminal(Watching):
    """A line that says what is being fetched or read, how much it is, and how far that is."""

    def __init__(self, app: App, bar: Any) -> None:
        super().__init__(app)
        self._bar = bar
        self._task = bar.add_task("looking for bills", total=None)
        self._lock = threading.Lock()
        self.shares = [0.0, 0.0]
        """Where the present step of loading begins, and where it ends."""
        self.loading = self._begin

    def looking(self, source_id: str) -> None:
        """A source is asked what it has."""
        self.shares[:] = [0.0, 0.0]
        self._bar.update(self._task, description=f"{source_id}: asking what there is", total=None, completed=0)

    def update(self, share: float) -> None:
        """How much of the present step of loading is done."""
        if self.shares[1]:
            self._bar.update(self._task, completed=100 * (self.shares[0] + (self.shares[1] - self.shares[0]) * share))

    @contextmanager
    def fetching(self, source_id: str, offer: Offer, size: int) -> Iterator[TellFetched]:
        """While an offer is fetched."""
        self.shares[:] = [0.0, 0.0]
        what = (
            f"{source_id}: fetching {offer.key} ({size / 1e6:,.1f} MB)"
            if size
            else f"{source_id}: fetching {offer.key}"
        )
        self._bar.update(self._task, description=what, total=size or None, completed=0)

        def tell(name: str, more: int) -> None:
            with self._lock:
                self._bar.update(self._task, advance=more)

        yield tell

    def _begin(self, delivery: Delivery) -> Tell:
        size = sum(file.path.stat().st_size for file in delivery.files)
        name = f"{delivery.names[0]} ({delivery.spec.id}, {size / 1e6:,.1f} MB"
        self.shares[:] = [0.0, 0.0]
        self._bar.update(self._task, description=f"{name})", total=100, completed=0)

        def step(what: str, share: float, rows: int) -> None:
            self.shares[:] = [share, {0.0: 0.4, 0.4: 0.95}.get(share, 1.0)]
            self._bar.update(self._task, description=f"{name}, {rows:,} rows): {what}")

        return step


@contextmanager
def watch(app: App, con: Connection) -> Iterator[Watching]:
    """Show progress, if somebody is there to see it."""
    if not app.interactive:
        yield Watching(app)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from finops.warehouse.connection import progress_of

    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True, no_color=not app.colour),
        transient=True,
    )
    shown = _OnTerminal(app, bar)
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.2):
            shown.update(progress_of(con))

    ticker = threading.Thread(target=tick, daemon=True)
    with bar:
        ticker.start()
        try:
            yield shown
        finally:
            done.set()
            ticker.join()
