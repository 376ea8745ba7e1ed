"""The warehouse's tables, made by small named migrations that are applied once.

The ledger is a star: ``ledger.dimension`` holds each distinct combination of everything but the measures once,
``ledger.charge`` one row per delivered row, ``ledger.slice`` what a delivery replaces. ``focus.cost_and_usage`` joins them.
"""

from __future__ import annotations

from collections.abc import Callable

from finops.errors import FinopsError
from finops.warehouse.columns import DELTA_OF, Column, part
from finops.warehouse.connection import Connection, transaction
from finops.warehouse.views import create_views, stored_measure

MONEY = "DECIMAL(38, 18)"


def migrate(con: Connection) -> None:
    """Bring the warehouse to the present form; applied migrations are left alone, views are always made anew."""
    con.execute("CREATE SCHEMA IF NOT EXISTS ops")
    con.execute("CREATE TABLE IF NOT EXISTS ops.migrations (name VARCHAR PRIMARY KEY, applied_at TIMESTAMP)")
    done = {name for (name,) in con.execute("SELECT name FROM ops.migrations").fetchall()}
    if missing := [migration for migration in MIGRATIONS if migration.__name__ not in done]:
        with transaction(con):  # one for all of them: each would wait for the disk
            for migration in missing:
                migration(con)
            con.execute(
                "INSERT INTO ops.migrations SELECT unnest(?), now()::TIMESTAMP", [[each.__name__ for each in missing]]
            )
    _refuse_other_columns(con)
    with transaction(con):
        create_views(con)
        _make_unmapped(con)


def _refuse_other_columns(con: Connection) -> None:
    """The warehouse is derived: one with other columns is made again rather than altered."""
    expected = {
        "dimension": {column.name: column.type for column in part("dimension")},
        "charge": {name: "" for name, _ in (stored_measure(column.name) for column in part("charge"))},
    }
    for table, columns in expected.items():
        rows = con.execute(f"DESCRIBE ledger.{table}").fetchall()
        found = {name: type_.replace(" ", "") for name, type_, *_ in rows}
        if any(
            found.get(name) is None or (type_ and type_.replace(" ", "") != found[name])
            for name, type_ in columns.items()
        ):
            raise FinopsError(
                "the warehouse was made by a version of finops with other columns",
                next_step="'finops build --full' makes it again from the landing folder.",
            )


def m001_ledger(con: Connection) -> None:
    """Dimensions, charges, slices."""
    dimension = ",\n  ".join(f'"{c.name}" {c.type}' for c in part("dimension"))
    charge = ",\n  ".join(_stored(c) for c in part("charge"))
    con.execute("CREATE SCHEMA ledger")
    con.execute(f"CREATE TABLE ledger.dimension (dimension_id BIGINT, key UHUGEINT,\n  {dimension})")
    con.execute(
        "CREATE TABLE ledger.slice (slice_id INTEGER, source_id VARCHAR, billing_account_id VARCHAR, "
        "billing_period_start TIMESTAMP, billing_period_end TIMESTAMP, load_id VARCHAR)"
    )
    con.execute(f"CREATE TABLE ledger.charge (slice_id INTEGER, dimension_id BIGINT,\n  {charge})")
    con.execute(
        "CREATE TABLE ledger.dimension_class (dimension_id BIGINT, x_WorkloadKind VARCHAR, "
        "ServiceCategory VARCHAR, ServiceSubcategory VARCHAR)"
    )


