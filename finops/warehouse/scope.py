"""The ledger as one team sees it: the same tables under the same names, with that team's shares only.

A query that reads ``focus.cost_and_usage``, ``allocation.charges`` or ``findings.findings`` runs unchanged. A charge that the team
has a part of has the team's part as its cost; what no share is known of, such as the list cost of a divided charge, is NULL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from finops.warehouse.connection import Connection

_SCOPE = "team_scope"
_MINE = "getvariable('finops_team')"
_OF_FINDINGS = {"findings.findings": "team", "findings.lifecycle": "team", "findings.followed": "team"}
_PARTS = {
    "BilledCost": "AllocatedBilledCost",
    "EffectiveCost": "AllocatedEffectiveCost",
    "ConsumedQuantity": "AllocatedConsumedQuantity",
}
_WHOLE = (
    "ListCost", "ContractedCost", "PricingQuantity", "CommitmentDiscountQuantity", "PricingCurrencyEffectiveCost", "x_DeliveredCost"
)  # fmt: skip


class TeamView:
    """A connection on which one team at a time can be looked at."""

    def __init__(self, con: Connection) -> None:
        self.con = con

    def of(self, team: str) -> None:
        """From now on the connection's tables are this team's."""
        self.con.execute("SET VARIABLE finops_team = ?", [team])


@contextmanager
def team_view(con: Connection) -> Iterator[TeamView]:
    """Let a connection, which may be read-only, see a team's part. Afterwards it sees everything again."""
    row = con.execute("SELECT current_database()").fetchone()
    assert row is not None
    whole = _quoted(row[0])
    con.execute(f"ATTACH ':memory:' AS {_SCOPE} (READ_WRITE)")
    try:
        _mirror(con, row[0], whole)
        _narrow(con, whole)
        con.execute(f"USE {_SCOPE}.main")
        yield TeamView(con)
    finally:
        con.execute(f"USE {whole}.main")
        con.execute(f"DETACH {_SCOPE}")


def _mirror(con: Connection, database: str, whole: str) -> None:
    relations = con.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $name "
        "UNION ALL SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = $name AND NOT internal",
        {"name": database},
    ).fetchall()
    for schema in sorted({schema for schema, _ in relations}):
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {_SCOPE}.{_quoted(schema)}")
    for schema, name in relations:
        place = f"{_quoted(schema)}.{_quoted(name)}"
        con.execute(f"CREATE VIEW {_SCOPE}.{place} AS FROM {whole}.{place}")


def _narrow(con: Connection, whole: str) -> None:
    con.execute(
        f"CREATE OR REPLACE VIEW {_SCOPE}.allocation.charges AS FROM {whole}.allocation.charges WHERE Team = {_MINE}"
    )
    columns = [row[0] for row in con.execute(f"DESCRIBE {whole}.focus.cost_and_usage").fetchall()]
    selected = ", ".join(_part(column) for column in columns)
    con.execute(
        f"CREATE OR REPLACE VIEW {_SCOPE}.focus.cost_and_usage AS SELECT {selected} FROM {_SCOPE}.allocation.charges"
    )
    for name, column in _OF_FINDINGS.items():
        con.execute(f"CREATE OR REPLACE VIEW {_SCOPE}.{name} AS FROM {whole}.{name} WHERE {column} = {_MINE}")


def _part(column: str) -> str:
    name = _quoted(column)
    if column in _PARTS:
        return f"{_PARTS[column]} AS {name}"
    if column in _WHOLE:
        return f"CASE WHEN x_AllocationWeight = 1 THEN {name} END AS {name}"
    return name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
