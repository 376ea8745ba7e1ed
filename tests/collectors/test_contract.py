"""The contract that every collector keeps, asked from the outside: what a user writes, runs and sees.

Each kind of source stands on a stage (``contract/``) whose provider bills what it is told and fails as it is told. After every
run the ledger must say, month by month and to the cent, what the provider delivered whole; and what could not be read is a hole
with an outcome, a place and a next step. What cannot happen with a kind of source is skipped, with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import Workspace
from few_rules import few_rules

from .contract.inventory import Names
from .contract.kinds import KINDS, NAMES, Fakes
from .contract.ledger import Ledger
from .contract.stage import AUGUST, DEADLINE, JULY, JUNE, MAY, OCTOBER, SEPTEMBER, Provider, Stage


@pytest.fixture(scope="module")
def fakes() -> Iterator[Fakes]:
    """The providers that are slow to start, started once."""
    with Fakes() as started:
        yield started


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without what this machine may know of clouds."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture(params=list(KINDS))
def stage(
    request: pytest.FixtureRequest, fakes: Fakes, workspace: Workspace, nowhere: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """A kind of source whose provider has not billed anything yet."""
    with KINDS[request.param](workspace.folder, fakes) as made:
        for name, value in made.environment().items():
            nowhere.setenv(name, value)
        yield made


@pytest.fixture(params=list(NAMES))
def names(
    request: pytest.FixtureRequest, fakes: Fakes, workspace: Workspace, nowhere: pytest.MonkeyPatch
) -> Iterator[Names]:
    """A kind of source that knows two things by name."""
    with NAMES[request.param](workspace.folder, fakes) as made:
        for name, value in made.environment().items():
            nowhere.setenv(name, value)
        made.show("search", "shop")
        yield made


@pytest.fixture
def ledger(workspace: Workspace, stage: Stage) -> Iterator[Ledger]:
    """``finops.toml`` is written; nothing has been collected."""
    made = Ledger(workspace, stage)
    yield made
    made.close()


@pytest.fixture
def inventory(workspace: Workspace, names: Names) -> Iterator[Ledger]:
    """The two names have been collected."""
    ledger = Ledger(workspace, names)
    run = ledger.collect()
    assert run.is_clean, run.said
    assert ledger.names() == names.truth
    yield ledger
    ledger.close()


@pytest.fixture
def without_rules(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a build whose findings nobody looks at."""
    shipped = few_rules(workspace.folder.parent, every_format=True)
    monkeypatch.setattr("finops.rules.catalogue.shipped_queries", lambda: shipped)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first run made, by kind of source."""
    return tmp_path_factory.mktemp("told")


@pytest.fixture
def begun(stage: Stage, ledger: Ledger, told: Path) -> Ledger:
    """Three months have been delivered and collected."""
    three_months(stage)
    ledger.begin_as(told / re.sub(r"\W+", "-", stage.kind))
    assert ledger.months() == stage.truth
    return ledger


@pytest.fixture
def story(begun: Ledger) -> Ledger:
    """Three months have been delivered and collected; it is the next day."""
    begun.tomorrow()
    return begun


def three_months(stage: Stage) -> None:
    stage.deliver(AUGUST, money("10.25", "20.5", "0.000001"))
    stage.deliver(SEPTEMBER, money("100.01", "200.02"))
    stage.deliver(OCTOBER, money("7", "0.33"))


def money(*costs: str) -> list[Decimal]:
    return [Decimal(cost) for cost in costs]


def unless_it_cannot(stage: Provider, *scenarios: str) -> None:
    """Skip what there is no such thing of."""
    for each in scenarios:
        if each in stage.cannot:
            pytest.skip(f"{stage.kind}: {stage.cannot[each]}")


# --- what is there comes, once -------------------------------------------------------------------------------------------


def test_all_that_is_there_is_loaded(stage: Stage, ledger: Ledger) -> None:
    three_months(stage)
    run = ledger.collect()
    assert run.is_clean, run.said
    assert ledger.months() == stage.truth


def test_a_run_with_nothing_new_fetches_nothing(stage: Stage, begun: Ledger) -> None:
    before = begun.loads()
    stage.forget_calls()
    run = begun.collect()
    assert run.is_clean, run.said
    assert begun.months() == stage.truth
    assert begun.loads() == before
    if stage.says_what_is_new:
        assert stage.calls_that_fetch() == []
        assert not run.has_news


def test_more_than_fits_on_a_page(stage: Stage, ledger: Ledger) -> None:
    three_months(stage)
    stage.deliver_many(SEPTEMBER, [Decimal(cents) / 100 for cents in range(101, 113)])
    run = ledger.collect()
    assert run.is_clean, run.said
    assert ledger.months() == stage.truth


@pytest.mark.parametrize("restated", [money("100.01", "250.5", "3"), money("100.01", "0.02")], ids=["up", "down"])
def test_a_restated_month_replaces_the_one_before(stage: Stage, story: Ledger, restated: list[Decimal]) -> None:
    before = story.loads()
    stage.deliver(SEPTEMBER, restated)
    run = story.collect()
    assert run.is_clean, run.said
    assert story.months() == stage.truth
    assert story.loads()[AUGUST] == before[AUGUST], "the other months are as they were"


def test_an_older_delivery_that_comes_late_changes_nothing(stage: Stage, story: Ledger) -> None:
    """Not alone, not together with a newer one; and it isn't fetched for ever."""
    unless_it_cannot(stage, "late old")
    stage.deliver_late_old(SEPTEMBER, money("1", "2"))
    stage.deliver(AUGUST, money("11", "22"))
    stage.deliver_late_old(AUGUST, money("3", "4"))
    run = story.collect()
    assert run.is_clean, run.said
    assert story.months() == stage.truth
    stage.forget_calls()
    again = story.collect()
    assert again.is_clean, again.said
    assert story.months() == stage.truth
    assert stage.calls_that_fetch() == []


