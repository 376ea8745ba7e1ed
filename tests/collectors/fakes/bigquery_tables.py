"""The tables behind the fake BigQuery: billing exports in DuckDB, asked in BigQuery's own SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow
import sqlglot
from sqlglot import exp

PARTITION = "_PARTITIONTIME"
BYTES_PER_CELL = 100
"""What a cell of a top-level column counts in a dry run, whatever is in it."""

STANDARD = """
billing_account_id STRING
service.id STRING
service.description STRING
sku.id STRING
sku.description STRING
usage_start_time TIMESTAMP
usage_end_time TIMESTAMP
project.id STRING
project.number STRING
project.name STRING
project.labels[].key STRING
project.labels[].value STRING
project.ancestry_numbers STRING
project.ancestors[].resource_name STRING
project.ancestors[].display_name STRING
labels[].key STRING
labels[].value STRING
system_labels[].key STRING
system_labels[].value STRING
location.location STRING
location.country STRING
location.region STRING
location.zone STRING
tags[].key STRING
tags[].value STRING
tags[].inherited BOOLEAN
tags[].namespace STRING
transaction_type STRING
seller_name STRING
export_time TIMESTAMP
cost FLOAT
currency STRING
currency_conversion_rate FLOAT
usage.amount FLOAT
usage.unit STRING
usage.amount_in_pricing_units FLOAT
usage.pricing_unit STRING
credits[].name STRING
credits[].amount FLOAT
credits[].full_name STRING
credits[].id STRING
credits[].type STRING
invoice.month STRING
invoice.publisher_type STRING
cost_type STRING
adjustment_info.id STRING
adjustment_info.description STRING
adjustment_info.mode STRING
adjustment_info.type STRING
cost_at_list FLOAT
cost_at_effective_price_default FLOAT
cost_at_list_consumption_model FLOAT
consumption_model.id STRING
consumption_model.description STRING
"""
DETAILED = (
    STANDARD
    + """
