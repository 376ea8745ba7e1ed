"""Cloud Billing: who pays, which projects are linked, and what the SKUs are. Never what anything costs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import pytest
from conftest import Workspace

from finops.collectors.gcp.billing import CATALOGUE, GcpBillingCollector
from finops.collectors.interface import Offer, Outcome, Request, Trouble, Verdict
from finops.config.sources import GcpBilling

from .fakes.cloudbilling import FakeCloudBilling, sku

ACCOUNT, OTHER = "0A1B2C-3D4E5F-607182", "112233-445566-778899"
FAIL_FAST = 1


@pytest.fixture
def google() -> Iterator[FakeCloudBilling]:
    with FakeCloudBilling() as service:
        service.account(ACCOUNT, "Research", "vision", "data", disabled=["old"])
        service.service(
            "6F81-5844-456A", "Compute Engine", sku("0002", "A GPU"), sku("0001", "A core", "us-east1", "europe-west1")
        )
        service.service(
            "C7E2-9256-1C43", "Vertex AI", sku("0003", "Prediction", unit="count", family="ApplicationServices")
        )
        service.service("FFFF-0000-0001", "Somebody's appliance", sku("0004", "not ours"))
        yield service


def collector(google: FakeCloudBilling, **changed: Any) -> GcpBillingCollector:
    told = {
        "type": "gcp-billing",
        "endpoints": {"cloudbilling": google.endpoint},
        "anonymous": True,
        "deadline": FAIL_FAST,
    }
    return GcpBillingCollector("gcp", GcpBilling.model_validate(told | changed), Path())


def request(today: str = "2026-11-18") -> Request:
    return Request(date(2026, 8, 1), date(2026, 12, 1), date.fromisoformat(today))


def fetch(collecting: GcpBillingCollector, offer: Offer, folder: Path) -> list[dict[str, Any]]:
    collecting.fetch(offer, offer.files, folder, lambda name, size: None)
    (file,) = [each for each in folder.iterdir() if not each.name.startswith(".")]
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_an_account_is_an_offer_with_its_projects(google: FakeCloudBilling, tmp_path: Path) -> None:
    collecting = collector(google, catalogue=False)
    (offer,) = collecting.look(request()).offers
    assert offer.key == f"cloudbilling.googleapis.com/billingAccounts/{ACCOUNT}"
    lines = fetch(collecting, offer, tmp_path)
    assert lines[0]["billingAccount"]["displayName"] == "Research"
    assert [line["project"]["projectId"] for line in lines] == [None, "data", "old", "vision"]
    assert [line["project"]["billingEnabled"] for line in lines] == [None, True, False, True]


def test_fetching_what_was_looked_at_takes_no_further_call(google: FakeCloudBilling, tmp_path: Path) -> None:
    collecting = collector(google, catalogue=False)
    (offer,) = collecting.look(request()).offers
    made = len(google.calls)
    fetch(collecting, offer, tmp_path)
    assert len(google.calls) == made
    assert fetch(collector(google), offer, tmp_path)[0]["billingAccount"]["name"] == f"billingAccounts/{ACCOUNT}"


def test_the_version_is_of_the_content_and_not_of_its_order(google: FakeCloudBilling) -> None:
    def version() -> str:
        return collector(google).look(request()).offers[0].version

    before = version()
    google.account(ACCOUNT, "Research", "data", "vision", disabled=["old"])
    assert version() == before
    google.account(ACCOUNT, "Research", "data", "vision", "old")
    assert version() != before


def test_every_page_is_read(google: FakeCloudBilling, tmp_path: Path) -> None:
    google.page_size = 1
    google.account(OTHER, "Shop", *(f"shop-{number}" for number in range(5)))
    collecting = collector(google)
    first, second, catalogue = collecting.look(request()).offers
    assert len(fetch(collecting, first, tmp_path / "1")) == 4
    assert len(fetch(collecting, second, tmp_path / "2")) == 6
    assert len(fetch(collecting, catalogue, tmp_path / "3")) == 3


def test_the_accounts_that_are_named(google: FakeCloudBilling) -> None:
    google.account(OTHER, "Shop")
    (offer,) = collector(google, catalogue=False, billing_accounts=[OTHER]).look(request()).offers
    assert offer.key.endswith(OTHER)
    assert {method for method, _ in google.calls} == {"GetBillingAccount", "ListProjectBillingInfo"}


def test_the_catalogue_is_offered_once_a_week(google: FakeCloudBilling) -> None:
    versions = [
        collector(google).look(request(today)).offers[-1].version
        for today in ("2026-11-16", "2026-11-22", "2026-11-23")
    ]
    assert versions == ["2026-W47", "2026-W47", "2026-W48"]
    assert not google.asked("ListSkus"), "looking does not fetch it"


def test_the_catalogue_has_our_services_and_no_price(google: FakeCloudBilling, tmp_path: Path) -> None:
    collecting = collector(google)
    offer = collecting.look(request()).offers[-1]
    assert offer.key == CATALOGUE
    lines = fetch(collecting, offer, tmp_path)
    assert [line["sku"]["skuId"] for line in lines] == ["0001", "0002", "0003"]
    assert lines[0] == {
        "service": {"serviceId": "6F81-5844-456A", "displayName": "Compute Engine"},
        "sku": {
            "skuId": "0001",
            "description": "A core",
            "category": {"resourceFamily": "Compute", "resourceGroup": "CPU", "usageType": "OnDemand"},
            "serviceRegions": ["europe-west1", "us-east1"],
            "serviceProviderName": "Google",
            "usageUnit": "h",
        },
    }


# --- what goes wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "outcome", "advice"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, Outcome.DENIED, "billing.accounts.list (roles/billing.viewer has it)"),
        (grpc.StatusCode.UNAUTHENTICATED, Outcome.EXPIRED, "gcloud auth"),
        (grpc.StatusCode.UNAVAILABLE, Outcome.FAILED, "deadline"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Outcome.FAILED, "deadline"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Outcome.FAILED, "deadline"),
    ],
)
def test_refusals(google: FakeCloudBilling, code: grpc.StatusCode, outcome: Outcome, advice: str) -> None:
    google.fail(code)
    started = time.monotonic()
    with pytest.raises(Trouble) as raised:
        collector(google, catalogue=False).look(request())
    assert raised.value.outcome is outcome
    assert advice in raised.value.next_step
    assert time.monotonic() - started < FAIL_FAST + 3, "given up at the deadline"


def test_an_empty_list_of_accounts_is_a_permission_that_lacks(google: FakeCloudBilling) -> None:
    """The API answers those who may see nothing with nothing."""
    google.accounts.clear()
    with pytest.raises(Trouble, match="sees no billing account") as raised:
        collector(google, catalogue=False).look(request())
    assert raised.value.outcome is Outcome.DENIED
    assert "roles/billing.viewer" in raised.value.next_step


def test_the_catalogue_is_public_and_offered_to_those_who_may_see_no_account(google: FakeCloudBilling) -> None:
    google.fail(grpc.StatusCode.PERMISSION_DENIED, concerns=lambda method, what: "Billing" in method)
    listing = collector(google).look(request())
    assert [offer.key for offer in listing.offers] == [CATALOGUE]
    assert [each.outcome for each in listing.troubles] == [Outcome.DENIED]


def test_an_account_that_changes_between_look_and_fetch(google: FakeCloudBilling, tmp_path: Path) -> None:
    (offer,) = collector(google, catalogue=False).look(request()).offers
    google.account(ACCOUNT, "Research", "vision")
    with pytest.raises(Trouble) as raised:
        fetch(collector(google), offer, tmp_path)
    assert raised.value.outcome is Outcome.INCOMPLETE


def test_throttled_then_fine(google: FakeCloudBilling, tmp_path: Path) -> None:
    google.page_size = 1
    google.fail(grpc.StatusCode.UNAVAILABLE, times=2)
    second_page = (2, 3)
    google.fail(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        concerns=lambda method, what: method == "ListSkus" and len(google.asked(method)) in second_page,
    )
    collecting = collector(google, deadline=30)
    account, catalogue = collecting.look(request()).offers
    assert len(fetch(collecting, account, tmp_path / "1")) == 4
    assert len(fetch(collecting, catalogue, tmp_path / "2")) == 3


def test_an_account_whose_projects_are_denied_stops_no_other(google: FakeCloudBilling) -> None:
    google.account(OTHER, "Shop", "shop")
    google.fail(
        grpc.StatusCode.PERMISSION_DENIED,
        concerns=lambda method, what: method == "ListProjectBillingInfo" and ACCOUNT in what,
    )
    listing = collector(google, catalogue=False).look(request())
    (trouble,) = listing.troubles
    assert (trouble.outcome, trouble.where) == (Outcome.DENIED, f"billingAccounts/{ACCOUNT}")
    assert "billing.resourceAssociations.list" in trouble.next_step
    assert ACCOUNT in trouble.next_step
    assert [offer.key.rpartition("/")[2] for offer in listing.offers] == [OTHER]


@pytest.mark.parametrize("names", [[OTHER], [OTHER, ACCOUNT]])
def test_a_named_account_that_is_not_there(google: FakeCloudBilling, names: list[str]) -> None:
    """Google answers those who ask for what is not there that they may not see it."""
    collecting = collector(google, billing_accounts=names, catalogue=False)
    if len(names) == 1:
        with pytest.raises(Trouble, match="denied"):
            collecting.look(request())
    else:
        listing = collecting.look(request())
        assert (len(listing.offers), [each.outcome for each in listing.troubles]) == (1, [Outcome.DENIED])


def test_half_a_catalogue_is_none(google: FakeCloudBilling, tmp_path: Path) -> None:
    google.fail(grpc.StatusCode.INTERNAL, concerns=lambda method, what: "C7E2" in what)
    collecting = collector(google)
    offer = collecting.look(request()).offers[-1]
    with pytest.raises(Trouble) as raised:
        fetch(collecting, offer, tmp_path)
    assert raised.value.outcome is Outcome.FAILED
    assert not (tmp_path / "skus.jsonl").exists()


def test_a_catalogue_without_a_service_that_we_know(google: FakeCloudBilling, tmp_path: Path) -> None:
    google.services = {name: each for name, each in google.services.items() if "FFFF" in name}
    collecting = collector(google)
    with pytest.raises(Trouble) as raised:
        fetch(collecting, collecting.look(request()).offers[-1], tmp_path)
    assert raised.value.outcome is Outcome.CHANGED


# --- to the inventory ---------------------------------------------------------------------------------------------------


def load_all(workspace: Workspace, google: FakeCloudBilling, run: str) -> None:
    collecting = collector(google)
    for number, offer in enumerate(collecting.look(request()).offers):
        fetch(collecting, offer, workspace.folder / "got" / run / str(number))
    result = workspace.finops("load", workspace.folder / "got" / run, "--source", "gcp")
    assert result.exit_code == 0, result.err


def test_accounts_and_projects_are_in_the_inventory(workspace: Workspace, google: FakeCloudBilling) -> None:
    load_all(workspace, google, "1")
    formats = workspace.query("SELECT DISTINCT format FROM ops.loads ORDER BY 1")
    assert formats == [("gcp_billing_accounts",), ("gcp_skus",)]
    assert workspace.query(
        "SELECT resource_type, resource_id, resource_name, account_id, state, properties->>'BillingAccountName', "
        "properties->>'Currency' FROM inventory.resources ORDER BY resource_type, resource_id"
    ) == [
        ("billing account", ACCOUNT, "Research", None, "open", "Research", "EUR"),
        ("project", "data", "data", "data", "billing enabled", "Research", None),
        ("project", "old", "old", "old", "billing disabled", "Research", None),
        ("project", "vision", "vision", "vision", "billing enabled", "Research", None),
    ]


def test_an_account_without_projects_and_a_closed_one(workspace: Workspace, google: FakeCloudBilling) -> None:
    google.account(ACCOUNT, "Research", is_open=False)
    load_all(workspace, google, "1")
    assert workspace.query("SELECT resource_id, state FROM inventory.resources") == [(ACCOUNT, "closed")]


def test_skus_are_in_the_catalogue(workspace: Workspace, google: FakeCloudBilling) -> None:
    load_all(workspace, google, "1")
    assert workspace.query(
        "SELECT provider, sku_id, sku_name, service_name, category->>'resourceGroup', unit, regions FROM inventory.skus "
        "ORDER BY sku_id"
    ) == [
        ("Google Cloud", "0001", "A core", "Compute Engine", "CPU", "h", ["europe-west1", "us-east1"]),
        ("Google Cloud", "0002", "A GPU", "Compute Engine", "CPU", "h", []),
        ("Google Cloud", "0003", "Prediction", "Vertex AI", "CPU", "count", []),
    ]


# --- the doctor ---------------------------------------------------------------------------------------------------------


def test_doctor_names_closed_accounts_and_disabled_projects(google: FakeCloudBilling) -> None:
    google.account(OTHER, "Shop", is_open=False)
    found = collector(google).examine(request())
    assert [(each.check, each.verdict) for each in found] == [
        ("identity", Verdict.OK),
        ("billing account", Verdict.OK),
        ("projects", Verdict.WARNING),
        ("billing account", Verdict.WARNING),
        ("catalogue", Verdict.OK),
    ]
    assert "old" in found[2].detail
    assert "closed" in found[3].detail


def test_doctor_says_what_is_denied(google: FakeCloudBilling) -> None:
    google.fail(grpc.StatusCode.PERMISSION_DENIED)
    (finding,) = collector(google).examine(request())
    assert (finding.verdict, "roles/billing.viewer" in finding.next_step) == (Verdict.FAILED, True)


NEEDS = {
    "ListBillingAccounts": "billing.accounts.list",
    "GetBillingAccount": "billing.accounts.get",
    "ListProjectBillingInfo": "billing.resourceAssociations.list",
    "ListServices": "",
    "ListSkus": "",
}
"""What each call takes; the catalogue is public."""


@pytest.mark.parametrize("named", [True, False])
def test_the_permissions_told_are_those_of_the_calls_made(
    google: FakeCloudBilling, tmp_path: Path, named: bool
) -> None:
    collecting = collector(google, billing_accounts=[ACCOUNT] if named else [])
    for number, offer in enumerate(collecting.look(request()).offers):
        fetch(collecting, offer, tmp_path / str(number))
    collecting.examine(request())
    needed = {NEEDS[method] for method, _ in google.calls} - {""}
    assert {each.action for each in collecting.permissions()} == needed
