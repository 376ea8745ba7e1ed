"""Each named analysis of the demo company's bills adds up to what the ledger's own tables hold: nothing lost, nothing twice.

The expected sums come from ledger.charge and ledger.dimension, not from the views that the analyses read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from finops.pipeline.build import build
from finops.pipeline.loading import Loader
from finops.reports.analyses import run_analysis
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection, connect
from finops.warehouse.landing import Landing
from finops.warehouse.schema import migrate

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
TODAY = date(2026, 10, 26)
WEEK = ("2026-10-19", "2026-10-26")
THIRTEEN_WEEKS = ("2026-07-27", "2026-10-26")
CATALOGUE = Catalogue()


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    con = connect(None)
    migrate(con)
    loader = Loader(con, Landing(tmp_path_factory.mktemp("landing")), CATALOGUE)
    for source in ("aws-cur2", "gcp/usd", "gcp/eur", "azure"):
        assert not loader.load_paths([FIXTURES / "deliveries" / source], source.replace("/", "-")).problems
    build(con, CATALOGUE, FIXTURES / "workspace" / "mappings", TODAY)
    yield con
    con.close()


def in_ledger(con: Connection, period: tuple[str, str], where: str = "true") -> dict[str, Decimal]:
    """Effective cost per currency of a period, from the tables."""
    rows = con.execute(
        "SELECT d.BillingCurrency, sum(c.BilledCost + c.EffectiveCostDelta) FROM ledger.charge AS c "
        "JOIN ledger.dimension AS d USING (dimension_id) "
        f"WHERE c.ChargePeriodStart >= DATE '{period[0]}' AND c.ChargePeriodStart < DATE '{period[1]}' AND {where} GROUP BY 1"
    ).fetchall()
    return dict(rows)


def summed(con: Connection, query_id: str, column: str = "EffectiveCost") -> dict[str, Decimal]:
    """The same from an analysis of last week."""
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for record in run_analysis(con, CATALOGUE.get(query_id, "analyses"), {"period": "2026-W43"}, TODAY).records():
        totals[record["BillingCurrency"]] += record[column]
    return dict(totals)


@pytest.mark.parametrize(
    "query_id",
    [
        "allocation_coverage",
        "spend_by_account",
        "spend_by_service",
        "spend_by_team",
        "spend_by_workload_kind",
        "top_resources",
    ],
)
def test_a_breakdown_is_the_whole_of_the_week(con: Connection, query_id: str) -> None:
    assert summed(con, query_id) == in_ledger(con, WEEK)


@pytest.mark.parametrize("query_id", ["spend_daily", "spend_weekly"])
def test_a_series_is_the_whole_of_thirteen_weeks(con: Connection, query_id: str) -> None:
    assert summed(con, query_id) == in_ledger(con, THIRTEEN_WEEKS)


def test_untagged_spend_is_what_no_team_has(con: Connection) -> None:
    teams = run_analysis(con, CATALOGUE.get("spend_by_team", "analyses"), {"period": "2026-W43"}, TODAY).records()
    owned: dict[str, Decimal] = defaultdict(Decimal)
    for each in teams:
        owned[each["BillingCurrency"]] += each["EffectiveCost"] * (each["Team"] != "unallocated")
    nobodys = {currency: total - owned[currency] for currency, total in in_ledger(con, WEEK).items()}
    assert summed(con, "untagged_spend") == nobodys
    assert summed(con, "untagged_by_owner", "UnallocatedCost") == nobodys
    assert nobodys["USD"] > 0


def test_tokens_are_what_is_classed_as_tokens(con: Connection) -> None:
    tokens = "dimension_id IN (SELECT dimension_id FROM ledger.dimension_class WHERE x_WorkloadKind LIKE 'tokens.%')"
    assert summed(con, "token_spend") == in_ledger(con, WEEK, tokens)


TRAINING = (
    "(d.ResourceId IN (SELECT ResourceId FROM ledger.dimension JOIN ledger.dimension_class USING (dimension_id) "
    "WHERE x_WorkloadKind LIKE 'training%') OR dimension_id IN (SELECT dimension_id FROM ledger.dimension_class "
    "WHERE x_WorkloadKind LIKE 'training%'))"
)
"""What is classed as training, and the other charges of the same resources."""


@pytest.mark.parametrize(
    "query_id", ["cost_per_training_run", "cost_per_experiment", "training_waste", "training_families"]
)
def test_training_is_what_is_classed_as_training_and_what_belongs_to_it(con: Connection, query_id: str) -> None:
    assert summed(con, query_id) == in_ledger(con, WEEK, TRAINING)
    assert summed(con, query_id)["USD"] > 425, "the job that ran for 60 hours, at least"


def test_a_commitment_is_used_or_unused(con: Connection) -> None:
    used, unused = summed(con, "commitments", "UsedCost"), summed(con, "commitments", "UnusedCost")
    committed = summed(con, "commitments", "CommittedCost")
    assert committed == {currency: used[currency] + unused[currency] for currency in committed}
    assert unused["USD"] > 5505, "the capacity reservation that nobody used"


def test_the_reason_for_tax_credits_and_support_is_in_their_rows(con: Connection) -> None:
    """Of a whole month: they are charged once a month, so a week may hold none."""
    query = CATALOGUE.get("tax_credits_support", "analyses")
    rows = run_analysis(con, query, {"period": "2026-09"}, TODAY).records()
    tax = sum(
        (row["EffectiveCost"] for row in rows if row["BillingCurrency"] == "USD" and "tax" in row["Kind"].lower()),
        Decimal(0),
    )
    assert tax == in_ledger(con, ("2026-09-01", "2026-10-01"), "d.ChargeCategory = 'Tax'")["USD"]


def test_every_check_of_the_last_build_is_listed_with_its_outcome(con: Connection) -> None:
    rows = run_analysis(con, CATALOGUE.get("data_checks", "analyses"), {}, TODAY).records()
    assert {row["CheckId"] for row in rows} == {query.id for query in CATALOGUE.layer("checks")}
    assert all(row["Passed"] for row in rows if row["Grade"] == "stop")
