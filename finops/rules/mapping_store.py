"""Makes the tables ``mapping.*`` and ``reference.*`` from the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from finops.rules.mapping_files import FILES, Line, fold, fold_key, shape
from finops.rules.mapping_patterns import make_matcher
from finops.rules.mapping_pools import FALLBACKS, WINDOWS
from finops.rules.mapping_set import Mappings
from finops.rules.mapping_tables import store_tables
from finops.warehouse.connection import Connection
from finops.warehouse.reference import insert_text

# of candidates {strength, line, valid_from, valid_until}, sorted: which of them holds when, one after the other. They are to be
# sorted by list_sort: ORDER BY within list() costs ten times as much.
_AT_EACH_TIME = """
CREATE OR REPLACE MACRO mapping.days_of_change(candidates) AS list_sort(list_distinct(flatten(list_transform(candidates, lambda c:
    [coalesce(c.valid_from, DATE '0001-01-01'), coalesce(c.valid_until, DATE '9999-12-31')]))));

CREATE OR REPLACE MACRO mapping.strongest(candidates, day) AS list_filter(candidates, lambda c:
    coalesce(c.valid_from, DATE '0001-01-01') <= day AND coalesce(c.valid_until, DATE '9999-12-31') > day)[1].line;

CREATE OR REPLACE MACRO mapping.joined(spans) AS list_filter(list_transform(
    [list_filter(spans, lambda span, i: i = 1 OR span.line IS DISTINCT FROM spans[i - 1].line)],
    lambda kept: list_transform(kept, lambda span, i:
        {'line': span.line, 'valid_from': span.day, 'valid_until': coalesce(kept[i + 1].day, DATE '9999-12-31')}))[1],
    lambda span: span.line IS NOT NULL);

CREATE OR REPLACE MACRO mapping.at_each_time(candidates) AS CASE
    WHEN candidates[1].valid_from IS NULL AND candidates[1].valid_until IS NULL
    THEN [{'line': candidates[1].line, 'valid_from': CAST(NULL AS DATE), 'valid_until': CAST(NULL AS DATE)}]
    ELSE list_transform(
        [list_transform(mapping.days_of_change(candidates), lambda day:
            {'line': mapping.strongest(candidates, day), 'day': day})],
        lambda spans: mapping.joined(spans))[1]
