"""The text of ``finops doctor --policy``: each provider's own form, and nothing twice."""

from __future__ import annotations

import json

from finops.collectors.interface import Permission
from finops.collectors.policy import policies

READ = Permission("s3:GetObject", "arn:aws:s3:::acme/cur2/*", "to fetch the files")
LIST = Permission("s3:ListBucket", "arn:aws:s3:::acme", "to list them")
TAGS = Permission("organizations:ListTagsForResource", "*", "the accounts' tags", optional=True)
QUERY = Permission("bigquery.jobs.create", "project acme", "to run queries")
BLOBS = Permission("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", "container bills", "to read")
COSTS = Permission("GET /v1/organization/costs", "scope api.usage.read", "the bill")


def test_two_sources_of_one_provider_are_one_policy() -> None:
    text = policies({"prod": [READ, LIST], "labs": [LIST, TAGS]})["AWS, an IAM policy"]
    statements = json.loads(text)["Statement"]
    assert [(each["Sid"], each["Action"], each["Resource"]) for each in statements] == [
        ("Needed1", ["s3:ListBucket"], "arn:aws:s3:::acme"),
        ("Needed2", ["s3:GetObject"], "arn:aws:s3:::acme/cur2/*"),
        ("Optional3", ["organizations:ListTagsForResource"], "*"),
    ]


def test_what_one_source_needs_and_another_can_do_without_is_needed() -> None:
    optional = Permission(READ.action, READ.resource, "to look closer", optional=True)
    statements = json.loads(policies({"a": [optional], "b": [READ]})["AWS, an IAM policy"])["Statement"]
    assert [each["Sid"] for each in statements] == ["Needed1"]


def test_every_provider_has_its_own_form_and_the_rest_is_listed() -> None:
    texts = policies({"all": [READ, QUERY, BLOBS, COSTS]})
    assert "- bigquery.jobs.create  # to run queries" in texts["Google Cloud, custom roles"]
    assert "Storage Blob Data Reader" in texts["Azure, a role assignment"]
    assert texts["Others"] == "GET /v1/organization/costs on scope api.usage.read: the bill\n"


def test_nothing_is_printed_for_nothing() -> None:
    assert policies({"local": []}) == {}
