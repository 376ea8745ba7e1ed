"""When a cell cannot be converted: which file, row and column it is. Runs only after a load has failed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from finops.errors import BadInputError
from finops.formats.files import PhysicalFile
from finops.formats.read import TypedColumn, base_sql, typed_columns
from finops.formats.spec import FormatSpec


class Cursor(Protocol):
    """What is needed of a database connection."""

    def execute(self, query: str) -> Cursor: ...
    def fetchone(self) -> tuple[object, ...] | None: ...
    def fetchall(self) -> list[tuple[object, ...]]: ...


NEXT = {
    "money": "A cost must be a plain number such as 1234.56 or 4e-07. Fix the cell at its source or export again.",
    "quantity": "A quantity must be a plain number. Fix the cell at its source or export again.",
    "number": "A price must be a plain number. Fix the cell at its source or export again.",
    "month": "Dates must be in the format's own spelling; finops does not guess day and month.",
    "timestamp": "Dates must be in the format's own spelling; finops does not guess day and month.",
    "map": "Tags must be a JSON object. Export again; a program that edits CSVs may have cut the cell.",
    "pairs": "Labels must be a JSON list of key and value.",
}


def explain(
    con: Cursor,
    spec: FormatSpec,
    files: Sequence[PhysicalFile],
    names: Sequence[str],
    paths: Mapping[Path, Path],
    error: Exception,
) -> BadInputError:
    """The error that names the cell; where it cannot be found, DuckDB's own words."""
    con.execute("SET preserve_insertion_order = true")
    try:
        for file, name in zip(files, names, strict=True):
            try:
                found = _explain_file(con, spec, file, name, paths)
            except Exception as failed:  # whatever breaks while looking is what is wrong with the file
                found = reading_error(failed, name)
            if found:
                return found
    finally:
        con.execute("SET preserve_insertion_order = false")
    return BadInputError(
        f"cannot be read: {_first_line(str(error))}", where=", ".join(names[:3]), next_step="Fetch or export it again."
    )


def _explain_file(
    con: Cursor, spec: FormatSpec, file: PhysicalFile, name: str, paths: Mapping[Path, Path]
) -> BadInputError | None:
    base = base_sql([file], paths, spec)
    try:
        described = {str(row[0]): str(row[1]) for row in con.execute(f"DESCRIBE {base}").fetchall()}
        if file.kind == "parquet":
            con.execute(f"SELECT count(*) FROM (SELECT hash(COLUMNS(*)) FROM ({base}))").fetchone()
        else:  # text is parsed once, then looked at column by column
            con.execute(f"CREATE OR REPLACE TEMP TABLE diagnosed AS {base}")
            base = "SELECT * FROM temp.diagnosed"
    except Exception as error:  # any failure of the reader itself is the answer we look for
        return reading_error(error, name)
    plain = replace(spec, columns=tuple(replace(column, narrow=False) for column in spec.columns))
    try:
        for column, declared in zip(typed_columns(plain, described), spec.columns, strict=True):
            if column.physical and _raises(con, f"SELECT count({column.expression}) FROM ({base})"):
                row, cell, value = _first_bad_cell(con, column, base)
                return BadInputError(
                    f"cannot read {_shown(value)} as {_article(declared.type)}",
                    where=f"{name}, {_place(con, file, base, row)}, column {cell}",
                    next_step=NEXT.get(declared.type, "Fix the cell at its source or export again."),
                )
    finally:
        con.execute("DROP TABLE IF EXISTS temp.diagnosed")
        con.execute("DROP TABLE IF EXISTS temp.diagnosed_cells")
    return None


def _place(con: Cursor, file: PhysicalFile, base: str, row: int) -> str:
    """The line of a CSV, where no cell before it holds a line break; else the row, which an editor does not show."""
    if file.kind == "csv" and not any("\n" in column for column in file.columns):
        before = f"SELECT row_number() OVER () AS finops_row, CAST(t AS VARCHAR) AS cells FROM ({base}) AS t"
        broken = f"SELECT 1 FROM ({before}) WHERE finops_row < {row} AND contains(cells, chr(10))"
        if not con.execute(f"{broken} LIMIT 1").fetchone():
            return f"line {row + 1}"
    return f"row {row}"


