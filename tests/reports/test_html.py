"""The page: what it shows is what the CSV files say, escaped, in one currency at a time."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from finops.errors import ConfigError
from finops.periods import parse_period
from finops.reports.build import Options
from finops.reports.compute import compute_report
from finops.reports.contexts import Brand
from finops.reports.money import exact_sum, format_money, plain
from finops.reports.sections import PLANS
from finops.rules.catalogue import Catalogue
from reports.conftest import TODAY, Books


class Tables(HTMLParser):
    """The tables of a page: query, currency, head, body rows and foot rows as (text, data-value)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[dict[str, Any]] = []
        self.part = ""
        self.cell: list[str] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self.tables.append({"query": given["data-query"], "currency": given["data-currency"],
                                "thead": [], "tbody": [], "tfoot": []})  # fmt: skip
        elif tag in ("thead", "tbody", "tfoot"):
            self.part = tag
        elif tag == "tr":
            self.tables[-1][self.part].append([])
        elif tag in ("th", "td"):
            self.cell = ["", given.get("data-value") or ""]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td") and self.cell is not None:
            self.tables[-1][self.part][-1].append((self.cell[0].strip(), self.cell[1]))
            self.cell = None

    def handle_data(self, data: str) -> None:
        if self.cell is not None:
            self.cell[0] += data


def page_of(books: Books, folder: Path, **options: Any) -> str:
    return books.report(folder, **options).page.read_text(encoding="utf-8")


def test_totals_of_the_page_are_sums_of_the_csv(two_weeks: Books, tmp_path: Path) -> None:
    two_weeks.finding("i-1", "idle", "10", "43.482142857142857142")
    two_weeks.finding("i-2", "idle", "3.01", None)
    for number in range(40):  # enough for an 'other' row
        two_weeks.charge(
            f"2026-10-2{number % 5}T{number % 24:02}", f"0.{number:03}7", f"team-{number}", service=f"s-{number}"
        )
    files = two_weeks.report(tmp_path)
    tables = Tables(files.page.read_text(encoding="utf-8")).tables
    plans = {(plan.query_id, len(plan.layout.shows)): plan for plan in PLANS}
    checked = 0
    for table in tables:
        if not table["tfoot"]:
            continue
        plan = plans[table["query"], len(table["thead"][0])]
        rows = list(csv.DictReader((files.folder / f"{table['query']}.csv").read_text(encoding="utf-8").splitlines()))
        mine = [row for row in rows if row["BillingCurrency"] == table["currency"] and row.get("Status") != "unknown"]
        for index, show in enumerate(plan.layout.shows):
            if show.total:
                amounts = [Decimal(row[show.column]) for row in mine if row[show.column]]
                assert table["tfoot"][-1][index][1] == (plain(exact_sum(amounts)) if amounts else "")
                shown = [Decimal(row[index][1]) for row in table["tbody"] + table["tfoot"][:-1] if row[index][1]]
                assert exact_sum(shown) == exact_sum(amounts), "shown rows and the 'other' row are the total"
                checked += 1
    assert checked > 20
    teams = next(table for table in tables if table["query"] == "spend_by_team" and table["currency"] == "USD")
    assert re.fullmatch(r"\d+ more", teams["tfoot"][0][0][0])
    assert "more USD rows are in spend_by_team.csv." in files.page.read_text(encoding="utf-8")


def test_currencies_are_never_added(two_weeks: Books, tmp_path: Path) -> None:
    files = two_weeks.report(tmp_path)
    text = "".join(path.read_text(encoding="utf-8") for path in (files.page, files.manifest, *files.csv))
    text = re.sub(r"<[^>]*>", "", text)
    usd, eur = Decimal("206.5271"), Decimal("41.5")
    assert format_money(usd, "USD") in text
    assert format_money(eur, "EUR") in text
    for mixed in (usd + eur, Decimal("257.7771") - Decimal("1.25"), usd + 50):
        assert plain(mixed) not in text
        assert f"{mixed:,.2f}" not in text
    for table in Tables(files.page.read_text(encoding="utf-8")).tables:
        shown = {
            match
            for row in table["tbody"]
            for text, _ in row
            for match in re.findall(r"\b(USD|EUR) [\d,]+\.\d\d", text)
        }
        assert shown <= {table["currency"]}


def test_what_came_from_a_bill_is_escaped(books: Books, tmp_path: Path) -> None:
    attack = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    books.charge("2026-10-01T00", "1", attack, resource=attack, service=attack)
    books.charge("2026-10-20T00", "5", attack, resource=attack, service=attack, kind=attack)
    books.finding(attack, "idle", "5", "5", reason=attack)
    books.con.execute(
        "INSERT INTO ops.checks VALUES ('r', ?, 'tell', false, ?, TIMESTAMP '2026-10-26')", [attack, attack]
    )
    books.deliver()
    page = page_of(books, tmp_path, options=Options(brand=Brand(name=attack)))
    assert "alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "<img" not in page
    assert page.count("<script>") == 1, "our own"


