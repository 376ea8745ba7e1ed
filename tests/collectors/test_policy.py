"""The text of ``finops doctor --policy``: each provider's own form, a policy for each identity, and nothing twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from finops.collectors.interface import Permission
from finops.collectors.policy import Need, policies
from finops.collectors.registry import collector
from finops.config.sources import AnySource, Source

READ = Permission("s3:GetObject", "arn:aws:s3:::acme/cur2/*", "to fetch the files")
LIST = Permission("s3:ListBucket", "arn:aws:s3:::acme", "to list them")
TAGS = Permission("organizations:ListTagsForResource", "*", "the accounts' tags", optional=True)
QUERY = Permission("bigquery.jobs.create", "project acme", "to run queries")
ROWS = Permission("bigquery.tables.getData", "table acme.billing.export", "to read its rows")
BLOBS = Permission("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", "container bills", "to read")
COSTS = Permission("GET /v1/organization/costs", "scope api.usage.read", "the bill")

AWS: dict[str, Any] = {"type": "aws-cost-explorer"}
GCP: dict[str, Any] = {"type": "gcp-billing"}
READER = "arn:aws:iam::111122223333:role/finops-reader"
NOBODY_ELSE = "AWS, an IAM policy for the identity that finops runs as"


def source(settings: dict[str, Any]) -> Source:
    made: Source = TypeAdapter(AnySource).validate_python(settings)
    return made


def need(name: str, *permissions: Permission, **settings: Any) -> Need:
    return Need(name, source(settings or AWS), permissions)


def asked(name: str, **settings: Any) -> Need:
    """What the source's own collector asks for."""
    return Need(name, source(settings), collector(name, source(settings), Path()).permissions())


def actions(text: str) -> set[str]:
    return {action for each in json.loads(text)["Statement"] for action in each["Action"]}


def roles(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def test_two_sources_of_one_identity_are_one_policy() -> None:
    text = policies([need("prod", READ, LIST), need("labs", LIST, TAGS)])[f"{NOBODY_ELSE} (sources prod, labs)"]
    statements = json.loads(text)["Statement"]
    assert [(each["Sid"], each["Action"], each["Resource"]) for each in statements] == [
        ("Needed1", ["s3:ListBucket"], "arn:aws:s3:::acme"),
        ("Needed2", ["s3:GetObject"], "arn:aws:s3:::acme/cur2/*"),
        ("Optional3", ["organizations:ListTagsForResource"], "*"),
    ]


def test_what_one_source_needs_and_another_can_do_without_is_needed() -> None:
    optional = Permission(READ.action, READ.resource, "to look closer", optional=True)
    (text,) = policies([need("a", optional), need("b", READ)]).values()
    assert [each["Sid"] for each in json.loads(text)["Statement"]] == ["Needed1"]
    perhaps = Permission(QUERY.action, QUERY.resource, "to run queries faster", optional=True)
    (text,) = policies([need("a", perhaps, **GCP), need("b", QUERY, **GCP)]).values()
    assert "- bigquery.jobs.create  # to run queries\n" in text


def test_two_identities_never_share_a_policy() -> None:
    """The one would be allowed what only the other needs."""
    texts = policies([
        need("plain", COSTS, TAGS, **AWS),
        need("prod", LIST, **AWS, profile="prod"),
        need("labs", READ, **AWS, profile="labs"),
        need("again", TAGS, **AWS, profile="labs"),
    ])  # fmt: skip
    assert {title: actions(text) for title, text in texts.items() if title != "Others"} == {
        f"{NOBODY_ELSE} (source plain)": {TAGS.action},
        "AWS, an IAM policy for the profile prod (source prod)": {LIST.action},
        "AWS, an IAM policy for the profile labs (sources labs, again)": {READ.action, TAGS.action},
    }


def test_taking_on_a_role_is_for_the_caller_and_the_rest_for_the_role() -> None:
    settings = AWS | {"role_arn": READER}
    texts = policies([asked("prod", **settings), asked("labs", **settings, profile="labs"), asked("own", **AWS)])
    assert {title: actions(text) for title, text in texts.items()} == {
        f"{NOBODY_ELSE} (source own)": {"ce:GetCostAndUsage"},
        f"{NOBODY_ELSE}, to take on roles (source prod)": {"sts:AssumeRole"},
        "AWS, an IAM policy for the profile labs, to take on roles (source labs)": {"sts:AssumeRole"},
        f"AWS, an IAM policy for the role {READER} (sources prod, labs)": {"ce:GetCostAndUsage"},
    }
    assert json.loads(texts[f"{NOBODY_ELSE}, to take on roles (source prod)"])["Statement"][0]["Resource"] == READER


def test_google_cloud_gets_a_role_for_each_thing_that_it_is_granted_on() -> None:
    title = "Google Cloud, custom roles for the identity that finops runs as (sources gcp, labs)"
    text = policies([need("gcp", QUERY, ROWS, **GCP), need("labs", QUERY, **GCP)])[title]
    assert text.count("\n---\n") == 1
    assert roles(text) == [
        {"title": "finops gcp 1: project acme", "stage": "GA", "includedPermissions": ["bigquery.jobs.create"]},
        {"title": "finops gcp 2: table acme.billing.export", "stage": "GA",
         "includedPermissions": ["bigquery.tables.getData"]},
    ]  # fmt: skip
    assert "# to be granted on table acme.billing.export\n" in text


@pytest.mark.parametrize(
    "settings",
    [GCP, {"type": "files", "path": "gs://acme/bills"}, {"type": "gcp-bigquery", "project": "p", "table": "p.d.t"}],
    ids=lambda settings: settings["type"],
)
def test_acting_as_a_service_account_is_for_the_caller_and_the_rest_for_the_account(settings: dict[str, Any]) -> None:
    reader = "reader@acme.iam.gserviceaccount.com"
    texts = policies([asked("gcp", **settings, impersonate=reader, credentials="file:key.json")])
    own, others = (
        f"Google Cloud, custom roles for the service account {reader} (source gcp)",
        "Google Cloud, custom roles for the identity in file:key.json, to act as others (source gcp)",
    )
    assert set(texts) == {own, others}
    assert [each["includedPermissions"] for each in roles(texts[others])] == [["iam.serviceAccounts.getAccessToken"]]
    assert "iam." not in texts[own]
    assert "getAccessToken" not in str(policies([asked("gcp", **settings)]))


def test_odd_names_stay_in_their_comment_and_titles_are_short_enough() -> None:
    odd = Permission("storage.objects.get", 'gs://a: "b" #c\nstage: ALPHA\x07' + "é" * 100, "to read: 'it'\n- all")
    (title, text), *_ = policies([need("gcp", odd, **GCP, impersonate="a\n---\nb")]).items()
    assert "\n" not in title
    (role,) = roles(text)
    assert (role["stage"], role["includedPermissions"]) == ("GA", ["storage.objects.get"])
    assert len(role["title"].encode()) <= 100


def test_every_provider_has_its_own_form_and_the_rest_is_listed() -> None:
    texts = policies([need("all", READ, QUERY, BLOBS, COSTS)])
    assert [title.partition(" for ")[0] for title in texts] == [
        "AWS, an IAM policy", "Google Cloud, custom roles", "Azure, a role assignment", "Others",
    ]  # fmt: skip
    assert "Storage Blob Data Reader" in texts["Azure, a role assignment"]
    assert texts["Others"] == "GET /v1/organization/costs on scope api.usage.read: the bill\n"


def test_nothing_is_printed_for_nothing() -> None:
    assert policies([need("local")]) == {}