def m002_ops(con: Connection) -> None:
    """What was delivered, run and checked."""
    con.execute("CREATE TABLE ops.sources (source_id VARCHAR, type VARCHAR, last_seen_at TIMESTAMP, status VARCHAR, "
                "detail VARCHAR)")  # fmt: skip
    con.execute(
        "CREATE TABLE ops.loads (load_id VARCHAR, slice_id INTEGER, source_id VARCHAR, format VARCHAR, dialect VARCHAR, "
        "billing_account_id VARCHAR, billing_period_start TIMESTAMP, delivered_at TIMESTAMP, received_at TIMESTAMP, "
        "loaded_at TIMESTAMP, "
        f"status VARCHAR, row_count BIGINT, sums STRUCT(currency VARCHAR, row_count BIGINT, billed_cost {MONEY}, "
        f"effective_cost {MONEY}, delivered_cost {MONEY})[], mapping_version VARCHAR, files VARCHAR[], byte_count BIGINT)"
    )
    con.execute(
        "CREATE TABLE ops.runs (run_id VARCHAR, command VARCHAR, today DATE, started_at TIMESTAMP, finished_at TIMESTAMP, "
        "tool_version VARCHAR, outcome VARCHAR, detail VARCHAR)"
    )
    con.execute(
        "CREATE TABLE ops.checks (run_id VARCHAR, check_id VARCHAR, grade VARCHAR, passed BOOLEAN, detail VARCHAR, "
        "checked_at TIMESTAMP)"
    )
    con.execute("CREATE TABLE ops.stages (stage VARCHAR PRIMARY KEY, fingerprint VARCHAR, built_at TIMESTAMP)")


def m003_allocation(con: Connection) -> None:
    """Which team each dimension belongs to, by which rule."""
    con.execute("CREATE SCHEMA allocation")
    con.execute(
        "CREATE TABLE allocation.dimension_team (dimension_id BIGINT, Team VARCHAR, x_AllocationRuleId VARCHAR, "
        "x_AllocationMethod VARCHAR, x_AllocationReason VARCHAR)"
    )


def m004_findings(con: Connection) -> None:
    """Verdicts on resources, and the tables that measured activity will fill."""
    con.execute("CREATE SCHEMA findings")
    con.execute(
        "CREATE TABLE findings.findings (finding_id VARCHAR, rule_id VARCHAR, rule_version INTEGER, provider VARCHAR, "
        "account_id VARCHAR, region VARCHAR, resource_id VARCHAR, resource_name VARCHAR, resource_type VARCHAR, "
        "workload_kind VARCHAR, team VARCHAR, status VARCHAR, confidence VARCHAR, window_start TIMESTAMP, "
        f"window_end TIMESTAMP, billed_hours {MONEY}, cost_in_window {MONEY}, monthly_cost {MONEY}, "
        f"monthly_saving {MONEY}, currency VARCHAR, reason VARCHAR, evidence JSON, recommended_action VARCHAR)"
    )
    con.execute("CREATE SCHEMA inventory")
    con.execute(
        "CREATE TABLE inventory.resources (source_id VARCHAR, provider VARCHAR, account_id VARCHAR, region VARCHAR, "
        "resource_id VARCHAR, resource_name VARCHAR, resource_type VARCHAR, state VARCHAR, created_at TIMESTAMP, "
        "changed_at TIMESTAMP, tags MAP(VARCHAR, VARCHAR), properties JSON, seen_at TIMESTAMP)"
    )
    con.execute("CREATE SCHEMA utilisation")
    con.execute(
        "CREATE TABLE utilisation.daily (source_id VARCHAR, resource_id VARCHAR, metric VARCHAR, day DATE, "
        f"value {MONEY}, unit VARCHAR, samples BIGINT, load_id VARCHAR)"
    )


def m005_inventory(con: Connection) -> None:
    """Which snapshot of resources or SKUs stands, and the SKUs of a provider's catalogue."""
    con.execute("ALTER TABLE inventory.resources ADD COLUMN load_id VARCHAR")
    con.execute(
        "CREATE TABLE inventory.skus (source_id VARCHAR, provider VARCHAR, sku_id VARCHAR, sku_name VARCHAR, "
        "service_id VARCHAR, service_name VARCHAR, category JSON, unit VARCHAR, regions VARCHAR[], properties JSON, "
        "seen_at TIMESTAMP, load_id VARCHAR)"
    )
    con.execute(
        "CREATE TABLE inventory.snapshots (source_id VARCHAR, format VARCHAR, origin VARCHAR, load_id VARCHAR, "
        "delivered_at TIMESTAMP, received_at TIMESTAMP)"
    )


