"""A local folder as a store of files: somebody else syncs a bucket into it, or drops files there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from finops.collectors.interface import Outcome, RemoteFile, Trouble
from finops.collectors.small import LARGEST, Small
from finops.collectors.store import BLOCK, inside


class LocalStore:
    """The files below a folder, links followed, hidden ones left out. A file's version is its size and when it was written."""

    def __init__(self, root: Path, url: str = "") -> None:
        self.root = root
        self._url = url or root.as_posix()

    @property
    def url(self) -> str:
        """What it is called in messages and keys: the path as configured."""
        return self._url

    def files(self, prefix: str) -> Iterator[RemoteFile]:
        """Every file whose path below the folder begins with ``prefix``, in the order of their names."""
        self._check()
        top = self.root / prefix.rpartition("/")[0]
        seen: set[Path] = set()
        for folder, folders, names in os.walk(top, followlinks=True, onerror=self._refuse):
            real = Path(folder).resolve()
            folders[:] = sorted(name for name in folders if not name.startswith(".")) if real not in seen else []
            if real in seen:
                continue  # a link that leads back
            seen.add(real)
            for path in sorted(Path(folder) / name for name in names if not name.startswith(".")):
                name = path.relative_to(self.root).as_posix()
                if name.startswith(prefix) and path.is_file():
                    yield self._describe(name, path)

    def folders(self, prefix: str) -> Sequence[str]:
        """The folders right below ``prefix``."""
        self._check()
        top = self.root / prefix
        try:
            found = sorted(each.name for each in top.iterdir() if each.is_dir() and not each.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._trouble(error) from error
        return [f"{prefix}{name}/" for name in found]

    def read(self, name: str) -> bytes:
        """A small file, whole."""
        content = Small(f"{self.url}/{name}")
        try:
            with inside(self.root, name).open("rb") as data:
                content.write(data.read(LARGEST + 1))
        except OSError as error:
            raise self._trouble(error, name) from error
        return content.getvalue()

    def blocks(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        """A file's bytes from ``start``, as long as it is the one that was listed."""
        path = inside(self.root, file.name)
        try:
            with path.open("rb") as data:
                data.seek(start)
                while block := data.read(BLOCK):
                    yield block
            changed = self._describe(file.name, path).version != file.version
        except OSError as error:
            raise self._trouble(error, file.name) from error
        if changed:
            raise Trouble(
                Outcome.INCOMPLETE,
                "was replaced while it was being read",
                where=f"{self.url}/{file.name}",
                next_step="The next run reads the new version.",
            )

    def md5(self, file: RemoteFile) -> str:
        """A folder states none."""
        return ""

    def _describe(self, name: str, path: Path) -> RemoteFile:
        stat = path.stat()
        modified = datetime.fromtimestamp(stat.st_mtime, tz=UTC)
        return RemoteFile(name, stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}", modified)

    def _check(self) -> None:
        if not self.root.is_dir():
            raise Trouble(
                Outcome.MISSING,
                "is no folder",
                where=self.url,
                next_step="Check the source's path, and that the sync that fills it runs.",
            )

    def _refuse(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise self._trouble(error)

    def _trouble(self, error: OSError, name: str = "") -> Trouble:
        where = f"{self.url}/{name}" if name else str(error.filename or self.url)
        if isinstance(error, PermissionError):
            return Trouble(
                Outcome.DENIED,
                "cannot be read by this user",
                where=where,
                next_step="Give the user who runs finops the right to read it (chmod, chown).",
            )
        if isinstance(error, FileNotFoundError):
            return Trouble(
                Outcome.INCOMPLETE, "was removed while it was being read", where=where, next_step="Run again."
            )
        return Trouble(
            Outcome.FAILED,
            f"cannot be read: {error.strerror}",
            where=where,
            next_step="Check the disk or the mount.",
        )
