"""A folder of billing files: local, in S3 or in Google Cloud Storage."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from finops.collectors.files.local import LocalStore
from finops.collectors.interface import (
    Finding,
    Listing,
    Offer,
    Outcome,
    Permission,
    RemoteFile,
    Request,
    Tell,
    Trouble,
    Verdict,
)
from finops.collectors.store import Store, can_be_kept, download
from finops.config.sources import FilesSource, GcpAccess


class FilesCollector:
    """Offers the folder as one: which of its files belong together is for the loader to find.

    Only the files that are new or have changed are fetched; the others are taken from the landing folder.
    """

    def __init__(self, source_id: str, source: FilesSource, folder: Path) -> None:
        self.source_id = source_id
        self._source = source
        self._folder = folder

    def look(self, request: Request) -> Listing:
        """The folder, as of now. The months do not matter: names do not tell what is in a file."""
        store, prefix = self._open()
        files = [each for each in store.files(prefix) if each.name == prefix or _is_below(each.name, prefix)]
        if not files and request.known:
            raise Trouble(
                Outcome.MISSING,
                "is empty, and it was not before",
                where=self._source.path,
                next_step="Is it still mounted, and filled? What was collected from it is kept in landing.",
            )
        if not files:
            return Listing(notes=[f"{self._source.path} is empty"])
        listing = Listing()
        if not isinstance(store, LocalStore):
            files = _kept(files, f"{store.url}/{prefix}", listing)
        if files:
            listing.offers.append(self._offer(store, prefix, files))
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Download what is new."""
        store, prefix = self._open()
        above = _above(prefix)
        named = [RemoteFile(_join(above, each.name), each.bytes, each.version, each.modified) for each in files]
        download(store, named, folder, tell, local=lambda name: _below(name, above))

    def permissions(self) -> Sequence[Permission]:
        """Listing and reading, where it is a bucket."""
        scheme, bucket, prefix = self._where()
        if scheme == "s3":
            from finops.collectors.aws.examine import role_permission
            from finops.collectors.aws.s3 import bucket_arn

            listed = bucket_arn(self._source, bucket)
            return [
                *role_permission(self._source),
                Permission("s3:ListBucket", listed, f"to see what is below {prefix or 'its root'}"),
                Permission("s3:GetObject", f"{listed}/{prefix}*", "to fetch the files"),
            ]
        if scheme == "gs":
            from finops.collectors.gcp.access import acting_as

            return [
                *acting_as(self._source),
                Permission("storage.objects.list", f"gs://{bucket}", f"to see what is below {prefix or 'its root'}"),
                Permission("storage.objects.get", f"gs://{bucket}", "to fetch the files"),
            ]
        return []

    def examine(self, request: Request) -> Sequence[Finding]:
        """Is the folder there, may it be read, what is in it?"""
        try:
            listing = self.look(request)
            self._taste(listing)
        except Trouble as trouble:
            return [Finding("folder", Verdict.FAILED, str(trouble).splitlines()[0], trouble.next_step)]
        if not listing.offers:
            return [
                Finding("folder", Verdict.WARNING, f"{self._source.path} is empty", "Is the export being delivered?")
            ]
        files = listing.offers[0].files
        size = sum(each.bytes for each in files)
        newest = max((each.modified for each in files if each.modified), default=None)
        when = f", the newest of {newest:%Y-%m-%d %H:%M} UTC" if newest else ""
        return [Finding("folder", Verdict.OK, f"{self._source.path}: {len(files):,} files, {size:,} bytes{when}")]

    def _taste(self, listing: Listing) -> None:
        """Read the beginning of the smallest file: that a folder can be listed does not say that its files can be read.

        Raises:
            Trouble: it can't.
        """
        store, prefix = self._open()
        files = [each for offer in listing.offers for each in offer.files if each.bytes]
        if files:
            smallest = min(files, key=lambda each: each.bytes)
            next(iter(store.blocks(replace(smallest, name=_join(_above(prefix), smallest.name)), 0)), None)

    def _offer(self, store: Store, prefix: str, files: Sequence[RemoteFile]) -> Offer:
        above = _above(prefix)
        below = [
            RemoteFile(_below(each.name, above), each.bytes, each.version, each.modified)
            for each in sorted(files, key=lambda each: each.name)
        ]
        state = "\n".join(f"{each.name}\t{each.bytes}\t{each.version}" for each in below)
        version = hashlib.sha256(state.encode()).hexdigest()[:16]
        lies_at = store.root / prefix if isinstance(store, LocalStore) else None
        return Offer(f"{store.url}/{prefix}", version, below, lies_at=lies_at)

    def _where(self) -> tuple[str, str, str]:
        """Scheme, bucket, prefix; a folder's prefix ends with ``/``."""
        scheme, found, rest = self._source.path.partition("://")
        if not found:
            return "", "", ""
        bucket, _, prefix = rest.partition("/")
        return scheme, bucket, prefix

    def _open(self) -> tuple[Store, str]:
        scheme, bucket, prefix = self._where()
        if scheme == "s3":
            from finops.collectors.aws.s3 import S3Store

            return S3Store(self._source, bucket), prefix
        if scheme == "gs":
            from finops.collectors.gcp.gcs import GcsStore

            return GcsStore(self._gcp(), bucket, self._folder), prefix
        path = self._folder / Path(self._source.path).expanduser()
        if not path.exists():
            raise Trouble(Outcome.MISSING, f"{path} does not exist", next_step="Correct the source's path.")
        return (LocalStore(path), "") if path.is_dir() else (LocalStore(path.parent), path.name)

    def _gcp(self) -> GcpAccess:
        kept = ("type", "endpoints", "anonymous", "deadline", "credentials", "impersonate")
        return GcpAccess.model_construct(**{name: getattr(self._source, name) for name in kept})


def _kept(files: Sequence[RemoteFile], where: str, listing: Listing) -> list[RemoteFile]:
    """Those whose names a disk can keep; the others are a hole of the listing."""
    folders = {parent for each in files for parent in _folders_of(each.name)}
    kept = [each for each in files if can_be_kept(each.name) and each.name not in folders]
    if len(kept) < len(files):
        odd = next(each.name for each in files if not can_be_kept(each.name) or each.name in folders)
        what = f"{len(files) - len(kept)} of {len(files)} files have names that cannot be kept on a disk, such as {odd}"
        step = "Rename them at the source: no empty part, '.' or '..', none that is a folder too, none of more than 240 bytes."
        listing.troubles.append(Trouble(Outcome.INCOMPLETE, what, where=where, next_step=step))
    return kept


def _folders_of(name: str) -> list[str]:
    """``a``, ``a/b`` for ``a/b/c.csv``."""
    return [name[: each.start()] for each in re.finditer("/", name)]


def _is_below(name: str, prefix: str) -> bool:
    """``exports/a.csv`` is below ``exports`` and ``exports/``; ``exports-old/a.csv`` is below neither. No folder markers."""
    return not name.endswith("/") and (prefix in ("", name) or name.startswith(prefix.rstrip("/") + "/"))


def _above(prefix: str) -> str:
    """What lies above the last part of a prefix: files keep that part in their names, as in ``exports/a.csv``."""
    return prefix.rstrip("/").rpartition("/")[0]


def _below(name: str, above: str) -> str:
    return name.removeprefix(above + "/") if above else name


def _join(above: str, name: str) -> str:
    return f"{above}/{name}" if above else name
