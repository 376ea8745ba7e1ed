"""What a file is, is found in its columns; and what is in it reads the same in every shape in which it is delivered."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from finops.errors import UnknownFormatError
from finops.pipeline.loading import Loader, LoadReport
from finops.rules.catalogue import Catalogue
from finops.warehouse.columns import ledger_columns
from finops.warehouse.connection import connect
from finops.warehouse.landing import Landing
from finops.warehouse.schema import migrate

Rows = list[dict[str, Any]]


class Desk:
    """A fresh ledger, and files to put on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.con = connect(folder / "finops.duckdb", threads=1)
        migrate(self.con)
        self.loader = Loader(self.con, Landing(folder / "landing"), Catalogue())

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def load(self, name: str, content: str | bytes) -> LoadReport:
        return self.loader.load_paths([self.write(name, content)])

    def rows(self, name: str, content: str | bytes, format_id: str = "") -> Rows:
        """The ledger's rows after loading one good file, with all columns of all FOCUS versions."""
        report = self.load(name, content)
        assert not report.problems
        assert not format_id or report.results[0].format == format_id
        return self.ledger()

    def ledger(self) -> Rows:
        found = self.con.execute(
            "SELECT c.*, d.ProviderName, d.PublisherName FROM focus.cost_and_usage AS c "
            "JOIN ledger.dimensions AS d USING (x_DimensionId) ORDER BY ChargePeriodStart, BilledCost"
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.con.close()


def csv_of(*rows: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def parquet_of(sql: str, folder: Path) -> bytes:
    path = folder / "made.parquet"
    duckdb.connect().execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


# --- FOCUS ------------------------------------------------------------------------------------------------------------

FOCUS_ROW = {
    "BilledCost": "4e-07", "EffectiveCost": "1.5", "ListCost": "2", "ContractedCost": "1.5", "BillingCurrency": "USD",
    "BillingAccountId": "A1", "BillingAccountName": "NULL", "BillingPeriodStart": "2026-09-01T00:00:00Z",
    "BillingPeriodEnd": "2026-10-01T00:00:00Z", "ChargePeriodStart": "2026-09-02T00:00:00Z",
    "ChargePeriodEnd": "2026-09-02T01:00:00Z", "ChargeCategory": "Usage", "ChargeClass": "", "ServiceName": "Amazon EC2",
    "ServiceCategory": "Compute", "ProviderName": "AWS", "PublisherName": "Amazon Web Services, Inc.",
    "InvoiceIssuerName": "Amazon Web Services, Inc.", "ChargeFrequency": "Usage-based", "Tags": '{"team": "search"}',
}  # fmt: skip


def focus_row(version: str) -> dict[str, str]:
    """A row with every column that this FOCUS version has."""
    row = {
        c.name: "" for c in ledger_columns() if c.since and c.since <= version and (not c.until or version < c.until)
    }
    row |= {name: value for name, value in FOCUS_ROW.items() if name in row}
    if version >= "1.3":
        row |= {"ServiceProviderName": "AWS", "HostProviderName": "AWS"}
    return row


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3", "1.4"])
@pytest.mark.parametrize("shape", ["csv", "csv.gz", "parquet", "jsonl"])
def test_every_version_of_focus_becomes_1_4(desk: Desk, version: str, shape: str) -> None:
    row = focus_row(version)
    content: str | bytes = csv_of(row)
    if shape == "csv.gz":
        content = gzip.compress(csv_of(row).encode())
    elif shape == "jsonl":
        content = json.dumps(row) + "\n"
    elif shape == "parquet":
        desk.write("made.csv", csv_of(row))
        content = parquet_of(f"FROM read_csv('{desk.folder}/in/made.csv', all_varchar = true)", desk.folder)
    (found,) = desk.rows(f"bill.{shape}", content, "focus")
    assert found["BilledCost"] == Decimal("0.0000004")
    assert found["EffectiveCost"] == Decimal("1.5")
    assert found["ServiceProviderName"] == found["HostProviderName"] == "AWS"
    assert found["ChargeFrequency"] == "Usage-Based"  # FOCUS's own spelling
    assert found["BillingAccountName"] is None and found["ChargeClass"] is None  # NULL and nothing say the same
    assert found["BillingPeriodEnd"] == datetime(2026, 10, 1)
    assert found["Tags"] == {"team": "search"}


@pytest.mark.parametrize(
    "start", ["2026-08-31T12:00:00Z", "2026-09-01T00:00:00.000Z", "2026-09-01 07:00:00 UTC", "2026-09-01"]
)
def test_a_billing_period_may_begin_at_the_sellers_midnight(desk: Desk, start: str) -> None:
    (found,) = desk.rows("bill.csv", csv_of(focus_row("1.2") | {"BillingPeriodStart": start}))
    assert (found["BillingPeriodStart"], found["BillingPeriodEnd"]) == (datetime(2026, 9, 1), datetime(2026, 10, 1))


def test_aws_writes_focus_with_small_letters_maps_and_doubles(desk: Desk) -> None:
    content = parquet_of(
        "SELECT 9.2::DOUBLE AS billedcost, 9.2::DOUBLE AS effectivecost, 'USD' AS billingcurrency, 'A1' AS billingaccountid, "
        "TIMESTAMP '2026-09-01' AS billingperiodstart, TIMESTAMP '2026-09-02' AS chargeperiodstart, "
        "TIMESTAMP '2026-09-03' AS chargeperiodend, 'Usage' AS chargecategory, 'Amazon SageMaker' AS servicename, "
        "'AWS' AS providername, 'Anthropic, PBC' AS publishername, MAP {'user:team': 'search', 'user_id': 'x', 'empty': ''} AS tags, "
        "MAP {} AS skupricedetails, 'USE1-Host:ml.g5.xlarge' AS skumeter, 'RunInstance' AS x_operation, "
        "'AmazonSageMaker' AS x_servicecode, MAP {'EDP': 0.1::DOUBLE} AS x_discounts",
        desk.folder,
    )
    (found,) = desk.rows("focus.snappy.parquet", content, "focus")
    assert found["BilledCost"] == Decimal("9.2")  # and not 9.199999999999999289
    assert found["Tags"] == {"team": "search", "user_id": "x"}
    assert found["SkuPriceDetails"] is None
    assert found["ServiceProviderName"] == "Anthropic, PBC"  # a marketplace row: the seller provides the service
    assert found["ProviderName"] == "AWS"
    assert (found["x_ServiceCode"], found["x_Operation"]) == ("AmazonSageMaker", "RunInstance")
    assert found["x_UsageType"] == "USE1-Host:ml.g5.xlarge"


def test_aws_focus_1_0_has_usage_types_and_cost_categories(desk: Desk) -> None:
    own = {"x_UsageType": "USE1-Notebk:ml.t3.medium", "x_CostCategories": '{"unit": "robots"}', "x_Discounts": "{}"}
    (found,) = desk.rows("focus.csv", csv_of(focus_row("1.0") | own), "focus")
    assert found["x_UsageType"] == "USE1-Notebk:ml.t3.medium"
    assert found["x_CostCategories"] == {"unit": "robots"}


def test_microsoft_adds_its_own_columns_to_focus(desk: Desk) -> None:
    row = focus_row("1.0") | {
        "ProviderName": "Microsoft", "PublisherName": "Microsoft", "ChargePeriodStart": "2026-09-02T00:00Z",
        "x_ResourceGroupName": "rg-1", "x_CostCenter": "4711", "x_SkuMeterId": "m-1", "x_SkuMeterName": "NC24ads A100 v4",
        "x_SkuDetails": '{"VCPUs": 24}', "ChargeClass": "NULL",
    }  # fmt: skip
    (found,) = desk.rows("part_0_0001.csv", csv_of(row), "focus")
    assert (found["x_ResourceGroup"], found["x_CostCenter"]) == ("rg-1", "4711")
    assert found["SkuMeter"] == "NC24ads A100 v4"
    assert json.loads(found["x_Details"]) == {"MeterId": "m-1"}
    assert json.loads(found["SkuPriceDetails"]) == {"VCPUs": 24}


def test_google_spells_focus_values_small_and_categories_as_lists(desk: Desk) -> None:
    content = parquet_of(
        "SELECT 1.0::DOUBLE AS BilledCost, 1.0::DOUBLE AS EffectiveCost, 'EUR' AS BillingCurrency, '01A' AS BillingAccountId, "
        "TIMESTAMPTZ '2026-09-01 07:00:00+00' AS BillingPeriodStart, TIMESTAMPTZ '2026-09-02 07:00:00+00' AS ChargePeriodStart, "
        "TIMESTAMPTZ '2026-09-02 08:00:00+00' AS ChargePeriodEnd, 'usage' AS ChargeCategory, 'correction' AS ChargeClass, "
        "'committed' AS PricingCategory, ['Compute', 'GPU'] AS ServiceCategory, 'Vertex AI' AS ServiceName, "
        "'Google Cloud' AS ProviderName, 'Google Cloud' AS PublisherName, "
        "[{'key': 'team', 'value': 'search', 'x_type': 'label'}] AS Tags",
        desk.folder,
    )
    (found,) = desk.rows("google.parquet", content, "focus")
    assert (found["ChargeCategory"], found["ChargeClass"], found["PricingCategory"]) == (
        "Usage",
        "Correction",
        "Committed",
    )
    assert found["ServiceCategory"] is None  # left to queries/classify/
    assert found["Tags"] == {"team": "search"}
    assert found["ChargePeriodStart"] == datetime(2026, 9, 2, 7) and found["BillingPeriodStart"] == datetime(2026, 9, 1)


def test_oracle_still_has_the_names_of_the_preview(desk: Desk) -> None:
    row = focus_row("1.0")
    for new, old in (("ProviderName", "Provider"), ("PublisherName", "Publisher"), ("InvoiceIssuerName", "InvoiceIssuer"),
                     ("RegionId", "Region")):  # fmt: skip
        row.pop(new, None)
        row[old] = "us-phoenix-1" if old == "Region" else "Oracle"
    row |= {"oci_CompartmentName": "research", "UsageQuantity": "8", "UsageUnit": "Hours"}
    del row["ConsumedQuantity"], row["ConsumedUnit"], row["ContractedCost"], row["ChargeClass"]
    (found,) = desk.rows("0001000000603747-00001.csv", csv_of(row), "focus")
    assert {found[name] for name in ("ServiceProviderName", "HostProviderName", "InvoiceIssuerName")} == {"Oracle"}
    assert (found["RegionId"], found["x_ResourceGroup"], found["ConsumedQuantity"]) == ("us-phoenix-1", "research", 8)
    assert found["ContractedCost"] is None  # what Oracle does not state is not made up


def test_a_category_that_focus_does_not_know_is_refused_by_name(desk: Desk) -> None:
    report = desk.load("bill.csv", csv_of(focus_row("1.2") | {"ChargeCategory": "Rebate"}))
    assert "ChargeCategory is 'Rebate'" in str(report.problems[0])


# --- Google Cloud -----------------------------------------------------------------------------------------------------

GCP_NESTED = {
    "billing_account_id": "01A2B3-C4D5E6-F70819",
    "service": {"id": "C7E2-9256-1C43", "description": "Vertex AI"},
    "sku": {"id": "2620", "description": "Online Prediction"},
    "usage_start_time": "2026-08-31 22:00:00 UTC",
    "usage_end_time": "2026-08-31 23:00:00 UTC",
    "project": {
        "id": "search-prod", "number": "4815", "name": "search", "labels": [{"key": "team", "value": "search"}],
        "ancestors": [
            {"resource_name": "projects/4815", "display_name": "search"},
            {"resource_name": "folders/8728", "display_name": "products"},
            {"resource_name": "organizations/7045", "display_name": "halcyon.example"},
        ],
    },
    "labels": [{"key": "team", "value": "ml"}, {"key": "owner", "value": "O'Neil"}],
    "tags": [{"key": "team", "value": "from-tag", "inherited": True, "namespace": "7045"}, {"key": "cc", "value": "9"}],
    "location": {"region": "us-central1", "zone": "us-central1-a"},
    "cost": 10.1,
    "currency": "USD",
    "usage": {"amount": 3600.0, "unit": "seconds", "amount_in_pricing_units": 1.0, "pricing_unit": "hour"},
    "credits": [
        {"name": "a", "amount": -1.25, "full_name": "CUD of 1 year", "id": "cud-1", "type": "COMMITTED_USAGE_DISCOUNT"},
        {"name": "b", "amount": -0.05, "full_name": "", "id": "p", "type": "PROMOTION"},
    ],
    "invoice": {"month": "202609"},
    "cost_type": "regular",
    "cost_at_list": 12.5,
    "resource": {"name": "45193", "global_name": "//aiplatform.googleapis.com/projects/4815/locations/x/endpoints/45193"},
}  # fmt: skip


def flat(separator: str, write: Callable[[Any], str]) -> str:
    """The row as a CSV: fields of records as columns of their own, lists as text."""
    row: dict[str, Any] = {}
    for name, value in GCP_NESTED.items():
        if isinstance(value, dict):
            row |= {f"{name}{separator}{inner}": part for inner, part in value.items()}
        else:
            row[name] = value
    return csv_of({name: write(value) if isinstance(value, list) else value for name, value in row.items()})


def shapes(folder: Path) -> dict[str, tuple[str, str | bytes]]:
    line = json.dumps(GCP_NESTED) + "\n"
    (folder / "made.jsonl").write_text(line)
    nested = f"FROM read_json('{folder}/made.jsonl', format = 'newline_delimited')"
    records = csv_of({k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in GCP_NESTED.items()})
    return {
        "nested JSON lines": ("000000000000.json", line),
        "nested JSON lines, gzip": ("000000000000.json.gz", gzip.compress(line.encode())),
        "a JSON list of records": ("bq-results.json", json.dumps([GCP_NESTED], indent=1)),
        "nested Parquet": ("000000000000.parquet", parquet_of(nested, folder)),
        "dotted CSV, lists as JSON": ("export.csv", flat(".", json.dumps)),
        "flattened CSV, lists as Python prints them": ("export.csv", flat("_", repr)),
        "CSV with records as JSON": ("export.csv", records),
    }


@pytest.mark.parametrize(
    "shape",
    [
        "nested JSON lines", "nested JSON lines, gzip", "a JSON list of records", "nested Parquet", "dotted CSV, lists as JSON",
        "flattened CSV, lists as Python prints them", "CSV with records as JSON",
    ],
)  # fmt: skip
def test_a_gcp_export_reads_the_same_in_every_shape(desk: Desk, shape: str) -> None:
    (found,) = desk.rows(*shapes(desk.folder)[shape], format_id="gcp_billing_export")
    assert found["BilledCost"] == found["EffectiveCost"] == Decimal("8.8")  # 10.1 - 1.25 - 0.05
    assert found["x_DeliveredCost"] == found["ContractedCost"] == Decimal("10.1")
    assert found["ListCost"] == Decimal("12.5")
    assert found["BillingPeriodStart"] == datetime(2026, 9, 1)  # the invoice's month, not that of the usage
    assert found["ChargePeriodStart"] == datetime(2026, 8, 31, 22)
    assert found["SubAccountId"] == "search-prod"
    assert found["Tags"] == {"team": "ml", "cc": "9", "owner": "O'Neil"}  # a label wins over a tag
    assert found["x_ProjectTags"] == {"team": "search"}
    assert found["x_FolderPath"] == "halcyon.example/products"
    assert found["x_CreditTypes"] == "COMMITTED_USAGE_DISCOUNT,PROMOTION"
    assert (found["CommitmentDiscountId"], found["CommitmentDiscountCategory"]) == ("cud-1", "Usage")
    assert (found["PricingCategory"], found["CommitmentDiscountStatus"]) == ("Committed", "Used")
    assert (found["ConsumedQuantity"], found["ConsumedUnit"]) == (3600, "seconds")
    assert found["ResourceType"] == "endpoints"


def gcp_csv(**cells: str) -> str:
    """A flattened row that costs 100, with the credits as they are given."""
    row = {
        "billing_account_id": "B-1", "service.description": "Vertex AI", "sku.id": "2620", "sku.description": "Prediction",
        "usage_start_time": "2026-09-01 00:00:00 UTC", "usage_end_time": "2026-09-01 01:00:00 UTC", "service.id": "C7E2",
        "cost": "100", "currency": "USD", "invoice.month": "202609",
    }  # fmt: skip
    return csv_of(row | cells)


@pytest.mark.parametrize(
    "cells",
    [
        {"credits": '[{"amount": -40}]'},
        {"credits": '[{"amount": -30.5}, {"amount": -9.5}]'},
        {"credits": '{"amount": -40}'},
        {"credits": "{'name': 'x', 'amount': -40}"},
        {"credits": '[{"Amount": -40, "Full_Name": "x"}]'},
        {"credits": ' [ {"AMOUNT" : "-40"} ] '},
        {"credits.amount": "-40"},
        {"credits_amount": "-40"},
        {"credits": "", "credits_amount": "-40"},
        {"credits": '[{"amount": -40}]', "credits_amount": "-40"},
    ],
)
def test_credits_are_read_in_every_spelling(desk: Desk, cells: dict[str, str]) -> None:
    (found,) = desk.rows("x.csv", gcp_csv(**cells))
    assert (found["BilledCost"], found["x_DeliveredCost"]) == (60, 100)


@pytest.mark.parametrize("cell", ["", "[]", "null", "{}", "None"])
def test_no_credits_are_no_error(desk: Desk, cell: str) -> None:
    assert desk.rows("x.csv", gcp_csv(credits=cell))[0]["BilledCost"] == 100


@pytest.mark.parametrize(
    "cell",
    [
        "-40", "forty", "[-40]", '["-40"]', '[{"amount": null}]', '[{"sum": -40}]', '[{"amount": -40}, {"sum": -1}]', "[null]",
        '[{"Amount": -40}, {"amount": -1}]', '[[{"amount": -40}]]', '[{"amount": "forty"}]', '[{"amount": {"value": -40}}]', '"x"',
    ],
)  # fmt: skip
def test_credits_that_cannot_be_read_are_an_error_and_not_zero(desk: Desk, cell: str) -> None:
    """They would be billed: 100 where Google asks for 60."""
    report = desk.load("x.csv", gcp_csv(credits=cell))
    assert not report.results
    assert str(report.problems[0]).startswith("x.csv, line 2, column credits: cannot read ")


@pytest.mark.parametrize(
    ("credits", "billed"),
    [
        ("[{'amount': -40.0::DOUBLE}]", 60),
        ("[{'Amount': -40::DECIMAL(9, 2), 'id': 'x'}]", 60),
        ("{'amount': -40.0::DOUBLE}", 60),
        ("'[{\"amount\": -40}]'", 60),
        ("CAST([] AS STRUCT(amount DOUBLE)[])", 100),
        ("CAST(NULL AS STRUCT(amount DOUBLE)[])", 100),
        ("[{'amount': NULL::DOUBLE}]", None),
        ("[{'amount': NULL::DECIMAL(9, 2)}]", None),
        ("[{'sum': -40.0::DOUBLE}]", None),
        ("[-40.0::DOUBLE]", None),
        ("-40.0::DOUBLE", None),
    ],
)
def test_typed_credits_are_read_or_refused(desk: Desk, credits: str, billed: int | None) -> None:
    csv_file = desk.write("made.csv", gcp_csv())
    content = parquet_of(f"SELECT *, {credits} AS credits FROM read_csv('{csv_file}', all_varchar = true)", desk.folder)
    report = desk.load("x.parquet", content)
    if billed is None:
        assert "x.parquet, row 1, column credits: cannot read " in str(report.problems[0])
    else:
        assert [row["BilledCost"] for row in desk.ledger()] == [billed]


def test_credits_of_other_amounts_are_no_other_dimension(desk: Desk) -> None:
    lines = [
        json.dumps(GCP_NESTED | {"credits": [GCP_NESTED["credits"][0] | {"amount": amount}]}) for amount in (-0.1, -0.2)
    ]
    rows = desk.rows("000000000000.json", "\n".join(lines) + "\n")
    assert [row["BilledCost"] for row in rows] == [Decimal("9.9"), Decimal("10")]
    assert len({row["x_DimensionId"] for row in rows}) == 1


@pytest.mark.parametrize(
    ("cost_type", "category"),
    [
        ("regular", "Usage"),
        ("tax", "Tax"),
        ("rounding_error", "Adjustment"),
        ("adjustment", "Adjustment"),
        ("credit", "Credit"),
    ],
)
def test_gcp_cost_types_become_charge_categories(desk: Desk, cost_type: str, category: str) -> None:
    (found,) = desk.rows("x.json", json.dumps(GCP_NESTED | {"cost_type": cost_type}))
    assert found["ChargeCategory"] == category


# --- Azure ------------------------------------------------------------------------------------------------------------

AZURE = {
    "SubscriptionId": "sub-1", "Date": "09/02/2023", "MeterCategory": "Virtual Machines", "MeterName": "B1s", "Quantity": "24",
    "UnitOfMeasure": "1 Hour", "Cost": "1.25", "BillingCurrency": "USD", "ResourceLocation": "EastUS2", "BillingAccountId": "861",
    "ConsumedService": "Microsoft.Compute", "ChargeType": "Usage", "PricingModel": "OnDemand",
    "ResourceId": "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm-1",
    "BillingPeriodStartDate": "09/01/2023", "Tags": '"env": "prod","org": "trey"',
}  # fmt: skip


def renamed(row: dict[str, str], **names: str) -> dict[str, str]:
    return {names.get(name, name): value for name, value in row.items()}


AZURE_HEADERS = {
    "enterprise": AZURE,
    "customer agreement, small first letter": {
        k[0].lower() + k[1:]: v for k, v in renamed(AZURE, Cost="CostInBillingCurrency").items()
    },
    "all small": {k.lower(): v for k, v in renamed(AZURE, Cost="CostInBillingCurrency").items()},
    "pay as you go": renamed(
        AZURE, SubscriptionId="SubscriptionGuid", Date="UsageDateTime", Cost="PreTaxCost", Quantity="UsageQuantity",
        ResourceId="InstanceId", BillingCurrency="Currency",
    ),
    "German": renamed(
        AZURE, SubscriptionId="Abonnement-GUID (SubscriptionGuid)", Date="UsageDateTime (UsageDateTime)",
        Cost="PreTaxCost (PreTaxCost)", Quantity="UsageQuantity (UsageQuantity)", ResourceId="InstanceId (InstanceId)",
        MeterCategory="Kategorie der Verbrauchseinheit (MeterCategory)", ConsumedService="Genutzter Dienst (ConsumedService)",
        MeterName="Name der Verbrauchseinheit (MeterName)", UnitOfMeasure="Maßeinheit (UnitOfMeasure)",
        ResourceLocation="Ressourcenstandort (ResourceLocation)", BillingCurrency="Currency",
    ),
}  # fmt: skip


@pytest.mark.parametrize("header", AZURE_HEADERS)
def test_an_azure_export_is_known_by_all_of_its_headers(desk: Desk, header: str) -> None:
    (found,) = desk.rows("part_0_0001.csv", "\ufeff" + csv_of(AZURE_HEADERS[header]), "azure_cost")
    assert found["BilledCost"] == found["EffectiveCost"] == Decimal("1.25")
    assert (found["SubAccountId"], found["ServiceName"], found["BillingCurrency"]) == (
        "sub-1",
        "Virtual Machines",
        "USD",
    )
    assert found["Tags"] == {"env": "prod", "org": "trey"}  # Azure leaves the braces off
    assert (found["ConsumedQuantity"], found["ConsumedUnit"]) == (24, "Hours")
    assert (found["ResourceName"], found["ResourceType"], found["RegionId"]) == ("vm-1", "virtualMachines", "eastus2")


@pytest.mark.parametrize("date", ["9/2/2023", "09/02/2023", "9/2/23", "2023-09-02", "2023-09-02T00:00:00Z"])
def test_an_azure_date_has_the_month_first(desk: Desk, date: str) -> None:
    (found,) = desk.rows("x.csv", csv_of(AZURE | {"Date": date}))
    assert found["ChargePeriodStart"] == datetime(2023, 9, 2)
    assert found["ChargePeriodEnd"] == datetime(2023, 9, 3)


def test_a_date_with_the_day_first_is_refused_and_not_guessed(desk: Desk) -> None:
    report = desk.load("x.csv", csv_of(AZURE, AZURE | {"Date": "23/09/2023"}))
    assert str(report.problems[0]).startswith("x.csv, line 3, column Date: cannot read '23/09/2023'")


@pytest.mark.parametrize(
    ("charge_type", "model", "billed", "basis"),
    [
        ("Usage", "OnDemand", "1.25", None),
        ("Usage", "SavingsPlan", "0", None),  # paid by the plan's purchase
        ("UnusedReservation", "Reservation", "0", "Amortized"),
        ("Purchase", "Reservation", "1.25", "Actual"),
    ],
)
def test_committed_azure_usage_is_billed_by_its_purchase(
    desk: Desk, charge_type: str, model: str, billed: str, basis: str | None
) -> None:
    (found,) = desk.rows("x.csv", csv_of(AZURE | {"ChargeType": charge_type, "PricingModel": model}))
    assert (found["BilledCost"], found["EffectiveCost"]) == (Decimal(billed), Decimal("1.25"))
    assert found["x_CostBasis"] == basis


# --- Oracle, OpenAI, Anthropic ----------------------------------------------------------------------------------------

OCI = {
    "lineItem/referenceNo": "V2.1", "lineItem/tenantId": "ocid1.tenancy.oc1..aa", "lineItem/intervalUsageStart": "2026-08-12T00:00Z",
    "lineItem/intervalUsageEnd": "2026-08-12T01:00Z", "product/service": "COMPUTE", "product/compartmentName": "research",
    "product/region": "us-phoenix-1", "product/resourceId": "ocid1.instance.oc1.phx.abc", "usage/billedQuantity": "2",
    "cost/subscriptionId": "517", "cost/productSku": "B92306", "product/Description": "GPU - A100", "cost/unitPrice": "0.15",
    "cost/myCost": "0.3", "cost/currencyCode": "USD", "cost/skuUnitDescription": "GPU Hours", "lineItem/isCorrection": "true",
    "tags/Oracle-Tags.CreatedBy": "a@example.com", "tags/team": "",
}  # fmt: skip


def test_an_oracle_cost_report_gathers_its_tag_columns(desk: Desk) -> None:
    (found,) = desk.rows("0001000000603747.csv", csv_of(OCI), "oci_cost")
    assert found["BilledCost"] == Decimal("0.3")
    assert (found["BillingAccountId"], found["SubAccountId"]) == ("517", "ocid1.tenancy.oc1..aa")
    assert found["Tags"] == {"Oracle-Tags.CreatedBy": "a@example.com"}  # an empty cell is no tag
    assert (found["ResourceType"], found["x_ResourceGroup"], found["ChargeClass"]) == (
        "instance",
        "research",
        "Correction",
    )


def test_tag_columns_may_differ_by_case_only(desk: Desk) -> None:
    (found,) = desk.rows("x.csv", csv_of(OCI | {"tags/team": "a", "tags/Team": "b"}))
    assert found["Tags"] == {"Oracle-Tags.CreatedBy": "a@example.com", "team": "a", "Team": "b"}


def test_the_many_files_of_an_oracle_month_are_one_delivery(desk: Desk) -> None:
    desk.write("0001000000603747.csv", csv_of(OCI))
    desk.write("0001000000603748.csv", csv_of(OCI | {"cost/myCost": "0.4"}))
    report = desk.loader.load_paths([desk.folder / "in"])
    assert not report.problems and len(report.results) == 1
    assert [row["BilledCost"] for row in desk.ledger()] == [Decimal("0.3"), Decimal("0.4")]


def openai_page(*results: dict[str, Any]) -> str:
    bucket = {"object": "bucket", "start_time": 1785542400, "end_time": 1785628800, "results": list(results)}
    return json.dumps({"object": "page", "data": [bucket], "has_more": False, "next_page": None}, indent=1)


def test_an_openai_cost_page_keeps_every_digit(desk: Desk) -> None:
    content = openai_page(
        {"object": "organization.costs.result", "amount": {"value": 0.1, "currency": "usd"}, "project_id": "proj_1",
         "line_item": "gpt-4o-2024-08-06, cached input", "api_key_id": "key_1", "quantity": 1000, "quantity_unit": "tokens"},
    ).replace("0.1,", "0.123456789012345678,")  # fmt: skip
    (found,) = desk.rows("costs.json", content, "openai_costs")
    assert found["BilledCost"] == Decimal("0.123456789012345678")  # a float would have ended at …346
    assert (found["BillingCurrency"], found["SubAccountId"], found["x_ApiKeyId"]) == ("USD", "proj_1", "key_1")
    assert found["BillingAccountId"] is None  # the page does not say whose it is
    assert (found["SkuMeter"], json.loads(found["x_Details"])) == ("cached input", {"Model": "gpt-4o-2024-08-06"})
    assert (found["ConsumedQuantity"], found["ConsumedUnit"]) == (1000, "tokens")
    assert found["ServiceCategory"] == "AI and Machine Learning"


def anthropic_page(*results: dict[str, Any]) -> str:
    bucket = {"starting_at": "2026-08-01T00:00:00Z", "ending_at": "2026-08-02T00:00:00Z", "results": list(results)}
    return json.dumps({"data": [bucket], "has_more": False, "next_page": None})


def test_anthropic_states_cents(desk: Desk) -> None:
    content = anthropic_page(
        {"currency": "USD", "amount": "123.78912", "workspace_id": "wrkspc_1", "description": "Claude Usage - Input Tokens",
         "cost_type": "tokens", "context_window": "0-200k", "model": "claude-sonnet-4-5", "service_tier": "standard",
         "token_type": "uncached_input_tokens"},
    )  # fmt: skip
    (found,) = desk.rows("cost_report.json", content, "anthropic_costs")
    assert found["BilledCost"] == Decimal("1.2378912")
    assert (found["SubAccountId"], found["BillingCurrency"]) == ("wrkspc_1", "USD")
    assert found["BillingPeriodStart"] == datetime(2026, 8, 1)
    assert json.loads(found["x_Details"])["Model"] == "claude-sonnet-4-5"


def test_usage_pages_become_daily_activity_and_no_money(desk: Desk) -> None:
    desk.load("openai.json", openai_page({"object": "organization.usage.completions.result", "input_tokens": 1000,
              "input_cached_tokens": 400, "output_tokens": 50, "num_model_requests": 5, "project_id": "proj_1",
              "model": "gpt-4o"}))  # fmt: skip
    desk.load("anthropic.json", anthropic_page({"uncached_input_tokens": 100, "cache_read_input_tokens": 20,
              "cache_creation": {"ephemeral_1h_input_tokens": 3, "ephemeral_5m_input_tokens": 4}, "output_tokens": 7,
              "server_tool_use": {"web_search_requests": 1}, "workspace_id": None, "model": "claude-x"}))  # fmt: skip
    found = desk.con.execute("SELECT resource_id, metric, value, unit FROM utilisation.daily ORDER BY ALL").fetchall()
    assert found == [
        ("anthropic/claude-x", "cache_write_tokens", 7, "tokens"),
        ("anthropic/claude-x", "cached_input_tokens", 20, "tokens"),
        ("anthropic/claude-x", "input_tokens", 127, "tokens"),
        ("anthropic/claude-x", "output_tokens", 7, "tokens"),
        ("anthropic/claude-x", "web_searches", 1, "requests"),
        ("openai/proj_1/gpt-4o", "cached_input_tokens", 400, "tokens"),
        ("openai/proj_1/gpt-4o", "input_tokens", 1000, "tokens"),
        ("openai/proj_1/gpt-4o", "output_tokens", 50, "tokens"),
        ("openai/proj_1/gpt-4o", "requests", 5, "requests"),
    ]
    assert desk.ledger() == []


@pytest.mark.parametrize(
    ("content", "format_id"),
    [
        (openai_page(), "openai_costs"),
        (anthropic_page(), "anthropic_costs"),
        ('{"object": "page", "data": [], "has_more": false, "next_page": null}', "openai_costs"),
        ('{"data": [], "has_more": false, "next_page": null}', "anthropic_costs"),
    ],
)
def test_a_page_without_results_is_empty_and_no_error(desk: Desk, content: str, format_id: str) -> None:
    report = desk.load("page.json", content)
    assert not report.problems
    assert [(result.format, result.status) for result in report.results] == [(format_id, "empty")]


# --- CSV as it comes --------------------------------------------------------------------------------------------------


def test_a_header_wider_than_its_rows_lacks_the_last_columns(desk: Desk) -> None:
    content = csv_of(AZURE).replace("Tags\n", "Tags,AdditionalInfo,Location\n")
    (found,) = desk.rows("x.csv", content)
    assert found["BilledCost"] == Decimal("1.25") and found["RegionName"] is None


def test_lines_may_end_in_either_way_in_one_file(desk: Desk) -> None:
    lines = csv_of(AZURE, AZURE | {"Cost": "2"}, AZURE | {"Cost": "3"}).split("\n")
    rows = desk.rows("x.csv", lines[0] + "\r\n" + lines[1] + "\n" + lines[2] + "\r\n" + lines[3] + "\n")
    assert [row["BilledCost"] for row in rows] == [Decimal("1.25"), 2, 3]


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("$50,000.00", "50000"), ("-$1,234.5", "-1234.5"), ("4e-07", "0.0000004"), ("1.5E+2", "150"), ("9.2", "9.2"),
        ("-0", "0"), ("0.000000000000000001", "0.000000000000000001"), ("123456789.123456789", "123456789.123456789"),
    ],
)  # fmt: skip
def test_amounts_of_money_as_people_and_programs_write_them(desk: Desk, cell: str, amount: str) -> None:
    (found,) = desk.rows("x.csv", csv_of(AZURE | {"Cost": cell}))
    assert found["BilledCost"] == Decimal(amount)


