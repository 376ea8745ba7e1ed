"""Manifests of AWS in a bucket: where an export lies, what a manifest names, and whether all of that is there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from finops.collectors.interface import Outcome, RemoteFile, Trouble
from finops.collectors.store import Store

_EXECUTION = re.compile(r"/(20\d{2})-?(\d{2})-?(\d{2})T(\d{2})-?:?(\d{2})-?:?(\d{2})[^/]*/[^/]+$")


@dataclass(frozen=True)
class Place:
    """Where an export is delivered."""

    bucket: str
    prefix: str
    """Without ``/`` at its ends."""
    name: str
    """The export's or report's: the folder below the prefix."""
    region: str | None = None
    """None: the source's."""

    @property
    def base(self) -> str:
        """The export's folder, with its ``/``."""
        return f"{self.prefix}/{self.name}/" if self.prefix else f"{self.name}/"

    @property
    def url(self) -> str:
        """``s3://acme-billing/exports/cur2-hourly``."""
        return f"s3://{self.bucket}/{self.base}".rstrip("/")


def data_keys(
    content: bytes, manifest: RemoteFile, place: Place, read: Callable[[Mapping[str, Any]], Sequence[str] | None]
) -> list[str]:
    """The keys of the data files that a manifest names, each once and inside of the export's folder.

    Args:
        read: what takes the keys out of the JSON object; None: it is no manifest of this kind.

    Raises:
        Trouble: the manifest is not as it used to be.
    """
    where = f"s3://{place.bucket}/{manifest.name}"
    try:
        stated = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Trouble(
            Outcome.CHANGED,
            f"the manifest is not JSON: {error}",
            where=where,
            next_step="Wait for the next delivery.",
        ) from error
    keys = read(stated) if isinstance(stated, dict) else None
    if keys is None:
        raise Trouble(
            Outcome.CHANGED,
            "the manifest does not name its data files as it used to",
            where=where,
            next_step="Is it an export of the configured type? If so, AWS has changed the format: report it.",
        )
    return [_inside(key, place, where) for key in dict.fromkeys(keys)]


def data_files(
    store: Store, keys: Sequence[str], manifest: RemoteFile, is_rewritten: Callable[[str], bool]
) -> list[RemoteFile]:
    """The listed files that a manifest names, all of them.

    Args:
        is_rewritten: does the next delivery write this key again? Then it must not be newer than the manifest.

    Raises:
        Trouble: one is not there, or a delivery is under way.
    """
    listed: dict[str, RemoteFile] = {}
    for parent in sorted({key.rpartition("/")[0] + "/" for key in keys}):
        listed |= {each.name: each for each in store.files(parent)}
    missing = [key for key in keys if key not in listed]
    if missing:
        raise Trouble(
            Outcome.INCOMPLETE,
            f"{len(missing)} of {len(keys)} files that the manifest names are not there, such as {missing[0]}",
            where=f"{store.url}/{manifest.name}",
            next_step="Wait until the delivery has finished. If a lifecycle rule deletes files, let it spare the export.",
        )
    data = [listed[key] for key in keys]
    newer = [each for each in data if is_rewritten(each.name) and _is_after(each, manifest)]
    if newer:
        raise Trouble(
            Outcome.INCOMPLETE,
            f"a delivery is under way: {newer[0].name} is newer than the manifest",
            where=f"{store.url}/{manifest.name}",
            next_step="Run it again when it has finished. Is the bucket a copy of another? Then copy the manifests last.",
        )
    return data


def made_at(manifest: RemoteFile) -> datetime | None:
    """When its execution ran, where its folder is named by that: an old manifest that is copied back is no newer for it."""
    if match := _EXECUTION.search(manifest.name):
        with suppress(ValueError):
            return datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    return manifest.modified


def _is_after(file: RemoteFile, manifest: RemoteFile) -> bool:
    return bool(file.modified and manifest.modified and file.modified > manifest.modified)


def _inside(key: str, place: Place, where: str) -> str:
    """A key, if it lies in the export's folder.

    Raises:
        Trouble: it does not; nothing outside of the export is ever read.
    """
    if key.startswith(place.base) and not {"", ".", ".."} & set(key.removeprefix(place.base).split("/")):
        return key
    raise Trouble(
        Outcome.CHANGED,
        f"the manifest names a file outside of the export's folder: {key}",
        where=where,
        next_step=f"Its files have to lie below {place.url}/, as AWS delivers them.",
    )


def version(files: Sequence[RemoteFile]) -> str:
    """Of a delivery: another one if any of its files is another. The manifest comes first."""
    state = "\n".join(f"{each.name}\t{each.bytes}\t{each.version}" for each in files)
    return f"{files[0].version}-{hashlib.sha256(state.encode()).hexdigest()[:16]}"
