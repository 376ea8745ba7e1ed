"""``allocation.charges``: who pays for a charge, in shares that add up to it exactly.

A charge finds its row in ``allocation.dimension_team`` by its dimension, its book and its time. Where that names a pool, the rows
of ``allocation.pool_share`` divide the charge. A weight has 9 places, and the weights of a pool add up to 1; the amount is cut
after 9 places too, so that ``amount x weight`` has 18 and nothing is ever rounded. What was cut off, less than a billionth of
the currency, goes to the largest share, of equals to the first by name. Quantities are cut after 6 places and shared with 15:
a petabyte for a day is 10^20 byte-seconds.
"""

from __future__ import annotations

from finops.warehouse.connection import Connection

BEGINNING = "TIMESTAMP '0001-01-01'"
END = "TIMESTAMP '9999-12-31'"
"""What stands for no limit in ``valid_from`` and ``valid_until``."""

WEIGHT = "DECIMAL(10, 9)"
_MEASURES = {
    "Billed": ("c.BilledCost", 9),
    "Effective": ("CAST(c.BilledCost + c.EffectiveCostDelta AS DECIMAL(38, 18))", 9),
    "Quantity": ("CAST(c.ConsumedQuantity AS DECIMAL(38, 15))", 6),
}
"""What is divided, as SQL over the stored charge, and after how many places it is cut."""


def _cut(name: str, *, added_up: bool) -> str:
    """What of a measure is divided by weights. Only where there is a pool: cutting is slow."""
    whole, places = _MEASURES[name]
    cut = f"c.Cut{name}" if added_up else f"trunc({whole}, {places})"
    return f"CASE WHEN t.is_pool THEN CAST({cut} AS DECIMAL(29, {places})) END AS cut_{name}"


def sums_of_cuts(is_pool: str) -> str:
    """What a table of added-up charges must hold beside the sums: what of each charge is divided. Cutting a sum is not the same.

    Args:
        is_pool: SQL that says whether the charge may be divided.
    """
    return ", ".join(
        f"sum(CASE WHEN {is_pool} THEN CAST(trunc({whole}, {places}) AS DECIMAL(29, {places})) END) AS Cut{name}"
        for name, (whole, places) in _MEASURES.items()
    )


def _allocated(name: str) -> str:
    (whole, places), cut = _MEASURES[name], f"c.cut_{name}"
    exact = f"DECIMAL(38, {places + 9})"
    return (
        f"CASE WHEN p.pool IS NULL THEN {whole} WHEN p.takes_rest THEN CAST({cut} * p.weight + ({whole} - {cut}) "
        f"AS {exact}) ELSE CAST({cut} * p.weight AS {exact}) END"
    )


SHARE_COLUMNS = (
    "Team", "x_AllocationRuleId", "x_AllocationRuleVersion", "x_AllocationMethod", "x_AllocationReason", "x_AllocationPool",
    "x_AllocationPoolRuleId", "x_AllocationWeight", "AllocatedBilledCost", "AllocatedEffectiveCost", "AllocatedConsumedQuantity",
)  # fmt: skip
"""What a share has beside the columns of its charge."""


def select_shares(columns: str, *, added_up: bool = False) -> str:
    """The shares of ``ledger.charge``, which is called ``c``.

    Args:
        columns: which of the charge's own columns, as SQL over ``c`` (charge), ``s`` (slice), ``d`` (dimension), ``k`` (class).
        added_up: does ``ledger.charge`` hold charges that were added up, with ``sums_of_cuts``?
    """
    return f"""SELECT
          {columns},
          CASE WHEN c.is_pool THEN coalesce(p.Team, 'unallocated') ELSE coalesce(c.team, 'unallocated') END AS Team,
          coalesce(p.x_AllocationRuleId, c.rule_id, 'unallocated') AS x_AllocationRuleId,
          coalesce(p.x_AllocationRuleVersion, c.rule_version) AS x_AllocationRuleVersion,
          CASE WHEN p.pool IS NULL THEN coalesce(c.method, 'default') ELSE 'split' END AS x_AllocationMethod,
          nullif(concat_ws('; ', c.reason, p.x_AllocationReason), '') AS x_AllocationReason,
          CASE WHEN c.is_pool THEN c.team END AS x_AllocationPool,
          CASE WHEN c.is_pool THEN c.rule_id END AS x_AllocationPoolRuleId,
          coalesce(p.weight, 1) AS x_AllocationWeight,
          {_allocated("Billed")} AS AllocatedBilledCost,
          {_allocated("Effective")} AS AllocatedEffectiveCost,
          {_allocated("Quantity")} AS AllocatedConsumedQuantity
        FROM (
          SELECT c.*, b.book, t.Team AS team, t.is_pool, t.x_AllocationRuleId AS rule_id,
            t.x_AllocationRuleVersion AS rule_version, t.x_AllocationMethod AS method, t.x_AllocationReason AS reason,
            CASE WHEN t.is_pool THEN t.Team END AS pool,
            CASE WHEN t.is_pool THEN CAST(date_trunc('month', c.ChargePeriodStart) AS DATE) END AS month,
            {", ".join(_cut(name, added_up=added_up) for name in _MEASURES)}
          FROM ledger.charge AS c
          JOIN (
            SELECT s.slice_id, coalesce(f.book, 0) AS book FROM ledger.slice AS s
            LEFT JOIN allocation.frozen_months AS f ON f.month = date_trunc('month', s.billing_period_start)
          ) AS b ON b.slice_id = c.slice_id
          LEFT JOIN allocation.dimension_team AS t
            ON t.dimension_id = c.dimension_id AND t.book = b.book
           AND c.ChargePeriodStart >= t.valid_from AND c.ChargePeriodStart < t.valid_until
        ) AS c
        JOIN ledger.slice AS s ON s.slice_id = c.slice_id
        JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
        LEFT JOIN ledger.dimension_class AS k ON k.dimension_id = c.dimension_id
        LEFT JOIN allocation.pool_share AS p
          ON p.pool = c.pool AND p.book = c.book AND p.month = c.month
         AND p.BillingCurrency IS NOT DISTINCT FROM d.BillingCurrency
         AND c.ChargePeriodStart >= p.valid_from AND c.ChargePeriodStart < p.valid_until"""


def create_shares_view(con: Connection, columns: str) -> None:
    """Make the view, with these columns of the charge."""
    con.execute(f"CREATE OR REPLACE VIEW allocation.charges AS {select_shares(columns)}")
