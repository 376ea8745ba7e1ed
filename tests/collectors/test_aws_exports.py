"""Bills of AWS in a bucket: Data Exports (CUR 2.0, FOCUS) and the legacy report, against a real S3 server with faults."""

from __future__ import annotations

import csv
import gzip
import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finops.collectors import small
from finops.collectors.aws.cur import AwsCurCollector
from finops.collectors.aws.data_export import AwsDataExportCollector
from finops.collectors.aws.exports import ExportCollector
from finops.collectors.interface import Fetched, Listing, Offer, Outcome, Request, Trouble, Verdict
from finops.config.sources import AwsCur, AwsDataExport
from finops.pipeline.loading import Loader
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import connect
from finops.warehouse.landing import Landing
from finops.warehouse.schema import migrate

from .fakes.aws import ACCOUNT, FakeAws

TODAY = date(2026, 11, 21)
ARRIVED = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeAws]:
    with FakeAws() as aws:
        yield aws


@pytest.fixture
def aws(server: FakeAws, monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    server.reset()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return server


def lines(month: str, *costs: str) -> list[dict[str, Any]]:
    """Line items of a month, one per cost."""
    start = datetime.fromisoformat(f"{month}-01")
    end = (start + timedelta(days=32)).replace(day=1)
    return [
        {
            "bill_billing_entity": "AWS",
            "bill_bill_type": "Anniversary",
            "bill_payer_account_id": ACCOUNT,
            "bill_billing_period_start_date": start,
            "bill_billing_period_end_date": end,
            "line_item_usage_account_id": ACCOUNT,
            "line_item_line_item_type": "Usage",
            "line_item_product_code": "AmazonEC2",
            "line_item_usage_type": "BoxUsage:m5.large",
            "line_item_operation": "RunInstances",
            "line_item_usage_start_date": start + timedelta(hours=number),
            "line_item_usage_end_date": start + timedelta(hours=number + 1),
            "line_item_currency_code": "USD",
            "line_item_usage_amount": 1.0,
            "line_item_unblended_cost": float(cost),
        }
        for number, cost in enumerate(costs)
    ]


def parquet(month: str, *costs: str) -> bytes:
    """CUR 2.0, as Parquet. Costs are doubles, because AWS delivers them so."""
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(lines(month, *costs)), out)
    return out.getvalue()


def focus_parquet(month: str, *costs: str) -> bytes:
    """FOCUS 1.2, as Parquet, with doubles as AWS delivers them."""
    start = datetime.fromisoformat(f"{month}-01")
    rows = [
        {
            "BillingAccountId": ACCOUNT,
            "SubAccountId": ACCOUNT,
            "BillingCurrency": "USD",
            "BillingPeriodStart": start,
            "BillingPeriodEnd": (start + timedelta(days=32)).replace(day=1),
            "ChargePeriodStart": start + timedelta(hours=number),
            "ChargePeriodEnd": start + timedelta(hours=number + 1),
            "ChargeCategory": "Usage",
            "ServiceName": "Amazon EC2",
            "ServiceCategory": "Compute",
            "ProviderName": "AWS",
            "PublisherName": "AWS",
            "InvoiceIssuerName": "AWS",
            "BilledCost": float(cost),
            "EffectiveCost": float(cost),
            "ListCost": float(cost),
            "ContractedCost": float(cost),
        }
        for number, cost in enumerate(costs)
    ]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def legacy_csv(month: str, *costs: str) -> bytes:
    """The legacy report: gzipped CSV with headers such as lineItem/UsageType."""
    out = io.StringIO()
    rows = lines(month, *costs)
    writer = csv.writer(out)
    writer.writerow([_legacy(name) for name in rows[0]])
    for row in rows:
        writer.writerow([f"{v:%Y-%m-%dT%H:%M:%SZ}" if isinstance(v, datetime) else v for v in row.values()])
    return gzip.compress(out.getvalue().encode(), mtime=0)


def _legacy(name: str) -> str:
    group, rest = ("lineItem", name[10:]) if name.startswith("line_item_") else ("bill", name[5:])
    return f"{group}/{''.join(word.title() for word in rest.split('_'))}"


def request(since: str = "2026-10", until: str = "2026-12", known: dict[str, Fetched] | None = None) -> Request:
    return Request(date.fromisoformat(f"{since}-01"), date.fromisoformat(f"{until}-01"), TODAY, known or {})


def export(**more: Any) -> AwsDataExportCollector:
    """A collector of the export cur2 in s3://acme-billing/exports."""
    given = {"bucket": "acme-billing", "prefix": "exports", "export": "cur2", "deadline": 2} | more
    return AwsDataExportCollector("prod", AwsDataExport(type="aws-data-export", **given), Path())


