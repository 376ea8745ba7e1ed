"""A result in the format that was asked for. Written whole, or not at all."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from finops.cli.jsontext import dumps, timestamp
from finops.errors import UsageError
from finops.reports.money import plain
from finops.warehouse.ask import Answer

if TYPE_CHECKING:
    from rich.console import Console

FORMATS = ("table", "csv", "json", "jsonl", "markdown", "parquet", "xlsx")
BINARY = ("parquet", "xlsx")
_SHOWN_ROWS = 200
_SHEET_ROWS = 1_048_576
_WORD = 30
_BETWEEN = 3

output_options: list[Callable[[Any], Any]] = [
    click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        help="Default: table on a terminal (rounded for reading), csv otherwise (every digit).",
    ),
    click.option(
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write to a file instead; its ending chooses the format.",
    ),
]


def with_output(command: Any) -> Any:
    """Add ``--format`` and ``--output``."""
    for option in reversed(output_options):
        command = option(command)
    return command


def write(
    answer: Answer, format_: str | None, output: Path | None, *, colour: bool, objects: Sequence[str] = ()
) -> int:
    """Write a result. Returns the number of rows.

    Args:
        objects: columns of JSON text that are objects in JSON, not text.

    Raises:
        UsageError: the format does not go to a terminal, or the file's ending is none we know.
    """
    chosen = format_ or _format_of(output)
    if output is None and chosen in BINARY:
        raise UsageError(f"{chosen} is not text", next_step=f"Give it a file: --output result.{chosen}")
    if chosen in BINARY:
        assert output is not None
        with _whole(output) as partial:
            return _write_frame(answer, chosen, partial)
    rows = answer.rows()
    if objects and chosen in ("json", "jsonl"):
        rows = _with_objects(rows, [answer.columns.index(name) for name in objects])
    counted = _Counted(rows)
    result = Result(answer.columns, answer.types, answer.unique_columns, iter(counted))
    if output is not None:
        with _whole(output) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            _TEXT[chosen](result, file, False)
    else:
        _TEXT[chosen](result, sys.stdout, colour and sys.stdout.isatty())
        sys.stdout.flush()
    return counted.count


@dataclass(frozen=True)
class Result:
    """An answer while it is written."""

    columns: Sequence[str]
    types: Sequence[str]
    keys: Sequence[str]
    """The columns' names for formats in which a name can't stand twice."""
    rows: Iterator[Sequence[Any]]


class _Counted:
    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for row in self._rows:
            self.count += 1
            yield row


def _with_objects(rows: Iterator[tuple[Any, ...]], places: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        yield tuple(
            json.loads(cell, parse_float=Decimal) if place in places and cell is not None else cell
            for place, cell in enumerate(row)
        )


def _format_of(output: Path | None) -> str:
    if output is None:
        return "table" if sys.stdout.isatty() else "csv"
    ending = output.suffix.lstrip(".").lower()
    known = {"md": "markdown", "ndjson": "jsonl", "txt": "table", **{name: name for name in FORMATS}}
    if ending not in known:
        raise UsageError(
            f"'{output.name}' does not say which format it should have",
            next_step=f"Give --format, or end it in one of: {', '.join('.' + name for name in known)}.",
        )
    return known[ending]


@contextmanager
def _whole(output: Path) -> Iterator[Path]:
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial{output.suffix}")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def text(value: Any) -> str:
    """A value for a person's eye or a CSV: decimals in full, NULL empty."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (dict, list)):
        return dumps(value, indent=None)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _csv(answer: Result, file: IO[str], colour: bool) -> None:
    import csv

    from finops.reports.csv import cell

    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(cell, answer.columns))
    for row in answer.rows:
        writer.writerow(map(cell, row))


def _json(answer: Result, file: IO[str], colour: bool) -> None:
    first = True
    file.write("[")
    for row in answer.rows:
        file.write(("\n  " if first else ",\n  ") + dumps(dict(zip(answer.keys, row, strict=True)), indent=None))
        first = False
    file.write("]\n" if first else "\n]\n")


def _jsonl(answer: Result, file: IO[str], colour: bool) -> None:
    for row in answer.rows:
        file.write(dumps(dict(zip(answer.keys, row, strict=True)), indent=None) + "\n")


