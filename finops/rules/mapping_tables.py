"""Tables of the user's own (``mappings/tables/NAME.csv``, ``.yaml``, ``.parquet``), which become ``reference.NAME``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from finops.rules.header import yaml_rows
from finops.rules.mapping_files import Problems, read_rows
from finops.warehouse.connection import Connection
from finops.warehouse.reference import drop_tables, parquet_problem, store_parquet, store_text

FOLDER = "tables"
KINDS = (".csv", ".parquet", ".yaml", ".yml")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class ReferenceTable:
    """One table: text cells, or a Parquet file that DuckDB reads."""

    name: str
    path: Path
    columns: tuple[str, ...] = ()
    rows: Sequence[Sequence[str | None]] = ()


def read_tables(con: Connection, problems: Problems) -> tuple[list[ReferenceTable], list[tuple[str, bytes]]]:
    """The tables of a folder ``mappings/``, and the bytes that they are made of; what is wrong is noted.

    A table whose rows are wrong in part is given nevertheless: its columns tell a rule what there would be.
    """
    tables: dict[str, ReferenceTable] = {}
    contents = []
    for path in _files(problems.folder / FOLDER):
        name = f"{FOLDER}/{path.name}"
        if path.suffix.lower() not in KINDS or not path.is_file():
            problems.add(name, None, f"is no table: {', '.join(KINDS)} are read")
        elif not _NAME.fullmatch(path.stem):
            problems.add(name, None, f"'{path.stem}' is no table's name: letters, digits and '_', a letter first")
        elif path.stem.lower() in tables:
            problems.add(name, None, f"the table {path.stem} is made of {tables[path.stem.lower()].path.name} already")
        else:
            content = path.read_bytes()
            contents.append((name, content))
            table = _read(con, problems, name, path, content)
            if table:
                tables[path.stem.lower()] = table
    return list(tables.values()), contents


def store_tables(con: Connection, tables: Iterable[ReferenceTable]) -> None:
    """Make ``reference.*``, and nothing else in it."""
    drop_tables(con)
    for table in tables:
        if table.path.suffix.lower() == ".parquet":
            store_parquet(con, table.name, table.path)
        else:
            store_text(con, table.name, table.columns, table.rows)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def _read(con: Connection, problems: Problems, name: str, path: Path, content: bytes) -> ReferenceTable | None:
    kind = path.suffix.lower()
    if kind == ".parquet":
        wrong = parquet_problem(con, path)
        if wrong:
            problems.add(name, None, f"is no Parquet file: {wrong}")
        return None if wrong else ReferenceTable(path.stem, path)
    return (_read_csv if kind == ".csv" else _read_yaml)(problems, name, path, content)


def _read_csv(problems: Problems, name: str, path: Path, content: bytes) -> ReferenceTable | None:
    lines = read_rows(problems, name, content)
    header = [cell.strip() for cell in next(lines, (1, []))[1]]
    if not _names_are_right(problems, name, 1, header):
        return None
    rows = []
    for number, row in lines:
        if len(row) == len(header):
            rows.append([cell.strip() for cell in row])
        elif any(cell.strip() for cell in row):
            problems.add(
                name, number, f"{len(row)} cell{'s' if len(row) != 1 else ''}, but the header has {len(header)} columns"
            )
    return ReferenceTable(path.stem, path, tuple(header), rows)


def _read_yaml(problems: Problems, name: str, path: Path, content: bytes) -> ReferenceTable | None:
    """A list of maps that have the same keys."""
    header: list[str] = []
    rows = []
    given, wrong = yaml_rows(content)
    for number, what in wrong:
        problems.add(name, number, what)
    for number, pairs in given:
        names = [key for key, _ in pairs]
        if not header:
            if not _names_are_right(problems, name, number, names):
                return None
            header = names
        if sorted(names) != sorted(header):
            problems.add(name, number, f"has {', '.join(names) or 'nothing'}, but the first has {', '.join(header)}")
            continue
        cells = dict(pairs)
        rows.append([cells[column] for column in header])
    if not header and not wrong:
        problems.add(name, None, "has no rows: a table is a list of 'column: value' lines")
    return ReferenceTable(path.stem, path, tuple(header), rows) if header else None


def _names_are_right(problems: Problems, name: str, number: int, header: Sequence[str]) -> bool:
    if not header:
        problems.add(name, None, "is empty: the first line names the columns")
        return False
    wrong = [column for column in dict.fromkeys(header) if not _NAME.fullmatch(column)]
    for column in wrong:
        problems.add(name, number, f"'{column}' is no column's name: letters, digits and '_', a letter first")
    folded = [column.lower() for column in header]
    twice = [column for index, column in enumerate(header) if column.lower() in folded[:index]]
    for column in twice:
        problems.add(name, number, f"the column {column} is there twice")
    return not wrong and not twice
