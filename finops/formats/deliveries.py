"""Finds the deliveries in files and folders: which files belong together, of which format, and how new they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from finops.errors import BadInputError, FinopsError, IncompleteDeliveryError, UsageError
from finops.formats.detect import detect
from finops.formats.files import PhysicalFile, inspect
from finops.formats.manifests import Manifest, belongs, modified_at, newest, read_manifest, resolve_files
from finops.formats.names import groups
from finops.formats.pages import more_to_come, page_columns
from finops.formats.spec import FormatSpec

MARKERS = (".", "_SUCCESS", "_committed", "_started")
"""How the names of files begin that programs leave beside data."""
NOT_BILLS = {
    *(
        ".md",
        ".txt",
        ".pdf",
        ".html",
        ".docx",
        ".pptx",
        ".rst",
        ".png",
        ".jpg",
        ".svg",
        ".css",
        ".js",
        ".py",
        ".sh",
        ".sql",
    ),
    *(".yml", ".yaml", ".toml", ".xml", ".ini", ".db", ".lock", ".log", ".crc", ".sha256", ".md5"),
}
"""In a folder these are passed over; named on the command line they are looked into."""


@dataclass(frozen=True)
class Delivery:
    """Files that were delivered together and replace their slices together."""

    spec: FormatSpec
    files: tuple[PhysicalFile, ...]
    names: tuple[str, ...]
    """What the reader knows the files by, relative to the path that was given."""
    delivered_at: datetime
    manifest: Manifest | None = None


@dataclass
class Found:
    """What a search found."""

    deliveries: list[Delivery] = field(default_factory=list)
    problems: list[FinopsError] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    """Sentences about files that were seen and on purpose not read."""


Describe = Callable[[PhysicalFile], Sequence[str]]
"""The column names of a Parquet file, nested ones as ``parent.field``."""


def find_deliveries(paths: Sequence[Path], specs: Sequence[FormatSpec], describe: Describe, wanted: str = "") -> Found:
    """The deliveries in files and folders. A file that is none becomes a problem; the others go on.

    Raises:
        UsageError: a path is no file and no folder, or ``wanted`` is no format.
    """
    found = Found()
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no file or folder '{path}'", next_step="Check the path.")
        if not (path.is_file() or path.is_dir()):
            raise UsageError(
                f"'{path}' is neither a file nor a folder",
                next_step="finops reads a bill several times over: write what comes through a pipe into a file first.",
            )
    roots = [(path, path if path.is_dir() else path.parent) for path in paths]
    files = {file: root for path, root in roots for file in _walk(path, found)}
    manifests, broken = _read_manifests(files, found)
    current, older = newest(manifests)
    found.passed_over += [f"{each.path}: replaced by a newer run of the same export" for each in older]
    read = {each.path for each in manifests}.union(broken)
    data = [file for file in files if file not in read]
    for manifest in sorted(current, key=lambda each: (each.made_at, str(each.path))):
        _add(found, lambda m=manifest: [_manifested(m, data, files, specs, describe, wanted)])  # type: ignore[misc]
    listed = {file.path for delivery in found.deliveries for file in delivery.files}
    loose = []
    for file in data:
        if file in listed:
            continue
        if any(belongs(file, manifest) for manifest in manifests):
            found.passed_over.append(f"{file}: not in the newest manifest of its export")
        else:
            loose.append(file)
    for group in groups(loose):
        _add(found, lambda g=group: _unmanifested(g, files, specs, describe, wanted))  # type: ignore[misc]
    _join_pages(found)
    if not (found.deliveries or found.problems):
        where = ", ".join(map(str, paths))
        found.problems.append(BadInputError("holds no billing file", where=where, next_step="Check the path."))
    found.deliveries.sort(key=lambda each: (each.delivered_at, each.names))
    return found


def _add(found: Found, make: Callable[[], list[Delivery]]) -> None:
    try:
        found.deliveries += make()
    except UsageError:
        raise
    except FinopsError as problem:
        found.problems.append(problem)


def _join_pages(found: Found) -> None:
    """The pages of a cost API that lie in one folder are one delivery, however they are called; the last must be there."""
    pages: dict[tuple[str, Path], list[Delivery]] = {}
    for delivery in found.deliveries:
        if any(file.kind == "json" for file in delivery.files):
            pages.setdefault((delivery.spec.id, delivery.files[0].path.parent), []).append(delivery)
    for (_, folder), group in pages.items():
        files = tuple(file for delivery in group for file in delivery.files)
        names = tuple(name for delivery in group for name in delivery.names)
        found.deliveries = [delivery for delivery in found.deliveries if delivery not in group]
        try:
            _refuse_twins(files, names)
        except BadInputError as problem:
            found.problems.append(problem)
            continue
        unfinished = all(more_to_come(file, name) for file, name in zip(files, names, strict=True))
        if unfinished and group[0].spec.yields == "charges":
            found.problems.append(
                IncompleteDeliveryError(
                    "says has_more: true, and the page that follows is not here",
                    where=names[-1],
                    next_step="Fetch the next pages into the same folder and load the folder.",
                )
            )
        else:
            newest_page = max(delivery.delivered_at for delivery in group)
            beside = _quantity_pages(group[0].spec, folder, pages)
            files += tuple(file for file, _ in beside)
            names += tuple(name for _, name in beside)
            found.deliveries.append(Delivery(group[0].spec, files, names, newest_page))


def _quantity_pages(
    spec: FormatSpec, folder: Path, pages: Mapping[tuple[str, Path], Sequence[Delivery]]
) -> list[tuple[PhysicalFile, str]]:
    """The usage pages beside pages of charges that state no quantities, if the last of them is there."""
    wanted = pages.get((spec.quantities.pages, folder), ()) if spec.quantities else ()
    found = [pair for delivery in wanted for pair in zip(delivery.files, delivery.names, strict=True)]
    return [] if all(more_to_come(file, name) for file, name in found) else found


def _walk(path: Path, found: Found) -> Iterable[Path]:
    """All files below a folder, links followed, but for hidden ones and those that are clearly no bills."""
    if path.is_file():
        return [path]
    files, seen = [], set()
    for folder, folders, names in os.walk(path, followlinks=True):
        real = Path(folder).resolve()
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if real not in seen else []
        if real in seen:
            continue  # a link that leads back
        seen.add(real)
        for file in sorted(Path(folder) / name for name in names if not name.startswith(MARKERS)):
            if file.suffix.lower() in NOT_BILLS:
                found.passed_over.append(f"{file}: not a billing file")
            elif file.is_file():
                files.append(file)
    return sorted(files)


def _read_manifests(files: Iterable[Path], found: Found) -> tuple[list[Manifest], list[Path]]:
    manifests, broken = [], []
    for file in files:
        if file.suffix.lower() == ".json":
            try:
                manifest = read_manifest(file)
            except FinopsError as problem:
                found.problems.append(problem)
                broken.append(file)
                continue
            if manifest:
                manifests.append(manifest)
    return manifests, broken


def _identify(
    path: Path, name: str, specs: Sequence[FormatSpec], describe: Describe, wanted: str
) -> tuple[PhysicalFile, FormatSpec]:
    file = inspect(path, name)
    if file.kind == "parquet":
        columns = list(describe(file))
    elif file.kind == "json":
        columns = page_columns(file, name)
        file = replace(file, bare="empty_page" in columns)
    else:
        columns = list(file.columns)
    spec = detect(columns, specs, name, wanted)
    if file.kind == "csv":
        _refuse_doubled_money(columns, spec, name)
    return file, spec


def _refuse_doubled_money(columns: Sequence[str], spec: FormatSpec, name: str) -> None:
    """Two columns of one name: which is the cost? Nobody can know."""
    for column in spec.columns:
        if column.type == "money":
            for candidate in column.candidates:
                if sum(each.casefold() == candidate.casefold() for each in columns) > 1:
                    raise BadInputError(
                        f"has two columns called '{candidate}'",
                        where=f"{name}, line 1",
                        next_step="Export the file again, with each column once.",
                    )


def _manifested(
    manifest: Manifest,
    data: Sequence[Path],
    roots: dict[Path, Path],
    specs: Sequence[FormatSpec],
    describe: Describe,
    wanted: str,
) -> Delivery:
    if not manifest.files:
        raise BadInputError(
            "the manifest lists no file",
            where=str(manifest.path),
            next_step="If the export should not be empty, look at it in the provider's console.",
        )
    paths = resolve_files(manifest, data)
    names = [_name(path, roots[path]) for path in paths]
    identified = [_identify(path, name, specs, describe, wanted) for path, name in zip(paths, names, strict=True)]
    files = tuple(file for file, _ in identified)
    _refuse_twins(files, names)
    return Delivery(identified[0][1], files, tuple(names), manifest.made_at, manifest)


def _unmanifested(
    group: Sequence[Path], roots: dict[Path, Path], specs: Sequence[FormatSpec], describe: Describe, wanted: str
) -> list[Delivery]:
    """One delivery; files that are numbered alike but differ in format are one for each format."""
    parts: dict[str, list[tuple[FormatSpec, PhysicalFile, str]]] = {}
    for path in group:
        name = _name(path, roots[path])
        file, spec = _identify(path, name, specs, describe, wanted)
        parts.setdefault(spec.id, []).append((spec, file, name))
    deliveries = []
    for part in parts.values():
        files, names = tuple(file for _, file, _ in part), tuple(name for _, _, name in part)
        _refuse_twins(files, names)
        deliveries.append(Delivery(part[0][0], files, names, max(modified_at(file.path) for file in files)))
    return deliveries


def _refuse_twins(files: Sequence[PhysicalFile], names: Sequence[str]) -> None:
    """The same bytes twice in one delivery are a copy, and would count the same money twice."""
    by_size: dict[int, list[int]] = {}
    for index, file in enumerate(files):
        by_size.setdefault(file.path.stat().st_size, []).append(index)
    for indexes in by_size.values():
        first: dict[str, int] = {}
        for index in indexes if len(indexes) > 1 else ():
            with files[index].path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            twin = first.setdefault(digest, index)
            if twin != index and not files[index].bare:
                raise BadInputError(
                    f"has the same content as {names[twin]}, which belongs to the same delivery",
                    where=names[index],
                    next_step="One is a copy: remove it. If they are versions of one bill, load one of them.",
                )


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if root in path.parents else path.name
