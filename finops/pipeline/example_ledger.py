"""Makes a ledger out of a few charges that are written down in an example: what rules are tried on.

A charge is one line of a bill, repeated ``every`` hour, day or month ``from`` a moment ``until`` another (exclusive), with its
``cost``, ``quantity`` and any columns of the ledger. What is left out is filled in: AWS, US dollars, account 111111111111.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from finops.rules.header import nearest
from finops.warehouse.columns import part
from finops.warehouse.connection import Connection, connect
from finops.warehouse.schema import migrate

TODAY = date(2026, 10, 26)
"""The day of an example that does not name one."""

_DEFAULTS: dict[str, Any] = {
    "HostProviderName": "AWS",
    "ProviderName": "AWS",
    "ServiceProviderName": "AWS",
    "InvoiceIssuerName": "AWS",
    "ServiceName": "Amazon SageMaker",
    "x_ServiceCode": "AmazonSageMaker",
    "ChargeCategory": "Usage",
    "BillingCurrency": "USD",
    "SubAccountId": "111111111111",
}
_EXACT = Context(prec=76)
"""Wide enough for any two DECIMAL(38, 18): Python's default of 28 digits would round."""
_OF_CHARGES = {"from", "until", "every", "cost", "effective", "quantity", "source", "account"}
_TICK = timedelta(microseconds=1)
_STEP = {"hour": timedelta(hours=1), "day": timedelta(days=1), "month": timedelta(days=31)}


def new_ledger(charges: Sequence[Mapping[str, Any]]) -> Connection:
    """A warehouse in memory that holds these charges, as loads of one slice a month.

    Raises:
        ValueError: a charge has a column or a value that there is not.
    """
    con = connect(None, threads=1)
    migrate(con)
    slices: dict[tuple[str, str, date], int] = {}
    for number, charge in enumerate(charges, start=1):
        _add(con, number, charge, slices)
    con.execute(
        """INSERT INTO ops.loads BY NAME
        SELECT s.load_id, s.slice_id, s.source_id, s.billing_account_id, s.billing_period_start, 'current' AS status,
            sum(t.row_count)::BIGINT AS row_count,
            list({'currency': t.currency, 'row_count': t.row_count, 'billed_cost': t.billed, 'effective_cost': t.effective,
                  'delivered_cost': t.billed}) AS sums
        FROM ledger.slice AS s
        JOIN (SELECT c.slice_id, d.BillingCurrency AS currency, count(*) AS row_count,
                  sum(c.BilledCost)::DECIMAL(38, 18) AS billed,
                  sum(c.BilledCost + c.EffectiveCostDelta)::DECIMAL(38, 18) AS effective
              FROM ledger.charge AS c JOIN ledger.dimension AS d USING (dimension_id) GROUP BY ALL) AS t USING (slice_id)
        GROUP BY ALL"""
    )
    return con


def charge_problems(charge: Mapping[str, Any]) -> Iterator[str]:
    """Keys of a charge that mean nothing."""
    known = {column.name for column in part("dimension")} | _OF_CHARGES
    yield from (
        f"a charge has no column '{key}'{nearest(str(key), sorted(known))}" for key in charge if key not in known
    )
    if str(charge.get("every", "day")) not in _STEP:
        yield f"every is hour, day or month, not '{charge['every']}'"


def _number(charge: Mapping[str, Any], key: str, default: object) -> Decimal:
    """An amount as it is written.

    Raises:
        ValueError: it is no number.
    """
    given = charge.get(key, default)
    try:
        return Decimal(str(given))
    except InvalidOperation as error:
        raise ValueError(f"{key} is a number, not '{given}'") from error


