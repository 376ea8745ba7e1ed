"""The same tables under the same names, seen in another way: one team's part only, or charges added up before they are asked.

A *lens* is a database in memory that stands before the warehouse. Its tables are the warehouse's own, but for those that it narrows
or adds up; so a query that reads ``focus.cost_and_usage``, ``allocation.charges`` or ``findings.findings`` runs unchanged.

**A team's part.** A charge that the team has a share of has that share as its cost. What no share is known of, such as the list
cost of a divided charge, is NULL.

**Added up.** A report asks thirty questions, and most compare a period with the one before. For these, charges of one kind are
added up over each span in which nothing that a question may ask for begins or ends: weeks, months, the limits of the periods, and
the days on which a kind's team changes. ``x_ChargeCount`` says how many rows a row stands for. A share of a sum is the sum of the
shares, to the last digit: what is cut off before dividing is added up too (``warehouse.shares``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from finops.warehouse.columns import ledger_columns
from finops.warehouse.connection import Connection
from finops.warehouse.shares import SHARE_COLUMNS, select_shares, sums_of_cuts
from finops.warehouse.views import charge_columns, stored_measure

_LENS = "lens"
_FINDINGS = ("findings.findings", "findings.lifecycle", "findings.followed")
_PARTS = {
    "BilledCost": "AllocatedBilledCost",
    "EffectiveCost": "AllocatedEffectiveCost",
    "ConsumedQuantity": "AllocatedConsumedQuantity",
}
_SUMMED = ("BilledCost", "EffectiveCost", "ConsumedQuantity")
"""What is added up. Nothing else of a charge is known of a sum."""
_SHARES = ", ".join(
    "CAST(NULL AS VARCHAR) AS x_AllocationReason" if name == "x_AllocationReason" else f"c.{name}"
    for name in SHARE_COLUMNS
)
_UNDIVIDED = {
    "ListCost", "ContractedCost", "PricingQuantity", "CommitmentDiscountQuantity", "PricingCurrencyEffectiveCost", "x_DeliveredCost"
}  # fmt: skip


class Lens:
    """What a connection sees while ``looking_through`` a lens."""

    def __init__(self, con: Connection, database: str) -> None:
        self._con = con
        self._warehouse = _quoted(database)
        self._team = ""
        self._has_sums = self._shows_sums = False

    def add_up(self, limits: Sequence[date]) -> None:
        """Add charges up between these days, weeks and months. Seen after ``show(added_up=True)``."""
        con = self._con
        con.execute("CREATE SCHEMA IF NOT EXISTS added")
        con.execute(f"CREATE OR REPLACE TABLE added.days AS FROM {self._warehouse}.ledger.days")
        con.execute(_SPANS, {"limits": list(limits)})
        con.execute(_added_charges(self._warehouse))
        self._view("ledger.charge", f"FROM {_LENS}.added.charge")
        thin = select_shares("c.slice_id, c.dimension_id, c.ChargePeriodStart, c.charge_count", added_up=True)
        con.execute(
            f"CREATE OR REPLACE TABLE added.share AS SELECT * EXCLUDE (x_AllocationReason) FROM ({thin}) ORDER BY Team"
        )
        self._view("ledger.charge", f"FROM {self._warehouse}.ledger.charge")
        self._view("ledger.days", f"FROM {_LENS}.added.days")
        self._view(
            "ledger.reach", f"SELECT BillingCurrency, min(day) AS first_day FROM {_LENS}.added.days GROUP BY ALL"
        )
        self._has_sums = True

    def narrow(self, team: str) -> None:
        """From now on the tables are this team's; everybody's, if it is empty."""
        self._team = team
        if self._has_sums and team:
            self._con.execute(f"CREATE OR REPLACE TABLE added.mine AS FROM added.share WHERE Team = {_text(team)}")
        self._look()

    def show(self, *, added_up: bool) -> None:
        """Show sums, if there are any, or the charges as they were delivered."""
        if self._shows_sums != (added_up and self._has_sums):
            self._shows_sums = not self._shows_sums
            self._look()

    def _look(self) -> None:
        whole, mine = self._warehouse, f"WHERE Team = {_text(self._team)}" if self._team else ""
        if not self._shows_sums:
            shares, charges = f"FROM {whole}.allocation.charges {mine}", f"FROM {whole}.focus.cost_and_usage"
        else:
            table = "mine" if self._team else "share"
            shares = f"SELECT {_named(_columns(()))}, {_SHARES} FROM {_LENS}.added.{table} AS c {_JOINED}"
            charges = f"SELECT {_named(_columns(_SUMMED))} FROM {_LENS}.added.charge AS c {_JOINED}"
        if self._team:
            parts = ", ".join(_part(name) for name, _ in charge_columns())
            charges = f"SELECT {parts} FROM {_LENS}.allocation.charges"
        self._view("allocation.charges", shares)
        self._view("focus.cost_and_usage", charges)
        for name in _FINDINGS:
            self._view(name, f"FROM {whole}.{name} {mine}")

    def _view(self, name: str, select: str) -> None:
        self._con.execute(f"CREATE OR REPLACE VIEW {_LENS}.{name} AS {select}")

    def put(self) -> None:
        """Set it before the warehouse."""
        con = self._con
        con.execute(f"ATTACH ':memory:' AS {_LENS} (READ_WRITE, COMPRESS)")
        database = {"name": con.execute("SELECT current_database()").fetchall()[0][0]}
        relations = con.execute(_RELATIONS, database).fetchall()
        for schema in sorted({schema for schema, _ in relations}):
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {_LENS}.{_quoted(schema)}")
        for schema, name in relations:
            place = f"{_quoted(schema)}.{_quoted(name)}"
            self._view(place, f"FROM {self._warehouse}.{place}")
        for schema, name, kind, parameters, body in con.execute(_MACROS, database).fetchall():
            place = f"{_LENS}.{_quoted(schema)}.{_quoted(name)}"
            con.execute(f"CREATE MACRO {place}({', '.join(map(_quoted, parameters))}) AS {kind} {body}")
        con.execute(f"USE {_LENS}.main")

    def take_away(self) -> None:
        """The warehouse is seen as it is again."""
        self._con.execute(f"USE {self._warehouse}.main")
        self._con.execute(f"DETACH {_LENS}")


@contextmanager
def looking_through(con: Connection) -> Iterator[Lens]:
    """Put a lens before a warehouse, which may be read-only, and take it away again."""
    lens = put_lens(con)
    try:
        yield lens
    finally:
        lens.take_away()


def put_lens(con: Connection) -> Lens:
    """Put a lens before a warehouse for as long as the connection is open."""
    lens = Lens(con, con.execute("SELECT current_database()").fetchall()[0][0])
    lens.put()
    return lens


_RELATIONS = """
SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $name
UNION ALL
SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = $name AND NOT internal"""
_MACROS = """
SELECT schema_name, function_name, CASE function_type WHEN 'table_macro' THEN 'TABLE' ELSE '' END, parameters, macro_definition
FROM duckdb_functions() WHERE database_name = $name AND NOT internal AND function_type IN ('macro', 'table_macro')
  AND schema_name IN ('allocation', 'findings')"""
_JOINED = """
JOIN ledger.slice AS s ON s.slice_id = c.slice_id
JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
LEFT JOIN ledger.dimension_class AS k ON k.dimension_id = c.dimension_id"""

_SPANS = """
CREATE OR REPLACE TABLE added.span AS
WITH days AS (
    SELECT CAST(unnest(generate_series(first_day, last_day, INTERVAL 1 DAY)) AS DATE) AS day
    FROM (SELECT min(day) AS first_day, max(day) AS last_day FROM added.days)
),
limits AS (
    SELECT unnest(CAST($limits AS DATE[])) AS day
    UNION SELECT CAST(valid_from AS DATE) FROM allocation.dimension_team
    UNION SELECT CAST(valid_until AS DATE) FROM allocation.dimension_team
    UNION SELECT CAST(valid_from AS DATE) FROM allocation.pool_share
    UNION SELECT CAST(valid_until AS DATE) FROM allocation.pool_share
    UNION SELECT CAST(date_trunc('week', day) AS DATE) FROM days
    UNION SELECT CAST(date_trunc('month', day) AS DATE) FROM days
)
SELECT days.day, max(limits.day) AS span_start
FROM days JOIN limits ON limits.day <= days.day
GROUP BY days.day"""


def _added_charges(warehouse: str) -> str:
    stored = (stored_measure(name)[0] for name in _SUMMED)
    sums = ", ".join(f"sum(c.{name}) AS {name}" for name in stored)
    return f"""
