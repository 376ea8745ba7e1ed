"""OpenAI and Anthropic: what a month comes to is in the ledger to the last digit, and what cannot be read is said.

The vendors' APIs are served on a loopback port (``fakes/llm.py``); ``finops collect`` does the rest.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import CORPUS, Result, Workspace

from finops.collectors.interface import Fetched, Offer, Outcome, Request, Trouble, Verdict
from finops.collectors.llm.anthropic import AnthropicCollector
from finops.collectors.llm.collector import LlmCollector
from finops.collectors.llm.openai import COSTS, USAGE, OpenAICollector
from finops.config.sources import Anthropic, OpenAI

from .fakes.llm import LlmWorld, Vendor, spelt

TODAY = date(2026, 10, 20)
DAY = date(2026, 10, 3)
REQUEST = Request(date(2026, 7, 1), date(2026, 11, 1), TODAY)
OCTOBER = Request(date(2026, 10, 1), date(2026, 11, 1), TODAY)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[LlmWorld]:
    """Both vendors, whose keys are in the environment."""
    with LlmWorld() as started:
        monkeypatch.setenv("OPENAI_ADMIN", started.openai.key)
        monkeypatch.setenv("ANTHROPIC_ADMIN", started.anthropic.key)
        yield started


@pytest.fixture
def configured(workspace: Workspace, world: LlmWorld) -> Workspace:
    """A workspace with one source of each vendor."""
    workspace.write(
        "finops.toml",
        f"""
        [company]
        name = "Test"
        [sources.gpt]
        type = "openai"
        api_key = "env:OPENAI_ADMIN"
        endpoints = {{ openai = "{world.url}" }}
        deadline = 4
        [sources.claude]
        type = "anthropic"
        api_key = "env:ANTHROPIC_ADMIN"
        endpoints = {{ anthropic = "{world.url}" }}
        deadline = 4
        """,
    )
    return workspace


def collect(workspace: Workspace, *args: str, today: date = TODAY) -> Result:
    return workspace.finops("--today", today.isoformat(), "-vv", "collect", "--json", *args)


def sums(workspace: Workspace, source: str) -> dict[str, Decimal]:
    """What the ledger has of a source, by month."""
    return dict(
        workspace.query(
            "SELECT strftime(BillingPeriodStart, '%Y-%m'), sum(BilledCost) FROM focus.cost_and_usage "
            f"WHERE x_SourceId = '{source}' GROUP BY ALL"
        )
    )


def holes(workspace: Workspace) -> set[tuple[str, str, str | None]]:
    return set(workspace.query("SELECT source_id, outcome, strftime(billing_period, '%Y-%m') FROM ops.holes"))


def openai(world: LlmWorld, folder: Path = Path(), deadline: int = 2, **more: Any) -> OpenAICollector:
    known = {"type": "openai", "api_key": "env:OPENAI_ADMIN", "endpoints": {"openai": world.url}, "deadline": deadline}
    return OpenAICollector("gpt", OpenAI.model_validate(known | more), folder)


def anthropic(world: LlmWorld, folder: Path = Path(), deadline: int = 2, **more: Any) -> AnthropicCollector:
    known = {
        "type": "anthropic",
        "api_key": "env:ANTHROPIC_ADMIN",
        "endpoints": {"anthropic": world.url},
        "deadline": deadline,
    }
    return AnthropicCollector("claude", Anthropic.model_validate(known | more), folder)


BOTH = pytest.mark.parametrize("make", [openai, anthropic])
Make = Callable[..., LlmCollector]


def side(world: LlmWorld, collector: LlmCollector) -> Vendor:
    return world.openai if isinstance(collector, OpenAICollector) else world.anthropic


def offer(collector: LlmCollector, kind: str, request: Request = OCTOBER) -> Offer:
    (found,) = [each for each in collector.look(request).offers if f":{kind}" in each.key]
    return found


def fetch(collector: LlmCollector, kind: str, folder: Path, request: Request = OCTOBER) -> dict[str, bytes]:
    """What fetching an offer leaves in the folder."""
    collector.fetch(offer(collector, kind, request), [], folder, lambda name, size: None)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def trouble(call: Callable[[], object]) -> Trouble:
    with pytest.raises(Trouble) as caught:
        call()
    assert caught.value.where and caught.value.next_step
    return caught.value


def fill(world: LlmWorld, day: date = DAY) -> None:
    """A day on which both vendors charge something."""
    world.openai.add(day, "proj_1", "gpt-5, input", Decimal("1.25"), key="key_1", quantity=1_000_000, unit="tokens")
    world.anthropic.add(day, "wrkspc_1", "claude-sonnet-5", "output_tokens", Decimal("0.5"), tokens=33_000)


# --- into the ledger --------------------------------------------------------------------------------------------------


def test_every_digit_of_every_month_is_in_the_ledger(configured: Workspace, world: LlmWorld) -> None:
    for number in range(82):  # from the end of July to today
        day = date(2026, 7, 31) + timedelta(days=number)
        world.openai.add(day, "proj_1", "gpt-5, input", Decimal("0.123456789012345678"), quantity=7, unit="tokens")
        world.openai.add(day, None, "web search tool calls", Decimal("4e-7"), key="key_1")
        world.anthropic.add(day, "wrkspc_1", "claude-sonnet-5", "output_tokens", Decimal("1.2378912"))
        world.anthropic.add(day, None, "claude-haiku-5", "output_tokens", Decimal("0.00000007"))
    world.openai.add(DAY, "proj_1", "credit", Decimal("-12.5"))
    world.openai.add(DAY, "proj_1", "gpt-5, output", Decimal(0), quantity=3, unit="tokens")
    world.anthropic.add_other(DAY, "wrkspc_1", "web_search", Decimal("0.01"))
    done = collect(configured)
    assert done.exit_code == 0, done.err
    months = ("2026-07", "2026-08", "2026-09", "2026-10")
    assert sums(configured, "gpt") == {month: world.openai.total(month) for month in months}
    assert sums(configured, "claude") == {month: world.anthropic.total(month) for month in months}
    assert sums(configured, "claude")["2026-07"] == Decimal("1.23789127")  # 123.78912 and 0.000007 cents


def test_project_workspace_and_key_are_stated_for_the_teams(configured: Workspace, world: LlmWorld) -> None:
    fill(world)
    collect(configured)
    configured.finops("build")
    assert configured.query(
        "SELECT x_SourceId, SubAccountId, SubAccountType, x_ApiKeyId, SkuId, x_WorkloadKind, BillingCurrency "
        "FROM focus.cost_and_usage ORDER BY 1"
    ) == [
        ("claude", "wrkspc_1", "Workspace", None, "claude-sonnet-5, output_tokens, standard, 0-200k", "tokens.output", "USD"),
        ("gpt", "proj_1", "Project", "key_1", "gpt-5, input", "tokens.input", "USD"),
    ]  # fmt: skip


def test_a_restated_month_replaces_what_was_there(configured: Workspace, world: LlmWorld) -> None:
    july = date(2026, 7, 9)
    fill(world, july)
    collect(configured)
    world.openai.restate(july, "proj_1", "gpt-5, input", Decimal("9.99"), key="key_1")
    world.anthropic.restate(july, "wrkspc_1", "claude-sonnet-5", "output_tokens", Decimal("-0.125"))
    collect(configured)
    assert sums(configured, "gpt") == {"2026-07": Decimal("9.99")}
    assert sums(configured, "claude") == {"2026-07": Decimal("-0.125")}


def test_a_month_without_charges_is_empty_and_no_hole(configured: Workspace, world: LlmWorld) -> None:
    done = collect(configured)
    assert (done.exit_code, sums(configured, "gpt"), sums(configured, "claude"), holes(configured)) == (
        0,
        {},
        {},
        set(),
    )


def test_the_same_pages_again_change_nothing(configured: Workspace, world: LlmWorld) -> None:
    fill(world)
    collect(configured)
    everything = "SELECT load_id, status, loaded_at FROM ops.loads ORDER BY ALL"
    before = configured.query(everything)
    again = collect(configured)
    assert again.exit_code == 0 and configured.query(everything) == before


# --- tokens -----------------------------------------------------------------------------------------------------------


def tokens(workspace: Workspace) -> list[tuple[Any, ...]]:
    return workspace.query(
        "SELECT BilledCost, ConsumedQuantity, ConsumedUnit FROM focus.cost_and_usage ORDER BY BilledCost"
    )


def test_openai_states_tokens_with_the_money(configured: Workspace, world: LlmWorld) -> None:
    world.openai.add(DAY, "proj_1", "gpt-5, input", Decimal("1.25"), quantity=1_000_000, unit="tokens")
    world.openai.use(DAY, "completions", "proj_1", "gpt-5", input_tokens=1_000_000)
    collect(configured, "gpt")
    assert tokens(configured) == [(Decimal("1.25"), 1_000_000, "tokens")]  # once: usage adds no charge


def test_anthropics_charges_get_their_tokens_from_the_usage_report(configured: Workspace, world: LlmWorld) -> None:
    sonnet: dict[str, Any] = {"workspace": "wrkspc_1", "model": "claude-sonnet-5"}
    add = world.anthropic.add
    add(DAY, **sonnet, token_type="uncached_input_tokens", amount=Decimal(1), tokens=1000)
    add(DAY, **sonnet, token_type="cache_creation.ephemeral_1h_input_tokens", amount=Decimal(2), tokens=200)
    add(DAY, **sonnet, token_type="output_tokens", amount=Decimal(3), tokens=30)
    world.anthropic.use(DAY, key="apikey_2", workspace_id="wrkspc_1", model="claude-sonnet-5", service_tier="standard",
                        context_window="0-200k", inference_geo="global", output_tokens=3)  # fmt: skip
    add(DAY, **sonnet, token_type="output_tokens", amount=Decimal(4), tokens=40, tier="batch")
    add(DAY, None, "claude-sonnet-5", "output_tokens", Decimal(5), tokens=50)
    add(DAY + timedelta(days=1), **sonnet, token_type="output_tokens", amount=Decimal(6), tokens=60)
    add(DAY, **sonnet, token_type="output_tokens", amount=Decimal(7), geo="us")  # nothing was used that fits
    world.anthropic.add_other(DAY, "wrkspc_1", "web_search", Decimal(8))
    collect(configured, "claude")
    assert tokens(configured) == [
        (1, 1000, "tokens"),
        (2, 200, "tokens"),
        (3, 33, "tokens"),  # of two keys
        (4, 40, "tokens"),
        (5, 50, "tokens"),
        (6, 60, "tokens"),
        (7, None, None),
        (8, None, None),
    ]
    assert sums(configured, "claude") == {"2026-10": Decimal(36)}


def test_tokens_that_fit_two_charges_are_given_to_none(configured: Workspace, world: LlmWorld) -> None:
    result = {"currency": "USD", "amount": "100", "workspace_id": None, "cost_type": "tokens", "model": "claude-sonnet-5",
              "token_type": "output_tokens", "service_tier": "standard", "context_window": "0-200k", "inference_geo": "global"}  # fmt: skip
    fast = {**result, "description": "Claude Sonnet 5 Usage - Output Tokens, fast", "amount": "300"}
    world.anthropic.put({DAY: [{**result, "description": "Claude Sonnet 5 Usage - Output Tokens"}, fast]})
    world.anthropic.use(DAY, **{name: result[name] for name in world.anthropic.dimensions}, output_tokens=10)
    collect(configured, "claude")
    assert tokens(configured) == [(1, None, None), (3, None, None)]


def test_a_restated_token_count_replaces_the_old_one(configured: Workspace, world: LlmWorld) -> None:
    fill(world)
    collect(configured, "claude")
    world.anthropic.use(DAY, workspace_id="wrkspc_1", model="claude-sonnet-5", service_tier="standard",
                        context_window="0-200k", inference_geo="global", output_tokens=7)  # fmt: skip
    collect(configured, "claude")
    assert tokens(configured) == [(Decimal("0.5"), 33_007, "tokens")]


def test_a_model_s_price_per_million_tokens_follows(configured: Workspace, world: LlmWorld) -> None:
    fill(world)
    collect(configured)
    assert configured.finops("build").exit_code in (0, 1)
    rows = configured.finops("analyze", "token_spend", "--period", "2026-10", "--format", "json").json()
    assert {row["Model"]: (row["Tokens"], row["CostPerMillionTokens"]) for row in rows} == {
        "gpt-5": (1_000_000, 1.25),
        "claude-sonnet-5": (33_000, 15.151515),
    }


def test_usage_is_daily_activity_and_no_money(configured: Workspace, world: LlmWorld) -> None:
    world.openai.use(DAY, "completions", "proj_1", "gpt-5", input_tokens=10, output_tokens=5, num_model_requests=2)
    world.openai.use(DAY, "embeddings", "proj_1", "text-embedding-3", input_tokens=8)
    world.openai.use(DAY, "vector_stores", "proj_1", usage_bytes=99)
    world.anthropic.use(DAY, workspace_id="wrkspc_1", model="claude-sonnet-5", output_tokens=7)
    assert collect(configured).exit_code == 0
    found = configured.query(
        "SELECT resource_id, metric, value::INTEGER FROM utilisation.daily WHERE value > 0 ORDER BY ALL"
    )
    assert found == [
        ("anthropic/wrkspc_1/claude-sonnet-5", "output_tokens", 7),
        ("openai/proj_1/gpt-5", "input_tokens", 10),
        ("openai/proj_1/gpt-5", "output_tokens", 5),
        ("openai/proj_1/gpt-5", "requests", 2),
        ("openai/proj_1/text-embedding-3", "input_tokens", 8),
        ("openai/proj_1/vector_stores", "stored_bytes", 99),
    ]
    read_by = configured.query(
        "SELECT DISTINCT format FROM utilisation.daily JOIN ops.loads USING (load_id) ORDER BY 1"
    )
    assert read_by == [("anthropic_usage",), ("openai_usage",)]
    assert tokens(configured) == []


# --- which months, which pages ----------------------------------------------------------------------------------------


@BOTH
def test_every_month_that_is_asked_for_is_looked_at_again(world: LlmWorld, make: Make) -> None:
    collector = make(world)
    backfill = Request(date(2026, 5, 1), date(2027, 1, 1), TODAY)
    costs = {each.period: each.version for each in collector.look(backfill).offers if ":costs/" in each.key}
    assert costs == dict.fromkeys((date(2026, month, 1) for month in range(5, 11)), ""), "and none of the future"


def test_usage_of_a_month_that_is_over_is_fetched_once_more_and_then_not(world: LlmWorld) -> None:
    usage = [each.version for each in openai(world).look(REQUEST).offers if ":usage/" in each.key]
    assert usage == ["settled", "settled", "settled", ""]


def test_without_usage_only_costs_are_asked_for(world: LlmWorld, tmp_path: Path) -> None:
    for collector in (openai(world, usage=False), anthropic(world, usage=False)):
        assert not [each for each in collector.look(REQUEST).offers if ":usage/" in each.key]
        fetch(collector, "costs", tmp_path)
    assert not [call for call in (*world.openai.calls, *world.anthropic.calls) if "usage" in call.path]


@BOTH
def test_a_month_of_many_pages_is_one_delivery(world: LlmWorld, make: Make, tmp_path: Path) -> None:
    fill(world)
    collector = make(world)
    side(world, collector).page_limit = 6
    found = fetch(collector, "costs", tmp_path)
    pages = [json.loads(content) for name, content in found.items() if "page-" in name]
    assert [name for name in found if "page-" in name] == [f"costs/2026-10/page-00{n}.json" for n in (1, 2, 3, 4)]
    assert sum(len(page["data"]) for page in pages) == 20  # up to today
    assert [page["has_more"] for page in pages] == [True, True, True, False]


@BOTH
def test_fewer_pages_than_an_interrupted_run_left_are_all_that_stays(
    world: LlmWorld, make: Make, tmp_path: Path
) -> None:
    collector = make(world)
    side(world, collector).page_limit = 6
    fetch(collector, "costs", tmp_path)
    side(world, collector).page_limit = 31
    assert [name for name in fetch(collector, "costs", tmp_path) if "page-" in name] == ["costs/2026-10/page-001.json"]


@BOTH
def test_the_same_content_is_the_same_bytes(world: LlmWorld, make: Make, tmp_path: Path) -> None:
    fill(world)
    collector = make(world)
    assert fetch(collector, "costs", tmp_path / "a") == fetch(collector, "costs", tmp_path / "b")


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the published examples are not part of this repository")
@pytest.mark.parametrize("kind", ["costs", *USAGE])
def test_openais_published_examples_are_of_the_shape_that_is_expected(
    world: LlmWorld, tmp_path: Path, kind: str
) -> None:
    folder = CORPUS / "llm" / "openai_openapi"
    published = json.loads((folder / ("costs.json" if kind == "costs" else f"usage_{kind}.json")).read_text())
    start = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp())

    def as_published(page: dict[str, Any]) -> None:
        page["data"] = [{**published["data"][0], "start_time": start, "end_time": start + 86400}]
        page["has_more"], page["next_page"] = False, None

    report = COSTS if kind == "costs" else USAGE[kind]
    world.openai.edit(as_published, on=report.path)
    found = fetch(openai(world), kind if kind == "costs" else "usage", tmp_path)
    assert any("page-" in name or kind in name for name in found)


# --- what goes wrong --------------------------------------------------------------------------------------------------


@BOTH
def test_a_revoked_key_is_said_with_how_to_make_another(world: LlmWorld, make: Make) -> None:
    collector = make(world)
    side(world, collector).revoke()
    found = trouble(lambda: collector.look(REQUEST))
    assert found.outcome is Outcome.EXPIRED and "admin key" in f"{found.what} {found.next_step}".lower()
    assert len(side(world, collector).calls) == 1  # no use in asking again


def test_individual_accounts_are_told_that_they_have_no_admin_keys(world: LlmWorld) -> None:
    world.anthropic.revoke()
    assert "sk-ant-admin" in trouble(lambda: anthropic(world).look(REQUEST)).next_step
    assert "Individual accounts have none" in trouble(lambda: anthropic(world).look(REQUEST)).next_step


def test_a_missing_scope_is_named(world: LlmWorld) -> None:
    world.openai.deny()
    found = trouble(lambda: openai(world).look(REQUEST))
    assert found.outcome is Outcome.DENIED and "api.usage.read" in found.next_step and "Missing scopes" in found.what


@BOTH
def test_a_key_that_is_not_set_or_is_none_is_no_crash(
    world: LlmWorld, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_ADMIN", "ANTHROPIC_ADMIN"):
        monkeypatch.delenv(name)
    assert trouble(lambda: make(world).look(REQUEST)).outcome is Outcome.EXPIRED
    for name in ("OPENAI_ADMIN", "ANTHROPIC_ADMIN"):
        monkeypatch.setenv(name, "sk-admin-two\nlines…")
    found = trouble(lambda: make(world).look(REQUEST))
    assert found.outcome is Outcome.EXPIRED and "two" not in str(found) and found.__cause__ is None


@BOTH
def test_throttling_is_waited_for_as_long_as_the_vendor_asks(world: LlmWorld, make: Make, tmp_path: Path) -> None:
    fill(world)
    collector = make(world, deadline=20)
    wanted = offer(collector, "costs")
    side(world, collector).throttle(2, retry_after="0.2")
    started = datetime.now(tz=UTC)
    collector.fetch(wanted, [], tmp_path, lambda name, size: None)
    assert datetime.now(tz=UTC) - started >= timedelta(seconds=0.4)
    assert [call.status for call in side(world, collector).calls].count(429) == 2


@BOTH
def test_a_wait_beyond_the_deadline_is_not_waited_for(world: LlmWorld, make: Make) -> None:
    collector = make(world)
    side(world, collector).throttle(1, retry_after="3600")
    started = datetime.now(tz=UTC)
    found = trouble(lambda: collector.look(REQUEST))
    assert found.outcome is Outcome.FAILED and "3,600 seconds" in found.what
    assert datetime.now(tz=UTC) - started < timedelta(seconds=2)


@BOTH
@pytest.mark.parametrize("status", [500, 529])
def test_a_server_that_fails_on_and_on_is_given_up(world: LlmWorld, make: Make, status: int) -> None:
    collector = make(world, deadline=1)
    side(world, collector).fail(status)
    found = trouble(lambda: collector.look(REQUEST))
    assert found.outcome is Outcome.FAILED and str(status) in found.what and len(side(world, collector).calls) > 1


def test_a_vendor_that_cannot_be_reached_is_said(world: LlmWorld) -> None:
    found = trouble(lambda: openai(world, deadline=1, endpoints={"openai": "http://127.0.0.1:9"}).look(REQUEST))
    assert found.outcome is Outcome.FAILED and "cannot be reached" in found.what


@BOTH
def test_an_answer_that_trickles_in_for_ever_is_given_up(world: LlmWorld, make: Make) -> None:
    world.pause = 0.2
    started = time.monotonic()
    found = trouble(lambda: make(world, deadline=1).look(REQUEST))
    assert found.outcome is Outcome.FAILED and "does not end" in found.what
    assert time.monotonic() - started < 5


@BOTH
def test_json_that_breaks_off_is_fetched_again(world: LlmWorld, make: Make, tmp_path: Path) -> None:
    fill(world)
    collector = make(world, deadline=20)
    wanted = offer(collector, "costs")
    side(world, collector).truncate(times=1)
    collector.fetch(wanted, [], tmp_path, lambda name, size: None)
    side(world, collector).truncate()
    assert trouble(lambda: make(world, deadline=1).look(OCTOBER)).outcome is Outcome.FAILED


@BOTH
def test_a_web_page_is_no_data(world: LlmWorld, make: Make) -> None:
    collector = make(world)
    side(world, collector).serve_html()
    found = trouble(lambda: collector.look(REQUEST))
    assert found.outcome is Outcome.FAILED and "web page" in found.what


RENAMED = [
    ("amount", "cost"), ("results", "items"), ("data", "buckets"), ("has_more", "more"), ("currency", "unit"),
]  # fmt: skip
ELSEWHERE = [("openai", "start_time"), ("openai", "line_item"), ("openai", "project_id"), ("openai", "value"),
             ("anthropic", "starting_at"), ("anthropic", "workspace_id"), ("anthropic", "token_type")]  # fmt: skip


@pytest.mark.parametrize(
    ("vendor", "old"), [(vendor, old) for vendor in ("openai", "anthropic") for old, _ in RENAMED] + ELSEWHERE
)
def test_a_renamed_field_is_a_change_and_never_an_empty_month(
    world: LlmWorld, tmp_path: Path, vendor: str, old: str
) -> None:
    fill(world)
    collector: LlmCollector = openai(world) if vendor == "openai" else anthropic(world)
    wanted = offer(collector, "costs")
    side(world, collector).rename(old, dict(RENAMED).get(old, f"new_{old}"))
    found = trouble(lambda: collector.fetch(wanted, [], tmp_path, lambda name, size: None))
    assert (found.outcome, found.period) == (Outcome.CHANGED, date(2026, 10, 1))


def nowhere(page: dict[str, Any]) -> None:
    page["has_more"], page["next_page"] = True, None


def in_a_circle(page: dict[str, Any]) -> None:
    page["data"], page["has_more"], page["next_page"] = [], True, "page_again"


def twice(page: dict[str, Any]) -> None:
    page["data"] = page["data"] + page["data"][:1]


def other_months(page: dict[str, Any]) -> None:
    for bucket in page["data"]:
        bucket.update(start_time=1_600_000_000, starting_at="2020-09-13T00:00:00Z")


def no_amount(page: dict[str, Any]) -> None:
    for bucket in page["data"]:
        for result in bucket["results"]:
            result["amount"] = {"value": None, "currency": "usd"} if isinstance(result["amount"], dict) else None


@BOTH
@pytest.mark.parametrize("change", [nowhere, in_a_circle, twice, other_months, no_amount])
def test_pages_that_do_not_add_up_are_a_change(
    world: LlmWorld, make: Make, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    fill(world)
    collector = make(world)
    wanted = offer(collector, "costs")
    side(world, collector).edit(change)
    found = trouble(lambda: collector.fetch(wanted, [], tmp_path, lambda name, size: None))
    assert found.outcome is Outcome.CHANGED


def test_a_month_of_which_days_are_missing_is_incomplete(world: LlmWorld, tmp_path: Path) -> None:
    fill(world)
    collector = anthropic(world)
    wanted = offer(collector, "costs")
    world.anthropic.edit(lambda page: page["data"].pop(5))
    found = trouble(lambda: collector.fetch(wanted, [], tmp_path, lambda name, size: None))
    assert found.outcome is Outcome.INCOMPLETE and "2026-10-06" in found.what


@pytest.mark.parametrize(("vendor", "source"), [("openai", "gpt"), ("anthropic", "claude")])
def test_costs_are_loaded_without_usage_and_the_hole_is_said(
    configured: Workspace, world: LlmWorld, vendor: str, source: str
) -> None:
    fill(world)
    getattr(world, vendor).deny(on="usage")
    done = collect(configured, source)
    assert done.exit_code == 3 and set(sums(configured, source)) == {"2026-10"}
    assert {outcome for _, outcome, _ in holes(configured)} == {"denied"}
    assert (source, "denied", "2026-10") in holes(configured)
    getattr(world, vendor).heal()
    assert collect(configured, source).exit_code == 0
    assert not holes(configured) and all(quantity for _, quantity, _ in tokens(configured))


def test_a_failed_month_leaves_the_ledger_as_it_was(configured: Workspace, world: LlmWorld) -> None:
    fill(world)
    collect(configured, "gpt")
    world.openai.restate(DAY, "proj_1", "gpt-5, input", Decimal("9.99"), key="key_1")
    world.openai.rename("amount", "cost")
    assert collect(configured, "gpt").exit_code == 3
    assert sums(configured, "gpt") == {"2026-10": Decimal("1.25")}
    assert ("gpt", "changed", "2026-10") in holes(configured)


# --- secrets ----------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 500])
def test_no_key_in_any_error_or_log(world: LlmWorld, make: Make, status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    collector = make(world, deadline=1)
    vendor = side(world, collector)
    vendor.fail(status)
    vendor.faults[-1].body = json.dumps(
        {"error": {"message": f"bad key {vendor.key}\nor sk-abc***********wxyz"}}
    ).encode()
    found = trouble(lambda: collector.look(REQUEST))
    texts = [
        str(found),
        repr(found),
        repr(found.__cause__),
        repr(found.__context__),
        repr(vars(collector.api)),
        caplog.text,
    ]
    assert not [text for text in texts if vendor.key in text or "wxyz" in text]
    assert "bad key" in found.what and caplog.text  # something was logged


def test_no_key_in_what_a_run_leaves_and_says(configured: Workspace, world: LlmWorld) -> None:
    fill(world)
    world.anthropic.revoke()
    done = collect(configured)
    assert done.exit_code == 3
    written = b"".join(path.read_bytes() for path in configured.folder.rglob("*") if path.is_file())
    for key in (world.openai.key, world.anthropic.key):
        assert key not in done.out + done.err and key.encode() not in written


# --- names, permissions, doctor ---------------------------------------------------------------------------------------


def test_names_come_into_the_inventory(configured: Workspace, world: LlmWorld) -> None:
    world.openai.projects = {f"proj_{number}": f"Project {number}" for number in range(101)}
    world.openai.keys = {"key_1": ("proj_7", "ci")}
    world.anthropic.workspaces = {"wrkspc_1": "Research"}
    world.anthropic.keys = {"apikey_1": ("wrkspc_1", "notebook"), "apikey_2": (None, "default")}
    done = collect(configured)
    assert done.exit_code == 0, done.err
    assert configured.query("SELECT count(*) FROM inventory.resources WHERE resource_type = 'project'") == [(101,)]
    read_by = configured.query("SELECT DISTINCT format FROM inventory.resources JOIN ops.loads USING (load_id)")
    assert read_by == [("llm_names",)]
    assert configured.query(
        "SELECT source_id, provider, account_id, resource_id, resource_name, resource_type, state, created_at::DATE "
        "FROM inventory.resources WHERE resource_id IN ('proj_7', 'key_1') OR provider = 'Anthropic' ORDER BY ALL"
    ) == [
        ("claude", "Anthropic", "wrkspc_1", "apikey_1", "notebook", "api key", "active", date(2025, 6, 15)),
        ("claude", "Anthropic", "wrkspc_1", "wrkspc_1", "Research", "workspace", "active", date(2025, 6, 15)),
        ("claude", "Anthropic", None, "5ff0c1d2-organization", "Acme", "organization", None, None),
        ("claude", "Anthropic", None, "apikey_2", "default", "api key", "active", date(2025, 6, 15)),
        ("gpt", "OpenAI", "proj_7", "key_1", "ci", "api key", None, date(2025, 6, 15)),
        ("gpt", "OpenAI", "proj_7", "proj_7", "Project 7", "project", "active", date(2025, 6, 15)),
    ]  # fmt: skip
    everything = b"".join(path.read_bytes() for path in (configured.folder / "landing").rglob("*") if path.is_file())
    assert b"R2D" not in everything and b"redacted" not in everything and b"who@example.com" not in everything


@BOTH
def test_names_that_may_not_be_read_are_a_note_and_no_hole(world: LlmWorld, make: Make) -> None:
    collector = make(world)
    for part in ("projects", "workspaces", "/me"):
        side(world, collector).deny(on=part)
    listing = collector.look(OCTOBER)
    assert not listing.troubles and "ids only" in listing.notes[0]
    assert [each.key.partition(":")[2] for each in listing.offers] == ["costs/2026-10", "usage/2026-10"]


@BOTH
def test_the_permissions_are_the_calls_that_are_made(world: LlmWorld, make: Make, tmp_path: Path) -> None:
    world.openai.projects = {"proj_1": "Search"}
    collector = make(world)
    for each in collector.look(OCTOBER).offers:
        collector.fetch(each, [], tmp_path, lambda name, size: None)
    collector.examine(OCTOBER)
    made = {f"GET {call.path}".replace("proj_1", "{project_id}") for call in side(world, collector).calls}
    assert made == {permission.action for permission in collector.permissions()}


def test_the_doctor_sees_a_good_key_and_the_last_day_with_costs(world: LlmWorld) -> None:
    fill(world, date(2026, 10, 19))
    for collector in (openai(world), anthropic(world)):
        found = {each.check: each for each in collector.examine(OCTOBER)}
        assert {each.verdict for each in found.values()} == {Verdict.OK}, found
        assert "2026-10-19, 1 days ago" in found["costs"].detail


def test_the_doctor_sees_a_gap_a_wrong_key_and_a_missing_scope(
    world: LlmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world)
    monkeypatch.setenv("ANTHROPIC_ADMIN", "sk-ant-api03-ordinary")
    found = {each.check: each for each in anthropic(world).examine(OCTOBER)}
    assert found["admin key"].verdict is Verdict.WARNING and "sk-ant-admin" in found["admin key"].next_step
    assert found["costs"].verdict is Verdict.FAILED
    world.openai.deny(on="usage")
    found = {each.check: each for each in openai(world).examine(OCTOBER)}
    assert found["costs"].verdict is Verdict.WARNING and "17 days ago" in found["costs"].detail
    assert found["usage/completions"].verdict is Verdict.FAILED


def test_a_settled_month_in_landing_is_not_offered_anew(world: LlmWorld) -> None:
    collector = openai(world)
    old = Request(date(2026, 5, 1), date(2026, 6, 1), TODAY)
    settled = offer(collector, "usage", old)
    known = {settled.key: Fetched(settled.version, datetime(2026, 9, 1, tzinfo=UTC), {})}
    again = offer(collector, "usage", Request(old.since, old.until, TODAY, known))
    assert again.version == known[again.key].version != ""


def test_the_fake_spells_numbers_as_they_are() -> None:
    assert spelt({"value": Decimal("0.10"), "tiny": Decimal("4E-7")}) == b'{\n "value": 0.10,\n "tiny": 0.0000004\n}'


@pytest.mark.parametrize(("vendor", "source"), [("openai", "gpt"), ("anthropic", "claude")])
@pytest.mark.parametrize("days", ["all", "one"])
def test_days_that_had_charges_and_are_not_mentioned_any_more_are_a_hole(
    configured: Workspace, world: LlmWorld, vendor: str, source: str, days: str
) -> None:
    fill(world)
    collect(configured, source)
    before = sums(configured, source)

    def forgetful(page: dict[str, Any]) -> None:
        page["data"] = [] if days == "all" else page["data"][: DAY.day - 1] + page["data"][DAY.day :]

    getattr(world, vendor).edit(forgetful)
    done = collect(configured, source, today=TODAY + timedelta(days=1))

    assert done.exit_code == 3 and (source, "incomplete", "2026-10") in holes(configured)
    assert before and sums(configured, source) == before
    getattr(world, vendor).heal()
    getattr(world, vendor).forget(DAY, DAY)
    assert collect(configured, source, today=TODAY + timedelta(days=2)).exit_code == 0
    assert sums(configured, source) == {}, "a day that is there and has no charges any more is a statement"
