"""A report as a mail: the page's numbers in 90 kB that any mail program shows, whatever the names and however much there is."""

from __future__ import annotations

import csv
import io
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from finops.errors import ConfigError
from finops.periods import parse_period
from finops.reports.branding import brand
from finops.reports.compute import compute_report
from finops.reports.contexts import Brand, Report
from finops.reports.csv import to_csv
from finops.reports.html import render
from finops.reports.mail import LARGEST_BODY, mail_files
from finops.reports.money import exact_sum, format_money
from finops.reports.pictures import LIGHT, colours, draw
from finops.reports.sections import PLANS
from finops.reports.shorten import SHOWN, clip, rooms, shorten
from finops.reports.text import columns
from finops.reports.words import LONGEST_SUBJECT, subject, summary
from finops.resources import shipped_templates
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import connect
from finops.warehouse.schema import migrate
from reports.conftest import TODAY, Books

GOLDEN = Path(__file__).parent / "golden"
NASTY = (
    "<script>alert(1)</script>",
    "{{7*7}}",
    "=cmd|'/c calc'!A1",
    "\u202egnp.exe",
    "💸 機械 שלום",
    "a\r\nBcc: x@example.com",
    "n" * 10_000,
    "&" * 10_000,
    "<" * 9_000,
)


def report_of(books: Books, name: str = "weekly", period: str = "last-week", **more: Any) -> Report:
    """The report, its version one that does not change."""
    made = compute_report(books.con, Catalogue(), parse_period(period, TODAY), TODAY, name=name, **more)
    return replace(made, tool_version="1.2.3")


def mail_of(report: Report, overlay: Path | None = None) -> dict[str, bytes]:
    others = [*(f"{each.query.id}.csv" for each in report.results), f"{report.slug}.xlsx", "index.html"]
    return mail_files(report, overlay, others)


def fill(books: Books) -> None:
    """Two currencies, more services than a mail has rows, waste, and what belongs to nobody."""
    for day, cost in (("2026-10-01T08", "1"), ("2026-10-13T08", "100.005"), ("2026-10-20T08", "200.0001")):
        books.charge(day, cost, "vision", resource="i-1", kind="gpu.ec2")
        books.charge(day, "40.25", "search", currency="EUR", service="Vertex AI")
    for number in range(14):
        books.charge("2026-10-21T00", f"{number}.105", f"team-{number % 12:02}", service=f"Service {number:02}")
    books.charge("2026-10-21T00", "7.777", None, service="Networking")
    books.charge("2026-10-22T00", "-1.25", None, service="Credit", category="Credit")
    books.finding("i-1", "idle", "10", "43.482142857142857142", reason="no call in 7 days; all of them measured")
    books.finding("i-2", "idle", "3.01", None)
    for number in range(9):
        books.finding(f"nb-{number}", "underused", "2", f"1.{number}05")
    books.deliver()


@pytest.fixture(scope="module")
def usual() -> Iterator[Report]:
    con = connect(None)
    migrate(con)
    books = Books(con)
    fill(books)
    yield report_of(books, brand=Brand(name="Example & Sons"))
    con.close()


@pytest.fixture(scope="module")
def mail(usual: Report) -> dict[str, bytes]:
    return mail_of(usual)


@pytest.fixture(scope="module")
def hostile() -> Iterator[Report]:
    """Twenty-eight teams and as many currencies, all of names that mean harm."""
    con = connect(None)
    migrate(con)
    books = Books(con)
    for number in range(28):
        name = f"{NASTY[number % len(NASTY)]}{number}"
        for currency in ("USD", "EUR" if number % 2 else "<b>GBP</b>", f"C{number:02}"):
            books.charge(
                "2026-10-20T00", "123456789012.123456789", name, currency=currency, service=name, resource=name
            )
        books.charge("2026-10-20T00", "1.5", None, service=name, resource=name)
        books.finding(name, "idle", "5", "98765432.1", reason=name)
    books.con.executemany(
        "INSERT INTO ops.checks VALUES ('r', ?, 'tell', false, ?, TIMESTAMP '2026-10-26')",
        [[f"check {number}", NASTY[number % len(NASTY)] * 2] for number in range(30)],
    )
    books.deliver()
    yield report_of(books, brand=Brand(name=NASTY[5] + NASTY[0]))
    con.close()


