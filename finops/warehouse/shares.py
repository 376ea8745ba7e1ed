"""``allocation.charges``: who pays for a charge, in shares that add up to it exactly.

A charge finds its row in ``allocation.dimension_team`` by its dimension, its book and its time. Where that names a pool, the rows
of ``allocation.pool_share`` divide the charge: all but one take ``amount × weight``, cut off after 18 places, and the one that
knows the others' weights (the largest share, of equals the first by name) takes what is left.
"""

from __future__ import annotations

from finops.warehouse.connection import Connection

BEGINNING = "TIMESTAMP '0001-01-01'"
END = "TIMESTAMP '9999-12-31'"
"""What stands for no limit in ``valid_from`` and ``valid_until``."""

_BILLED = "c.BilledCost"
_EFFECTIVE = "CAST(c.BilledCost + c.EffectiveCostDelta AS DECIMAL(38, 18))"
_QUANTITY = "CAST(c.ConsumedQuantity AS DECIMAL(38, 18))"


def share(amount: str, weight: str) -> str:
    """SQL for ``amount × weight``, cut off after 18 places, exact for every DECIMAL(38, 18).

    Args:
        amount: a DECIMAL(38, 18).
        weight: a DECIMAL(19, 18) from 0 to 1.
    """
    # 38 digits are too few for the product at once: whole units and the fraction each fit
    whole = f"CAST(trunc({amount}) AS DECIMAL(20, 0)) * {weight}"
    fraction = f"trunc(CAST({amount} - trunc({amount}) AS DECIMAL(18, 18)) * {weight}, 18)"
    return f"CAST({whole} + {fraction} AS DECIMAL(38, 18))"


def _allocated(amount: str) -> str:
    others = f"list_sum(list_transform(p.other_weights, lambda w: {share(amount, 'w')}))"
    return (
        f"CASE WHEN p.pool IS NULL THEN {amount} WHEN p.other_weights IS NULL THEN {share(amount, 'p.weight')} "
        f"ELSE CAST({amount} - coalesce({others}, 0) AS DECIMAL(38, 18)) END"
    )


def create_shares_view(con: Connection, columns: str) -> None:
    """Make the view.

    Args:
        columns: the charge's own columns, as SQL over ``c`` (charge), ``s`` (slice), ``d`` (dimension) and ``k`` (class).
    """
    con.execute(
        f"""CREATE OR REPLACE VIEW allocation.charges AS SELECT
          {columns},
          CASE WHEN t.is_pool THEN coalesce(p.Team, 'unallocated') ELSE coalesce(t.Team, 'unallocated') END AS Team,
          coalesce(p.x_AllocationRuleId, t.x_AllocationRuleId, 'unallocated') AS x_AllocationRuleId,
          coalesce(p.x_AllocationRuleVersion, t.x_AllocationRuleVersion) AS x_AllocationRuleVersion,
          CASE WHEN p.pool IS NULL THEN coalesce(t.x_AllocationMethod, 'default') ELSE 'split' END AS x_AllocationMethod,
          nullif(concat_ws('; ', t.x_AllocationReason, p.x_AllocationReason), '') AS x_AllocationReason,
          CASE WHEN t.is_pool THEN t.Team END AS x_AllocationPool,
          CASE WHEN t.is_pool THEN t.x_AllocationRuleId END AS x_AllocationPoolRuleId,
          coalesce(p.weight, 1) AS x_AllocationWeight,
          {_allocated(_BILLED)} AS AllocatedBilledCost,
          {_allocated(_EFFECTIVE)} AS AllocatedEffectiveCost,
          {_allocated(_QUANTITY)} AS AllocatedConsumedQuantity
        FROM ledger.charge AS c
        JOIN (
          SELECT s.*, coalesce(f.book, 0) AS book FROM ledger.slice AS s
          LEFT JOIN allocation.frozen_months AS f ON f.month = date_trunc('month', s.billing_period_start)
        ) AS s ON s.slice_id = c.slice_id
        JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
        LEFT JOIN ledger.dimension_class AS k ON k.dimension_id = c.dimension_id
        LEFT JOIN allocation.dimension_team AS t
          ON t.dimension_id = c.dimension_id AND t.book = s.book
         AND c.ChargePeriodStart >= t.valid_from AND c.ChargePeriodStart < t.valid_until
        LEFT JOIN allocation.pool_share AS p
          ON p.pool = CASE WHEN t.is_pool THEN t.Team END AND p.book = t.book
         AND p.month = date_trunc('month', c.ChargePeriodStart) AND p.BillingCurrency IS NOT DISTINCT FROM d.BillingCurrency
         AND c.ChargePeriodStart >= p.valid_from AND c.ChargePeriodStart < p.valid_until"""
    )