CREATE OR REPLACE TABLE added.charge AS
SELECT c.slice_id, c.dimension_id, CAST(span.span_start AS TIMESTAMP) AS ChargePeriodStart, count(*) AS charge_count,
  {sums}, {sums_of_cuts("pooled.dimension_id IS NOT NULL")}
FROM {warehouse}.ledger.charge AS c
JOIN added.span AS span ON span.day = CAST(c.ChargePeriodStart AS DATE)
LEFT JOIN (SELECT DISTINCT dimension_id FROM allocation.dimension_team WHERE is_pool) AS pooled
  ON pooled.dimension_id = c.dimension_id
GROUP BY c.slice_id, c.dimension_id, span.span_start, c.ConsumedQuantity IS NULL"""


def _columns(known: Sequence[str]) -> list[tuple[str, str]]:
    """A charge's columns, read from added-up charges. Of its measures only the known ones are."""
    read = {"x_ChargeCount": "c.charge_count"}
    for column in ledger_columns():
        if column.part == "charge" and column.name not in (*known, "ChargePeriodStart"):
            read[column.name] = f"CAST(NULL AS {column.type})"
    return [(name, read.get(name, sql)) for name, sql in charge_columns()]


def _named(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{sql} AS {_quoted(name)}" for name, sql in columns)


def _part(column: str) -> str:
    name = _quoted(column)
    if column in _PARTS:
        return f"{_PARTS[column]} AS {name}"
    if column in _UNDIVIDED:
        return f"CASE WHEN x_AllocationWeight = 1 THEN {name} END AS {name}"
    return name


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
