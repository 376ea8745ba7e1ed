"""The page in a real browser: every width, light, dark and paper; nothing leaves it; keyboard, screen reader and no script at all.

Needs Chromium (on the path, or named by FINOPS_CHROMIUM); without one these tests are skipped.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright
from pypdf import PdfReader

from finops.reports import build
from finops.reports.branding import brand
from finops.reports.build import Options, Team
from finops.reports.contrast import contrast
from finops.reports.pdf import PrintError, find_browser
from finops.warehouse.connection import connect
from finops.warehouse.schema import migrate
from tests.reports.conftest import Books

SCREENS = {390: 844, 768: 1024, 1280: 960, 2560: 1440, 3840: 2160}
HOSTILE = (
    '<script>document.title = "taken"</script>"><img src="https://elsewhere.example/x.png" onerror=alert(1)>',
    "</style></title><h1>{{7*7}}</h1>",
    "long-" + "name" * 2_499,
    "long words " * 900,
    "\u202eشركة الحوسبة\u202e \N{ROBOT FACE}\N{FAMILY}",
)
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"><rect width="120" height="40" fill="#224"/></svg>'
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all of them."""
    try:
        path = find_browser()
    except PrintError as problem:
        pytest.skip(str(problem))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weekly and monthly, company and team, of a ledger with two currencies and names that nobody would wish for."""
    folder = tmp_path_factory.mktemp("reports")
    con = connect(None)
    migrate(con)
    books = Books(con)
    for week, day in enumerate(("2026-08-25", "2026-09-08", "2026-09-22", "2026-10-13", "2026-10-20")):
        for index, team in enumerate(("vision", "ml-research", "search", None)):
            books.charge(f"{day}T08", f"{100 + 50 * week + 7 * index}.4", team, resource=f"i-{index}", kind="gpu.ec2")
            books.charge(f"{day}T09", f"{10 + index}.01", team, currency="EUR", resource=f"vm-{index}")
    for index, name in enumerate(HOSTILE):
        books.charge("2026-10-21T08", f"{300 + index}.06", "vision" if index else name, resource=name, service=name)
        books.finding(name, "idle", "300", "300", reason=name)
    for index in range(40):
        books.charge("2026-10-22T08", "0.75", "vision", resource=f"job-{index:02}", service=f"Service {index}")
        books.finding(f"job-{index:02}", "idle", "3.5", "3.5")
    books.deliver()
    (folder / "logo.svg").write_text(LOGO)
    look = brand("Example Works", folder / "logo.svg", "#ffd500", {"vision": "#101010", "search": "#f5f5f5"})
    options = Options(brand=look, teams=("vision",), xlsx=False, known_teams=(Team("vision", "Vision and Maps"),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "mail_files", lambda *_: {})  # a mail is no page
        weekly = books.report(folder, options=options)
        monthly = books.report(folder, "2026-10", name="monthly", options=options)
    con.close()
    return {
        "weekly": weekly.page,
        "weekly of a team": weekly.teams["vision"],
        "monthly": monthly.page,
        "monthly of a team": monthly.teams["vision"],
    }


ONE_OF_A_LOOK = """() => {
  const seen = new Set();
  const look = (e) => e ? look(e.parentElement) + ">" + e.tagName + "." + e.getAttribute("class") : "";
  for (const e of document.querySelectorAll("body *:not(:has(*)):not(script)")) {
    if (seen.has(look(e))) e.textContent = "";
    seen.add(look(e));
  }
}"""
"""Leaves the text of the first element of each tag and class, all the way up: the others have its colours."""

KINDS = ("weekly", "weekly of a team", "monthly", "monthly of a team")


@pytest.fixture
def opened(chromium: Browser, pages: dict[str, Path]) -> Iterator[Page]:
    """The weekly page, on a screen of usual size."""
    page = chromium.new_page(viewport={"width": 1280, "height": 960})
    page.goto(pages["weekly"].as_uri())
    yield page
    page.close()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_leaves_the_page_and_nothing_in_it_fails(chromium: Browser, pages: dict[str, Path], kind: str) -> None:
    page = chromium.new_page()
    asked: list[str] = []
    said: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        if route.request.url.startswith("file:"):
            route.continue_()
        else:
            route.abort()

    page.route("**/*", refuse)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(pages[kind].as_uri())
    page.wait_for_load_state("networkidle")
    assert asked == [pages[kind].as_uri()]
    assert said == []
    assert page.title().startswith("Cloud and AI spend")
    assert page.locator("img").evaluate_all("all => all.map((each) => [each.alt, each.naturalWidth])") == [
        ["Example Works", 120]
    ]
    assert page.locator("h1").count() == 1, "no heading came in with a name"
    page.close()


@pytest.mark.parametrize("kind", KINDS)
def test_no_screen_scrolls_sideways(chromium: Browser, pages: dict[str, Path], kind: str) -> None:
    page = chromium.new_page()
    page.goto(pages[kind].as_uri())
    for width, height in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") == width, f"at {width}"
        heading = page.locator("h1").bounding_box()
        main = page.locator("main").bounding_box()
        assert heading and main
        assert heading["y"] + heading["height"] < height / 2, f"the total is what one sees first at {width}"
        assert 0.7 < main["width"] / width < 0.98, f"neither a strip nor a wall at {width}"
    page.close()


@pytest.mark.parametrize("width", [1280, 1920, 2560, 3840])
def test_no_table_hides_its_last_column(opened: Page, width: int) -> None:
    """The change and the saving stand last."""
    opened.set_viewport_size({"width": width, "height": 960})
    cut = "e => [...e].filter((t) => t.scrollWidth > t.clientWidth).map((t) => t.ariaLabel)"
    assert opened.locator("main > section > .sheets > .sheet > .scroll").count() > 4
    assert opened.locator(".sheets .scroll").evaluate_all(cut) == []


def test_one_screen_answers(opened: Page) -> None:
    answers = opened.locator(".answers")
    box = answers.bounding_box()
    assert box
    assert box["y"] + box["height"] < 960
    assert "What is wasted?" in answers.inner_text()


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_in_light_or_dark(chromium: Browser, pages: dict[str, Path], kind: str) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 960}, color_scheme="light")
    page.goto(pages[kind].as_uri())
    # What holds for two rows of a table and two bars of a chart holds for the others, which are made the same way.
    page.evaluate(
        "document.querySelectorAll('tbody tr:nth-child(n+3), svg g:nth-of-type(n+3)').forEach((e) => e.remove())"
    )
    results = [
        Axe().run(page, options={"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}})
    ]
    page.evaluate(ONE_OF_A_LOOK)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        results.append(Axe().run(page, options={"resultTypes": ["violations"], "runOnly": ["color-contrast"]}))
        assert results[-1].response["passes"], "some text was looked at"
    for found in results:
        assert found.violations_count == 0, found.generate_report()
    page.close()


def test_a_dark_page_is_dark_and_the_companys_colours_are_seen_on_both(
    chromium: Browser, pages: dict[str, Path]
) -> None:
    page = chromium.new_page()
    page.goto(pages["weekly"].as_uri())
    seen = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        paper, accent, vision, search = page.evaluate(
            """() => {
              const style = getComputedStyle(document.documentElement);
              const names = ["--paper", "--accent", "--own-1", "--own-0"];
              return names.map((each) => style.getPropertyValue(each).trim());
            }"""
        )
        assert contrast(accent, paper) >= 4.5
        assert min(contrast(vision, paper), contrast(search, paper)) >= 3
        assert page.locator("a[href$='.csv']").first.evaluate("e => getComputedStyle(e).color") == _rgb(accent)
        seen[scheme] = paper
    assert contrast(seen["light"], "#000000") > 15 > 3 > contrast(seen["dark"], "#000000")
    page.close()


@pytest.mark.parametrize(("paper", "points"), [("A4", (595, 842)), ("Letter", (612, 792))])
def test_on_paper(opened: Page, paper: str, points: tuple[int, int]) -> None:
    opened.evaluate(
        "const rows = document.querySelector('#waste tbody');"
        "for (let copies = 0; copies < 3; copies++) rows.append(...rows.cloneNode(true).rows)"
    )
    printed = PdfReader(io.BytesIO(opened.pdf(format=paper, prefer_css_page_size=True)))
    first = printed.pages[0]
    assert [float(first.mediabox.width), float(first.mediabox.height)] == pytest.approx(points, abs=1)
    texts = [" ".join(page.extract_text().split()) for page in printed.pages]
    assert " ".join(opened.locator("h1 .figure").first.inner_text().split()) in texts[0], "the total"
    everything = " ".join(texts)
    for control in ("Copy", "Filter USD", "finops analyze", "Skip to the numbers"):
        assert control not in everything
    assert everything.count("Saving a month") >= 3, "a table longer than a page says again what its columns are"


def test_a_head_sorts_by_keyboard_and_says_so(opened: Page) -> None:
    table = opened.locator("#teams table").first
    button = table.get_by_role("button", name="Effective cost")
    before = table.locator("tbody tr td:nth-child(2)").evaluate_all(
        "all => all.map((each) => Number(each.dataset.value))"
    )
    table.locator("xpath=..").focus()
    for _ in range(2):
        opened.keyboard.press("Tab")
    assert button.evaluate("each => each === document.activeElement")
    for wanted, said in ((sorted(before, reverse=True), "descending"), (sorted(before), "ascending")):
        opened.keyboard.press("Enter")
        now = table.locator("tbody tr td:nth-child(2)").evaluate_all(
            "all => all.map((each) => Number(each.dataset.value))"
        )
        assert now == wanted
        assert table.locator("thead th").nth(1).get_attribute("aria-sort") == said
    assert table.locator("tfoot").inner_text().startswith("Total"), "the total stays where it is"


def test_a_filter_says_how_many_are_left(opened: Page) -> None:
    section = opened.locator("#waste")
    box = section.get_by_role("searchbox", name="Filter USD")
    rows = section.locator("table").first.locator("tbody tr")
    box.fill("script")
    shown = [each for each in rows.all() if each.is_visible()]
    assert [("<script>" in each.inner_text()) for each in shown] == [True]
    assert section.get_by_role("status").first.inner_text() == f"1 of {rows.count()} rows; the totals stay those of all"
    box.fill("")
    assert all(each.is_visible() for each in rows.all())


def test_a_command_is_copied(chromium: Browser, pages: dict[str, Path]) -> None:
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(pages["weekly of a team"].as_uri())
    button = page.locator("#services .copy")
    button.click()
    page.wait_for_function("document.querySelector('#services .copy').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "finops analyze spend_by_service --period 2026-W43 --team vision"
    context.close()


def test_without_scripts_the_page_says_the_same(chromium: Browser, pages: dict[str, Path], opened: Page) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 960})
    page = context.new_page()
    page.goto(pages["weekly"].as_uri())
    assert page.locator("button, input").count() == 0
    for part in ("h1", ".answers", "td", "tbody th", "thead th"):
        assert page.locator(part).all_inner_texts() == opened.locator(part).all_inner_texts()
    context.close()


def test_every_chart_has_a_name_a_description_and_a_table(opened: Page) -> None:
    charts = opened.get_by_role("img").and_(opened.locator("svg"))
    assert charts.count() >= 3
    for chart in charts.all():
        name, description = chart.locator("> title").text_content(), chart.locator("> desc").text_content()
        assert name
        assert description
    assert opened.locator("#trend details table").count() == 2


def _rgb(colour: str) -> str:
    return f"rgb({int(colour[1:3], 16)}, {int(colour[3:5], 16)}, {int(colour[5:7], 16)})"
