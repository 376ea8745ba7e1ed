"""AWS Organizations: accounts with their names, units and tags; what is forbidden is said and never taken for empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Workspace

from finops.collectors.aws.organizations import FILE, KEY, AwsOrganizationsCollector
from finops.collectors.interface import Fetched, Outcome, Request, Trouble, Verdict
from finops.config.sources import AwsOrganizations
from tests.collectors.fakes.aws import ACCOUNT, FakeAws


@pytest.fixture(scope="module")
def server() -> Iterator[FakeAws]:
    with FakeAws() as fake:
        yield fake


@pytest.fixture
def aws(server: FakeAws, monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """An organization: Root with the management account, Root/Workloads/Research with one account, Root/Shop with another."""
    server.reset()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    api = server.client("organizations")
    api.create_organization(FeatureSet="ALL")
    root = api.list_roots()["Roots"][0]["Id"]
    workloads = _unit(api, root, "Workloads")
    _account(api, root, _unit(api, workloads, "Research"), "Research", {"team": "ml", "cost centre": "42"})
    _account(api, root, _unit(api, root, "Shop"), "Shop", {})
    server.calls.clear()
    return server


def _unit(api: Any, parent: str, name: str) -> str:
    return str(api.create_organizational_unit(ParentId=parent, Name=name)["OrganizationalUnit"]["Id"])


def _account(api: Any, root: str, unit: str, name: str, tags: dict[str, str]) -> str:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    made = api.create_account(AccountName=name, Email=f"{name}@example.com", Tags=listed)["CreateAccountStatus"][
        "AccountId"
    ]
    api.move_account(AccountId=made, SourceParentId=root, DestinationParentId=unit)
    return str(made)


def collector(**options: Any) -> AwsOrganizationsCollector:
    source = AwsOrganizations(type="aws-organizations", **{"deadline": 5, **options})
    return AwsOrganizationsCollector("org", source, Path())


def request(known: dict[str, Fetched] | None = None) -> Request:
    return Request(date(2026, 10, 1), date(2026, 11, 1), date(2026, 10, 20), known or {})


def fetched(folder: Path, known: dict[str, Fetched] | None = None) -> list[dict[str, Any]]:
    """What the collector writes, a dictionary an account."""
    each = collector()
    offer = each.look(request(known)).offers[0]
    folder.mkdir(exist_ok=True)
    each.fetch(offer, offer.files, folder, lambda name, size: None)
    return [json.loads(line) for line in (folder / FILE).read_text(encoding="utf-8").splitlines()]


def landed(folder: Path) -> dict[str, Fetched]:
    return {KEY: Fetched("", datetime.now(tz=UTC), {FILE: ("", folder / FILE)})}


def test_accounts_have_names_units_and_tags(aws: FakeAws, workspace: Workspace) -> None:
    fetched(workspace.folder / "in")
    assert workspace.finops("load", workspace.folder / "in", "--source", "org").exit_code == 0
    assert workspace.query("SELECT format FROM ops.loads") == [("aws_organizations",)]
    rows = workspace.query(
        "SELECT resource_name, resource_type, state, properties->>'UnitPath', map_entries(tags)::VARCHAR, "
        "properties->>'ManagementAccountId', account_id = resource_id, created_at IS NOT NULL FROM inventory.resources ORDER BY 4"
    )
    assert [row[:4] for row in rows] == [
        ("master", "account", "ACTIVE", "Root"),
        ("Shop", "account", "ACTIVE", "Root/Shop"),
        ("Research", "account", "ACTIVE", "Root/Workloads/Research"),
    ]
    assert workspace.query(
        "SELECT tags['team'], tags['cost centre'] FROM inventory.resources WHERE tags IS NOT NULL"
    ) == [("ml", "42")]
    assert {row[5:] for row in rows} == {(ACCOUNT, True, True)}


def test_no_email_address_is_kept(aws: FakeAws, tmp_path: Path) -> None:
    fetched(tmp_path)
    assert "@" not in (tmp_path / FILE).read_text(encoding="utf-8")


def test_an_organization_that_has_not_changed_gives_the_same_bytes(aws: FakeAws, tmp_path: Path) -> None:
    first, second = fetched(tmp_path / "a"), fetched(tmp_path / "b")
    assert first == second
    assert (tmp_path / "a" / FILE).read_bytes() == (tmp_path / "b" / FILE).read_bytes()
    ids = [line["account"]["Id"] for line in first]
    assert ids == sorted(ids)


def test_many_accounts_come_in_pages(aws: FakeAws, tmp_path: Path) -> None:
    api = aws.client("organizations")
    for number in range(100):
        api.create_account(AccountName=f"account {number}", Email=f"a{number}@example.com")
    assert len(fetched(tmp_path)) == 103
    assert len(aws.called("organizations:ListAccounts")) > 2  # one to look, the others to fetch


def test_without_the_permission_for_tags_the_rest_comes_and_a_note_says_so(aws: FakeAws, tmp_path: Path) -> None:
    aws.deny("organizations:ListTagsForResource")
    listing = collector().look(request())
    assert listing.troubles == []
    assert "the accounts' tags" in listing.notes[0] and "Allow organizations:ListTagsForResource" in listing.notes[0]
    lines = fetched(tmp_path)
    assert [line["tags"] for line in lines] == [None, None, None]
    assert {line["unit_path"] for line in lines} == {"Root", "Root/Shop", "Root/Workloads/Research"}


def test_without_the_permissions_for_units_the_rest_comes_and_a_note_says_so(aws: FakeAws, tmp_path: Path) -> None:
    aws.deny("organizations:ListAccountsForParent")
    assert "the organizational units" in collector().look(request()).notes[0]
    lines = fetched(tmp_path)
    assert {line["unit_path"] for line in lines} == {None}
    assert {"team": "ml", "cost centre": "42"} in [line["tags"] for line in lines]


def test_a_permission_that_is_withdrawn_is_a_hole_and_not_accounts_without_tags(aws: FakeAws, tmp_path: Path) -> None:
    fetched(tmp_path)
    aws.deny("organizations:ListTagsForResource")
    with pytest.raises(Trouble) as trouble:
        collector().look(request(landed(tmp_path)))
    assert trouble.value.outcome is Outcome.DENIED
    assert "kept as they were" in trouble.value.what
    aws.forgive()
    assert collector().look(request(landed(tmp_path))).notes == []


def test_tags_that_are_denied_for_one_account_only_are_no_empty_tags(aws: FakeAws, tmp_path: Path) -> None:
    each = collector()
    offer = each.look(request()).offers[0]
    aws.deny("organizations:ListTagsForResource")
    with pytest.raises(Trouble) as trouble:
        each.fetch(offer, offer.files, tmp_path, lambda name, size: None)
    assert trouble.value.outcome is Outcome.DENIED
    assert list(tmp_path.iterdir()) == []


def test_denied_accounts_name_the_permission(aws: FakeAws) -> None:
    aws.deny("organizations:ListAccounts")
    with pytest.raises(Trouble) as trouble:
        collector().look(request())
    assert trouble.value.outcome is Outcome.DENIED
    assert "Allow organizations:ListAccounts" in trouble.value.next_step


def test_an_account_without_an_organization_is_told_so(aws: FakeAws) -> None:
    aws.answer(
        "organizations:ListAccounts",
        "AWSOrganizationsNotInUseException",
        message="Your account is not a member of an organization.",
    )
    with pytest.raises(Trouble) as trouble:
        collector().look(request())
    assert trouble.value.outcome is Outcome.MISSING


def test_throttling_passes(aws: FakeAws, tmp_path: Path) -> None:
    aws.throttle("organizations:ListTagsForResource", 2)
    assert len(fetched(tmp_path)) == 3


def test_credentials_that_have_run_out_say_so(aws: FakeAws) -> None:
    aws.expire()
    with pytest.raises(Trouble) as trouble:
        collector().look(request())
    assert trouble.value.outcome is Outcome.EXPIRED


def test_runs_follow_the_organization(aws: FakeAws, workspace: Workspace) -> None:
    (workspace.folder / "finops.toml").write_text('[sources.org]\ntype = "aws-organizations"\n')
    names = "SELECT resource_name FROM inventory.resources ORDER BY 1"
    assert workspace.finops("collect").exit_code == 0
    assert workspace.query(names) == [("Research",), ("Shop",), ("master",)]
    assert workspace.finops("collect").exit_code == 0
    assert len(list((workspace.folder / "landing" / "deliveries").iterdir())) == 1
    aws.client("organizations").create_account(AccountName="Lab", Email="lab@example.com")
    assert workspace.finops("collect").exit_code == 0
    assert workspace.query(names) == [("Lab",), ("Research",), ("Shop",), ("master",)]
    aws.deny("organizations:ListAccounts")
    denied = workspace.finops("collect")
    assert denied.exit_code == 3 and "organizations:ListAccounts" in denied.err
    assert workspace.query(names) == [("Lab",), ("Research",), ("Shop",), ("master",)]


def test_the_permissions_are_the_calls_that_are_made(aws: FakeAws, tmp_path: Path) -> None:
    each = collector()
    each.examine(request())
    fetched(tmp_path)
    free = {"sts:GetCallerIdentity"}  # needs no permission
    assert {call.action for call in aws.calls} - free == {permission.action for permission in each.permissions()}
    assert [permission.action for permission in each.permissions() if not permission.optional] == [
        "organizations:ListAccounts"
    ]


def test_the_doctor_looks_at_each_permission(aws: FakeAws) -> None:
    aws.deny("organizations:ListTagsForResource")
    verdicts = {finding.check: finding.verdict for finding in collector().examine(request())}
    assert verdicts == {
        "identity": Verdict.OK,
        "organizations:ListAccounts": Verdict.OK,
        "organizations:ListRoots": Verdict.OK,
        "organizations:ListOrganizationalUnitsForParent": Verdict.OK,
        "organizations:ListAccountsForParent": Verdict.OK,
        "organizations:ListTagsForResource": Verdict.UNKNOWN,
    }
    aws.deny("organizations:ListAccounts")
    assert [finding.verdict for finding in collector().examine(request())] == [Verdict.OK, Verdict.FAILED]
