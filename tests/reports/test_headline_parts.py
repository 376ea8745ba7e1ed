"""The rest of the first screen: the change in parts, by the day, on what, what is idle for longest, which line would help."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from finops.periods import parse_period
from finops.reports.compute import compute_report
from finops.reports.contexts import Headline, Report
from finops.reports.html import render
from finops.reports.money import exact_sum
from finops.rules.catalogue import Catalogue
from reports.conftest import TODAY, Books
from reports.test_team_report import rendered


def computed(books: Books, period: str = "last-week", name: str = "weekly", today: date = TODAY) -> Report:
    return compute_report(books.con, Catalogue(), parse_period(period, today), today, name=name)


def split(headline: Headline) -> list[tuple[str, str]]:
    return [(part.label, part.change.signed_whole) for part in headline.split]


def test_the_change_is_said_in_parts_by_currency(books: Books) -> None:
    books.charge("2026-10-01T00", "1", "vision")
    books.charge("2026-10-01T00", "1", "search", currency="EUR")
    books.charge("2026-10-13T00", "100", "vision", resource="grew", used="10")
    books.charge("2026-10-20T00", "330", "vision", resource="grew", used="30")
    books.charge("2026-10-13T00", "40", "vision", resource="old")
    books.charge("2026-10-20T00", "60", "vision", resource="young")
    books.charge("2026-10-20T00", "12", None, service="Support")
    books.charge("2026-10-13T00", "7", None, service="Support")
    books.charge("2026-10-13T00", "50", "search", currency="EUR", resource="e", used="10")
    books.charge("2026-10-20T00", "24", "search", currency="EUR", resource="e", used="6")
    dollars, euros = computed(books).headlines
    assert split(dollars) == [
        ("More used", "+USD 200"), ("New", "+USD 60"), ("Gone", "\N{MINUS SIGN}USD 40"), ("Dearer", "+USD 30"),
        ("Use or price, unclear", "+USD 5"),
    ]  # fmt: skip
    assert split(euros) == [("Less used", "\N{MINUS SIGN}EUR 20"), ("Cheaper", "\N{MINUS SIGN}EUR 6")]
    for headline in (dollars, euros):
        assert exact_sum(part.change.amount or 0 for part in headline.split) == headline.change.amount
    assert [(each.name, each.why) for each in dollars.contributors] == [
        ("Compute grew", "more used"), ("Compute young", "new"),
    ]  # fmt: skip


def test_without_a_period_before_there_are_no_parts(books: Books) -> None:
    books.charge("2026-10-20T00", "5", "vision")
    assert computed(books).headlines[0].split == ()


def test_on_what_it_was_spent(books: Books) -> None:
    for kind, cost in (
        ("training", "50"),
        ("inference.endpoint", "30"),
        ("tokens.input", "15"),
        ("storage.object", "5"),
    ):
        books.charge("2026-10-20T00", cost, "vision", kind=kind)
    assert [(part.name, part.share) for part in computed(books).headlines[0].spent_on] == [
        ("Training job", "50.0\N{NO-BREAK SPACE}%"), ("Endpoint", "30.0\N{NO-BREAK SPACE}%"),
        ("Input tokens", "15.0\N{NO-BREAK SPACE}%"),
    ]  # fmt: skip


class TestMonths:
    def test_months_of_different_length_are_compared_by_the_day(self, books: Books) -> None:
        books.charge("2026-08-01T00", "310", "vision")
        books.charge("2026-09-01T00", "320", "vision")
        books.charge("2026-09-30T00", "10", "vision")
        (headline,) = computed(books, "2026-09", "monthly").headlines
        assert headline.per_day == "USD 11.00 a day over 30 days, +10.0\N{NO-BREAK SPACE}% on USD 10.00 a day over 31"

    def test_a_month_that_is_not_over_says_so_and_is_compared_by_the_day(self, books: Books, tmp_path: Path) -> None:
        books.charge("2026-09-01T00", "300", "vision")
        books.charge("2026-10-20T00", "250", "vision")
        page = rendered(books.report(tmp_path, "2026-10", name="monthly").page.read_text("utf-8"))
        assert "USD 250.00 in October 2026, 25 of 31 days" in page
        assert "USD 10.00 a day over 25 days, 0.0 % on USD 10.00 a day over 30" in page

    def test_a_month_whose_last_days_have_not_come_says_that_the_day_costs_more(self, books: Books) -> None:
        for day in range(1, 25):
            books.charge(f"2026-10-{day:02}T00", "10", "vision")
        (headline,) = computed(books, "2026-10", "monthly", today=date(2026, 11, 5)).headlines
        assert headline.per_day == "USD 7.74 a day over 31 days; too low, charges are missing"

    def test_weeks_are_as_long_as_weeks(self, two_weeks: Books) -> None:
        assert computed(two_weeks).headlines[0].per_day == ""

    def test_thirteen_months_by_team_with_those_that_the_ledger_has_in_part(self, books: Books, tmp_path: Path) -> None:
        for day in range(1, 31):
            books.charge(f"2026-09-{day:02}T00", "10", "vision")
        books.charge("2025-10-01T00", "4", "vision")
        books.charge("2026-08-31T00", "5", "search")
        report = computed(books, "2026-09", "monthly")
        months, table = report.trends[0].months, report.trends[0].months_table
        assert months and table
        assert [bar.label for bar in months.bars][-5:] == ["May", "Jun", "Jul", "Aug", "Sep"]
        assert [bar.is_partial for bar in months.bars][-2:] == [True, False]
        assert months.bars[-3].segments == ()
        rows = [[cell.text for cell in row.cells] for row in table.rows]
        assert rows[:3] == [
            ["September 2026", "USD 300.00", "USD 300.00", "USD 0.00"],
            ["August 2026, 1 day only", "USD 5.00", "USD 0.00", "USD 5.00"],
            ["July 2026", "unknown", "unknown", "unknown"],
        ]
        assert rows[-1][:2] == ["September 2025", "unknown"]
        page = rendered(books.report(tmp_path, "2026-09", name="monthly").page.read_text("utf-8"))
        assert page.index("Thirteen months") < page.index("Its last thirteen weeks")
        assert "finops analyze spend_monthly --period 2026-09" in page
        assert "spend_monthly.csv" in {path.name for path in (tmp_path / "monthly-2026-09").iterdir()}

    def test_the_weekly_report_may_be_of_a_month_and_has_no_months(self, books: Books) -> None:
        books.charge("2026-09-20T00", "5", "vision")
        report = computed(books, "2026-09")
        assert (report.trends[0].months, report.month_command) == (None, "")


class TestOldest:
    def test_what_is_idle_for_longest_comes_first_with_what_it_cost_since(self, books: Books) -> None:
        books.charge("2026-10-20T00", "30", "vision")
        for name, since, cost in (
            ("young", "2026-10-12", "900"),
            ("old", "2026-08-03", "4200.4"),
            ("dear", "2026-10-12", "901"),
        ):
            books.finding(name, "idle", "9", "8")
            books.con.execute(
                "INSERT INTO findings.lifecycle BY NAME (SELECT finding_id, rule_id, resource_id, resource_name, currency, team, "
                "'open' AS state, $since::DATE AS since, $since::DATE AS found_on, $cost::DECIMAL(38, 18) AS cost_since_opened "
                "FROM findings.findings WHERE resource_id = $name)",
                {"name": name, "since": since, "cost": cost},
            )
        report = computed(books)
        assert [old.name for old in report.headlines[0].oldest] == ["old", "dear", "young"]
        assert report.headlines[0].oldest[0].sentence == "old since 3 August 2026, USD 4,200 so far"
        waste = rendered(render(report, "weekly.html")).partition("Waste: machine learning")[2]
        assert "Open for longest, USD old vision, since 3 Aug 2026 USD 4,200 so far dear" in waste


class TestFix:
    def test_the_account_that_has_most_of_what_is_nobodys(self, books: Books) -> None:
        for account, cost in (("111", "30"), ("222,x", "60"), ("222,x", "5")):
            books.charge("2026-10-20T00", cost, None, account=account)
        books.charge("2026-10-20T00", "500", None, account="333", category="Tax", service="VAT")
        report = computed(books)
        fix = report.headlines[0].fix
        assert fix
        assert (fix.line, fix.file, fix.needs_a_name) == ('"222,x",TEAM', "mappings/accounts.csv", True)
        assert (fix.cost.text, fix.share) == ("USD 65.00", "10.9\N{NO-BREAK SPACE}%")
        nobodys = rendered(render(report, "weekly.html")).partition("What belongs to nobody")[2]
        assert (
            "The cheapest fix, USD USD 65, 10.9 % of what is nobody's, gets a team by one line in mappings/accounts.csv"
            in nobodys
        )
        assert '"222,x",TEAM no team answers for' in nobodys

    def test_a_misspelt_tag_where_that_is_more(self, books: Books) -> None:
        books.con.execute("INSERT INTO mapping.teams (team) VALUES ('vision')")
        books.con.execute("INSERT INTO mapping.tag_keys (key, priority) VALUES ('team', 1)")
        books.con.execute("INSERT INTO mapping.tag_values (value, team) VALUES ('vision', 'vision')")
        books.charge("2026-10-20T00", "30", None, account="111")
        books.charge("2026-10-20T00", "60", None, account="222")
        books.charge("2026-10-20T00", "70", None, account="333")
        books.con.execute(
            "UPDATE ledger.dimension SET Tags = MAP {'team': 'vison'} WHERE SubAccountId IN ('111', '333')"
        )
        fix = computed(books).headlines[0].fix
        assert fix
        assert (fix.line, fix.file, fix.cost.text) == ("value,vison,vision", "mappings/tag_aliases.csv", "USD 100.00")
        assert "1 letter from vision" in fix.sentence

    def test_where_everything_has_a_team_there_is_nothing_to_fix(self, books: Books) -> None:
        books.charge("2026-10-20T00", "60", "vision")
        assert computed(books).headlines[0].fix is None


def test_one_row_in_a_third_currency_has_its_own_totals(two_weeks: Books, tmp_path: Path) -> None:
    two_weeks.charge("2026-10-20T00", "1500", "search", currency="JPY")
    two_weeks.deliver()
    page = rendered(two_weeks.report(tmp_path).page.read_text("utf-8"))
    assert "JPY 1,500 in week 43" in page
    assert "JPY: nothing to compare with; the ledger begins after 2026-10-12." in page
    assert "JPY, October 2026 Delivered JPY 1,500" in page


def test_a_currency_of_which_nothing_came_is_unknown_and_not_zero(books: Books, tmp_path: Path) -> None:
    books.charge("2026-10-20T00", "5", "vision")
    books.charge("2026-09-20T00", "5", "vision", currency="EUR")
    page = rendered(books.report(tmp_path).page.read_text("utf-8"))
    assert "EUR unknown in week 43" in page
    assert "EUR: no charge has come for week 43. Nothing was used, or its bill is missing." in page


def test_the_box_says_what_is_invoiced_and_which_sources_are_not_current(books: Books, tmp_path: Path) -> None:
    books.charge("2026-10-20T00", "5", "vision", invoice="INV-1")
    books.charge("2026-10-25T00", "7", "vision")
    books.con.execute("INSERT INTO ops.sources VALUES ('closed', 'openai', NULL, 'failed', 'Timeout.')")
    books.deliver()
    page = rendered(books.report(tmp_path).page.read_text("utf-8"))
    box = page[page.index("Does it match the bill? What the providers delivered") :]
    assert "Invoiced USD 5.00 Provisional, no invoice yet USD 7.00" in box
    assert "Missing or not current: closed (failed)." in box
    assert "closed is failed: its costs are not in this report. Timeout." in page


@pytest.mark.parametrize("name", ["weekly", "monthly"])
def test_an_empty_ledger_is_a_report_that_says_so(books: Books, tmp_path: Path, name: str) -> None:
    page = rendered(books.report(tmp_path, name=name).page.read_text("utf-8"))
    assert "No charges in week 43 The ledger holds nothing for week 43 or the weeks before it." in page
    assert "Nothing has been loaded, so there is nothing to match." in page