def report(**more: Any) -> AwsCurCollector:
    """A collector of the legacy report hourly in s3://acme-billing/cur."""
    given = {"bucket": "acme-billing", "prefix": "cur", "report": "hourly", "deadline": 2} | more
    return AwsCurCollector("old", AwsCur(type="aws-cur", **given), Path())


def fetch(collector: ExportCollector, offer: Offer, folder: Path) -> Path:
    collector.fetch(offer, offer.files, folder, lambda name, count: None)
    return folder


def landed(collector: ExportCollector, listing: Listing, folder: Path) -> dict[str, Fetched]:
    """As the pipeline keeps what was fetched."""
    known = {}
    for number, offer in enumerate(listing.offers):
        fetch(collector, offer, folder / str(number))
        files = {each.name: (each.version, folder / str(number) / each.name) for each in offer.files}
        known[offer.key] = Fetched(offer.version, ARRIVED, files)
    return known


def ledger(folder: Path) -> tuple[list[tuple[str, Decimal]], list[str]]:
    """What finops makes of a folder: (month, billed cost), and the problems."""
    con = connect(folder.parent / f"{folder.name}.duckdb")
    migrate(con)
    loader = Loader(con, Landing(folder.parent / f"{folder.name}-landing"), Catalogue())
    result = loader.load_paths([folder])
    rows = con.execute(
        "SELECT strftime(BillingPeriodStart, '%Y-%m') AS month, sum(BilledCost) FROM focus.cost_and_usage GROUP BY 1 ORDER BY 1"
    ).fetchall()
    con.close()
    return rows, [str(problem) for problem in result.problems]


def only_trouble(listing: Listing) -> Trouble:
    assert len(listing.troubles) == 1, [str(each) for each in listing.troubles]
    return listing.troubles[0]


# What is offered


@pytest.mark.parametrize("overwrite", [True, False], ids=["overwrite", "create-new"])
@pytest.mark.parametrize("partition", ["BILLING_PERIOD", "billing_period"])
def test_a_month_is_offered_fetched_and_adds_up(aws: FakeAws, tmp_path: Path, overwrite: bool, partition: str) -> None:
    aws.make_export("cur2", "acme-billing", overwrite=overwrite, partition=partition)
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1.25", "2.50"), parquet("2026-10", "4")], at=ARRIVED)
    listing = export().look(request("2026-10", "2026-11"))
    (offer,) = listing.offers
    assert (listing.troubles, listing.notes) == ([], [])
    assert offer.key == "s3://acme-billing/exports/cur2/2026-10"
    assert offer.period == date(2026, 10, 1)
    assert [each.name.split("/")[:2] for each in offer.files] == [
        ["cur2", "metadata"],
        ["cur2", "data"],
        ["cur2", "data"],
    ]
    folder = fetch(export(), offer, tmp_path / "got")
    assert ledger(folder) == ([("2026-10", Decimal("7.75"))], [])


