"""Names come from outside: whatever they are, they are shown as they are, and do nothing."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import pytest

from finops.reports.build import Options, ReportFiles
from finops.reports.contexts import Brand
from finops.reports.slugs import slugs
from finops.warehouse.connection import connect
from finops.warehouse.schema import migrate
from reports.conftest import Books

NAMES = (
    "<script>alert(1)</script>",
    "</style><b>bold</b>",
    "</textarea>--></title>\"'><img src=x onerror=alert(1)>",
    "x" * 9_989 + " the end...",
    "{{7*7}}",
    "{% include '/etc/passwd' %}",
    "=cmd|'/c calc'!A1",
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    '=HYPERLINK("http://evil.example","x")',
    "\u202eevil\u202c \u2066right-to-left \u05d0\u05d1",
    "\U0001f4b8 spend \U0001f469\u200d\U0001f4bb",
    "../../etc/passwd",
    "a\r\nBcc: x@y.example",
    "a\nb",
    "nul \0 byte",
    "\x1b[31mred\x1b[0m \x07",
    "%00",
    "con",
    "COM1.txt",
    "A",
    "a",
    "caf\u00e9",
    "cafe\u0301",
    "...",
    " ",
    "javascript:alert(1)",
    "http://evil.example/%s",
)
TEAMS = (NAMES[0], "=cmd|'/c calc'!A1", "../../etc/passwd", "a\r\nBcc: x@y.example", "CON")
"""Those of them that are teams: each has a folder of its own, with some of the names in it."""
FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
SAFE = re.compile(r"[a-z0-9_][A-Za-z0-9_.-]{0,200}")
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass
class Hostile:
    """A report on books in which everything is named so."""

    files: ReportFiles

    def all(self, suffix: str) -> Iterator[Path]:
        """The company's files of a kind, and every team's."""
        return self.files.folder.rglob(f"*{suffix}")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    con = connect(None)
    migrate(con)
    books = Books(con)
    for number, name in enumerate(NAMES):
        for day in (14, 21):
            books.charge(
                f"2026-10-{day}T{number % 24:02}",
                f"{100 - number}.5",
                TEAMS[number % len(TEAMS)],
                service=name,
                resource=name,
                kind="gpu.ec2",
            )
        books.finding(f"r{number}", "idle", "12", "10")
    books.charge("2026-10-21T00", "7", None, service="untagged", resource="=orphan", currency="=CUR <b>")
    books.deliver()
    con.execute(
        "UPDATE ledger.dimension SET SubAccountId = ServiceName, SubAccountName = ServiceName, SkuId = ServiceName, "
        "InvoiceIssuerName = ServiceName, Tags = MAP {'owner': ServiceName, 'k' || ServiceName: 'v'}"
    )
    for number, name in enumerate(NAMES):
        con.execute(
            "UPDATE findings.findings SET resource_id = $name, resource_name = $name, team = $team, reason = $name "
            "WHERE finding_id = $id",
            {"name": name, "id": f"r{number}", "team": TEAMS[number % len(TEAMS)]},
        )
    brand = Brand(name="".join(name for name in NAMES if len(name) < 100))
    folder = tmp_path_factory.mktemp("hostile")
    yield Hostile(books.report(folder, options=Options(brand=brand, teams=TEAMS)))
    con.close()


class Page(HTMLParser):
    """What a browser sees: the text, the tags, and what stands in scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag in self.raw:
            self.inside = tag
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.raw[self.inside][-1] += data
        else:
            self.text += data


def shown(text: str) -> str:
    """Text as a browser shows it: runs of blanks are one."""
    return " ".join(text.split())


def signs(name: str) -> str:
    """A name with the signs that stand for what cannot be shown."""
    return "".join(chr(0x2400 + ord(each)) if each < " " and each not in "\t\n" else each for each in name)


def test_a_page_shows_every_name_as_it_is(hostile: Hostile) -> None:
    page = shown(Page(hostile.files.page.read_text(encoding="utf-8")).text)
    teams = [shown(Page(path.read_text(encoding="utf-8")).text) for path in hostile.all("index.html")]
    for name in NAMES:
        assert shown(signs(name)) in page, name
        assert sum(shown(signs(name)) in each for each in teams) > 1, "a team's too"
    assert "nul \N{SYMBOL FOR NULL} byte" in page


