"""Tables and paragraphs of plain text, 72 columns wide, for mail programs that show no HTML."""

from __future__ import annotations

import re
import textwrap
import unicodedata

from finops.reports.tables import Table

WIDTH = 72
_GAP = 2
_MONEY = re.compile(r"\b([A-Z]{3}) (?=[\d\N{MINUS SIGN}])")
"""A currency that its number should stand beside."""
_LONGEST = 22
"""Of a text that is not in the first column."""
_SHORTEST = 14
"""Of the first column, whatever the numbers beside it need."""


def wrapped(text: str, indent: int = 0) -> str:
    """The paragraph in lines of 72 columns; the lines after the first are indented. Spaces that do not break stay."""
    whole = _MONEY.sub("\\1\N{NO-BREAK SPACE}", text)
    return textwrap.fill(whole, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)


def text_table(table: Table) -> str:
    """Head, rows, what the rest adds up to and the total, in columns. Numbers stand right and are never cut; texts are."""
    foot = [row for row in (table.other, table.total) if row]
    head = [column.label for column in table.columns]
    body = [[cell.text for cell in row.cells] for row in (*table.rows, *foot)]
    numbers = [column.is_number for column in table.columns]
    widths = [_width_of(index, [head, *body], numbers) for index in range(len(head))]
    widths[0] = min(widths[0], max(_SHORTEST, WIDTH - sum(widths[1:]) - _GAP * (len(widths) - 1)))
    rule = "-" * (sum(widths) + _GAP * (len(widths) - 1))
    lines = [_line(head, widths, numbers), rule, *(_line(each, widths, numbers) for each in body)]
    if table.total:
        lines.insert(-1, rule)
    notes = [
        f"{column.label}: {cell.text} {cell.note}."
        for column, cell in zip(table.columns, table.total.cells if table.total else (), strict=False)
        if cell.note
    ]
    return "\n".join([*lines, *map(wrapped, [*notes, table.more] if table.more else notes)])


def _width_of(index: int, lines: list[list[str]], numbers: list[bool]) -> int:
    widest = max(columns(line[index]) for line in lines)
    return widest if numbers[index] or not index else min(widest, _LONGEST)


def _line(texts: list[str], widths: list[int], numbers: list[bool]) -> str:
    cells = []
    for text, width, is_number in zip(texts, widths, numbers, strict=True):
        shown = text if is_number else fitted(text, width)
        space = " " * (width - columns(shown))
        cells.append(f"{space}{shown}" if is_number else f"{shown}{space}")
    return (" " * _GAP).join(cells).rstrip()


def fitted(text: str, width: int) -> str:
    """The text in so many columns, its end replaced by an ellipsis if it must."""
    if columns(text) <= width:
        return text
    kept = ""
    for letter in text:
        if columns(kept + letter) > width - 1:
            break
        kept += letter
    return f"{kept}\N{HORIZONTAL ELLIPSIS}"


def columns(text: str) -> int:
    """How many columns a text takes where every letter is as wide: two for those of East Asia, none for what is put above."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
