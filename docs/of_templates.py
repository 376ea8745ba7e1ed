"""Writes docs/templates.md from the templates and from the dataclasses that they print."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from jinja2 import nodes

from finops.reports.contexts import Report
from finops.reports.html import environment
from finops.reports.mail import Mail
from finops.resources import shipped_templates

ROOTS = (Report, Mail)
OURS = ("finops.reports.", "finops.periods")
"""The modules whose dataclasses are explained; of another one its name stands."""


@dataclass(frozen=True)
class Field:
    """A field or a property of a dataclass, as a template names it."""

    name: str
    hint: Any
    help: str


def documented() -> list[type]:
    """Every dataclass that a template can reach, the nearest first."""
    found: list[type] = list(ROOTS)
    for each in found:
        for field in fields_of(each):
            found += [inner for inner in dataclasses_in(field.hint) if inner not in found]
    return found


@cache
def fields_of(kind: type) -> tuple[Field, ...]:
    """The fields of a dataclass in their order, then its properties."""
    hints, helps = get_type_hints(kind), _helps(kind)
    own = [Field(each.name, hints[each.name], helps.get(each.name, "")) for each in fields(kind)]
    computed = [
        Field(name, get_type_hints(each.fget)["return"], inspect.getdoc(each.fget) or "")
        for name, each in vars(kind).items()
        if isinstance(each, property) and each.fget and not name.startswith("_")
    ]
    return (*own, *computed)


def dataclasses_in(hint: Any) -> list[type]:
    """Those of ours that a type is made of."""
    if isinstance(hint, type) and is_dataclass(hint):
        return [hint] if hint.__module__.startswith(OURS) else []
    return [inner for argument in get_args(hint) for inner in dataclasses_in(argument)]


def _helps(kind: type) -> dict[str, str]:
    """What stands below each field."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: str(help_.value.value)
        for field, help_ in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(help_, ast.Expr) and isinstance(help_.value, ast.Constant)
    }


def templates() -> dict[str, nodes.Template]:
    """Every shipped template that has text of its own, parsed."""
    made = environment()
    names = sorted(made.list_templates(filter_func=lambda name: not name.startswith("default:")))
    return {name: made.parse((shipped_templates() / name).read_text(encoding="utf-8")) for name in names}


def page() -> str:
    """The whole page."""
    return "".join(_page())


def _page() -> Iterator[str]:
    yield _INTRODUCTION
    yield "\n## The templates and their blocks\n"
    for name, parsed in templates().items():
        blocks = [f"`{each.name}`" for each in parsed.find_all(nodes.Block)]
        macros = [
            f"`{each.name}({', '.join(str(a.name) for a in each.args)})`" for each in parsed.find_all(nodes.Macro)
        ]
        yield f"\n### {name}\n\n{_ABOUT.get(name) or _comment(shipped_templates() / name)}\n"
        yield f"\nBlocks: {', '.join(blocks)}.\n" if blocks else ""
        yield f"\nMacros: {', '.join(macros)}.\n" if macros else ""
    yield "\n## What a template may print\n\nEvery template has `report`; those in `mail/` have `mail` beside it.\n"
    for kind in documented():
        root = {Report: "`report`: ", Mail: "`mail`: "}.get(kind, "")
        yield f"\n### {kind.__name__}\n\n{root}{_flat(inspect.getdoc(kind) or '')}\n"
        yield "\n| field | type | meaning |\n| --- | --- | --- |\n"
        for field in fields_of(kind):
            yield f"| `{field.name}` | {_type(field.hint)} | {_flat(field.help)} |\n"


def _comment(path: Path) -> str:
    found = re.match(r"\s*(?:\{%.*?%\}\s*)?\{#\s*(.*?)\s*#\}", path.read_text(encoding="utf-8"), re.DOTALL)
    return _flat(found[1]) if found else ""


def _flat(text: str) -> str:
    return " ".join(re.sub(r"``(.+?)``", r"`\1`", text).split()).replace("|", "\\|")


def _type(hint: Any) -> str:
    if isinstance(hint, types.UnionType) or get_origin(hint) is Union:
        return " or ".join("none" if each is type(None) else _type(each) for each in get_args(hint))
    if get_origin(hint) is tuple:
        first, *rest = get_args(hint)
        return f"list of {_type(first)}" if rest == [...] else f"({', '.join(map(_type, (first, *rest)))})"
    if get_origin(hint) in (dict, Mapping) or getattr(get_origin(hint), "__name__", "") == "Mapping":
        return f"{_type(get_args(hint)[1])}, by {_type(get_args(hint)[0])}"
    if dataclasses_in(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    names = {str: "text", bool: "true or false", int: "whole number", Any: "any"}
    return names.get(hint) or getattr(hint, "__name__", str(hint))


_ABOUT = {
    "style.css": "How the page looks, in light, in dark and on paper.",
    "page.js": "Sorts and filters tables and copies commands; the page needs it for nothing else.",
    "mail/style.css": "How the mail looks; it is written into the mail's tags.",
    "mail/monthly.html": "The monthly mail: the weekly one, over a month.",
    "mail/monthly.txt": "The same as plain text.",
    "mail/chart.svg": "A chart as it is drawn for the mail. Beside `report` it has `chart` ([Chart](#chart)), `colours`, `legend`, "
    "`height` and `paper`, and no `mail`.",
}

_INTRODUCTION = """# Templates

A report's page and its mail are made by [Jinja](https://jinja.palletsprojects.com/en/stable/templates/) templates. Yours lie in the
folder that `[paths] templates` names, `templates/` by default, and stand on top of ours: a file of the same name replaces ours, and
no other does. Most changes are a block of one template:

```html
{# templates/weekly.html: ours without tokens, with a line of our own before the notes #}
{% extends "default:weekly.html" %}
{% block tokens %}{% endblock %}
{% block notes %}
<section id="budget">
<h2>Budget</h2>
{% for headline in report.headlines %}
<p>{{ headline.currency }}: {{ headline.total.text }} of the week's 60,000.</p>
{% endfor %}
</section>
{{ super() }}
{% endblock %}
```

- `default:NAME` is always our template, `NAME` yours if there is one. So `monthly.html`, which extends `weekly.html`, takes your
  changes of that too.
- What a template prints is escaped, whatever it is called: a team named `<script>` is shown as it is. Names are never templates:
  `{{7*7}}` in a tag is seven signs. In `*.txt` nothing is escaped, for it is no HTML: don't include one in
  a page. `{{ table|as_text }}` prints a table in columns there, `{{ sentence|wrapped }}` a paragraph.
- A name that is none of those below is an error with file and line, never an empty place: `finops report` ends with exit code 2 and
  leaves the report that there is.
- Everything is computed before: a template only prints. An amount has `text` and others, already rounded; `plain` has all digits.
- `include`, `import` and `extends` find files in the two folders and nowhere else. Still a template is a program: read one that
  somebody else wrote before you use it, as you would a query.
- A changed template makes a new report; the manifest has the hash of each (see [reports.md](reports.md)).
- Names below may be added to; they are not renamed or taken away within a major version.
"""