def m006_collecting(con: Connection) -> None:
    """Where a delivery was fetched from, how good its kind of bill is, and what is missing at the sources."""
    con.execute(
        "ALTER TABLE ops.loads ADD COLUMN origin STRUCT(key VARCHAR, version VARCHAR, period VARCHAR, whole BOOLEAN, "
        "files STRUCT(name VARCHAR, version VARCHAR)[], seen_at TIMESTAMP)"
    )
    con.execute("ALTER TABLE ops.loads ADD COLUMN grade VARCHAR")
    con.execute(
        "CREATE TABLE ops.holes (source_id VARCHAR, billing_period DATE, outcome VARCHAR, what VARCHAR, place VARCHAR, "
        "next_step VARCHAR, first_seen_at TIMESTAMP, last_seen_at TIMESTAMP)"
    )


def m007_shares(con: Connection) -> None:
    """Which team or pool each dimension belongs to and when, how pools are split, and which months are frozen.

    All of it is derived: it is made again by the next build.
    """
    con.execute("DROP VIEW IF EXISTS allocation.remaining")
    con.execute("DROP TABLE allocation.dimension_team")
    con.execute(
        "CREATE TABLE allocation.dimension_team (book INTEGER, dimension_id BIGINT, valid_from TIMESTAMP, "
        "valid_until TIMESTAMP, Team VARCHAR, is_pool BOOLEAN, x_AllocationRuleId VARCHAR, "
        "x_AllocationRuleVersion INTEGER, x_AllocationMethod VARCHAR, x_AllocationReason VARCHAR)"
    )
    con.execute(
        "CREATE TABLE allocation.pool_step (book INTEGER, pool VARCHAR, month DATE, valid_from TIMESTAMP, "
        "valid_until TIMESTAMP, BillingCurrency VARCHAR, Team VARCHAR, is_pool BOOLEAN, basis DECIMAL(38, 18), "
        "weight DECIMAL(10, 9), x_AllocationRuleId VARCHAR, x_AllocationRuleVersion INTEGER, x_AllocationReason VARCHAR)"
    )
    con.execute(
        "CREATE TABLE allocation.pool_share (book INTEGER, pool VARCHAR, month DATE, valid_from TIMESTAMP, "
        "valid_until TIMESTAMP, BillingCurrency VARCHAR, Team VARCHAR, weight DECIMAL(10, 9), "
        "takes_rest BOOLEAN, x_AllocationRuleId VARCHAR, x_AllocationRuleVersion INTEGER, "
        "x_AllocationReason VARCHAR)"
    )
    con.execute(
        "CREATE TABLE allocation.frozen_months (month DATE, book INTEGER, frozen_at TIMESTAMP, frozen_by VARCHAR, "
        "reason VARCHAR, digest VARCHAR)"
    )
    con.execute("CREATE TABLE allocation.gap (dimension_id BIGINT, open_from TIMESTAMP, open_until TIMESTAMP)")
    con.execute(
        f"CREATE TABLE allocation.dimension_month (dimension_id BIGINT, month DATE, BillingAccountId VARCHAR, "
        f"BillingCurrency VARCHAR, charges BIGINT, BilledCost {MONEY}, EffectiveCost {MONEY})"
    )
    con.execute("DELETE FROM ops.stages WHERE stage IN ('allocate', 'find', 'check')")


def m008_booked(con: Connection) -> None:
    """What was booked of frozen months: read again from their files by every build."""
    con.execute(
        "CREATE TABLE allocation.booked (month DATE, Team VARCHAR, SubAccountId VARCHAR, BillingCurrency VARCHAR, "
        f"BilledCost {MONEY}, EffectiveCost {MONEY})"
    )


def m009_if_open(con: Connection) -> None:
    """What today's rules would charge teams for months that are frozen."""
    con.execute(
        "CREATE TABLE allocation.if_open (month DATE, Team VARCHAR, SubAccountId VARCHAR, BillingCurrency VARCHAR, "
        f"BilledCost {MONEY}, EffectiveCost {MONEY})"
    )
    con.execute("DELETE FROM ops.stages WHERE stage = 'allocate'")


