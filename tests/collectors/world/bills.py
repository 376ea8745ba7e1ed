"""How each provider writes its charges down: Parquet of AWS, rows of BigQuery, results of the vendors' cost APIs."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .charges import GCP_ACCOUNT, LABS, PAYER, Charge, following

TEXT, MONEY, TIME = pa.string(), pa.float64(), pa.timestamp("ms")
TAGS, DISCOUNTS = pa.map_(TEXT, TEXT), pa.map_(TEXT, MONEY)

CUR2 = {
    "bill_bill_type": TEXT, "bill_billing_entity": TEXT, "bill_billing_period_end_date": TIME,
    "bill_billing_period_start_date": TIME, "bill_invoice_id": TEXT, "bill_payer_account_id": TEXT,
    "discount": DISCOUNTS, "identity_line_item_id": TEXT, "identity_time_interval": TEXT, "line_item_currency_code": TEXT,
    "line_item_line_item_description": TEXT, "line_item_line_item_type": TEXT, "line_item_operation": TEXT,
    "line_item_product_code": TEXT, "line_item_resource_id": TEXT, "line_item_tax_type": TEXT,
    "line_item_unblended_cost": MONEY, "line_item_usage_account_id": TEXT, "line_item_usage_amount": MONEY,
    "line_item_usage_end_date": TIME, "line_item_usage_start_date": TIME, "line_item_usage_type": TEXT,
    "pricing_unit": TEXT, "product": TAGS, "product_instance_type": TEXT, "product_region_code": TEXT, "resource_tags": TAGS,
    "savings_plan_savings_plan_a_r_n": TEXT, "savings_plan_savings_plan_effective_cost": MONEY,
    "savings_plan_total_commitment_to_date": MONEY, "savings_plan_used_commitment": MONEY,
}  # fmt: skip

FOCUS_1_2 = {
    "billedcost": MONEY, "billingaccountid": TEXT, "billingaccountname": TEXT, "billingcurrency": TEXT,
    "billingperiodend": TIME, "billingperiodstart": TIME, "chargecategory": TEXT, "chargeclass": TEXT,
    "chargedescription": TEXT, "chargefrequency": TEXT, "chargeperiodend": TIME, "chargeperiodstart": TIME,
    "commitmentdiscountcategory": TEXT, "commitmentdiscountid": TEXT, "commitmentdiscountstatus": TEXT,
    "commitmentdiscounttype": TEXT, "consumedquantity": MONEY, "consumedunit": TEXT, "contractedcost": MONEY,
    "effectivecost": MONEY, "invoiceid": TEXT, "invoiceissuername": TEXT, "listcost": MONEY, "providername": TEXT,
    "publishername": TEXT, "regionid": TEXT, "resourceid": TEXT, "servicecategory": TEXT, "servicename": TEXT,
    "skumeter": TEXT, "subaccountid": TEXT, "tags": TAGS, "x_discounts": DISCOUNTS, "x_operation": TEXT,
}  # fmt: skip


def cur2_row(charge: Charge, invoice: str, number: int) -> dict[str, Any]:
    """A line item; its id is another one in every delivery."""
    end = charge.start + timedelta(hours=charge.hours)
    return {
        "bill_bill_type": "Anniversary", "bill_billing_entity": "AWS", "bill_payer_account_id": PAYER,
        "bill_billing_period_start_date": _at(charge.month), "bill_billing_period_end_date": _at(following(charge.month)),
        "bill_invoice_id": invoice or None, "discount": {}, "identity_line_item_id": f"line{number}",
        "identity_time_interval": f"{charge.start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}",
        "line_item_currency_code": charge.currency, "line_item_usage_start_date": charge.start,
        "line_item_usage_end_date": end, "line_item_unblended_cost": charge.billed, "line_item_usage_amount": Decimal(1),
        "pricing_unit": "Hrs", "product_region_code": "us-east-1", "product": {"region": "us-east-1"}, "resource_tags": {},
        **charge.cells,
    }  # fmt: skip


def focus_row(charge: Charge) -> dict[str, Any]:
    """A charge as AWS writes FOCUS 1.2."""
    return {
        "billingaccountid": LABS, "billingaccountname": "Labs", "billingcurrency": charge.currency, "subaccountid": LABS,
        "billingperiodstart": _at(charge.month), "billingperiodend": _at(following(charge.month)),
        "chargeperiodstart": charge.start, "chargeperiodend": charge.start + timedelta(hours=charge.hours),
        "chargefrequency": "Usage-Based", "billedcost": charge.billed, "effectivecost": charge.effective,
        "listcost": charge.effective, "contractedcost": charge.effective, "consumedquantity": Decimal(1), "consumedunit": "Hrs",
        "providername": "AWS", "publishername": "AWS", "invoiceissuername": "AWS", "regionid": "us-east-1",
        "tags": {}, "x_discounts": {}, **charge.cells,
    }  # fmt: skip


def parquet(rows: Sequence[dict[str, Any]], columns: dict[str, pa.DataType]) -> bytes:
    """A Parquet file. Money becomes a double, as AWS has it."""
    table = pa.table({name: pa.array([_cell(row.get(name)) for row in rows], type_) for name, type_ in columns.items()})
    out = io.BytesIO()
    pq.write_table(table, out, compression="snappy")
    return out.getvalue()


def gcp_record(charge: Charge) -> dict[str, Any]:
    """A row of the detailed export, nested; money as Decimals."""
    cells = dict(charge.cells)
    credits = cells.pop("credits")
    end = charge.start + timedelta(hours=charge.hours)
    return {
        "billing_account_id": GCP_ACCOUNT, "currency": charge.currency, "currency_conversion_rate": Decimal("0.9"),
        "usage_start_time": charge.start, "usage_end_time": end, "export_time": _at(charge.written),
        "cost": charge.billed - sum((each["amount"] for each in credits), Decimal(0)), "credits": credits,
        "invoice": {"month": f"{charge.month:%Y%m}", "publisher_type": "GOOGLE"},
        "location": {"location": "europe-west4", "country": "NL", "region": "europe-west4", "zone": "europe-west4-a"},
        "usage": {"amount": Decimal(3600), "unit": "seconds", "amount_in_pricing_units": Decimal(1), "pricing_unit": "hour"},
        "labels": [], "system_labels": [], "tags": [], "transaction_type": "GOOGLE", **cells,
    }  # fmt: skip


def openai_results(charges: Iterable[Charge]) -> dict[date, list[dict[str, Any]]]:
    """The results of OpenAI's costs, by day."""
    days: dict[date, list[dict[str, Any]]] = {}
    for each in charges:
        result = {
            "object": "organization.costs.result",
            "amount": {"value": each.billed, "currency": "usd"},
            **each.cells,
        }
        days.setdefault(each.start.date(), []).append(result)
    return days


def anthropic_results(charges: Iterable[Charge]) -> dict[date, list[dict[str, Any]]]:
    """The results of Anthropic's cost report, by day: cents, as text."""
    days: dict[date, list[dict[str, Any]]] = {}
    for each in charges:
        nothing = dict.fromkeys(("model", "token_type", "service_tier", "context_window", "inference_geo"))
        stated = {"currency": "USD", "amount": f"{each.billed * 100:f}", "cost_type": "tokens"}
        result = {**nothing, **stated, **each.cells}
        days.setdefault(each.start.date(), []).append(result)
    return days


def _cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return list(value.items()) if isinstance(value, dict) else value


def _at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)
