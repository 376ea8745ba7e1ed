"""A team's own report: its money, that it matches its row in the company's, and nothing of anybody else's."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from finops.periods import parse_period
from finops.reports.build import Options, ReportFiles, Team, write_report
from finops.reports.compute import compute_report
from finops.reports.contexts import Report
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import connect
from finops.warehouse.schema import migrate
from finops.warehouse.scope import looking_through
from reports.conftest import TODAY, Books

TEAMS = Options(
    teams=("aurora", "late", "silent"), known_teams=(Team("aurora", "Team Aurora", "a@example.com"), Team("silent"))
)


def rendered(page: str) -> str:
    """The page's words."""
    body = re.sub(r"<(script|style|svg).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body.replace("<bdi>", "").replace("</bdi>", ""))).split())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReportFiles]:
    """Two teams with secrets, one that began this week, and one that spent nothing; what is shared, and what is nobody's."""
    con = connect(None)
    migrate(con)
    books = Books(con)
    for day, cost in (("2026-09-01T00", "11.01"), ("2026-10-13T00", "222.02"), ("2026-10-20T00", "333.03")):
        books.charge(day, cost, "aurora", resource="a-1", kind="gpu.ec2", used="3")
        books.charge(day, f"7{cost}", "zebra", resource="z-1", service="Zephyr", kind="gpu.ec2", used="7")
    books.charge("2026-10-21T00", "90", "late")
    books.charge("2026-10-21T00", "4321.09", None, service="Networking")
    books.charge("2026-10-21T00", "654.32", "zebra", currency="EUR")
    books.finding("z-1", "idle", "7333", "7332.1")
    con.execute("UPDATE findings.findings SET team = 'zebra'")
    con.execute(
        "INSERT INTO ops.checks VALUES ('r', 'team_tags', 'tell', false, 'zebra has 4321.09', TIMESTAMP '2026-10-26')"
    )
    con.execute("INSERT INTO ops.sources VALUES ('closed', 'openai', NULL, 'denied', 'The key may not read costs.')")
    books.deliver(short_of="0.07")
    yield books.report(tmp_path_factory.mktemp("reports"), options=TEAMS)
    con.close()


def text_of(files: ReportFiles, team: str) -> str:
    return rendered(files.teams[team].read_text(encoding="utf-8"))


def test_no_money_and_no_name_of_anybody_else_is_in_a_teams_files(written: ReportFiles) -> None:
    company = [
        money
        for head in written.report.headlines
        for money in (head.total, head.previous, head.change, head.unallocated, head.billed)
        if money.amount
    ]
    secrets = {text for money in company for text in (money.plain, money.number, money.whole.split()[-1])}
    secrets |= {"zebra", "Zephyr", "z-1", "4321.09", "4,321.09", "7333.03", "7,333.03", "654.32", "7332.1", "0.07"}
    files = [
        path for path in written.teams["aurora"].parent.rglob("*") if path.suffix in (".html", ".csv", ".json", ".txt")
    ]
    assert len(files) > 15
    for path in files:
        content = path.read_text(encoding="utf-8")
        assert not {secret for secret in secrets if re.search(rf"(?<![\w.]){re.escape(secret)}(?![\w.])", content)}, (
            path.name
        )
    assert "7,333.03" in rendered(written.page.read_text(encoding="utf-8")), "the company's page has it"


def test_its_total_is_its_row_in_the_companys_report(written: ReportFiles) -> None:
    words = text_of(written, "aurora")
    assert "On this page USD 333.03 Its row in the company's report USD 333.03 Difference USD 0.00" in words
    assert "finops analyze spend_by_team --period 2026-W43 --team aurora" in words


def test_that_the_companys_books_do_not_match_is_said_without_an_amount(written: ReportFiles) -> None:
    words = text_of(written, "aurora")
    assert "The company's books in USD do not match the bill; its own report says by how much." in words
    assert "Does it match the bill? No the company's books do not match the bill" in words


def test_it_says_whose_it_is(written: ReportFiles) -> None:
    page = written.teams["aurora"].read_text(encoding="utf-8")
    assert "<title>Cloud and AI spend, Team Aurora, Week 43" in page
    assert "Team Aurora" in re.sub(r"<[^>]+>", "", page[page.index("masthead") : page.index("<main")])


def test_sources_are_those_of_the_company(written: ReportFiles) -> None:
    """A source that a team has no charge of is not missing for that reason; one that failed may lack the team's costs."""
    words = text_of(written, "late")
    assert "closed is denied: its costs are not in this report. The key may not read costs." in words
    assert "Missing or not current: bill (stale), closed (denied)." in words


def test_a_team_that_began_this_week_had_nothing_before(written: ReportFiles) -> None:
    words = text_of(written, "late")
    assert "USD 90.00 in week 43 +USD 90.00 on week 42 New +USD 90" in words


def test_weeks_without_a_charge_are_zero_where_the_ledger_has_them(written: ReportFiles) -> None:
    words = text_of(written, "late")
    assert "Week 42 (12 Oct), 1 day only USD 0.00" in words
    assert "Week 41 (5 Oct) unknown" in words


def test_a_team_without_a_charge_is_told_so(written: ReportFiles) -> None:
    words = text_of(written, "silent")
    assert "No charges in week 43" in words
    assert "silent has no charge, and no share of one, in week 43 or the weeks before it." in words
    assert "No charge, and no row in the company's report." in words


def of_team(books: Books, team: str, period: str = "last-week") -> tuple[Report, Report]:
    """The company's report and a team's."""
    parsed, catalogue = parse_period(period, TODAY), Catalogue()
    company = compute_report(books.con, catalogue, parsed, TODAY)
    with looking_through(books.con) as lens:
        lens.narrow(team)
        return company, compute_report(books.con, catalogue, parsed, TODAY, company=company, team=team)


def test_a_cent_between_the_two_reports_is_the_first_warning(books: Books) -> None:
    books.charge("2026-10-20T00", "5", "aurora")
    books.deliver()
    company, _ = of_team(books, "aurora")
    books.charge("2026-10-20T00", "0.01", "aurora")
    with looking_through(books.con) as lens:
        lens.narrow("aurora")
        report = compute_report(books.con, Catalogue(), company.period, TODAY, company=company, team="aurora")
    assert report.warnings[0] == "USD: this page is USD 0.01 apart from the company's report."
    assert report.matches is False


def test_colours_of_a_team_are_the_companys(books: Books) -> None:
    for number in range(12):
        books.charge("2026-10-20T00", "5", f"team-{number}")
    company, report = of_team(books, "team-7")
    there = {row.cells[0].text: row.tint for row in company.sections["teams"].tables[0].rows}
    assert report.trends[0].weeks.legend == (("team-7", there["team-7"]),)


def test_a_period_before_the_ledger_is_unknown_to_a_team_too(books: Books, tmp_path: Path) -> None:
    books.charge("2026-10-20T00", "5", "aurora")
    files = write_report(
        books.con,
        Catalogue(),
        parse_period("2026-W30", TODAY),
        TODAY,
        tmp_path,
        options=Options(teams=("aurora",), xlsx=False),
    )
    assert "aurora has no charge, and no share of one, in week 30 or the weeks before it." in text_of(files, "aurora")
    assert "The ledger holds nothing for week 30 or the weeks before it." in rendered(files.page.read_text("utf-8"))