def test_the_same_delivery_once_more_changes_nothing(stage: Stage, story: Ledger) -> None:
    unless_it_cannot(stage, "again")
    before = story.loads()
    stage.deliver_again()
    run = story.collect()
    assert run.is_clean, run.said
    assert story.months() == stage.truth
    closed = [AUGUST, SEPTEMBER]
    assert [story.loads()[month] for month in closed] == [before[month] for month in closed]


def test_a_month_in_which_there_was_nothing_is_no_hole(stage: Stage, ledger: Ledger) -> None:
    stage.deliver(AUGUST, money("1.5"))
    stage.empty(SEPTEMBER)
    stage.deliver(OCTOBER, money("2.5"))
    run = ledger.collect()
    assert run.is_clean, run.said
    assert ledger.months() == stage.truth == {AUGUST: Decimal("1.5"), OCTOBER: Decimal("2.5")}


def test_older_months_come_with_since(stage: Stage, ledger: Ledger) -> None:
    unless_it_cannot(stage, "since")
    for number, month in enumerate((MAY, JUNE, JULY), start=1):
        stage.deliver(month, money(f"{number}.75"))
    three_months(stage)
    ledger.collect()
    assert ledger.months() == {month: total for month, total in stage.truth.items() if month >= JULY}
    run = ledger.collect("--since", "2026-05")
    assert run.is_clean, run.said
    assert ledger.months() == stage.truth


def test_a_dry_run_fetches_and_loads_nothing(stage: Stage, ledger: Ledger) -> None:
    three_months(stage)
    stage.forget_calls()
    result = ledger.finops("collect", "--dry-run", "--json")
    assert result.exit_code == 0, result.err
    assert [call for call in stage.calls_that_fetch() if "anifest" not in call] == [], "only manifests may be read"
    assert not (ledger.workspace.folder / "finops.duckdb").exists()
    assert ledger.collect().is_clean
    assert ledger.months() == stage.truth


# --- what cannot be read is a hole, and what was read before stays ---------------------------------------------------------


def test_half_of_a_delivery_is_never_loaded(stage: Stage, story: Ledger) -> None:
    unless_it_cannot(stage, "half")
    before = story.months()
    stage.deliver(OCTOBER, money("12", "24"))
    stage.deliver_half(SEPTEMBER, money("1000", "2000"))
    story.the_neighbour_delivers()
    run = story.collect()
    assert story.has_the_neighbours_bill()
    assert run.exit_code == 3
    month = SEPTEMBER if stage.is_by_month else None
    assert [(hole.month, hole.outcome) for hole in run.holes] == [(month, stage.half_is)], run.said
    assert story.months() == stage.truth, "the other months are loaded, and this one is as it was"
    assert story.months()[SEPTEMBER] == before[SEPTEMBER]
    stage.complete_it()
    run = story.collect()
    assert run.is_clean, run.said
    assert story.months() == stage.truth


