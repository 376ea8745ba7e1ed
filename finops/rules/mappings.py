"""The user's mapping files (``mappings/*.csv``), read strictly and stored as ``mapping.*`` for the rules.

Every mistake of every file is reported at once, with file and line: a mapping that is half read allocates money wrongly.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from finops.errors import ConfigError
from finops.rules.catalogue import Catalogue
from finops.rules.header import nearest
from finops.warehouse.connection import Connection, DatabaseError


@dataclass(frozen=True)
class MappingFile:
    """What one of the files may hold."""

    name: str
    columns: tuple[str, ...]
    """All columns that it may have; those in ``required`` must be there and filled."""
    required: tuple[str, ...]
    key: tuple[str, ...]
    """The columns that may not repeat together."""


FILES = {
    spec.name: spec
    for spec in (
        MappingFile("teams.csv", ("team", "name", "cost_center", "owner", "colour"), ("team",), ("team",)),
        MappingFile(
            "tag_aliases.csv", ("kind", "alias", "canonical"), ("kind", "alias", "canonical"), ("kind", "alias")
        ),
        MappingFile("accounts.csv", ("account_id", "team"), ("account_id", "team"), ("account_id",)),
        MappingFile("resources.csv", ("pattern", "team"), ("pattern", "team"), ("pattern",)),
        MappingFile("callers.csv", ("pattern", "team"), ("pattern", "team"), ("pattern",)),
        MappingFile("projects.csv", ("project_id", "team"), ("project_id", "team"), ("project_id",)),
        MappingFile(
            "exceptions.csv",
            ("rule_id", "resource_id", "reason", "owner", "until"),
            ("rule_id", "resource_id", "reason", "owner", "until"),
            ("rule_id", "resource_id"),
        ),
    )
}
"""The files of the folder. Further columns are allowed: they are yours."""

_META = re.compile(r"[.^$*+?{}\[\]|()\\]")
_CHUNK = 100
_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


@dataclass(frozen=True)
class Line:
    """One row of a file and where it stands."""

    number: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


@dataclass
class Mappings:
    """All mapping files of a workspace."""

    lines: dict[str, list[Line]] = field(default_factory=dict)
    """By file name; an absent file has none."""
    service_categories: list[tuple[str, str, str, str]] = field(default_factory=list)
    digest: str = ""
    """Of all bytes that were read: it changes when any file does."""

    def __getitem__(self, name: str) -> list[Line]:
        return self.lines.get(name, [])

    def team(self, word: str) -> str:
        """The team as teams.csv spells it."""
        return {fold(line["team"]): line["team"] for line in self["teams.csv"]}.get(fold(word), word)


def fold(word: str) -> str:
    """A team's name as people mean it; ``allocation.folded_value`` is the same in SQL."""
    return word.strip().lower()


def fold_key(key: str) -> str:
    """A tag key as people mean it; ``allocation.folded_key`` is the same in SQL."""
    return re.sub("[_ ]", "-", re.sub("^user[:_]", "", key.strip().lower()))


def shape(pattern: str) -> tuple[str, str]:
    """How a pattern can be looked up: (``exact`` | ``prefix`` | ``pattern``, its literal part)."""
    inner = pattern.removeprefix("^").removesuffix("$")
    if not _META.search(inner):
        return "exact", inner
    if inner.endswith(".*") and inner != ".*" and not _META.search(inner[:-2]):
        return "prefix", inner[:-2]
    return "pattern", ""


