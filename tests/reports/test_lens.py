"""Charges that were added up give the same answers as charges, to the last digit; and so do a team's."""

from __future__ import annotations

from datetime import date

import pytest

from finops.periods import parse_period
from finops.reports.analyses import run_analysis
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection
from finops.warehouse.landing import Landing
from finops.warehouse.scope import Lens, looking_through

TODAY = date(2026, 10, 26)
CATALOGUE = Catalogue()
QUERIES = [query for query in CATALOGUE.layer("analyses") if query.extra.get("grain") == "period"]


@pytest.fixture
def con(demo: tuple[Connection, Landing]) -> Connection:
    """The bundled bills: two currencies, six sources, pools that are divided by rules and by weights."""
    return demo[0]


def answers(
    con: Connection, lens: Lens, period: str, team: str, *, added_up: bool
) -> dict[str, list[tuple[object, ...]]]:
    lens.narrow(team)
    lens.show(added_up=added_up)
    given = {query.id: {"period": period} if "period" in query.params else {} for query in QUERIES}
    return {query.id: list(run_analysis(con, query, given[query.id], TODAY, team).rows) for query in QUERIES}


@pytest.mark.parametrize(
    ("period", "team"),
    [
        ("2026-W43", ""),
        ("2026-09", ""),
        ("2026-10-03/2026-10-09", ""),
        ("2026-W43", "ml-research"),
        ("2026-09", "unallocated"),
    ],
)
def test_what_is_added_up_says_the_same(con: Connection, period: str, team: str) -> None:
    parsed = parse_period(period, TODAY)
    with looking_through(con) as lens:
        lens.add_up([parsed.previous().start, parsed.start, parsed.end])
        fast, slow = (answers(con, lens, period, team, added_up=each) for each in (True, False))
    for query_id, rows in slow.items():
        assert fast[query_id] == rows, query_id
    assert any(slow.values())


def test_the_teams_add_up_to_the_company(con: Connection) -> None:
    query = CATALOGUE.get("spend_by_service", "analyses")
    total = "SELECT BillingCurrency, sum(EffectiveCost), sum(BilledCost) FROM focus.cost_and_usage GROUP BY 1"
    with looking_through(con) as lens:
        whole = {row[0]: row[1:] for row in con.execute(total).fetchall()}
        parts: dict[str, list[tuple[object, ...]]] = {}
        for (team,) in con.execute("SELECT DISTINCT Team FROM allocation.charges").fetchall():
            lens.narrow(team)
            assert run_analysis(con, query, {}, TODAY, team).rows
            for currency, *sums in con.execute(total).fetchall():
                parts.setdefault(currency, []).append(tuple(sums))
    added = {currency: tuple(map(sum, zip(*rows, strict=True))) for currency, rows in parts.items()}
    assert added == whole


def test_afterwards_the_warehouse_is_seen_as_it_is(con: Connection) -> None:
    before = con.execute("SELECT current_database(), count(*) FROM allocation.charges").fetchall()
    with looking_through(con) as lens:
        lens.narrow("a team with ' in its name")
        assert con.execute("SELECT count(*) FROM allocation.charges").fetchall() == [(0,)]
    assert con.execute("SELECT current_database(), count(*) FROM allocation.charges").fetchall() == before