def test_no_name_becomes_a_tag_a_script_an_address_or_a_style(
    hostile: Hostile, two_weeks: Books, tmp_path: Path
) -> None:
    harmless = Page(two_weeks.report(tmp_path, options=Options(teams=("vision",))).page.read_text(encoding="utf-8"))
    known = {tag for tag, _ in harmless.tags} | {
        "aside",
        "ol",
        "li",
        "details",
        "summary",
        "svg",
        "g",
        "rect",
        "text",
        "p",
    }
    pages = list(hostile.all("index.html"))
    assert len(pages) == 1 + len(TEAMS)
    for path in pages:
        source = path.read_text(encoding="utf-8")
        page = Page(source)
        assert {tag for tag, _ in page.tags} <= known, path
        assert page.raw == harmless.raw, "our script and our style, and no other"
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", source)
        for tag, attributes in page.tags:
            assert not [name for name in attributes if name.startswith("on")], (path, tag)
            assert re.fullmatch(r"#[\w-]+|[\w/.-]+\.(csv|json|xlsx|html|pdf)", attributes.get("href", "#a")), attributes
            assert "src" not in attributes
            assert re.fullmatch(r"(width:\d+(\.\d)?%)?", attributes.get("style", "")), attributes


def test_ids_are_one_word_and_there_once(hostile: Hostile) -> None:
    for path in hostile.all("index.html"):
        tags = Page(path.read_text(encoding="utf-8")).tags
        ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
        assert sorted(set(ids)) == sorted(ids)
        assert not [each for each in ids if not re.fullmatch(r"[\w.-]+", each)]
        for _, attributes in tags:
            assert set(attributes.get("aria-labelledby", "").split()) <= set(ids)


def test_a_csv_reads_back_and_no_cell_of_it_is_a_formula(hostile: Hostile) -> None:
    files = list(hostile.all(".csv"))
    assert len(files) > 10 * len(TEAMS)
    for path in files:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True))
        assert {len(row) for row in rows} == {len(rows[0])}, path
        for text in (cell for row in rows for cell in row):
            assert NUMBER.fullmatch(text) or not FORMULA.match(text), (path, text)


def test_a_csv_has_every_name_whole(hostile: Hostile) -> None:
    text = (hostile.files.folder / "spend_by_service.csv").read_bytes().decode()
    names = {row["ServiceName"] for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert len(names) == len(NAMES) + 1
    assert {name for name in NAMES if not FORMULA.match(name) and "\0" not in name} <= names
    assert {"'=cmd|'/c calc'!A1", "'+1", "'-2+3", "'@SUM(A1)"} <= names, "with an apostrophe in front"


def test_names_of_files_are_names_everywhere_and_no_two_are_alike(hostile: Hostile) -> None:
    folder = hostile.files.folder
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        for part in PurePosixPath(name).parts:
            assert SAFE.fullmatch(part), name
            assert not DEVICE.fullmatch(part), name
    assert len(list((folder / "teams").iterdir())) == len(TEAMS)


def test_the_manifest_names_the_team_as_it_is_called(hostile: Hostile) -> None:
    manifests = [json.loads(path.read_text(encoding="utf-8")) for path in hostile.all("manifest.json")]
    assert {each["team"]["id"] for each in manifests if each["team"]} == set(TEAMS)


ALIKE = [
    ("A", "a"), ("caf\u00e9", "cafe\u0301"), ("../../etc/passwd", "etc-passwd"), ("con", "CON"), ("a b", "a-b"), ("", "team"),
    ("\u202ea", "a"), ("\N{FULLWIDTH LATIN SMALL LETTER A}", "a"), ("a.", "a"), ("\ud800", "\udfff"), ("x" * 100, "x" * 101),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), ALIKE, ids=ascii)
def test_names_that_look_alike_to_a_file_system_get_two_folders(one: str, other: str) -> None:
    found = slugs([one, other])
    assert (
        unicodedata.normalize("NFKC", found[one]).casefold() != unicodedata.normalize("NFKC", found[other]).casefold()
    )
    for each in found.values():
        assert SAFE.fullmatch(each)
        assert not DEVICE.fullmatch(each)


def test_nobody_can_take_the_folder_of_another_by_its_name() -> None:
    taken = slugs(["A"])["A"]
    assert slugs([taken])[taken] != taken
    assert slugs(["ml-research", "v1.2_x"]) == {"ml-research": "ml-research", "v1.2_x": "v1.2_x"}