def read_mappings(con: Connection, catalogue: Catalogue, folder: Path | None) -> Mappings:
    """Read the shipped tables and the user's files.

    Args:
        con: any connection: its regular expressions are the ones that the rules will use.
        folder: the workspace's ``mappings/``; None or absent: there are no mappings.

    Raises:
        ConfigError: naming every problem of every file.
    """
    mappings, digest = Mappings(), hashlib.sha256()
    problems: list[str] = []
    for name, spec in FILES.items():
        path = folder / name if folder else None
        if path is None or not path.is_file():
            continue
        content = path.read_bytes()
        digest.update(name.encode() + b"\0" + content)
        mappings.lines[name] = list(_read(spec, path, content, problems))
    if folder and folder.is_dir():
        problems += [
            f"{path}: no rule reads a file of this name{nearest(path.name, list(FILES))}"
            for path in sorted(folder.glob("*.csv"))
            if path.name not in FILES
        ]
    problems += _team_problems(mappings, folder) + _pattern_problems(con, mappings, folder)
    problems += _alias_problems(mappings, folder) + _exception_problems(
        mappings, folder, [query.id for query in catalogue.layer("findings")]
    )
    if problems:
        raise ConfigError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the mapping files:\n  "
            + "\n  ".join(problems),
            next_step="Nothing was changed: the last allocation stays.",
        )
    for shipped in ("allocate/tag_aliases.csv", "classify/service_categories.csv"):
        digest.update(catalogue.file(shipped).read_bytes())
    with catalogue.file("classify/service_categories.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            mappings.service_categories.append((row[0], row[1].lower(), row[2], row[3]))
    del mappings.service_categories[0]
    mappings.digest = digest.hexdigest()
    mappings.lines["tag_aliases.csv"] = mappings["tag_aliases.csv"] + _shipped_aliases(catalogue)
    return mappings


def _read(spec: MappingFile, path: Path, content: bytes, problems: list[str]) -> Iterator[Line]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(f"{path}: not UTF-8 (byte {error.start}): save it as UTF-8")
        return
    rows = csv.reader(text.splitlines(keepends=True))
    header = [name.strip() for name in next(rows, [])]
    lacking = [name for name in spec.required if name not in header]
    if lacking:
        known = ", ".join(header) or "nothing"
        problems.append(f"{path}:1: the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)} "
                        f"{'are' if len(lacking) > 1 else 'is'} missing; it has {known}")  # fmt: skip
        return
    seen: dict[tuple[str, ...], int] = {}
    for row in rows:
        if not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#"):
            continue
        number = rows.line_num
        if len(row) != len(header):
            problems.append(f"{path}:{number}: {len(row)} cells, but the header has {len(header)} columns")
            continue
        line = Line(number, dict(zip(header, (cell.strip() for cell in row), strict=True)))
        empty = [name for name in spec.required if not line[name]]
        if empty:
            problems.append(f"{path}:{number}: {', '.join(empty)} must not be empty")
            continue
        key = tuple(line[name] if name == "pattern" else fold(line[name]) for name in spec.key)
        if key in seen:
            problems.append(f"{path}:{number}: {' '.join(line[name] for name in spec.key)} is also in line {seen[key]}")
            continue
        seen[key] = number
        yield line


def _team_problems(mappings: Mappings, folder: Path | None) -> list[str]:
    teams = {fold(line["team"]): line["team"] for line in mappings["teams.csv"]}
    if not teams:
        return []
    problems = [
        f"{folder}/teams.csv:{line.number}: 'unallocated' is what belongs to no team: choose another name"
        for line in mappings["teams.csv"]
        if fold(line["team"]) == "unallocated"
    ]
    for name in ("accounts.csv", "resources.csv", "callers.csv", "projects.csv"):
        problems += [
            f"{folder}/{name}:{line.number}: there is no team '{line['team']}'{nearest(line['team'], list(teams.values()))}"
            for line in mappings[name]
            if fold(line["team"]) not in teams
        ]
    problems += [
        f"{folder}/tag_aliases.csv:{line.number}: there is no team '{line['canonical']}'"
        f"{nearest(line['canonical'], list(teams.values()))}"
        for line in mappings["tag_aliases.csv"]
        if line["kind"] == "value" and fold(line["canonical"]) not in teams
    ]
    return problems


def _alias_problems(mappings: Mappings, folder: Path | None) -> list[str]:
    problems = []
    for line in mappings["tag_aliases.csv"]:
        if line["kind"] not in ("key", "value"):
            problems.append(f"{folder}/tag_aliases.csv:{line.number}: kind is 'key' or 'value', not '{line['kind']}'")
        elif line["kind"] == "key" and fold_key(line["canonical"]) != "team":
            problems.append(
                f"{folder}/tag_aliases.csv:{line.number}: the only tag key with a meaning is 'team', "
                f"not '{line['canonical']}'"
            )
    return problems


def _exception_problems(mappings: Mappings, folder: Path | None, rules: list[str]) -> list[str]:
    problems = []
    for line in mappings["exceptions.csv"]:
        place = f"{folder}/exceptions.csv:{line.number}"
        if not _DAY.fullmatch(line["until"]):
            problems.append(f"{place}: until is a day such as 2026-12-31, not '{line['until']}'")
        if line["rule_id"] not in rules:
            problems.append(f"{place}: there is no findings rule '{line['rule_id']}'{nearest(line['rule_id'], rules)}")
    return problems


def _pattern_problems(con: Connection, mappings: Mappings, folder: Path | None) -> list[str]:
    """The patterns that DuckDB does not take. All at once first: nearly always all are right."""
    problems = []
    for name in ("resources.csv", "callers.csv"):
        lines = [line for line in mappings[name] if shape(line["pattern"])[0] == "pattern"]
        if not lines or _pattern_error(con, [line["pattern"] for line in lines]) is None:
            continue
        for line in lines:
            error = _pattern_error(con, [line["pattern"]])
            if error:
                problems.append(f"{folder}/{name}:{line.number}: '{line['pattern']}' is no regular expression: {error}")
    return problems


def _pattern_error(con: Connection, patterns: Sequence[str]) -> str | None:
    try:
        con.execute(
            "SELECT count(*) FROM (SELECT unnest(from_json(?, '[\"VARCHAR\"]')) AS p) WHERE regexp_full_match('', p)",
            [json.dumps(list(patterns))],
        )
        con.fetchall()
    except DatabaseError as error:
        return str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
    return None


def _shipped_aliases(catalogue: Catalogue) -> list[Line]:
    with catalogue.file("allocate/tag_aliases.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return [Line(reader.line_num, row) for row in reader]


def store_mappings(con: Connection, mappings: Mappings) -> None:
    """Make the tables ``mapping.*`` from the files."""
    con.execute("CREATE SCHEMA IF NOT EXISTS mapping")
    known = bool(mappings["teams.csv"])
    teams = [
        (line["team"], line["name"] or line["team"], line["cost_center"], line["owner"], line["colour"], line.number)
        for line in mappings["teams.csv"]
    ]
    _store(
        con,
        "teams",
        "team VARCHAR, name VARCHAR, cost_center VARCHAR, owner VARCHAR, colour VARCHAR, line INTEGER",
        teams,
    )
    keys: dict[str, int] = {}
    values: dict[str, str] = {}
    for line in mappings["tag_aliases.csv"]:
        if line["kind"] == "key":
            keys.setdefault(fold_key(line["alias"]), len(keys))
        else:
            values.setdefault(fold(line["alias"]), mappings.team(line["canonical"]))
    for line in mappings["teams.csv"]:
        values.setdefault(fold(line["team"]), line["team"])
    for line in mappings["teams.csv"]:
        if line["name"]:
            values.setdefault(fold(line["name"]), line["team"])
    _store(con, "tag_keys", "key VARCHAR, priority INTEGER", list(keys.items()))
    _store(con, "tag_values", "value VARCHAR, team VARCHAR", list(values.items()))

    def team(line: Line) -> str:
        return mappings.team(line["team"]) if known else line["team"]

    _store(con, "accounts", "account_id VARCHAR, team VARCHAR, line INTEGER",
           [(line["account_id"], team(line), line.number) for line in mappings["accounts.csv"]])  # fmt: skip
    _store(con, "projects", "project_id VARCHAR, team VARCHAR, line INTEGER",
           [(line["project_id"], team(line), line.number) for line in mappings["projects.csv"]])  # fmt: skip
    for name in ("resources", "callers"):
        patterns = []
        for line in mappings[f"{name}.csv"]:
            kind, literal = shape(line["pattern"])
            patterns.append((line["pattern"], team(line), kind, literal, len(literal), line.number))
        columns = "pattern VARCHAR, team VARCHAR, shape VARCHAR, literal VARCHAR, length INTEGER, line INTEGER"
        _store(con, name, columns, patterns)
        looked_up = ("exact", "prefix") if name == "resources" else ("exact",)
        _make_matcher(con, name, [(row[0], row[5]) for row in patterns if row[2] not in looked_up])
    # the lead's interface, to be filled from pools.csv and splits.csv
    _store(con, "pools", "pool VARCHAR, name VARCHAR, split VARCHAR, basis VARCHAR, \"window\" VARCHAR, fallback VARCHAR, line INTEGER", [])
    _store(con, "pool_teams", "pool VARCHAR, team VARCHAR", [])
    _store(con, "splits", "pool VARCHAR, team VARCHAR, percent DECIMAL(38, 18), valid_from DATE, valid_until DATE, line INTEGER", [])
    _store(con, "exceptions", "rule_id VARCHAR, resource_id VARCHAR, reason VARCHAR, owner VARCHAR, until DATE",
           [tuple(line[name] for name in FILES["exceptions.csv"].columns) for line in mappings["exceptions.csv"]])  # fmt: skip
    _store(con, "service_categories", "provider VARCHAR, service VARCHAR, ServiceCategory VARCHAR, ServiceSubcategory VARCHAR",
           list({row[:2]: row for row in mappings.service_categories}.values()))  # fmt: skip


def _make_matcher(con: Connection, name: str, patterns: Sequence[tuple[str, int]]) -> None:
    """The macro ``mapping.NAME_pattern(word)``: the line of the first pattern that matches the whole word.

    A pattern that comes from a table is compiled again for every row; one that stands in the query is compiled once. So the
    patterns are written out, a hundred of them under one alternation that most words fail at once.
    """
    tests = []
    for first in range(0, len(patterns), _CHUNK):
        chunk = patterns[first : first + _CHUNK]
        each = " ".join(f"WHEN regexp_full_match(word, {_text(pattern)}) THEN {line}" for pattern, line in chunk)
        together = _text("|".join(f"(?:{pattern})" for pattern, _ in chunk))
        tests.append(f"WHEN regexp_full_match(word, {together}) THEN CASE {each} END")
    found = f"CASE {' '.join(tests)} END" if tests else "CAST(NULL AS INTEGER)"
    con.execute(f"CREATE OR REPLACE MACRO mapping.{name}_pattern(word) AS {found}")


def _text(value: str) -> str:
    """A SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def _store(con: Connection, table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    con.execute(f"CREATE OR REPLACE TABLE mapping.{table} ({columns})")
    if rows:  # one JSON text binds eighty times faster than lists
        cells = ", ".join(f"r[{number}]" for number in range(1, len(rows[0]) + 1))
        con.execute(
            f"INSERT INTO mapping.{table} SELECT {cells} FROM (SELECT unnest(from_json(?, '[[\"VARCHAR\"]]')) AS r)",
            [json.dumps([[str(cell) for cell in row] for row in rows])],
        )