def _markdown(answer: Result, file: IO[str], colour: bool) -> None:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"

    file.write(line(list(answer.columns)))
    file.write(line(["---:" if _numeric(type_) else "---" for type_ in answer.types]))
    for row in answer.rows:
        file.write(line([text(value) for value in row]))


def _numeric(type_: str) -> bool:
    return type_.upper().startswith(
        ("DECIMAL", "NUMBER", "INT", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "UINT", "UBIGINT")
    )


def _table(answer: Result, file: IO[str], colour: bool) -> None:
    from rich.console import Console

    shown: list[list[str]] = []
    more = 0
    for index, row in enumerate(answer.rows):
        if index < _SHOWN_ROWS:
            shown.append([_shown(value) for value in row])
        else:
            more += 1
    width = None if file is sys.stdout and sys.stdout.isatty() else 160
    console = Console(file=file, no_color=not colour, highlight=False, markup=False, width=width)
    for names in ([str(each) for each in answer.columns], [_folded(each) for each in answer.columns]):
        if sum(_least(names, answer.types, shown)) + _BETWEEN * len(names) <= console.width:
            _print_columns(names, answer.types, shown, console)
            break
    else:
        _print_records(answer, shown, console)
    if not shown:
        file.write("no rows\n")
    if more:
        file.write(f"… and {more:,} more rows: --format csv gives them all\n")


def _folded(name: str) -> str:
    """``PreviousEffectiveCost`` in lines: Previous, Effective, Cost."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "\n", name)


def _widest(name: str) -> int:
    return max(map(len, name.splitlines()), default=0)


def _least(names: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """The widths at which columns can be read: names, numbers and words are whole, unless a word is long."""
    widths = []
    for index, (name, type_) in enumerate(zip(names, types, strict=True)):
        words = (word for row in rows for word in ([row[index]] if _numeric(type_) else row[index].split()))
        widest = max(map(len, words), default=0)
        widths.append(max(_widest(name), widest if _numeric(type_) else min(widest, _WORD)))
    return widths


def _print_columns(names: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for name, type_, least in zip(names, types, _least(names, types, rows), strict=True):
        numeric = _numeric(type_)
        table.add_column(
            name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric, min_width=least
        )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _print_records(answer: Result, rows: Sequence[Sequence[str]], console: Console) -> None:
    """A row below the other, each with a line per column: for what is too wide for the terminal."""
    from rich.table import Table

    for row in rows:
        record = Table.grid(padding=(0, 2))
        record.add_column(style="bold", no_wrap=True)
        record.add_column(overflow="fold")
        for column, value in zip(answer.columns, row, strict=True):
            if value:
                record.add_row(column, value)
        console.print(record)
        console.print()


def _shown(value: Any) -> str:
    """A decimal rounded for reading: two places, and six below one. Every other format has all digits."""
    if isinstance(value, Decimal):
        if abs(value) >= 1 or value == round(value, 2):
            return f"{value:,.2f}"
        return f"{value:.6f}".rstrip("0")
    return text(value)


_TEXT: dict[str, Callable[[Result, IO[str], bool], None]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
    "markdown": _markdown,
}


def _write_frame(answer: Answer, chosen: str, path: Path) -> int:
    """Straight from the database's columns: no cell becomes a Python object on its way to Parquet."""
    import polars

    try:
        frame = answer.arrow(polars.DataFrame)
    except polars.exceptions.ComputeError as error:  # the database's error, met while its rows were read
        raise UsageError(str(error).removeprefix("got external error: ")) from error
    if chosen == "parquet":
        frame.write_parquet(path)
        return frame.height
    if frame.height >= _SHEET_ROWS:
        raise UsageError(
            f"there are {frame.height:,} rows, and a sheet of a workbook has {_SHEET_ROWS:,}",
            next_step="Ask for fewer, or write .parquet or .csv.",
        )
    buffer = io.BytesIO()
    frame.write_excel(buffer, autofit=True, header_format={"bold": True}, freeze_panes="A2")
    path.write_bytes(buffer.getvalue())
    return frame.height
