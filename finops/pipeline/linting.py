"""Looks at rules and mapping files before a build does: every problem at once, and what does nothing or is left to chance.

With a warehouse the rules are tried on its charges, in a transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NoReturn

from finops.errors import ConfigError, FinopsError, QueryFileError
from finops.pipeline.linted_mappings import line_notes, ties
from finops.pipeline.linted_rules import Note, rule_notes
from finops.rules.catalogue import Catalogue
from finops.rules.contract import catalogue_problems
from finops.rules.mappings import Mappings, inspect_mappings, store_mappings
from finops.rules.run import Params, check_params, count
from finops.rules.stages import allocate, classify
from finops.warehouse.connection import Connection, connect


@dataclass
class Lint:
    """What was found."""

    queries: int = 0
    problems: list[str] = field(default_factory=list)
    """What a build would refuse, each with its place."""
    notes: list[Note] = field(default_factory=list)
    """What a build would do, but nobody can have meant."""
    tried: bool = False
    """Were the rules tried on data?"""


def check_files(catalogue: Catalogue, mappings: Path | None, params: Params) -> tuple[Lint, Mappings]:
    """Check every query, mapping file and parameter, without data.

    Args:
        mappings: the folder of the mapping files; None or absent: there are none.
    """
    readable, _ = catalogue.readable()
    con = connect(None)
    try:
        read, problems = inspect_mappings(con, readable, mappings)
    finally:
        con.close()
    queries, found = catalogue_problems(catalogue, Mappings(tables=read.tables) if problems else read)
    lint = Lint(queries, [*found, *problems])
    if not found:
        try:
            check_params(catalogue, params)
        except FinopsError as error:
            lint.problems.append(f"finops.toml: {error.what}")
    return lint, read


def refuse(problems: Sequence[str]) -> NoReturn:
    """Raise what is wrong with queries and mapping files.

    Raises:
        QueryFileError: all of it.
    """
    raise QueryFileError(
        f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the queries and mapping files:\n  "
        + "\n  ".join(problems),
        next_step="Nothing was changed. docs/queries.md and docs/mappings.md say what the files must hold.",
    )


@contextmanager
def all_at_once(catalogue: Catalogue, mappings: Path | None, params: Params) -> Iterator[None]:
    """A problem of one file is told together with those of all others.

    Raises:
        QueryFileError, ConfigError: the problem, or all of them.
    """
    try:
        yield
    except (QueryFileError, ConfigError) as error:
        problems = check_files(catalogue, mappings, params)[0].problems
        if len(problems) > len(each_problem(error)):
            refuse(problems)
        raise


def try_rules(
    con: Connection, catalogue: Catalogue, mappings: Mappings, folder: Path, params: Params, today: date, lint: Lint
) -> None:
    """Classify and allocate what is in the warehouse, note what is odd, and leave the warehouse as it was."""
    with _rolled_back(con):
        try:
            store_mappings(con, mappings)
            classify(con, catalogue, params, today)
            outcomes = allocate(con, catalogue, params, today)
        except FinopsError as error:
            lint.problems += each_problem(error)
            return
        lint.tried = True
        if not count(con, "FROM ledger.dimension"):
            return
        lint.notes += ties(con, mappings, folder)
        notes, used = rule_notes(con, catalogue, params, today, outcomes)
        lint.notes += [*notes, *line_notes(con, catalogue, mappings, folder, used)]


@contextmanager
def _rolled_back(con: Connection) -> Iterator[None]:
    con.execute("BEGIN TRANSACTION")
    try:
        yield
    finally:
        con.execute("ROLLBACK")


def each_problem(error: FinopsError) -> list[str]:
    """The problems of an error, one by one: some errors tell several in lines of their own."""
    first, *others = error.what.splitlines()
    if others and first.endswith(":"):
        return [line.strip() for line in others]
    return [f"{error.where}: {error.what}" if error.where else error.what]
