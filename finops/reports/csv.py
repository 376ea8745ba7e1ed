"""CSV as RFC 4180 has it, for spreadsheets and programs alike: every digit, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from finops.reports.money import plain

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
                   "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
"""Some spreadsheets take the wide forms of East Asian writing for the plain ones."""


def cell(value: Any) -> str:
    """One value as text.

    Numbers are plain (no exponent, no separator) and never altered. Text that a spreadsheet would take for a formula
    gets a leading apostrophe. Nothing is an empty cell. Maps, structs and lists are JSON with sorted keys.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime):
        return value.isoformat(sep="T", timespec="seconds" if not value.microsecond else "microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (Mapping, list, tuple)):
        value = json.dumps(json_ready(value), ensure_ascii=False, sort_keys=True, default=cell, separators=(",", ":"))
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


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