def _raises(con: Cursor, query: str) -> bool:
    try:
        con.execute(query).fetchone()
    except Exception:  # the loader has failed with it already; here we only ask where
        return True
    return False


def _first_bad_cell(con: Cursor, column: TypedColumn, base: str) -> tuple[int, str, object]:
    """The first row whose conversion raises, found by halving, and its cell."""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE diagnosed_cells AS "
        f"SELECT row_number() OVER () AS finops_row, {', '.join(column.physical)} FROM ({base})"
    )
    counted = con.execute("SELECT count(*) FROM temp.diagnosed_cells").fetchone()
    first, last = 1, int(str(counted[0])) if counted else 1
    while first < last:
        middle = (first + last) // 2
        rows = f"SELECT * FROM temp.diagnosed_cells WHERE finops_row BETWEEN {first} AND {middle}"
        if _raises(con, f"SELECT count({column.expression}) FROM ({rows})"):
            last = middle
        else:
            first = middle + 1
    shown = ", ".join(f"CAST({cell} AS VARCHAR)" for cell in column.physical)
    cells = con.execute(f"SELECT {shown} FROM temp.diagnosed_cells WHERE finops_row = {first}").fetchone() or ()
    filled = ((cell, value) for cell, value in zip(column.physical, cells, strict=False) if value not in (None, ""))
    cell, value = next(filled, (column.physical[0], ""))
    return first, cell.strip('"'), value


def reading_error(error: Exception, name: str) -> BadInputError:
    """DuckDB's complaint about a file, in our words, with the line where it tells one."""
    text = str(error)
    line = re.search(r"[Ll]ine:? ?(\d+)", text)
    where = f"{name}, line {line[1]}" if line else name
    for pattern, what, step in _KNOWN:
        if re.search(pattern, text, re.IGNORECASE):
            return BadInputError(what, where=where, next_step=step)
    return BadInputError(f"cannot be read: {_first_line(text)}", where=where, next_step="Fetch or export it again.")


_KNOWN = (
    (r"maximum line size|max_line_size|maximum_object_size|Maximum object size", "a row is more than 2 MB long",
     "No provider writes such rows: a quote is missing, or the tags were tampered with."),
    (r"unicode|not utf-8|byte sequence", "is not UTF-8", "Convert it (iconv -f WINDOWS-1252 -t UTF-8) or export it again."),
    (r"gzip|GZIP|decompress|deflate|inflate|zlib", "the gzip data is damaged or cut off", "Fetch the file again."),
    (r"No magic bytes|footer|magic bytes at end|too small to be a Parquet|not a parquet|Invalid Parquet|page header",
     "the Parquet file is damaged or cut off", "Fetch the file again."),
    (r"Snappy|Out of buffer|thrift|TProtocol|ZSTD|Decompression|dictionary|RLE|bit-?pack",
     "the Parquet file is damaged or cut off", "Fetch the file again."),
    (r"Expected Number of Columns: (\d+) Found: (\d+)|Too many columns|Missing columns|not enough columns",
     "a row has more or fewer cells than the header has columns", "The file was cut off or edited. Fetch or export it again."),
    (r"unterminated quote|Value with unterminated", "a quoted cell never ends",
     "The file was cut off or edited. Fetch or export it again."),
    (r"Malformed JSON", "a line is not JSON", "The file was cut off or edited. Fetch it again."),
)  # fmt: skip


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _article(type_: str) -> str:
    return {
        "money": "an amount of money",
        "number": "a number",
        "quantity": "a number",
        "timestamp": "a date and time",
        "month": "a date and time",
        "epoch": "seconds since 1970",
        "map": "a JSON object",
        "pairs": "a list of labels",
        "json": "JSON",
        "records": "a list of records",
    }.get(type_, "text")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300] if text.strip() else "no reason given"
