"""What a SQL file of each layer must look like and give back; checked without data (``finops queries check``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date

from finops.errors import FinopsError, QueryFileError
from finops.rules.catalogue import Catalogue
from finops.rules.header import LAYERS, QueryFile, header_line, nearest
from finops.rules.mappings import Mappings, store_mappings
from finops.rules.run import BUILT_IN, bound_names, describe, used_parameters
from finops.rules.shared import make_finding_tables, make_macros
from finops.rules.sql_errors import line_of
from finops.warehouse.connection import Connection, connect
from finops.warehouse.schema import migrate

METHODS = ("direct", "inherited", "mapped", "split", "default")
GRADES = ("stop", "warn")
WRITES = ("x_WorkloadKind", "ServiceCategory", "ServiceSubcategory")
"""The columns that a classify query may write."""

ALLOCATE = {"x_DimensionId": "whole number", "Team": "text", "x_AllocationReason": "text"}
"""A rule that decides on charges. With ``Weight`` it shares them; ``ValidFrom`` and ``ValidUntil`` (exclusive) limit it in time."""
ALLOCATE_OPTIONAL = {"Weight": "number", "ValidFrom": "time", "ValidUntil": "time"}
SPLIT = {"Pool": "text", "Team": "text"}
"""A rule that divides pools (``splits: pools``) gives one of ``Weight`` (of any sum) and ``Percent`` (100 in all) as well."""
SPLIT_OPTIONAL = {
    "Weight": "number", "Percent": "number", "BillingCurrency": "text", "ValidFrom": "time", "ValidUntil": "time",
    "x_AllocationReason": "text",
}  # fmt: skip
FINDING = {
    "provider": "text",
    "account_id": "text",
    "region": "text",
    "resource_id": "text",
    "resource_name": "text",
    "resource_type": "text",
    "workload_kind": "text",
    "status": "text",
    "confidence": "text",
    "window_start": "time",
    "window_end": "time",
    "billed_hours": "decimal",
    "cost_in_window": "decimal",
    "monthly_cost": "decimal",
    "monthly_saving": "decimal",
    "currency": "text",
    "reason": "text",
    "evidence": "json",
}
"""What a finding's query returns; the engine adds finding_id, rule_id, rule_version, team and recommended_action."""

_TYPES = {
    "text": r"VARCHAR",
    "time": r"TIMESTAMP|DATE",
    "decimal": r"DECIMAL\(\d+,\d+\)",
    "json": r"JSON",
    "whole number": r"BIGINT|INTEGER|HUGEINT",
    "number": r"DECIMAL\(\d+,\d+\)|U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER",
}
_FOR_WINDOWS = date(2026, 1, 1)


def check_catalogue(catalogue: Catalogue) -> int:
    """Check every file of every layer; the answer is how many there are.

    Raises:
        QueryFileError: naming every problem of every file.
    """
    number, problems = catalogue_problems(catalogue)
    if problems:
        raise QueryFileError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the queries:\n  " + "\n  ".join(problems),
            next_step="docs/queries.md says what each layer's files must hold.",
        )
    return number


def catalogue_problems(
    catalogue: Catalogue, mappings: Mappings | None = None, layers: Sequence[str] = LAYERS
) -> tuple[int, list[str]]:
    """How many files there are, and what is wrong with them, each with its place.

    Args:
        mappings: the workspace's: rules may read its tables.
        layers: only these are looked at.
    """
    readable, errors = catalogue.readable(layers)
    problems = [f"{error.where}: {error.what}" for error in errors]
    queries = list(readable)
    problems += list(_across_files(queries))
    con = scratch(catalogue, mappings)
    try:
        for query in queries:
            problems += [f"{place}: {problem}" for place, problem in query_problems(con, query)]
    finally:
        con.close()
    return len(queries) + len(errors), problems


def scratch(catalogue: Catalogue, mappings: Mappings | None = None) -> Connection:
    """An empty warehouse in memory with everything that queries may read."""
    con = connect(None)
    migrate(con)
    make_macros(con, catalogue, "classify")
    store_mappings(con, mappings or Mappings())
    make_macros(con, catalogue, "allocate")
    make_finding_tables(con, catalogue, _FOR_WINDOWS, 1)
    make_macros(con, catalogue, "findings")
    return con


def query_problems(con: Connection, query: QueryFile) -> Iterator[tuple[str, str]]:
    """What is wrong with one file, against a warehouse that may be empty: places and problems."""
    if query.layer == "normalise":  # its columns are checked where formats are read
        return
    path = str(query.path)
    yield from ((f"{path}{header_line(query.path, key)}", problem) for key, problem in _header_problems(query))
    try:
        used = used_parameters(con, query)
        unknown = list(_parameter_problems(query, used))
        yield from ((path + line, problem) for line, problem in unknown)
        if any("not declared" in problem for _, problem in unknown):
            return
        found = describe(con, query, {name: _stand_in(query, name) for name in used})
    except FinopsError as error:
        yield error.where or path, error.what
        return
    yield from ((path, problem) for problem in column_problems(query, found))


def _parameter_problems(query: QueryFile, used: set[str]) -> Iterator[tuple[str, str]]:
    """Lines (``:7``, or nothing) and problems."""
    declared = {name for parameter in query.params.values() for name in bound_names(parameter)}
    yield from (
        (line_of(query, f"${name}"), f"${name} is used but not declared{nearest(name, [*declared, *BUILT_IN])}")
        for name in sorted(used - declared - set(BUILT_IN))
    )
    yield from (
        ("", f"parameter '{parameter.name}' is declared but not used")
        for parameter in query.params.values()
        if not used.intersection(bound_names(parameter))
    )


