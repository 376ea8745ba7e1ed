"""JSON pages of vendors' cost APIs: ``{data: [{start_time, results: [{…}]}]}`` as one flat record per result.

Answers of AWS Cost Explorer (``formats/cost_explorer.py``) and of OpenCost (``formats/opencost.py``) are read likewise.
A plain list of records, as ``bq query --format=json`` writes it, is read as those records.

Numbers are kept as the text that the page holds: 0.1 is the text "0.1" and never a float.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finops.errors import BadInputError
from finops.formats.cost_explorer import answer_records, is_answer, more_follows
from finops.formats.files import PhysicalFile, zip_member
from finops.formats.opencost import allocation_records, is_allocation


def page_columns(file: PhysicalFile, name: str) -> list[str]:
    """The fields of a page's records, for detection: those of all buckets and results, also as ``parent.field``.

    Pages without any result have the column ``empty_page``: what they would have held cannot be seen, whose they are can.
    """
    columns: dict[str, None] = {}
    for record in read_pages(file, name):
        for key, value in record.items():
            columns[key] = None
            if isinstance(value, dict):
                columns.update({f"{key}.{inner}": None for inner in value})
    if not columns:  # not even a bucket: OpenAI calls its envelope a page, Anthropic does not name it
        columns["bucket_start_time" if '"object"' in read_whole(file, name) else "bucket_starting_at"] = None
    if all(column.startswith("bucket_") for column in columns):
        columns["empty_page"] = None
    return list(columns)


def read_pages(file: PhysicalFile, name: str) -> Iterator[dict[str, Any]]:
    """The records of one page or of a list of pages, each with its bucket's fields as ``bucket_…``.

    A bucket without results gives one record of the bucket's fields alone, so that an empty page is still recognised.

    Raises:
        BadInputError: not JSON, or not such pages.
    """
    content = _parse(file, name)
    listed = isinstance(content, list)
    for page in content if listed else [content]:
        if is_answer(page):
            yield from answer_records(page, name)
            continue
        if is_allocation(page):
            yield from allocation_records(page)
            continue
        if listed and isinstance(page, dict) and "data" not in page:
            yield page
            continue
        if not (isinstance(page, dict) and isinstance(page.get("data"), list)):
            keys = ", ".join(list(page)[:8]) if isinstance(page, dict) else type(page).__name__
            raise BadInputError(
                f"is JSON, but no page of a cost API (it has: {keys})",
                where=name,
                next_step="finops reads OpenAI and Anthropic cost and usage pages, and bills as JSON lines.",
            )
        for bucket in page["data"]:
            yield from _records(bucket, name)


def more_to_come(file: PhysicalFile, name: str) -> bool:
    """Do all of a file's pages say that another one follows? Then the last is not among them."""
    content = _parse(file, name)
    pages = content if isinstance(content, list) else [content]
    return all(
        isinstance(page, dict) and (page.get("has_more") is True or (is_answer(page) and more_follows(page)))
        for page in pages
    )


def _parse(file: PhysicalFile, name: str) -> Any:
    """One page, a list of pages, or a page a line. Numbers stay text."""
    text = read_whole(file, name)
    try:
        try:
            return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
        except json.JSONDecodeError:
            if text.lstrip().count("\n{") == 0:
                raise
            return [
                json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
                for line in text.splitlines()
                if line.strip()
            ]
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInputError(f"is not JSON: {error}", where=name, next_step="Fetch the page again.") from error


def _records(bucket: Any, name: str) -> Iterator[dict[str, Any]]:
    results = bucket.get("results") if isinstance(bucket, dict) else None
    if not (isinstance(results, list) and all(isinstance(result, dict) for result in results)):
        raise BadInputError(
            "is JSON, but its 'data' has no buckets with 'results'",
            where=name,
            next_step="finops reads OpenAI and Anthropic cost and usage pages, and bills as JSON lines.",
        )
    around = {f"bucket_{key}": value for key, value in bucket.items() if key != "results"}
    for result in bucket["results"]:
        yield {**around, **result}
    if not bucket["results"]:
        yield around


def flatten_pages(file: PhysicalFile, name: str, target: Path) -> PhysicalFile:
    """Write a page's records as JSON lines and describe that file."""
    with target.open("w", encoding="utf-8") as lines:
        for record in read_pages(file, name):
            if any(not key.startswith("bucket_") for key in record):
                lines.write(json.dumps(record) + "\n")
    return PhysicalFile(target, "jsonl", "none", tuple(page_columns(file, name)))


def read_whole(file: PhysicalFile, name: str) -> str:
    """A file's text, unpacked, without a byte order mark.

    Raises:
        BadInputError: it cannot be unpacked.
    """
    try:
        if file.packing == "gzip":
            return gzip.decompress(file.path.read_bytes()).decode("utf-8-sig")
        if file.packing == "zip":
            with zipfile.ZipFile(file.path) as archive:
                return archive.read(zip_member(file.path, name)).decode("utf-8-sig")
        return file.path.read_text(encoding="utf-8-sig")
    except (OSError, EOFError) as error:
        raise BadInputError(f"cannot be unpacked: {error}", where=name, next_step="Fetch it again.") from error
