"""Example folders beside the rules: a few charges in YAML become a ledger, and a query's answer is compared with expect.yaml.

``inputs.yaml`` holds ``today``, ``mappings`` (file name -> rows), ``charges`` and ``sql`` (to break things on purpose). A
charge is one line of a bill, repeated ``every`` hour, day or month ``from`` a moment ``until`` another (exclusive), with its
``cost``, ``quantity`` and any columns of the ledger. What is left out is filled in: AWS, US dollars, account 111111111111.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from finops.pipeline.build import build
from finops.rules.catalogue import Catalogue
from finops.rules.header import QueryFile
from finops.rules.run import materialise, parameter_values
from finops.warehouse.columns import part
from finops.warehouse.connection import Connection, connect
from finops.warehouse.schema import migrate

EXAMPLES = Path(__file__).parent / "queries"
TODAY = date(2026, 10, 26)
CATALOGUE = Catalogue()
DEFAULTS: dict[str, Any] = {
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
_OF_THE_KIT = {"from", "until", "every", "cost", "effective", "quantity", "source", "account"}
_STEP = {"hour": timedelta(hours=1), "day": timedelta(days=1), "month": timedelta(days=31)}
_JSON = {column.name for column in part("dimension") if column.type.startswith("MAP") or column.type == "JSON"}


def new_ledger(charges: Sequence[Mapping[str, Any]]) -> Connection:
    """A warehouse in memory that holds these charges, as loads of one slice a month."""
    con = connect(None, threads=2)
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


def _add(con: Connection, number: int, charge: Mapping[str, Any], slices: dict[tuple[str, str, date], int]) -> None:
    known = {column.name for column in part("dimension")} | _OF_THE_KIT
    assert charge.keys() <= known, f"no such columns: {charge.keys() - known}"
    columns = DEFAULTS | {key: value for key, value in charge.items() if key not in _OF_THE_KIT}
    values = [json.dumps(value) if key in _JSON and value is not None else value for key, value in columns.items()]
    casts = [f"CAST(CAST(? AS JSON) AS {_type(key)})" if key in _JSON else "?" for key in columns]
    con.execute(
        f"INSERT INTO ledger.dimension (dimension_id, key, {', '.join(columns)}) VALUES ({number}, {number}, {', '.join(casts)})",
        values,
    )
    every = str(charge.get("every", "day"))
    start = _moment(charge.get("from", TODAY - timedelta(days=1)))
    until = _moment(charge.get("until", start + _STEP[every]))
    cost = Decimal(str(charge.get("cost", 0)))
    effective = Decimal(str(charge.get("effective", cost)))
    source, account = str(charge.get("source", "test")), str(charge.get("account", "payer"))
    rows = []
    while start < until:
        month = start.date().replace(day=1)
        slice_id = slices.setdefault((source, account, month), len(slices) + 1)
        rows.append((slice_id, start))
        start += _STEP[every]
    con.execute(
        "INSERT INTO ledger.charge (slice_id, dimension_id, BilledCost, EffectiveCostDelta, ContractedCostDelta, "
        "ListCostDelta, ConsumedQuantity, ChargePeriodStart, ChargePeriodMicroseconds) "
        f"SELECT unnest(?), {number}, ?::DECIMAL(38, 18), ?::DECIMAL(38, 18), 0, 0, ?::DECIMAL(38, 18), unnest(?), ?",
        [[row[0] for row in rows], cost, effective - cost, _decimal(charge.get("quantity")), [row[1] for row in rows],
         _STEP[every] // timedelta(microseconds=1)],
    )  # fmt: skip
    for (name, payer, month), slice_id in slices.items():
        con.execute(
            "INSERT INTO ledger.slice SELECT ?, ?, ?, ?::TIMESTAMP, ?::TIMESTAMP + INTERVAL 1 MONTH, ? "
            "WHERE ? NOT IN (SELECT slice_id FROM ledger.slice)",
            [slice_id, name, payer, month, month, f"load-{slice_id}", slice_id],
        )


def _type(column: str) -> str:
    return next(each.type for each in part("dimension") if each.name == column)


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    return datetime.fromisoformat(str(value))


def write_mappings(folder: Path, mappings: Mapping[str, Sequence[Mapping[str, str]]]) -> Path:
    """The mapping files of an example, as CSV."""
    folder.mkdir(exist_ok=True)
    for name, rows in mappings.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return folder


def run_example(query: QueryFile, case: Path, folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the query answers for an example, and what is expected."""
    inputs = yaml.safe_load((case / "inputs.yaml").read_text(encoding="utf-8"))
    expected = yaml.safe_load((case / "expect.yaml").read_text(encoding="utf-8"))
    given = case / "params.yaml"
    params = {query.id: yaml.safe_load(given.read_text())} if given.is_file() else {}
    today = inputs.get("today", TODAY)
    con = new_ledger(inputs.get("charges", []))
    try:
        build(con, CATALOGUE, write_mappings(folder / "mappings", inputs.get("mappings", {})), today, params=params)
        for statement in inputs.get("sql", []):
            con.execute(statement)
        values = parameter_values(con, query, today, params.get(query.id, {}))
        if query.layer == "findings":
            shown = "('idle', 'underused', 'unknown', 'excepted')"
            if any(row.get("status") == "active" for row in expected):
                shown = "('idle', 'underused', 'unknown', 'excepted', 'active')"
            found = con.execute(f"SELECT * FROM findings.findings WHERE rule_id = ? AND status IN {shown}", [query.id])
        elif query.layer == "allocate":
            found = con.execute(
                "SELECT t.Team, t.x_AllocationReason, t.x_AllocationMethod, d.* FROM allocation.dimension_team AS t "
                "JOIN ledger.dimensions AS d ON d.x_DimensionId = t.dimension_id WHERE t.x_AllocationRuleId = ?",
                [query.id],
            )
        elif query.layer == "classify":
            writes = ", ".join(f"m.{name}" for name in query.extra["writes"])
            materialise(con, query, values, "answer")
            found = con.execute(
                f"SELECT {writes}, d.* EXCLUDE ({writes.replace('m.', '')}) FROM temp.answer AS m "
                "JOIN ledger.dimensions AS d USING (x_DimensionId)"
            )
        else:
            found = con.execute(query.body, values)
        names = [str(column[0]) for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()], expected
    finally:
        con.close()


def mismatch(answers: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> str:
    """Why an answer is not what is expected; empty if it is. Expected rows name only the columns that matter."""
    left = list(answers)
    for wanted in expected:
        match = next((row for row in left if all(same(row.get(key), value) for key, value in wanted.items())), None)
        if match is None:
            keys = sorted({key for row in expected for key in row})
            shown = "\n".join(str({key: str(row.get(key)) for key in keys}) for row in left) or "nothing"
            return f"expected {wanted}\nleft in the answer:\n{shown}"
        left.remove(match)
    return f"not expected: {[{k: str(v) for k, v in row.items() if v is not None} for row in left]}" if left else ""


def same(found: Any, wanted: Any) -> bool:
    """Numbers by value, text by text; '~…' is a regular expression."""
    if isinstance(wanted, str) and wanted.startswith("~"):
        return bool(re.search(wanted[1:], str(found)))
    if isinstance(found, Decimal) and wanted is not None:
        return found == Decimal(str(wanted))
    return found == wanted or (wanted is not None and str(found) == str(wanted))
