"""Runs examples: builds a ledger of their charges, and compares what a rule answers with what is expected."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from finops.errors import CheckFailedError, ConfigError, FinopsError, QueryFileError
from finops.pipeline.build import build
from finops.pipeline.example_files import LAYERS, Example, find_examples
from finops.pipeline.example_ledger import add_utilisation, insert, new_ledger, write_mappings
from finops.rules.catalogue import Catalogue
from finops.rules.header import nearest
from finops.rules.run import materialise, parameter_values
from finops.warehouse.connection import Connection, DatabaseError

Row = dict[str, Any]

_SHARES = """
WITH shares AS (
    SELECT x_DimensionId, Team, x_AllocationReason, x_AllocationMethod, x_AllocationPool AS Pool, x_AllocationWeight AS weight,
        strftime(date_trunc('month', ChargePeriodStart), '%Y-%m') AS Month,
        strftime(min(ChargePeriodStart), '%Y-%m-%d') AS FirstDay,
        CAST(sum(AllocatedBilledCost) AS DECIMAL(38, 18)) AS share,
        CAST(sum(AllocatedEffectiveCost) AS DECIMAL(38, 18)) AS effective_share
    FROM allocation.charges WHERE $rule IN (x_AllocationRuleId, x_AllocationPoolRuleId) GROUP BY ALL
)
SELECT s.* EXCLUDE (x_DimensionId), d.* FROM shares AS s JOIN ledger.dimensions AS d USING (x_DimensionId)
ORDER BY d.x_DimensionId, s.Month, s.share DESC, s.Team"""
_TEAMS = """
SELECT t.Team, t.x_AllocationReason, t.x_AllocationMethod,
    CASE WHEN year(t.valid_from) > 1 THEN strftime(t.valid_from, '%Y-%m-%d') END AS ValidFrom,
    CASE WHEN year(t.valid_until) < 9999 THEN strftime(t.valid_until, '%Y-%m-%d') END AS ValidUntil, d.*
FROM allocation.dimension_team AS t JOIN ledger.dimensions AS d ON d.x_DimensionId = t.dimension_id
WHERE t.x_AllocationRuleId = $rule AND t.book = 0 ORDER BY d.x_DimensionId, t.valid_from"""
_OF_SHARES = {"share", "effective_share", "weight", "Month", "FirstDay", "Pool"}
_TOLD = ("Team", "share", "weight", "Month", "ResourceId", "ResourceName", "SubAccountId", "Tags", "x_AllocationReason")
"""Columns that tell which charge a row of an answer is about."""


@dataclass(frozen=True)
class Difference:
    """What an answer lacks and what it has too much."""

    missing: list[Row]
    """Expected rows that the answer does not have."""
    unexpected: list[Row]
    """Rows of the answer that nobody expects."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected)


@dataclass(frozen=True)
class Answer:
    """What a rule gave for an example."""

    columns: list[str]
    rows: list[Row]
    elsewhere: str = ""
    """Of a rule that won nothing: which rules took the charges."""


def try_example(example: Example, catalogue: Catalogue) -> tuple[Difference, str]:
    """Run an example and compare; with a hint, if there is one.

    Raises:
        FinopsError: the example cannot be run as it is written.
    """
    answer = _answer(example, catalogue)
    unknown = {key for row in example.expect for key in row if key not in answer.columns}
    if unknown:
        told = "; ".join(
            f"the rule's answer has no column '{key}'{nearest(str(key), answer.columns)}" for key in sorted(unknown)
        )
        raise QueryFileError(f"expect: {told}", where=str(example.path))
    return compare(answer.rows, example.expect), answer.elsewhere


def run_example(example: Example, catalogue: Catalogue) -> list[Row]:
    """The rows that a rule gives for an example: what it finds, or the kinds of charges that it wins.

    A rule that splits answers with shares: a row for each kind of charge, month and team.

    Raises:
        QueryFileError, ConfigError: the example or a rule is wrong.
    """
    return _answer(example, catalogue).rows


def _answer(example: Example, catalogue: Catalogue) -> Answer:
    try:
        con = new_ledger(example.inputs.get("charges", []))
    except (ValueError, InvalidOperation, DatabaseError) as error:
        raise _broken(example, error) from error
    with con, tempfile.TemporaryDirectory() as folder:
        try:
            add_utilisation(con, example.inputs.get("utilisation", []))
            inventory = example.inputs.get("inventory", {})
            for table, rows in (inventory if isinstance(inventory, dict) else {"resources": inventory}).items():
                for row in rows:
                    insert(con, f"inventory.{table}", {"source_id": "test"} | row)
        except (ValueError, InvalidOperation, DatabaseError) as error:
            raise _broken(example, error) from error
        mappings = write_mappings(Path(folder) / "mappings", example.inputs.get("mappings", {}))
        return _built(con, example, catalogue, mappings)


