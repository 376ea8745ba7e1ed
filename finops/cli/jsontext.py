"""JSON in which a decimal is a plain number with all its digits, never a float."""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from finops.reports.csv import json_ready
from finops.reports.money import plain

_MARKED = re.compile(r'"\\u0000(-?[0-9.]+)\\u0000"')


def dumps(value: Any, indent: int | None = 2) -> str:
    """JSON text. Decimals are numbers, dates ISO 8601 text, NaN and infinity null; keys are text."""
    try:
        text = json.dumps(value, indent=indent, default=_other, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):  # a key that is no text, or a number that JSON does not have
        text = json.dumps(json_ready(value), indent=indent, default=_other, ensure_ascii=False, allow_nan=False)
    return _MARKED.sub(r"\1", text)


def timestamp(value: datetime) -> str:
    """ISO 8601; warehouse times are UTC."""
    return value.isoformat() + ("Z" if value.tzinfo is None else "")


def _other(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"\0{plain(value)}\0"
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
