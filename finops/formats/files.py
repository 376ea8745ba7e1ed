"""The physical kind of a file, found in its first bytes: Parquet, CSV, JSON; plain, gzip or zip.

Names are not trusted, contents are: an AWS export renamed to ``bill.txt`` is still a CSV.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from finops.errors import BadInputError

LARGEST_CELL = 1_000_000
"""Characters in one cell. The longest real tags are some kilobytes; a cell of megabytes is damage or an attack."""
LARGEST_RATIO = 200
"""Unpacked bytes per packed byte. Bills reach 40; a zip bomb starts at 1,000."""
_HEAD = 1 << 20
_PAGES = {"data", "ResultsByTime"}
"""A JSON object on one line that has one of these is a page of a cost API, not a record."""


@dataclass(frozen=True)
class PhysicalFile:
    """One file that can be read: where it is and how it is packed."""

    path: Path
    kind: str
    """``parquet``, ``csv``, ``jsonl`` (one object a line) or ``json`` (one document)."""
    packing: str
    """``none``, ``gzip`` or ``zip``."""
    columns: tuple[str, ...]
    """The header of a CSV, the fields of the first JSON object (also as ``parent.field``); empty for Parquet, which DuckDB
    describes."""
    width: int = 0
    """CSV only: cells in the first row. Less than the header means that every row lacks the last columns."""
    delimiter: str = ","
    mixed_newlines: bool = False
    marked: bool = False
    """JSON lines only: the text begins with a byte order mark."""
    bare: bool = False
    """A CSV's header without rows, a page without results."""


def inspect(path: Path, name: str = "") -> PhysicalFile:
    """Look into a file. ``name`` is what the reader knows it by, where ``path`` is a content-addressed one.

    Raises:
        BadInputError: empty, damaged, not text, a zip that is not one plain member.
    """
    name = name or str(path)
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
    except PermissionError as error:
        raise BadInputError("may not be read", where=name, next_step="Check the file's permissions.") from error
    if not magic:
        raise BadInputError("the file is empty", where=name, next_step="Fetch it again from the provider.")
    if magic == b"PAR1":
        return PhysicalFile(path, "parquet", "none", ())
    packing = "gzip" if magic[:2] == b"\x1f\x8b" else "zip" if magic == b"PK\x03\x04" else "none"
    head = _head(path, packing, name)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInputError(
            "the text is UTF-16, not UTF-8", where=name, next_step="Save it as UTF-8 and load it again."
        )
    text = _decode(head, name)
    if text.lstrip()[:1] in ("{", "["):
        file = _inspect_json(path, packing, text)
        return replace(file, marked=file.kind == "jsonl" and head.startswith(codecs.BOM_UTF8))
    return _inspect_csv(path, packing, text, name)


def zip_member(path: Path, name: str) -> zipfile.ZipInfo:
    """The one file inside a zip.

    Raises:
        BadInputError: several members, a member whose path leaves the archive, or a bomb.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir() and not _finder_dust(info.filename)]
    except (zipfile.BadZipFile, OSError) as error:
        raise BadInputError(f"the zip is damaged: {error}", where=name, next_step="Fetch the file again.") from error
    for info in members:
        inner = PurePosixPath(info.filename.replace("\\", "/"))
        if inner.is_absolute() or ".." in inner.parts or ":" in inner.parts[0]:
            raise BadInputError(
                f"the zip has a member that points outside of it: {info.filename!r}",
                where=name,
                next_step="No provider delivers that. Don't unpack this file; find out where it came from.",
            )
    if len(members) != 1:
        raise BadInputError(
            f"the zip holds {len(members)} files; a delivered report is exactly one",
            where=name,
            next_step="Unpack it and load the folder.",
        )
    if members[0].file_size > LARGEST_RATIO * max(members[0].compress_size, 1) and members[0].file_size > _HEAD:
        raise _bomb(name)
    return members[0]


def _finder_dust(name: str) -> bool:
    """What macOS puts into every zip that it makes."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name == ".DS_Store"


