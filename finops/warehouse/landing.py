"""The landing folder: every billing file as delivered, under its hash, and a record of each delivery.

``landing/files/ab/abcd….csv.gz`` holds the bytes; ``landing/deliveries/ID.json`` says which files came together, from which
source, in which format, when, and what it was called where it was fetched. From these two the warehouse can be made again.
The bytes are never changed. ``landing/incoming/`` holds what is being fetched.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from finops.errors import BadInputError
from finops.formats.deliveries import Delivery

_BLOCK = 1 << 20
_PARTIAL = re.compile(r"\.[0-9a-f]{16,64}[^/]*\.(\d+)\.partial")


@dataclass(frozen=True)
class LandedFile:
    """One file of a delivery."""

    name: str
    """As delivered, relative to the folder that was given."""
    sha256: str
    bytes: int
    stored: str
    """Its path below the landing folder."""


@dataclass(frozen=True)
class Origin:
    """Where a delivery was fetched from, as its collector calls it."""

    key: str
    """Stays the same when the provider delivers again: ``s3://acme-billing/exports/cur2/2026-10``."""
    version: str = ""
    """Which of the provider's versions this is; empty where the provider has none."""
    period: str = ""
    """``2026-10``: the offer is one month of an export, and replaces what an earlier version of it held."""
    whole: bool = False
    """Is all that came with it in the ledger?"""
    files: Mapping[str, str] = field(default_factory=dict)
    """By file name: its ETag, generation or fingerprint."""
    seen_at: str = ""
    """ISO 8601, UTC: when it was last found to be this version."""


@dataclass(frozen=True)
class DeliveryRecord:
    """What is known of one delivery."""

    id: str
    """Made from source, format and the files' hashes: the same files again are the same delivery."""
    source_id: str
    format: str
    files: tuple[LandedFile, ...]
    delivered_at: str
    """ISO 8601, UTC: when the provider made it, as far as known."""
    received_at: str
    export: str = ""
    """From the manifest: what is delivered again and again."""
    run: str = ""
    origin: Origin | None = None
    """None: it was loaded by hand."""
    manifest: LandedFile | None = None
    """What named the files, where a collector fetched it: it is not fetched again as long as it is the same."""

    @property
    def delivered(self) -> datetime:
        """``delivered_at`` as the warehouse keeps it: UTC, without zone."""
        return datetime.fromisoformat(self.delivered_at).replace(tzinfo=None)

    @property
    def received(self) -> datetime:
        """``received_at`` as the warehouse keeps it."""
        return datetime.fromisoformat(self.received_at).replace(tzinfo=None)


