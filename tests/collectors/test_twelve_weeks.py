"""Twelve weekly runs against a world that restates, is late, breaks off and locks us out: the ledger is always the world's.

The story is in ``world/story.py``. After every run the ledger holds, per currency and month, exactly what could be read so far
(rows, billed and effective cost), and every hole was reported: in ``ops.holes``, in ``--json`` and by exit code 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal

import pytest
from conftest import Result, Workspace

from .world.charges import SOURCES, Total, Totals
from .world.providers import Providers
from .world.story import STORY
from .world.world import Hole, World

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIATWELVEWEEKSSECRET",
    "AWS_SECRET_ACCESS_KEY": "twelve/weeks/of/the/aws/secret/key",
    "OPENAI_KEY": "sk-admin-twelve-weeks-of-openai",
    "ANTHROPIC_KEY": "sk-ant-admin01-twelve-weeks-of-anthropic",
}


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Providers]:
    """The fakes, on loopback ports."""
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    with Providers(openai_key=SECRETS["OPENAI_KEY"], anthropic_key=SECRETS["ANTHROPIC_KEY"]) as started:
        for name, value in started.environment().items():
            monkeypatch.setenv(name, value)
        yield started


def test_after_each_of_twelve_weekly_runs_the_ledger_is_the_worlds(workspace: Workspace, providers: Providers) -> None:
    workspace.write("finops.toml", "[warehouse]\nthreads = 1\n" + providers.configuration())
    world, said = World(STORY), ""
    for _ in STORY:
        week = world.advance()
        providers.show(world)
        providers.forget_calls()
        before = loads(workspace) if world.week > 1 else set()
        run = collect(workspace, world)
        said += run.out + run.err
        about = f"week {world.week}: {week.says}\n{run.err}"
        assert differences(ledger(workspace), world.truth) == [], about
        assert holes(workspace) == world.holes, about
        assert {each["source"] for each in run.json() if each["outcome"] not in ("complete", "empty")} == {
            each.source for each in world.holes
        }, about
        assert run.exit_code == (3 if world.holes else 0), about
        for hole in world.holes:
            assert hole.source in run.err, f"nobody was told\n{about}"
        LOOK_CLOSER.get(world.week, lambda *_: None)(workspace, providers, world, loads(workspace) - before)

    assert all(world.owed(source) == world.truth(source) for source in SOURCES), "in the end all that is owed was read"
    before = loads(workspace)
    (workspace.folder / "finops.duckdb").unlink()
    rebuilt = workspace.finops("--today", world.today.isoformat(), "build", "--full", "--json")
    assert rebuilt.exit_code == 0, rebuilt.err
    assert differences(ledger(workspace), world.owed) == [], "made again from landing alone"
    assert loads(workspace) == before

    providers.forget_calls()
    again = collect(workspace, world)
    assert again.exit_code == 0, again.err
    assert loads(workspace) == before
    assert providers.data_calls() == [], "a second run with nothing new lists, and fetches nothing"
    assert leaks(workspace, said + rebuilt.out + rebuilt.err + again.out + again.err) == []


def collect(workspace: Workspace, world: World, *args: str) -> Result:
    """The weekly run, at its most talkative."""
    return workspace.finops("--today", world.today.isoformat(), "-vv", "collect", "--json", *args)


def ledger(workspace: Workspace) -> dict[str, Totals]:
    """What the ledger has of each source, per currency and month."""
    found: dict[str, Totals] = {source: {} for source in SOURCES}
    for source, currency, month, *sums in workspace.query(
        "SELECT x_SourceId, BillingCurrency, BillingPeriodStart::DATE, count(*), sum(BilledCost), sum(EffectiveCost) "
        "FROM focus.cost_and_usage GROUP BY ALL"
    ):
        found[source][currency, month] = Total(*sums)
    return found


def differences(found: dict[str, Totals], expected: Callable[[str], Totals]) -> list[str]:
    """Where the ledger and the world differ."""
    return [
        f"{source} {month:%Y-%m} {currency}: {found[source].get((currency, month))}, not {should.get((currency, month))}"
        for source in SOURCES
        for should in [expected(source)]
        for currency, month in sorted({*found[source], *should})
        if found[source].get((currency, month)) != should.get((currency, month))
    ]


def holes(workspace: Workspace) -> set[Hole]:
    """What the ledger says is missing; each says where, and what to do."""
    rows = workspace.query("SELECT source_id, outcome, billing_period, what, place, next_step FROM ops.holes")
    assert all(all(row[3:]) for row in rows), rows
    return {Hole(source, outcome, month) for source, outcome, month, *_ in rows}


def loads(workspace: Workspace) -> set[tuple[str, str, date]]:
    """The deliveries that are in the ledger: (id, source, month)."""
    return set(
        workspace.query("SELECT load_id, source_id, billing_period_start::DATE FROM ops.loads WHERE status = 'current'")
    )


def leaks(workspace: Workspace, said: str) -> list[str]:
    """Where a secret can be read: in a file of the workspace, in a table, in what was said."""
    places = {str(path): path.read_bytes() for path in workspace.folder.rglob("*") if path.is_file()}
    with workspace.warehouse() as con:
        tables = con.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
        for schema, table in tables:
            places[f"{schema}.{table}"] = repr(con.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()).encode()
    places["the output"] = said.encode()
    return [
        f"{name} in {place}"
        for name, secret in SECRETS.items()
        for place, content in places.items()
        if secret.encode() in content
    ]


# what else is looked at in some weeks

Closer = Callable[[Workspace, Providers, World, set[tuple[str, str, date]]], None]


def the_report_shows_the_hole(workspace: Workspace, providers: Providers, world: World, new: object) -> None:
    calendar = ("--today", world.today.isoformat())
    assert workspace.finops(*calendar, "build").exit_code == 0
    assert workspace.finops(*calendar, "report", "--output", workspace.folder / "shown").exit_code == 0
    holes = next((workspace.folder / "shown").rglob("source_holes.csv")).read_text(encoding="utf-8-sig")
    page = next((workspace.folder / "shown").rglob("*.html")).read_text()
    for text in (holes, page):
        assert "denied" in text
        assert "s3:ListBucket" in text


def only_the_restated_months_were_loaded(
    workspace: Workspace, providers: Providers, world: World, new: set[tuple[str, str, date]]
) -> None:
    aws = {month for _, source, month in new if source == "aws"}
    assert aws == {date(2026, 7, 1), date(2026, 8, 1)}


def invoices_have_their_numbers(workspace: Workspace, providers: Providers, world: World, new: object) -> None:
    numbers = workspace.query(
        "SELECT DISTINCT BillingPeriodStart::DATE, InvoiceId FROM focus.cost_and_usage WHERE x_SourceId = 'aws' "
        "AND InvoiceId IS NOT NULL"
    )
    assert dict(numbers) == world.invoices
    assert workspace.query(
        "SELECT BilledCost, ChargeClass FROM focus.cost_and_usage WHERE x_LineItemType = 'Refund'"
    ) == [(Decimal("-13.37"), "Correction")]


def months_of_long_ago_need_since(workspace: Workspace, providers: Providers, world: World, new: object) -> None:
    assert world.owed("aws") != world.truth("aws")
    since = collect(workspace, world, "--since", "2026-05")
    assert since.exit_code == 0, since.err
    world.read([month for source in SOURCES for month in world.months(source)])
    assert differences(ledger(workspace), world.truth) == [], since.err


def nothing_was_fetched(
    workspace: Workspace, providers: Providers, world: World, new: set[tuple[str, str, date]]
) -> None:
    assert {source for _, source, _ in new} <= {"openai", "anthropic"}, "their days without costs are on new pages"
    assert providers.data_calls() == []


LOOK_CLOSER: dict[int, Closer] = {
    2: only_the_restated_months_were_loaded,
    4: the_report_shows_the_hole,
    9: invoices_have_their_numbers,
    10: months_of_long_ago_need_since,
    12: nothing_was_fetched,
}
