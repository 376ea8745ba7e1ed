"""What users' own templates may rely on: the names that docs/templates.md lists, blocks to replace, and an escape from nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from jinja2 import nodes

from docs.of_templates import ROOTS, dataclasses_in, documented, fields_of, page, templates
from finops.errors import ConfigError
from finops.periods import parse_period
from finops.reports import mail as mails
from finops.reports.compute import compute_report
from finops.reports.contexts import Report
from finops.reports.html import environment, render
from finops.reports.mail import Mail, mail_files
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import connect
from finops.warehouse.schema import migrate
from reports.conftest import TODAY, Books

BODIES = ("weekly.html", "monthly.html", "mail/weekly.html", "mail/monthly.html", "mail/weekly.txt", "mail/monthly.txt")


@pytest.fixture(scope="module")
def printed() -> Iterator[dict[str, Any]]:
    """A report and a mail with something in most places, as templates are given them."""
    con = connect(None)
    migrate(con)
    books = Books(con)
    for day in ("2026-09-14T00", "2026-10-14T00", "2026-10-20T00", "2026-10-21T05"):
        books.charge(day, "100.5", "vision", resource="i-1", kind="gpu.ec2")
        books.charge(day, "12", None, service="Networking")
        books.charge(day, "3", "search", currency="EUR")
    books.finding("i-1", "idle", "10", "8")
    books.finding("i-2", "unknown", "10", None)
    books.deliver()
    report = compute_report(con, Catalogue(), parse_period("last-month", TODAY), TODAY, name="monthly")
    given: dict[str, Any] = {}

    def noting(report: Report, template: str, *others: Any, **more: Any) -> str:
        given.update(more)
        return render(report, template, *others, **more)

    mails.render, kept = noting, mails.render
    mail_files(report, None, [])
    mails.render = kept
    yield {"report": report, "mail": given["mail"]}
    con.close()


def show(printed: Mapping[str, Any], template: str, overlay: Path) -> str:
    environment.cache_clear()  # a run of finops reads templates once
    return render(printed["report"], template, overlay, mail=printed["mail"])


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    (tmp_path / "templates" / "mail").mkdir(parents=True)
    return tmp_path / "templates"


def test_the_page_lists_every_template_and_every_dataclass() -> None:
    text = page()
    assert set(BODIES) <= templates().keys()
    for name in (*templates(), *(kind.__name__ for kind in documented())):
        assert f"\n### {name}\n" in text
    assert {"Headline", "Section", "Table", "Chart", "Money", "Period", "Mail", "Result"} <= {
        k.__name__ for k in documented()
    }


def plain_type(hint: Any) -> Any:
    """A type without its None."""
    rest = [each for each in get_args(hint) if each is not type(None)]
    return rest[0] if type(None) in get_args(hint) and len(rest) == 1 else hint


def printing(expression: str, hint: Any, numbers: Iterator[int]) -> str:
    """A piece of a template that prints all that there is below an expression."""
    if type(None) in get_args(hint):
        return f"{{% if {expression} is not none %}}{printing(expression, plain_type(hint), numbers)}{{% endif %}}"
    if dataclasses_in(hint) == [hint]:
        return "".join(f"{printing(f'{expression}.{field.name}', field.hint, numbers)}\n" for field in fields_of(hint))
    arguments, each = get_args(hint), f"each{next(numbers)}"
    if get_origin(hint) is tuple and arguments[-1] is ...:
        return f"{{% for {each} in {expression} %}}{printing(each, arguments[0], numbers)}{{% endfor %}}"
    if get_origin(hint) is dict and dataclasses_in(hint):
        return f"{{% for {each} in {expression}.values() %}}{printing(each, arguments[1], numbers)}{{% endfor %}}"
    return f"{{{{ {expression} }}}}"


def test_a_template_that_prints_every_documented_field_can_be_rendered(
    printed: Mapping[str, Any], overlay: Path
) -> None:
    numbers = count()
    whole = printing("report", Report, numbers) + printing("mail", Mail, numbers)
    (overlay / "everything.html").write_text(whole)
    text = show(printed, "everything.html", overlay)
    assert all(word in text for word in ("vision", "Networking", "gpu", "2026-09", "finops analyze spend_by_team"))


ARGUMENTS = {"section": "Section", "table": "Table", "cell": "Cell", "row": "Row", "chart": "Chart", "column": "Column",
             "amount": "Money"}  # fmt: skip
"""The types of macros' arguments, by their names."""