class Landing:
    """The landing folder at ``path``; made when first used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tidied = False

    def hashes(self, delivery: Delivery) -> tuple[str, ...]:
        """The SHA-256 of each of a delivery's files, in their order."""
        return tuple(_sha256(file.path) for file in delivery.files)

    def find(
        self,
        delivery: Delivery,
        source_id: str,
        hashes: Sequence[str],
        *,
        again: bool = False,
        origin: Origin | None = None,
    ) -> DeliveryRecord | None:
        """The record of the same files from the same source; with ``again`` that of their being delivered anew.

        Args:
            origin: the same bytes of two months of an export, both empty, are two deliveries.
        """
        known = self._record_path(_identity(delivery, source_id, hashes, again=again, origin=origin))
        return self._read(known) if known.is_file() else None

    def newest(self, record: DeliveryRecord) -> DeliveryRecord:
        """The last time that the same bytes were delivered anew by the same source, each time after others had replaced them."""
        key = record.origin.key if record.origin and record.origin.period else ""
        hashes = sorted(file.sha256 for file in record.files)
        return [
            each
            for each in self.deliveries()
            if (each.source_id, each.format) == (record.source_id, record.format)
            and sorted(file.sha256 for file in each.files) == hashes
            and (each.origin.key if each.origin and each.origin.period else "") == key
        ][-1]

    def keep(
        self,
        delivery: Delivery,
        source_id: str,
        hashes: Sequence[str],
        *,
        again: bool = False,
        origin: Origin | None = None,
    ) -> DeliveryRecord:
        """Copy a delivery's files in, then its record. Files that are there are not copied again.

        Raises:
            BadInputError: a file has changed since it was hashed: somebody is still writing it.
        """
        self._tidy()
        files = tuple(
            self._keep_file(file.path, name, digest)
            for file, name, digest in zip(delivery.files, delivery.names, hashes, strict=True)
        )
        manifest = delivery.manifest
        record = DeliveryRecord(
            _identity(delivery, source_id, hashes, again=again, origin=origin),
            source_id,
            delivery.spec.id,
            files,
            delivery.delivered_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            manifest.export if manifest else "",
            manifest.run if manifest else "",
            _own(origin, delivery.names),
        )
        self._write(record)
        return record

    def note_origin(self, record_id: str, origin: Origin, manifest: tuple[Path, str] | None = None) -> DeliveryRecord:
        """Note that a delivery which is here has been found at its source (again), perhaps under another version.

        Args:
            manifest: the file that named its files, and what it is called at the source; kept too.
        """
        kept = self._keep_file(*manifest, _sha256(manifest[0])) if manifest else None
        known = self._read(self._record_path(record_id))
        names = [file.name for file in (*known.files, *([kept] if kept else []))]
        record = replace(known, origin=_own(origin, names), manifest=kept)
        self._write(record)
        return record

    @property
    def incoming(self) -> Path:
        """The folder for what is being fetched. What an interrupted run left there is continued."""
        return self.path / "incoming"

    def _write(self, record: DeliveryRecord) -> None:
        _write_whole(self._record_path(record.id), [json.dumps(asdict(record), indent=1).encode()])

    def has(self, record: DeliveryRecord) -> bool:
        """Are all bytes of a delivery here?"""
        return all((self.path / file.stored).is_file() for file in record.files)

    def forget(self, record: DeliveryRecord) -> None:
        """Drop the record of a delivery that proved unreadable; its bytes stay."""
        self._record_path(record.id).unlink(missing_ok=True)

    def deliveries(self) -> list[DeliveryRecord]:
        """All deliveries, the oldest first."""
        folder = self.path / "deliveries"
        records = [self._read(path) for path in folder.glob("*.json")] if folder.is_dir() else []
        return sorted(records, key=lambda each: (each.delivered_at, each.received_at, each.id))

    def stored(self, file: LandedFile, *, verify: bool = False) -> Path:
        """Where a landed file is.

        Raises:
            BadInputError: it has been removed or (``verify``) changed, so the ledger cannot be made again.
        """
        path = self.path / file.stored
        if path.is_file() and verify and _sha256(path) != file.sha256:
            raise BadInputError(
                f"the landing folder's copy of {file.name} has been changed",
                where=str(path),
                next_step="Put landing/ back from a backup, or delete this file and load the bill again.",
            )
        if not path.is_file():
            raise BadInputError(
                f"the landing folder has lost the file {file.name}",
                where=str(path),
                next_step="Put landing/ back from a backup, or load the file again.",
            )
        return path

    def _tidy(self) -> None:
        """What runs that were killed left half written."""
        if self._tidied:
            return
        self._tidied = True
        for folder in ("files/*", "deliveries"):
            for partial in self.path.glob(f"{folder}/.*.partial"):
                ours = _PARTIAL.fullmatch(partial.name)
                if ours and not alive(int(ours[1])):
                    partial.unlink(missing_ok=True)

    def _record_path(self, record_id: str) -> Path:
        return self.path / "deliveries" / f"{record_id}.json"

    def _read(self, path: Path) -> DeliveryRecord:
        content = json.loads(path.read_text())
        content["files"] = tuple(LandedFile(**file) for file in content["files"])
        if content.get("origin"):
            content["origin"] = Origin(**content["origin"])
        if content.get("manifest"):
            content["manifest"] = LandedFile(**content["manifest"])
        return DeliveryRecord(**content)

    def _keep_file(self, path: Path, name: str, digest: str) -> LandedFile:
        suffix = "".join(Path(name).suffixes[-2:]).lower()
        stored = f"files/{digest[:2]}/{digest}{suffix if len(suffix) <= 16 else ''}"
        target = self.path / stored
        if not (target.is_file() and target.stat().st_size == path.stat().st_size):
            if self.incoming in path.parents:
                link(path, target)  # it is ours: nobody else writes it
            else:
                _copy(path, target, name, digest)
            target.chmod(0o444)
        return LandedFile(name, digest, target.stat().st_size, stored)


def _identity(delivery: Delivery, source_id: str, hashes: Sequence[str], *, again: bool, origin: Origin | None) -> str:
    parts = [source_id, delivery.spec.id, *sorted(hashes)]
    if origin and origin.period:
        parts.append(origin.key)
    if again:
        parts.append(delivery.delivered_at.isoformat())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def link(path: Path, target: Path) -> None:
    """The same bytes under another name, without copying them where the disk knows how."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:  # a network share, a file of somebody else
        with path.open("rb") as source:
            _write_whole(target, iter(lambda: source.read(_BLOCK), b""))


def _own(origin: Origin | None, names: Iterable[str]) -> Origin | None:
    """The origin with the versions of these files alone: an offer may have thousands."""
    if origin is None:
        return None
    return replace(origin, files={name: origin.files[name] for name in names if name in origin.files})


def _copy(path: Path, target: Path, name: str, digest: str) -> None:
    copied = hashlib.sha256()
    with path.open("rb") as source:
        _write_whole(target, _through(iter(lambda: source.read(_BLOCK), b""), copied.update))
    if copied.hexdigest() != digest:
        target.unlink()
        raise BadInputError(
            "the file changed while it was read", where=name, next_step="Wait until it is complete; load it again."
        )


def _through(blocks: Iterable[bytes], look: Callable[[bytes], None]) -> Iterator[bytes]:
    for block in blocks:
        look(block)
        yield block


def alive(process: int) -> bool:
    """Is there a process of this number? Files that a killed one left are tidied away by their number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_whole(target: Path, blocks: Iterable[bytes] | Sequence[bytes]) -> None:
    """Write a file so that it is either not there or complete, whatever happens."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        for block in blocks:
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
