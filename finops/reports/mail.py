"""A report as a mail's body: HTML that every mail client shows, pictures, and plain text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import css_inline

from finops.errors import ConfigError
from finops.reports.contexts import Headline, Report
from finops.reports.contrast import readable
from finops.reports.html import render
from finops.reports.pictures import PAPER, colours, draw, logo
from finops.reports.shorten import clip, rooms, shorten, tidy
from finops.reports.words import alternative, subject, summary, verdict

LARGEST_BODY = 90_000
"""Bytes. Gmail clips what is longer than about 102 kB, and the rest of the mail is unseen."""
_PICTURES = 3
_ATTACHED_ROWS = 20_000
"""A table with more rows is too large to travel with every mail."""
_ATTACHED = {
    "company": ("spend_by_team", "spend_change", "idle_ml", "reconciliation"),
    "team": ("spend_by_service", "top_resources", "spend_change", "idle_ml"),
}
_INLINER = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False, minify_css=True)


@dataclass(frozen=True)
class Picture:
    """A chart that the mail carries."""

    cid: str
    file: str
    alt: str
    caption: str
    width: int
    height: int
    """Its shape, in units of which it is ``width`` wide; it has two pixels for each."""


@dataclass(frozen=True)
class Mail:
    """What a mail's templates may use as ``mail``, beside ``report``."""

    subject: str
    preview: str
    """What an inbox shows after the subject."""
    verdict: str
    """Does it match the bill? A sentence."""
    logo: str
    """The content id of the company's logo, or nothing."""
    accent: str
    """The company's colour, dark enough for light paper, or nothing: ours."""
    pictures: tuple[Picture, ...]
    colours: Mapping[str, str]
    """``#2c6493`` by colour class: no mail client knows a variable."""
    attachments: tuple[str, ...]
    others: tuple[Headline, ...]
    """Currencies for which there is room for a line only."""
    unnamed: int
    """How many more currencies there are."""
    command: str
    """What writes the report again."""


def mail_files(report: Report, overlay: Path | None, others: Sequence[str]) -> dict[str, bytes]:
    """``mail/body.html``, ``mail/body.txt``, ``mail/*.png`` and ``mail/mail.json``, which says how they make one mail.

    Args:
        overlay: the user's templates.
        others: the report's other files, of which some are attached.

    Raises:
        ConfigError: a template cannot be rendered, or the user's makes a body that is too large whatever is left out.
    """
    files: dict[str, bytes] = {}
    pictures: list[Picture] = []
    for trend in report.trends[:_PICTURES]:
        chart = tidy(trend.months or trend.weeks)
        cid = chart.id
        files[f"mail/{cid}.png"], height = draw(report, chart, overlay)
        unit = "month" if trend.months else "week"
        caption = f"{clip(trend.currency)} a {unit}, by team" if not report.team else f"{clip(trend.currency)} a {unit}"
        pictures.append(Picture(cid, f"mail/{cid}.png", alternative(trend), caption, chart.width, height))
    logos = logo(report.brand)
    attachments = _attachments(report, others)
    mail, body, text = _bodies(report, overlay, tuple(pictures), attachments)
    used = {each.file: files[each.file] for each in mail.pictures} | logos
    envelope = {
        "subject": mail.subject,
        "text": "mail/body.txt",
        "html": "mail/body.html",
        "images": [{"cid": each.cid, "file": each.file, "alt": each.alt} for each in mail.pictures]
        + [{"cid": "logo", "file": each, "alt": report.organisation} for each in logos],
        "attachments": list(attachments),
        "summary": summary(report),
        "totals": [{"currency": each.currency, "effective_cost": each.total.plain} for each in report.headlines],
        "report": report.name,
        "period": report.period.name,
        "period_label": report.period.label,
        "team": {"id": report.team, "name": report.team_name} if report.team else None,
    }
    words = (json.dumps(envelope, indent=1, ensure_ascii=False) + "\n").encode()
    return used | {"mail/body.html": body, "mail/body.txt": text, "mail/mail.json": words}


def _bodies(
    report: Report, overlay: Path | None, pictures: tuple[Picture, ...], attachments: tuple[str, ...]
) -> tuple[Mail, bytes, bytes]:
    """What the templates got, the HTML and the text: as many rows as there is room for, left out whole and never cut."""
    for room in rooms():
        short = shorten(report, room)
        mail = _mail(report, room.currencies, pictures, attachments)
        body = _INLINER.inline(render(short, f"mail/{report.name}.html", overlay, mail=mail)).encode()
        if len(body) < LARGEST_BODY:
            return mail, body, render(short, f"mail/{report.name}.txt", overlay, mail=mail).encode()
    raise ConfigError(
        f"makes a mail of {len(body):,} bytes however many rows are left out; {LARGEST_BODY:,} is the most",
        where=str(overlay / f"mail/{report.name}.html" if overlay else f"mail/{report.name}.html"),
        next_step="Print fewer sections in it: mail programs cut longer mails off.",
    )


def _mail(report: Report, currencies: int, pictures: tuple[Picture, ...], attachments: tuple[str, ...]) -> Mail:
    rest = report.headlines[currencies:]
    shown = rest[: 4 * currencies]
    reason = next((each.reason for each in report.headlines if each.reason), "")
    return Mail(
        subject=subject(report),
        preview=clip(reason or verdict(report), 140),
        verdict=verdict(report),
        logo="logo" if report.brand.logo else "",
        accent=readable(report.brand.accent, PAPER, 3.0) if report.brand.accent else "",
        pictures=pictures[:currencies],
        colours=colours(report.brand),
        attachments=attachments,
        others=tidy(shown),
        unnamed=len(rest) - len(shown),
        command=_command(report),
    )


def _command(report: Report) -> str:
    as_of = f" --as-of {report.as_of:%Y-%m-%dT%H:%M:%SZ}" if report.as_of else ""
    return f"finops report {report.name} --period {report.period.name}{as_of}"


def _attachments(report: Report, others: Sequence[str]) -> tuple[str, ...]:
    """The workbook, and the tables that finance asks for if they have rows and are not too large."""
    rows = {f"{each.query.id}.csv": len(each.rows) for each in report.results}
    tables = [f"{each}.csv" for each in _ATTACHED["team" if report.team else "company"]]
    wanted = [f"{report.slug}.xlsx", *(each for each in tables if 0 < rows.get(each, 0) <= _ATTACHED_ROWS)]
    return tuple(each for each in wanted if each in others)
