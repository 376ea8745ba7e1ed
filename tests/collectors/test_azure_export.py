"""Azure Cost Management exports: the newest whole run of each month, from a container or from a folder synced from one."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import FIXTURES, Workspace, focus_csv
from pydantic import ValidationError

from finops.collectors import small
from finops.collectors.azure.blob import BlobStore
from finops.collectors.azure.export import AzureExportCollector
from finops.collectors.interface import Fetched, Listing, Offer, Outcome, Request, Trouble, Verdict
from finops.config.sources import AzureExport
from finops.errors import FinopsError

from .fakes.azureblob import FakeBlobService

GUID = "be0a0a55-c60b-49a7-9dd2-1ca0d3495c0d"
OTHER = "079e6a3b-566b-4ebf-8c85-af7eea84668e"
OCTOBER = "costs/focus/20261001-20261031/"
FAIL_FAST = 1


@pytest.fixture
def azure() -> Iterator[FakeBlobService]:
    with FakeBlobService() as service:
        service.create("exports")
        yield service


def request(
    today: str = "2026-10-27", since: str = "2026-08-01", until: str = "2026-11-01", **known: Fetched
) -> Request:
    return Request(*map(date.fromisoformat, (since, until, today)), known=known)


def source(azure: FakeBlobService, **changed: Any) -> AzureExport:
    settings = {"account": azure.url, "anonymous": True} if not {"account", "path"} & changed.keys() else {}
    told = {"type": "azure-export", "container": "exports", "directory": "costs", "deadline": FAIL_FAST}
    return AzureExport.model_validate(told | settings | changed)


def collector(azure: FakeBlobService, folder: Path = Path(), **changed: Any) -> AzureExportCollector:
    return AzureExportCollector("az", source(azure, **changed), folder)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def deliver(
    azure: FakeBlobService,
    run: str,
    *costs: str,
    when: str = "2026-10-26T05:00",
    kind: str = "FocusCost",
    manifest: str = "manifest.json",
    written: int | None = None,
    said: bool = True,
) -> None:
    """A run of an export into a folder: a part a cost, then the manifest.

    Args:
        written: how many of the parts really arrive; None: all of them.
        said: does the manifest arrive?
    """
    export, days = run.split("/")[1:3]
    month = f"{days[:4]}-{days[4:6]}"
    names = [f"{run}part_{number}_0001.csv" for number in range(len(costs))]
    for name, cost in list(zip(names, costs, strict=True))[:written]:
        azure.put("exports", name, focus_csv(cost, month=month), at=at(when))
    content = {
        "exportConfig": {"exportName": export, "type": kind},
        "deliveryConfig": {"fileFormat": "Csv", "compressionMode": "None"},
        "runInfo": {
            "runId": run.rstrip("/").rpartition("/")[2],
            "submittedTime": f"{when}:00Z",
            "startDate": f"{month}-01T00:00:00",
        },
        "blobs": [{"blobName": name, "byteCount": 1, "dataRowCount": 1} for name in names],
    }
    if said:
        azure.put("exports", run + manifest, json.dumps(content), at=at(when))


def fetch(collecting: AzureExportCollector, offer: Offer, folder: Path) -> list[tuple[str, int]]:
    told: list[tuple[str, int]] = []
    collecting.fetch(offer, offer.files, folder, lambda name, size: told.append((name, size)))
    return told


def names(offer: Offer) -> list[str]:
    return [file.name for file in offer.files]


def trouble(listing: Listing) -> Trouble:
    (one,) = listing.troubles
    return one


# --- which run counts ---------------------------------------------------------------------------------------------------


def test_each_month_is_an_offer(azure: FakeBlobService) -> None:
    deliver(azure, f"costs/focus/20260901-20260930/{OTHER}/", "1", "2")
    deliver(azure, f"{OCTOBER}{GUID}/", "3")
    listing = collector(azure).look(request())
    assert [offer.key for offer in listing.offers] == [
        f"{azure.url}/exports/costs/focus/2026-09",
        f"{azure.url}/exports/costs/focus/2026-10",
    ]
    assert names(listing.offers[0]) == [
        f"focus/20260901-20260930/{OTHER}/{name}" for name in ("manifest.json", "part_0_0001.csv", "part_1_0001.csv")
    ]
    assert [offer.period for offer in listing.offers] == [date(2026, 9, 1), date(2026, 10, 1)]
    assert not listing.troubles


@pytest.mark.parametrize("manifest", ["manifest.json", "_manifest.json"])
def test_of_runs_that_are_kept_the_newest_counts(azure: FakeBlobService, manifest: str) -> None:
    """``CreateNewReport``: a folder for each time it ran. Blobs touched later do not make a run newer."""
    deliver(azure, f"{OCTOBER}202610050518/{GUID}/", "1", when="2026-10-26T09:00", manifest=manifest)
    deliver(azure, f"{OCTOBER}202610120518/{OTHER}/", "2", when="2026-10-12T05:00", manifest=manifest)
    (offer,) = collector(azure).look(request()).offers
    assert all(f"/202610120518/{OTHER}/" in name for name in names(offer))


def test_of_runs_that_replace_each_other_the_one_written_last_counts(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1", when="2026-10-05T05:00")
    first = collector(azure).look(request()).offers[0]
    deliver(azure, f"{OCTOBER}{OTHER}/", "2", when="2026-10-12T05:00")
    second = collector(azure).look(request()).offers[0]
    assert OTHER in names(second)[0]
    assert first.key == second.key
    assert first.version != second.version


def test_the_same_run_has_the_same_version(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    assert collector(azure).look(request()).offers == collector(azure).look(request()).offers


def test_exports_from_before_partitioning_are_one_file_a_run(azure: FakeBlobService) -> None:
    azure.put("exports", f"{OCTOBER}focus_{GUID}.csv", focus_csv("1"), at=at("2026-10-05T05:00"))
    azure.put("exports", f"{OCTOBER}focus_{OTHER}.csv", focus_csv("2"), at=at("2026-10-12T05:00"))
    (offer,) = collector(azure).look(request()).offers
    assert names(offer) == [f"focus/20261001-20261031/focus_{OTHER}.csv"]


def test_what_a_manifest_does_not_name_is_not_read(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    azure.put("exports", f"{OCTOBER}{GUID}/part_9_0001.csv", focus_csv("9"))
    (offer,) = collector(azure).look(request()).offers
    assert [name.rpartition("/")[2] for name in names(offer)] == ["manifest.json", "part_0_0001.csv"]


def test_only_the_months_that_are_asked_for_are_listed(azure: FakeBlobService) -> None:
    for month in ("07", "08", "09"):
        deliver(
            azure,
            f"costs/focus/2026{month}01-2026{month}30/{GUID}/".replace("0830", "0831").replace("0730", "0731"),
            "1",
        )
    listing = collector(azure).look(request(today="2026-10-02", since="2026-08-01", until="2026-09-01"))
    assert [offer.period for offer in listing.offers] == [date(2026, 8, 1)]
    assert not any("20260701" in what for what in azure.asked("List"))


def test_a_run_over_several_months_is_one_offer(azure: FakeBlobService) -> None:
    deliver(azure, f"costs/focus/20260701-20260930/{GUID}/", "1")
    (offer,) = collector(azure).look(request(today="2026-10-02")).offers
    assert offer.key.endswith("/costs/focus/2026-07_2026-09")
    assert offer.period is None


def test_every_export_of_the_directory_or_the_one_that_is_named(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    deliver(azure, f"costs/subscription-b/20261001-20261031/{GUID}/", "2")
    assert len(collector(azure).look(request()).offers) == 2
    (offer,) = collector(azure, export="subscription-b").look(request()).offers
    assert offer.key.endswith("/subscription-b/2026-10")


def test_lists_and_folders_come_in_pages(azure: FakeBlobService) -> None:
    azure.page_size = 2
    deliver(azure, f"{OCTOBER}{GUID}/", *map(str, range(7)))
    for day in range(10, 15):
        azure.put("exports", f"costs/other-{day}/readme.csv", "")
    (offer,) = collector(azure).look(request()).offers
    assert len(offer.files) == 8


# --- what is not whole --------------------------------------------------------------------------------------------------


def test_a_part_that_its_manifest_names_is_missing(azure: FakeBlobService) -> None:
    """The run before it is offered still: nothing of the half one is."""
    deliver(azure, f"{OCTOBER}202610050518/{OTHER}/", "1")
    deliver(azure, f"{OCTOBER}202610120518/{GUID}/", "2", "3", written=1)
    listing = collector(azure).look(request())
    assert (trouble(listing).outcome, trouble(listing).period) == (Outcome.INCOMPLETE, date(2026, 10, 1))
    assert "1 of the 2 files" in trouble(listing).what
    assert [OTHER in names(offer)[0] for offer in listing.offers] == [True]


def test_a_run_that_is_being_written_is_no_hole_if_there_is_an_older_one(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}202610050518/{OTHER}/", "1")
    deliver(azure, f"{OCTOBER}202610270518/{GUID}/", "2", said=False)
    listing = collector(azure).look(request(today="2026-10-27"))
    assert not listing.troubles
    assert "is being written" in listing.notes[0]
    assert OTHER in names(listing.offers[0])[0]


@pytest.mark.parametrize("older", [True, False])
def test_a_run_that_never_gets_its_manifest_is_a_hole(azure: FakeBlobService, older: bool) -> None:
    if older:
        deliver(azure, f"{OCTOBER}202610050518/{OTHER}/", "1")
    deliver(azure, f"{OCTOBER}202610120518/{GUID}/", "2", when="2026-10-12T06:00", said=False)
    listing = collector(azure).look(request(today="2026-10-27"))
    assert trouble(listing).outcome is Outcome.INCOMPLETE
    assert len(listing.offers) == older


def test_the_first_run_of_a_month_that_is_being_written_is_a_hole(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}202610270518/{GUID}/", "2", when="2026-10-27T06:00", said=False)
    listing = collector(azure).look(request(today="2026-10-27"))
    assert (trouble(listing).outcome, listing.offers) == (Outcome.INCOMPLETE, [])


def test_a_month_without_a_delivery_is_a_hole(azure: FakeBlobService) -> None:
    """After the first month of the export, and not before the next month's seventh day: exports of a month run on the fifth."""
    deliver(azure, f"costs/focus/20260701-20260731/{GUID}/", "1")
    deliver(azure, f"costs/focus/20260901-20260930/{GUID}/", "1")
    assert [each.period for each in collector(azure).look(request(today="2026-10-27")).troubles] == [date(2026, 8, 1)]
    late = collector(azure).look(request(today="2026-11-06", until="2026-12-01"))
    assert [each.period for each in late.troubles] == [date(2026, 8, 1)]
    later = collector(azure).look(request(today="2026-11-08", until="2026-12-01"))
    assert [each.period for each in later.troubles] == [date(2026, 8, 1), date(2026, 10, 1)]