@pytest.mark.parametrize("cell", ["1,5", "1.234,56", "12 USD", "n/a", "NaN", "inf", "1e400"])
def test_what_is_no_amount_is_refused_with_its_place(desk: Desk, cell: str) -> None:
    report = desk.load("x.csv", csv_of(AZURE, AZURE | {"Cost": cell}))
    assert str(report.problems[0]).startswith(f"x.csv, line 3, column Cost: cannot read '{cell}' as an amount of money")


@pytest.mark.parametrize("cell", ["12,345", "0,5", "1.234,56", "1,234.56"])
def test_a_comma_between_semicolons_is_not_taken_for_thousands(desk: Desk, cell: str) -> None:
    """Excel in half of Europe writes 12,345 for twelve and a third."""
    rows = [list(AZURE), list(AZURE.values()), [cell if name == "Cost" else AZURE[name] for name in AZURE]]
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="\n").writerows(rows)
    lines = text.getvalue().splitlines()
    report = desk.load("x.csv", "\n".join([*lines, ""]))
    assert str(report.problems[0]).startswith(
        f"x.csv, line 3, column Cost: cannot read '{cell} (between semicolons)' as an amount"
    )
    assert desk.rows("y.csv", "\n".join([*lines[:2], ""]))[0]["BilledCost"] == Decimal("1.25")


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("", None), ("{}", None), ("null", None), ('""', None), ("[]", None),
        ('{"team": "search"}', {"team": "search"}),
        ('"team": "search","n": 3', {"team": "search", "n": "3"}),
        ('{"org": "a", " org": "b", "Org": "c"}', {"org": "a", " org": "b", "Org": "c"}),
        ('{"team": "first", "team": "second"}', {"team": "first"}),
        ('[{"key": "team", "value": "search"}]', {"team": "search"}),
        ("[{'key': 'owner', 'value': \"O'Neil\"}]", {"owner": "O'Neil"}),
    ],
)  # fmt: skip
def test_tags_in_every_spelling(desk: Desk, cell: str, tags: dict[str, str] | None) -> None:
    (found,) = desk.rows("x.csv", csv_of(AZURE | {"Tags": cell}))
    assert found["Tags"] == tags


