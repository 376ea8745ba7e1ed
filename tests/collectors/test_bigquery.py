"""Google Cloud's billing export in BigQuery: what is new is fetched by day of export, and the ledger has the table's sums."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import Workspace

from finops.collectors.gcp import dayfiles, jobs
from finops.collectors.gcp.bigquery import GcpBigQueryCollector
from finops.collectors.interface import Fetched, Finding, Listing, Offer, Outcome, Request, Trouble, Verdict
from finops.config.sources import GcpBigQuery

from .fakes.bigquery import DETAILED, FOCUS, PROJECT, STANDARD, TABLE, FakeBigQuery, charge, focus_charge
from .fakes.bigquery_storage import FakeBigQueryStorage

FAIL_FAST = 2
SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)
KEY = f"bigquery://{TABLE}"


@pytest.fixture
def bigquery() -> Iterator[FakeBigQuery]:
    with FakeBigQuery() as fake:
        fake.create(TABLE)
        yield fake


def source(bigquery: FakeBigQuery, **changed: Any) -> GcpBigQuery:
    told = {"type": "gcp-bigquery", "project": PROJECT, "table": TABLE, "anonymous": True, "deadline": FAIL_FAST}
    return GcpBigQuery.model_validate(told | {"endpoints": {"bigquery": bigquery.url}} | changed)


def collector(bigquery: FakeBigQuery, folder: Path = Path(), **changed: Any) -> GcpBigQueryCollector:
    return GcpBigQueryCollector("gcp", source(bigquery, **changed), folder)


def request(today: str = "2026-10-20", since: str = "2026-09-01", *, dry: bool = False, **known: Fetched) -> Request:
    return Request(date.fromisoformat(since), date(2026, 11, 1), date.fromisoformat(today), known, dry)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fill(bigquery: FakeBigQuery, table: str = TABLE) -> None:
    """Two months: usage of each day is exported on the same day, some of it on the next."""
    for month in (9, 10):
        for day in range(1, 8):
            bigquery.add(
                table,
                date(2026, month, day),
                [
                    charge(at(f"2026-{month:02}-{day:02}T10:00"), "1.10", credits=["-0.1", "-0.003"]),
                    charge(at(f"2026-{month:02}-{day:02}T11:00"), "0.0000123456789", labels=[]),
                ],
            )
            bigquery.add(table, date(2026, month, day + 1), [charge(at(f"2026-{month:02}-{day:02}T23:00"), 0.07)])


def fetched(collector: GcpBigQueryCollector, offer: Offer, folder: Path) -> Fetched:
    """Fetch all of an offer; what landing would then know of it."""
    collector.fetch(offer, offer.files, folder, lambda name, size: None)
    files = {file.name: (file.version, folder / file.name) for file in offer.files}
    return Fetched(offer.version, datetime.now(tz=UTC), files)


def trouble(collector: GcpBigQueryCollector, **asked: Any) -> Trouble:
    with pytest.raises(Trouble) as caught:
        collector.look(request(**asked))
    return caught.value


# into the ledger


def configure(workspace: Workspace, bigquery: FakeBigQuery, table: str = TABLE, **more: str) -> None:
    workspace.write(
        "finops.toml",
        f'[company]\nname = "Test"\n[sources.gcp]\ntype = "gcp-bigquery"\nproject = "{PROJECT}"\ntable = "{table}"\n'
        f'anonymous = true\ndeadline = {FAIL_FAST}\nendpoints = {{ bigquery = "{bigquery.url}" }}\n'
        + "".join(f"{key} = {value}\n" for key, value in more.items()),
    )


def collect(workspace: Workspace, today: str = "2026-10-20") -> dict[str, Any]:
    """A weekly run; what it says of the source."""
    run = workspace.finops("--today", today, "collect", "--json")
    (said,) = run.json()
    return {"exit_code": run.exit_code, "err": run.err} | said


def ledger(workspace: Workspace) -> dict[tuple[str, str], Decimal]:
    rows = workspace.query(
        "SELECT BillingCurrency, strftime(BillingPeriodStart, '%Y%m'), sum(BilledCost) FROM focus.cost_and_usage GROUP BY ALL"
    )
    return {(currency, month): cost for currency, month, cost in rows}


@pytest.mark.parametrize("listing", [DETAILED, STANDARD], ids=["detailed", "standard"])
def test_the_ledger_has_the_sums_of_the_table_to_the_last_digit(
    workspace: Workspace, bigquery: FakeBigQuery, listing: str
) -> None:
    table = f"{PROJECT}.billing.gcp_billing_export_v1_0A1B2C_3D4E5F_607182"
    bigquery.create(table, listing)
    fill(bigquery, table)
    bigquery.add(table, date(2026, 10, 9), [charge(at("2026-10-09T05:00"), "0.1", currency="EUR") for _ in range(3)])
    configure(workspace, bigquery, table)

    said = collect(workspace)

    assert said["outcome"] == "complete", said
    assert said["exit_code"] == 0
    assert ledger(workspace) == bigquery.sums(table)
    assert ledger(workspace)["EUR", "202610"] == Decimal("0.3"), "three equal rows are three charges"


@pytest.mark.parametrize("partition", ["_PARTITIONTIME", "ChargePeriodStart", None])
def test_a_focus_export_is_read_however_it_is_partitioned(
    workspace: Workspace, bigquery: FakeBigQuery, partition: str | None
) -> None:
    table = f"{PROJECT}.gcp_billing_immutable.gcp_billing_export_focus_0A1B2C_3D4E5F_607182"
    bigquery.create(table, FOCUS, partition=partition)
    for day in (1, 2, 30):
        bigquery.add(table, date(2026, 10, day), [focus_charge(at("2026-09-30T23:00"), "0.123456789")])
        bigquery.add(
            table, date(2026, 10, day), [focus_charge(at(f"2026-10-{day:02}T23:00"), "-1.5", ListCost="0.000000000001")]
        )
    bigquery.add(
        table,
        date(2026, 10, 12),
        [focus_charge(at("2026-05-03T10:00"), "2.25", BillingPeriodStart=at("2026-10-01T07:00"))],
    )
    configure(workspace, bigquery, table)

    assert collect(workspace)["outcome"] == "complete"

    assert ledger(workspace) == bigquery.sums(table)
    assert workspace.query("SELECT min(ListCost) FROM focus.cost_and_usage") == [(Decimal("0.000000000001"),)]
    assert workspace.query("SELECT DISTINCT Tags FROM focus.cost_and_usage") == [({"env": "prod"},)]


def test_a_billing_period_that_begins_the_evening_before_in_utc_is_of_the_next_month(bigquery: FakeBigQuery) -> None:
    bigquery.create(TABLE, FOCUS)
    begins = at("2026-09-30T22:00")
    bigquery.add(TABLE, date(2026, 10, 2), [focus_charge(at("2026-10-01T10:00"), 1, BillingPeriodStart=begins)])
    assert [offer.period for offer in collector(bigquery).look(request()).offers] == [OCTOBER]


def test_a_second_look_at_nothing_new_fetches_nothing(workspace: Workspace, bigquery: FakeBigQuery) -> None:
    fill(bigquery)
    configure(workspace, bigquery)
    collect(workspace)
    bigquery.calls.clear()

    collect(workspace)

    (only,) = bigquery.queries()
    assert "GROUP BY" in only, "one query that counts, none for rows"
    assert "_PARTITIONTIME >= TIMESTAMP('2026-06-24')" in only, "a literal, so that old partitions are left out"


def test_a_late_row_brings_only_its_day_and_only_its_month(workspace: Workspace, bigquery: FakeBigQuery) -> None:
    fill(bigquery)
    configure(workspace, bigquery)
    collect(workspace)
    before = loads(workspace)
    bigquery.add(TABLE, date(2026, 10, 21), [charge(at("2026-09-30T22:00"), "-0.55", month="202609")])
    bigquery.calls.clear()

    collect(workspace, "2026-10-27")

    _, rows = bigquery.queries()
    assert "_PARTITIONTIME >= TIMESTAMP('2026-10-21') AND _PARTITIONTIME < TIMESTAMP('2026-10-22')" in rows
    assert "TIMESTAMP('2026-10-20')" not in rows
    assert {month for _, month in loads(workspace) - before} == {SEPTEMBER}
    assert ledger(workspace) == bigquery.sums(TABLE)


def loads(workspace: Workspace) -> set[tuple[str, date]]:
    return set(workspace.query("SELECT load_id, billing_period_start::DATE FROM ops.loads WHERE status = 'current'"))


def test_rows_that_join_a_day_that_was_fetched_bring_that_day_again(
    workspace: Workspace, bigquery: FakeBigQuery
) -> None:
    fill(bigquery)
    configure(workspace, bigquery)
    collect(workspace)
    bigquery.add(TABLE, date(2026, 10, 5), [charge(at("2026-10-05T13:00"), "3.3")])

    collect(workspace)

    assert ledger(workspace) == bigquery.sums(TABLE)


def test_a_correction_of_an_older_month_is_brought_with_the_whole_month(
    workspace: Workspace, bigquery: FakeBigQuery
) -> None:
    """In January the window begins in October: a correction of September is seen among January's days."""
    fill(bigquery)
    configure(workspace, bigquery)
    collect(workspace)
    bigquery.add(TABLE, date(2027, 1, 12), [charge(at("2026-09-03T10:00"), "-0.9", month="202609")])
    bigquery.add(TABLE, date(2027, 1, 12), [charge(at("2026-05-03T10:00"), "-0.4", month="202605")])

    said = collect(workspace, "2027-01-20")

    expected = bigquery.sums(TABLE)
    del expected["USD", "202605"]  # of which nothing was ever collected: a part of a month is no month
    assert ledger(workspace) == expected
    assert "--since 2026-05" in str(said["notes"])

    bigquery.calls.clear()
    collect(workspace, "2027-01-27")
    assert len(bigquery.queries()) == 1, "it is known, and not looked at again"


