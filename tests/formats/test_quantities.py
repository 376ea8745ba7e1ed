"""Tokens from usage pages: only what surely belongs to a charge becomes its quantity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Workspace

DAY = {"starting_at": "2026-10-03T00:00:00Z", "ending_at": "2026-10-04T00:00:00Z"}
HOUR = {"starting_at": "2026-10-03T00:00:00Z", "ending_at": "2026-10-03T01:00:00Z"}
COST = {"currency": "USD", "amount": "100", "cost_type": "tokens", "description": "Claude Usage", "model": "claude-x",
        "workspace_id": "wrkspc_1", "token_type": "output_tokens", "service_tier": "standard", "inference_geo": None}  # fmt: skip
USED = {"uncached_input_tokens": 5, "cache_read_input_tokens": 0, "output_tokens": 7, "model": "claude-x",
        "workspace_id": "wrkspc_1", "service_tier": "standard", "inference_geo": "global"}  # fmt: skip


def page(*results: dict[str, Any], bucket: dict[str, str] = DAY, more: bool = False) -> str:
    return json.dumps(
        {"data": [{**bucket, "results": list(results)}], "has_more": more, "next_page": "p" if more else None}
    )


def quantities(workspace: Workspace, costs: str, usage: str, folder: str = "month") -> list[int | None]:
    """What the charges say was consumed, after both pages were loaded."""
    workspace.write("month/costs.json", costs)
    workspace.write(f"{folder}/usage.json", usage)
    assert workspace.finops("load", workspace.folder / "month", "--source", "claude").exit_code == 0
    return [row[0] for row in workspace.query("SELECT ConsumedQuantity FROM focus.cost_and_usage ORDER BY ALL")]


def test_a_field_that_no_charge_states_is_added_up_over(workspace: Workspace) -> None:
    usage = page(USED, {**USED, "inference_geo": "us"})
    assert quantities(workspace, page(COST), usage) == [14]
    assert workspace.query("SELECT sum(value)::INTEGER FROM utilisation.daily WHERE metric = 'output_tokens'") == [
        (14,)
    ]


@pytest.mark.parametrize(
    ("cost", "used", "why"),
    [
        ({}, {"workspace_id": None}, "usage of all workspaces"),
        ({"workspace_id": None}, {}, "costs of all workspaces, or of the default one"),
        ({}, {"model": None}, "usage of all models"),
        ({}, {"model": "claude-y"}, "another model"),
        ({"token_type": None}, {}, "a charge for no token"),
        ({"token_type": "cache_read_input_tokens"}, {}, "nothing of it was used"),
    ],
)
def test_what_does_not_surely_fit_gives_no_quantity(
    workspace: Workspace, cost: dict[str, Any], used: dict[str, Any], why: str
) -> None:
    assert quantities(workspace, page({**COST, **cost}), page({**USED, **used})) == [None], why


def test_hours_are_not_days(workspace: Workspace) -> None:
    assert quantities(workspace, page(COST), page(USED, bucket=HOUR)) == [None]


def test_usage_whose_last_page_is_not_there_gives_no_quantity(workspace: Workspace) -> None:
    assert quantities(workspace, page(COST), page(USED, more=True)) == [None]


def test_usage_in_another_folder_is_of_another_delivery(workspace: Workspace) -> None:
    assert quantities(workspace, page(COST), page(USED), folder="month/other") == [None]


def test_the_tokens_are_there_again_when_the_warehouse_is_made_from_landing(
    workspace: Workspace, tmp_path: Path
) -> None:
    assert quantities(workspace, page(COST), page(USED)) == [7]
    (workspace.folder / "finops.duckdb").unlink()
    assert workspace.finops("build", "--full").exit_code in (0, 1)
    assert workspace.query("SELECT ConsumedQuantity::INTEGER, BilledCost::INTEGER FROM focus.cost_and_usage") == [
        (7, 1)
    ]
