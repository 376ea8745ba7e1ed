"""A report as a mail's body: HTML that every mail client shows, pictures, and plain text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finops.reports.contexts import Report


def mail_files(report: Report, overlay: Path | None, others: Sequence[str]) -> dict[str, bytes]:
    """``mail/body.html``, ``mail/body.txt``, ``mail/*.png`` and ``mail/mail.json``, which says how they make one mail.

    Args:
        overlay: the user's templates.
        others: the report's other files, of which some are attached.
    """
    return {}
