"""What is refused before it is committed, and what is only remarked on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from finops.errors import BadInputError, CheckFailedError
from finops.formats.read import quote
from finops.warehouse.columns import part
from finops.warehouse.connection import Connection
from finops.warehouse.plan import Plan, slice_key

LARGEST_AMOUNT = 10**12
"""No line of a bill is a trillion of any currency; a larger one is a misread cell."""
LARGEST_TAGS = 1_000_000
"""Characters in one tag cell, as in a CSV."""


def check_dimensions(con: Connection, plan: Plan) -> None:
    """Refuse combinations without a billing period, with absurd tags, or with values that FOCUS does not allow."""
    row = con.execute(
        "SELECT count(*) FILTER (BillingPeriodStart IS NULL), any_value(BillingPeriodStart) FILTER (BillingPeriodStart "
        "NOT BETWEEN TIMESTAMP '2000-01-01' AND TIMESTAMP '2100-01-01')::VARCHAR, "
        "max(list_sum(list_transform(map_values(Tags), lambda v: length(v)))) FROM temp.mapped_dimension"
    ).fetchone()
    assert row is not None
    if row[0]:
        raise BadInputError(
            f"{row[0]} kinds of rows have no billing period",
            where=plan.where,
            next_step="Neither a billing period nor a usage date is in these rows; export the file again.",
        )
    if row[1]:
        raise BadInputError(
            f"a billing period starts on {row[1]}",
            where=plan.where,
            next_step="Look at the time columns: milliseconds for seconds? day and month swapped?",
        )
    if (row[2] or 0) > LARGEST_TAGS:
        raise BadInputError(
            f"a resource's tags are {row[2]:,} characters long",
            where=plan.where,
            next_step=f"No provider allows more than some kilobytes; finops refuses more than {LARGEST_TAGS:,}.",
        )
    for column in part("dimension"):
        if column.allowed:
            _check_allowed(con, plan, column.name, column.allowed)


def _check_allowed(con: Connection, plan: Plan, name: str, allowed: Sequence[str]) -> None:
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in allowed)
    row = con.execute(
        f"SELECT any_value({quote(name)}) FROM temp.mapped_dimension WHERE {quote(name)} NOT IN ({listed})"
    ).fetchone()
    if row and row[0] is not None:
        raise BadInputError(
            f"{name} is {row[0]!r}, which FOCUS does not allow",
            where=plan.where,
            next_step=f"Allowed: {', '.join(allowed)}.",
        )


def check_rows(con: Connection, plan: Plan, expected: int) -> None:
    """The first check of the trade: every delivered row is in the ledger, once, and none is absurd.

    Args:
        expected: the rows of the slices that this delivery may hold.
    """
    row = con.execute(
        "SELECT count(*), coalesce(max(greatest(abs(BilledCost), abs(BilledCost + EffectiveCostDelta), "
        "abs(BilledCost + coalesce(ListCostDelta, 0)), abs(BilledCost + coalesce(ContractedCostDelta, 0)))), 0), "
        "count(*) FILTER (BilledCost IS NULL OR EffectiveCostDelta IS NULL), count(*) FILTER (ChargePeriodStart IS NULL), "
        "max(ChargePeriodStart) FILTER (ChargePeriodStart < TIMESTAMP '2000-01-01' "
        "OR ChargePeriodStart >= TIMESTAMP '2100-01-01')::VARCHAR, count(*) FILTER (ChargePeriodMicroseconds < 0) "
        "FROM ledger.charge WHERE slice_id IN (SELECT slice_id FROM temp.winning)"
    ).fetchone()
    assert row is not None
    rows, largest, without_cost, without_time, strange_time, backwards = row
    if largest > LARGEST_AMOUNT:
        raise BadInputError(
            f"a row costs {largest:,.2f}, which no line of a bill does",
            where=plan.where,
            next_step="Look at the cost columns: digits or decimal points have been lost. Nothing was loaded.",
        )
    if without_cost or without_time:
        raise BadInputError(
            f"{without_cost or without_time:,} rows have no {'cost' if without_cost else 'time'}",
            where=plan.where,
            next_step="An empty cell is not zero. Export the file again with all columns.",
        )
    if strange_time or backwards:
        what = f"a row is of {strange_time}" if strange_time else f"{backwards:,} rows end before they start"
        raise BadInputError(
            what,
            where=plan.where,
            next_step="Look at the time columns: milliseconds for seconds? day and month swapped?",
        )
    if rows != expected:
        raise CheckFailedError(
            f"{expected:,} rows were delivered but {rows:,} would be stored; nothing was changed",
            where=plan.where,
            next_step="This is a fault of finops: please report it with the file's header.",
        )


def refuse_twice(plan: Plan, account: str | None, start: datetime) -> None:
    """Two deliveries of one call may state the same slice as versions, which replace each other, or as two parts of a bill or
    two exports of the same spend (actual and amortised, CUR and FOCUS), which must neither be added nor dropped silently.

    Versions are of one export and were not written in the same minute.

    Raises:
        BadInputError: these are not versions.
    """
    holder = plan.held.get(slice_key(account, start, plan.format))
    if holder is None:
        return
    same_export = (holder.format, holder.export) == (plan.format, plan.export)
    if same_export and abs((plan.delivered_at - holder.delivered_at).total_seconds()) >= 60:
        return
    raise BadInputError(
        f"holds account {account}, {start:%Y-%m}, which {holder.name} holds too",
        where=plan.where,
        next_step="Two exports of the same spend: load only one. Two parts of the bill: put them into one folder, numbered, or "
        "give each its own --source.",
    )


def refuse_rival(plan: Plan, account: str | None, start: datetime, holders_key: str | None) -> None:
    """Two exports of one source that state the same account and month are two parts of a bill, or the same spend twice. Neither
    replaces the other, however often each is delivered.

    Args:
        holders_key: of the offer that the slice in the ledger came with.

    Raises:
        BadInputError: that offer is another one, which the source still makes.
    """
    if holders_key is not None and holders_key in plan.rivals:
        raise BadInputError(
            f"holds account {account}, {start:%Y-%m}, which another export of this source holds too: {holders_key}",
            where=plan.where,
            next_step="The same spend twice: name one export in the source. Two parts of the bill: make each a source of its own.",
        )


def refuse_part(plan: Plan, account: str | None, start: datetime, warning: str) -> None:
    """A version that lost half of a month that another file of this call holds is rather a part of it.

    Raises:
        BadInputError: it is.
    """
    holder = plan.held.get(slice_key(account, start, plan.format))
    if holder and warning:
        raise BadInputError(
            f"holds account {account}, {start:%Y-%m}, like {holder.name}, but only a part of it: {warning}",
            where=plan.where,
            next_step="Nothing of it was loaded.",
        )


def extent(con: Connection, slice_id: int) -> tuple[int, int]:
    """How many rows a slice has, and on how many days."""
    row = con.execute(
        "SELECT count(*), count(DISTINCT ChargePeriodStart::DATE) FROM ledger.charge WHERE slice_id = ?", [slice_id]
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def shrunk(before: tuple[int, int], after: tuple[int, int]) -> str:
    """A restated month has as many days as before and about as many rows; else it may have been meant to be added."""
    if 2 * after[0] > before[0] and after[1] >= before[1]:
        return ""
    return (
        f"{before[0]:,} rows on {before[1]} days were replaced by {after[0]:,} rows on {after[1]}: "
        "if the file was meant to be added, put the parts into one folder and load that, or give it its own --source"
    )
