"""A query with its parameters' values put in, so that it runs in any DuckDB client."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from finops.rules.header import QueryFile


def bound_sql(query: QueryFile, today: date) -> str:
    """The body with literals for ``$name``: declared defaults, the calendar, and last week where it asks for a period."""
    monday = today - timedelta(days=today.weekday() + 7)
    values: dict[str, Any] = {name: parameter.default for name, parameter in query.params.items()}
    values |= {"today": today, "team": None, "period_start": monday, "period_end": monday + timedelta(days=7)}
    values |= {"previous_start": monday - timedelta(days=7), "previous_end": monday}
    names = "|".join(sorted(map(re.escape, values), key=len, reverse=True))
    return re.sub(rf"\$({names})\b", lambda match: _literal(values[match[1]]), query.body)


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
