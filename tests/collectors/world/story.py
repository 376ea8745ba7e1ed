"""Twelve weeks, told in order. Each event happens in its week, before the weekly run; hidden sources come back the week after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from .charges import ANTHROPIC, AWS, FOCUS, GCP, OPENAI, Charge, gcp_row
from .world import Week, World, dearer

MAY, JUNE, JULY, AUGUST, SEPTEMBER, OCTOBER = (date(2026, month, 1) for month in range(5, 11))
Event = Callable[[World], None]


def hidden(source: str, outcome: str, month: date | None = None) -> Event:
    """A source, or one month of it, cannot be read this week."""
    return lambda world: world.hide(source, outcome, month)


def odd(what: str) -> Event:
    """Something is peculiar this week that nothing should come of."""
    return lambda world: world.oddities.add(what)


def form(what: str) -> Event:
    """The form of a bill is another one from now on."""
    return lambda world: world.columns.add(what)


def restated(source: str, month: date, share: str) -> Event:
    """The usage of a month costs more or less than was said before."""
    return lambda world: world.restate(source, month, dearer(share))


def delivered_again(source: str, month: date) -> Event:
    """A month is written once more, to the byte as before."""
    return lambda world: world.deliver(source, month)


def a_day_less(world: World) -> None:
    """The restated July has a charge less than before: what was charged in error on the 4th is gone."""
    world.restate(AWS, JULY, lambda each: None if each.start == datetime(2026, 7, 4, 13) else each)


def late_rows(world: World) -> None:
    """Google finds usage of late July, and takes some back: on July's invoice and on August's."""
    written = date(2026, 8, 22)
    kind = {"sku": {"id": "LATE", "description": "N1 Predefined Instance Ram running in EMEA"}}
    correction = {**kind, "adjustment_info": {"id": "adj-1", "description": "Metering error", "mode": "PARTIAL_CORRECTION",
                                              "type": "USAGE_CORRECTION"}}  # fmt: skip
    world.write(
        GCP,
        *(gcp_row(datetime(2026, 7, day, 5), JULY, written, Decimal("0.37"), **kind) for day in range(20, 32)),
        gcp_row(datetime(2026, 7, 21, 7), JULY, written, Decimal("-0.451"), (Decimal("0.0451"),), **correction),
        gcp_row(datetime(2026, 7, 31, 23), AUGUST, written, Decimal("0.81"), **kind),
    )


def costs_of_a_closed_month(world: World) -> None:
    """Anthropic adds what it had forgotten to July."""
    cents = {"workspace_id": "wrkspc_a", "description": "Web Search Usage", "cost_type": "web_search"}
    world.write(
        ANTHROPIC, Charge(datetime(2026, 7, 30), JULY, Decimal("3.21005"), Decimal("3.21005"), hours=24, cells=cents)
    )


def month_turn(world: World) -> None:
    """AWS closes September: the invoice has its number, and August a refund. Google corrects April on October's invoice."""
    world.invoices |= {AUGUST: "INV-2026-08", SEPTEMBER: "INV-2026-09"}
    cells = {"line_item_line_item_type": "Refund", "line_item_usage_account_id": "444455556666",
             "line_item_product_code": "AmazonSageMaker", "line_item_usage_type": "USE1-Host:ml.g5.xlarge"}  # fmt: skip
    world.write(AWS, Charge(datetime(2026, 8, 12, 8), AUGUST, Decimal("-13.37"), Decimal("-13.37"), cells=cells))
    world.deliver(AWS, SEPTEMBER)
    kind = {"sku": {"id": "LATE", "description": "Commitment correction"}}
    world.write(GCP, gcp_row(datetime(2026, 4, 17, 9), OCTOBER, date(2026, 10, 4), Decimal("-2.5"), **kind))


def row_of_an_old_invoice(world: World) -> None:
    """Google adds a row to June's invoice, which weekly runs do not ask for any more, and which they see is new."""
    kind = {"sku": {"id": "LATE", "description": "Network Egress"}}
    world.write(GCP, gcp_row(datetime(2026, 6, 30, 9), JUNE, date(2026, 10, 17), Decimal("0.77"), **kind))


def long_closed(world: World) -> None:
    """AWS restates May and OpenAI June, at which weekly runs do not look any more."""
    world.restate(AWS, MAY, dearer("-0.03"))
    world.restate(OPENAI, JUNE, lambda each: replace(each, billed=each.billed * 2, effective=each.effective * 2))


STORY = (
    Week("the first run reads this month and the three before"),
    Week("AWS restates July: prices change, and a charge is gone", [restated(AWS, JULY, "-0.05"), a_day_less]),
    Week(
        "Google corrects July late; a column of the FOCUS export has another name",
        [late_rows, form("focus: x_discounts renamed")],
    ),
    Week(
        "the bucket of the AWS export denies all; Anthropic adds to a closed month",
        [hidden(AWS, "denied"), costs_of_a_closed_month],
    ),
    Week("AWS is readable again; everything stutters, and goes on", [odd("everything stutters")]),
    Week("half of an AWS export has arrived", [hidden(AWS, "incomplete", SEPTEMBER)]),
    Week("the other half is there; Google's table has lost its column 'cost'", [hidden(GCP, "changed")]),
    Week("the table is as it was; Anthropic's key has been revoked", [hidden(ANTHROPIC, "expired")]),
    Week("there is a new key; a month turns: invoices, a refund, a correction of April", [month_turn]),
    Week(
        "FOCUS comes twice and an old manifest again; AWS and OpenAI restate months of long ago",
        [delivered_again(FOCUS, SEPTEMBER), odd("an old manifest is uploaded again"), long_closed],
    ),
    Week(
        "Google's table has a column that nobody knows, and a row of June; AWS credits October",
        [form("gcp: a new column"), row_of_an_old_invoice, restated(AWS, OCTOBER, "-0.2")],
    ),
    Week("nothing is new", silent=True),
)