# --- What is no bill --------------------------------------------------------------------------------------------------


def test_an_unknown_file_is_told_which_format_is_nearest(desk: Desk) -> None:
    report = desk.load("x.csv", "BilledCost,ChargePeriodStart,ServiceName,Amount\n1,2026-01-01,EC2,2\n")
    (problem,) = report.problems
    assert isinstance(problem, UnknownFormatError)
    assert "its columns are: BilledCost, ChargePeriodStart, ServiceName, Amount" in str(problem)
    assert "Nearest is 'focus'" in str(problem) and "it lacks: billingcurrency" in str(problem)


def test_a_file_of_nothing_known_is_told_all_formats(desk: Desk) -> None:
    (problem,) = desk.load("x.csv", "name,colour\na,b\n").problems
    assert "No known format has any of these columns" in str(problem)
    formats = sorted(spec.id for spec in desk.loader.specs)
    assert {"aws_cur", "aws_cost_explorer", "azure_cost", "focus", "gcp_billing_export", "openai_costs"} <= set(formats)
    assert f"Known: {', '.join(formats)}." in str(problem)


def test_the_cell_that_is_named_is_the_one_that_is_wrong(desk: Desk) -> None:
    report = desk.load("x.csv", csv_of(AZURE | {"Tags": "{}"}, AZURE | {"Tags": ""}, AZURE | {"Tags": "{broken"}))
    assert str(report.problems[0]).startswith("x.csv, line 4, column Tags: cannot read '{broken' as a JSON object")


