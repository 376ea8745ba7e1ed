"""What the providers charge for a day: made from a seed, the same in every run.

A charge states its money itself, apart from the cells that a provider writes: the world's totals are sums over charges, and
owe nothing to how a bill is rendered or read.
"""

from __future__ import annotations

import calendar
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

AWS, FOCUS, GCP, OPENAI, ANTHROPIC = SOURCES = ("aws", "aws-focus", "gcp", "openai", "anthropic")


@dataclass(frozen=True)
class Charge:
    """One line of a bill."""

    start: datetime
    month: date
    """The first of the billing period that it is on, which need not be the month of its day."""
    billed: Decimal
    effective: Decimal
    currency: str = "USD"
    hours: int = 1
    written: date = date.min
    """Google only: the day on which the row got into the table."""
    cells: Mapping[str, Any] = field(default_factory=dict)
    """What else the provider writes, in its own words."""


class Total(NamedTuple):
    """What a month comes to in one currency."""

    rows: int
    billed: Decimal
    effective: Decimal


Totals = dict[tuple[str, date], Total]
"""By currency and month."""


def totals(charges: Iterable[Charge]) -> Totals:
    """The sums, per currency and month."""
    found: Totals = {}
    for each in charges:
        rows, billed, effective = found.get((each.currency, each.month), (0, Decimal(0), Decimal(0)))
        found[each.currency, each.month] = Total(rows + 1, billed + each.billed, effective + each.effective)
    return found


def first_of(day: date) -> date:
    """The first of a day's month."""
    return day.replace(day=1)


def following(month: date) -> date:
    """The first of the next month."""
    return (month + timedelta(days=32)).replace(day=1)


def charges_of(source: str, day: date) -> list[Charge]:
    """What a source charges for a day."""
    dice = random.Random(f"{source} {day}")
    return {AWS: _aws, FOCUS: _focus, GCP: _gcp, OPENAI: _openai, ANTHROPIC: _anthropic}[source](day, dice)


def amount(dice: random.Random, around: str, digits: int = 6) -> Decimal:
    """Some money: up to a fifth more than ``around``, with so many digits after the point."""
    return (Decimal(around) * (1 + Decimal(dice.randrange(200_000)) / 1_000_000)).quantize(Decimal(1).scaleb(-digits))


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour)


PAYER, MEMBER = "111122223333", "444455556666"
PLAN = f"arn:aws:savingsplans::{PAYER}:savingsplan/6f0ef6a1"


