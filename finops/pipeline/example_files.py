"""Reads examples: a few charges, and what a rule must make of them, in YAML.

An example is one file, ``<layer>/<rule>/<case>.yaml``, or a folder ``<case>/`` with ``inputs.yaml`` and ``expect.yaml`` (and
``params.yaml``). What it may hold is in docs/queries.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from finops.errors import QueryFileError
from finops.pipeline.example_ledger import TODAY, charge_problems
from finops.rules.catalogue import Catalogue
from finops.rules.header import QueryFile, nearest, read_yaml

LAYERS = ("classify", "allocate", "findings", "checks")
"""The layers whose queries can be tried on examples."""

INPUTS = ("today", "mappings", "charges", "utilisation", "inventory", "params", "sql")
_LISTS = {"charges", "utilisation", "sql"}


@dataclass(frozen=True)
class Example:
    """A few charges and what a rule must make of them."""

    query: QueryFile
    case: str
    path: Path
    """The file, or the folder."""
    expect: list[dict[str, Any]]
    """The rows that the rule must give, each with the columns that matter. None: it must leave these charges alone."""
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How a list of examples names it."""
        return f"{self.query.layer}/{self.query.id}/{self.case}"

    @property
    def today(self) -> date:
        """The day on which it happens."""
        given = self.inputs.get("today", TODAY)
        return given if isinstance(given, date) else date.fromisoformat(str(given))


def read_example(query: QueryFile, path: Path) -> Example:
    """Read one example, a file or a folder.

    Raises:
        QueryFileError: naming every key that it does not know and everything that it lacks.
    """
    if path.is_dir():
        inputs = read_yaml(path / "inputs.yaml")
        whole = inputs if isinstance(inputs, dict) else {"": inputs}
        if "expect" in whole:
            raise QueryFileError("what is expected stands in expect.yaml beside it", where=str(path / "inputs.yaml"))
        whole = whole | {"expect": read_yaml(path / "expect.yaml")}
        if (path / "params.yaml").is_file():
            whole["params"] = read_yaml(path / "params.yaml")
    else:
        given = read_yaml(path)
        whole = given if isinstance(given, dict) else {"": given}
    problems = list(_problems(whole))
    if problems:
        raise QueryFileError(
            "; ".join(dict.fromkeys(problems)), where=str(path), next_step="docs/queries.md has an example."
        )
    inputs = {key: value for key, value in whole.items() if key != "expect" and value is not None}
    return Example(query, path.stem if path.is_file() else path.name, path, list(whole["expect"] or []), inputs)


def _problems(whole: Mapping[str, Any]) -> Iterator[str]:
    if "" in whole:
        yield "an example is a list of 'key: value' lines"
        return
    known = [*INPUTS, "expect"]
    yield from (f"unknown key '{key}'{nearest(str(key), known)}" for key in whole if key not in known)
    if "expect" not in whole:
        yield "lacks 'expect': the rows that the rule must give, or [] if it must leave these charges alone"
    for key in sorted({*_LISTS, "expect"} & whole.keys()):
        if not isinstance(whole[key] or [], list):
            yield f"{key} must be a list"
        elif key != "sql":
            yield from (
                f"{key}: '{row}' is no row of 'column: value'" for row in whole[key] or [] if not isinstance(row, dict)
            )
    for charge in _rows(whole.get("charges")):
        yield from charge_problems(charge)
    mappings = whole.get("mappings") or {}
    if not isinstance(mappings, dict) or not all(rows and rows == _rows(rows) for rows in mappings.values()):
        yield "mappings must be 'file: list of rows', such as 'teams: [{team: search}]'"
    if not isinstance(whole.get("params") or {}, dict):
        yield "params must be 'name: value' lines"
    if not isinstance(whole.get("inventory") or [], (list, dict)):
        yield "inventory must be a list of resources, or 'table: list of rows'"
    try:
        date.fromisoformat(str(whole.get("today", TODAY)))
    except ValueError:
        yield f"today must be a day such as 2026-10-26, not '{whole['today']}'"


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def find_examples(
    catalogue: Catalogue, folder: Path, wanted: Iterable[str] = ()
) -> tuple[list[Example], list[QueryFileError]]:
    """The examples of a folder, in order, and what is wrong with those that cannot be read.

    Args:
        folder: ``queries/tests``; need not exist.
        wanted: ids of rules; none: all of them.
    """
    examples: list[Example] = []
    problems: list[QueryFileError] = []
    chosen = set(wanted)
    for layer in sorted(path for path in folder.glob("*/")):
        if layer.name not in LAYERS:
            problems.append(_misplaced(layer, f"there is no layer '{layer.name}' with examples", LAYERS))
            continue
        queries = {query.id: query for query in catalogue.layer(layer.name)}
        for rule in sorted(layer.glob("*/")):
            if rule.name not in queries:
                problems.append(_misplaced(rule, f"there is no query '{rule.name}' in {layer.name}", queries))
            elif not chosen or rule.name in chosen:
                _read_all(queries[rule.name], rule, examples, problems)
    return examples, problems


def _misplaced(path: Path, what: str, known: Iterable[str]) -> QueryFileError:
    return QueryFileError(f"{what}{nearest(path.name, list(known))}", where=str(path))


def _read_all(query: QueryFile, folder: Path, examples: list[Example], problems: list[QueryFileError]) -> None:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or (path.is_file() and path.suffix not in (".yaml", ".yml")):
            continue
        try:
            examples.append(read_example(query, path))
        except QueryFileError as error:
            problems.append(error)