def test_the_page_needs_nothing_from_elsewhere(two_weeks: Books, tmp_path: Path) -> None:
    page = page_of(two_weeks, tmp_path)
    assert not re.findall(r"(?:src|href)=\"(?!#)(?![a-z_]+\.(?:csv|json)\")[^\"]*\"", page)
    assert "url(" not in page
    assert "@import" not in page


def test_unknown_money_is_never_zero(books: Books, tmp_path: Path) -> None:
    books.charge("2026-10-20T00", "5", "vision")
    books.finding("i-1", "idle", None, None)
    page = page_of(books, tmp_path)
    waste = next(table for table in Tables(page).tables if table["query"] == "idle_ml")
    assert [text for text, _ in waste["tbody"][0]][-2:] == ["unknown", "unknown"]
    assert "nothing to compare with" in page
    balance = page[page.index('id="bill"') :]
    assert "<dt>Delivered</dt><dd>unknown</dd>" in balance


def test_an_empty_ledger_gives_a_page_that_says_so(books: Books, tmp_path: Path) -> None:
    page = page_of(books, tmp_path)
    assert "No charges" in page
    assert "Nothing has been loaded." in page


def test_a_missing_cent_is_the_first_warning(books: Books, tmp_path: Path) -> None:
    books.charge("2026-10-20T00", "5", "vision")
    books.deliver(short_of="0.01")
    page = page_of(books, tmp_path)
    assert "USD does not match the bill: \N{MINUS SIGN}USD 0.01 apart." in page
    assert '<p class="big bad">No</p>' in page


class TestYourTemplates:
    def test_one_block_of_ours_may_be_filled(self, two_weeks: Books, tmp_path: Path) -> None:
        overlay = tmp_path / "templates"
        overlay.mkdir()
        (overlay / "weekly.html").write_text(
            '{% extends "default:weekly.html" %}{% block masthead %}<p>Ours: {{ report.headlines[0].total }}</p>{% endblock %}'
        )
        page = page_of(two_weeks, tmp_path / "reports", options=Options(templates=overlay))
        assert "<p>Ours: USD 206.53</p>" in page
        assert "What is wasted?" in page

    def test_a_style_sheet_alone_may_be_replaced(self, two_weeks: Books, tmp_path: Path) -> None:
        overlay = tmp_path / "templates"
        overlay.mkdir()
        (overlay / "style.css").write_text("body { color: hotpink }")
        assert "hotpink" in page_of(two_weeks, tmp_path / "reports", options=Options(templates=overlay))

    @pytest.mark.parametrize(
        ("template", "message"),
        [
            ("<p>\n{{ report.profit }}", r"weekly.html:2: .*no attribute 'profit'"),
            ("{{ rapport }}", r"weekly.html:1: .*'rapport' is undefined"),
            ("<p>\n\n{% if %}", r"weekly.html:3: "),
            ('{% extends "defualt:weekly.html" %}', "there is no template 'defualt:weekly.html'"),
        ],
    )
    def test_what_is_not_there_is_an_error_with_file_and_line(
        self, two_weeks: Books, tmp_path: Path, template: str, message: str
    ) -> None:
        overlay = tmp_path / "templates"
        overlay.mkdir()
        (overlay / "weekly.html").write_text(template)
        with pytest.raises(ConfigError, match=message):
            two_weeks.report(tmp_path / "reports", options=Options(templates=overlay))
        assert not list((tmp_path / "reports").glob("*")), "nothing half-written"


def test_csv_of_the_report_reads_back(two_weeks: Books, tmp_path: Path) -> None:
    files = two_weeks.report(tmp_path)
    for path in files.csv:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))
        assert len({len(row) for row in rows}) == 1


def test_a_table_that_leaves_something_out_is_told(two_weeks: Books, tmp_path: Path) -> None:
    """A user's own query counts: the page must not say that it matches the bill."""
    shipped = Catalogue().get("spend_by_team", "analyses")
    own = tmp_path / "queries" / "analyses" / "spend_by_team.sql"
    own.parent.mkdir(parents=True)
    own.write_text(
        shipped.path.read_text().replace(
            "SELECT * FROM spend_by_team", "SELECT * FROM spend_by_team WHERE Team <> 'vision'"
        )
    )
    report = compute_report(two_weeks.con, Catalogue(tmp_path / "queries"), parse_period("last-week", TODAY), TODAY)
    assert report.matches is False
    assert report.warnings[0].startswith(
        "spend_by_team and spend_by_service do not add up to the same: USD 6.527 and USD 206.5271"
    )