@pytest.mark.parametrize(
    ("format_id", "measure"),
    [("azure_cost", "Quantity"), ("oci_cost", "usage/billedQuantity"), ("openai_costs", "quantity")],
)
def test_quantities_that_differ_are_no_other_dimension(desk: Desk, format_id: str, measure: str) -> None:
    """A unit is given where a quantity is; how much it is must not make every row a combination of its own."""
    if format_id == "openai_costs":
        results = [
            {"amount": {"value": 1, "currency": "usd"}, "quantity": each, "quantity_unit": "tokens"}
            for each in (1, 2, None)
        ]
        rows = desk.rows("page.json", openai_page(*results), format_id)
    else:
        row = AZURE if format_id == "azure_cost" else OCI
        rows = desk.rows("x.csv", csv_of(*(row | {measure: each} for each in ("1", "2", ""))), format_id)
    with_quantity = [row for row in rows if row["ConsumedQuantity"] is not None]
    assert sorted(row["ConsumedQuantity"] for row in with_quantity) == [1, 2]
    assert len({row["x_DimensionId"] for row in with_quantity}) == 1
    assert all(row["ConsumedUnit"] for row in with_quantity)
    assert [row["ConsumedUnit"] for row in rows if row["ConsumedQuantity"] is None] == [None]