def test_focus_exports_are_read_in_the_same_way(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("focus", "acme-billing", partition="billing_period", table="FOCUS_1_2_AWS")
    aws.publish("focus", "2026-10", [focus_parquet("2026-10", "3.10")], at=ARRIVED)
    collector = export(export="focus")
    (offer,) = collector.look(request("2026-10", "2026-11")).offers
    assert ledger(fetch(collector, offer, tmp_path / "got")) == ([("2026-10", Decimal("3.10"))], [])


def test_gzipped_text_is_read_as_parquet_is(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing", form="TEXT_OR_CSV")
    rows = lines("2026-10", "1.5", "2")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    aws.publish("cur2", "2026-10", [gzip.compress(text.getvalue().encode())], at=ARRIVED, suffix=".csv.gz")
    (offer,) = export().look(request("2026-10", "2026-11")).offers
    assert ledger(fetch(export(), offer, tmp_path / "got")) == ([("2026-10", Decimal("3.5"))], [])


def test_of_many_executions_only_the_newest_is_offered(aws: FakeAws, tmp_path: Path) -> None:
    """Create-new exports keep every execution: reading them all would count the month twice."""
    aws.make_export("cur2", "acme-billing", overwrite=False)
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    aws.publish("cur2", "2026-10", [parquet("2026-10", "2")], at=ARRIVED + timedelta(hours=8))
    aws.publish("cur2", "2026-10", [parquet("2026-10", "99")], at=ARRIVED - timedelta(days=30))  # arrives last, is old
    (offer,) = export().look(request("2026-10", "2026-11")).offers
    assert len(offer.files) == 2
    assert ledger(fetch(export(), offer, tmp_path / "got")) == ([("2026-10", Decimal("2"))], [])


@pytest.mark.parametrize("overwrite", [True, False], ids=["overwrite", "create-new"])
def test_a_restated_month_has_another_version_and_the_same_key(aws: FakeAws, tmp_path: Path, overwrite: bool) -> None:
    aws.make_export("cur2", "acme-billing", overwrite=overwrite)
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    aws.publish("cur2", "2026-11", [parquet("2026-11", "5")], at=ARRIVED)
    before = {each.key: each.version for each in export().look(request()).offers}
    assert {each.key: each.version for each in export().look(request()).offers} == before
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1.5")], at=ARRIVED + timedelta(hours=8))
    after = {each.key: each.version for each in export().look(request()).offers}
    assert before.keys() == after.keys()
    assert [key[-7:] for key in before if before[key] != after[key]] == ["2026-10"]


def test_a_second_look_makes_list_calls_only(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing")
    for month in ("2026-10", "2026-11"):
        aws.publish("cur2", month, [parquet(month, "1")], at=ARRIVED)
    collector = export()
    known = landed(collector, collector.look(request()), tmp_path)
    aws.calls.clear()
    again = collector.look(request(known=known))
    assert {each.key: each.version for each in again.offers} == {key: each.version for key, each in known.items()}
    assert {each.name for each in aws.calls} == {
        "s3:ListObjectsV2",
        "bcm-data-exports:ListExports",
        "bcm-data-exports:ListExecutions",
    }


def test_the_bucket_is_asked_of_aws_where_it_is_not_configured(aws: FakeAws) -> None:
    for name in ("a", "b", "cur2"):  # the API lists two on a page
        aws.make_export(name, "acme-billing", prefix=f"found/{name}")
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    (offer,) = export(bucket="", prefix="").look(request("2026-10", "2026-11")).offers
    assert offer.key == "s3://acme-billing/found/cur2/cur2/2026-10"


def test_listings_of_more_than_a_thousand_objects_are_read_to_the_end(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    parts = [f"part {number}".encode() for number in range(1003)]
    aws.publish("cur2", "2026-10", parts, at=ARRIVED)
    (offer,) = export().look(request("2026-10", "2026-11")).offers
    assert len(offer.files) == 1004


# What is not whole


def test_data_without_a_manifest_is_a_delivery_under_way(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    aws.publish("cur2", "2026-11", [parquet("2026-11", "1"), parquet("2026-11", "2")], at=ARRIVED, stop_after=1)
    listing = export().look(request())
    assert [each.key[-7:] for each in listing.offers] == ["2026-10"]
    trouble = only_trouble(listing)
    assert (trouble.outcome, trouble.period) == (Outcome.INCOMPLETE, date(2026, 11, 1))


def test_a_month_that_is_being_rewritten_is_not_offered(aws: FakeAws) -> None:
    """Overwriting exports replace the files first and the manifest last: in between the old manifest names new bytes."""
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1"), parquet("2026-10", "2")], at=ARRIVED)
    later = ARRIVED + timedelta(hours=8)
    aws.publish("cur2", "2026-10", [parquet("2026-10", "10"), parquet("2026-10", "2")], at=later, stop_after=1)
    listing = export().look(request("2026-10", "2026-11"))
    assert listing.offers == []
    assert only_trouble(listing).outcome is Outcome.INCOMPLETE
    assert "under way" in only_trouble(listing).what


def test_a_half_delivered_new_execution_leaves_the_last_whole_one(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing", overwrite=False)
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    aws.publish("cur2", "2026-10", [parquet("2026-10", "2"), b""], at=ARRIVED + timedelta(hours=8), stop_after=1)
    (offer,) = export().look(request("2026-10", "2026-11")).offers
    assert ledger(fetch(export(), offer, tmp_path / "got")) == ([("2026-10", Decimal("1"))], [])


def test_a_file_that_the_manifest_names_and_the_bucket_lacks_is_a_hole(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1"), parquet("2026-10", "2")], at=ARRIVED)
    gone = "exports/cur2/data/BILLING_PERIOD=2026-10/cur2-00002.snappy.parquet"
    aws.client().delete_object(Bucket="acme-billing", Key=gone)
    listing = export().look(request("2026-10", "2026-11"))
    assert listing.offers == []
    assert only_trouble(listing).outcome is Outcome.INCOMPLETE
    assert gone in only_trouble(listing).what


def test_a_file_replaced_between_looking_and_fetching_is_not_mixed_in(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    (offer,) = export().look(request("2026-10", "2026-11")).offers
    aws.publish("cur2", "2026-10", [parquet("2026-10", "2")], at=ARRIVED + timedelta(hours=8))
    with pytest.raises(Trouble, match="was replaced or removed") as caught:
        fetch(export(), offer, tmp_path)
    assert (caught.value.outcome, caught.value.period) == (Outcome.INCOMPLETE, date(2026, 10, 1))


def test_an_empty_month_is_no_hole_and_no_offer(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-10", [], at=ARRIVED)
    listing = export().look(request("2026-10", "2026-11"))
    assert (listing.offers, listing.troubles, listing.notes) == ([], [], ["cur2 2026-10: delivered, and empty"])


def test_a_month_that_was_full_and_becomes_empty_is_kept_and_said(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    known = landed(export(), export().look(request("2026-10", "2026-11")), tmp_path)
    aws.publish("cur2", "2026-10", [], at=ARRIVED + timedelta(hours=8))
    listing = export().look(request("2026-10", "2026-11", known))
    assert listing.offers == []
    assert "names no data file" in only_trouble(listing).what


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{", "not JSON"), (b'{"files": []}', "does not name"), (b"[]", "does not name"), (b"\xff\xfe\x00", "not JSON")],
)
def test_a_manifest_in_another_form_is_a_changed_source(aws: FakeAws, content: bytes, said: str) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.put("acme-billing", "exports/cur2/metadata/BILLING_PERIOD=2026-10/cur2-Manifest.json", content)
    listing = export().look(request("2026-10", "2026-11"))
    assert only_trouble(listing).outcome is Outcome.CHANGED
    assert said in only_trouble(listing).what


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "exports/cur2/data/../../other/x.parquet", "other/x.parquet", "/x"]
)
def test_a_manifest_that_names_files_elsewhere_is_refused(aws: FakeAws, key: str) -> None:
    aws.make_export("cur2", "acme-billing")
    content = f'{{"dataFiles": ["s3://acme-billing/{key}"]}}'.encode()
    aws.put("acme-billing", "exports/cur2/metadata/BILLING_PERIOD=2026-10/cur2-Manifest.json", content)
    listing = export().look(request("2026-10", "2026-11"))
    assert listing.offers == []
    assert "outside of the export's folder" in only_trouble(listing).what


# Months without a delivery


def test_months_before_the_first_are_noted_and_gaps_are_holes(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    for month in ("2026-08", "2026-10"):
        aws.publish("cur2", month, [parquet(month, "1")], at=ARRIVED)
    listing = export().look(request("2026-06", "2026-12"))
    assert [each.key[-7:] for each in listing.offers] == ["2026-08", "2026-10"]
    assert listing.notes == ["cur2: the export begins with 2026-08"]
    assert [(each.period, each.outcome) for each in listing.troubles] == [
        (date(2026, 9, 1), Outcome.MISSING),
        (date(2026, 11, 1), Outcome.MISSING),
    ]


def test_a_month_that_has_just_begun_may_be_absent(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    first = Request(date(2026, 10, 1), date(2026, 12, 1), date(2026, 11, 2))
    listing = export().look(first)
    assert listing.troubles == []
    assert listing.notes == ["cur2 2026-11: nothing has been delivered yet, which is usual on the first two days"]


def test_a_landed_month_that_a_lifecycle_rule_deleted_is_kept(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing")
    for month in ("2026-10", "2026-11"):
        aws.publish("cur2", month, [parquet(month, "1")], at=ARRIVED)
    known = landed(export(), export().look(request()), tmp_path)
    for folder in ("data", "metadata"):
        for each in aws.client().list_objects_v2(Bucket="acme-billing", Prefix=f"exports/cur2/{folder}/")["Contents"]:
            if "2026-10" in each["Key"]:
                aws.client().delete_object(Bucket="acme-billing", Key=each["Key"])
    listing = export().look(request(known=known))
    assert (listing.troubles, len(listing.offers)) == ([], 1)
    assert listing.notes == ["cur2 2026-10: no longer in the bucket; what has landed is kept"]


# What goes wrong


def test_an_export_that_is_not_there_is_missing(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    for collector in (export(export="typo"), export(export="typo", bucket="", prefix=""), export(bucket="not-ours")):
        with pytest.raises(Trouble) as caught:
            collector.look(request())
        assert caught.value.outcome is Outcome.MISSING
        assert caught.value.next_step


def test_a_denied_listing_names_the_permission_the_bucket_and_the_identity(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.deny("s3:ListBucket")
    with pytest.raises(Trouble) as caught:
        export().look(request())
    assert caught.value.outcome is Outcome.DENIED
    assert caught.value.next_step.startswith(
        f"Allow s3:ListBucket on arn:aws:s3:::acme-billing to arn:aws:iam::{ACCOUNT}:user/finops."
    )


def test_a_denied_read_is_a_hole_for_its_month_and_the_others_go_on(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    for month in ("2026-10", "2026-11"):
        aws.publish("cur2", month, [parquet(month, "1")], at=ARRIVED)
    aws.deny("s3:GetObject", match="2026-10")
    listing = export().look(request())
    assert [each.key[-7:] for each in listing.offers] == ["2026-11"]
    trouble = only_trouble(listing)
    assert (trouble.outcome, trouble.period) == (Outcome.DENIED, date(2026, 10, 1))
    assert trouble.next_step.startswith(
        "Allow s3:GetObject on arn:aws:s3:::acme-billing/exports/cur2/* to arn:aws:iam::"
    )


def test_a_denied_download_is_raised_for_its_month(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    (offer,) = export().look(request("2026-10", "2026-11")).offers
    aws.deny("s3:GetObject", match="/data/")
    with pytest.raises(Trouble) as caught:
        fetch(export(), offer, tmp_path)
    assert (caught.value.outcome, caught.value.period) == (Outcome.DENIED, date(2026, 10, 1))


def test_the_api_is_not_needed_where_the_bucket_is_configured(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    aws.deny("bcm-data-exports:ListExports")
    listing = export().look(request("2026-10", "2026-11"))
    assert (len(listing.offers), listing.troubles) == (1, [])
    assert "bcm-data-exports:ListExports is denied" in listing.notes[0]
    with pytest.raises(Trouble, match=r"Allow bcm-data-exports:ListExports on \*"):
        export(bucket="", prefix="").look(request())


def test_a_failed_execution_is_a_hole_and_the_last_delivery_is_offered(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-11", [parquet("2026-11", "1")], at=ARRIVED)
    aws.executed("cur2", "DELIVERY_FAILURE", ARRIVED + timedelta(hours=8), reason="INSUFFICIENT_PERMISSION")
    listing = export().look(request("2026-11", "2026-12"))
    assert len(listing.offers) == 1
    assert only_trouble(listing).period == date(2026, 11, 1)
    assert "DELIVERY_FAILURE (INSUFFICIENT_PERMISSION)" in only_trouble(listing).what
    aws.executed("cur2", "DELIVERY_SUCCESS", ARRIVED + timedelta(hours=16))
    assert export().look(request("2026-11", "2026-12")).troubles == []


def test_expired_credentials_say_how_to_sign_in(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.expire()
    with pytest.raises(Trouble) as caught:
        export().look(request())
    assert caught.value.outcome is Outcome.EXPIRED
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(Trouble) as caught:
        export().look(request())
    assert caught.value.outcome is Outcome.EXPIRED
    assert "aws sso login" in caught.value.next_step


def test_credentials_that_run_out_in_between_do_not_make_months_wait(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    for month in ("2026-09", "2026-10", "2026-11"):
        aws.publish("cur2", month, [parquet(month, "1")], at=ARRIVED)
    aws.answer("s3:GetObject", "ExpiredToken")
    listing = export().look(request("2026-09", "2026-12"))
    assert [each.outcome for each in listing.troubles] == [Outcome.EXPIRED] * 3
    assert len(aws.called("s3:GetObject")) == 1


def test_months_that_are_not_tried_any_more_name_their_own_place(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    for month in ("2026-09", "2026-10", "2026-11"):
        aws.publish("cur2", month, [parquet(month, "1")], at=ARRIVED)
    aws.answer("s3:GetObject", "ExpiredToken")
    first, *others = export().look(request("2026-09", "2026-12")).troubles
    assert "BILLING_PERIOD=2026-09/" in first.where
    assert [(each.period, each.where) for each in others] == [
        (date(2026, 10, 1), "s3://acme-billing/exports/cur2/metadata/BILLING_PERIOD=2026-10/"),
        (date(2026, 11, 1), "s3://acme-billing/exports/cur2/metadata/BILLING_PERIOD=2026-11/"),
    ]
    assert {each.what for each in others} == {f"was not read, for an earlier month could not be: {first.what}"}
    assert {each.next_step for each in others} == {first.next_step}


def test_a_month_of_which_there_is_nothing_is_judged_as_ever_when_another_fails(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    for month in ("2026-08", "2026-11"):
        aws.publish("cur2", month, [parquet(month, "1")], at=ARRIVED)
    aws.answer("s3:GetObject", "ExpiredToken")
    listing = export().look(request("2026-08", "2027-01"))
    assert [(each.period, each.outcome) for each in listing.troubles] == [
        (date(2026, 8, 1), Outcome.EXPIRED),
        (date(2026, 9, 1), Outcome.MISSING),
        (date(2026, 10, 1), Outcome.MISSING),
        (date(2026, 11, 1), Outcome.EXPIRED),
    ]


def test_what_is_too_large_for_a_manifest_is_not_read_into_memory(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.make_export("cur2", "acme-billing")
    for month in ("2026-10", "2026-11"):
        aws.publish("cur2", month, [parquet(month, "1")], at=ARRIVED)
    manifest = "exports/cur2/metadata/BILLING_PERIOD=2026-10/cur2-Manifest.json"
    aws.put("acme-billing", manifest, b"{" + b" " * 100_000 + b"}")
    monkeypatch.setattr(small, "LARGEST", 100_000)
    listing = export().look(request())
    assert [each.key[-7:] for each in listing.offers] == ["2026-11"]
    trouble = only_trouble(listing)
    assert (trouble.outcome, trouble.where, trouble.period) == (
        Outcome.CHANGED, f"s3://acme-billing/{manifest}", date(2026, 10, 1),
    )  # fmt: skip
    assert "more than 100,000 bytes" in trouble.what


def test_throttling_and_server_errors_pass(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    aws.throttle("s3:ListObjectsV2", 2)
    aws.fail("s3:GetObject", 2)
    aws.throttle("bcm-data-exports:ListExports", 1)
    collector = export(deadline=20)
    listing = collector.look(request("2026-10", "2026-11"))
    assert (listing.troubles, listing.notes) == ([], [])
    fetch(collector, listing.offers[0], tmp_path)


def test_after_the_deadline_it_is_given_up(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.fail("s3:ListObjectsV2", -1, status=503)
    began = datetime.now(tz=UTC)
    with pytest.raises(Trouble, match="AWS went on failing") as caught:
        export(deadline=1).look(request())
    assert caught.value.outcome is Outcome.FAILED
    assert datetime.now(tz=UTC) - began < timedelta(seconds=6)


def test_a_broken_connection_is_continued_with_the_missing_bytes_only(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing")
    content = parquet("2026-10", *("1" for _ in range(50_000)))
    aws.publish("cur2", "2026-10", [content], at=ARRIVED)
    collector = export(deadline=20)
    (offer,) = collector.look(request("2026-10", "2026-11")).offers
    aws.calls.clear()
    aws.cut("s3:GetObject", 100_000, match="/data/")
    fetch(collector, offer, tmp_path)
    first, second = [each for each in aws.called("s3:GetObject") if "/data/" in each.what]
    assert (first.range, second.range) == ("", "bytes=100000-")
    assert (tmp_path / offer.files[1].name).read_bytes() == content


def test_an_interrupted_run_is_continued_by_the_next(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing")
    content = parquet("2026-10", *(str(number) for number in range(50_000)))
    aws.publish("cur2", "2026-10", [content], at=ARRIVED)
    collector = export(deadline=1)
    (offer,) = collector.look(request("2026-10", "2026-11")).offers
    aws.cut("s3:GetObject", 100_000, match="/data/")
    aws.fail("s3:GetObject", -1, match="/data/")
    with pytest.raises(Trouble):
        fetch(collector, offer, tmp_path)
    aws.forgive()
    aws.calls.clear()
    fetch(collector, offer, tmp_path)
    (call,) = aws.called("s3:GetObject")
    assert call.range == "bytes=100000-"
    assert (tmp_path / offer.files[1].name).read_bytes() == content


def test_other_bytes_than_the_etag_says_are_not_kept(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing")
    content = parquet("2026-10", *(str(number) for number in range(50_000)))
    aws.publish("cur2", "2026-10", [content], at=ARRIVED)
    collector = export(deadline=1)
    (offer,) = collector.look(request("2026-10", "2026-11")).offers
    aws.cut("s3:GetObject", 100_000, match="/data/")
    aws.fail("s3:GetObject", -1, match="/data/")
    with pytest.raises(Trouble):
        fetch(collector, offer, tmp_path)
    (partial,) = tmp_path.rglob("*.partial")
    partial.write_bytes(b"x" * 100_000)
    aws.forgive()
    with pytest.raises(Trouble, match="other bytes"):
        fetch(collector, offer, tmp_path)
    fetch(collector, offer, tmp_path)
    assert (tmp_path / offer.files[1].name).read_bytes() == content


def test_uploads_in_parts_have_no_md5_and_are_fetched_all_the_same(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing")
    content = parquet("2026-10", "1")
    aws.publish("cur2", "2026-10", [content], at=ARRIVED - timedelta(days=1))
    key, s3 = "exports/cur2/data/BILLING_PERIOD=2026-10/cur2-00001.snappy.parquet", aws.client()
    upload = s3.create_multipart_upload(Bucket="acme-billing", Key=key)["UploadId"]
    part = s3.upload_part(Bucket="acme-billing", Key=key, UploadId=upload, PartNumber=1, Body=content)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket="acme-billing", Key=key, UploadId=upload, MultipartUpload=parts)
    aws.touch("acme-billing", key, ARRIVED - timedelta(days=1))
    (offer,) = export().look(request("2026-10", "2026-11")).offers
    assert offer.files[1].version.endswith("-1")
    assert (fetch(export(), offer, tmp_path) / offer.files[1].name).read_bytes() == content


def test_a_kms_encrypted_object_has_an_etag_that_is_no_md5(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-10", [parquet("2026-10", "1")], at=ARRIVED)
    key = "exports/cur2/data/BILLING_PERIOD=2026-10/cur2-00001.snappy.parquet"
    content = parquet("2026-10", "2")
    aws.client().put_object(Bucket="acme-billing", Key=key, Body=content, ServerSideEncryption="aws:kms")
    aws.touch("acme-billing", key, ARRIVED)
    (offer,) = export().look(request("2026-10", "2026-11")).offers
    fetch(export(), offer, tmp_path)
    assert (tmp_path / offer.files[1].name).read_bytes() == content


# How AWS is reached


def test_a_role_is_taken_on_with_its_external_id(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    role = "arn:aws:iam::222233334444:role/finops-read"
    collector = export(role_arn=role, external_id="acme")
    findings = {each.check: each for each in collector.examine(request())}
    assert findings["identity"].detail == "arn:aws:sts::222233334444:assumed-role/finops-read/finops"
    assert [each.operation for each in aws.calls if each.service == "sts"].count("AssumeRole") == 1


def test_a_role_that_may_not_be_taken_on_is_denied(aws: FakeAws) -> None:
    aws.deny("sts:AssumeRole")
    with pytest.raises(Trouble) as caught:
        export(role_arn="arn:aws:iam::222233334444:role/finops-read").look(request())
    assert caught.value.outcome is Outcome.DENIED
    assert "Allow sts:AssumeRole" in caught.value.next_step
    assert "trust policy" in caught.value.next_step


def test_a_profile_that_is_not_there_is_missing(aws: FakeAws) -> None:
    with pytest.raises(Trouble, match="nobody") as caught:
        export(profile="nobody").look(request())
    assert caught.value.outcome is Outcome.MISSING


def test_an_sso_sign_in_that_has_run_out_names_the_command(
    aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile billing]\nsso_session = acme\nsso_account_id = 123456789012\nsso_role_name = read\n"
        "[sso-session acme]\nsso_region = us-east-1\nsso_start_url = https://acme.awsapps.com/start\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(Trouble) as caught:
        export(profile="billing").look(request())
    assert caught.value.outcome is Outcome.EXPIRED
    assert "`aws sso login --profile billing`" in caught.value.next_step


def test_no_secret_is_logged_or_said(aws: FakeAws, caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret-key")
    aws.make_export("cur2", "acme-billing")
    aws.answer(
        "s3:ListObjectsV2",
        "SignatureDoesNotMatch",
        403,
        "The signature is wrong.\n\n'GET\n/\nx-amz-security-token:IQoJ-token",
    )
    with caplog.at_level(logging.INFO), pytest.raises(Trouble) as caught:
        export().look(request())
    assert caught.value.outcome is Outcome.EXPIRED
    assert "The signature is wrong." in str(caught.value)
    assert not [each for each in ("very-secret-key", "IQoJ-token") if each in str(caught.value) + caplog.text]


# The legacy report


@pytest.mark.parametrize("overwrite", [True, False], ids=["overwrite", "create-new"])
def test_a_legacy_report_is_offered_fetched_and_adds_up(aws: FakeAws, tmp_path: Path, overwrite: bool) -> None:
    aws.make_report("hourly", "acme-billing", overwrite=overwrite)
    aws.publish_report("hourly", "2026-10", [legacy_csv("2026-10", "99")], at=ARRIVED - timedelta(days=1))
    parts = [legacy_csv("2026-10", "1.25"), legacy_csv("2026-10", "2.5")]
    aws.publish_report("hourly", "2026-10", parts, at=ARRIVED)
    (offer,) = report().look(request("2026-10", "2026-11")).offers
    assert offer.key == "s3://acme-billing/cur/hourly/2026-10"
    assert len(offer.files) == 3
    assert ledger(fetch(report(), offer, tmp_path / "got")) == ([("2026-10", Decimal("3.75"))], [])


def test_a_legacy_report_in_parquet_lies_beside_its_manifests(aws: FakeAws, tmp_path: Path) -> None:
    aws.make_report("hourly", "acme-billing", overwrite=True)
    aws.publish_report("hourly", "2026-10", [parquet("2026-10", "1.25")], at=ARRIVED, parquet=True)
    (offer,) = report().look(request("2026-10", "2026-11")).offers
    assert ledger(fetch(report(), offer, tmp_path / "got")) == ([("2026-10", Decimal("1.25"))], [])


def test_a_legacy_report_half_delivered_or_rewritten_is_not_offered(aws: FakeAws) -> None:
    aws.make_report("hourly", "acme-billing", overwrite=True)
    parts = [legacy_csv("2026-10", "1"), legacy_csv("2026-10", "2")]
    aws.publish_report("hourly", "2026-10", parts, at=ARRIVED)
    aws.publish_report("hourly", "2026-10", parts[::-1], at=ARRIVED + timedelta(hours=8), stop_after=1)
    aws.publish_report("hourly", "2026-11", [legacy_csv("2026-11", "1")], at=ARRIVED, stop_after=1)
    listing = report().look(request())
    assert listing.offers == []
    assert [each.outcome for each in listing.troubles] == [Outcome.INCOMPLETE] * 2


def test_a_legacy_report_is_found_and_its_failures_are_said(aws: FakeAws) -> None:
    for name in ("a", "b", "hourly"):
        aws.make_report(name, "acme-billing", prefix="found")
    aws.publish_report("hourly", "2026-11", [legacy_csv("2026-11", "1")], at=ARRIVED)
    collector = report(bucket="", prefix="")
    assert collector.look(request("2026-11", "2026-12")).offers[0].key == "s3://acme-billing/found/hourly/2026-11"
    aws.reports["hourly"].definition["ReportStatus"] = {"lastStatus": "ERROR_PERMISSIONS"}
    listing = collector.look(request("2026-11", "2026-12"))
    assert (len(listing.offers), only_trouble(listing).period) == (1, date(2026, 11, 1))


# Doctor


def test_doctor_finds_a_recommended_export_in_order(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-11", [parquet("2026-11", "1")], at=ARRIVED)
    findings = export().examine(request())
    assert {each.verdict for each in findings} == {Verdict.OK}
    assert [each.check for each in findings] == [
        "identity", "export", "s3:ListBucket", "s3:GetObject", "last delivery",
        "hourly", "resource ids", "split cost data", "parquet", "overwrite", "health", "cost allocation tags",
    ]  # fmt: skip


def test_doctor_says_what_could_be_better(aws: FakeAws) -> None:
    settings = {"TIME_GRANULARITY": "DAILY", "INCLUDE_RESOURCES": "TRUE"}
    aws.make_export("cur2", "acme-billing", overwrite=False, settings=settings, form="TEXT_OR_CSV")
    aws.publish("cur2", "2026-11", [parquet("2026-11", "1")], at=ARRIVED - timedelta(days=4))
    aws.tags.clear()
    findings = {each.check: each for each in export().examine(request())}
    aws.tags.append("team")
    worse = {check for check, each in findings.items() if each.verdict is Verdict.WARNING}
    assert worse == {"hourly", "split cost data", "parquet", "overwrite", "last delivery", "cost allocation tags"}
    assert all(findings[check].next_step for check in worse)
    assert "5 days ago" in findings["last delivery"].detail


def test_doctor_looks_at_permissions_one_by_one(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-11", [parquet("2026-11", "1")], at=ARRIVED)
    for action in ("s3:GetObject", "bcm-data-exports:GetExport", "ce:ListCostAllocationTags"):
        aws.deny(action)
    findings = {each.check: each.verdict for each in export().examine(request())}
    assert findings == {
        "identity": Verdict.OK, "export": Verdict.OK, "s3:ListBucket": Verdict.OK, "s3:GetObject": Verdict.FAILED,
        "last delivery": Verdict.OK, "settings": Verdict.UNKNOWN, "health": Verdict.OK, "cost allocation tags": Verdict.UNKNOWN,
    }  # fmt: skip


def test_doctor_makes_no_call_that_may_cost_money_where_it_is_to_be_dry(aws: FakeAws) -> None:
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-11", [parquet("2026-11", "1")], at=ARRIVED)
    findings = export().examine(replace(request(), dry=True))
    assert (findings[-1].check, findings[-1].verdict) == ("cost allocation tags", Verdict.UNKNOWN)
    assert not [each for each in aws.calls if each.service == "ce"]


def test_doctor_calls_nothing_healthy_that_it_could_not_ask_for(aws: FakeAws) -> None:
    """A bucket may be read anonymously, or hold the export of another account: then AWS says nothing of its deliveries."""
    aws.make_export("cur2", "acme-billing")
    aws.publish("cur2", "2026-11", [parquet("2026-11", "1")], at=ARRIVED)
    nobody = export(anonymous=True).examine(replace(request(), dry=True))
    assert "health" not in {each.check for each in nobody}
    aws.exports.clear()
    health = next(each for each in export().examine(request()) if each.check == "health")
    assert health.verdict is Verdict.UNKNOWN
    assert "this account has no data export called 'cur2'" in health.detail


def test_doctor_stops_where_nobody_is_signed_in(aws: FakeAws) -> None:
    aws.expire()
    (finding,) = export().examine(request())
    assert (finding.check, finding.verdict) == ("identity", Verdict.FAILED)
    assert finding.next_step


@pytest.mark.parametrize("configured", [True, False], ids=["bucket configured", "bucket asked for"])
@pytest.mark.parametrize("kind", ["export", "report"])
def test_the_permissions_are_those_of_the_calls_made(aws: FakeAws, tmp_path: Path, kind: str, configured: bool) -> None:
    collector: ExportCollector
    where = {} if configured else {"bucket": "", "prefix": ""}
    if kind == "export":
        aws.make_export("cur2", "acme-billing")
        aws.publish("cur2", "2026-11", [parquet("2026-11", "1")], at=ARRIVED)
        collector = export(**where)
    else:
        aws.make_report("hourly", "acme-billing")
        aws.publish_report("hourly", "2026-11", [legacy_csv("2026-11", "1")], at=ARRIVED)
        collector = report(**where)
    landed(collector, collector.look(request()), tmp_path)
    collector.examine(request())
    made = {each.action for each in aws.calls} - {"sts:GetCallerIdentity"}  # which needs none
    assert made == {each.action for each in collector.permissions()}
