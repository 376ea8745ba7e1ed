"""The warehouse's views: charges with their dimensions, shares of them, and what named queries read before anything is built."""

from __future__ import annotations

from finops.resources import shipped_queries
from finops.warehouse.columns import DELTA_OF, Column, ledger_columns
from finops.warehouse.connection import Connection
from finops.warehouse.shares import create_shares_view


def stored_measure(column: str) -> tuple[str, str]:
    """The stored column of a measure, and the SQL over the measures that fills it."""
    if column == "ChargePeriodEnd":
        return "ChargePeriodMicroseconds", "epoch_us(ChargePeriodEnd) - epoch_us(ChargePeriodStart)"
    if column in DELTA_OF:
        return f"{column}Delta", f"{column} - coalesce({DELTA_OF[column]}, 0)"
    return column, column


def _read(column: Column) -> str:
    """The SQL that gives a column of the view back."""
    if column.name == "ChargePeriodEnd":
        return "c.ChargePeriodStart + to_microseconds(c.ChargePeriodMicroseconds)"
    if column.name in DELTA_OF:
        return f'CAST(coalesce(c."{DELTA_OF[column.name]}", 0) + c."{column.name}Delta" AS {column.type})'
    if column.name == "ServiceCategory":
        return "coalesce(d.ServiceCategory, k.ServiceCategory)"
    if column.name == "ServiceSubcategory":
        return "coalesce(d.ServiceSubcategory, k.ServiceSubcategory)"
    return {
        "BillingAccountId": "s.billing_account_id",
        "BillingPeriodStart": "s.billing_period_start",
        "BillingPeriodEnd": "s.billing_period_end",
        "x_SourceId": "s.source_id",
        "x_LoadId": "s.load_id",
        "x_DimensionId": "c.dimension_id",
    }.get(column.name, {"charge": "c", "dimension": "d", "class": "k"}.get(column.part, "c") + f'."{column.name}"')


def charge_columns() -> list[tuple[str, str]]:
    """The columns of ``focus.cost_and_usage``, with what reads them from ``c`` (charge), ``s`` (slice), ``d`` (dimension) and ``k``
    (class)."""
    return [(c.name, _read(c)) for c in ledger_columns() if c.current] + [("x_ChargeCount", "CAST(1 AS BIGINT)")]


_JOINS = """
FROM ledger.charge AS c
JOIN ledger.slice AS s ON s.slice_id = c.slice_id
JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
LEFT JOIN ledger.dimension_class AS k ON k.dimension_id = c.dimension_id"""


def create_views(con: Connection) -> None:
    """``focus.*``, ``focus_data_table``, ``allocation.charges`` and ``ledger.reach``: the day on which a currency begins."""
    columns = ledger_columns()
    current = ",\n  ".join(f'{sql} AS "{name}"' for name, sql in charge_columns())
    every = ",\n  ".join(f'{_read(c)} AS "{c.name}"' for c in columns if c.since)
    con.execute("CREATE SCHEMA IF NOT EXISTS focus")
    con.execute(f"CREATE OR REPLACE VIEW focus.cost_and_usage AS SELECT\n  {current}{_JOINS}")
    con.execute(f"CREATE OR REPLACE VIEW focus_data_table AS SELECT\n  {every}{_JOINS}")
    create_shares_view(con, current)
    dimensions = ",\n  ".join(f'{_read(c)} AS "{c.name}"' for c in columns if c.part == "dimension")
    con.execute(
        f"CREATE OR REPLACE VIEW ledger.dimensions AS SELECT d.dimension_id AS x_DimensionId,\n  {dimensions},\n"
        "  k.x_WorkloadKind\nFROM ledger.dimension AS d\n"
        "LEFT JOIN ledger.dimension_class AS k ON k.dimension_id = d.dimension_id"
    )
    con.execute(
        "CREATE OR REPLACE VIEW ledger.days AS SELECT d.BillingCurrency, CAST(c.ChargePeriodStart AS DATE) AS day, "
        "count(*) AS charge_count FROM ledger.charge AS c "
        "JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id GROUP BY ALL"
    )
    con.execute(
        "CREATE OR REPLACE VIEW ledger.reach AS SELECT BillingCurrency, min(day) AS first_day FROM ledger.days GROUP BY ALL"
    )
    _create_dataset_views(con)
    con.execute(_FOLLOWED)
    con.execute((shipped_queries() / "analyses" / "_macros.sql").read_text(encoding="utf-8"))