class Body(HTMLParser):
    """A mail's HTML: its tables that come from a query, its tags, and whether each that is opened is closed."""

    VOID = ("meta", "img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[dict[str, Any]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.nested = 0
        self.feed(html)
        assert not self.open, "cut in the middle of something"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table" and "data-query" in given:
            self.tables.append({"query": given["data-query"], "currency": given["data-currency"], "rows": []})
            self.nested = len(self.open)
        if tag == "tr" and self.nested:
            self.tables[-1]["rows"].append([])
        if tag == "td" and self.nested:
            self.tables[-1]["rows"][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if len(self.open) < self.nested:
            self.nested = 0

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data
        if self.nested and "td" in self.open[self.nested :]:
            self.tables[-1]["rows"][-1][-1] += data


def amounts(text: str) -> set[str]:
    """All that is money to the cent."""
    return set(re.findall(r"[+\N{MINUS SIGN}]?(?:USD|EUR) [\d,]+\.\d\d", text))


class TestItsNumbers:
    def test_each_table_adds_up_to_the_csv(self, usual: Report, mail: dict[str, bytes]) -> None:
        files = {each.query.id: to_csv(each.columns, each.rows) for each in usual.results}
        plans = {plan.query_id: plan for plan in PLANS if plan.id in SHOWN}
        tables = Body(mail["mail/body.html"].decode()).tables
        assert {table["query"] for table in tables} == {
            "spend_by_team",
            "spend_by_service",
            "idle_ml",
            "untagged_spend",
        }
        for table in tables:
            rows = list(csv.DictReader(io.StringIO(files[table["query"]], newline="")))
            mine = [r for r in rows if r["BillingCurrency"] == table["currency"] and r.get("Status") != "unknown"]
            names, limit = SHOWN[plans[table["query"]].id]
            money = names.index("MonthlySaving" if table["query"] == "idle_ml" else "EffectiveCost")
            known = [Decimal(row[names[money]]) if row[names[money]] else None for row in mine]
            body = table["rows"][1:-1]
            rest = body.pop() if len(mine) > limit + 1 else None
            shown = [format_money(amount, table["currency"]) for amount in known[: len(body)]]
            assert [row[money].strip() for row in body] == shown
            if rest:
                hidden = [amount for amount in known[len(body) :] if amount is not None]
                assert rest[0] == f"{len(mine) - len(body)} more"
                assert rest[money].startswith(format_money(exact_sum(hidden), table["currency"]))
            total = format_money(exact_sum(amount for amount in known if amount is not None), table["currency"])
            assert table["rows"][-1][money].startswith(total)

    def test_text_and_html_say_the_same_and_the_page_says_it_too(self, usual: Report, mail: dict[str, bytes]) -> None:
        body = Body(mail["mail/body.html"].decode())
        html, text, page = (
            amounts(each.replace("\N{NO-BREAK SPACE}", " "))
            for each in (body.text, mail["mail/body.txt"].decode(), unescape(re.sub(r"<[^>]*>", "", render(usual))))
        )
        assert html == text
        assert {each for head in usual.headlines for each in (head.total.text, head.change.signed)} <= html
        more = {
            each
            for table in body.tables
            for row in table["rows"]
            if row[0].endswith(" more")
            for each in amounts(row[1] + row[2])
        }
        assert len(more) == 5
        assert html - more <= page, "a mail has fewer rows, so what the others add up to is its own"

    def test_unknown_is_said_and_is_not_zero(self, mail: dict[str, bytes]) -> None:
        assert "and 1 unknown" in mail["mail/body.html"].decode()
        assert "and 1 unknown" in mail["mail/body.txt"].decode()

    def test_the_envelope_names_files_that_are_there(self, usual: Report, mail: dict[str, bytes]) -> None:
        envelope = json.loads(mail["mail/mail.json"])
        assert envelope["attachments"] == [
            "weekly-2026-W43.xlsx", "spend_by_team.csv", "spend_change.csv", "idle_ml.csv", "reconciliation.csv",
        ]  # fmt: skip
        assert {each["file"] for each in envelope["images"]} == {name for name in mail if name.endswith(".png")}
        assert [each["cid"] for each in envelope["images"]] == ["weeks-usd", "weeks-eur"]
        assert envelope["totals"][0] == {"currency": "USD", "effective_cost": usual.headlines[0].total.plain}
        assert (envelope["report"], envelope["period"], envelope["team"]) == ("weekly", "2026-W43", None)

    def test_the_same_report_gives_the_same_mail(self, usual: Report, mail: dict[str, bytes]) -> None:
        assert mail_of(usual) == mail

    @pytest.mark.parametrize("name", ["body.html", "body.txt", "mail.json"])
    def test_the_mail_is_as_it_always_was(self, mail: dict[str, bytes], name: str) -> None:
        """To accept a change: delete the golden file and run the test twice; then read the diff."""
        golden = GOLDEN / f"mail-{name}"
        if not golden.is_file():
            golden.write_bytes(mail[f"mail/{name}"])
            pytest.fail("the golden file was missing and has been written: read it, then run again")
        assert mail[f"mail/{name}"] == golden.read_bytes()


class TestEveryMailProgram:
    def test_nothing_runs_and_nothing_is_fetched(self, mail: dict[str, bytes]) -> None:
        body = Body(mail["mail/body.html"].decode())
        assert not {tag for tag, _ in body.tags} & {"script", "link", "iframe", "object", "form", "svg", "a"}
        sources = [given["src"] for tag, given in body.tags if tag == "img"]
        assert sources == ["cid:weeks-usd", "cid:weeks-eur"]
        assert all(given["alt"] for tag, given in body.tags if tag == "img")
        assert not re.search(r"https?:|url\(|@import|var\(", mail["mail/body.html"].decode())

    def test_what_matters_of_the_style_stands_at_each_tag(self, mail: dict[str, bytes]) -> None:
        html = mail["mail/body.html"].decode()
        (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
        assert not re.sub(r"@media[^{]*\{(?:[^{}]*\{[^}]*\})*\s*\}", "", style).strip(), (
            "only dark and narrow screens are left"
        )
        cells = [given for tag, given in Body(html).tags if tag == "td" and given.get("class") == "n"]
        assert cells
        assert all("font:" in (given["style"] or "") and given["align"] == "right" for given in cells)

    def test_plain_text_is_72_columns_wide_and_bears_no_entity(self, mail: dict[str, bytes]) -> None:
        text = mail["mail/body.txt"].decode()
        assert max(columns(line) for line in text.splitlines()) <= 72
        assert "Example & Sons" in text
        assert not re.search(r"&#?\w+;|<\w", text)
        assert "\n\n\n" not in text

    def test_a_picture_is_a_small_png_twice_as_sharp(self, usual: Report, mail: dict[str, bytes]) -> None:
        png = mail["mail/weeks-usd.png"]
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack_from(">II", png, 16)
        assert (width, height) == (1520, 2 * draw(usual, usual.trends[0].weeks)[1])
        assert len(png) < 60_000

    def test_it_fits_a_telephone_and_asks_for_nothing(
        self, usual: Report, mail: dict[str, bytes], tmp_path: Path
    ) -> None:
        from playwright.sync_api import sync_playwright

        asked: list[str] = []
        page_file = tmp_path / "body.html"
        page_file.write_bytes(re.sub(rb'src="cid:([a-z-]+)"', rb'src="\1.png"', mail["mail/body.html"]))
        for name, content in mail.items():
            (tmp_path / Path(name).name).write_bytes(content) if name.endswith(".png") else None
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
            page.on("request", lambda request: asked.append(request.url))
            page.goto(page_file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert (
                page.evaluate("getComputedStyle(document.querySelector('.page')).backgroundColor") == "rgb(20, 22, 26)"
            )
            page.set_viewport_size({"width": 1280, "height": 800})
            assert page.evaluate("document.querySelector('.wrap').offsetWidth") == 640
            browser.close()
        assert {Path(url).name for url in asked} == {"body.html", "weeks-usd.png", "weeks-eur.png"}


class TestWhateverComes:
    def test_it_stays_below_90_kb_and_whole(self, hostile: Report) -> None:
        files = mail_of(hostile)
        html = files["mail/body.html"].decode()
        assert len(files["mail/body.html"]) < LARGEST_BODY
        body = Body(html)
        assert body.tables
        assert all(len(table["rows"]) <= 50 for table in body.tables)
        assert re.search(r"\d+ more USD rows are in spend_by_team\.csv", body.text)
        assert "more currencies" in body.text
        assert re.search(r"\d+ more warnings are on the page", body.text)
        for text in (html, files["mail/body.txt"].decode()):
            assert "n" * 100 not in text
            assert "\u202e" not in text
        assert "{{7*7}}" in html
        assert "<script" not in html
        assert "&lt;script&gt;" in html
        assert all(len(picture) < 60_000 for name, picture in files.items() if name.endswith(".png"))
        assert len([name for name in files if name.endswith(".png")]) <= 3

    def test_the_least_that_is_shown_still_says_where_the_rest_is(self, hostile: Report) -> None:
        all_that_may_be, *_, least = rooms()
        assert dict(all_that_may_be.rows) == {section: limit for section, (_, limit) in SHOWN.items()}
        short = shorten(hostile, least)
        assert (len(short.headlines), len(short.warnings)) == (1, 4)
        for section in SHOWN:
            assert not short.sections[section].tables
            assert short.sections[section].empty == (
                f"Left out to keep this mail small: all rows are in {hostile.sections[section].csv}."
            )

    def test_rows_give_way_to_what_a_template_of_yours_adds(self, hostile: Report, tmp_path: Path) -> None:
        (tmp_path / "mail").mkdir()
        (tmp_path / "mail" / "weekly.html").write_text(
            '{% extends "default:mail/weekly.html" %}{% block bill %}<tr><td>{{ "long " * 11_000 }}</td></tr>{% endblock %}'
        )
        ours, yours = (mail_of(hostile, overlay)["mail/body.html"] for overlay in (None, tmp_path))
        assert len(yours) < LARGEST_BODY
        assert "Left out to keep this mail small: all rows are in untagged_spend.csv." in Body(yours.decode()).text
        assert (
            0
            < sum(len(each["rows"]) for each in Body(yours.decode()).tables)
            < sum(len(each["rows"]) for each in Body(ours.decode()).tables)
        )

    def test_the_subject_is_one_harmless_line(self, hostile: Report) -> None:
        line = subject(hostile)
        assert len(line) <= LONGEST_SUBJECT
        assert line.isprintable()
        assert line.startswith("a Bcc: x@example.com<script>")
        off = subject(replace(hostile, matches=False, company_matches=False))
        assert len(off) <= LONGEST_SUBJECT
        assert off.endswith("; does not match the bill"), "this is never what is cut"

    def test_a_summary_has_three_to_six_lines(self, hostile: Report, usual: Report, books: Books) -> None:
        for report in (hostile, usual, report_of(books)):
            assert 3 <= len(summary(report).split("\n")) <= 6
            assert all(line.replace("\N{NO-BREAK SPACE}", " ").isprintable() for line in summary(report).split("\n"))

    def test_a_period_without_data_says_so(self, books: Books) -> None:
        files = mail_of(report_of(books, brand=Brand(name="Example")))
        assert json.loads(files["mail/mail.json"])["subject"] == "Example: no charges in week 43"
        assert "No charges" in files["mail/body.txt"].decode()
        assert "No charges" in Body(files["mail/body.html"].decode()).text
        assert not [name for name in files if name.endswith(".png")]

    @pytest.mark.parametrize(
        ("given", "shown"),
        [("a\nb\r\n\tc", "a b c"), ("\u202eabc\u202c", "abc"), ("x" * 80, "x" * 71 + "…"), ("1; 2", "1; 2"),
         ("word " * 20, "word " * 13 + "word…"), ("a" * 40 + "; " + "b" * 40, "a" * 40 + "…")],
    )  # fmt: skip
    def test_a_text_is_cut_after_a_clause_or_a_word(self, given: str, shown: str) -> None:
        assert clip(given) == shown


class TestSubjects:
    def test_both_currencies_and_their_changes(self, usual: Report) -> None:
        assert subject(usual) == "Example & Sons: USD 299 (+199.0 %) and EUR 40 (0.0 %) in week 43"

    def test_a_bill_that_does_not_match_is_in_the_subject(self, books: Books) -> None:
        books.charge("2026-10-20T00", "5", "vision")
        books.deliver(short_of="0.01")
        assert subject(report_of(books)) == "Cloud and AI spend: USD 5 in week 43; does not match the bill"

    def test_a_month_that_is_not_over_is_so_far(self, books: Books) -> None:
        books.charge("2026-10-20T00", "5", "vision")
        books.deliver()
        report = report_of(books, "monthly", "2026-10")
        assert subject(report) == "Cloud and AI spend of the month: USD 5 in October 2026, 25 of 31 days"
        assert "mail/months-usd.png" in mail_of(report)


class TestYours:
    def test_a_teams_colour_is_in_the_picture(self, usual: Report) -> None:
        mine = replace(usual, brand=brand("", None, "", {"vision": "#ff0066"}))
        own = replace(usual.trends[0].weeks, legend=(("vision", "tint-own-0"),))
        assert colours(mine.brand)["tint-own-0"] == "#ff0066"
        assert draw(mine, own)[0] != draw(usual, own)[0]

    def test_the_pictures_have_the_pages_light_colours(self) -> None:
        style = (shipped_templates() / "style.css").read_text()
        root = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", style[: style.index("@media")]))
        names = {name: name if re.fullmatch(r"tint-\d", name) else name.removeprefix("tint-") for name in LIGHT}
        assert {name: root[short] for name, short in names.items()} == LIGHT

    def test_a_logo_travels_with_the_mail(self, usual: Report, tmp_path: Path) -> None:
        logo = tmp_path / "logo.svg"
        logo.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20"><rect width="80" height="20"/></svg>'
        )
        files = mail_of(replace(usual, brand=brand("Example", logo, "#1f4f8f", {})))
        assert files["mail/logo.png"].startswith(b"\x89PNG")
        assert b'src="cid:logo"' in files["mail/body.html"]
        assert {"cid": "logo", "file": "mail/logo.png", "alt": "Example & Sons"} in json.loads(files["mail/mail.json"])[
            "images"
        ]
        logo.write_text("<svg><nope")
        with pytest.raises(ConfigError, match="no SVG that can be drawn"):
            mail_of(replace(usual, brand=brand("Example", logo, "", {})))

    def test_a_block_of_the_mail_may_be_filled(self, usual: Report, tmp_path: Path) -> None:
        (tmp_path / "mail").mkdir()
        for ending in ("html", "txt"):
            (tmp_path / "mail" / f"weekly.{ending}").write_text(
                f'{{% extends "default:mail/weekly.{ending}" %}}{{% block footer %}}R&D {{{{ report.organisation }}}}{{% endblock %}}'
            )
        files = mail_of(usual, tmp_path)
        assert "R&D Example & Sons" in files["mail/body.txt"].decode()
        assert "Example &amp; Sons" in files["mail/body.html"].decode()

    def test_a_template_that_can_never_fit_is_an_error(self, usual: Report, tmp_path: Path) -> None:
        (tmp_path / "mail").mkdir()
        (tmp_path / "mail" / "weekly.html").write_text("<p>" + "x" * 100_000)
        with pytest.raises(ConfigError, match=r"makes a mail of 100,\d+ bytes however many rows are left out"):
            mail_of(usual, tmp_path)


def test_a_teams_mail_shows_nothing_of_the_company(tmp_path: Path, books: Books) -> None:
    from finops.reports.build import Options, Team

    fill(books)
    folder = books.report(
        tmp_path, options=Options(teams=("vision",), known_teams=(Team("vision", "Computer Vision"),))
    ).folder
    mine = folder / "teams" / "vision" / "mail"
    text = (mine / "body.txt").read_text(encoding="utf-8")
    envelope = json.loads((mine / "mail.json").read_text(encoding="utf-8"))
    assert envelope["subject"] == "Computer Vision: USD 200 (+100.0 %) in week 43"
    assert envelope["team"] == {"id": "vision", "name": "Computer Vision"}
    assert envelope["attachments"][0] == "weekly-2026-W43-vision.xlsx"
    company = json.loads((folder / "mail" / "mail.json").read_text(encoding="utf-8"))
    for total in company["totals"]:
        assert format_money(Decimal(total["effective_cost"]), total["currency"]) not in text
    for attached in envelope["attachments"]:
        assert (folder / "teams" / "vision" / attached).is_file()