def _aws(day: date, dice: random.Random) -> list[Charge]:
    """Two accounts: machines, an endpoint, requests too cheap to see, a savings plan with a fee ahead, every Monday a credit and its tax."""

    def line(hour: int, kind: str, billed: Decimal, effective: Decimal | None = None, **cells: Any) -> Charge:
        cells = {"line_item_line_item_type": kind, "line_item_usage_account_id": PAYER, **cells}
        return Charge(_at(day, hour), first_of(day), billed, billed if effective is None else effective, cells=cells)

    ec2 = {"line_item_product_code": "AmazonEC2", "line_item_resource_id": "i-0a1b2c3d4e5f60718"}
    machine = {**ec2, "line_item_usage_type": "EU-BoxUsage:m5.large", "product_instance_type": "m5.large"}
    endpoint = {
        "line_item_product_code": "AmazonSageMaker", "line_item_usage_type": "USE1-Host:ml.g5.xlarge",
        "line_item_resource_id": f"arn:aws:sagemaker:us-east-1:{MEMBER}:endpoint/ranker",
        "line_item_usage_account_id": MEMBER, "resource_tags": {"user_team": "search"},
    }  # fmt: skip
    covered = {**ec2, "line_item_usage_type": "USE1-BoxUsage:p4d.24xlarge", "savings_plan_savings_plan_a_r_n": PLAN}
    list_price, used = Decimal("32.7726"), Decimal("20.1234567")
    found = [
        line(0, "Usage", amount(dice, "0.107"), **machine),
        line(13, "Usage", amount(dice, "0.107"), **machine),
        line(8, "Usage", amount(dice, "1.408"), **endpoint),
        line(9, "Usage", amount(dice, "1.408"), **endpoint),
        line(11, "Usage", amount(dice, "0.0000004", 10), line_item_product_code="AmazonS3",
             line_item_usage_type="Requests-Tier1", line_item_resource_id="acme-data"),
        line(10, "SavingsPlanCoveredUsage", list_price, used, savings_plan_savings_plan_effective_cost=used, **covered),
        line(10, "SavingsPlanNegation", -list_price, Decimal(0), **covered),
        line(10, "SavingsPlanRecurringFee", Decimal("24.5"), Decimal("24.5") - used,
             line_item_product_code="ComputeSavingsPlans", line_item_usage_type="ComputeSP:1yrNoUpfront",
             savings_plan_savings_plan_a_r_n=PLAN, savings_plan_total_commitment_to_date=Decimal("24.5"),
             savings_plan_used_commitment=used),
    ]  # fmt: skip
    if day.day == 1:
        found.append(
            line(0, "SavingsPlanUpfrontFee", Decimal("120.5"), Decimal(0), line_item_product_code="ComputeSavingsPlans",
                 line_item_usage_type="ComputeSP:1yrPartialUpfront", savings_plan_savings_plan_a_r_n=PLAN)
        )  # fmt: skip
    if day.weekday() == 0:
        service = {"line_item_product_code": "AmazonEC2", "line_item_usage_type": "EU-BoxUsage:m5.large"}
        found.append(
            line(0, "Credit", -amount(dice, "5"), line_item_line_item_description="Migration credit", **service)
        )
        found.append(line(0, "Tax", amount(dice, "9.5", 2), line_item_tax_type="VAT", **service))
    return found


LABS = "777788889999"


def _focus(day: date, dice: random.Random) -> list[Charge]:
    """Another organisation, whose export is in FOCUS: usage, a prepaid commitment's share, every Friday a credit."""

    def line(hour: int, billed: Decimal, effective: Decimal, **cells: Any) -> Charge:
        return Charge(_at(day, hour), first_of(day), billed, effective, cells={"chargecategory": "Usage", **cells})

    box = {
        "servicename": "Amazon Elastic Compute Cloud",
        "resourceid": "i-0feedc0ffee",
        "skumeter": "BoxUsage:c6i.large",
    }
    tokens = {"servicename": "Amazon Bedrock", "skumeter": "USE1-Claude4Sonnet-input-tokens", "tags": {"team": "chat"}}
    hours = [amount(dice, "0.085"), amount(dice, "0.085"), amount(dice, "0.0312345678", 10)]
    covered = amount(dice, "0.7")
    found = [
        line(1, hours[0], hours[0], **box),
        line(17, hours[1], hours[1], **box),
        line(12, hours[2], hours[2], **tokens),
        line(6, Decimal(0), covered, commitmentdiscountid="ri-1", commitmentdiscountstatus="Used",
             commitmentdiscounttype="Reserved Instance", commitmentdiscountcategory="Usage", **box),
    ]  # fmt: skip
    if day.weekday() == 4:
        credit = -amount(dice, "1.5")
        found.append(line(0, credit, credit, chargecategory="Credit", servicename="Amazon Elastic Compute Cloud"))
    return found


GCP_ACCOUNT = "0A1B2C-3D4E5F-607182"
COMPUTE = {"id": "6F81-5844-456A", "description": "Compute Engine"}
VERTEX = {"id": "C7E2-9256-1C43", "description": "Vertex AI"}


