"""Manifests: which files make up a delivery, and of which period and run it is.

AWS CUR (``reportKeys``), AWS Data Exports (``dataFiles``) and Azure Cost Management (``blobs``) each write one when all data
files are there, so a manifest whose files are missing is a delivery that has not arrived.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from finops.errors import BadInputError, IncompleteDeliveryError
from finops.formats.names import pattern, split

_STAMP = re.compile(r"(20\d{2})-?(\d{2})-?(\d{2})T(\d{2})-?:?(\d{2})-?:?(\d{2})")
_MARKS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"billing[_-]?period=(\d{4})-?(\d{2})",
        r"(?<![^/])year=(\d{4})(?![^/])",
        r"(?<![^/])month=(\d{1,2})(?![^/])",
        r"(?<!\d)(20\d{6})-(20\d{6})(?!\d)",
    )
)
"""How folders say of which period the files in them are."""
_PERIOD = re.compile(r"billing[_-]?period=(\d{4})-(\d{2})", re.IGNORECASE)


@dataclass(frozen=True)
class Manifest:
    """What one manifest says."""

    path: Path
    export: str
    """What is being delivered again and again: the report's name and period. The newest manifest of an export counts."""
    run: str
    """The execution or assembly."""
    files: tuple[str, ...]
    """Keys as delivered, without scheme and bucket."""
    made_at: datetime
    root: Path
    """The folder whose data files this manifest governs: what it does not list is not read."""


def read_manifest(path: Path) -> Manifest | None:
    """The manifest in a JSON file, or None if the file is no manifest."""
    if path.stat().st_size > 20_000_000:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        if path.name.lower().endswith("manifest.json"):
            raise BadInputError(f"the manifest is not JSON: {error}", where=str(path), next_step=_AGAIN) from error
        return None
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("reportKeys"), list):
        return _aws_cur(path, content)
    if isinstance(content.get("dataFiles"), list):
        return _aws_data_export(path, content)
    if isinstance(content.get("blobs"), list):
        return _azure(path, content)
    return None


def _aws_cur(path: Path, content: dict[str, Any]) -> Manifest:
    period = str(_object(content, "billingPeriod", path).get("start") or "")[:8]
    assembly = str(content.get("assemblyId") or "")
    root = path.parent.parent if path.parent.name == assembly else path.parent
    keys = tuple(map(str, content["reportKeys"]))
    return Manifest(
        path,
        export=f"{content.get('reportName', '')} {period}",
        run=assembly,
        files=keys,
        made_at=_made_at(path, root, keys),
        root=root,
    )


def _aws_data_export(path: Path, content: dict[str, Any]) -> Manifest:
    keys = tuple(re.sub(r"^s3://[^/]+/", "", str(uri)) for uri in content["dataFiles"])
    period = next((match[0].lower() for text in (path.as_posix(), *keys) if (match := _PERIOD.search(text))), "")
    name = path.name.removesuffix("-Manifest.json")
    parts = path.parts
    lowered = [part.lower() for part in parts]
    above = next((index for index in range(len(parts) - 2, 0, -1) if lowered[index] == "metadata"), 0)
    root = Path(*parts[:above]) if above else path.parent
    run = str(content.get("executionId") or content.get("assemblyId") or "")
    return Manifest(path, export=f"{name} {period}", run=run, files=keys, made_at=_made_at(path, root, keys), root=root)


def _azure(path: Path, content: dict[str, Any]) -> Manifest:
    info = _object(content, "runInfo", path)
    export = _object(content, "exportConfig", path).get("exportName", "")
    run = str(info.get("runId") or "")
    blobs = content["blobs"]
    if not all(isinstance(blob, dict) and blob.get("blobName") for blob in blobs):
        raise BadInputError("the manifest lists a blob without a blobName", where=str(path), next_step=_AGAIN)
    keys = tuple(str(blob["blobName"]) for blob in blobs)
    in_run_folder = path.parent.name == run or _looks_like_run(path.parent.name)
    root = path.parent.parent if in_run_folder else path.parent
    submitted = _stamps(str(info.get("submittedTime", "")))
    return Manifest(
        path,
        export=f"{export} {info.get('startDate', '')}",
        run=run,
        files=keys,
        made_at=submitted[-1] if submitted else _made_at(path, root, keys),
        root=root,
    )


_AGAIN = "Fetch the manifest again from the provider."


