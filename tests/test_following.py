"""Fees follow usage: which charges are fees, what they follow, and in which proportions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules_kit import ALLOCATION, TODAY, new_ledger, write_mappings

from finops.pipeline.build import build
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection

Charges = Sequence[Mapping[str, Any]]
SEARCH = {"from": "2026-10-05", "cost": 30, "ResourceId": "i-1", "Tags": {"team": "search"}}
VISION = {"from": "2026-10-05", "cost": 10, "ResourceId": "i-2", "Tags": {"team": "vision"}}
TAX = {"from": "2026-10-01", "cost": 8, "ChargeCategory": "Tax"}


def built(charges: Charges, mappings: Path | None = None, catalogue: Catalogue = ALLOCATION) -> Connection:
    con = new_ledger(charges)
    build(con, catalogue, mappings, TODAY)
    return con


def shares(con: Connection, where: str = "ChargeCategory = 'Tax'") -> dict[str, Decimal]:
    """Who pays how much of some charges."""
    return dict(con.execute(
        f"SELECT Team, sum(AllocatedBilledCost) FROM allocation.charges WHERE {where} GROUP BY Team").fetchall())  # fmt: skip


@pytest.mark.parametrize(
    ("charge", "fee"),
    [
        ({"ChargeCategory": "Tax"}, "tax"),
        ({"ChargeCategory": "Tax", "ResourceId": "i-1"}, "tax"),
        ({"ChargeCategory": "Credit"}, "credit"),
        ({"ChargeCategory": "Credit", "ResourceId": " "}, "credit"),
        ({"ChargeCategory": "Credit", "ResourceId": "i-1"}, None),
        ({"ChargeClass": "Correction"}, "credit"),
        ({"ChargeClass": "Correction", "ResourceId": "i-1"}, None),
        ({"ChargeCategory": "Adjustment"}, "credit"),
        ({"ServiceProviderName": "Seller", "ServiceName": "Logs", "x_ServiceCode": "abc"}, "marketplace"),
        ({"ServiceProviderName": "Seller", "ServiceName": "Logs", "x_ServiceCode": "abc", "ResourceId": "i-1"}, None),
        ({"x_ServiceCode": "AWSSupportBusiness"}, "support"),
        ({"CommitmentDiscountId": "c", "CommitmentDiscountStatus": "Unused", "ResourceId": "c"}, "commitment"),
        ({"CommitmentDiscountId": "c", "ChargeCategory": "Purchase", "ResourceId": "c"}, "commitment"),
        ({"CommitmentDiscountId": "c", "CommitmentDiscountStatus": "Used", "ResourceId": "i-1"}, None),
        ({"ChargeCategory": "Purchase"}, None),
        ({"ChargeCategory": "Usage"}, None),
    ],
)
def test_what_a_fee_is(charge: Mapping[str, Any], fee: str | None) -> None:
    con = built([charge])
    said = "x_WorkloadKind, ChargeCategory, ChargeClass, ResourceId"
    found = con.execute(f"SELECT allocation.fee({said}), allocation.is_fee({said}) FROM ledger.dimensions").fetchall()
    assert found == [(fee, fee is not None)]


def test_each_month_follows_its_own_usage() -> None:
    """One kind of tax, charged every month, is divided by each month's usage."""
    con = built(
        [
            SEARCH,
            {**VISION, "from": "2026-09-05"},
            {**TAX, "from": "2026-09-01", "until": "2026-10-30", "every": "month"},
        ]
    )
    found = con.execute("SELECT month(ChargePeriodStart), Team, AllocatedBilledCost FROM allocation.charges "
                        "WHERE ChargeCategory = 'Tax' ORDER BY ALL").fetchall()  # fmt: skip
    assert found == [(9, "vision", 8), (10, "search", 8)]


def test_usage_that_went_to_a_pool_is_followed_into_the_pool(tmp_path: Path) -> None:
    mappings = write_mappings(tmp_path, {
        "teams": [{"team": "search"}, {"team": "vision"}],
        "pools": [{"pool": "shared", "split": "even"}],
        "resources": [{"pattern": "cluster", "team": "shared"}],
    })  # fmt: skip
    con = built([SEARCH, {"from": "2026-10-05", "cost": 10, "ResourceId": "cluster"}, TAX], mappings)
    assert shares(con) == {"search": 7, "vision": 1}
    assert con.execute("SELECT Team, weight FROM allocation.pool_step WHERE pool LIKE 'tax%' ORDER BY Team").fetchall() == [
        ("search", Decimal("0.75")), ("shared", Decimal("0.25"))]  # fmt: skip


def test_usage_that_a_rule_shared_is_followed_into_its_shares(tmp_path: Path) -> None:
    rule = tmp_path / "allocate" / "half.sql"
    rule.parent.mkdir()
    rule.write_text(
        "/*\nid: half\ntitle: Half and half\nversion: 1\nowner: me\norder: 15\nmethod: split\nwhy: it is\n*/\n"
        "SELECT x_DimensionId, unnest(['search', 'vision']) AS Team, 1 AS Weight, 'half' AS x_AllocationReason "
        "FROM allocation.remaining WHERE ResourceId = 'cluster'"
    )
    con = built([SEARCH, {"from": "2026-10-05", "cost": 10, "ResourceId": "cluster"}, TAX], None, Catalogue(tmp_path))
    assert shares(con) == {"search": 7, "vision": 1}