def gcp_row(
    start: datetime, month: date, written: date, cost: Decimal, credits: tuple[Decimal, ...] = (), **cells: Any
) -> Charge:
    """A row of the detailed export, in euros."""
    billed = cost + sum(credits, Decimal(0))
    named = [
        {"name": f"Discount {number}", "amount": each, "full_name": f"Discount {number}", "id": f"d{number}",
         "type": "SUSTAINED_USAGE_DISCOUNT"}
        for number, each in enumerate(credits, start=1)
    ]  # fmt: skip
    cells = {"service": COMPUTE, "cost_type": "regular", "credits": named, **cells}
    return Charge(start, month, billed, billed, "EUR", 1, written, cells)


def _gcp(day: date, dice: random.Random) -> list[Charge]:
    """Machines with two discounts, an endpoint, and two rows that are alike and both owed.

    Rows are in the table the day after; those of the endpoint three days after. The last hours of a month are on the next
    month's invoice.
    """
    box = {
        "sku": {"id": "2E27-4F75-95CD", "description": "N1 Predefined Instance Core running in EMEA"},
        "project": {"id": "acme-web", "name": "acme-web", "labels": [{"key": "team", "value": "web"}]},
        "resource": {"name": "web-1", "global_name": "//compute.googleapis.com/projects/1/zones/z/instances/7"},
    }
    tokens = {
        "service": VERTEX, "sku": {"id": "AAAA-BBBB-CCCC", "description": "Gemini 3.7 Flash Global Text Input - Predictions"},
        "project": {"id": "acme-ml", "name": "acme-ml", "labels": []},
    }  # fmt: skip
    rows, soon, late = [], day + timedelta(days=1), day + timedelta(days=3)
    turn = day.day == calendar.monthrange(day.year, day.month)[1]
    last = following(first_of(day)) if turn else first_of(day)
    cost = amount(dice, "0.45")
    rows.append(
        gcp_row(
            _at(day, 7), first_of(day), soon, cost, (-(cost / 10).quantize(Decimal("1e-6")), Decimal("-0.01")), **box
        )
    )
    rows.append(gcp_row(_at(day, 23), last, soon, amount(dice, "0.45"), **box))
    rows += [gcp_row(_at(day, 12), first_of(day), soon, Decimal("0.1"), **tokens)] * 2
    rows.append(gcp_row(_at(day, 22), last, late, amount(dice, "0.0000312", 10), **tokens))
    if day.day == 1:
        rows.append(gcp_row(_at(day, 0), first_of(day), soon, amount(dice, "3.8", 2), cost_type="tax",
                            sku={"id": "TAX", "description": "VAT"}, service={"id": "TAX", "description": "Invoice"}))  # fmt: skip
    return rows


def _openai(day: date, dice: random.Random) -> list[Charge]:
    """Two projects from June on, amounts in dollars."""
    if day < date(2026, 6, 1):
        return []
    lines = [
        ("proj_search", "gpt-5, input", "3.1"),
        ("proj_search", "gpt-5, output", "12.4"),
        ("proj_chat", "gpt-5-mini, input", "0.06"),
    ]
    return [
        Charge(_at(day, 0), first_of(day), money, money, hours=24, cells={"project_id": project, "line_item": item})
        for project, item, around in lines
        for money in [amount(dice, around, 8)]
    ]


def _anthropic(day: date, dice: random.Random) -> list[Charge]:
    """Two workspaces from July on. The report states cents."""
    if day < date(2026, 7, 1):
        return []
    found = []
    for workspace, kind, around in (
        ("wrkspc_a", "input", "412"),
        ("wrkspc_a", "output", "1930"),
        (None, "input", "0.5"),
    ):
        cents = amount(dice, around, 5)
        cells = {
            "workspace_id": workspace, "model": "claude-sonnet-5", "token_type": f"{kind}_tokens",
            "description": f"Claude Sonnet 5 Usage - {kind} tokens",
        }  # fmt: skip
        found.append(Charge(_at(day, 0), first_of(day), cents / 100, cents / 100, hours=24, cells=cells))
    return found