END"""
_SPAN = "valid_from DATE, valid_until DATE, line INTEGER"
_PATTERN = f"pattern VARCHAR, team VARCHAR, shape VARCHAR, literal VARCHAR, length INTEGER, {_SPAN}"


def store_mappings(con: Connection, mappings: Mappings) -> None:
    """Make the tables from the files; of absent files they are empty."""
    con.execute("CREATE SCHEMA IF NOT EXISTS mapping")
    con.execute(_AT_EACH_TIME)
    _store_teams(con, mappings)
    _store_pools(con, mappings)
    _store_tag_words(con, mappings)
    for table, key in (("accounts", "account_id"), ("projects", "project_id"), ("keys", "key_id")):
        rows = [(line[key], mappings.team(line["team"]), *_span(line)) for line in mappings[f"{table}.csv"]]
        _store(con, table, f"{key} VARCHAR, team VARCHAR, {_SPAN}", rows)
    namespaces = [(line["cluster"], line["namespace"], mappings.team(line["team"]), *_span(line))
                  for line in mappings["namespaces.csv"]]  # fmt: skip
    _store(con, "namespaces", f"cluster VARCHAR, namespace VARCHAR, team VARCHAR, {_SPAN}", namespaces)
    _store_patterns(con, mappings)
    exceptions = [
        (*(line[name] for name in FILES["exceptions.csv"].columns), line.number) for line in mappings["exceptions.csv"]
    ]
    _store(con, "exceptions",
           "rule_id VARCHAR, resource_id VARCHAR, reason VARCHAR, owner VARCHAR, until DATE, line INTEGER", exceptions)  # fmt: skip
    categories = list({row[:2]: row for row in mappings.service_categories}.values())
    _store(con, "service_categories",
           "provider VARCHAR, service VARCHAR, ServiceCategory VARCHAR, ServiceSubcategory VARCHAR", categories)  # fmt: skip
    store_tables(con, mappings.tables)


def _store_teams(con: Connection, mappings: Mappings) -> None:
    teams = [
        (line["team"], line["name"] or line["team"], line["cost_center"], line["owner"], line["colour"], line.number)
        for line in mappings["teams.csv"]
    ]
    columns = "team VARCHAR, name VARCHAR, cost_center VARCHAR, owner VARCHAR, colour VARCHAR, line INTEGER"
    _store(con, "teams", columns, teams)


def _store_pools(con: Connection, mappings: Mappings) -> None:
    pools = mappings["pools.csv"]
    rows = [
        (line["pool"], line["name"] or line["pool"], line["split"], line["basis"], line["window"] or WINDOWS[0],
         line["fallback"] or FALLBACKS[0], line.number)
        for line in pools
    ]  # fmt: skip
    columns = (
        'pool VARCHAR, name VARCHAR, split VARCHAR, basis VARCHAR, "window" VARCHAR, fallback VARCHAR, line INTEGER'
    )
    _store(con, "pools", columns, rows)
    taking = [(line["pool"], team) for line in pools for team in mappings.takers(line)]
    _store(con, "pool_teams", "pool VARCHAR, team VARCHAR", taking)
    splits = [(mappings.team(line["pool"]), mappings.team(line["team"]), line["percent"], *_span(line))
              for line in mappings["splits.csv"]]  # fmt: skip
    _store(con, "splits", f"pool VARCHAR, team VARCHAR, percent DECIMAL(38, 18), {_SPAN}", splits)


def _store_tag_words(con: Connection, mappings: Mappings) -> None:
    """The tag keys that mean 'team', and which team or pool a tag's value means."""
    keys: dict[str, int] = {}
    values: dict[str, str] = {}
    for line in mappings["tag_aliases.csv"]:
        if line["kind"] == "key":
            keys.setdefault(fold_key(line["alias"]), len(keys))
        else:
            values.setdefault(fold(line["alias"]), mappings.team(line["canonical"]))
    for file, column in (("teams.csv", "team"), ("pools.csv", "pool")):
        for line in mappings[file]:
            values.setdefault(fold(line[column]), line[column])
    for file, column in (("teams.csv", "team"), ("pools.csv", "pool")):
        for line in mappings[file]:
            if line["name"]:
                values.setdefault(fold(line["name"]), line[column])
    _store(con, "tag_keys", "key VARCHAR, priority INTEGER", list(keys.items()))
    _store(con, "tag_values", "value VARCHAR, team VARCHAR", list(values.items()))


def _store_patterns(con: Connection, mappings: Mappings) -> None:
    """The files with patterns, and folders."""
    for table, column in (("resources", "pattern"), ("callers", "pattern"), ("names", "pattern"), ("tags", "value")):
        looked_up = ("exact",) if table == "callers" else ("exact", "prefix")
        group = {"names": "kind", "tags": "key"}.get(table, "")
        lines = [_with_folded_key(line) for line in mappings[f"{table}.csv"]]
        shapes = [shape(line[column]) for line in lines]
        rows = [
            (line[column], mappings.team(line["team"]), *kind, len(kind[1]), *_span(line))
            + ((line[group],) if group else ())
            for line, kind in zip(lines, shapes, strict=True)
        ]
        _store(con, table, _PATTERN + (f", {group} VARCHAR" if group else ""), rows)
        tried = [line for line, kind in zip(lines, shapes, strict=True) if kind[0] not in looked_up]
        make_matcher(con, table, tried, column, group)
    folders = [
        (line["folder"].strip("/"), mappings.team(line["team"]), line["folder"].strip("/").count("/") + 1, *_span(line))
        for line in mappings["folders.csv"]
    ]
    _store(con, "folders", f"folder VARCHAR, team VARCHAR, depth INTEGER, {_SPAN}", folders)


def _with_folded_key(line: Line) -> Line:
    return replace(line, cells={**line.cells, "key": fold_key(line["key"])}) if "key" in line.cells else line


def _span(line: Line) -> tuple[object, object, int]:
    return line.valid_from, line.valid_until, line.number


def _store(con: Connection, table: str, columns: str, rows: Sequence[Sequence[object]]) -> None:
    con.execute(f"CREATE OR REPLACE TABLE mapping.{table} ({columns})")
    insert_text(con, f"mapping.{table}", rows)