resource.name STRING
resource.global_name STRING
price.effective_price NUMERIC
price.tier_start_amount NUMERIC
price.unit STRING
price.pricing_unit_quantity NUMERIC
price.list_price NUMERIC
price.effective_price_default NUMERIC
price.list_price_consumption_model NUMERIC
subscription.instance_id STRING
"""
)
FOCUS = """
AvailabilityZone STRING
BilledCost NUMERIC
BillingAccountId STRING
BillingCurrency STRING
BillingPeriodStart TIMESTAMP
BillingPeriodEnd TIMESTAMP
ChargeCategory STRING
ChargeClass STRING
ChargeDescription STRING
ChargePeriodStart TIMESTAMP
ChargePeriodEnd TIMESTAMP
ConsumedQuantity NUMERIC
ConsumedUnit STRING
ContractedCost NUMERIC
EffectiveCost NUMERIC
InvoiceIssuerName STRING
ListCost BIGNUMERIC
ProviderName STRING
PublisherName STRING
RegionId STRING
ResourceId STRING
ServiceName STRING
SkuId STRING
SubAccountId STRING
Tags[].Key STRING
Tags[].Value STRING
x_ExportTime TIMESTAMP
"""
_ARROW = {
    "STRING": pyarrow.string(), "FLOAT": pyarrow.float64(), "INTEGER": pyarrow.int64(), "BOOLEAN": pyarrow.bool_(),
    "TIMESTAMP": pyarrow.timestamp("us"), "DATE": pyarrow.date32(), "NUMERIC": pyarrow.decimal128(38, 9),
    "BIGNUMERIC": pyarrow.decimal128(38, 15),
}  # fmt: skip

Field = dict[str, Any]
"""As the REST API describes a column: name, type, mode, fields."""


def schema_of(listing: str) -> list[Field]:
    """The columns of a listing such as ``DETAILED``."""
    fields: list[Field] = []
    for line in listing.split("\n"):
        if line.strip():
            path, type_ = line.split()
            add_field(fields, path, type_)
    return fields


def add_field(fields: list[Field], path: str, type_: str) -> None:
    """Add ``a``, ``a.b`` or ``a[].b`` to a schema."""
    top, _, rest = path.partition(".")
    name, repeated = top.removesuffix("[]"), top.endswith("[]")
    found = next((each for each in fields if each["name"] == name), None)
    if found is None:
        found = {"name": name, "type": "RECORD" if rest else type_, "mode": "REPEATED" if repeated else "NULLABLE"}
        fields.append(found)
    if rest:
        add_field(found.setdefault("fields", []), rest, type_)


def charge(
    start: datetime,
    cost: float | str | Decimal,
    *,
    month: str = "",
    credits: Sequence[float | str | Decimal] = (),
    **other: Any,
) -> dict[str, Any]:
    """A row of the standard or detailed export: an hour of a machine, unless ``other`` says otherwise."""
    return {
        "billing_account_id": "0A1B2C-3D4E5F-607182",
        "service": {"id": "6F81-5844-456A", "description": "Compute Engine"},
        "sku": {"id": "1F6C-0A6B-1D2E", "description": "N2 Instance Core running in Frankfurt"},
        "usage_start_time": start,
        "usage_end_time": start.replace(minute=59, second=59),
        "project": {"id": "acme-shop", "number": "123456789012", "name": "Shop", "labels": [{"key": "team", "value": "shop"}]},
        "labels": [{"key": "env", "value": "prod"}],
        "location": {"location": "europe-west3", "country": "DE", "region": "europe-west3", "zone": "europe-west3-a"},
        "cost": cost,
        "currency": "USD",
        "currency_conversion_rate": 1.0,
        "usage": {"amount": 3600.0, "unit": "seconds", "amount_in_pricing_units": 1.0, "pricing_unit": "hour"},
        "credits": [{"name": "Committed use discount", "amount": each, "type": "COMMITTED_USAGE_DISCOUNT"} for each in credits],
        "invoice": {"month": month or f"{start:%Y%m}"},
        "cost_type": "regular",
        "resource": {"name": "shop-1", "global_name": "//compute.googleapis.com/projects/acme-shop/zones/europe-west3-a/instances/1"},
        "price": {"effective_price": Decimal("0.1"), "unit": "hour", "pricing_unit_quantity": Decimal(1)},
    } | other  # fmt: skip


def focus_charge(start: datetime, cost: float | str | Decimal, **other: Any) -> dict[str, Any]:
    """A row of the FOCUS export. Its billing period begins at midnight in California, as Google's does."""
    begins = datetime(start.year, start.month, 1, 7, tzinfo=UTC)
    ends = datetime(start.year + start.month // 12, start.month % 12 + 1, 1, 7, tzinfo=UTC)
    money = dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), cost)
    return money | {
        "BillingAccountId": "0A1B2C-3D4E5F-607182",
        "BillingCurrency": "USD",
        "BillingPeriodStart": begins,
        "BillingPeriodEnd": ends,
        "ChargeCategory": "usage",
        "ChargePeriodStart": start,
        "ChargePeriodEnd": start.replace(minute=59, second=59),
        "InvoiceIssuerName": "Google Cloud",
        "ProviderName": "Google Cloud",
        "PublisherName": "Google Cloud",
        "RegionId": "europe-west3",
        "ServiceName": "Compute Engine",
        "SubAccountId": "acme-shop",
        "Tags": [{"Key": "env", "Value": "prod"}],
    } | other  # fmt: skip


@dataclass
class Table:
    """A table: its schema as of now, and the rows with the day on which they were ingested."""

    name: str
    fields: list[Field]
    partition: str | None = PARTITION
    location: str = "US"
    keeps_days: int | None = None
    view: bool = False
    rows: list[tuple[date, dict[str, Any]]] = field(default_factory=list)
    fresh: bool = False
    """Is what DuckDB has of it as of now?"""

    def described(self) -> dict[str, Any]:
        """As ``tables.get`` answers."""
        project, dataset, table = self.name.split(".")
        partitioning: dict[str, Any] = {}
        if self.partition:
            partitioning = {"type": "DAY"} | ({} if self.partition == PARTITION else {"field": self.partition})
            if self.keeps_days:
                partitioning["expirationMs"] = str(self.keeps_days * 86_400_000)
        changed = max((day for day, _ in self.rows), default=date(2020, 1, 1))
        return {
            "kind": "bigquery#table",
            "lastModifiedTime": str(int(datetime(changed.year, changed.month, changed.day, tzinfo=UTC).timestamp() * 1000)),
            "tableReference": {"projectId": project, "datasetId": dataset, "tableId": table},
            "schema": {"fields": self.fields},
            "type": "VIEW" if self.view else "TABLE",
            "location": self.location,
        } | ({"timePartitioning": partitioning} if partitioning else {})  # fmt: skip