def m010_activity(con: Connection) -> None:
    """What of each account could be read, by which statistic a metric was taken and of which part, and what became of findings."""
    con.execute(
        "CREATE TABLE inventory.reads (source_id VARCHAR, provider VARCHAR, account_id VARCHAR, region VARCHAR, "
        "service VARCHAR, covers VARCHAR, outcome VARCHAR, what VARCHAR, next_step VARCHAR, seen_at TIMESTAMP, "
        "load_id VARCHAR)"
    )
    con.execute("ALTER TABLE utilisation.daily ADD COLUMN statistic VARCHAR")
    con.execute("ALTER TABLE utilisation.daily ADD COLUMN part VARCHAR")
    con.execute(
        "CREATE TABLE findings.lifecycle (finding_id VARCHAR, rule_id VARCHAR, provider VARCHAR, account_id VARCHAR, "
        "resource_id VARCHAR, resource_name VARCHAR, currency VARCHAR, team VARCHAR, state VARCHAR, status VARCHAR, "
        f"since DATE, found_on DATE, resolved_on DATE, cost_since_opened {MONEY}, monthly_cost_when_open {MONEY}, "
        f"verified_monthly_saving {MONEY}, verified_until DATE, note VARCHAR, exception_owner VARCHAR, "
        "excepted_until DATE, exception_reason VARCHAR, reason VARCHAR)"
    )
    con.execute(
        "CREATE TABLE findings.changes (date DATE, finding_id VARCHAR, state VARCHAR, status VARCHAR, rule_id VARCHAR, "
        "provider VARCHAR, account_id VARCHAR, resource_id VARCHAR, resource_name VARCHAR, currency VARCHAR, team VARCHAR, "
        f'since DATE, found_on DATE, monthly_cost {MONEY}, monthly_saving {MONEY}, "window" VARCHAR, reason VARCHAR)'
    )
    con.execute("DELETE FROM ops.stages WHERE stage IN ('mappings', 'find', 'check')")


def m011_runs_exit(con: Connection) -> None:
    """How a run ended, as its caller saw it. A run that is noted when it starts and never ends was killed."""
    con.execute("ALTER TABLE ops.runs ADD COLUMN exit_code INTEGER")


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    m001_ledger,
    m002_ops,
    m003_allocation,
    m004_findings,
    m005_inventory,
    m006_collecting,
    m007_shares,
    m008_booked,
    m009_if_open,
    m010_activity,
    m011_runs_exit,
)


def _stored(column: Column) -> str:
    if column.name == "ChargePeriodEnd":
        return '"ChargePeriodMicroseconds" BIGINT'
    return f'"{column.name}{"Delta" if column.name in DELTA_OF else ""}" {column.type}'


_UNMAPPED = {
    "teams": "team VARCHAR, name VARCHAR, cost_center VARCHAR, owner VARCHAR, colour VARCHAR, line INTEGER",
    "tag_keys": "key VARCHAR, priority INTEGER",
    "tag_values": "value VARCHAR, team VARCHAR",
    "accounts": "account_id VARCHAR, team VARCHAR, valid_until DATE",
    "projects": "project_id VARCHAR, team VARCHAR, valid_until DATE",
    "pools": "pool VARCHAR, name VARCHAR",
}


def _make_unmapped(con: Connection) -> None:
    """What the named queries read of mappings and their macros, empty: a build makes them from the files."""
    con.execute("CREATE SCHEMA IF NOT EXISTS mapping")
    for table, columns in _UNMAPPED.items():
        con.execute(f"CREATE TABLE IF NOT EXISTS mapping.{table} ({columns})")
    for macro, word in (("folded_key(key)", "lower(trim(key))"), ("folded_value(value)", "lower(trim(value))"),
                        ("bare_key(key)", "key"), ("tag_bearer(key)", "'resource'")):  # fmt: skip
        con.execute(f"CREATE MACRO IF NOT EXISTS allocation.{macro} AS {word}")