def _stand_in(query: QueryFile, name: str) -> object:
    """Any value of the right type: nothing is run."""
    parameter = query.params.get(name)
    kind = parameter.type if parameter else "date"
    return {"integer": 1, "decimal": 1, "text": ""}.get(kind, _FOR_WINDOWS)


def _header_problems(query: QueryFile) -> Iterator[tuple[str, str]]:
    """Keys and what is wrong with them."""
    extra = query.extra
    if "order" in extra and not isinstance(extra["order"], int):
        yield "order", f"order must be a whole number, not '{extra['order']}'"
    if query.layer == "allocate" and extra.get("method") not in METHODS:
        yield "method", f"method must be one of {', '.join(METHODS)}{nearest(str(extra.get('method')), list(METHODS))}"
    if extra.get("splits", "pools") != "pools":
        yield "splits", f"splits must be 'pools', not '{extra['splits']}'"
    if "splits" in extra and extra.get("method") != "split":
        yield "method", f"a rule that splits pools has the method split, not {extra.get('method')}"
    keys = [key for key in ("valid_from", "valid_until") if key in extra]
    days = [extra[key] for key in keys]
    yield from ((key, f"'{extra[key]}' is no day such as 2026-10-01") for key in keys if type(extra[key]) is not date)
    if len(days) == 2 and all(type(day) is date for day in days) and days[0] >= days[1]:
        yield "valid_until", f"valid_until {days[1]} is exclusive and must come after valid_from {days[0]}"
    if query.layer == "checks" and extra.get("grade") not in GRADES:
        yield "grade", f"grade must be one of {', '.join(GRADES)}{nearest(str(extra.get('grade')), list(GRADES))}"
    for key in ("check", "change"):
        yield from ((key, problem) for problem in _command_problems(key, extra.get(key, {})))
    if query.layer == "classify":
        writes = extra.get("writes")
        if not isinstance(writes, list) or not writes:
            yield "writes", f"writes must be a list of {', '.join(WRITES)}"
        else:
            yield from (
                ("writes", f"writes: there is no column '{name}' to classify{nearest(str(name), list(WRITES))}")
                for name in writes
                if name not in WRITES
            )


_READS = re.compile(
    r"^(aws \S+ (describe|list|get|batch-get|head)-|gcloud .*\b(describe|list|read)\b|az .*\b(show|list)\b|kubectl get )"
)


def _command_problems(key: str, commands: object) -> Iterator[str]:
    """What is wrong with the commands that a rule recommends, by provider or provider and kind of resource."""
    if not isinstance(commands, dict) or not all(isinstance(text, str) for text in commands.values()):
        yield f"{key} must be 'PROVIDER: command' lines"
        return
    if key == "check":
        yield from (f"check: '{text}' does more than read" for text in commands.values() if not _READS.match(text))


def refuse_columns(query: QueryFile, found: dict[str, str]) -> None:
    """A query gives the columns of its layer's contract, in their types.

    Raises:
        QueryFileError: naming all that are not so.
    """
    problems = list(column_problems(query, found))
    if problems:
        raise QueryFileError("; ".join(problems), where=str(query.path), next_step="docs/queries.md has the contract.")


def column_problems(query: QueryFile, found: dict[str, str]) -> Iterator[str]:
    """What is wrong with the columns (name -> DuckDB type) that a query gives."""
    required, optional = _contract(query)
    if not required:
        return
    known = required | optional
    for name, kind in known.items():
        if name not in found:
            if name in required:
                yield f"does not return the column '{name}'{nearest(name, sorted(found.keys() - known.keys()))}"
        elif not re.fullmatch(_TYPES[kind], found[name]):
            hint = "; money, hours and weights are DECIMAL, never DOUBLE" if kind in ("decimal", "number") else ""
            yield f"column '{name}' is {found[name]}, but must be {_IN_WORDS.get(kind, kind)}{hint}"
    yield from (
        f"returns the column '{name}', which the contract does not have{nearest(name, list(known))}"
        for name in found
        if name not in known
    )
    if query.extra.get("splits") and ("Weight" in found) == ("Percent" in found):
        yield "returns one of the columns Weight and Percent: what a pool is divided by"
    if query.layer == "allocate" and "Weight" in found and query.extra.get("method") != "split":
        yield f"returns Weight, so its method is split, not {query.extra.get('method')}"


_IN_WORDS = {"number": "a whole number or DECIMAL"}


def _contract(query: QueryFile) -> tuple[dict[str, str], dict[str, str]]:
    """The columns that a query must return and those that it may."""
    if query.layer == "allocate":
        return (SPLIT, SPLIT_OPTIONAL) if query.extra.get("splits") else (ALLOCATE, ALLOCATE_OPTIONAL)
    if query.layer == "classify" and isinstance(query.extra.get("writes"), list):
        return {"x_DimensionId": "whole number"} | {str(name): "text" for name in query.extra["writes"]}, {}
    return (FINDING, {}) if query.layer == "findings" else ({}, {})


def _across_files(queries: list[QueryFile]) -> Iterator[str]:
    """What only shows when files stand beside each other."""
    ids: dict[str, QueryFile] = {}
    orders: dict[tuple[str, int], QueryFile] = {}
    for query in sorted(queries, key=lambda each: each.origin != "shipped"):  # the user's file is the one to mend
        if query.id in ids:
            yield f"{query.path}: the id '{query.id}' is taken by {ids[query.id].path}"
        ids.setdefault(query.id, query)
        if query.layer == "allocate" and isinstance(query.extra.get("order"), int):
            other = orders.setdefault((query.layer, query.order), query)
            if other is not query:
                yield (
                    f"{query.path}{header_line(query.path, 'order')}: order {query.order} is taken by '{other.id}': "
                    "which of the two rules wins "
                    "must not depend on chance"
                )
