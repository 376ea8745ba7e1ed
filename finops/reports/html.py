"""Renders templates: the user's folder first, then the shipped one, which ``default:NAME`` always means."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    UndefinedError,
)

from finops.errors import ConfigError
from finops.reports.contexts import Report
from finops.resources import shipped_templates


def environment(overlay: Path | None = None, shipped: Path | None = None) -> Environment:
    """A jinja2 environment that escapes everything and forgives nothing.

    A template in ``overlay`` replaces ours of the same name; it may ``{% extends "default:weekly.html" %}``.
    """
    ours = FileSystemLoader(shipped or shipped_templates())
    folders = [FileSystemLoader(overlay)] if overlay and overlay.is_dir() else []
    return Environment(
        loader=ChoiceLoader([*folders, ours, PrefixLoader({"default": ours}, delimiter=":")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(report: Report, template: str = "weekly.html", overlay: Path | None = None) -> str:
    """The page, one file with nothing outside it.

    Raises:
        ConfigError: the template is missing, does not parse or names what is not there; with file and line.
    """
    try:
        page = environment(overlay).get_template(template).render(report=report)
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
            next_step="A template has 'report'; finops/reports/contexts.py (Report) names its fields.",
        ) from error
    except TemplateError as error:
        raise ConfigError(f"the template cannot be rendered: {error.message}", where=_place(error, template)) from error
    return re.sub(r"\n[ \t]*(?:\n[ \t]*)+", "\n", page)


def _place(error: BaseException, template: str) -> str:
    """File and line of the innermost template in a traceback."""
    line = getattr(error, "lineno", None)
    name = getattr(error, "filename", None) or getattr(error, "name", None) or template
    trace = error.__traceback__
    while trace is not None:
        source = trace.tb_frame.f_code.co_filename
        if source.endswith(".html"):
            name, line = source, trace.tb_lineno
        trace = trace.tb_next
    return f"{name}:{line}" if line else str(name)
