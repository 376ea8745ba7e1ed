"""``finops.log``: what a run said and did, for who looks the next morning. It is never a reason for the run to fail."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from finops.cli.app import App
from finops.config.secrets import without_secrets

MOST_BYTES, KEPT = 5_000_000, 3
"""Of a file before the next is begun, and how many old ones are kept."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")


@contextmanager
def logged(app: App, path: Path | None, *, rotate: bool = True) -> Iterator[None]:
    """Whatever the app says in the block is written to the file as well.

    Args:
        path: None: nothing is.
        rotate: begin a new file when this one is large; only the run that holds the lock does.
    """
    if path is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _File(app, path, MOST_BYTES if rotate else 0)
    except OSError as error:
        app.warn(_cannot(path, error))
        yield
        return
    app.heard.append(file.note)
    try:
        yield
    finally:
        app.heard.remove(file.note)
        with suppress(OSError):  # what could not be written has been said
            file.close()


class _File(RotatingFileHandler):
    """Lines of UTC time, level and text. Secrets are replaced, and nothing in a text can look like a line of its own."""

    def __init__(self, app: App, path: Path, most_bytes: int) -> None:
        super().__init__(path, maxBytes=most_bytes, backupCount=KEPT, encoding="utf-8", errors="backslashreplace")
        formatter = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)
        self._app = app
        self._path = path
        self._broken = False

    def note(self, level: str, text: str) -> None:
        """Write a line, and one more for each further line of the text."""
        if self._broken:
            return
        shown = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", without_secrets(text)).replace("\n", "\n    ")
        number = logging.getLevelNamesMapping()[level.upper()]
        self.handle(logging.LogRecord("finops", number, "", 0, "%s", (shown,), None))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Called by logging where a line cannot be written: say so once, and go on without."""
        import sys

        self._broken = True
        self._app.warn(_cannot(self._path, sys.exc_info()[1]))


def _cannot(path: Path, error: BaseException | None) -> str:
    reason = getattr(error, "strerror", None) or error
    return f"the log {path} cannot be written ({reason}); the run goes on without it"