def test_a_week_is_not_loaded_as_its_month(azure: FakeBlobService) -> None:
    deliver(azure, f"costs/focus/20261005-20261011/{GUID}/", "1")
    listing = collector(azure).look(request())
    assert (trouble(listing).outcome, listing.offers) == (Outcome.CHANGED, [])


def test_actual_and_amortised_costs_are_the_same_money(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1", kind="ActualCost")
    deliver(azure, f"costs/amortised/20261001-20261031/{GUID}/", "1", kind="AmortizedCost")
    with pytest.raises(
        Trouble, match=r"more than once: amortised costs .'amortised'. and actual costs .'focus'"
    ) as raised:
        collector(azure).look(request())
    assert "export" in raised.value.next_step
    assert len(collector(azure, export="amortised").look(request()).offers) == 1


def test_exports_that_hold_no_costs_are_passed_over(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    deliver(azure, f"costs/prices/20261001-20261031/{GUID}/", "1", kind="PriceSheet")
    listing = collector(azure).look(request())
    assert [offer.key.split("/")[-2] for offer in listing.offers] == ["focus"]
    assert "PriceSheet" in listing.notes[0]


def test_an_empty_month_is_no_hole(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/")
    listing = collector(azure).look(request())
    assert (listing.offers, listing.troubles) == ([], [])
    assert "no charges" in listing.notes[0]


@pytest.mark.parametrize("content", ["{", "[]", '{"blobs": [{}]}', '{"blobs": "x"}'])
def test_a_manifest_of_another_form(azure: FakeBlobService, content: str) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1", said=False)
    azure.put("exports", f"{OCTOBER}{GUID}/manifest.json", content)
    listing = collector(azure).look(request())
    assert (trouble(listing).outcome, listing.offers) == (Outcome.CHANGED, [])


# --- what the service refuses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "outcome", "advice"),
    [
        (403, "AuthenticationFailed", Outcome.EXPIRED, "renew"),
        (401, "NoAuthenticationInformation", Outcome.EXPIRED, "az login"),
        (403, "AuthorizationPermissionMismatch", Outcome.DENIED, "Storage Blob Data Reader"),
        (403, "AuthorizationFailure", Outcome.DENIED, "firewall"),
        (403, "KeyBasedAuthenticationNotPermitted", Outcome.DENIED, "account_key"),
        (403, "SomethingNew", Outcome.DENIED, "Storage Blob Data Reader"),
        (404, "ContainerNotFound", Outcome.MISSING, "container"),
        (503, "ServerBusy", Outcome.FAILED, "later"),
        (500, "InternalError", Outcome.FAILED, "later"),
    ],
)
def test_refusals(azure: FakeBlobService, status: int, code: str, outcome: Outcome, advice: str) -> None:
    azure.fail(status, code)
    started = time.monotonic()
    with pytest.raises(Trouble) as raised:
        collector(azure).look(request())
    assert raised.value.outcome is outcome
    assert advice in raised.value.next_step
    assert raised.value.where.startswith(f"{azure.url}/exports")
    assert time.monotonic() - started < FAIL_FAST + 3, "given up at the deadline, not ten minutes later"


def test_throttled_then_fine(azure: FakeBlobService, tmp_path: Path) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    azure.fail(503, "ServerBusy", times=2)
    collecting = collector(azure, deadline=30)
    (offer,) = collecting.look(request()).offers
    azure.fail(429, "TooManyRequests", times=2)
    fetch(collecting, offer, tmp_path)
    assert (tmp_path / names(offer)[1]).read_text() == focus_csv("1", month="2026-10")


def test_a_container_that_is_not_there(azure: FakeBlobService) -> None:
    with pytest.raises(Trouble) as raised:
        collector(azure, container="export").look(request())
    assert raised.value.outcome is Outcome.MISSING


def test_an_export_that_is_not_there_says_what_is(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    with pytest.raises(Trouble, match="there is: focus") as raised:
        collector(azure, export="fokus").look(request())
    assert raised.value.outcome is Outcome.MISSING


def test_nobody_listens(azure: FakeBlobService) -> None:
    with pytest.raises(Trouble, match="could not be reached") as raised:
        collector(azure, account="http://127.0.0.1:9/acme", anonymous=True).look(request())
    assert raised.value.outcome is Outcome.FAILED


def test_without_the_extra(azure: FakeBlobService, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("azure.core", "azure.core.exceptions", "azure.identity", "azure.storage.blob"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Trouble) as raised:
        collector(azure).look(request())
    assert raised.value.next_step == "pip install 'finops-ledger[azure]'"


def test_a_source_that_says_nowhere(azure: FakeBlobService) -> None:
    with pytest.raises(ValidationError, match="needs account"):
        source(azure, account="", container="")


@pytest.mark.parametrize("form", ["sas", "account_key", "connection_string"])
def test_secrets_are_used_and_never_told(azure: FakeBlobService, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    secret = {"sas": "?sv=2025-01-05&sp=rl&sig=c2VjcmV0", "account_key": "c2VjcmV0"}.get(form, azure.connection_string)
    monkeypatch.setenv("AZ", secret)
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    settings = {form: "env:AZ", "anonymous": False}
    if form != "connection_string":
        settings["account"] = azure.url
    (offer,) = collector(azure, **settings).look(request()).offers
    assert offer.key == f"{azure.url}/exports/costs/focus/2026-10"
    azure.fail(403, "AuthenticationFailed")
    with pytest.raises(FinopsError) as raised:
        collector(azure, **settings).look(request())
    assert "c2VjcmV0" not in f"{raised.value!s}{raised.value!r}{raised.value.__cause__!r}"
    assert "bm90IGEga2V5" not in f"{raised.value!s}"


# --- fetching -----------------------------------------------------------------------------------------------------------


def test_a_download_goes_on_where_it_broke_off(
    azure: FakeBlobService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finops.collectors.azure.blob.RANGE", 1000)
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    body = bytes(range(256)) * 20
    azure.put("exports", f"{OCTOBER}{GUID}/part_0_0001.csv", body)
    collecting = collector(azure)
    (offer,) = collecting.look(request()).offers
    part = next(file for file in offer.files if file.name.endswith(".csv"))
    reads = iter(range(100))
    azure.fail(500, "InternalError", concerns=lambda operation, what: what.endswith(".csv") and next(reads) >= 3)
    with pytest.raises(Trouble):
        fetch(collecting, offer, tmp_path)
    azure.works_again()
    told = fetch(collecting, offer, tmp_path)
    assert (tmp_path / part.name).read_bytes() == body
    assert (f"costs/{part.name}", 3000) in told, "what was there was not fetched again"


def test_a_connection_that_breaks_is_tried_again(azure: FakeBlobService, tmp_path: Path) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    collecting = collector(azure)
    (offer,) = collecting.look(request()).offers
    azure.cut_after = 10
    with pytest.raises(Trouble) as raised:
        fetch(collecting, offer, tmp_path)
    assert raised.value.outcome is Outcome.FAILED
    azure.works_again()
    fetch(collecting, offer, tmp_path)
    assert (tmp_path / names(offer)[1]).read_text() == focus_csv("1", month="2026-10")


def test_a_blob_that_is_replaced_between_list_and_read(azure: FakeBlobService, tmp_path: Path) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    collecting = collector(azure)
    (offer,) = collecting.look(request()).offers
    deliver(azure, f"{OCTOBER}{GUID}/", "2")
    with pytest.raises(Trouble) as raised:
        fetch(collecting, offer, tmp_path)
    assert raised.value.outcome is Outcome.INCOMPLETE


def test_bytes_that_differ_from_their_md5_are_refused(azure: FakeBlobService, tmp_path: Path) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    collecting = collector(azure)
    (offer,) = collecting.look(request()).offers
    blob = azure.containers["exports"][f"costs/{names(offer)[1]}"]
    blob.data = blob.data[:-2] + b"9\n"
    with pytest.raises(Trouble, match="other bytes"):
        fetch(collecting, offer, tmp_path)


def test_what_is_too_large_for_a_manifest_is_not_read_into_memory(
    azure: FakeBlobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small, "LARGEST", 1000)
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    deliver(azure, f"costs/focus/20260901-20260930/{GUID}/", "1", when="2026-09-26T05:00")
    azure.put("exports", f"{OCTOBER}{GUID}/manifest.json", " " * 1001, at=at("2026-10-26T05:00"))
    listing = collector(azure).look(request(since="2026-09-01"))
    assert [each.period for each in listing.offers] == [date(2026, 9, 1)]
    assert (trouble(listing).outcome, trouble(listing).period) == (Outcome.CHANGED, date(2026, 10, 1))
    with pytest.raises(Trouble, match="more than 1,000 bytes"):
        BlobStore(source(azure), Path()).read(f"{OCTOBER}{GUID}/manifest.json")


def landed(offer: Offer) -> Fetched:
    """As the pipeline knows of it: landing keeps no manifests."""
    return Fetched(offer.version, datetime.now(tz=UTC), {})


def test_nothing_new_costs_list_calls_only(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    (offer,) = collector(azure).look(request()).offers
    azure.calls.clear()
    (again,) = collector(azure).look(request(**{offer.key: landed(offer)})).offers
    assert again.version == offer.version
    assert {operation for operation, _ in azure.calls} == {"List"}
    deliver(azure, f"{OCTOBER}{GUID}/", "2")
    (restated,) = collector(azure).look(request(**{offer.key: landed(offer)})).offers
    assert restated.version != offer.version


def test_another_cost_basis_is_refused_beside_one_that_was_loaded_before(azure: FakeBlobService) -> None:
    deliver(azure, f"costs/amortised/20261001-20261031/{GUID}/", "1", kind="AmortizedCost")
    (offer,) = collector(azure).look(request()).offers
    deliver(azure, f"{OCTOBER}{GUID}/", "1", kind="ActualCost")
    with pytest.raises(Trouble, match="more than once"):
        collector(azure).look(request(**{offer.key: landed(offer)}))


def test_the_calls_made_are_those_that_the_permission_covers(azure: FakeBlobService, tmp_path: Path) -> None:
    """List Blobs and Get Blob both need blobs/read, and nothing else is called."""
    deliver(azure, f"{OCTOBER}{GUID}/", "1")
    collecting = collector(azure)
    (offer,) = collecting.look(request()).offers
    fetch(collecting, offer, tmp_path)
    collecting.examine(request())
    assert {operation for operation, _ in azure.calls} == {"List", "Get"}
    (permission,) = collecting.permissions()
    assert permission.action == "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"


# --- a synced folder ----------------------------------------------------------------------------------------------------


def synced(tmp_path: Path) -> Path:
    """The bundled bills of Azure, below a folder of somebody's own."""
    shutil.copytree(FIXTURES / "azure", tmp_path / "copy" / "billing")
    return tmp_path / "copy"


def test_a_synced_folder_is_read_as_the_container_is(azure: FakeBlobService, tmp_path: Path) -> None:
    synced(tmp_path)
    collecting = collector(azure, tmp_path, path="copy", directory="billing")
    listing = collecting.look(request())
    assert not listing.troubles
    assert [offer.key for offer in listing.offers] == [
        f"copy/billing/halcyon-amortized/2026-{n}" for n in ("08", "09", "10")
    ]
    for offer in listing.offers:
        fetch(collecting, offer, tmp_path / "got")
    assert not azure.calls
    before = [offer.version for offer in listing.offers]
    part = next((tmp_path / "copy").rglob("20261001*/*/part_1_0001.csv"))
    os.utime(part, ns=(1, 1))
    after = [offer.version for offer in collecting.look(request()).offers]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False]


def test_a_folder_that_has_not_been_synced_whole(azure: FakeBlobService, tmp_path: Path) -> None:
    next(synced(tmp_path).rglob("20261001*/*/part_1_0001.csv")).unlink()
    listing = collector(azure, tmp_path, path="copy", directory="billing").look(request())
    assert trouble(listing).outcome is Outcome.INCOMPLETE
    assert len(listing.offers) == 2


def test_a_folder_that_is_not_there(azure: FakeBlobService, tmp_path: Path) -> None:
    with pytest.raises(Trouble) as raised:
        collector(azure, tmp_path, path="copy").look(request())
    assert raised.value.outcome is Outcome.MISSING


# --- to the ledger ------------------------------------------------------------------------------------------------------


def load_all(workspace: Workspace, collecting: AzureExportCollector, today: str = "2026-10-27") -> Listing:
    """What a run does: every offer into a folder of its own, which is then loaded."""
    listing = collecting.look(request(today=today))
    for number, offer in enumerate(listing.offers):
        folder = workspace.folder / "got" / f"{today}-{number}"
        fetch(collecting, offer, folder)
        result = workspace.finops("load", folder, "--source", "az")
        assert result.exit_code == 0, result.err
    return listing


def test_the_bundled_bill_loads_from_the_container_as_from_the_folder(
    workspace: Workspace, azure: FakeBlobService
) -> None:
    azure.put_folder("exports", FIXTURES / "azure", "costs/")
    load_all(workspace, collector(azure, workspace.folder))
    sums = "SELECT count(*), sum(EffectiveCost)::VARCHAR FROM focus.cost_and_usage WHERE x_SourceId = '{}'"
    assert workspace.finops("load", FIXTURES / "azure", "--source", "by-hand").exit_code == 0
    assert workspace.query(sums.format("az")) == workspace.query(sums.format("by-hand"))
    assert workspace.query(sums.format("az"))[0][0] == 151 + 150 + 155 + 154 + 134 + 133


def test_a_restatement_replaces_its_month_and_half_of_one_does_not(
    workspace: Workspace, azure: FakeBlobService
) -> None:
    def total() -> Decimal:
        return workspace.query("SELECT sum(BilledCost)::DECIMAL(18,2) FROM focus.cost_and_usage")[0][0]

    deliver(azure, f"costs/focus/20260901-20260930/{OTHER}/", "10")
    deliver(azure, f"{OCTOBER}202610050518/{OTHER}/", "1", "2", when="2026-10-05T05:18")
    load_all(workspace, collector(azure), today="2026-10-06")
    assert total() == 13
    deliver(azure, f"{OCTOBER}202610120518/{GUID}/", "100", "200", when="2026-10-12T05:18", written=1)
    assert load_all(workspace, collector(azure), today="2026-10-13").troubles
    assert total() == 13
    deliver(azure, f"{OCTOBER}202610120518/{GUID}/", "100", "200", when="2026-10-12T05:18")
    assert not load_all(workspace, collector(azure), today="2026-10-14").troubles
    assert total() == 310


def test_collect_reads_what_is_new_and_lists_only_what_is_not(workspace: Workspace, azure: FakeBlobService) -> None:
    """The whole way: configuration, collecting, ledger; then a month later in the bucket."""

    def collect() -> Any:
        azure.calls.clear()
        result = workspace.finops("--today", "2026-10-27", "collect", "--json")
        assert result.exit_code == 0, result.err
        return workspace.query("SELECT count(*) FROM focus.cost_and_usage WHERE x_SourceId = 'az'")[0][0]

    workspace.write(
        "finops.toml",
        '[company]\nname = "Test"\n[sources.az]\ntype = "azure-export"\ncontainer = "exports"\ndirectory = "costs"\n'
        f'account = "{azure.url}"\nanonymous = true\ndeadline = 5\n',
    )
    azure.put_folder("exports", FIXTURES / "azure", "costs/")
    assert collect() == 151 + 150 + 155 + 154 + 134 + 133
    assert collect() == 151 + 150 + 155 + 154 + 134 + 133
    assert {operation for operation, _ in azure.calls} == {"List"}


# --- the doctor ---------------------------------------------------------------------------------------------------------


def test_doctor_says_what_would_be_better(azure: FakeBlobService) -> None:
    deliver(azure, f"{OCTOBER}{GUID}/", "1", kind="ActualCost", when="2026-10-12T05:00")
    found = {each.check: each for each in collector(azure).examine(request())}
    assert found["read the export"].verdict is Verdict.OK
    assert found["freshness"].verdict is Verdict.WARNING
    assert "15 days ago" in found["freshness"].detail
    assert found["cost basis"].verdict is Verdict.WARNING
    assert found["file format"].verdict is Verdict.WARNING


def test_doctor_says_what_fails(azure: FakeBlobService) -> None:
    azure.fail(403, "AuthorizationPermissionMismatch")
    (finding,) = collector(azure).examine(request())
    assert finding.verdict is Verdict.FAILED
    assert "Storage Blob Data Reader" in finding.next_step
