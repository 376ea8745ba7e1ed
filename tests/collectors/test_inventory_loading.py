"""A snapshot of an inventory replaces the one before it, whole, and only if it is newer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from conftest import Workspace

NOON = 1_790_000_000
"""When the first snapshot was taken, in seconds since 1970."""


def account(number: str, **about: Any) -> dict[str, Any]:
    """A line as the Organizations collector writes it."""
    tags = about.pop("tags", {})
    known = {
        "Name": f"account {number}",
        "State": "ACTIVE",
        "JoinedMethod": "CREATED",
        "JoinedTimestamp": "2024-05-06T07:08:09Z",
    }
    return {
        "account": {
            "Id": number,
            "Arn": f"arn:aws:organizations::111111111111:account/o-exampleorg/{number}",
            **known,
            **about,
        },
        "unit_path": "Root/Research",
        "unit_ids": ["r-abcd", "ou-abcd-11111111"],
        "tags": tags,
    }


def snapshot(workspace: Workspace, taken: int, *accounts: dict[str, Any], name: str = "accounts.jsonl") -> Path:
    path = workspace.write(f"{taken}/{name}", "".join(json.dumps(each) + "\n" for each in accounts))
    os.utime(path, (taken, taken))
    return path


def load(workspace: Workspace, path: Path, source: str = "org") -> str:
    result = workspace.finops("load", path, "--source", source, "--json")
    assert result.exit_code == 0, result.err
    return str(result.json()["deliveries"][0]["status"])


def names(workspace: Workspace) -> list[str]:
    return [row[0] for row in workspace.query("SELECT resource_name FROM inventory.resources ORDER BY ALL")]


def test_a_snapshot_becomes_rows(workspace: Workspace) -> None:
    load(workspace, snapshot(workspace, NOON, account("222222222222", Name="Research", tags={"team": "ml"})))
    assert workspace.query(
        "SELECT source_id, provider, account_id, region, resource_id, resource_name, resource_type, state, created_at::VARCHAR, "
        "changed_at, tags['team'], properties->>'UnitPath', properties->>'$.UnitIds[1]', "
        "properties->>'ManagementAccountId', properties->>'OrganizationId', epoch(seen_at)::BIGINT FROM inventory.resources"
    ) == [
        (
            "org", "AWS", "222222222222", None, "222222222222", "Research", "account", "ACTIVE", "2024-05-06 07:08:09",
            None, "ml", "Root/Research", "ou-abcd-11111111", "111111111111", "o-exampleorg", NOON,
        )
    ]  # fmt: skip


def test_a_newer_snapshot_replaces_the_older_one_and_what_is_gone_is_gone(workspace: Workspace) -> None:
    load(workspace, snapshot(workspace, NOON, account("2", Name="Research"), account("3", Name="Shop")))
    assert (
        load(workspace, snapshot(workspace, NOON + 60, account("2", Name="Research"), account("4", Name="Lab")))
        == "loaded"
    )
    assert names(workspace) == ["Lab", "Research"]
    assert workspace.query("SELECT status FROM ops.loads ORDER BY delivered_at") == [("superseded",), ("current",)]


def test_an_older_snapshot_never_replaces_a_newer_one(workspace: Workspace) -> None:
    load(workspace, snapshot(workspace, NOON + 60, account("2", Name="new name")))
    assert load(workspace, snapshot(workspace, NOON, account("2", Name="old name"))) == "superseded"
    assert names(workspace) == ["new name"]
    assert workspace.query("SELECT status FROM ops.loads ORDER BY delivered_at") == [("superseded",), ("current",)]


def test_a_name_that_is_changed_and_changed_back_is_read_again(workspace: Workspace) -> None:
    load(workspace, snapshot(workspace, NOON, account("2", Name="Research")))
    load(workspace, snapshot(workspace, NOON + 60, account("2", Name="Lab")))
    assert load(workspace, snapshot(workspace, NOON + 120, account("2", Name="Research"))) == "loaded"
    assert names(workspace) == ["Research"]
    assert load(workspace, snapshot(workspace, NOON + 180, account("2", Name="Research"))) == "unchanged"
    assert load(workspace, snapshot(workspace, NOON + 240, account("2", Name="Lab"))) == "loaded"
    assert names(workspace) == ["Lab"]


def test_the_same_snapshot_again_changes_nothing(workspace: Workspace) -> None:
    load(workspace, snapshot(workspace, NOON, account("2", Name="Research")))
    assert load(workspace, snapshot(workspace, NOON + 60, account("2", Name="Research"))) == "unchanged"
    assert names(workspace) == ["Research"]


def test_sources_have_inventories_of_their_own(workspace: Workspace) -> None:
    load(workspace, snapshot(workspace, NOON, account("2", Name="Research")), "one")
    load(workspace, snapshot(workspace, NOON + 60, account("3", Name="Shop")), "two")
    assert names(workspace) == ["Research", "Shop"]


def test_a_full_build_makes_the_inventory_again_from_landing(workspace: Workspace) -> None:
    load(workspace, snapshot(workspace, NOON, account("2", Name="Research")))
    load(workspace, snapshot(workspace, NOON + 120, account("2", Name="Lab"), account("3", Name="Shop")))
    load(workspace, snapshot(workspace, NOON + 60, account("2", Name="late")))
    everything = "SELECT * FROM inventory.resources ORDER BY ALL"
    before = workspace.query(everything)
    (workspace.folder / "finops.duckdb").unlink()
    built = workspace.finops("build", "--full")
    assert built.exit_code == 0, built.err
    assert workspace.query(everything) == before
    assert names(workspace) == ["Lab", "Shop"]


SKU_MAPPING = """/*
id: test_skus
title: SKUs, for this test
version: 1
owner: test
provider: Test
why: To see that a catalogue is read.
yields: skus
detect: [skuId, service.id]
reads:
  sku_id: {type: text, from: skuId}
  sku_name: {type: text, from: description}
  service_id: {type: text, from: service.id}
  category: json
  regions: json
*/
SELECT 'Test' AS provider, sku_id, sku_name, service_id, category, CAST(regions AS VARCHAR[]) AS regions FROM delivered
"""


def test_a_catalogue_goes_to_the_skus(workspace: Workspace) -> None:
    workspace.write("queries/normalise/test_skus.sql", SKU_MAPPING)
    lines = [
        {"skuId": "AA-11", "service": {"id": "S1"}, "description": "A core", "category": {"group": "CPU"}, "regions": ["eu", "us"]},
        {"skuId": None, "service": {"id": "S2"}},
    ]  # fmt: skip
    path = workspace.write("skus.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    load(workspace, path, "gcp")
    assert workspace.query(
        "SELECT source_id, sku_id, sku_name, service_id, category->>'group', regions FROM inventory.skus"
    ) == [("gcp", "AA-11", "A core", "S1", "CPU", ["eu", "us"])]


def test_a_mapping_that_gives_other_columns_is_refused_by_name(workspace: Workspace) -> None:
    workspace.write(
        "queries/normalise/test_skus.sql",
        SKU_MAPPING.replace("AS sku_id", "AS id").replace(" sku_id,", " sku_id AS id,"),
    )
    path = workspace.write("skus.jsonl", json.dumps({"skuId": "AA-11", "service": {"id": "S1"}}) + "\n")
    refused = workspace.finops("load", path)
    assert refused.exit_code == 2
    assert "test_skus.sql" in refused.err and "inventory.skus takes provider, sku_id" in refused.err