def _bomb(name: str) -> BadInputError:
    return BadInputError(
        f"unpacks to more than {LARGEST_RATIO} times its size, which no bill does",
        where=name,
        next_step="It looks like a zip bomb. If it is a real bill, unpack it yourself and load the plain file.",
    )


def _head(path: Path, packing: str, name: str) -> bytes:
    """The first megabyte of the content. What is packed is unpacked to its end: DuckDB does not look at checksums."""
    try:
        if packing == "gzip":
            with gzip.open(path) as stream:
                return _verified(stream, path.stat().st_size, name)
        if packing == "zip":
            member = zip_member(path, name)
            with zipfile.ZipFile(path) as archive, archive.open(member) as inner:
                return _verified(inner, member.compress_size, name)
        with path.open("rb") as plain:
            return plain.read(_HEAD)
    except (
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        zipfile.BadZipFile,
        NotImplementedError,
        OSError,
        RuntimeError,
    ) as error:
        raise BadInputError(
            f"the {packing} data is damaged or cut off: {error}", where=name, next_step="Fetch the file again."
        ) from error


def _verified(stream: IO[bytes] | gzip.GzipFile, packed: int, name: str) -> bytes:
    """The head of a stream that is then read to its end, where its checksum is compared; a bomb is given up early."""
    head = stream.read(_HEAD)
    unpacked = len(head)
    while block := stream.read(_HEAD):
        unpacked += len(block)
        if unpacked > max(LARGEST_RATIO * packed, _HEAD):
            raise _bomb(name)
    return head


def _decode(head: bytes, name: str) -> str:
    if b"\0" in head:
        raise BadInputError(
            "is neither text nor Parquet",
            where=name,
            next_step="finops reads CSV, JSON and Parquet, plain, .gz or .zip.",
        )
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start > len(head) - 4 and len(head) == _HEAD:  # a character cut in two by our own reading
            return head[: error.start].decode("utf-8-sig")
        line = head[: error.start].count(b"\n") + 1
        raise BadInputError(
            f"is not UTF-8: byte 0x{head[error.start]:02x}",
            where=f"{name}, line {line}",
            next_step="Convert it (iconv -f WINDOWS-1252 -t UTF-8) or export it again as UTF-8.",
        ) from error


def _inspect_json(path: Path, packing: str, text: str) -> PhysicalFile:
    first, _, rest = text.lstrip().partition("\n")
    try:
        record = json.loads(first)
    except (json.JSONDecodeError, RecursionError):
        record = None
    if isinstance(record, dict) and (rest.strip()[:1] in ("{", "") and not _PAGES & record.keys()):
        names = dict.fromkeys(record)
        for key, value in record.items():
            names.update(dict.fromkeys(f"{key}.{inner}" for inner in value) if isinstance(value, dict) else {})
        return PhysicalFile(path, "jsonl", packing, tuple(names))
    return PhysicalFile(path, "json", packing, ())


def _inspect_csv(path: Path, packing: str, text: str, name: str) -> PhysicalFile:
    first_line = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=first_line.count)
    csv.field_size_limit(LARGEST_CELL * 4)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = next(rows, [])
        row = next(rows, [])
    except csv.Error as error:
        raise BadInputError(f"is not a CSV: {error}", where=f"{name}, line 1") from error
    if len(row) > len(header):
        raise BadInputError(
            f"the first row has {len(row)} cells under {len(header)} column names",
            where=f"{name}, line 2",
            next_step="A cell with a comma needs quotes, and a row must not end with one. Export the file again.",
        )
    crlf, lf = text.count("\r\n"), text.count("\n")
    return PhysicalFile(
        path,
        "csv",
        packing,
        tuple(column.strip() for column in header),
        width=len(row) or len(header),
        delimiter=delimiter,
        mixed_newlines=0 < crlf < lf,
        bare=not row,
    )