def test_half_a_letter_cannot_get_in() -> None:
    """A lone surrogate is no text for the ledger, so no report need fear it."""
    with pytest.raises((RuntimeError, UnicodeEncodeError)):
        connect(None).execute("SELECT ?", ["\ud800"])


def test_every_cell_of_a_workbook_is_text_or_a_number(hostile: Hostile) -> None:
    books = list(hostile.all(".xlsx"))
    assert len(books) == 1 + len(TEAMS)
    for path in books:
        with zipfile.ZipFile(path) as book:
            parts = {name: book.read(name).decode() for name in book.namelist()}
        for name, text in parts.items():
            assert not re.search(r"<(\w+:)?f[ >]|<oleObject|<ddeLink|TargetMode=\"External\"", text), (path, name)
            parsed = ElementTree.fromstring(text)
            if name.startswith("xl/worksheets/sheet"):
                kinds = {cell.get("t", "n") for cell in parsed.iter() if cell.tag.endswith("}c")}
                assert kinds <= {"s", "n", "inlineStr", "b"}, (path, name)
        sheets = re.findall(r'<sheet name="([^"]*)"', parts["xl/workbook.xml"])
        assert len({each.lower() for each in sheets}) == len(sheets)
        assert all(re.fullmatch(r"\w[\w -]{0,30}", each) for each in sheets)


def test_a_workbook_has_every_name(hostile: Hostile) -> None:
    with zipfile.ZipFile(hostile.files.folder / "weekly-2026-W43.xlsx") as book:
        strings = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
    cells = {"".join(text.text or "" for text in item.iter() if text.tag.endswith("}t")) for item in strings}
    for name in NAMES:
        escaped = re.sub(r"[\0-\x08\x0b-\x1f]", lambda found: f"_x{ord(found[0]):04X}_", name)
        assert {name, escaped, name.replace("\0", "\ufffd")} & cells or escaped.replace("\n", "_x000A_") in cells, name


def mails(hostile: Hostile) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in hostile.all("mail.json"):
        yield path.parent.parent, json.loads(path.read_text(encoding="utf-8"))


def test_a_mails_head_is_one_line_and_its_files_are_its_own(hostile: Hostile) -> None:
    assert len(list(mails(hostile))) == 1 + len(TEAMS)
    for folder, mail in mails(hostile):
        for text in (mail["subject"], *(image["alt"] for image in mail["images"])):
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text), text
        assert len(mail["subject"]) <= 150
        assert len(mail["summary"].splitlines()) <= 6
        assert len(mail["summary"]) < 5_000
        files = [mail["text"], mail["html"], *mail["attachments"], *(image["file"] for image in mail["images"])]
        for name in files:
            assert (folder / name).resolve().is_relative_to(folder.resolve())
            assert (folder / name).is_file(), name
        cids = [image["cid"] for image in mail["images"]]
        assert all(re.fullmatch(r"[a-z0-9-]+", cid) for cid in cids)
        assert len(set(cids)) == len(cids)


def test_a_mails_body_has_no_tag_script_or_address_of_a_names(hostile: Hostile) -> None:
    for folder, mail in mails(hostile):
        source = (folder / mail["html"]).read_text(encoding="utf-8")
        page = Page(source)
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"script", "iframe", "form", "object", "embed", "base", "link", "svg", "textarea"}, tags
        assert len(source.encode()) < 90_000
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", source)
        for tag, attributes in page.tags:
            assert not [name for name in attributes if name.startswith("on")], (folder, tag)
            assert "href" not in attributes, attributes
            assert tag != "img" or re.fullmatch(r"cid:[a-z0-9-]+", attributes["src"])
            assert "url(" not in attributes.get("style", "")
        assert "url(" not in "".join(page.raw["style"])


def test_a_mails_body_shows_names_on_one_line(hostile: Hostile) -> None:
    source = (hostile.files.folder / "mail" / "body.html").read_text(encoding="utf-8")
    page = shown(Page(source).text)
    text = (hostile.files.folder / "mail" / "body.txt").read_text(encoding="utf-8")
    for name in (NAMES[0], NAMES[1], "{% include '/etc/passwd' %}", "=cmd|'/c calc'!A1"):
        assert name in page
    assert NAMES[0] in text
    assert "x" * 100 not in text
    assert "x" * 100 not in page
    assert not re.search(r"(?m)^Bcc:", text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert max(len(line) for line in text.splitlines()) < 400