SAME = ("select", "reject", "selectattr", "rejectattr", "list", "sort", "reverse", "batch")
"""Filters that leave the type of what is in a list."""


class Names:
    """Looks for what a template takes from ``report`` and ``mail``, through loops and macros, and whether that is there."""

    def __init__(self, template: nodes.Template) -> None:
        self.kinds = {kind.__name__: kind for kind in documented()}
        self.looked_at = 0
        self.wrong: list[str] = []
        self.visit(template, {"report": Report, "mail": Mail})

    def visit(self, node: nodes.Node, known: dict[str, Any]) -> None:
        if isinstance(node, nodes.For):
            known = dict(known)
            known |= self.bound(node.target, self.item(self.type_of(node.iter, known)))
        elif isinstance(node, nodes.Macro):
            known = known | {a.name: self.kinds.get(ARGUMENTS.get(a.name, "")) for a in node.args if a.name != "mail"}
        elif isinstance(node, nodes.Assign):
            known |= self.bound(node.target, self.type_of(node.node, known))
        if isinstance(node, nodes.Expr):
            self.type_of(node, known)
        for child in node.iter_child_nodes():
            self.visit(child, known)

    def bound(self, target: nodes.Node, hint: Any) -> dict[str, Any]:
        if isinstance(target, nodes.Name):
            return {target.name: hint}
        names = [each.name for each in target.find_all(nodes.Name)]
        return dict.fromkeys(names) | dict(zip(names, get_args(hint), strict=False))

    def item(self, hint: Any) -> Any:
        return get_args(hint)[0] if get_origin(hint) is tuple and get_args(hint)[-1] is ... else None

    def type_of(self, node: nodes.Node, known: Mapping[str, Any]) -> Any:
        if isinstance(node, nodes.Name):
            return known.get(node.name)
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "get":
            return self.value(self.type_of(node.node.node, known))
        if isinstance(node, nodes.Filter) and node.node:
            of = self.type_of(node.node, known)
            return {"first": self.item(of), "last": self.item(of)}.get(node.name, of if node.name in SAME else None)
        if isinstance(node, nodes.Getitem):
            of = self.type_of(node.node, known)
            return self.item(of) or self.value(of)
        if not isinstance(node, nodes.Getattr):
            return None
        of = plain_type(self.type_of(node.node, known))
        if dataclasses_in(of) == [of]:
            self.looked_at += 1
            found = {field.name: field.hint for field in fields_of(of)}
            if node.attr not in found and not callable(getattr(of, node.attr, None)):
                self.wrong.append(f"line {node.lineno}: {of.__name__} has no {node.attr}")
            return plain_type(found.get(node.attr))
        return self.value(of) if node.attr not in ("get", "items", "keys", "values") else None

    def value(self, hint: Any) -> Any:
        return get_args(hint)[1] if get_origin(hint) is dict else None


@pytest.mark.parametrize("name", [name for name in templates() if not name.endswith((".css", ".js"))])
def test_every_name_that_our_templates_use_is_documented(name: str) -> None:
    names = Names(templates()[name])
    assert names.wrong == []
    assert names.looked_at > {"weekly.html": 100, "mail/weekly.html": 50, "mail/weekly.txt": 50}.get(name, -1)


def test_a_name_that_is_not_there_would_be_found() -> None:
    source = "{% for each in report.headlines %}{{ each.total.texxt }}{{ each.split[0].chnge }}{% endfor %}{{ report.sections.teams.titel }}"
    assert Names(environment().parse(source)).wrong == [
        "line 1: Money has no texxt",
        "line 1: Move has no chnge",
        "line 1: Section has no titel",
    ]


def blocks_of(name: str) -> dict[str, bool]:
    """The blocks of a template and of those that it extends: by name, does it have blocks of its own in it?"""
    parsed = templates()[name]
    found = {each.name: bool(list(each.find_all(nodes.Block))) for each in parsed.find_all(nodes.Block)}
    base = parsed.find(nodes.Extends)
    return (blocks_of(base.template.value) if base and isinstance(base.template, nodes.Const) else {}) | found