def test_what_the_days_before_the_window_have_of_an_older_month_is_not_worth_a_word(bigquery: FakeBigQuery) -> None:
    fill(bigquery)
    bigquery.add(TABLE, date(2026, 9, 30), [charge(at("2026-09-29T10:00"), 1)])
    bigquery.add(TABLE, date(2026, 10, 2), [charge(at("2026-09-30T10:00"), 1)])
    listing = collector(bigquery).look(request(since="2026-10-01"))
    assert [offer.period for offer in listing.offers] == [OCTOBER]
    assert listing.notes == []


def test_a_month_without_rows_is_no_trouble(bigquery: FakeBigQuery) -> None:
    listing = collector(bigquery).look(request())
    assert listing == Listing()


def test_columns_that_are_new_are_kept_and_columns_that_are_not_needed_may_go(
    workspace: Workspace, bigquery: FakeBigQuery
) -> None:
    fill(bigquery)
    configure(workspace, bigquery)
    collect(workspace)
    bigquery.add_column(TABLE, "carbon.grams", "FLOAT")
    bigquery.drop_column(TABLE, "consumption_model")
    bigquery.add(TABLE, date(2026, 10, 22), [charge(at("2026-10-21T05:00"), "1", carbon={"grams": 12.5})])

    said = collect(workspace)

    assert said["outcome"] == "complete", said
    assert ledger(workspace) == bigquery.sums(TABLE)
    newest = max(workspace.folder.rglob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    assert {"grams": 12.5} in pq.read_table(newest, columns=["carbon"])["carbon"].to_pylist()


# what is offered and written


def test_each_month_is_an_offer_of_a_file_per_day_of_export(bigquery: FakeBigQuery) -> None:
    fill(bigquery)
    september, october = collector(bigquery).look(request()).offers

    assert [september.key, october.key] == [f"{KEY}/2026-09", f"{KEY}/2026-10"]
    assert [september.period, october.period] == [SEPTEMBER, OCTOBER]
    assert len(september.files) == 8, "the seventh day's late rows came on the eighth"
    assert september.files[0].name == "2026-09/part-202609010.parquet"
    assert september.files[0].version.startswith("2-"), "its number of rows"
    assert "8 days, 21 rows" in september.note
    assert september.cost_usd >= 0
    assert collector(bigquery).look(request()).offers == [september, october], "the same each time"


def test_files_hold_what_was_delivered(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    fill(bigquery)
    reader = collector(bigquery)
    offer = reader.look(request()).offers[0]
    told: list[tuple[str, int]] = []

    reader.fetch(offer, offer.files[1:2], tmp_path, lambda name, size: told.append((name, size)))

    rows = pq.read_table(tmp_path / "2026-09/part-202609020.parquet").to_pylist()
    assert sorted(row["cost"] for row in rows) == [0.0000123456789, 0.07, 1.1]
    assert [each["amount"] for row in rows for each in row["credits"]] == [-0.1, -0.003]
    assert {row["price"]["effective_price"] for row in rows} == {Decimal("0.1")}
    assert {row["export_time"] for row in rows} == {at("2026-09-02T12:00")}
    assert {name for name, _ in told} == {"2026-09/part-202609020.parquet"}
    assert sum(size for _, size in told) > 0


def test_pages_are_followed_and_memory_is_bounded(
    bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row groups are written as soon as more than HELD bytes wait: so many rows are in memory, however many there are."""
    monkeypatch.setattr(dayfiles, "HELD", 4_000)
    bigquery.rows_per_page = 7
    for day in (3, 4):
        bigquery.add(TABLE, date(2026, 10, day), [charge(at(f"2026-10-{day:02}T10:00"), n) for n in range(50)])
    reader = collector(bigquery)
    (offer,) = reader.look(request()).offers
    bigquery.calls.clear()

    fetched(reader, offer, tmp_path)

    pages = [call for call in bigquery.calls if call.method == "jobs.getQueryResults"]
    assert len(pages) > 100 / 7
    for day in (3, 4):
        file = pq.ParquetFile(tmp_path / f"2026-10/part-202610{day:02}0.parquet")
        assert file.metadata.num_rows == 50
        assert file.num_row_groups > 5


def test_many_days_are_one_query_and_very_many_rows_are_several(
    bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bigquery)
    reader = collector(bigquery)
    offer = reader.look(request()).offers[0]
    bigquery.calls.clear()
    fetched(reader, offer, tmp_path / "once")
    assert len(bigquery.queries()) == 1

    monkeypatch.setattr("finops.collectors.gcp.bigquery.ROWS_PER_QUERY", 10)
    bigquery.calls.clear()
    fetched(reader, offer, tmp_path / "thrice")
    assert len(bigquery.queries()) == 3


def test_an_interrupted_fetch_goes_on_with_the_days_that_lack(
    bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finops.collectors.gcp.bigquery.ROWS_PER_QUERY", 10)
    fill(bigquery)
    reader = collector(bigquery)
    offer = reader.look(request()).offers[0]
    bigquery.fail(400, "invalidQuery", method="jobs.insert", times=99, after=3)
    with pytest.raises(Trouble):
        fetched(reader, offer, tmp_path)
    bigquery.heal()
    bigquery.calls.clear()

    fetched(reader, offer, tmp_path)

    assert len(bigquery.queries()) == 2
    assert len(list(tmp_path.rglob("*.parquet"))) == 8


def test_rows_that_are_exported_while_fetching_are_left_to_the_next_run(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    fill(bigquery)
    reader = collector(bigquery)
    october = reader.look(request()).offers[1]
    bigquery.add(TABLE, date(2026, 10, 8), [charge(at("2026-10-08T13:00"), "3.3", export_time=at("2026-10-08T18:00"))])

    held = fetched(reader, october, tmp_path)

    assert 3.3 not in pq.read_table(tmp_path / "2026-10/part-202610080.parquet")["cost"].to_pylist()
    (again,) = [each for each in reader.look(request(**{october.key: held})).offers if each.period == OCTOBER]
    assert [new.name for old, new in zip(october.files, again.files, strict=True) if old.version != new.version] == [
        "2026-10/part-202610080.parquet"
    ]


def test_a_day_that_is_not_what_was_counted_is_not_kept(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    fill(bigquery)
    reader = collector(bigquery)
    october = reader.look(request()).offers[1]
    bigquery.add(TABLE, date(2026, 10, 5), [charge(at("2026-10-05T13:00"), "3.3")])

    with pytest.raises(Trouble) as caught:
        fetched(reader, october, tmp_path)

    assert (caught.value.outcome, caught.value.period) == (Outcome.INCOMPLETE, OCTOBER)
    assert "rows arrived" in caught.value.what
    assert not (tmp_path / "2026-10/part-202610050.parquet").exists()


# what is deleted at the source


def test_rows_that_vanish_are_a_hole_and_the_ledger_keeps_the_month(
    workspace: Workspace, bigquery: FakeBigQuery
) -> None:
    fill(bigquery)
    configure(workspace, bigquery)
    collect(workspace)
    before = ledger(workspace)
    bigquery.forget(TABLE, date(2026, 9, 5))

    said = collect(workspace)

    assert said["exit_code"] == 3
    assert said["outcome"] == "incomplete"
    assert "fewer rows of 2026-09-05 for 2026-09" in said["err"]
    assert ledger(workspace) == before


def test_days_long_before_the_months_that_are_asked_for_have_not_vanished(
    bigquery: FakeBigQuery, tmp_path: Path
) -> None:
    bigquery.add(TABLE, date(2026, 9, 10), [charge(at("2026-09-09T10:00"), "5", month="202610")])
    bigquery.add(TABLE, date(2026, 10, 2), [charge(at("2026-10-02T10:00"), "1")])
    reader = collector(bigquery)
    (offer,) = reader.look(request()).offers
    known = fetched(reader, offer, tmp_path)
    later = reader.look(request(since="2026-10-01", **{offer.key: known}))
    assert not later.troubles
    assert [each.version for each in later.offers] == [offer.version]


def test_days_that_expired_at_the_source_stay_in_the_ledger(workspace: Workspace, bigquery: FakeBigQuery) -> None:
    bigquery.create(TABLE, keeps_days=40)
    fill(bigquery)
    configure(workspace, bigquery)
    collect(workspace, "2026-10-05")
    sums = bigquery.sums(TABLE)
    for day in range(1, 9):
        bigquery.forget(TABLE, date(2026, 9, day))
    bigquery.add(TABLE, date(2026, 10, 19), [charge(at("2026-09-30T22:00"), "-0.55", month="202609")])

    assert collect(workspace, "2026-10-20")["outcome"] == "complete"

    assert ledger(workspace)["USD", "202609"] == sums["USD", "202609"] - Decimal("0.55")


def test_a_month_that_had_begun_to_expire_before_the_first_run_is_a_hole(bigquery: FakeBigQuery) -> None:
    bigquery.create(TABLE, keeps_days=40)
    fill(bigquery)

    listing = collector(bigquery).look(request())

    assert [offer.period for offer in listing.offers] == [OCTOBER]
    assert [(hole.outcome, hole.period) for hole in listing.troubles] == [(Outcome.INCOMPLETE, SEPTEMBER)]


# costs


def test_dry_runs_no_query_and_says_what_it_would_scan(bigquery: FakeBigQuery) -> None:
    fill(bigquery)
    listing = collector(bigquery, usd_per_tib="1000000").look(request(dry=True))

    assert bigquery.queries() == []
    assert listing.offers == []
    (note,) = listing.notes
    # 42 rows of 6 columns of 100 bytes each, at a million dollars a TiB
    assert "Looking would scan 25,200 bytes (0.0229 USD)" in note


def test_no_query_is_run_that_would_scan_more_than_was_agreed_to(bigquery: FakeBigQuery) -> None:
    fill(bigquery)
    caught = trouble(collector(bigquery, maximum_bytes_billed=10_000))

    assert caught.outcome is Outcome.UNAPPROVED
    assert "25,200 bytes" in caught.what
    assert "maximum_bytes_billed" in caught.next_step
    assert bigquery.queries() == []


def test_the_bound_is_sent_along_so_that_bigquery_holds_it_too(
    bigquery: FakeBigQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bigquery)
    monkeypatch.setattr(jobs.Jobs, "size", lambda self, sql: 0)

    caught = trouble(collector(bigquery, maximum_bytes_billed=10_000))

    assert caught.outcome is Outcome.UNAPPROVED
    assert "maximum_bytes_billed" in caught.next_step


# what goes wrong


@pytest.mark.parametrize(
    ("permission", "on"),
    [
        ("bigquery.jobs.create", "roles/bigquery.jobUser has it) on project acme-billing"),
        ("bigquery.tables.get", f"roles/bigquery.dataViewer has it) on table {TABLE}"),
        ("bigquery.tables.getData", f"roles/bigquery.dataViewer has it) on table {TABLE}"),
    ],
)
def test_a_permission_that_is_lacking_is_named(bigquery: FakeBigQuery, permission: str, on: str) -> None:
    bigquery.denied.add(permission)
    caught = trouble(collector(bigquery))
    assert caught.outcome is Outcome.DENIED
    assert caught.where == TABLE
    assert f"Grant the identity {permission} ({on}." in caught.next_step


def test_a_table_that_is_not_there(bigquery: FakeBigQuery) -> None:
    caught = trouble(collector(bigquery, table=f"{PROJECT}.billing.gcp_billing_export_v1_FFFFFF"))
    assert caught.outcome is Outcome.MISSING


def test_a_table_that_is_no_billing_export(bigquery: FakeBigQuery) -> None:
    table = f"{PROJECT}.billing.cloud_pricing_export"
    bigquery.create(table, "sku.id STRING\nservice.id STRING\nlist_price.account_currency_amount NUMERIC")
    caught = trouble(collector(bigquery, table=table))
    assert caught.outcome is Outcome.MISSING
    assert "is no billing export" in caught.what


@pytest.mark.parametrize("gone", ["cost", "credits", "invoice", "currency"])
def test_a_column_that_is_gone_is_named_and_nothing_is_read(bigquery: FakeBigQuery, gone: str) -> None:
    fill(bigquery)
    bigquery.rename_column(TABLE, gone, f"{gone}_v2")
    caught = trouble(collector(bigquery))
    assert caught.outcome is Outcome.CHANGED
    assert f"no column {gone}" in caught.what
    assert bigquery.queries() == []


@pytest.mark.parametrize(
    ("partition", "day"),
    [("ChargePeriodStart", "ChargePeriodStart"), (None, "x_ExportTime")],
    ids=["partitioned by the charges' time", "a copy without partitions"],
)
def test_rows_without_a_day_are_not_left_out_without_a_word(
    bigquery: FakeBigQuery, partition: str | None, day: str
) -> None:
    table = bigquery.create(TABLE, FOCUS, partition=partition)
    bigquery.add(TABLE, OCTOBER, [focus_charge(at("2026-10-01T10:00"), 1), focus_charge(at("2026-10-01T11:00"), 7)])
    table.rows[-1][1][day] = None
    found = trouble(collector(bigquery))
    assert found.outcome is Outcome.CHANGED and "1 rows of 2026-10 without the day" in found.what


def test_a_new_column_may_have_any_name(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    bigquery.create(TABLE, FOCUS)
    bigquery.add_column(TABLE, "x-List (new)", "BIGNUMERIC")
    bigquery.add(TABLE, OCTOBER, [focus_charge(at("2026-10-01T10:00"), 1, **{"x-List (new)": "0.000000000001"})])
    reader = collector(bigquery)
    fetched(reader, reader.look(request()).offers[0], tmp_path)
    (file,) = tmp_path.rglob("*.parquet")
    assert Decimal(pq.read_table(file)["x-List (new)"][0].as_py()) == Decimal("0.000000000001")


def test_an_invoice_month_that_is_none(bigquery: FakeBigQuery) -> None:
    bigquery.add(TABLE, date(2026, 10, 2), [charge(at("2026-10-01T10:00"), 1, month="soon")])
    assert trouble(collector(bigquery)).outcome is Outcome.CHANGED


@pytest.mark.parametrize("method", ["tables.get", "jobs.insert", "jobs.getQueryResults"])
@pytest.mark.parametrize(
    ("status", "reason"), [(503, "backendError"), (429, "rateLimitExceeded"), (403, "rateLimitExceeded"), (0, "")]
)
def test_what_passes_is_tried_again(
    bigquery: FakeBigQuery, tmp_path: Path, method: str, status: int, reason: str
) -> None:
    fill(bigquery)
    bigquery.fail(status, reason, method=method)
    reader = collector(bigquery, deadline=10)
    fetched(reader, reader.look(request()).offers[0], tmp_path)
    assert len(list(tmp_path.rglob("*.parquet"))) == 8


@pytest.mark.parametrize("method", ["tables.get", "jobs.insert", "jobs.getQueryResults"])
def test_what_does_not_pass_is_given_up_at_the_deadline(bigquery: FakeBigQuery, method: str) -> None:
    fill(bigquery)
    bigquery.fail(503, method=method, times=float("inf"))
    started = time.monotonic()
    caught = trouble(collector(bigquery))
    assert caught.outcome is Outcome.FAILED
    assert time.monotonic() - started < 3 * FAIL_FAST


def test_a_used_up_quota_is_not_waited_for(bigquery: FakeBigQuery) -> None:
    bigquery.fail(403, "quotaExceeded", method="jobs.insert", times=float("inf"))
    caught = trouble(collector(bigquery))
    assert caught.outcome is Outcome.FAILED
    assert "quota" in caught.next_step
    assert len([call for call in bigquery.calls if call.method == "jobs.insert"]) == 1


# the storage API


@pytest.fixture
def storage(bigquery: FakeBigQuery) -> Iterator[FakeBigQueryStorage]:
    with FakeBigQueryStorage(bigquery) as fake:
        yield fake


def by_storage(bigquery: FakeBigQuery, storage: FakeBigQueryStorage, **changed: Any) -> GcpBigQueryCollector:
    return collector(bigquery, endpoints={"bigquery": bigquery.url, "bigquerystorage": storage.url}, **changed)


def test_rows_come_by_the_storage_api_where_it_is_there(
    bigquery: FakeBigQuery, storage: FakeBigQueryStorage, tmp_path: Path
) -> None:
    fill(bigquery)
    reader = by_storage(bigquery, storage)
    offer = reader.look(request()).offers[0]
    fetched(reader, offer, tmp_path / "storage")
    fetched(collector(bigquery), offer, tmp_path / "rest")

    assert storage.calls.count("ReadRows") == 2
    for file in offer.files:
        one, other = (pq.read_table(tmp_path / way / file.name) for way in ("storage", "rest"))
        assert one.schema.names == other.schema.names
        assert sorted(map(str, one.to_pylist())) == sorted(map(str, other.to_pylist()))
    assert "bigquery.readsessions.create" in {each.action for each in reader.permissions() if each.optional}


def test_without_the_permission_for_the_storage_api_rows_come_all_the_same(
    bigquery: FakeBigQuery, storage: FakeBigQueryStorage, tmp_path: Path
) -> None:
    fill(bigquery)
    storage.denied = True
    reader = by_storage(bigquery, storage)
    fetched(reader, reader.look(request()).offers[0], tmp_path)
    assert len(list(tmp_path.rglob("*.parquet"))) == 8
    assert storage.calls == ["CreateReadSession"]


def test_a_stream_that_breaks_goes_on_where_it_broke(
    bigquery: FakeBigQuery, storage: FakeBigQueryStorage, tmp_path: Path
) -> None:
    fill(bigquery)
    storage.breaks = 2
    reader = by_storage(bigquery, storage, deadline=10)
    fetched(reader, reader.look(request()).offers[0], tmp_path)
    assert sum(pq.ParquetFile(each).metadata.num_rows for each in tmp_path.rglob("*.parquet")) == 21


def test_streams_that_never_come_are_given_up_at_the_deadline(
    bigquery: FakeBigQuery, storage: FakeBigQueryStorage, tmp_path: Path
) -> None:
    fill(bigquery)
    storage.down = True
    reader = by_storage(bigquery, storage)
    offer = reader.look(request()).offers[0]
    started = time.monotonic()
    with pytest.raises(Trouble) as caught:
        fetched(reader, offer, tmp_path)
    assert caught.value.outcome is Outcome.FAILED
    assert time.monotonic() - started < 4 * FAIL_FAST


@pytest.mark.parametrize("batches", [0, 1])
def test_a_stream_that_stands_still_is_opened_again_and_given_up_if_nothing_comes(
    bigquery: FakeBigQuery, storage: FakeBigQueryStorage, tmp_path: Path, batches: int
) -> None:
    bigquery.add(TABLE, date(2026, 10, 2), [charge(at(f"2026-10-02T{hour:02}:00"), "1.10") for hour in range(20)])
    storage.stalls_after = batches
    reader = by_storage(bigquery, storage, deadline=1)
    offer = reader.look(request()).offers[0]
    started = time.monotonic()
    if batches:
        fetched(reader, offer, tmp_path)
        assert sum(pq.ParquetFile(each).metadata.num_rows for each in tmp_path.rglob("*.parquet")) == 20
    else:
        with pytest.raises(Trouble) as caught:
            fetched(reader, offer, tmp_path)
        assert caught.value.outcome is Outcome.FAILED
    assert time.monotonic() - started < 10


# how it is reached


def test_an_emulator_is_found_by_its_variable(bigquery: FakeBigQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bigquery)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery.url)
    assert len(collector(bigquery, endpoints={}, anonymous=False).look(request()).offers) == 2


def test_the_location_is_found_out_and_a_wrong_one_is_said(bigquery: FakeBigQuery) -> None:
    bigquery.create(TABLE, location="EU")
    fill(bigquery)
    assert len(collector(bigquery).look(request()).offers) == 2
    wrong = collector(bigquery, location="US")
    assert trouble(wrong).outcome is Outcome.MISSING
    assert found(wrong, "location").verdict is Verdict.FAILED


# finops doctor


def found(reader: GcpBigQueryCollector, check: str) -> Finding:
    findings = reader.examine(request())
    return next(each for each in findings if each.check == check)


def test_permissions_are_those_of_the_calls_that_are_made(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    fill(bigquery)
    reader = collector(bigquery)
    for offer in reader.look(request()).offers:
        fetched(reader, offer, tmp_path / str(offer.period))
    reader.examine(request())
    assert {each.action for each in reader.permissions()} == bigquery.permissions_used()


def test_an_export_in_good_order(bigquery: FakeBigQuery) -> None:
    fill(bigquery)
    bigquery.add(TABLE, date(2026, 10, 19), [charge(at("2026-10-19T10:00"), 1)])
    findings = collector(bigquery).examine(request())
    assert {each.verdict for each in findings} == {Verdict.OK}
    assert [each.check for each in findings] == [
        "identity", "bigquery.tables.get", "table exists", "columns", "kind of export", "partitions",
        "bigquery.jobs.create", "bigquery.tables.getData", "last export",
    ]  # fmt: skip
    assert findings[-1].detail == "2026-10-19 12:00, 1 days ago"


def test_a_dry_look_at_an_export_runs_no_query(bigquery: FakeBigQuery) -> None:
    """It takes the same permissions, and the table's last change stands for the newest row."""
    fill(bigquery)
    bigquery.add(TABLE, date(2026, 10, 19), [charge(at("2026-10-19T10:00"), 1)])
    findings = collector(bigquery).examine(request(dry=True))
    assert {each.verdict for each in findings} == {Verdict.OK}
    assert findings[-1].detail == "2026-10-19 00:00, 1 days ago"
    assert bigquery.queries() == []
    bigquery.denied.add("bigquery.tables.getData")
    assert "bigquery.tables.getData" in collector(bigquery).examine(request(dry=True))[-1].next_step


def test_a_standard_export_that_stopped_and_expires(bigquery: FakeBigQuery) -> None:
    bigquery.create(TABLE.replace("resource_", ""), STANDARD, keeps_days=60)
    bigquery.add(TABLE.replace("resource_", ""), date(2026, 10, 12), [charge(at("2026-10-12T10:00"), 1)])
    reader = collector(bigquery, table=TABLE.replace("resource_", ""))
    assert {each.check for each in reader.examine(request()) if each.verdict is Verdict.WARNING} == {
        "kind of export", "partitions", "last export"
    }  # fmt: skip


def test_doctor_says_that_credentials_are_no_longer_valid(bigquery: FakeBigQuery) -> None:
    bigquery.fail(401, "authError", "Invalid Credentials", times=float("inf"))
    (finding,) = collector(bigquery).examine(request())
    assert (finding.check, finding.verdict) == ("identity", Verdict.FAILED)
    assert "gcloud auth application-default login" in finding.next_step
    assert trouble(collector(bigquery)).outcome is Outcome.EXPIRED


@pytest.mark.parametrize("permission", ["bigquery.jobs.create", "bigquery.tables.get", "bigquery.tables.getData"])
def test_doctor_names_the_permission_that_is_lacking(bigquery: FakeBigQuery, permission: str) -> None:
    bigquery.denied.add(permission)
    finding = found(collector(bigquery), permission)
    assert finding.verdict is Verdict.FAILED
    assert permission in finding.next_step
