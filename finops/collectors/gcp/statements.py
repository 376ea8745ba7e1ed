"""The SQL that is sent to BigQuery: which rows there are of each month and day, and the rows themselves.

Partitions are chosen by literals only, because BigQuery leaves out no partition for an expression. Costs are compared as
whole millionths: integers add up the same in any order and on both sides, which sums of FLOAT64 do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from finops.collectors.gcp.export import Export

DAY = "finops_day"
"""The column added to fetched rows: the day that they are of."""
SCALE = 1_000_000
PENDING = "_PARTITIONTIME"


def profile(export: Export, since: date | None, months: Sequence[date] = ()) -> str:
    """Rows, costs and credits by month, day and currency. Rows without a day are among them, so that they are not overlooked.

    Args:
        since: the first day that is looked at; None: all.
        months: only these; none: every month that the days have rows of.
    """
    money = "BilledCost" if export.kind == "focus" else "cost"
    currency = "BillingCurrency" if export.kind == "focus" else "currency"
    credits = "0" if export.kind == "focus" else f"(SELECT SUM({_whole('c.amount')}) FROM UNNEST(credits) AS c)"
    newest = f"MAX({export.newest_column})" if export.newest_column else "CAST(NULL AS TIMESTAMP)"
    wanted = []
    if since or export.partitioned:
        from_ = f"{export.day_column} >= {_moment(export, since or date(1970, 1, 1))}"
        # without a partition time are only rows that BigQuery has not yet put into their partition
        wanted.append(from_ if export.day_column == PENDING else f"({from_} OR {export.day_column} IS NULL)")
    if months:
        wanted.append(f"{_month(export)} IN ({', '.join(_name(month) for month in months)})")
    return (
        f"SELECT {_month(export)} AS month, DATE({export.day_column}) AS day, {currency} AS currency, "
        f"COUNT(*) AS row_count, SUM({_whole(money)}) AS cost, SUM({credits}) AS credits, {newest} AS newest "
        f"FROM `{export.table}`" + (f" WHERE {' AND '.join(wanted)}" if wanted else "") + " GROUP BY 1, 2, 3"
    )


def rows(export: Export, month: date, days: Sequence[date], until: str = "") -> str:
    """All columns of the rows that a month has on some days, and the day.

    Args:
        until: rows that were exported after this moment are left out; empty: none are.
    """
    spans = [
        f"({export.day_column} >= {_moment(export, first)} AND {export.day_column} < {_moment(export, last + _ONE)})"
        for first, last in _spans(days)
    ]
    known = ""
    if until and export.newest_column:
        known = f" AND (CAST({export.newest_column} AS TIMESTAMP) <= TIMESTAMP('{until}') OR {export.newest_column} IS NULL)"
    texts = ", ".join(f"CAST(`{name}` AS STRING) AS `{name}`" for name in export.wide)
    return (
        f"SELECT *{f' REPLACE ({texts})' if texts else ''}, DATE({export.day_column}) AS {DAY} FROM `{export.table}` "
        f"WHERE ({' OR '.join(spans)}) AND {_month(export)} = {_name(month)}{known}"
    )


def newest(export: Export, since: date) -> str:
    """When the last row was exported, and the first and last of the days since one."""
    exported = export.newest_column or export.day_column
    return (
        f"SELECT MAX({exported}) AS newest, MIN(DATE({export.day_column})) AS first_day FROM `{export.table}` "
        f"WHERE {export.day_column} >= {_moment(export, since)}"
    )


_ONE = timedelta(days=1)


def _month(export: Export) -> str:
    """The billing month as '202610', as the mappings in queries/normalise/ have it."""
    if export.kind == "focus":
        # a period begins at the seller's midnight, up to 14 hours before that of UTC
        return "FORMAT_TIMESTAMP('%Y%m', TIMESTAMP_ADD(CAST(BillingPeriodStart AS TIMESTAMP), INTERVAL 14 HOUR))"
    return "COALESCE(NULLIF(invoice.month, ''), FORMAT_TIMESTAMP('%Y%m', usage_start_time))"


def _name(month: date) -> str:
    return f"'{month:%Y%m}'"


def _whole(money: str) -> str:
    return f"CAST(ROUND({money} * {SCALE}) AS INT64)"


def _moment(export: Export, day: date) -> str:
    return f"{export.day_type}('{day}')" if export.day_type != "DATE" else f"DATE '{day}'"


def _spans(days: Sequence[date]) -> list[tuple[date, date]]:
    """Days in a row, as first and last."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] == _ONE:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