@pytest.mark.parametrize("name", BODIES)
def test_every_block_can_be_taken_from_ours_and_added_to(name: str, printed: Mapping[str, Any], overlay: Path) -> None:
    ours = show(printed, name, overlay)
    blocks = blocks_of(name)
    assert len(blocks) > 10
    kept = "".join(f"{{% block {block} %}}{{{{ super() }}}}{{% endblock %}}" for block in blocks)
    (overlay / name).write_text(f'{{% extends "default:{name}" %}}{kept}')
    assert words(show(printed, name, overlay)) == words(ours), "super() is what ours prints"
    inner = {block: f"own-{block}-block" for block, has_blocks in blocks.items() if not has_blocks}
    own = "".join(f"{{% block {block} %}}{text}{{% endblock %}}" for block, text in inner.items())
    (overlay / name).write_text(f'{{% extends "default:{name}" %}}{own}')
    text = show(printed, name, overlay)
    assert {block: text.count(mark) for block, mark in inner.items() if text.count(mark) != 1} == {}


def words(text: str) -> list[str]:
    return text.split()


def test_a_template_of_ours_takes_the_users_base_and_macros(printed: Mapping[str, Any], overlay: Path) -> None:
    (overlay / "base.html").write_text(
        '{% extends "default:base.html" %}{% block footer %}our own footer{% endblock %}'
    )
    (overlay / "weekly.html").write_text('{% extends "default:weekly.html" %}{% block tokens %}no tokens{% endblock %}')
    page = show(printed, "monthly.html", overlay)
    assert "our own footer" in page
    assert "no tokens" in page, "monthly.html extends weekly.html: the user's, where there is one"


def test_the_example_of_the_docs_works(printed: Mapping[str, Any], overlay: Path) -> None:
    example = re.search(r"```html\n(.*?)```", page(), re.DOTALL)
    assert example
    (overlay / "weekly.html").write_text(example[1])
    text = show(printed, "weekly.html", overlay)
    assert '<section id="budget">' in text
    assert 'id="notes"' in text
    assert 'id="tokens"' not in text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (b"one\n{{ 1 / 0 }}", r"weekly\.html:2: the template cannot be rendered: ZeroDivisionError"),
        (b"{{ report.title + 1 }}", r"weekly\.html:1: the template cannot be rendered: TypeError"),
        (b"caf\xe9", r"templates: a template is not UTF-8"),
    ],
)
def test_what_goes_wrong_in_a_users_template_is_said_with_its_place(
    template: bytes, said: str, printed: Mapping[str, Any], overlay: Path
) -> None:
    (overlay / "weekly.html").write_bytes(template)
    with pytest.raises(ConfigError) as caught:
        show(printed, "weekly.html", overlay)
    assert re.search(said.replace("templates:", re.escape(f"{overlay}:")), str(caught.value))


@pytest.mark.parametrize(
    "place",
    [
        "../secret.txt",
        "/etc/passwd",
        "default:../secret.txt",
        "default:/etc/passwd",
        "mail/../../secret.txt",
        "..\\secret.txt",
    ],
)
@pytest.mark.parametrize("way", ['{%% include "%s" %%}', '{%% extends "%s" %%}', '{%% import "%s" as m %%}'])
def test_a_template_reads_no_file_outside_of_its_folders(
    way: str, place: str, printed: Mapping[str, Any], overlay: Path
) -> None:
    (overlay.parent / "secret.txt").write_text("secret")
    (overlay / "weekly.html").write_text(way % place.replace("\\", "\\\\"))
    with pytest.raises(ConfigError, match="there is no template"):
        show(printed, "weekly.html", overlay)


@pytest.mark.parametrize(
    "name", ["{{7*7}}", "{% raw %}", "{# gone #}", "${7*7}", "<%= 7*7 %>", "{{ report.__class__ }}"]
)
def test_a_name_is_never_a_template(name: str, overlay: Path, printed: Mapping[str, Any]) -> None:
    """Names reach a template as values alone, also through macros, loops, filters and blocks of the user's."""
    (overlay / "weekly.html").write_text(
        '{% import "default:_macros.html" as m %}{% set cell = report.sections.services.tables[0].rows[0].cells[0] %}'
        "{{ m.cell_text(name) }}|{{ name }}|{{ [name]|join }}|{% filter trim %}{{ name }}{% endfilter %}"
    )
    text = render(printed["report"], "weekly.html", overlay, name=Named(name))
    shown = name.replace("<", "&lt;").replace(">", "&gt;")
    assert text == "|".join([shown] * 4)


class Named(str):
    """A name that stands for a cell too."""

    text = property(str.__str__)
    currency = kind = aside = note = tone = ""


def test_roots_are_what_templates_are_given(printed: Mapping[str, Any]) -> None:
    assert tuple(map(type, printed.values())) == ROOTS
