"""Manifests: which files make up a delivery, and of which period and run it is.

AWS CUR (``reportKeys``), AWS Data Exports (``dataFiles``) and Azure Cost Management (``blobs``) each write one when all data
files are there, so a manifest whose files are missing is a delivery that has not arrived.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from finops.errors import BadInputError, IncompleteDeliveryError

_STAMP = re.compile(r"(20\d{2})-?(\d{2})-?(\d{2})T(\d{2})-?:?(\d{2})-?:?(\d{2})")
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
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        if path.name.lower().endswith("manifest.json"):
            raise BadInputError(f"the manifest is not JSON: {error}", where=str(path)) from error
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
    period = content.get("billingPeriod", {}).get("start", "")[:8]
    assembly = str(content.get("assemblyId", ""))
    inside_assembly = path.parent.name == assembly
    return Manifest(
        path,
        export=f"{content.get('reportName', '')} {period}",
        run=assembly,
        files=tuple(map(str, content["reportKeys"])),
        made_at=_made_at(path),
        root=path.parent.parent if inside_assembly else path.parent,
    )


def _aws_data_export(path: Path, content: dict[str, Any]) -> Manifest:
    keys = tuple(re.sub(r"^s3://[^/]+/", "", str(uri)) for uri in content["dataFiles"])
    period = next((match[0].lower() for text in (path.as_posix(), *keys) if (match := _PERIOD.search(text))), "")
    name = path.name.removesuffix("-Manifest.json")
    parts = path.parts
    lowered = [part.lower() for part in parts]
    root = Path(*parts[: lowered.index("metadata")]) if "metadata" in lowered[:-1] else path.parent
    run = str(content.get("executionId") or content.get("assemblyId") or "")
    return Manifest(path, export=f"{name} {period}", run=run, files=keys, made_at=_made_at(path, *keys), root=root)


def _azure(path: Path, content: dict[str, Any]) -> Manifest:
    run = content.get("runInfo", {})
    export = content.get("exportConfig", {}).get("exportName", "")
    submitted = _STAMP.search(str(run.get("submittedTime", "")))
    made_at = _stamp(submitted) if submitted else _made_at(path)
    return Manifest(
        path,
        export=f"{export} {run.get('startDate', '')}",
        run=str(run.get("runId", "")),
        files=tuple(str(blob.get("blobName", "")) for blob in content["blobs"]),
        made_at=made_at,
        root=path.parent.parent,
    )


def _made_at(path: Path, *keys: str) -> datetime:
    """The run's own time where its folder is named by it, else when the file was written."""
    for text in (path.parent.as_posix(), *keys):
        match = _STAMP.search(text)
        if match:
            return _stamp(match)
    return modified_at(path)


def _stamp(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = map(int, match.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def modified_at(path: Path) -> datetime:
    """When a file was last written, in UTC, to the second."""
    return datetime.fromtimestamp(int(path.stat().st_mtime), tz=UTC)


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
    found, missing = [], []
    for key in manifest.files:
        candidates = by_name.get(PurePosixPath(key).name, [])
        best = max(candidates, key=lambda path: _shared_tail(key, path), default=None)
        if best is None or _contradicts(key, best, manifest):
            missing.append(key)
        else:
            found.append(best)
    if missing:
        shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise IncompleteDeliveryError(
            f"{len(missing)} of {len(manifest.files)} files that the manifest names are not there: {shown}",
            where=str(manifest.path),
            next_step="Wait until the export has finished, or copy the missing files; nothing of it was loaded.",
        )
    return found


def _shared_tail(key: str, path: Path) -> int:
    count = 0
    for mine, theirs in zip(reversed(PurePosixPath(key).parts), reversed(path.parts), strict=False):
        if mine.lower() != theirs.lower():
            break
        count += 1
    return count


def _contradicts(key: str, path: Path, manifest: Manifest) -> bool:
    """A file of the same name from another period or another run is not the one that is meant."""
    wanted, got = _PERIOD.search(key), _PERIOD.search(path.as_posix())
    if wanted and got and wanted[0].lower() != got[0].lower():
        return True
    parents = PurePosixPath(key).parts[:-1]
    run_folder = next((part for part in parents if manifest.run and manifest.run in part), "")
    return (
        bool(run_folder) and run_folder not in path.parts and any(_looks_like_run(part) for part in path.parts[-2:-1])
    )


def _looks_like_run(folder: str) -> bool:
    return bool(re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", folder))
