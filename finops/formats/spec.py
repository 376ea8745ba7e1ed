"""A billing format, as the header of its file in ``queries/normalise/`` declares it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from finops.errors import QueryFileError
from finops.formats.quantities import QuantityRule
from finops.rules.header import QueryFile

COLUMN_TYPES = (
    "text",
    "money",
    "number",
    "quantity",
    "timestamp",
    "month",
    "epoch",
    "map",
    "pairs",
    "json",
    "records",
    "stated",
)
"""What a delivered column may be declared as.

text: kept as it is. money, number: DECIMAL(38,18). quantity: DECIMAL(38,12), because byte-seconds have many digits before the
point and few after it. timestamp: TIMESTAMP in UTC. epoch: seconds since 1970.
month: the first of a timestamp's month. Dimensions must not read what changes from row to row, or each row becomes one:
a billing period that has to be derived from a usage time is derived through this type.
map: MAP(VARCHAR, VARCHAR). pairs: a list of {key, value} as such a map. json: kept as JSON text.
records: a list of records with declared fields. stated: TRUE where the cell holds anything, else NULL; for dimensions that
depend on a measure's being there (its unit) and must not read the measure itself.
"""


@lru_cache(maxsize=8192)
def fold(name: str) -> str:
    """The spelling under which column names are compared: ``lineItem/UnblendedCost`` = ``line_item_unblended_cost``."""
    return re.sub(r"[\W_]+", "", name.casefold())


@lru_cache(maxsize=8192)
def spellings(name: str) -> tuple[str, ...]:
    """The folded names under which a delivered column is known: ``Kosten (PreTaxCost)`` of a localised export is both."""
    inner = re.search(r"\(([^()]+)\)\s*$", name)
    return tuple(filter(None, (fold(name), fold(inner[1]) if inner else "")))


@dataclass(frozen=True)
class ColumnSpec:
    """One delivered column that a mapping reads."""

    name: str
    type: str
    candidates: tuple[str, ...]
    """The spellings under which files deliver it, the preferred first: ``a``, ``a.b`` (a field), ``a[b]`` (a map's key)."""
    prefixes: tuple[str, ...] = ()
    """Type map only: columns that begin so are gathered into the map."""
    fields: tuple[tuple[str, str], ...] = ()
    """Type records only: the fields and their types (text or money)."""
    lenient: str = ""
    """Why a cell that can't be read may become NULL here. Empty: it is an error, as it should be."""
    narrow: bool = False
    """Computed for every row before dimensions are told apart: for cells that change from row to row, of which little is
    read that does not (the kinds of credits, but not their amounts)."""


@dataclass(frozen=True)
class FormatSpec:
    """How to recognise and read one format, and the SQL that maps it."""

    query: QueryFile
    provider: str
    detect: tuple[tuple[str, ...], ...]
    """All of these columns must be there; of each inner tuple any one will do. Folded names."""
    columns: tuple[ColumnSpec, ...]
    nulls: tuple[str, ...]
    """Texts that mean NULL."""
    timestamps: tuple[str, ...]
    """strptime formats tried in order."""
    records: str
    """JSON pages: the path to the records, such as ``data.results``; empty for rows."""
    yields: str
    """``charges``; ``utilisation`` for usage and metrics, ``inventory`` for resources, ``skus`` for a catalogue, ``reads`` for
    what could be read: these state no money."""
    grade: str = ""
    """What these bills lack against line items, in words; empty: nothing. Reports say it."""
    quantities: QuantityRule | None = None
    """Where the charges' quantities are, if not in the charges."""

    @property
    def id(self) -> str:
        """The mapping's id, which is what ``--format`` takes."""
        return self.query.id


ISO_TIMESTAMPS = (
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%d %H:%M:%S UTC",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S.%f%z",
    "%Y-%m-%d %H:%M:%S.%f UTC",
    "%Y-%m-%dT%H:%MZ",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S.%nZ",
    "%Y-%m-%dT%H:%M:%S.%n",
    "%Y-%m-%dT%H:%M:%S.%n%z",
    "%Y%m",
)


@lru_cache(maxsize=256)
def read_spec(query: QueryFile) -> FormatSpec:
    """The format that a file in ``queries/normalise/`` declares.

    Raises:
        QueryFileError: a column's declaration is wrong.
    """
    extra = query.extra
    columns = tuple(_column(query, name, spec) for name, spec in extra["reads"].items())
    detect = tuple(
        tuple(fold(name) for name in (item if isinstance(item, list) else [item])) for item in extra["detect"]
    )
    return FormatSpec(
        query=query,
        provider=extra["provider"],
        detect=detect,
        columns=columns,
        nulls=tuple(extra.get("nulls", [""])),
        timestamps=tuple(extra.get("timestamps", ())) or ISO_TIMESTAMPS,
        records=extra.get("records", ""),
        yields=extra.get("yields", "charges"),
        grade=extra.get("grade", ""),
        quantities=_quantities(query),
    )


def _quantities(query: QueryFile) -> QuantityRule | None:
    rule = query.extra.get("quantities")
    if rule is None:
        return None
    if not isinstance(rule, dict) or rule.keys() != {"pages", "field", "by", "where_null"}:
        raise QueryFileError(
            "'quantities' is declared wrongly",
            where=str(query.path),
            next_step="It takes pages, field, by and where_null.",
        )
    return QuantityRule(rule["pages"], rule["field"], tuple(rule["by"]), tuple(rule["where_null"]))


def _column(query: QueryFile, name: str, spec: Any) -> ColumnSpec:
    options: dict[str, Any] = {"type": spec} if isinstance(spec, str) else dict(spec)
    unknown = options.keys() - {"type", "from", "prefix", "fields", "lenient", "narrow"}
    if unknown or options.get("type") not in COLUMN_TYPES:
        raise QueryFileError(
            f"column '{name}' in 'reads' is declared wrongly: {spec!r}",
            where=str(query.path),
            next_step=f"A column is 'name: type' or 'name: {{type: …, from: […]}}'; types: {', '.join(COLUMN_TYPES)}.",
        )
    return ColumnSpec(
        name=name,
        type=options["type"],
        candidates=tuple(_list(options.get("from", name))),
        prefixes=tuple(_list(options.get("prefix", ()))),
        fields=tuple((options.get("fields") or {}).items()),
        lenient=options.get("lenient", ""),
        narrow=options.get("narrow", False) or options["type"] in ("month", "stated"),
    )


def _list(value: str | Iterable[str]) -> Iterable[str]:
    return [value] if isinstance(value, str) else value
