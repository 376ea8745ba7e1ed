"""CSV as RFC 4180 has it, for spreadsheets and programs alike: every digit, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from finops.reports.money import plain

_BLANK = r"[\s\x00-\x1f\x7f-\xa0\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*"
_SIGN = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(rf"[\t\r\n]|{_BLANK}{_SIGN}")
"""What a spreadsheet may take for a formula when it opens the file: a sign, also after blanks or what cannot be seen, and also in
the wide form that an East Asian keyboard has. A tab or line's end at the start too: some drop it and look again."""
_BETWEEN = re.compile(r"[;\t\r\n]")
_NEXT_CELL = re.compile(rf"([;\t\r\n]{_BLANK})(?={_SIGN})")
"""Where a spreadsheet that takes a semicolon, a tab or every line's end for the cell's would begin a formula."""


def cell(value: Any) -> str:
    """One value as text.

    Numbers are plain (no exponent, no separator) and never altered. Text that a spreadsheet would take for a formula
    gets a leading apostrophe, also behind a semicolon, a tab or a line's end within it. Nothing is an empty cell. Maps, structs and
    lists are JSON with sorted keys. NUL, at which programs stop reading, becomes U+FFFD.
    """
    writer = _WRITERS.get(type(value))
    return writer(value) if writer else _text(json_text(value))


def _text(text: str) -> str:
    if text.isalnum():
        return text
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    mark = "'" if _FORMULA.match(text) else ""
    if _BETWEEN.search(text):
        text = _NEXT_CELL.sub(r"\1'", text)
    return f"{mark}{text}"


def _moment(value: datetime) -> str:
    return value.isoformat(sep="T", timespec="seconds" if not value.microsecond else "microseconds")


_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: lambda value: "true" if value else "false",
    Decimal: plain,
    int: str,
    float: repr,
    datetime: _moment,
    date: date.isoformat,
    str: _text,
}


def json_text(value: Any) -> str:
    """A map, a struct or a list as JSON with sorted keys; anything else as it says itself."""
    if not isinstance(value, (Mapping, list, tuple)):
        return str(value)
    return json.dumps(json_ready(value), ensure_ascii=False, sort_keys=True, default=cell, separators=(",", ":"))


def json_ready(value: Any) -> Any:
    """The value as JSON can say it: keys are text (a histogram's are dates or numbers), NaN and infinity are null."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else _key(key): json_ready(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _key(value: Any) -> str:
    return "null" if value is None else cell(value).removeprefix("'")


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The whole table as text: a header line, comma, CRLF, quotes only where needed."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow([cell(column) for column in columns])
    writer.writerows([cell(value) for value in row] for row in rows)
    return buffer.getvalue()
