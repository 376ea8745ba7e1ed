"""The comment that opens every SQL file, read into a strict type.

A file in ``queries/`` starts with ``/* … */`` that holds YAML: who, what, why, parameters. An unknown or missing key is an
error with file and line, never a default that hides it.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from finops.errors import QueryFileError

LAYERS = ("normalise", "classify", "allocate", "findings", "checks", "analyses")
"""The folders of ``queries/``, in the order in which they run."""

_COMMON = {"id", "title", "version", "owner", "why"}
_REQUIRED: dict[str, set[str]] = {
    "normalise": {"provider", "detect", "reads"},
    "classify": {"order", "writes"},
    "allocate": {"order", "method"},
    "findings": {"misses", "recommended_action"},
    "checks": {"grade"},
    "analyses": {"columns"},
}
_OPTIONAL: dict[str, set[str]] = {
    "normalise": {"grade", "misses", "nulls", "timestamps", "quantities", "records", "sources", "yields"},
    "classify": {"misses", "reads"},
    "allocate": {"misses", "reads", "params", "splits", "valid_from", "valid_until"},
    "findings": {"reads", "params", "check", "change", "order"},
    "checks": {"misses", "reads", "params"},
    "analyses": {"grain", "misses", "reads", "params"},
}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is there


class _Strict(_LOADER):  # type: ignore[valid-type,misc]
    """Tells the line of a day that there is not, such as 2026-13-01."""


class _Exact(_Strict):
    """Reads a number with a point as it is written."""


def _day(loader: Any, node: Any) -> Any:
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as error:
        raise ConstructorError(None, None, f"'{node.value}' is no day: {error}", node.start_mark) from error


_Strict.add_constructor("tag:yaml.org,2002:timestamp", _day)
_Exact.add_constructor("tag:yaml.org,2002:float", lambda loader, node: Decimal(str(node.value).replace("_", "")))
_HEADER = re.compile(r"\A\s*/\*(?P<yaml>.*?)\*/", re.DOTALL)
_PARAMETER_KEYS = {"type", "default", "unit", "help"}
_PARAMETER_TYPES = ("integer", "decimal", "text", "date", "period")


@dataclass(frozen=True)
class Parameter:
    """A declared, named value that a query uses as ``$name``."""

    name: str
    type: str
    """One of integer, decimal, text, date, period (a period gives ``$period_start`` and ``$period_end``)."""
    default: Any
    help: str
    unit: str = ""


@dataclass(frozen=True, eq=False)
class QueryFile:
    """One SQL file: its header and its body. A file that is read again unchanged is the same one."""

    id: str
    layer: str
    path: Path
    title: str
    version: int
    owner: str
    why: str
    body: str
    """Everything after the header: plain SQL that runs in DuckDB."""
    digest: str
    """SHA-256 of the file's bytes: what a report's manifest names as the rule's version."""
    params: Mapping[str, Parameter] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    """The keys that only this layer has: ``detect``, ``order``, ``misses`` …"""
    origin: str = "shipped"
    """``shipped``, ``yours``, or ``yours, replaces vN``."""

    @property
    def order(self) -> int:
        """Its place in its layer; the id decides between equals."""
        return int(self.extra.get("order", 0))


