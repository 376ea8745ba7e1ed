"""Mails as files, for looking at: nothing is sent and nothing is noted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from finops.delivery.message import Sender, compose
from finops.delivery.outbox import Outbox
from finops.delivery.post import correction_of
from finops.delivery.recipients import Posting
from finops.errors import MailError, naming

FOLDER = "dry-run"


@dataclass(frozen=True)
class Written:
    """A mail that would be sent."""

    posting: Posting
    path: Path | None
    """Its ``.eml``; None: it could not be made."""
    problem: MailError | None = None
    left_out: tuple[str, ...] = ()
    corrected: bool = False


def write_mails(outbox: Outbox, mails: Iterable[Posting], sender: Sender, now: datetime, largest: int) -> list[Written]:
    """Write each mail to ``dry-run/REPORT/RECIPIENT.eml`` in the outbox."""
    standings = outbox.standings()
    written = []
    for posting in mails:
        try:
            correction = correction_of(standings.get(posting.key), posting.folder.letter.totals)
            mail = compose(posting.folder, posting.to, sender, now, limit=largest, correction=correction)
        except MailError as error:
            written.append(Written(posting, None, error))
            continue
        path = outbox.folder / FOLDER / safe_name(posting.folder.slug) / f"{safe_name(posting.to.lower())}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        with naming(path):
            path.write_bytes(mail.content)
        written.append(Written(posting, path, None, mail.left_out, correction is not None))
    return written


def safe_name(text: str) -> str:
    """A file's name that is never another folder's, nor too long, nor that of another text."""
    short = re.sub(r"[^A-Za-z0-9@._+-]+", "-", text).strip(".-")[:80]
    if short == text:
        return text
    return f"{short or 'mail'}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
