"""Tiny bills, as files: one row a cost."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from conftest import focus_csv

CUR2 = (
    "line_item_usage_start_date,line_item_usage_end_date,bill_billing_period_start_date,bill_payer_account_id,"
    "line_item_usage_account_id,line_item_product_code,line_item_usage_type,line_item_unblended_cost,"
    "line_item_currency_code,line_item_line_item_type"
)
CUR = (
    "lineItem/UsageStartDate,lineItem/UsageEndDate,bill/BillingPeriodStartDate,bill/PayerAccountId,"
    "lineItem/UsageAccountId,lineItem/ProductCode,lineItem/UsageType,lineItem/UnblendedCost,"
    "lineItem/CurrencyCode,lineItem/LineItemType"
)


def cur(header: str, month: date, costs: Sequence[Decimal], *, renamed: bool = False) -> bytes:
    """A part of a Cost and Usage Report, legacy or 2.0, packed."""
    if renamed:
        header = header.replace("UnblendedCost", "CostUnblended").replace("unblended_cost", "cost_unblended")
    rows = [
        f"{month:%Y-%m}-{day:02}T00:00:00Z,{month:%Y-%m}-{day:02}T01:00:00Z,{month}T00:00:00Z,1,2,AmazonEC2,BoxUsage:m5.large,"
        f"{cost},USD,Usage"
        for day, cost in enumerate(costs, start=1)
    ]
    return gzip.compress("\n".join([header, *rows, ""]).encode(), mtime=0)


def focus(month: date, costs: Sequence[Decimal], *, renamed: bool = False) -> bytes:
    """A FOCUS 1.0 file as text."""
    text = focus_csv(*map(str, costs), month=f"{month:%Y-%m}")
    return (text.replace("BilledCost", "CostBilled") if renamed else text).encode()


def focus_parquet(month: date, costs: Sequence[Decimal], *, renamed: bool = False) -> bytes:
    """The same as Parquet, its money as doubles."""
    text = focus(month, costs, renamed=renamed)
    names = text.decode().partition("\n")[0].split(",")
    money = {"Cost": pa.float64(), "Quantity": pa.float64()}
    times = {"Start": pa.timestamp("ms"), "End": pa.timestamp("ms")}
    types = {
        name: next((type_ for end, type_ in (money | times).items() if name.endswith(end)), pa.string())
        for name in names
    }
    types |= {name: pa.float64() for name in names if name == "CostBilled"}
    read = pa.csv.read_csv(
        io.BytesIO(text.replace(b"Z,", b",")), convert_options=pa.csv.ConvertOptions(column_types=types)
    )
    out = io.BytesIO()
    pa.parquet.write_table(read, out, compression="snappy")
    return out.getvalue()
