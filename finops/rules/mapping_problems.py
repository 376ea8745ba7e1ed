"""What is wrong with the mapping files as a whole: names that nobody has, patterns that are none."""

from __future__ import annotations

import json
from collections.abc import Sequence

from finops.rules.catalogue import Catalogue
from finops.rules.header import nearest
from finops.rules.mapping_files import OF_TEAMS, Line, Problems, day, fold, fold_key, shape, unknown
from finops.rules.mapping_pools import pool_problems
from finops.rules.mapping_set import Mappings
from finops.warehouse.connection import Connection, DatabaseError

KINDS = ("account", "project", "resource_group", "cost_center", "key")
"""What names.csv can match the names of."""
PATTERNS = {"resources.csv": "pattern", "callers.csv": "pattern", "names.csv": "pattern", "tags.csv": "value"}
"""The files with regular expressions, and the column that holds them."""


def mapping_problems(con: Connection, catalogue: Catalogue, mappings: Mappings, problems: Problems) -> None:
    """Note every problem that shows only when files stand beside each other, the rules and the database."""
    _team_problems(mappings, problems)
    pool_problems(catalogue, mappings, problems)
    _pattern_problems(con, mappings, problems)
    _kind_problems(mappings, problems)
    _alias_problems(mappings, problems)
    _exception_problems(mappings, problems, [query.id for query in catalogue.layer("findings")])


def _team_problems(mappings: Mappings, problems: Problems) -> None:
    for line in mappings["teams.csv"]:
        if fold(line["team"]) == "unallocated":
            problems.add("teams.csv", line, "'unallocated' is what belongs to no team: choose another name")
    if not mappings["teams.csv"]:
        return
    known = {fold(line["team"]) for line in mappings["teams.csv"]} | {
        fold(line["pool"]) for line in mappings["pools.csv"]
    }
    words = [line["team"] for line in mappings["teams.csv"]] + [line["pool"] for line in mappings["pools.csv"]]

    def check(name: str, line: Line, column: str) -> None:
        if fold(line[column]) not in known:
            problems.add(name, line, unknown(line[column], words, "team"))

    for name in OF_TEAMS:
        for line in mappings[name]:
            check(name, line, "team")
    for line in mappings["tag_aliases.csv"]:
        if line["kind"] == "value":
            check("tag_aliases.csv", line, "canonical")


def _alias_problems(mappings: Mappings, problems: Problems) -> None:
    for line in mappings["tag_aliases.csv"]:
        if line["kind"] not in ("key", "value"):
            problems.add("tag_aliases.csv", line, f"kind is 'key' or 'value', not '{line['kind']}'")
        elif line["kind"] == "key" and fold_key(line["canonical"]) != "team":
            problems.add(
                "tag_aliases.csv", line, f"the only tag key with a meaning is 'team', not '{line['canonical']}'"
            )


def _kind_problems(mappings: Mappings, problems: Problems) -> None:
    for line in mappings["names.csv"]:
        if line["kind"] not in KINDS:
            told = f"kind is one of {', '.join(KINDS)}, not '{line['kind']}'{nearest(line['kind'], list(KINDS))}"
            problems.add("names.csv", line, told)


def _exception_problems(mappings: Mappings, problems: Problems, rules: list[str]) -> None:
    for line in mappings["exceptions.csv"]:
        if day(line["until"]) is None:
            problems.add("exceptions.csv", line, f"until is a day such as 2026-12-31, not '{line['until']}'")
        if line["rule_id"] not in ("*", *rules):
            problems.add("exceptions.csv", line, unknown(line["rule_id"], rules, "findings rule"))


def _pattern_problems(con: Connection, mappings: Mappings, problems: Problems) -> None:
    """The patterns that DuckDB does not take. All at once first: nearly always all are right."""
    for name, column in PATTERNS.items():
        lines = [line for line in mappings[name] if shape(line[column])[0] == "pattern"]
        if not lines or _pattern_error(con, [line[column] for line in lines]) is None:
            continue
        for line in lines:
            error = _pattern_error(con, [line[column]])
            if error:
                problems.add(name, line, f"'{line[column]}' is no regular expression: {error}")


def _pattern_error(con: Connection, patterns: Sequence[str]) -> str | None:
    try:
        con.execute(
            "SELECT count(*) FROM (SELECT unnest(from_json(?, '[\"VARCHAR\"]')) AS p) WHERE regexp_full_match('', p)",
            [json.dumps(list(patterns))],
        )
        con.fetchall()
    except DatabaseError as error:
        return str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
    return None
