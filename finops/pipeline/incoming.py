"""The folder that an offer is fetched into: its own below ``landing/incoming/``. An interrupted run leaves it for the next."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from finops.collectors.interface import Fetched, Offer, RemoteFile
from finops.collectors.store import inside
from finops.warehouse.landing import Landing, link


def incoming(landing: Landing, source_id: str, offer: Offer) -> Path:
    """Where an offer of a source is fetched into."""
    return landing.incoming / source_id / _name(offer)


def _name(offer: Offer) -> str:
    return hashlib.sha256(offer.key.encode()).hexdigest()[:16]


def tidy(landing: Landing, source_id: str, offers: Sequence[Offer]) -> None:
    """Drop what was half fetched of offers that are not made any more."""
    wanted = {_name(offer) for offer in offers}
    incoming = landing.incoming / source_id
    for folder in incoming.iterdir() if incoming.is_dir() else ():
        if folder.name not in wanted:
            shutil.rmtree(folder, ignore_errors=True)


def prepare(folder: Path, offer: Offer, missing: Sequence[RemoteFile], held: Fetched | None) -> None:
    """The folder that an offer is fetched into: what landing has is put there, what is no part of it goes."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {inside(folder, file.name): file for file in offer.files}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted and not (path.name.startswith(".") and offer.files):
            path.unlink()
    fetch = {file.name for file in missing}
    for path, file in wanted.items():
        if file.name in fetch or held is None:
            continue
        link(held.files[file.name][1], path)
        if file.modified:
            os.utime(path, (file.modified.timestamp(), file.modified.timestamp()))