def _built(con: Connection, example: Example, catalogue: Catalogue, mappings: Path) -> Answer:
    query, today = example.query, example.today
    params = {query.id: example.inputs["params"]} if example.inputs.get("params") else {}
    try:
        build(con, _needed(catalogue, example), mappings, today, params=params, lint=False)
    except CheckFailedError:
        if query.layer != "checks":  # a check's example is there to fail it
            raise
    except ConfigError as error:
        what = error.what.replace(f"{mappings}/", "mappings/")
        raise ConfigError(what, where=str(example.path)) from error
    try:
        for statement in example.inputs.get("sql", []):
            con.execute(statement)
    except DatabaseError as error:
        raise _broken(example, error) from error
    values = parameter_values(con, query, today, params.get(query.id, {}))
    if query.layer == "findings":
        shown = ["idle", "underused", "unknown", "excepted"]
        if any(row.get("status") == "active" for row in example.expect):
            shown.append("active")
        return _read(con.execute(
            "SELECT * FROM findings.findings WHERE rule_id = $rule AND list_contains($shown, status)",
            {"rule": query.id, "shown": shown},
        ))  # fmt: skip
    if query.layer == "allocate":
        shares = query.extra["method"] == "split" or any(_OF_SHARES & row.keys() for row in example.expect)
        answer = _read(con.execute(_SHARES if shares else _TEAMS, {"rule": query.id}))
        return answer if answer.rows else replace(answer, elsewhere=_takers(con))
    if query.layer == "classify":
        writes = ", ".join(f"m.{name}" for name in query.extra["writes"])
        materialise(con, query, values, "answer")
        return _read(con.execute(
            f"SELECT {writes}, d.* EXCLUDE ({writes.replace('m.', '')}) FROM temp.answer AS m "
            "JOIN ledger.dimensions AS d USING (x_DimensionId)"
        ))  # fmt: skip
    return _read(con.execute(query.body, values))


def _needed(catalogue: Catalogue, example: Example) -> Catalogue:
    """Without the rules and checks that the query's answer does not depend on: they would take most of the time."""
    query = example.query
    reads = query.extra.get("reads") or []
    if query.layer == "findings":
        catalogue = catalogue.with_only("findings", [query.id])
    elif not any(str(name).startswith("findings.") for name in reads):
        catalogue = catalogue.with_only("findings", [])
    if query.layer != "allocate" and not _is_about_teams(example):
        catalogue = catalogue.with_only("allocate", [])
    return catalogue.with_only("checks", [query.id])


def _is_about_teams(example: Example) -> bool:
    """Does the query read who pays, or the example say anything of teams? If not, everything may stay unallocated."""
    told = f"{example.query.body} {example.inputs} {example.expect}".casefold()
    return "team" in told or "allocation." in told


def _read(result: Connection) -> Answer:
    names = [str(column[0]) for column in result.description or []]
    return Answer(names, [dict(zip(names, row, strict=True)) for row in result.fetchall()])


def _takers(con: Connection) -> str:
    rows = con.execute(
        "SELECT DISTINCT x_AllocationRuleId || ' (' || Team || ')' FROM allocation.charges ORDER BY 1 LIMIT 5"
    ).fetchall()
    return f"the rule took nothing; the charges went to {', '.join(row[0] for row in rows)}" if rows else ""


def _broken(example: Example, error: Exception) -> QueryFileError:
    told = "a number cannot be read" if isinstance(error, InvalidOperation) else str(error).splitlines()[0]
    return QueryFileError(told, where=str(example.path))


def compare(answers: Sequence[Row], expected: Sequence[Row]) -> Difference:
    """Pair rows with what is expected. Expected rows name only the columns that matter; those that name most choose first."""
    left, missing = list(answers), []
    for wanted in sorted(expected, key=len, reverse=True):
        match = next((row for row in left if all(same(row.get(key), value) for key, value in wanted.items())), None)
        if match is None:
            missing.append(wanted)
        else:
            left.remove(match)
    return Difference(missing, left)


def same(found: Any, wanted: Any) -> bool:
    """Numbers by value, times and text by text; '~…' is a regular expression."""
    if isinstance(wanted, str) and wanted.startswith("~"):
        return bool(re.search(wanted[1:], str(found)))
    if isinstance(found, Decimal) and wanted is not None:
        try:
            return found == Decimal(str(wanted))
        except InvalidOperation:
            return False
    if isinstance(found, datetime) and found.time() == datetime.min.time() and str(found.date()) == str(wanted):
        return True
    return bool(found == wanted) or (wanted is not None and str(found) == str(wanted))


def shown(row: Mapping[str, Any], columns: Sequence[str]) -> Row:
    """The columns of a row that are worth showing, where the row has something in them."""
    return {key: row[key] for key in columns if row.get(key) is not None}


@dataclass(frozen=True)
class Trial:
    """How an example ended."""

    name: str
    """layer/rule/case; of a file that cannot be read, its path."""
    path: str
    status: str
    """``passed``, ``failed``, or ``broken``: the example or a query cannot be run."""
    missing: list[Row] = field(default_factory=list)
    unexpected: list[Row] = field(default_factory=list)
    """Of each row the columns that the example or the rule itself names."""
    problem: str = ""


def try_all(catalogue: Catalogue, folder: Path, wanted: Sequence[str] = ()) -> Iterator[Trial]:
    """Run the examples of a folder, one by one.

    Args:
        folder: ``queries/tests``; need not exist.
        wanted: ids of rules; none: all.
    """
    examples, problems = find_examples(catalogue, folder, wanted)
    for problem in problems:
        yield Trial(problem.where, problem.where, "broken", problem=problem.what)
    for example in examples:
        try:
            difference, hint = try_example(example, catalogue)
        except FinopsError as error:
            place = f"{error.where}: " if error.where and error.where != str(example.path) else ""
            yield Trial(example.name, str(example.path), "broken", problem=place + error.what)
            continue
        named = dict.fromkeys(key for row in example.expect for key in row)
        columns = list(dict.fromkeys([*named, *_TOLD])) if example.query.layer == "allocate" else list(named)
        found = [shown(row, columns or list(row)) for row in difference.unexpected]
        status = "failed" if difference else "passed"
        told = hint if difference.missing else ""
        yield Trial(example.name, str(example.path), status, difference.missing, found, told)


def without_examples(catalogue: Catalogue, folder: Path) -> list[str]:
    """The user's rules that no example tries, as layer/id."""
    return [
        f"{query.layer}/{query.id}"
        for layer in LAYERS
        for query in catalogue.layer(layer)
        if query.origin != "shipped" and not any((folder / layer / query.id).glob("*"))
    ]