def test_a_permission_that_is_lacking_is_named(stage: Stage, story: Ledger) -> None:
    unless_it_cannot(stage, "denied")
    for permission, words in stage.refusals.items():
        before = story.months()
        total = before[SEPTEMBER] + 1
        stage.deliver(SEPTEMBER, [total - 1, Decimal(1)])
        stage.deny(permission)
        story.the_neighbour_delivers()
        run = story.collect()
        assert story.has_the_neighbours_bill()
        assert run.exit_code == 3
        assert {hole.outcome for hole in run.holes} == {"denied"}, f"{permission}: {run.said}"
        assert run.outcome in ("denied", "incomplete")
        assert all(words in hole.next_step for hole in run.holes), run.holes
        assert story.months() == (stage.truth if permission in stage.not_for_money else before)
        stage.mend()
        story.tomorrow()
        if permission not in stage.not_for_money:
            assert story.collect().is_clean
            assert story.months() == stage.truth
            story.tomorrow()
    assert story.collect().is_clean
    assert story.months() == stage.truth


def test_credentials_that_have_run_out(stage: Stage, story: Ledger) -> None:
    unless_it_cannot(stage, "expired")
    stage.expire()
    story.the_neighbour_delivers()
    run = story.collect()
    assert story.has_the_neighbours_bill()
    assert (run.exit_code, run.outcome) == (3, "expired"), run.said
    assert story.months() == stage.truth
    stage.mend()
    assert story.collect().is_clean


def test_throttling_passes(stage: Stage, story: Ledger) -> None:
    unless_it_cannot(stage, "throttled")
    stage.deliver(SEPTEMBER, money("3", "4"))
    stage.throttle(2)
    run = story.collect()
    assert run.is_clean, run.said
    assert story.months() == stage.truth


def test_what_is_broken_is_given_up_at_the_deadline(stage: Stage, story: Ledger) -> None:
    unless_it_cannot(stage, "broken")
    stage.break_for_ever()
    story.the_neighbour_delivers()
    run = story.collect()
    assert story.has_the_neighbours_bill()
    assert (run.exit_code, run.outcome) == (3, "failed"), run.said
    assert run.seconds < 4 * DEADLINE
    assert story.months() == stage.truth
    stage.mend()
    assert story.collect().is_clean


def test_a_renamed_column_is_not_taken_for_no_money(stage: Stage, story: Ledger) -> None:
    stage.drift(SEPTEMBER, money("5", "6"))
    story.the_neighbour_delivers()
    run = story.collect()
    assert story.has_the_neighbours_bill()
    assert run.exit_code in (3, 4)
    assert run.months_missing & {SEPTEMBER, None}, run.said
    assert {hole.outcome for hole in run.holes} == {"changed"}, run.said
    assert story.months() == stage.truth
    stage.undrift()
    story.tomorrow()
    run = story.collect()
    assert run.is_clean, run.said
    assert story.months() == stage.truth


# --- whatever happens in between -------------------------------------------------------------------------------------------


def test_a_run_that_is_killed_is_made_up_for_by_the_next(stage: Stage, ledger: Ledger) -> None:
    three_months(stage)
    ledger.kill_in_the_middle()
    run = ledger.collect()
    assert run.is_clean, run.said
    assert ledger.months() == stage.truth


@pytest.mark.usefixtures("without_rules")
def test_everything_can_be_made_again_from_landing(stage: Stage, story: Ledger) -> None:
    stage.deliver(SEPTEMBER, money("80", "1.5"))
    assert story.collect().is_clean
    (story.workspace.folder / "finops.duckdb").unlink()
    built = story.finops("build", "--full", "--json")
    assert built.exit_code in (0, 1), built.err
    assert story.months() == stage.truth
    before = story.loads()
    stage.forget_calls()
    run = story.collect()
    assert run.is_clean, run.said
    assert story.months() == stage.truth
    assert story.loads() == before
    if stage.says_what_is_new:
        assert stage.calls_that_fetch() == []


def test_secrets_are_nowhere(stage: Stage, ledger: Ledger) -> None:
    unless_it_cannot(stage, "secret")
    three_months(stage)
    assert ledger.collect().is_clean
    ledger.tomorrow()
    for fails in ("denied", "expired"):
        if fails not in stage.cannot:
            stage.expire() if fails == "expired" else stage.deny(next(iter(stage.refusals)))
            ledger.collect()
            stage.mend()
    ledger.finops("doctor")
    ledger.finops("doctor", "--policy")
    assert ledger.secrets_found() == []


# --- the least privilege -----------------------------------------------------------------------------------------------------