def _object(content: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    """An object inside a manifest; nothing where it is not stated."""
    value = content.get(key) or {}
    if not isinstance(value, dict):
        raise BadInputError(f"the manifest's '{key}' is no object", where=str(path), next_step=_AGAIN)
    return value


def _made_at(path: Path, root: Path, keys: Sequence[str]) -> datetime:
    """The run's own time where its folder or its keys are named by it, else when the manifest was written.

    What lies above the export's root is the reader's own filing and says nothing.
    """
    below = path.parent.relative_to(root).as_posix()
    return next((stamps[-1] for text in (below, *keys) if (stamps := _stamps(text))), None) or modified_at(path)


def _stamps(text: str) -> list[datetime]:
    """The times in a text; what only looks like one (the 99th of month 13) is none."""
    found = []
    for match in _STAMP.finditer(text):
        year, month, day, hour, minute, second = map(int, match.groups())
        with suppress(ValueError):
            found.append(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
    return found


def modified_at(path: Path) -> datetime:
    """When a file was last written, in UTC, to the second. A time to come is a wrong clock's: then it is now."""
    now = datetime.now(tz=UTC).replace(microsecond=0)
    return min(now, datetime.fromtimestamp(int(path.stat().st_mtime), tz=UTC))


def newest(manifests: Iterable[Manifest]) -> tuple[list[Manifest], list[Manifest]]:
    """The manifests that count, one per export, and the older ones that they replace."""
    by_export: dict[tuple[Path, str], dict[str, Manifest]] = {}
    for manifest in sorted(manifests, key=lambda each: (each.made_at, len(each.path.parts), str(each.path))):
        by_export.setdefault((manifest.root, manifest.export), {})[manifest.run] = manifest
    current, older = [], []
    for runs in by_export.values():
        ranked = sorted(runs.values(), key=lambda each: each.made_at)
        current.append(ranked[-1])
        older += ranked[:-1]
    return current, older


def resolve_files(manifest: Manifest, present: Sequence[Path]) -> list[Path]:
    """The local files that a manifest names.

    Raises:
        IncompleteDeliveryError: some are not there, so the delivery has not fully arrived.
    """
    by_name: dict[str, list[Path]] = {}
    for path in present:
        by_name.setdefault(path.name, []).append(path)
    found: list[Path] = []
    missing = []
    for key in dict.fromkeys(manifest.files):
        candidates = [
            path
            for path in by_name.get(PurePosixPath(key).name, [])
            if path not in found and not _contradicts(key, path, manifest)
        ]
        if candidates:
            found.append(max(candidates, key=lambda path: _shared_tail(key, path)))
        else:
            missing.append(key)
    if missing:
        shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise IncompleteDeliveryError(
            f"{len(missing)} of {len(manifest.files)} files that the manifest names are not there: {shown}",
            where=str(manifest.path),
            next_step="Wait until the export has finished, or copy the missing files; nothing of it was loaded.",
        )
    return found


def belongs(path: Path, manifest: Manifest) -> bool:
    """Is a file that no manifest lists another part, or of another run, of this export? Then it is called as its files are.

    What else lies in the folder is no business of the manifest: a bill of another provider is a delivery of its own.
    """
    if manifest.root not in path.parents:
        return False
    *folders, name = path.relative_to(manifest.root).parts
    here, called = pattern(folders), pattern(split(name))
    if here == pattern(manifest.path.relative_to(manifest.root).parts[:-1]):
        here = ()  # beside the manifest, or where another run has its own
    for key in map(PurePosixPath, manifest.files):
        above = zip(reversed(here), reversed(pattern(key.parts[:-1])), strict=False)
        if pattern(split(key.name)) == called and all(mine == theirs for mine, theirs in above):
            return True
    return False


def _shared_tail(key: str, path: Path) -> int:
    count = 0
    for mine, theirs in zip(reversed(PurePosixPath(key).parts), reversed(path.parts), strict=False):
        if mine.lower() != theirs.lower():
            break
        count += 1
    return count


def _contradicts(key: str, path: Path, manifest: Manifest) -> bool:
    """A file of the same name from another folder, period or run is not the one that is meant."""
    if not _lies_where(key, path, manifest):
        return True
    for mark in _MARKS:
        wanted, got = mark.findall(key), mark.findall(path.parent.as_posix())
        if wanted and got and _numbers(wanted[-1]) != _numbers(got[-1]):
            return True
    parents = PurePosixPath(key).parts[:-1]
    run_folder = next((part for part in parents if manifest.run and manifest.run in part), "")
    return (
        bool(run_folder) and run_folder not in path.parts and any(_looks_like_run(part) for part in path.parts[-2:-1])
    )


def _lies_where(key: str, path: Path, manifest: Manifest) -> bool:
    """Do the folders agree, from where the ways to the manifest and to the file part?

    What is above is the reader's own filing; a file beside its manifest may have any key.
    """
    folders, beside = path.parent.absolute().parts, manifest.path.parent.absolute().parts
    shared = next(
        (n for n, (a, b) in enumerate(zip(folders, beside, strict=False)) if a != b), min(len(folders), len(beside))
    )
    named = PurePosixPath(key).parts[:-1]
    compared = zip(reversed(folders[shared:]), reversed(named), strict=False)
    return all(mine.lower() == theirs.lower() for mine, theirs in compared)


def _numbers(found: str | tuple[str, ...]) -> list[int]:
    return [int(each) for each in ([found] if isinstance(found, str) else found)]


def _looks_like_run(folder: str) -> bool:
    return bool(re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", folder))
