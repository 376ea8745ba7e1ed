"""A report's letter as the mail that one recipient gets."""

from __future__ import annotations

import hashlib
import mimetypes
import re
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.charset import BASE64, Charset
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime, formataddr
from html import escape
from pathlib import Path
from typing import Any

from finops.delivery.folder import Letter, ReportFolder, Totals
from finops.errors import MailError

LONGEST = 200
"""Characters of a subject or a name; a team may be called by 10,000."""
_OURS = (
    "from", "to", "reply-to", "subject", "message-id", "in-reply-to", "references", "list-unsubscribe", "content-id",
)  # fmt: skip
_TYPES = {
    ".csv": "text/csv",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pdf": "application/pdf",
}
_CENT = Decimal("0.01")


class _Policy(EmailPolicy):
    """Our headers go out as we write them: the library decodes encoded words in a name, line breaks and all."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if name.lower() not in _OURS:
            return super().header_store_parse(name, value)
        if not value.isascii() or re.search(r"[\r\n](?![ \t\n])|[^ -~\t\r\n]", value):
            raise ValueError(f"{name} cannot be written")
        return name, value

    def fold(self, name: str, value: str) -> str:
        return f"{name}: {value}{self.linesep}" if name.lower() in _OURS else str(super().fold(name, value))

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii", "surrogateescape")


POLICY = _Policy(linesep=SMTP.linesep, max_line_length=78, cte_type="7bit")


@dataclass(frozen=True)
class Sender:
    """Who writes."""

    address: str
    name: str = ""
    reply_to: str = ""
    list_unsubscribe: str = ""


@dataclass(frozen=True)
class Correction:
    """What was mailed before."""

    sent_at: datetime
    totals: Totals
    message_id: str = ""


@dataclass(frozen=True)
class Mail:
    """A mail, ready to be handed over."""

    content: bytes
    message_id: str
    left_out: tuple[str, ...] = ()
    """Attachments that would have made it too large."""


def compose(
    folder: ReportFolder,
    recipient: str,
    sender: Sender,
    now: datetime,
    *,
    limit: int,
    correction: Correction | None = None,
) -> Mail:
    """The mail for one recipient, without its attachments where it would be larger than ``limit``.

    Args:
        limit: bytes of the whole mail, as it goes over the line.

    Raises:
        MailError: the folder is not as its manifest says, or the mail is too large even without attachments.
    """
    letter = folder.letter
    message_id = _message_id(folder, letter, recipient, sender)
    notes = [_corrected(letter, correction)] if correction else []
    for attached in (letter.attachments, {}) if letter.attachments else ({},):
        left_out = tuple(name for name in letter.attachments if name not in attached)
        said = [*notes, _left_out(letter, left_out, limit)] if left_out else notes
        message = _message(letter, said, attached)
        _headers(message, letter, recipient, sender, now, message_id, correction)
        _boundaries(message, message_id)
        content = message.as_bytes(policy=POLICY)
        if len(content) <= limit:
            return Mail(content, message_id, left_out)
    raise MailError(
        f"is too large: {megabytes(len(content))} without attachments, and {megabytes(limit)} are allowed",
        where=folder.slug,
        next_step="Raise [mail] max_megabytes, if the server takes more.",
    )


def changed(before: Totals, now: Totals) -> bool:
    """Would a reader see other totals? Less than a cent is not seen."""
    return {each: _cents(amount) for each, amount in before.items()} != {
        each: _cents(amount) for each, amount in now.items()
    }


def ascii_address(address: str) -> str:
    """An address with its domain as servers write it."""
    name, _, domain = address.rpartition("@")
    return f"{name}@{domain if domain.isascii() else domain.encode('idna').decode()}"


def _message_id(folder: ReportFolder, letter: Letter, recipient: str, sender: Sender) -> str:
    """The same for the same numbers to the same recipient: a mail that arrives twice is known as one."""
    totals = sorted((each, str(_cents(amount))) for each, amount in letter.totals.items())
    key = repr((folder.report, folder.period, folder.team, recipient.lower(), totals))
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"<{digest}.finops@{ascii_address(sender.address).rpartition('@')[2]}>"


def _message(letter: Letter, notes: Sequence[str], attached: Mapping[str, bytes]) -> EmailMessage:
    message = EmailMessage(policy=POLICY)
    said = "".join(f"{textwrap.fill(note, 72)}\n\n" for note in notes)
    message.set_content(said + letter.text, cte="quoted-printable")
    message.add_alternative(_with_notes(letter.html, notes), subtype="html", cte="quoted-printable")
    html = message.get_payload(1)
    assert isinstance(html, EmailMessage)
    for image in letter.images:
        kind, _, subtype = _type(image.name).partition("/")
        html.add_related(image.content, kind, subtype, cid=f"<{image.cid}>", filename=image.name, disposition="inline")
    for name, content in attached.items():
        kind, _, subtype = _type(name).partition("/")
        params = {"charset": "utf-8"} if kind == "text" else {}
        message.add_attachment(content, kind, subtype, filename=Path(name).name, params=params)
    return message


def _headers(
    message: EmailMessage,
    letter: Letter,
    recipient: str,
    sender: Sender,
    now: datetime,
    message_id: str,
    correction: Correction | None,
) -> None:
    message["From"] = _from(line(sender.name), ascii_address(sender.address))
    message["To"] = ascii_address(recipient)
    if sender.reply_to:
        message["Reply-To"] = ascii_address(sender.reply_to)
    message["Subject"] = _encoded(line(f"Corrected: {letter.subject}" if correction else letter.subject), "Subject")
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id
    if correction and correction.message_id not in ("", message_id):
        message["In-Reply-To"] = correction.message_id
        message["References"] = correction.message_id
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = "en"
    if sender.list_unsubscribe:
        message["List-Unsubscribe"] = f"<{sender.list_unsubscribe}>"
        if sender.list_unsubscribe.startswith("https:"):
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"


def line(text: str) -> str:
    """A text as one line of a header: without control characters, half characters and ends of lines, and not endless."""
    whole = text.encode("utf-8", "replace").decode()
    flat = "".join(" " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in whole)
    short = " ".join(flat.split())
    return short if len(short) <= LONGEST else short[: LONGEST - 1] + "…"


def _from(name: str, address: str) -> str:
    if name.isascii() and "=?" not in name:
        return formataddr((name, address))
    return f"{_encoded(name, 'From')}\r\n <{address}>"


def _encoded(text: str, header: str) -> str:
    """As ASCII, in encoded words where it has to be: also for what looks like one already."""
    charset = Charset("us-ascii" if text.isascii() and "=?" not in text else "utf-8")
    if charset == "utf-8":  # said here: a library may have changed it for the whole process, and Apprise does
        charset.header_encoding = BASE64
    return Header(text, charset, maxlinelen=76, header_name=header).encode(linesep="\r\n")


def _boundaries(message: EmailMessage, message_id: str) -> None:
    """The same mail is the same bytes."""
    digest = hashlib.sha256(message_id.encode()).hexdigest()[:24]
    for number, part in enumerate(each for each in message.walk() if each.is_multipart()):
        part.set_boundary(f"=_finops_{digest}_{number}")


def _corrected(letter: Letter, correction: Correction) -> str:
    before, now = correction.totals, letter.totals
    moved = [_moved(each, before, now) for each in dict.fromkeys([*now, *sorted(before)])]
    return (
        f"Corrected. The report that was mailed on {correction.sent_at:%Y-%m-%d %H:%M} UTC had other totals: "
        f"{'; '.join(moved)}."
    )


def _moved(currency: str, before: Totals, now: Totals) -> str:
    was, is_ = _money(currency, before), _money(currency, now)
    return f"{currency} {is_} as before" if was == is_ else f"{currency} {was} before, now {is_}"


def _left_out(letter: Letter, names: Sequence[str], limit: int) -> str:
    size = sum(len(letter.attachments[each]) for each in names)
    return (
        f"Without attachments: with them this mail would be larger than {megabytes(limit)}. "
        f"Left out: {', '.join(names)} ({megabytes(size)}). Ask who sends this mail for them."
    )


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{Decimal(size) / 1_000_000:.1f} MB"


def _with_notes(html: str, notes: Sequence[str]) -> str:
    """Notes stand before everything else in the body."""
    said = "".join(
        '<div style="background:#fff4d6;padding:12px 16px"><p style="margin:0 auto;max-width:640px;'
        f'font:14px/1.5 sans-serif;color:#222222">{escape(note)}</p></div>'
        for note in notes
    )
    start = re.search(r"<body\b[^>]*>", html, re.IGNORECASE)
    place = start.end() if start else 0
    return html[:place] + said + html[place:]


def _type(name: str) -> str:
    ending = Path(name).suffix.lower()
    return _TYPES.get(ending) or mimetypes.types_map.get(ending) or "application/octet-stream"


def _cents(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(_CENT)


def _money(currency: str, totals: Totals) -> str:
    if currency not in totals:
        return "nothing"
    amount = _cents(totals[currency])
    return "unknown" if amount is None else f"{amount:,}"