class Tables:
    """All tables, and the SQL over them."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self._con = duckdb.connect()
        self._con.execute("SET TimeZone = 'UTC'")

    def create(self, name: str, listing: str = DETAILED, **settings: Any) -> Table:
        """A table ``project.dataset.table``, without rows."""
        self.tables[name] = Table(name, schema_of(listing), **settings)
        return self.tables[name]

    def add(self, name: str, day: date, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows are exported on a day. An export time that is not stated is noon."""
        table = self.tables[name]
        exported = next(
            (each["name"] for each in table.fields if each["name"].lower() in ("export_time", "x_exporttime")), None
        )
        for row in rows:
            stated = dict(row)
            if exported and not stated.get(exported):
                stated[exported] = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            table.rows.append((day, stated))
        table.fresh = False

    def forget(self, name: str, day: date) -> None:
        """The rows of a day are deleted."""
        table = self.tables[name]
        table.rows = [(each, row) for each, row in table.rows if each != day]
        table.fresh = False

    def add_column(self, name: str, path: str, type_: str = "STRING") -> None:
        """A new column, as Google adds them now and then."""
        add_field(self.tables[name].fields, path, type_)
        self.tables[name].fresh = False

    def drop_column(self, name: str, column: str) -> None:
        """A top-level column is gone; its values stay with the rows, in case it comes back."""
        table = self.tables[name]
        table.fields = [each for each in table.fields if each["name"] != column]
        table.fresh = False

    def rename_column(self, name: str, column: str, new: str) -> None:
        """A top-level column has another name, with the same values."""
        table = self.tables[name]
        table.fields = [each | {"name": new} if each["name"] == column else each for each in table.fields]
        for _, row in table.rows:
            if column in row:
                row[new] = row.pop(column)
        table.fresh = False

    def sums(self, name: str) -> dict[tuple[str, str], Decimal]:
        """Cost with credits by currency and invoice month, added up by themselves: no SQL, no float."""
        found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for _, row in self.tables[name].rows:
            if "BilledCost" in row:
                found[row["BillingCurrency"], f"{row['BillingPeriodStart']:%Y%m}"] += Decimal(str(row["BilledCost"]))
            else:
                money = [row["cost"], *(each["amount"] for each in row.get("credits", []))]
                found[row["currency"], row["invoice"]["month"]] += sum(Decimal(str(each)) for each in money)
        return dict(found)

    def ask(self, sql: str) -> tuple[list[Field], pyarrow.Table]:
        """The answer to a query: its schema and rows.

        Raises:
            LookupError: there is no such table.
            ValueError: the query cannot be run.
        """
        tree, table = self._parsed(sql)
        pseudo = table.partition == PARTITION
        for star in list(tree.find_all(exp.Star)):
            if pseudo and isinstance(star.parent, exp.Select):
                star.set("except_", [exp.to_identifier(PARTITION)])
        translated = tree.sql(dialect="duckdb")
        try:
            whole = ", ".join(
                f'CAST("{column}" AS BIGINT) AS "{column}"'
                for column, type_, *_ in self._con.execute(f"DESCRIBE {translated}").fetchall() if type_ == "HUGEINT"
            )  # fmt: skip
            if whole:
                translated = f"SELECT * REPLACE ({whole}) FROM ({translated})"
            answer = self._con.execute(translated).to_arrow_table()
        except duckdb.Error as error:
            raise ValueError(str(error).splitlines()[0]) from error
        return [_field_of(column) for column in answer.schema], answer

    def scanned(self, sql: str) -> int:
        """The bytes that a query would scan: whole columns, of the partitions that literals leave."""
        tree, table = self._parsed(sql)
        columns = {each.parts[0].name.lower() for each in tree.find_all(exp.Column)}
        known = {each["name"].lower() for each in table.fields}
        wide = len(known) if tree.find(exp.Star) and not tree.find(exp.Count) else len(columns & known)
        filters = "TRUE"
        where = tree.args.get("where")
        if where and table.partition:
            of_partition = [
                each.sql(dialect="duckdb")
                for each in where.this.flatten() if isinstance(where.this, exp.And)
                if {column.name.lower() for column in each.find_all(exp.Column)} == {table.partition.lower()}
            ] if isinstance(where.this, exp.And) else [where.this.sql(dialect="duckdb")]  # fmt: skip
            filters = " AND ".join(of_partition) or "TRUE"
        schema = exp.to_table(table.name, dialect="bigquery").sql(dialect="duckdb")
        count = self._con.execute(f"SELECT count(*) FROM {self._stored(schema)} WHERE {filters}").fetchone()
        return int(count[0] if count else 0) * wide * BYTES_PER_CELL

    def _parsed(self, sql: str) -> tuple[exp.Expression, Table]:
        try:
            tree = sqlglot.parse_one(sql, read="bigquery")
        except sqlglot.errors.ParseError as error:
            raise ValueError(f"Syntax error: {error}") from error
        source = next(each for each in tree.find_all(exp.Table) if each.db)
        table = self.tables.get(f"{source.catalog}.{source.db}.{source.name}")
        if table is None:
            raise LookupError(f"Not found: Table {source.catalog}:{source.db}.{source.name}")
        self._refresh(table)
        source.replace(exp.to_table(self._stored(table.name)))
        for type_ in tree.find_all(exp.DataType):
            if type_.this == exp.DataType.Type.TIMESTAMPTZ:
                type_.set("this", exp.DataType.Type.TIMESTAMP)
        return tree, table

    def _stored(self, name: str) -> str:
        return '"' + name.replace('"', "").replace("`", "") + '"'

    def _refresh(self, table: Table) -> None:
        if table.fresh:
            return
        columns = [pyarrow.field(each["name"], _arrow_of(each)) for each in table.fields]
        rows = [{each["name"]: _cell(each, row.get(each["name"])) for each in table.fields} for _, row in table.rows]
        if table.partition == PARTITION:
            columns.append(pyarrow.field(PARTITION, pyarrow.timestamp("us")))
            for row, (day, _) in zip(rows, table.rows, strict=True):
                row[PARTITION] = datetime(day.year, day.month, day.day)
        delivered = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(columns))
        self._con.register("delivered", delivered)
        self._con.execute(f"CREATE OR REPLACE TABLE {self._stored(table.name)} AS SELECT * FROM delivered")
        self._con.unregister("delivered")
        table.fresh = True


