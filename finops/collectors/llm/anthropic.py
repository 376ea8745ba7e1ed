"""Anthropic: an organisation's cost report by workspace and description, and its usage report.

The cost report states no quantities. The usage report counts tokens by the same fields, so its pages lie beside those of the
costs, and ``queries/normalise/anthropic_costs.sql`` takes each charge's tokens from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from finops.collectors.interface import Offer, Permission, RemoteFile, Tell, Trouble
from finops.collectors.llm.collector import LlmCollector
from finops.collectors.llm.http import Vendor, several
from finops.collectors.llm.pages import Report
from finops.collectors.web import Params
from finops.config.sources import Anthropic

ADMIN = "an admin key (sk-ant-admin…)"
VENDOR = Vendor(
    name="Anthropic",
    service="anthropic",
    url="https://api.anthropic.com",
    headers=lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
    new_key="An admin of the organisation makes an admin key (sk-ant-admin…) in the Console, Settings, Admin keys. Individual "
    "accounts have none: set up an organisation first.",
    allow="It takes an admin key (sk-ant-admin…), which an admin of the organisation makes in the Console, Settings, Admin keys.",
)


def _params(groups: Sequence[str]) -> Callable[[date, date], Params]:
    return lambda start, end: [
        ("starting_at", f"{start}T00:00:00Z"),
        ("ending_at", f"{end}T00:00:00Z"),
        ("bucket_width", "1d"),
        ("limit", "31"),
        *several("group_by[]", groups),
    ]


def _day(bucket: dict[str, Any]) -> date:
    return datetime.fromisoformat(bucket["starting_at"]).date()


COSTS = Report(
    "/v1/organizations/cost_report",
    _params(("workspace_id", "description")),
    _day,
    needs=(("amount",), ("currency",), ("description",), ("workspace_id",), ("model",), ("token_type",)),
    filled=("amount", "currency"),
    every_day=True,
)
USAGE = {
    "tokens": Report(
        "/v1/organizations/usage_report/messages",
        _params(("workspace_id", "api_key_id", "model", "service_tier", "context_window", "inference_geo")),
        _day,
        needs=(
            ("uncached_input_tokens",),
            ("output_tokens",),
            ("cache_read_input_tokens",),
            ("workspace_id",),
            ("model",),
        ),
        every_day=True,
    )
}


class AnthropicCollector(LlmCollector):
    """An organisation at Anthropic, as an admin key sees it."""

    vendor, costs, usage = VENDOR, COSTS, USAGE
    admin_prefix = "sk-ant-admin"
    names_permission = ADMIN

    def __init__(self, source_id: str, source: Anthropic, folder: Path) -> None:
        super().__init__(source_id, source, folder, usage=source.usage)
        self._without_tokens: dict[date, Trouble] = {}

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Write an offer's pages; a month whose charges had to go without their tokens says so when its usage is asked for."""
        if ":usage/" in offer.key and offer.period in self._without_tokens:
            raise self._without_tokens.pop(offer.period)
        super().fetch(offer, files, folder, tell)

    def fetch_costs(self, month: date, target: Path, tell: Tell) -> None:
        """Write the month's pages of costs and, if they can be had, the token counts that belong to them."""
        super().fetch_costs(month, target, tell)
        if self._with_usage:
            try:
                self.write_usage("tokens", month, target, tell)
            except Trouble as trouble:
                for half in target.glob("tokens-*.json"):
                    half.unlink()
                trouble.period = month
                self._without_tokens[month] = trouble

    def things(self) -> Iterator[dict[str, Any]]:
        """The organisation, its workspaces, archived ones too, and the names of its keys."""
        own = self.api.get("/v1/organizations/me", []).page
        if isinstance(own, dict) and own.get("id"):
            yield _thing("organization", own)
        for each in self.listed("/v1/organizations/workspaces", "after_id", ("include_archived", "true")):
            yield _thing("workspace", each) | {"state": "archived" if each.get("archived_at") else "active"}
        for each in self.listed("/v1/organizations/api_keys", "after_id"):
            yield _thing("api key", each) | {"parent": each.get("workspace_id"), "state": each.get("status")}

    def permissions(self) -> Sequence[Permission]:
        """The calls; Anthropic's admin keys have no scopes."""
        needed = [Permission(f"GET {COSTS.path}", ADMIN, "the bill by day, workspace and description")]
        if self._with_usage:
            needed.append(Permission(f"GET {USAGE['tokens'].path}", ADMIN, "tokens by day, workspace, key and model"))
        return [
            *needed,
            Permission("GET /v1/organizations/me", ADMIN, "the organisation's name", optional=True),
            Permission("GET /v1/organizations/workspaces", ADMIN, "the workspaces' names", optional=True),
            Permission("GET /v1/organizations/api_keys", ADMIN, "the keys' names, never the keys", optional=True),
        ]


def _thing(kind: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "id": str(entry["id"]), "name": entry.get("name"), "created_at": entry.get("created_at")}