def nearest(word: str, known: list[str]) -> str:
    """A hint such as ``; did you mean 'title'?``, or nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def read_query(path: Path, layer: str, origin: str = "shipped") -> QueryFile:
    """Read one SQL file.

    Raises:
        QueryFileError: naming every problem of the header at once.
    """
    return _read(path.read_text(encoding="utf-8"), path, layer, origin)


@lru_cache(maxsize=1024)
def _read(text: str, path: Path, layer: str, origin: str) -> QueryFile:
    match = _HEADER.match(text)
    if not match:
        raise QueryFileError(
            "has no header comment",
            where=str(path),
            next_step="Open the file with /* id: …, title: …, version: 1, owner: …, why: … */ (see docs/queries.md).",
        )
    try:
        header = yaml.load(match["yaml"], _Strict)  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise QueryFileError(
            f"the header is not YAML: {getattr(error, 'problem', error)}", where=f"{path}{line}"
        ) from error
    if not isinstance(header, dict):
        raise QueryFileError("the header is not a list of 'key: value' lines", where=str(path))
    problems = _problems(header, layer, path)
    if problems:
        unknown = [key for key in header if key not in _COMMON | _REQUIRED[layer] | _OPTIONAL[layer]]
        place = header_line(path, str(unknown[0])) if unknown else ""
        raise QueryFileError("; ".join(problems), where=f"{path}{place}", next_step="docs/queries.md lists the keys.")
    params = {name: _parameter(name, spec) for name, spec in (header.get("params") or {}).items()}
    known = _COMMON | {"params"}
    return QueryFile(
        id=header["id"],
        layer=layer,
        path=path,
        title=header["title"],
        version=header["version"],
        owner=header["owner"],
        why=header["why"].strip(),
        body=text[match.end() :].strip(),
        digest=hashlib.sha256(text.encode()).hexdigest(),
        params=params,
        extra={key: value for key, value in header.items() if key not in known},
        origin=origin,
    )


def header_line(path: Path, key: str) -> str:
    """Where a key of a header stands, as ``:7``; empty if it is not found."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith(f"{key}:"):
            return f":{number}"
    return ""


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Numbers with a point are Decimals.

    Raises:
        QueryFileError: it is not there, or no YAML; with its line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Exact)  # noqa: S506
    except FileNotFoundError as error:
        raise QueryFileError("there is no such file", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise QueryFileError(f"is not UTF-8 (byte {error.start})", where=str(path)) from error
    except (InvalidOperation, ValueError) as error:
        raise QueryFileError(f"has a value that is none: {error}", where=str(path)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise QueryFileError(f"is not YAML: {getattr(error, 'problem', error)}", where=f"{path}{line}") from error


def yaml_rows(content: bytes) -> tuple[list[tuple[int, list[tuple[str, str | None]]]], list[tuple[int, str]]]:
    """A YAML list of maps as text: each row's line and its (key, value) pairs as they are written, and problems by line.

    ``null`` is None; nothing else is interpreted: 0123 and 'no' stay what they are.
    """
    try:
        root = yaml.compose(content.decode("utf-8-sig"), _LOADER)
    except UnicodeDecodeError as error:
        return [], [(1, f"not UTF-8 (byte {error.start}): save it as UTF-8")]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return [], [(mark.line + 1 if mark else 1, f"is not YAML: {getattr(error, 'problem', error)}")]
    if root is None:
        return [], []
    if not isinstance(root, yaml.SequenceNode):
        return [], [(root.start_mark.line + 1, "is no list of 'column: value' lines")]
    rows, problems = [], []
    for item in root.value:
        number = item.start_mark.line + 1
        if not isinstance(item, yaml.MappingNode):
            problems.append((number, "is no map of 'column: value'"))
            continue
        cells = [cell for pair in item.value for cell in pair]
        if not all(isinstance(cell, yaml.ScalarNode) for cell in cells):
            problems.append((number, "has a list or a map in a cell: a cell is one value"))
            continue
        rows.append(
            (number, [(key.value, None if cell.tag.endswith(":null") else cell.value) for key, cell in item.value])
        )
    return rows, problems


def _problems(header: dict[str, Any], layer: str, path: Path) -> list[str]:
    required = _COMMON | _REQUIRED[layer]
    allowed = required | _OPTIONAL[layer]
    problems = [f"the header lacks '{key}'" for key in sorted(required - header.keys())]
    problems += [
        f"unknown key '{key}' in the header{nearest(key, sorted(allowed))}" for key in sorted(header.keys() - allowed)
    ]
    if "id" in header and header["id"] != path.stem:
        problems.append(f"id '{header['id']}' is not the file's name '{path.stem}'")
    if header.get("grain", "period") != "period":
        problems.append("grain must be 'period', or left out")
    if "version" in header and not isinstance(header["version"], int):
        problems.append("version must be a whole number")
    for key in ("title", "owner", "why"):
        if key in header and not (isinstance(header[key], str) and header[key].strip()):
            problems.append(f"{key} must say something")
    for name, spec in (header.get("params") or {}).items():
        problems += _parameter_problems(name, spec)
    return problems


def _parameter_problems(name: str, spec: Any) -> list[str]:
    if not isinstance(spec, dict):
        return [f"parameter '{name}' needs type, default and help"]
    problems = [f"parameter '{name}' lacks '{key}'" for key in ("type", "default", "help") if key not in spec]
    problems += [f"parameter '{name}': unknown key '{key}'" for key in sorted(spec.keys() - _PARAMETER_KEYS)]
    if spec.get("type") not in _PARAMETER_TYPES:
        problems.append(f"parameter '{name}': type must be one of {', '.join(_PARAMETER_TYPES)}")
    return problems


def _parameter(name: str, spec: dict[str, Any]) -> Parameter:
    return Parameter(name, spec["type"], spec["default"], spec["help"], spec.get("unit", ""))
