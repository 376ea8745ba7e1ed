"""A team's part of what is shared, in percent: what its own page says is what the company's page says, or nothing."""

from __future__ import annotations

from typing import Any

from finops.reports.analyses import run_analysis
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection
from finops.warehouse.landing import Landing
from finops.warehouse.scope import Lens, looking_through
from reports.conftest import TODAY

Share = tuple[Any, Any, Any, Any]


def shares(con: Connection, lens: Lens, team: str) -> dict[tuple[Any, ...], Share]:
    lens.narrow(team)
    rows = run_analysis(con, Catalogue().get("shared_costs"), {"period": "2026-W43"}, TODAY, team).records()
    return {
        (row["Month"], row["Pool"], row["RuleId"], row["BillingCurrency"], row["Team"]): (
            row["EffectiveCost"], row["Weight"], row["SharePercent"], row["PoolEffectiveCost"]
        )
        for row in rows
    }  # fmt: skip


def test_a_teams_share_is_the_companys_or_not_said(demo: tuple[Connection, Landing]) -> None:
    con = demo[0]
    told = []
    with looking_through(con) as lens:
        company = shares(con, lens, "")
        for team in sorted({key[-1] for key in company}):
            for key, (cost, weight, percent, pool) in shares(con, lens, team).items():
                assert (cost, weight) == company[key][:2]
                assert percent in (None, company[key][2]), key
                assert pool in (None, company[key][3]), key
                told.append(percent)
    assert any(told), "of a pool with one weight the share is known"
    assert None in told, "what a rule shares by itself is many pools: a team knows only its own"