def _add(con: Connection, number: int, charge: Mapping[str, Any], slices: dict[tuple[str, str, date], int]) -> None:
    for problem in charge_problems(charge):
        raise ValueError(problem)
    columns = _DEFAULTS | {key: value for key, value in charge.items() if key not in _OF_CHARGES}
    insert(con, "ledger.dimension", {"dimension_id": number, "key": number} | columns)
    every = str(charge.get("every", "day"))
    start = _moment(charge.get("from", TODAY - timedelta(days=1)))
    until = _moment(charge.get("until", start + _STEP[every]))
    cost = _number(charge, "cost", 0)
    effective = _number(charge, "effective", cost)
    quantity = None if charge.get("quantity") is None else _number(charge, "quantity", 0)
    source, account = str(charge.get("source", "test")), str(charge.get("account", "payer"))
    length = _STEP[every] // _TICK
    while start < until:
        month = start.date().replace(day=1)
        slice_id = slices.get((source, account, month))
        if slice_id is None:
            slice_id = slices[source, account, month] = len(slices) + 1
            con.execute(
                "INSERT INTO ledger.slice SELECT ?, ?, ?, ?::TIMESTAMP, ?::TIMESTAMP + INTERVAL 1 MONTH, ?",
                [slice_id, source, account, month, month, f"load-{slice_id}"],
            )
        end = min(until, _moment((month + timedelta(days=31)).replace(day=1)))
        steps = -((start - end) // _STEP[every])
        con.execute(
            "INSERT INTO ledger.charge (slice_id, dimension_id, BilledCost, EffectiveCostDelta, ContractedCostDelta, "
            "ListCostDelta, ConsumedQuantity, ChargePeriodStart, ChargePeriodMicroseconds) "
            f"SELECT ?, {number}, ?::DECIMAL(38, 18), ?::DECIMAL(38, 18), 0, 0, ?::DECIMAL(38, 12), "
            f"?::TIMESTAMP + to_microseconds(step * {length}), {length} FROM range(?) AS r(step)",
            [slice_id, cost, _EXACT.subtract(effective, cost), quantity, start, steps],
        )
        start += steps * _STEP[every]


def add_utilisation(con: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Fill ``utilisation.daily``: a row for its ``day``, or for each day ``from`` one ``until`` another (exclusive).

    Raises:
        ValueError: a row has a column that the table lacks.
    """
    for row in rows:
        rest = {"source_id": "test"} | {key: value for key, value in row.items() if key not in ("from", "until")}
        if "from" not in row:
            insert(con, "utilisation.daily", rest)
            continue
        first = _moment(row["from"])
        until = _moment(row.get("until", first + timedelta(days=1)))
        insert(con, "utilisation.daily", rest, (first, until))


def insert(con: Connection, table: str, row: Mapping[str, Any], days: tuple[datetime, datetime] | None = None) -> None:
    """Insert one row, or one for each ``day`` from one until another (exclusive). Maps, lists and JSON are given as Python's.

    Raises:
        ValueError: the table has no such column; with the nearest.
    """
    types = {str(each[0]): str(each[1]) for each in con.execute(f"DESCRIBE {table}").fetchall()}
    for key in row:
        if key not in types:
            raise ValueError(f"{table} has no column '{key}'{nearest(str(key), list(types))}")
    nested = {key for key in row if types[key].startswith(("MAP", "STRUCT", "JSON")) or types[key].endswith("]")}
    values = [json.dumps(row[key], default=str) if key in nested and row[key] is not None else row[key] for key in row]
    casts = [f"CAST(CAST(? AS JSON) AS {types[key]})" if key in nested else "?" for key in row]
    if days is None:
        con.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(casts)})", values)
    else:
        columns, given = ", ".join([*row, "day"]), ", ".join([*casts, "unnest(range(?, ?, INTERVAL 1 DAY))"])
        con.execute(f"INSERT INTO {table} ({columns}) SELECT {given}", [*values, *days])


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    return datetime.fromisoformat(str(value))


def write_mappings(folder: Path, mappings: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """The mapping files of an example, as CSV: file name (with or without ``.csv``) -> rows."""
    folder.mkdir(exist_ok=True)
    for name, rows in mappings.items():
        with (folder / f"{name.removesuffix('.csv')}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
            writer.writeheader()
            writer.writerows(rows)
    return folder
