"""The first lines: what moved, in words; the colours and the chart that go with it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from finops.periods import parse_period
from finops.reports.charts import Column, stacked_bars
from finops.reports.colours import tints
from finops.reports.compute import compute_report
from finops.reports.contexts import Headline, Report
from finops.rules.catalogue import Catalogue
from reports.conftest import TODAY, Books


def computed(books: Books, period: str = "last-week") -> Report:
    books.charge("2026-10-01T00", "1", "vision")  # the ledger reaches back
    return compute_report(books.con, Catalogue(), parse_period(period, TODAY), TODAY)


def headline(books: Books) -> Headline:
    return computed(books).headlines[0]


def test_the_largest_move_in_the_direction_of_the_total_comes_first(books: Books) -> None:
    books.charge("2026-10-13T00", "900", "search", resource="shrinking", kind="inference.endpoint")
    books.charge("2026-10-20T00", "100", "search", resource="shrinking", kind="inference.endpoint")
    books.charge("2026-10-20T00", "1500", "vision", resource="i-1", kind="gpu.ec2")
    result = headline(books)
    assert result.direction == "up"
    assert result.reason == "GPU instance i-1 in vision (new): +USD 1,500"
    assert result.change.signed == "+USD 700.00"


def test_jobs_that_come_and_go_under_new_names_are_no_news(books: Books) -> None:
    for name, day in (("nightly-20261013", 13), ("nightly-20261020", 20)):
        books.charge(f"2026-10-{day}T00", "452.25", "vision", resource=name, kind="training")
    books.charge("2026-10-20T00", "30", "search", resource="i-1", kind="gpu.ec2")
    assert headline(books).reason == "GPU instance i-1 in search (new): +USD 30"


def test_a_series_that_grew_is_one_move(books: Books) -> None:
    books.charge("2026-10-13T00", "10", "vision", resource="nightly-20261013", kind="training")
    for day in (19, 20, 21):
        books.charge(f"2026-10-{day}T00", "10", "vision", resource=f"nightly-202610{day}", kind="training")
    assert headline(books).reason == "training job nightly-* in vision: +USD 20"


def test_what_nobody_owns_is_said(books: Books) -> None:
    books.charge("2026-10-20T00", "30", None, service="Networking")
    assert headline(books).reason == "Networking owned by nobody (new): +USD 30"
    assert headline(books).unallocated_share == "100.0\N{NO-BREAK SPACE}%"


def test_the_same_cost_is_neither_up_nor_down(books: Books) -> None:
    for day in (13, 20):
        books.charge(f"2026-10-{day}T00", "30", "vision", resource="i-1")
    assert (headline(books).direction, headline(books).contributors) == ("same", ())


def test_savings_are_summed_as_far_as_known(books: Books) -> None:
    books.charge("2026-10-20T00", "30", "vision")
    books.finding("a", "idle", "1", "10")
    books.finding("b", "underused", "2", None)
    books.finding("c", "unknown", "4", None)
    result = headline(books)
    assert (result.saving.text, result.waste_count) == ("USD 10.00", 2)
    assert (result.unknown_cost.text, result.unknown_count) == ("USD 4.00", 1)


def test_savings_that_nobody_knows_are_unknown_and_none_is_zero(books: Books) -> None:
    books.charge("2026-10-20T00", "30", "vision")
    assert headline(books).saving.text == "USD 0.00", "no finding: nothing to save"
    books.finding("b", "underused", "2", None)
    assert headline(books).saving.text == "unknown"


def test_warnings_name_what_is_missing(books: Books) -> None:
    books.charge("2026-10-20T00", "30", "vision", source="stopped")
    books.con.execute(
        "INSERT INTO ops.sources VALUES ('closed', 'openai', NULL, 'denied', 'The key may not read costs.')"
    )
    books.con.execute(
        "INSERT INTO ops.checks VALUES ('r', 'tag_keys', 'tell', false, 'user_tema', TIMESTAMP '2026-10-26')"
    )
    assert computed(books).warnings == (
        "bill has no charges after 1 October: costs of this period are missing.",
        "closed is denied: its costs are not in this report. The key may not read costs.",
        "stopped has no charges after 20 October: costs of this period are missing.",
        "Check tag_keys: user_tema",
    )


class TestColours:
    def test_a_team_keeps_its_colour_when_another_joins(self) -> None:
        before = tints(["vision", "search", "payments"])
        after = tints(["vision", "search", "payments", "zeta"])
        assert {name: after[name] for name in before} == before

    def test_teams_differ_while_there_are_colours(self) -> None:
        given = tints([f"team-{number}" for number in range(10)])
        assert len(set(given.values())) == 10

    def test_nobody_is_grey(self) -> None:
        assert tints(["unallocated"]) == {"unallocated": "tint-nobody"}


class TestChart:
    @pytest.mark.parametrize(
        ("largest", "ticks"), [("65926", ["0", "20k", "40k", "60k", "80k"]), ("0.8", ["0", "0.20"])]
    )
    def test_the_scale_is_round(self, largest: str, ticks: list[str]) -> None:
        chart = stacked_bars("c", "t", "d", "USD", [Column("1", "one", {"a": Decimal(largest)})], ["a"], {})
        assert [tick.label for tick in chart.ticks][: len(ticks)] == ticks

    def test_a_credit_hangs_below_the_axis(self) -> None:
        values = {"a": Decimal(100), "b": Decimal(-50)}
        chart = stacked_bars("c", "t", "d", "USD", [Column("1", "one", values)], ["a", "b"], {})
        above, below = chart.bars[0].segments
        assert float(above.y) + float(above.height) == pytest.approx(float(chart.zero), abs=0.11)
        assert float(below.y) == pytest.approx(float(chart.zero), abs=0.11)
        assert float(above.height) == pytest.approx(2 * float(below.height), abs=0.2)
        assert below.text == "b, one: \N{MINUS SIGN}USD 50"

    def test_no_value_is_no_bar(self) -> None:
        chart = stacked_bars("c", "t", "d", "USD", [Column("1", "one", {}, is_current=True)], ["a"], {})
        assert (chart.bars[0].segments, chart.bars[0].value) == ((), "")


def test_a_week_that_the_ledger_has_in_part_is_marked(books: Books, tmp_path: Path) -> None:
    for day in range(12, 19):
        books.charge(f"2026-10-{day}T00", "1", "vision")
    books.charge("2026-10-20T00", "1", "vision")
    weeks = computed(books).trends[0].weeks.bars
    assert [bar.is_partial for bar in weeks[-2:]] == [False, True]
    assert weeks[0].segments == ()


def test_the_report_says_how_far_its_data_reach(books: Books) -> None:
    books.charge("2026-10-24T00", "1", "vision")
    assert computed(books).data_through == date(2026, 10, 24)