def test_what_nobody_has_for_a_part_of_the_time_takes_part_as_unallocated(tmp_path: Path) -> None:
    rule = tmp_path / "allocate" / "until.sql"
    rule.parent.mkdir()
    rule.write_text(
        "/*\nid: until\ntitle: For a while\nversion: 1\nowner: me\norder: 15\nmethod: mapped\nvalid_until: 2026-10-08\nwhy: it is\n*/\n"
        "SELECT x_DimensionId, 'search' AS Team, 'mine' AS x_AllocationReason FROM allocation.remaining WHERE ResourceId = 'box'"
    )
    box = {"from": "2026-10-02", "until": "2026-10-10", "cost": 1, "ResourceId": "box"}
    con = built([box, TAX], None, Catalogue(tmp_path))
    assert shares(con) == {"search": 6, "unallocated": 2}


def test_what_nobody_has_at_all_is_not_followed() -> None:
    """A fee that would be nobody's in full is left to the rules that come later, not called divided."""
    con = built([{**SEARCH, "Tags": None}, TAX])
    assert con.execute("SELECT DISTINCT Team, x_AllocationMethod FROM allocation.charges").fetchall() == [
        ("unallocated", "default")
    ]


def test_fees_do_not_follow_fees() -> None:
    """A team's own tax does not raise its share of the tax that nobody has."""
    con = built(
        [SEARCH, VISION, {**TAX, "cost": 1000, "Tags": {"team": "vision"}}, {**TAX, "ChargeDescription": "VAT"}]
    )
    assert shares(con, "ChargeDescription = 'VAT'") == {"search": 6, "vision": 2}


def test_a_mapped_account_is_followed_too(tmp_path: Path) -> None:
    """Its fees are not the account's team's: a tagged machine in it bears its part."""
    mappings = write_mappings(tmp_path, {"accounts": [{"account_id": "111111111111", "team": "search"}]})
    con = built([{**SEARCH, "Tags": None}, VISION, TAX], mappings)
    assert shares(con) == {"search": 6, "vision": 2}


def test_a_tag_of_the_resource_comes_before_the_callers_and_the_accounts() -> None:
    tags = {"accountTag/team": "platform", "iamPrincipal/team": "vision", "team": "search"}
    for gone, team in (("", "search"), ("team", "vision"), ("iamPrincipal/team", "platform")):
        tags.pop(gone, None)
        assert shares(built([{"cost": 1, "Tags": tags}]), "TRUE") == {team: 1}


USAGE = st.fixed_dictionaries(
    {
        "cost": st.decimals(min_value=-1000, max_value=10**6, places=6, allow_nan=False, allow_infinity=False),
        "Tags": st.none() | st.sampled_from(["a", "b", "c"]).map(lambda team: {"team": team}),
        "SubAccountId": st.sampled_from(["1", "2"]),
        "x_ServiceCode": st.sampled_from(["EC2", "S3"]),
        "BillingCurrency": st.sampled_from(["USD", "EUR"]),
        "from": st.sampled_from(["2026-09-05", "2026-10-05"]),
    }
)


def expected_weights(usage: Charges) -> dict[str, Decimal]:
    """The mix of the nearest usage in dollars in October: EC2 in account 1, then account 1, then EC2 anywhere, then anything."""
    usage = [each for each in usage if each["BillingCurrency"] == "USD" and each["from"] == "2026-10-05"]
    circles = (
        lambda each: each["SubAccountId"] == "1" and each["x_ServiceCode"] == "EC2",
        lambda each: each["SubAccountId"] == "1",
        lambda each: each["x_ServiceCode"] == "EC2",
        lambda each: True,
    )
    for circle in circles:
        mix: dict[str, Decimal] = defaultdict(Decimal)
        for each in filter(circle, usage):
            mix[each["Tags"]["team"] if each["Tags"] else "unallocated"] += each["cost"]
        mix = {team: cost for team, cost in mix.items() if cost > 0}
        if mix:
            return {team: cost / sum(mix.values()) for team, cost in mix.items()}
    return {"unallocated": Decimal(1)}


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(USAGE, max_size=8), st.decimals(min_value=-100, max_value=100, places=2))
def test_tax_is_in_proportion_to_the_nearest_usage(usage: list[dict[str, Any]], tax: Decimal) -> None:
    charges = [{**each, "ResourceId": f"i-{number}"} for number, each in enumerate(usage)]
    con = built([*charges, {**TAX, "cost": tax, "SubAccountId": "1", "x_ServiceCode": "EC2"}])
    found, wanted = shares(con), expected_weights(usage)
    assert sum(found.values()) == tax
    for team in found.keys() | wanted.keys():
        assert abs(found.get(team, Decimal(0)) - tax * wanted.get(team, Decimal(0))) < Decimal("0.000001"), team
    con.close()