def test_where_cells_hold_line_breaks_the_row_is_counted_and_not_the_line(desk: Desk) -> None:
    """An editor shows line 5 where the third row of the table is; a wrong number sends people astray."""
    bad = AZURE | {"Cost": "?"}
    broken = AZURE | {"MeterName": "one\ntwo\nthree"}
    text = csv_of(broken, AZURE, bad)
    assert str(desk.load("x.csv", text).problems[0]).startswith("x.csv, row 3, column Cost: cannot read '?'")
    after = csv_of(AZURE, bad, broken)
    assert str(desk.load("y.csv", after).problems[0]).startswith("y.csv, line 3, column Cost: cannot read '?'")


def test_an_empty_cost_is_not_zero(desk: Desk) -> None:
    report = desk.load("x.csv", csv_of(AZURE, AZURE | {"Cost": ""}))
    assert "1 rows have no cost" in str(report.problems[0])
    assert desk.ledger() == []


def test_no_format_takes_the_files_of_another() -> None:
    """Each mapping's own telling columns are recognised as its own."""
    from finops.formats.detect import detect
    from finops.formats.spec import read_spec

    specs = [read_spec(query) for query in Catalogue().layer("normalise")]
    for spec in specs:
        assert detect([any_of[0] for any_of in spec.detect], specs, "x").id == spec.id
