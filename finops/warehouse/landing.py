"""The landing folder: every billing file as delivered, under its hash, and a record of each delivery.

``landing/files/ab/abcd….csv.gz`` holds the bytes; ``landing/deliveries/ID.json`` says which files came together, from which
source, in which format, when. From these two the warehouse can be made again. Nothing here is ever changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from finops.errors import BadInputError
from finops.formats.deliveries import Delivery

_BLOCK = 1 << 20


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


class Landing:
    """The landing folder at ``path``; made when first used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for partial in path.rglob(".*.partial"):
            if not _alive(int(partial.name.split(".")[-2])):
                partial.unlink(missing_ok=True)  # a run that was killed left it

    def keep(self, delivery: Delivery, source_id: str, received_at: datetime) -> DeliveryRecord:
        """Copy a delivery's files in, then its record. Files that are there are not copied again."""
        files = tuple(
            self._keep_file(file.path, name) for file, name in zip(delivery.files, delivery.names, strict=True)
        )
        identity = "\n".join([source_id, delivery.spec.id, *sorted(file.sha256 for file in files)])
        record_id = hashlib.sha256(identity.encode()).hexdigest()[:16]
        known = self._record_path(record_id)
        if known.is_file():
            return self._read(known)
        manifest = delivery.manifest
        record = DeliveryRecord(
            record_id,
            source_id,
            delivery.spec.id,
            files,
            delivery.delivered_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            received_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            manifest.export if manifest else "",
            manifest.run if manifest else "",
        )
        _write_whole(known, [json.dumps(asdict(record), indent=1).encode()])
        return record

    def identify(self, delivery: Delivery, source_id: str) -> DeliveryRecord | None:
        """The record of a delivery that is already here, without copying anything."""
        hashes = [_sha256(file.path) for file in delivery.files]
        identity = "\n".join([source_id, delivery.spec.id, *sorted(hashes)])
        known = self._record_path(hashlib.sha256(identity.encode()).hexdigest()[:16])
        return self._read(known) if known.is_file() else None

    def forget(self, record: DeliveryRecord) -> None:
        """Drop the record of a delivery that proved unreadable; its bytes stay."""
        self._record_path(record.id).unlink(missing_ok=True)

    def deliveries(self) -> list[DeliveryRecord]:
        """All deliveries, the oldest first."""
        folder = self.path / "deliveries"
        records = [self._read(path) for path in folder.glob("*.json")] if folder.is_dir() else []
        return sorted(records, key=lambda each: (each.delivered_at, each.received_at, each.id))

    def stored(self, file: LandedFile) -> Path:
        """Where a landed file is.

        Raises:
            BadInputError: it has been removed, so the ledger cannot be made again.
        """
        path = self.path / file.stored
        if not path.is_file():
            raise BadInputError(
                f"the landing folder has lost the file {file.name}",
                where=str(path),
                next_step="Put landing/ back from a backup, or load the file again.",
            )
        return path

    def _record_path(self, record_id: str) -> Path:
        return self.path / "deliveries" / f"{record_id}.json"

    def _read(self, path: Path) -> DeliveryRecord:
        content = json.loads(path.read_text())
        content["files"] = tuple(LandedFile(**file) for file in content["files"])
        return DeliveryRecord(**content)

    def _keep_file(self, path: Path, name: str) -> LandedFile:
        digest = _sha256(path)
        suffix = "".join(Path(name).suffixes[-2:]).lower()
        stored = f"files/{digest[:2]}/{digest}{suffix if len(suffix) <= 16 else ''}"
        target = self.path / stored
        if not (target.is_file() and target.stat().st_size == path.stat().st_size):
            with path.open("rb") as source:
                _write_whole(target, iter(lambda: source.read(_BLOCK), b""))
            target.chmod(0o444)
        return LandedFile(name, digest, path.stat().st_size, stored)


def _alive(process: int) -> bool:
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
