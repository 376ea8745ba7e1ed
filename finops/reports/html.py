"""Renders templates: the user's folder first, then the shipped one, which ``default:NAME`` always means."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    UndefinedError,
    select_autoescape,
)

from finops.errors import ConfigError
from finops.reports.contexts import Report
from finops.reports.text import text_table, wrapped
from finops.resources import shipped_templates

_CONTROLS = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), 0xFFFD),
}
"""What a name may hold and no page can show has a sign in its place: ``\N{SYMBOL FOR NULL}`` for a NUL."""


_MEND = "Correct the template, or move it away: ours then takes its place."


@cache
def environment(overlay: Path | None = None, shipped: Path | None = None) -> Environment:
    """A jinja2 environment that escapes everything but plain text, and forgives nothing.

    A template in ``overlay`` replaces ours of the same name; it may ``{% extends "default:weekly.html" %}``. A template whose name
    ends in ``.txt`` makes plain text: nothing in it is escaped, and ``|as_text`` prints a table, ``|wrapped`` a paragraph.
    """
    ours = FileSystemLoader(shipped or shipped_templates())
    folders = [FileSystemLoader(overlay)] if overlay else []
    made = Environment(
        loader=ChoiceLoader([*folders, ours, PrefixLoader({"default": ours}, delimiter=":")]),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"as_text": text_table, "wrapped": wrapped}
    return made


def render(report: Report, template: str = "weekly.html", overlay: Path | None = None, **more: Any) -> str:
    """The page, one file with nothing outside it.

    Args:
        more: what a template may use beside ``report``.

    Raises:
        ConfigError: the template is missing, does not parse or names what is not there; with file and line.
    """
    try:
        page = environment(overlay).get_template(template).render(report=report, **more)
    except TemplateNotFound as error:
        raise ConfigError(
            f"there is no template '{error.name}'",
            where=str(overlay or shipped_templates()),
            next_step="Ours are called default:weekly.html, default:base.html and default:_macros.html.",
        ) from error
    except UndefinedError as error:
        raise ConfigError(
            f"the template uses what is not there: {error.message}",
            where=_place(error, template),
            next_step="docs/templates.md names all that a template has.",
        ) from error
    except TemplateError as error:
        raise ConfigError(
            f"the template cannot be rendered: {error.message}", where=_place(error, template), next_step=_MEND
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"a template is not UTF-8 ({error.reason})", where=str(overlay or shipped_templates()), next_step=_MEND
        ) from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        place = _place(error, template)
        if overlay is None or not place.startswith(f"{overlay}{os.sep}"):
            raise  # ours, or what it calls
        raise ConfigError(
            f"the template cannot be rendered: {type(error).__name__}: {error}", where=place, next_step=_MEND
        ) from error
    page = page.translate(_CONTROLS)
    if template.endswith(".txt"):
        return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", page)).strip("\n") + "\n"
    return re.sub(r"\n[ \t]*(?:\n[ \t]*)+", "\n", page)


def _place(error: BaseException, template: str) -> str:
    """File and line of the innermost template in a traceback."""
    line = getattr(error, "lineno", None)
    name = getattr(error, "filename", None) or getattr(error, "name", None) or template
    trace = error.__traceback__
    while trace is not None:
        source = trace.tb_frame.f_code.co_filename
        if source.endswith((".html", ".txt", ".svg", ".css", ".js")):
            name, line = source, trace.tb_lineno
        trace = trace.tb_next
    return f"{name}:{line}" if line else str(name)
