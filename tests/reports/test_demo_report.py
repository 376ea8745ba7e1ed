"""The report on the demo company's bills, against the totals that the fixtures' generator wrote down."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from finops.periods import parse_period
from finops.reports.build import write_report
from finops.reports.compute import compute_report
from finops.reports.contexts import Report
from finops.reports.html import render
from finops.reports.money import exact_sum
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection
from finops.warehouse.landing import Landing
from reports.test_team_report import rendered

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
GOLDEN = Path(__file__).parent / "golden"
TODAY = date(2026, 10, 26)
EXPECTED = json.loads((FIXTURES / "expected.json").read_text())


def test_totals_are_those_of_the_generator_to_the_last_digit(demo: tuple[Connection, Landing]) -> None:
    expected: dict[str, Decimal] = defaultdict(Decimal)
    before: dict[str, Decimal] = defaultdict(Decimal)
    for source in EXPECTED["sources"].values():
        for currency, sums in source["currencies"].items():
            expected[currency] += Decimal(sums["last_week"]["effective"])
            before[currency] += Decimal(sums["week_before"]["effective"])
    report = compute_report(demo[0], Catalogue(), parse_period("last-week", TODAY), TODAY)
    assert {each.currency: each.total.amount for each in report.headlines} == expected
    assert {each.currency: each.previous.amount for each in report.headlines} == before
    assert report.matches is True


def test_the_reason_is_the_cluster_that_nobody_deleted(demo: tuple[Connection, Landing]) -> None:
    report = compute_report(demo[0], Catalogue(), parse_period("last-week", TODAY), TODAY)
    dollars = report.headlines[0]
    assert dollars.reason.startswith(
        "HyperPod cluster q7m3xk2v9pab in ml-research (more used): +USD 13,898; GPU instance i-0e5a91c7d2b34f80"
    )
    assert dollars.top_team == "ml-research"


def first_screen(report: Report) -> str:
    """The words from the headline to the answers, a line each."""
    page = render(report, f"{report.name}.html")
    screen = page[page.index('<section class="hero"') : page.index('<nav class="jump"')]
    screen = re.sub(r"<svg.*?</svg>", "", screen, flags=re.DOTALL)
    lines = (rendered(line) for line in re.split(r"</?(?:p|li|h1|h2|figure)\b[^>]*>", screen))
    return "".join(f"{line}\n" for line in lines if line)


@pytest.mark.parametrize(("name", "period"), [("weekly", "2026-W43"), ("monthly", "2026-10")])
def test_the_first_screen_reads_as_it_did(demo: tuple[Connection, Landing], name: str, period: str) -> None:
    """Its words are in ``golden/``; the parts of the change add up to it, to the last digit."""
    report = compute_report(demo[0], Catalogue(), parse_period(period, TODAY), TODAY, name=name)
    for headline in report.headlines:
        assert exact_sum(part.change.amount or Decimal(0) for part in headline.split) == headline.change.amount
    assert first_screen(report) == (GOLDEN / f"first-screen-{name}-{period}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "period", ["2026-W43", "2026-10-20", "2026-09", "2026-Q4", "last-30-days", "2026-08", "2026-07", "2027-01"]
)
def test_any_period_gives_a_report(demo: tuple[Connection, Landing], tmp_path: Path, period: str) -> None:
    con, landing = demo
    files = write_report(con, Catalogue(), parse_period(period, TODAY), TODAY, tmp_path, landing.deliveries())
    assert files.page.stat().st_size < 400_000
    manifest = json.loads(files.manifest.read_text())
    assert len(manifest["inputs"]) == 12
    assert sum(each["rows"] for each in manifest["inputs"]) == sum(
        sums["rows"] for source in EXPECTED["sources"].values() for sums in source["currencies"].values()
    )