_FOLLOWED = """
CREATE OR REPLACE VIEW findings.followed AS
WITH open AS (
    SELECT * FROM findings.lifecycle WHERE state IN ('new', 'open', 'reopened', 'excepted')
),

judged AS (
    SELECT f.*, l.state, l.since, l.found_on, l.cost_since_opened, l.monthly_cost_when_open, l.exception_owner, l.excepted_until,
        l.exception_reason, l.note
    FROM findings.findings AS f
    LEFT JOIN open AS l ON l.resource_id = f.resource_id AND l.provider IS NOT DISTINCT FROM f.provider
        AND l.account_id IS NOT DISTINCT FROM f.account_id AND l.currency IS NOT DISTINCT FROM f.currency
),

-- open, but no rule speaks of the resource today; and what is closed
others AS (
    SELECT l.finding_id, l.rule_id, l.provider, l.account_id, l.resource_id, l.resource_name, l.currency, l.team,
        CASE WHEN l.state IN ('resolved', 'rule gone') THEN l.state ELSE 'unknown' END AS status,
        CASE WHEN l.state NOT IN ('resolved', 'rule gone') THEN 'low' END AS confidence,
        l.state, l.since, l.found_on, l.resolved_on, l.cost_since_opened, l.monthly_cost_when_open,
        l.monthly_cost_when_open AS monthly_cost, l.verified_monthly_saving, l.verified_until, l.exception_owner, l.excepted_until,
        l.exception_reason, l.note, CASE WHEN l.state = 'resolved' THEN l.reason ELSE coalesce(l.note, l.reason) END AS reason
    FROM findings.lifecycle AS l
    LEFT JOIN findings.findings AS f ON f.resource_id = l.resource_id AND f.provider IS NOT DISTINCT FROM l.provider
        AND f.account_id IS NOT DISTINCT FROM l.account_id AND f.currency IS NOT DISTINCT FROM l.currency
    WHERE l.state IN ('resolved', 'rule gone') OR (l.state <> 'replaced' AND f.finding_id IS NULL)
)

FROM judged UNION ALL BY NAME FROM others"""


def _create_dataset_views(con: Connection) -> None:
    """The other FOCUS datasets, as far as the sources state them."""
    con.execute(
        """CREATE OR REPLACE VIEW focus.billing_period AS
        SELECT d.InvoiceIssuerName, s.billing_period_start AS BillingPeriodStart, s.billing_period_end AS BillingPeriodEnd,
          CASE WHEN bool_and(d.InvoiceId IS NOT NULL) THEN 'Closed' ELSE 'Open' END AS BillingPeriodStatus,
          min(l.delivered_at) AS BillingPeriodCreated, max(l.delivered_at) AS BillingPeriodLastUpdated
        FROM (SELECT DISTINCT slice_id, dimension_id FROM ledger.charge) AS c
        JOIN ledger.slice AS s USING (slice_id)
        JOIN ledger.dimension AS d USING (dimension_id)
        LEFT JOIN ops.loads AS l ON l.load_id = s.load_id AND l.slice_id = s.slice_id
        GROUP BY ALL"""
    )
    con.execute(
        """CREATE OR REPLACE VIEW focus.invoice_detail AS
        SELECT InvoiceId, InvoiceDetailId, InvoiceIssuerName, BillingAccountId, BillingCurrency, BillingPeriodStart,
          BillingPeriodEnd, ChargeCategory, CAST(sum(BilledCost) AS DECIMAL(38, 18)) AS BilledCost
        FROM focus.cost_and_usage WHERE InvoiceId IS NOT NULL GROUP BY ALL"""
    )
    con.execute(
        """CREATE OR REPLACE VIEW focus.contract_commitment AS
        SELECT CommitmentDiscountId AS ContractCommitmentId, any_value(CommitmentDiscountType) AS ContractCommitmentType,
          any_value(CommitmentDiscountCategory) AS ContractCommitmentCategory,
          any_value(CommitmentDiscountName) AS ContractCommitmentDescription, ServiceProviderName, InvoiceIssuerName,
          BillingCurrency
        FROM focus.cost_and_usage WHERE CommitmentDiscountId IS NOT NULL
        GROUP BY CommitmentDiscountId, ServiceProviderName, InvoiceIssuerName, BillingCurrency"""
    )
