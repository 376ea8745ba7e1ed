"""Cost Explorer: what a month costs to fetch is agreed to first, and what it holds adds up to the cent."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from conftest import Workspace

from finops.collectors.aws.cost_explorer import AwsCostExplorerCollector
from finops.collectors.aws.cost_explorer_pages import GROUPED_BY, METRICS
from finops.collectors.interface import Fetched, Offer, Outcome, Request, Trouble, Verdict
from finops.config.sources import AwsCostExplorer
from tests.collectors.fakes.aws import ACCOUNT, FakeAws
from tests.collectors.fakes.cost_explorer import PAYER, Charge, FakeCostExplorer

TODAY = date(2026, 10, 20)
SEPTEMBER, OCTOBER, NOVEMBER = date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1)
LAB, SHOP = "222222222222", "333333333333"
BILL = [
    Charge(date(2026, 9, 3), "Amazon Elastic Compute Cloud - Compute", "Usage", Decimal("10.0000000001"), quantity=Decimal(24), unit="Hrs"),
    Charge(date(2026, 9, 3), "Amazon Elastic Compute Cloud - Compute", "Usage", Decimal("0.5"), quantity=Decimal(7), unit="GB", account=LAB),
    Charge(date(2026, 9, 3), "Amazon Elastic Compute Cloud - Compute", "SavingsPlanCoveredUsage", Decimal("3"), Decimal("2"), LAB),
    Charge(date(2026, 9, 3), "Amazon Elastic Compute Cloud - Compute", "SavingsPlanNegation", Decimal("-3"), Decimal(0), LAB),
    Charge(date(2026, 9, 3), "Savings Plans for AWS Compute usage", "SavingsPlanRecurringFee", Decimal("2.4"), Decimal("0.4")),
    Charge(date(2026, 9, 4), "Amazon Relational Database Service", "DiscountedUsage", Decimal(0), Decimal("1.1")),
    Charge(date(2026, 9, 4), "Amazon Relational Database Service", "RIFee", Decimal("33"), Decimal("0.2")),
    Charge(date(2026, 9, 4), "AWS Lambda", "Credit", Decimal("-4.25"), account=LAB),
    Charge(date(2026, 9, 5), "AWS Lambda", "Refund", Decimal("-1.5")),
    Charge(date(2026, 9, 5), "AWS Lambda", "Usage", Decimal("7"), quantity=Decimal("1000000"), unit="Requests"),
    Charge(date(2026, 9, 30), "Tax", "Tax", Decimal("3.33"), account=SHOP),
    Charge(date(2026, 9, 30), "AWS Support (Business)", "Support", Decimal("29")),
]  # fmt: skip


@pytest.fixture
def fake() -> Iterator[FakeCostExplorer]:
    with FakeCostExplorer(charges=list(BILL)) as service:
        yield service


def source(fake: FakeCostExplorer, **options: Any) -> AwsCostExplorer:
    return AwsCostExplorer(
        type="aws-cost-explorer", anonymous=True, endpoints=fake.endpoints, **{"deadline": 5, **options}
    )


def collector(fake: FakeCostExplorer, **options: Any) -> AwsCostExplorerCollector:
    return AwsCostExplorerCollector("ce", source(fake, **options), Path())


def request(
    since: date = SEPTEMBER, until: date = OCTOBER, today: date = TODAY, known: dict[str, Fetched] | None = None
) -> Request:
    return Request(since, until, today, known or {})


def fetch(each: AwsCostExplorerCollector, offer: Offer, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    each.fetch(offer, offer.files, folder, lambda name, size: None)
    return folder


def landed(offer: Offer, folder: Path) -> dict[str, Fetched]:
    """What a run would know of an offer that it has fetched into a folder."""
    files = {path.name: ("", path) for path in folder.iterdir()}
    return {offer.key: Fetched(offer.version, datetime.now(tz=UTC), files)}


def collected(
    workspace: Workspace, fake: FakeCostExplorer, month: date = SEPTEMBER, today: date = TODAY, **options: Any
) -> None:
    """Fetch a month and load it."""
    following = date(month.year, month.month + 1, 1)
    each = collector(fake, **options)
    folder = fetch(
        each, each.look(request(month, following, today)).offers[0], workspace.folder / f"in-{time.time_ns()}"
    )
    result = workspace.finops("load", folder, "--source", "ce")
    assert result.exit_code == 0, result.err


# What it costs


def test_looking_costs_nothing_and_says_what_fetching_will(fake: FakeCostExplorer) -> None:
    listing = collector(fake).look(request(until=NOVEMBER))
    assert fake.paid_calls == []
    assert [(o.period, o.cost_usd, o.needs_approval) for o in listing.offers] == [
        (SEPTEMBER, Decimal("0.01"), True),
        (OCTOBER, Decimal("0.01"), True),
    ]
    assert listing.offers[0].note == "1 call at 0.01 USD, more if AWS answers in more pages"
    assert "name them in accounts" in listing.notes[0]


def test_each_account_is_a_call_and_the_configuration_may_agree(fake: FakeCostExplorer) -> None:
    offer = collector(fake, accounts=[LAB, SHOP], allow_cost=True).look(request()).offers[0]
    assert (offer.cost_usd, offer.needs_approval) == (Decimal("0.02"), False)


def test_the_pages_of_last_time_are_counted_in(fake: FakeCostExplorer, tmp_path: Path) -> None:
    fake.groups_per_page = 10
    each = collector(fake)
    offer = each.look(request(today=date(2026, 10, 2))).offers[0]
    known = landed(offer, fetch(each, offer, tmp_path))
    pages = len(fake.paid_calls)
    assert pages > 2
    again = each.look(request(today=date(2026, 10, 9), known=known)).offers[0]
    assert again.cost_usd == pages * Decimal("0.01")


def test_many_more_pages_than_announced_are_not_paid_for(fake: FakeCostExplorer, tmp_path: Path) -> None:
    fake.groups_per_page = 1
    each = collector(fake)
    offer = each.look(request()).offers[0]
    with pytest.raises(Trouble) as trouble:
        fetch(each, offer, tmp_path)
    assert trouble.value.outcome is Outcome.UNAPPROVED
    assert "allow_cost = true" in trouble.value.next_step
    assert len(fake.paid_calls) == 11
    agreed = collector(fake, allow_cost=True)
    fetch(agreed, agreed.look(request()).offers[0], tmp_path / "agreed")
    assert len(fake.paid_calls) > 30


# When it is fetched again


def test_a_month_is_asked_for_once_a_day(fake: FakeCostExplorer, tmp_path: Path) -> None:
    each = collector(fake)
    offer = each.look(request(today=date(2026, 10, 3))).offers[0]
    known = landed(offer, fetch(each, offer, tmp_path))
    assert each.look(request(today=date(2026, 10, 3), known=known)).offers[0].version == offer.version
    assert each.look(request(today=date(2026, 10, 4), known=known)).offers[0].version != offer.version


def test_a_settled_month_is_not_paid_for_again(fake: FakeCostExplorer, tmp_path: Path) -> None:
    each = collector(fake)
    offer = each.look(request(today=date(2026, 10, 16))).offers[0]  # 15 days after the month's end
    known = landed(offer, fetch(each, offer, tmp_path))
    later = each.look(request(today=date(2026, 12, 1), known=known)).offers[0]
    assert (later.version, later.cost_usd, later.needs_approval) == (offer.version, Decimal(0), False)
    others = collector(fake, accounts=[LAB]).look(request(today=date(2026, 12, 1), known=known)).offers[0]
    assert others.version != offer.version  # other accounts are asked for: another question


def test_an_estimated_month_is_not_settled_however_late(fake: FakeCostExplorer, tmp_path: Path) -> None:
    fake.estimated_from = date(2026, 9, 30)
    each = collector(fake)
    offer = each.look(request(today=date(2026, 11, 20))).offers[0]
    known = landed(offer, fetch(each, offer, tmp_path))
    assert each.look(request(today=date(2026, 11, 21), known=known)).offers[0].version != offer.version


def test_the_present_month_is_asked_for_up_to_today(fake: FakeCostExplorer, tmp_path: Path) -> None:
    each = collector(fake)
    fetch(each, each.look(request(OCTOBER, NOVEMBER)).offers[0], tmp_path)
    assert fake.paid_calls[0]["TimePeriod"] == {"Start": "2026-10-01", "End": "2026-10-21"}
    assert fake.paid_calls[0]["Granularity"] == "DAILY"


def test_months_that_are_not_kept_are_a_hole_and_those_to_come_are_nothing(fake: FakeCostExplorer) -> None:
    listing = collector(fake).look(request(date(2025, 7, 1), date(2027, 1, 1)))
    periods = [offer.period for offer in listing.offers]
    assert (periods[0], periods[-1], len(periods)) == (date(2025, 9, 1), OCTOBER, 14)
    assert [(trouble.outcome, trouble.period) for trouble in listing.troubles] == [
        (Outcome.MISSING, date(2025, 7, 1)),
        (Outcome.MISSING, date(2025, 8, 1)),
    ]
    assert "from 2025-09 on" in listing.troubles[0].what


# What comes of it


def test_the_ledger_adds_up_to_what_aws_calls_unblended_and_amortised(
    workspace: Workspace, fake: FakeCostExplorer
) -> None:
    fake.groups_per_page = 7
    collected(workspace, fake)
    assert len(fake.paid_calls) > 1
    assert workspace.query(
        "SELECT sum(BilledCost), sum(EffectiveCost), sum(x_DeliveredCost) FROM focus.cost_and_usage"
    ) == [
        (
            sum(c.unblended for c in BILL),
            sum(c.unblended if c.amortized is None else c.amortized for c in BILL),
            sum(c.unblended for c in BILL),
        )
    ]


def test_credits_refunds_and_tax_keep_their_sign_and_their_kind(workspace: Workspace, fake: FakeCostExplorer) -> None:
    collected(workspace, fake)
    rows = workspace.query(
        "SELECT x_LineItemType, ChargeCategory, ChargeClass, ChargeFrequency, BilledCost, EffectiveCost "
        "FROM focus.cost_and_usage WHERE x_LineItemType <> 'Usage' ORDER BY 1"
    )
    amounts = {(kind, *about): (billed, effective) for kind, *about, billed, effective in rows}
    assert amounts == {
        ("Credit", "Credit", None, "One-Time"): (Decimal("-4.25"), Decimal("-4.25")),
        ("DiscountedUsage", "Usage", None, "Usage-Based"): (0, Decimal("1.1")),
        ("RIFee", "Purchase", None, "Recurring"): (33, Decimal("0.2")),
        ("Refund", "Usage", "Correction", "One-Time"): (Decimal("-1.5"), Decimal("-1.5")),
        ("SavingsPlanCoveredUsage", "Usage", None, "Usage-Based"): (3, 2),
        ("SavingsPlanNegation", "Usage", None, "Usage-Based"): (-3, 0),
        ("SavingsPlanRecurringFee", "Purchase", None, "Recurring"): (Decimal("2.4"), Decimal("0.4")),
        ("Support", "Purchase", None, "Recurring"): (29, 29),
        ("Tax", "Tax", None, "One-Time"): (Decimal("3.33"), Decimal("3.33")),
    }


def test_types_as_the_console_spells_them_are_the_same_types(workspace: Workspace, fake: FakeCostExplorer) -> None:
    spelt = {"RIFee": "Recurring reservation fee", "DiscountedUsage": "Reservation applied usage", "Support": "Support fee",
             "SavingsPlanRecurringFee": "Savings Plan Recurring Fee"}  # fmt: skip
    columns = "ChargeCategory, ChargeFrequency, PricingCategory, ContractedCost, BilledCost"
    question = f"SELECT {columns} FROM focus.cost_and_usage ORDER BY ALL"
    collected(workspace, fake)
    as_in_a_report = workspace.query(question)
    fake.charges = [replace(each, record_type=spelt.get(each.record_type, each.record_type)) for each in BILL]
    (workspace.folder / "finops.duckdb").unlink()
    shutil.rmtree(workspace.folder / "landing")
    collected(workspace, fake)
    assert workspace.query(question) == as_in_a_report


def test_days_and_accounts_are_as_asked(workspace: Workspace, fake: FakeCostExplorer) -> None:
    collected(workspace, fake, accounts=[LAB, SHOP])
    assert [call["Filter"]["Dimensions"]["Values"] for call in fake.paid_calls] == [[LAB], [SHOP]]
    assert workspace.query(
        "SELECT BillingAccountId, SubAccountId, min(ChargePeriodStart)::VARCHAR, max(ChargePeriodEnd)::VARCHAR, "
        "any_value(BillingPeriodStart)::VARCHAR, any_value(BillingPeriodEnd)::VARCHAR, any_value(BillingCurrency), sum(BilledCost) "
        "FROM focus.cost_and_usage GROUP BY ALL ORDER BY 2"
    ) == [
        (PAYER, LAB, "2026-09-03 00:00:00", "2026-09-05 00:00:00", "2026-09-01 00:00:00", "2026-10-01 00:00:00", "USD", Decimal("-3.75")),
        (PAYER, SHOP, "2026-09-30 00:00:00", "2026-10-01 00:00:00", "2026-09-01 00:00:00", "2026-10-01 00:00:00", "USD", Decimal("3.33")),
    ]  # fmt: skip


def test_a_quantity_of_mixed_units_is_no_number(workspace: Workspace, fake: FakeCostExplorer) -> None:
    collected(workspace, fake)
    rows = workspace.query(
        "SELECT ServiceName, ConsumedQuantity, ConsumedUnit FROM focus.cost_and_usage WHERE x_LineItemType = 'Usage' ORDER BY 1"
    )
    assert rows == [
        ("AWS Lambda", Decimal(1000000), "Requests"),
        ("Amazon Elastic Compute Cloud - Compute", None, None),
    ]


def test_a_restated_month_replaces_what_was_there(workspace: Workspace, fake: FakeCostExplorer) -> None:
    collected(workspace, fake, today=date(2026, 10, 2))
    fake.charges = [*BILL[:-1], Charge(date(2026, 9, 30), "AWS Lambda", "Credit", Decimal("-100"))]
    collected(workspace, fake, today=date(2026, 10, 9))
    assert workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage") == [
        (sum((c.unblended for c in fake.charges), Decimal(0)),)
    ]
    assert workspace.query("SELECT count(*) FROM ops.loads WHERE status = 'superseded'") == [(1,)]


def test_landing_alone_makes_the_ledger_again(workspace: Workspace, fake: FakeCostExplorer) -> None:
    collected(workspace, fake, accounts=[LAB, SHOP])
    assert workspace.finops("build").exit_code == 0
    everything = "SELECT * EXCLUDE (x_DimensionId) FROM focus.cost_and_usage ORDER BY ALL"
    before = workspace.query(everything)
    (workspace.folder / "finops.duckdb").unlink()
    assert workspace.finops("build", "--full").exit_code == 0
    assert workspace.query(everything) == before


def test_a_month_without_charges_is_empty_and_no_error(workspace: Workspace, fake: FakeCostExplorer) -> None:
    fake.charges = []
    each = collector(fake)
    folder = fetch(each, each.look(request()).offers[0], workspace.folder / "in")
    loaded = workspace.finops("load", folder, "--json").json()["deliveries"]
    assert [(each["status"], each["format"]) for each in loaded] == [("empty", "aws_cost_explorer")]


def test_what_the_aws_command_prints_is_read_too(workspace: Workspace, fake: FakeCostExplorer) -> None:
    asked = {
        "TimePeriod": {"Start": "2026-09-01", "End": "2026-10-01"},
        "Metrics": ["UnblendedCost", "AmortizedCost", "UsageQuantity"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}, {"Type": "DIMENSION", "Key": "RECORD_TYPE"}],
    }
    result = workspace.finops("load", workspace.write("answer.json", json.dumps(fake.answer(asked))))
    assert result.exit_code == 0, result.err
    assert workspace.query(
        "SELECT BillingAccountId, SubAccountId, sum(BilledCost) FROM focus.cost_and_usage WHERE x_LineItemType = 'Tax' GROUP BY ALL"
    ) == [(None, SHOP, Decimal("3.33"))]


def test_an_answer_of_which_a_page_is_missing_is_not_loaded(workspace: Workspace, fake: FakeCostExplorer) -> None:
    fake.groups_per_page = 20
    each = collector(fake)
    folder = fetch(each, each.look(request()).offers[0], workspace.folder / "in")
    (folder / "all-0002.json").unlink()
    result = workspace.finops("load", folder)
    assert result.exit_code == 3
    assert "page that follows" in result.err


def test_an_answer_that_is_not_told_by_type_of_charge_is_no_bill(workspace: Workspace, fake: FakeCostExplorer) -> None:
    asked = {
        "TimePeriod": {"Start": "2026-09-01", "End": "2026-10-01"},
        "Metrics": ["UnblendedCost", "AmortizedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    result = workspace.finops("load", workspace.write("answer.json", json.dumps(fake.answer(asked))))
    assert result.exit_code == 4
    assert "recordtype" in result.err


def test_moto_is_read_as_aws_is(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    amount = {"Amount": "-1.25", "Unit": "USD"}
    day = {
        "TimePeriod": {"Start": "2026-09-01", "End": "2026-09-02"},
        "Estimated": False,
        "Groups": [{"Keys": ["AWS Lambda", "Credit"], "Metrics": dict.fromkeys(METRICS, amount)}],
    }
    grouped = [{"Type": "DIMENSION", "Key": key} for key in GROUPED_BY]
    seed = {"results": [{"ResultsByTime": [day], "GroupDefinitions": grouped, "DimensionValueAttributes": []}]}
    with FakeAws() as aws:
        aws.reset()
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        moto = HTTPConnection(*aws.moto_address)
        path = "/moto-api/static/ce/cost-and-usage-results"
        moto.request("POST", path, json.dumps(seed), {"Content-Type": "application/json"})
        assert moto.getresponse().status == 201
        each = AwsCostExplorerCollector("ce", AwsCostExplorer(type="aws-cost-explorer", deadline=5), Path())
        folder = fetch(each, each.look(request()).offers[0], workspace.folder / "in")
    assert workspace.finops("load", folder).exit_code == 0
    assert workspace.query("SELECT BillingAccountId, ChargeCategory, BilledCost FROM focus.cost_and_usage") == [
        (ACCOUNT, "Credit", Decimal("-1.25"))
    ]


# What may go wrong


def trouble_of(fake: FakeCostExplorer, folder: Path, **options: Any) -> Trouble:
    each = collector(fake, **options)
    offer = each.look(request()).offers[0]
    with pytest.raises(Trouble) as trouble:
        fetch(each, offer, folder)
    return trouble.value


def test_denied_names_the_permission(fake: FakeCostExplorer, tmp_path: Path) -> None:
    fake.fail(
        "AccessDeniedException",
        f"User: arn:aws:iam::{PAYER}:user/x is not authorized to perform: ce:GetCostAndUsage on resource: *",
    )
    trouble = trouble_of(fake, tmp_path)
    assert (trouble.outcome, trouble.period) == (Outcome.DENIED, None)
    assert "Allow ce:GetCostAndUsage" in trouble.next_step
    assert PAYER in trouble.where


@pytest.mark.parametrize(
    ("code", "message", "outcome", "step"),
    [
        ("DataUnavailableException", "The requested data is unavailable.", Outcome.MISSING, "The next run asks again"),
        ("AccessDeniedException", "User not enabled for cost explorer access", Outcome.MISSING, "Open Cost Explorer once"),
        ("AccessDeniedException", "Linked account doesn't have access to cost explorer", Outcome.DENIED, "In the management account"),
        ("ValidationException", "You can't retrieve data beyond the past 14 months", Outcome.MISSING, "--since"),
        ("ExpiredTokenException", "The security token included in the request is expired", Outcome.EXPIRED, "Give credentials"),
        ("RequestChangedException", "Your request parameters changed", Outcome.FAILED, ""),
    ],
)  # fmt: skip
def test_each_refusal_says_what_to_do(
    fake: FakeCostExplorer, tmp_path: Path, code: str, message: str, outcome: Outcome, step: str
) -> None:
    fake.fail(code, message)
    trouble = trouble_of(fake, tmp_path)
    assert trouble.outcome is outcome
    assert step in trouble.next_step


def test_throttling_passes(fake: FakeCostExplorer, tmp_path: Path) -> None:
    fake.fail("LimitExceededException", "You made too many calls in a short period of time.", times=1)
    each = collector(fake)
    folder = fetch(each, each.look(request()).offers[0], tmp_path)
    assert [path.name for path in folder.iterdir()] == ["all-0001.json"]


def test_throttling_does_not_go_on_for_ever(fake: FakeCostExplorer, tmp_path: Path) -> None:
    fake.fail("LimitExceededException", "You made too many calls in a short period of time.")
    started = time.monotonic()
    trouble = trouble_of(fake, tmp_path, deadline=1)
    assert trouble.outcome is Outcome.FAILED
    assert time.monotonic() - started < 4


def test_a_failure_between_pages_leaves_nothing_that_passes_for_a_month(
    fake: FakeCostExplorer, workspace: Workspace
) -> None:
    fake.groups_per_page = 20
    each = collector(fake)
    folder = workspace.folder / "in"
    answer = fake.answer

    def first_page_only(asked: dict[str, Any]) -> dict[str, Any]:
        fake.fail("AccessDeniedException", "revoked")
        return answer(asked)

    fake.answer = first_page_only  # type: ignore[method-assign]
    with pytest.raises(Trouble):
        fetch(each, each.look(request()).offers[0], folder)
    fake.answer = answer  # type: ignore[method-assign]
    fake.failures.clear()
    (folder / "all-0009.json").write_text("left behind")
    fetch(each, each.look(request()).offers[0], folder)
    assert (
        sorted(path.name for path in folder.iterdir())
        == ["all-0001.json", "all-0002.json", "all-0003.json"][: len(list(folder.iterdir()))]
    )
    assert workspace.finops("load", folder).exit_code == 0


def test_a_day_of_another_month_is_a_changed_api(fake: FakeCostExplorer, tmp_path: Path) -> None:
    answer = fake.answer
    fake.answer = lambda asked: answer({**asked, "TimePeriod": {"Start": "2026-08-01", "End": "2026-08-02"}})  # type: ignore[method-assign]
    assert trouble_of(fake, tmp_path).outcome is Outcome.CHANGED


def test_a_metric_that_is_gone_is_a_changed_api(fake: FakeCostExplorer, tmp_path: Path) -> None:
    answer = fake.answer
    fake.answer = lambda asked: answer({**asked, "Metrics": ["UnblendedCost"]})  # type: ignore[method-assign]
    trouble = trouble_of(fake, tmp_path)
    assert trouble.outcome is Outcome.CHANGED
    assert "AmortizedCost" in trouble.what


# As a user runs it


def configure(workspace: Workspace, fake: FakeCostExplorer, more: str = "") -> None:
    endpoints = ", ".join(f'{name} = "{url}"' for name, url in fake.endpoints.items())
    (workspace.folder / "finops.toml").write_text(
        f'[sources.ce]\ntype = "aws-cost-explorer"\nanonymous = true\nendpoints = {{ {endpoints} }}\n{more}\n'
    )


def test_without_approval_a_run_makes_no_paid_call_and_says_what_is_missing(
    workspace: Workspace, fake: FakeCostExplorer
) -> None:
    configure(workspace, fake)
    run = workspace.finops("--today", str(TODAY), "collect")
    assert run.exit_code == 3
    assert "--yes" in run.err and "allow_cost" in run.err
    assert fake.paid_calls == []


def test_a_dry_run_tells_the_cost_and_spends_nothing(workspace: Workspace, fake: FakeCostExplorer) -> None:
    configure(workspace, fake)
    run = workspace.finops("--today", str(TODAY), "collect", "--dry-run")
    assert run.exit_code == 0
    months = [
        line for line in (run.out + run.err).splitlines() if line.startswith("would fetch") and "0.01 USD" in line
    ]
    assert len(months) == 4  # the present month and the three before it
    assert fake.paid_calls == []


def test_each_month_is_paid_for_once_a_day_until_it_is_settled(workspace: Workspace, fake: FakeCostExplorer) -> None:
    fake.estimated_from = date(2026, 10, 1)
    configure(workspace, fake)
    assert workspace.finops("--today", str(TODAY), "collect", "--yes").exit_code == 0
    assert len(fake.paid_calls) == 4
    assert workspace.finops("--today", str(TODAY), "collect", "--yes").exit_code == 0
    assert len(fake.paid_calls) == 4
    fake.charges.append(Charge(date(2026, 10, 21), "AWS Lambda", "Usage", Decimal("0.07")))
    assert workspace.finops("--today", "2026-10-27", "collect", "--yes").exit_code == 0
    assert [call["TimePeriod"]["Start"] for call in fake.paid_calls[4:]] == ["2026-10-01"]
    total = workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage")[0][0]
    assert total == sum(charge.unblended for charge in fake.charges)
    assert workspace.query("SELECT DISTINCT grade FROM ops.loads WHERE row_count > 0") == [
        ("daily totals by service and type of charge; no resources, no hours, no tags",)
    ]


def test_an_answer_without_the_days_that_had_charges_is_a_hole(workspace: Workspace, fake: FakeCostExplorer) -> None:
    configure(workspace, fake, "allow_cost = true")
    workspace.finops("--today", "2026-10-05", "collect")
    before = workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage")
    answer = fake.answer
    fake.answer = lambda asked: answer(asked) | {"ResultsByTime": []}  # type: ignore[method-assign]

    run = workspace.finops("--today", "2026-10-06", "collect")

    assert run.exit_code == 3
    assert workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage") == before
    assert workspace.query("SELECT outcome, strftime(billing_period, '%Y-%m') FROM ops.holes") == [
        ("incomplete", "2026-09")
    ]
    fake.answer, fake.charges = answer, []  # type: ignore[method-assign]
    assert workspace.finops("--today", "2026-10-07", "collect").exit_code == 0
    assert workspace.query("SELECT count(*) FROM focus.cost_and_usage") == [(0,)], "days without groups are a statement"


def test_a_denied_run_keeps_the_months_it_had(workspace: Workspace, fake: FakeCostExplorer) -> None:
    configure(workspace, fake, "allow_cost = true")
    workspace.finops("--today", "2026-10-05", "collect")
    fake.fail("AccessDeniedException", "denied")
    run = workspace.finops("--today", "2026-10-12", "collect")
    assert run.exit_code == 3
    assert "ce:GetCostAndUsage" in run.err
    assert workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage") == [(sum(c.unblended for c in BILL),)]


# The doctor


def test_the_permissions_are_the_calls_that_are_made(fake: FakeCostExplorer, tmp_path: Path) -> None:
    each = collector(fake)
    each.examine(request())
    fetch(each, each.look(request()).offers[0], tmp_path)
    free = {"sts:GetCallerIdentity"}  # needs no permission
    assert {operation for operation, _ in fake.calls} - free == {each.action for each in each.permissions()}


def test_the_doctor_makes_no_paid_call(fake: FakeCostExplorer, tmp_path: Path) -> None:
    each = collector(fake)
    found = {finding.check: finding for finding in each.examine(request())}
    assert fake.paid_calls == []
    assert found["identity"].verdict is Verdict.OK and PAYER in found["identity"].detail
    assert found["ce:GetCostAndUsage"].verdict is Verdict.UNKNOWN
    assert found["approval"].verdict is Verdict.WARNING
    assert "no resources" in found["grade"].detail
    offer = each.look(request()).offers[0]
    known = landed(offer, fetch(each, offer, tmp_path))
    assert {f.check: f.verdict for f in each.examine(request(known=known))}["ce:GetCostAndUsage"] is Verdict.OK


def test_without_credentials_the_doctor_says_so(fake: FakeCostExplorer) -> None:
    fake.fail(
        "ExpiredToken",
        "The security token included in the request is expired",
        status=403,
        operation="sts:GetCallerIdentity",
    )
    assert [finding.verdict for finding in collector(fake).examine(request())] == [Verdict.FAILED]
    with pytest.raises(Trouble) as trouble:
        collector(fake).look(request())
    assert trouble.value.outcome is Outcome.EXPIRED
