"""Findings in a terminal: a line of numbers for each, and below it the evidence in words."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import click

from finops.cli.app import App

_COLUMNS = ("status", "since", "team", "resource", "a month", "since then", "saving a month")
_NUMBERS = 3
"""So many of the columns, the last ones, are amounts."""
_WIDE = 120
_INDENT = "    "
_COLOURS = {"idle": "red", "underused": "yellow", "unknown": "magenta", "resolved": "green"}


def print_findings(app: App, findings: Sequence[dict[str, Any]]) -> int:
    """Print them; how many they are."""
    if not findings:
        return 0
    width = max(80, min(shutil.get_terminal_size((_WIDE, 24)).columns, 160))
    rows = [_cells(each) for each in findings]
    widths = [max(len(row[index]) for row in (_COLUMNS, *rows)) for index in range(len(_COLUMNS))]
    widths[3] = max(8, min(widths[3], width - sum(widths) + widths[3] - 2 * (len(widths) - 1)))
    colour = app.colour and sys.stdout.isatty()
    click.echo(click.style(_line(_COLUMNS, widths), bold=True) if colour else _line(_COLUMNS, widths))
    for cells, each in zip(rows, findings, strict=True):
        line = _line(cells, widths)
        status = len(cells[0])
        tint = _COLOURS.get(each["status"])
        click.echo(click.style(line[:status], fg=tint, bold=True) + line[status:] if colour and tint else line)
        for told in _words(each, width):
            click.echo(told)
    return len(findings)


def _cells(each: dict[str, Any]) -> tuple[str, ...]:
    since = "" if each["since"] is None else str(each["since"])
    state = each["state"] if each["state"] in ("new", "reopened") else ""
    return (
        each["status"], f"{since} {state}".strip(), each["team"] or "", each["name"],
        _money(each["monthly_cost"], each["currency"]),
        "" if each["since"] is None else _money(each["cost_since_opened"], each["currency"]),
        _money(each["monthly_saving"], each["currency"]),
    )  # fmt: skip


def _money(amount: Decimal | None, currency: str | None) -> str:
    return "unknown" if amount is None else f"{currency or ''} {amount:,.2f}".strip()


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Cells under each other; a resource's name that is too long loses its middle."""
    shown = []
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = cell if len(cell) <= width else cell[: (width - 1) // 2] + "…" + cell[len(cell) - width // 2 :]
        shown.append(text.rjust(width) if place >= len(cells) - _NUMBERS else text.ljust(width))
    return "  ".join(shown).rstrip()


def _words(each: dict[str, Any], width: int) -> list[str]:
    """The evidence, the rule and the id for 'finops explain'."""
    note = f"; {each['note']}" if each["note"] and each["note"] not in (each["reason"] or "") else ""
    how = f"resolved on {each['resolved_on']}" if each["resolved_on"] else f"{each['confidence']} confidence"
    text = f"{each['finding_id']}  {each['rule_id']}, {how}: {each['reason']}{note}"
    return textwrap.wrap(
        text, width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False
    )