def _arrow_of(field: Field) -> pyarrow.DataType:
    if field["type"] == "RECORD":
        type_: pyarrow.DataType = pyarrow.struct([(each["name"], _arrow_of(each)) for each in field["fields"]])
    else:
        type_ = _ARROW[field["type"]]
    return pyarrow.list_(type_) if field["mode"] == "REPEATED" else type_


def _cell(field: Field, value: Any, *, inside: bool = False) -> Any:
    """A value as its column holds it: money may be stated as text or Decimal, moments with a time zone."""
    if field["mode"] == "REPEATED" and not inside:
        return [_cell(field, each, inside=True) for each in value or []]
    if field["type"] == "RECORD":
        stated = value or {}
        return {each["name"]: _cell(each, stated.get(each["name"])) for each in field["fields"]}
    if value is None:
        return None
    if field["type"] == "TIMESTAMP":
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if field["type"] == "FLOAT":
        return float(value)
    return Decimal(str(value)) if field["type"] in ("NUMERIC", "BIGNUMERIC") else value


def _field_of(column: pyarrow.Field) -> Field:
    type_, mode = column.type, "NULLABLE"
    if pyarrow.types.is_list(type_):
        type_, mode = type_.value_type, "REPEATED"
    found: Field = {"name": column.name, "mode": mode}
    if pyarrow.types.is_struct(type_):
        return found | {"type": "RECORD", "fields": [_field_of(each) for each in type_]}
    for test, name in (
        (pyarrow.types.is_timestamp, "TIMESTAMP"), (pyarrow.types.is_date, "DATE"), (pyarrow.types.is_floating, "FLOAT"),
        (pyarrow.types.is_integer, "INTEGER"), (pyarrow.types.is_boolean, "BOOLEAN"),
    ):  # fmt: skip
        if test(type_):
            return found | {"type": name}
    if pyarrow.types.is_decimal(type_):
        return found | {"type": "NUMERIC" if type_.scale <= 9 else "BIGNUMERIC"}
    return found | {"type": "STRING"}
