"""OpenAI and Anthropic on a stage: cost APIs, which have no deliveries and no lists, only today's answer."""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from collectors.fakes.llm import Call, Fault, LlmWorld, Vendor

from .stage import DEADLINE, Stage

NO_VERSIONS = "the API has one answer, today's: there is no older delivery beside it"


class LlmStage(Stage):
    """What both vendors do alike."""

    cannot: ClassVar = {"late old": NO_VERSIONS}
    says_what_is_new = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.world = self._started.enter_context(LlmWorld(self.secrets["OPENAI_KEY"], self.secrets["ANTHROPIC_KEY"]))

    @property
    def secrets(self) -> dict[str, str]:
        return {
            "OPENAI_KEY": "sk-admin-of-the-contract-suite-0123456789",
            "ANTHROPIC_KEY": "sk-ant-admin01-of-the-contract-suite",
        }

    @property
    @abstractmethod
    def vendor(self) -> Vendor:
        """The fake."""

    @abstractmethod
    def add(self, day: date, cost: Decimal) -> None:
        """A charge of a day."""

    @abstractmethod
    def first_day(self, bucket: dict[str, Any]) -> date:
        """The day that a bucket begins with."""

    def write(self, month: date, costs: Sequence[Decimal]) -> None:
        """A cost a day, from the first on."""
        self.vendor.forget(month, (month + timedelta(days=31)).replace(day=1) - timedelta(days=1))
        for number, cost in enumerate(costs):
            self.add(month + timedelta(days=number), cost)

    def small_pages(self) -> None:
        self.vendor.page_limit = 4

    def write_renamed(self, month: date, costs: Sequence[Decimal]) -> None:
        self.vendor.rename("amount", "cost")

    def change_pages(self, of: Callable[[date], bool], change: Callable[[bytes], bytes]) -> None:
        """Change the pages of costs that begin with some days."""

        def changed(body: bytes) -> bytes:
            buckets = json.loads(body)["data"]
            return change(body) if buckets and of(self.first_day(buckets[0])) else body

        self.vendor.faults.append(Fault(change=changed, on=self.vendor.costs_path))

    def deny(self, permission: str) -> None:
        self.vendor.deny(on=permission.removeprefix("GET "))

    def expire(self) -> None:
        self.vendor.revoke()

    def throttle(self, times: int) -> None:
        self.vendor.throttle(times)

    def break_for_ever(self) -> None:
        self.vendor.fail(500)

    def mend(self) -> None:
        self.vendor.heal()

    def calls_that_fetch(self) -> Sequence[str]:
        """Those that ask for more than the one day that is asked for to see whether one may."""
        return [f"{call.path} {dict(call.params)}" for call in self.vendor.calls if self._days(call) > 1]

    def forget_calls(self) -> None:
        self.vendor.calls.clear()

    def permissions_used(self) -> set[str]:
        paths = {re.sub(r"/projects/[^/]+/", "/projects/{project_id}/", call.path) for call in self.vendor.calls}
        return {f"GET {path}" for path in paths}

    @abstractmethod
    def _days(self, call: Call) -> int:
        """How many days a call asks for."""


class OpenAIStage(LlmStage):
    kind = "openai"
    half_is = "failed"
    refusals: ClassVar = {"GET /v1/organization/costs": "api.usage.read"} | {
        f"GET /v1/organization/usage/{name}": "api.usage.read"
        for name in (
            "completions", "embeddings", "moderations", "images", "audio_speeches", "audio_transcriptions", "vector_stores",
            "code_interpreter_sessions", "file_search_calls", "web_search_calls",
        )
    }  # fmt: skip

    not_for_money: ClassVar = frozenset(refusals) - {"GET /v1/organization/costs"}

    @property
    def vendor(self) -> Vendor:
        return self.world.openai

    def toml(self, name: str) -> str:
        return (
            f'[sources.{name}]\ntype = "openai"\napi_key = "env:OPENAI_KEY"\ndeadline = {DEADLINE}\n'
            f'endpoints = {{ openai = "{self.world.url}" }}\n'
        )

    def add(self, day: date, cost: Decimal) -> None:
        self.world.openai.projects = {"proj_search": "Search"}
        self.world.openai.add(day, "proj_search", "gpt-5, output", cost, quantity=1000, unit="tokens")

    def first_day(self, bucket: dict[str, Any]) -> date:
        return datetime.fromtimestamp(bucket["start_time"], tz=UTC).date()

    def write_half(self, month: date, costs: Sequence[Decimal]) -> None:
        """The first page comes; the second breaks off, each time it is asked for."""
        self.write(month, costs)
        self.vendor.page_limit = 10
        second = month + timedelta(days=10)
        self.change_pages(lambda day: day == second, lambda body: body[: len(body) // 2])

    def _days(self, call: Call) -> int:
        if "start_time" not in call.params:
            return 0
        return (int(call.params["end_time"][0]) - int(call.params["start_time"][0])) // 86400


class AnthropicStage(LlmStage):
    kind = "anthropic"
    refusals: ClassVar = {
        "GET /v1/organizations/cost_report": "admin key",
        "GET /v1/organizations/usage_report/messages": "admin key",
    }

    not_for_money: ClassVar = frozenset(refusals) - {"GET /v1/organizations/cost_report"}

    @property
    def vendor(self) -> Vendor:
        return self.world.anthropic

    def toml(self, name: str) -> str:
        return (
            f'[sources.{name}]\ntype = "anthropic"\napi_key = "env:ANTHROPIC_KEY"\ndeadline = {DEADLINE}\n'
            f'endpoints = {{ anthropic = "{self.world.url}" }}\n'
        )

    def add(self, day: date, cost: Decimal) -> None:
        self.world.anthropic.add(day, "wrkspc_chat", "claude-sonnet-5", "output_tokens", cost)

    def first_day(self, bucket: dict[str, Any]) -> date:
        return datetime.fromisoformat(bucket["starting_at"]).date()

    def write_half(self, month: date, costs: Sequence[Decimal]) -> None:
        """The answer ends after ten days, and says that there is no more."""
        self.write(month, costs)

        def cut(body: bytes) -> bytes:
            page = json.loads(body)
            return json.dumps(page | {"data": page["data"][:10], "has_more": False, "next_page": None}).encode()

        self.change_pages(lambda day: day == month, cut)

    def _days(self, call: Call) -> int:
        if "starting_at" not in call.params:
            return 0
        first, last = (datetime.fromisoformat(call.params[name][0]) for name in ("starting_at", "ending_at"))
        return (last - first).days
