"""Places that hold files: a bucket, a container, a folder. What they have in common, and fetching many files from one.

A download is continued where an interrupted one ended, fetched in parallel with a bound, and verified: by its size always, by
the checksum where the place states one. Memory does not grow with the size of the files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import Protocol

from finops.collectors.interface import Outcome, RemoteFile, Tell, Trouble

JOBS = 8
"""Files fetched at the same time."""
BLOCK = 1 << 20
LONGEST = 240
"""Bytes of one part of a path: what disks take, less what marks a file that is half fetched."""


class WrongBytes(Trouble):
    """The place's own checksum does not fit what arrived. What has been fetched of the file is thrown away."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(
            Outcome.FAILED,
            "arrived with other bytes than the source says it has",
            where=f"{url}/{name}",
            next_step="The next run fetches it again.",
        )


class Store(Protocol):
    """A place that holds files. Names are those of the place: from the bucket's root, with ``/``."""

    @property
    def url(self) -> str:
        """``s3://acme-billing``, ``gs://acme-billing``, ``https://acme.blob.core.windows.net/billing``."""
        ...

    def files(self, prefix: str) -> Iterator[RemoteFile]:
        """Every file whose name begins with ``prefix``, page by page.

        Raises:
            Trouble: denied, missing, expired, failed.
        """
        ...

    def folders(self, prefix: str) -> Sequence[str]:
        """The names of the folders right below ``prefix`` (which ends with ``/`` or is empty), each with its ``/``."""
        ...

    def read(self, name: str) -> bytes:
        """A small file, whole: a manifest."""
        ...

    def blocks(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        """A file's bytes from ``start`` on, of the version that was listed; a broken connection is tried again.

        Raises:
            Trouble: among others ``incomplete``, if the file has been replaced since it was listed.
        """
        ...

    def md5(self, file: RemoteFile) -> str:
        """The file's MD5 in hex as the place states it; empty where it states none."""
        ...


def download(
    store: Store,
    files: Sequence[RemoteFile],
    folder: Path,
    tell: Tell,
    *,
    local: Callable[[str], str] = lambda name: name,
    jobs: int = JOBS,
) -> None:
    """Fetch files into a folder.

    Args:
        local: from a file's name at the store to its path below ``folder``.
        jobs: how many at once.

    Raises:
        Trouble: one could not be fetched whole; those that were stay for the next run.
    """
    left = list(reversed(files))
    troubles: Queue[BaseException | None] = Queue()
    stop = Event()

    def work() -> None:
        try:
            while not stop.is_set():
                try:
                    file = left.pop()
                except IndexError:
                    break
                _fetch(store, file, inside(folder, local(file.name)), tell, stop)
            troubles.put(None)
        except BaseException as error:
            stop.set()
            troubles.put(error)

    # daemons: Ctrl-C does not wait for a thread that waits for its provider
    workers = [Thread(target=work, daemon=True) for _ in range(max(1, min(jobs, len(files))))]
    for worker in workers:
        worker.start()
    try:
        ended = [troubles.get() for _ in workers]
    finally:
        stop.set()
    for error in ended:
        if error is not None:
            raise error


def inside(folder: Path, name: str) -> Path:
    """The path of a file below a folder.

    Raises:
        Trouble: the name leads out of the folder, is too long, or is one that a disk cannot tell from another (``a//b``).
    """
    if not can_be_kept(name):
        raise Trouble(Outcome.FAILED, "has a name that is not kept", where=name, next_step="Rename it at the source.")
    return folder.joinpath(name)


def can_be_kept(name: str) -> bool:
    """Is it a path below a folder, the only way to write it, and short enough? Buckets take any name."""
    parts = name.split("/")
    return "\0" not in name and all(
        part not in ("", ".", "..") and len(part.encode(errors="surrogateescape")) <= LONGEST for part in parts
    )


def _fetch(store: Store, file: RemoteFile, target: Path, tell: Tell, stop: Event) -> None:
    import hashlib

    if stop.is_set():
        return
    if _is_whole(file, target):
        tell(file.name, file.bytes)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial, mark = target.with_name(f".{target.name}.partial"), target.with_name(f".{target.name}.version")
    if partial.exists() and not (file.version and mark.exists() and mark.read_text() == file.version):
        partial.unlink()  # of another version, or of one that nobody noted
    mark.write_text(file.version)
    with partial.open("ab") as out:
        if out.tell() > file.bytes:
            out.truncate(0)
        tell(file.name, out.tell())
        if out.tell() < file.bytes:
            try:
                for block in store.blocks(file, out.tell()):
                    out.write(block)
                    tell(file.name, len(block))
                    if stop.is_set():
                        return
            except WrongBytes:
                partial.unlink()
                raise
        out.flush()
        os.fsync(out.fileno())
        size = out.tell()
    if size < file.bytes:
        raise Trouble(Outcome.FAILED, f"broke off after {size:,} of {file.bytes:,} bytes", where=f"{store.url}/{file.name}",
                      next_step="The next run goes on from there.")  # fmt: skip
    stated = store.md5(file)
    if stated or size > file.bytes:
        with partial.open("rb") as data:
            digest = hashlib.file_digest(data, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if digest != stated or size > file.bytes:
            partial.unlink()
            raise WrongBytes(store.url, file.name)
    partial.replace(target)
    if file.modified:
        os.utime(target, (file.modified.timestamp(), file.modified.timestamp()))
    mark.replace(target.with_name(f".{target.name}.whole"))


def _is_whole(file: RemoteFile, target: Path) -> bool:
    """Has an earlier run fetched this version already?"""
    whole = target.with_name(f".{target.name}.whole")
    return bool(
        file.version
        and target.is_file()
        and target.stat().st_size == file.bytes
        and whole.is_file()
        and whole.read_text() == file.version
    )
