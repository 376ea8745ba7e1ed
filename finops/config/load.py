"""Finds and reads ``finops.toml``; reports every problem at once, with file, line and key, and never prints a value."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from finops.config.schema import Config
from finops.config.sources import SOURCE_TYPES
from finops.errors import ConfigError
from finops.rules.header import nearest

FILE_NAME = "finops.toml"


@dataclass(frozen=True)
class Workspace:
    """A folder with a ``finops.toml``, and what that says. All paths are absolute."""

    folder: Path
    config: Config

    def path(self, relative: Path) -> Path:
        """A path of the configuration, from the workspace's folder."""
        return (self.folder / relative.expanduser()).resolve()

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.path(self.config.warehouse.path)

    @property
    def landing(self) -> Path:
        """The landing folder."""
        return self.path(self.config.landing.path)


def find_workspace(given: Path | None, start: Path | None = None) -> Workspace:
    """The workspace: ``--config``, else ``FINOPS_CONFIG``, else the nearest ``finops.toml`` upwards.

    Raises:
        ConfigError: there is none, or it is wrong.
    """
    named = given or (Path(os.environ["FINOPS_CONFIG"]) if os.environ.get("FINOPS_CONFIG") else None)
    if named:
        file = named / FILE_NAME if named.is_dir() else named
        if not file.is_file():
            raise ConfigError("there is no such file", where=str(file), next_step="'finops init DIR' writes one.")
        return read_workspace(file)
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return read_workspace(folder / FILE_NAME)
    raise ConfigError(
        f"there is no {FILE_NAME} in {here} or above it",
        next_step="'finops init' makes this folder a workspace; --config FILE or FINOPS_CONFIG names another.",
    )


def read_workspace(file: Path) -> Workspace:
    """Read one ``finops.toml``.

    Raises:
        ConfigError: with one line per problem.
    """
    text = file.read_text(encoding="utf-8")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not TOML: {error}", where=str(file)) from error
    try:
        config = Config.model_validate(content)
    except ValidationError as error:
        problems = [_problem(each, text, content) for each in error.errors()]
        raise ConfigError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''}:\n  " + "\n  ".join(problems),
            where=str(file),
            next_step="docs/configuration.md lists every key.",
        ) from None  # the cause quotes what was written, which may be a secret
    return Workspace(file.resolve().parent, config)


def _problem(error: Any, text: str, content: dict[str, Any]) -> str:
    keys = [f"[{part + 1}]" if isinstance(part, int) else part for part in error["loc"] if part != "[key]"]
    if keys[0] == "sources" and len(keys) > 2:
        del keys[2]  # which class of source it is, from its type
    name = ".".join(each for each in keys if not each.startswith("["))
    name += "".join(f" (entry {each[1:-1]})" for each in keys if each.startswith("["))
    place = f"line {line}, " if (line := _line(text, keys)) else ""
    if error["type"] == "extra_forbidden":
        return f"{place}{name}: unknown key{nearest(keys[-1], _known_keys(keys[:-1], content))}"
    if error["type"] == "union_tag_not_found":
        return f"{place}{name}: has no type; one of {', '.join(SOURCE_TYPES)}"
    if error["type"] == "union_tag_invalid":
        given = str(error["ctx"]["tag"])
        known = nearest(given, list(SOURCE_TYPES)) or f"; one of {', '.join(SOURCE_TYPES)}"
        return f"line {_line(text, [*keys, 'type'])}, {name}.type: unknown type '{given}'{known}"
    return f"{place}{name}: {error['msg'].removeprefix('Value error, ')}"


def _known_keys(keys: Sequence[str], content: dict[str, Any]) -> list[str]:
    if keys and keys[0] == "sources":
        given = content["sources"].get(keys[1], {}).get("type")
        return _keys(SOURCE_TYPES[given]) if given in SOURCE_TYPES else []
    model: Any = Config
    for key in keys:
        model = get_args(model)[0] if key.startswith("[") else model.model_fields[key].annotation
    return _keys(model)


def _keys(model: Any) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _line(text: str, keys: Sequence[str]) -> int:
    """The line of a key: after its section's header, else the section's own line, else 0. Of an entry of a list: its first."""
    lines = text.splitlines()
    entry = next((index for index, key in enumerate(keys) if key.startswith("[")), None)
    if entry is not None:
        return _entry_line(lines, keys[:entry], int(keys[entry][1:-1])) or _line(text, keys[:entry])
    start = 0
    for depth in range(len(keys), 0, -1):
        header = re.compile(r"^\s*\[" + r"\s*\.\s*".join(f'"?{re.escape(key)}"?' for key in keys[:depth]) + r"\]")
        found = next((index for index, line in enumerate(lines) if header.match(line)), None)
        if found is not None:
            if depth == len(keys):
                return found + 1
            start = found + 1
            break
    key = re.compile(rf'^\s*"?{re.escape(keys[-1])}"?\s*=')
    for index in range(start, len(lines)):
        if lines[index].lstrip().startswith("[") and index > start:
            break
        if key.match(lines[index]):
            return index + 1
    return start


def _entry_line(lines: Sequence[str], keys: Sequence[str], entry: int) -> int:
    """The line of a table in a list, by its ``[[section.list]]`` or its brace; 0 if it has neither."""
    header = re.compile(r"^\s*\[\[\s*" + r"\s*\.\s*".join(f'"?{re.escape(key)}"?' for key in keys) + r"\s*\]\]")
    headers = [number for number, line in enumerate(lines, start=1) if header.match(line)]
    if headers:
        return headers[entry - 1] if entry <= len(headers) else 0
    first = max(_line("\n".join(lines), keys), 1)
    braces = 0
    for number, line in enumerate(lines[first - 1 :], start=first):
        braces += _QUOTED.sub("", line).partition("#")[0].count("{")
        if braces >= entry:
            return number
    return 0


_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