def test_the_policy_is_what_is_used_and_nothing_else(stage: Stage, ledger: Ledger) -> None:
    """Of all that is done with a source: first bills, restated ones, more pages, nothing new, ``--since``, ``finops doctor``."""
    stage.forget_calls()
    three_months(stage)
    ledger.finops("doctor", "--json")
    ledger.collect()
    ledger.tomorrow()
    stage.deliver_many(SEPTEMBER, money("5", "6", "7", "8", "9"))
    ledger.collect()
    ledger.collect("--since", "2026-08")
    the_policy_is_what_was_used(stage, ledger)


def the_policy_is_what_was_used(stage: Provider, ledger: Ledger) -> None:
    """Both ways: every call is covered, and nothing is asked for that no call needed; ``finops doctor`` finds it all granted."""
    examined = ledger.finops("doctor", "--json")
    assert examined.exit_code == 0, examined.out
    stated = ledger.finops("doctor", "--policy", "--json").json()["under-test"]
    needed = {each["action"] for each in stated if not each["optional"]}
    used = stage.permissions_used()
    assert used <= {each["action"] for each in stated}
    assert needed <= used
    assert needed == set(stage.refusals), "the lack of each of them has been tried"


def test_the_policy_for_aws_is_one_that_iam_reads(stage: Stage, ledger: Ledger) -> None:
    stated = ledger.finops("doctor", "--policy", "--json").json()["under-test"]
    text = ledger.finops("doctor", "--policy").out
    assert all(each["action"] in text and each["resource"] in text for each in stated), text
    if not any(":" in each["action"] for each in stated):
        return
    heading, _, policy = text.partition("\n")
    document, _ = json.JSONDecoder().raw_decode(policy)
    assert heading == "# AWS, an IAM policy for the identity that finops runs as (source under-test)"
    assert document["Version"] == "2012-10-17"
    assert {each["Effect"] for each in document["Statement"]} == {"Allow"}
    assert len({each["Sid"] for each in document["Statement"]}) == len(document["Statement"])
    allowed = {
        (action, resource)
        for each in document["Statement"]
        for action in each["Action"]
        for resource in ([each["Resource"]] if isinstance(each["Resource"], str) else each["Resource"])
    }
    assert allowed == {(each["action"], each["resource"]) for each in stated}


# --- names for the inventory: no money, and the same contract ------------------------------------------------------------------


def test_names_follow_the_provider(names: Names, inventory: Ledger) -> None:
    """What comes is added, what goes is gone; many come in pages; nothing new changes nothing."""
    many = [f"project-{number:03}" for number in range(120)]
    for shown in (["search", "labs"], ["labs"], many, many):
        names.show(*shown)
        inventory.tomorrow()
        run = inventory.collect()
        assert run.is_clean, run.said
        assert inventory.names() == names.truth
    assert inventory.months() == {}, "names are no charges"


def test_names_that_may_not_be_read_stay_as_they_were(names: Names, inventory: Ledger) -> None:
    for permission, words in names.refusals.items():
        before = inventory.names()
        names.show(*names.shown, f"new {len(names.shown)}")
        names.deny(permission)
        inventory.tomorrow()
        run = inventory.collect()
        assert run.exit_code == 3
        assert {hole.outcome for hole in run.holes} == {"denied"}, run.said
        assert all(words in hole.next_step for hole in run.holes), run.holes
        assert inventory.names() == before
        names.mend()
        assert inventory.collect().is_clean
        assert inventory.names() == names.truth


@pytest.mark.parametrize("outcome", ["expired", "failed"])
def test_names_of_a_provider_that_does_not_answer_stay(names: Names, inventory: Ledger, outcome: str) -> None:
    names.expire() if outcome == "expired" else names.break_for_ever()
    inventory.tomorrow()
    run = inventory.collect()
    assert run.exit_code == 3
    assert {hole.outcome for hole in run.holes} == {outcome}, run.said
    assert run.seconds < 5 * DEADLINE
    assert inventory.names() == names.truth
    names.mend()
    names.throttle(2)
    run = inventory.collect()
    assert run.is_clean, run.said


@pytest.mark.usefixtures("without_rules")
def test_names_can_be_made_again_from_landing(names: Names, inventory: Ledger) -> None:
    names.show("search", "labs")
    inventory.tomorrow()
    assert inventory.collect().is_clean
    (inventory.workspace.folder / "finops.duckdb").unlink()
    built = inventory.finops("build", "--full", "--json")
    assert built.exit_code in (0, 1), built.err
    assert inventory.names() == names.truth
    assert inventory.collect().is_clean
    assert inventory.names() == names.truth


def test_names_take_no_other_permissions_and_show_no_secret(names: Names, inventory: Ledger) -> None:
    the_policy_is_what_was_used(names, inventory)
    names.expire()
    inventory.collect()
    assert inventory.secrets_found() == []
