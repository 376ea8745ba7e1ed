"""Tells a chat of a written report, in the few lines that the report has for it: once per report, period and address."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from finops.config.mail import Notify
from finops.config.secrets import Secret, without_secrets
from finops.errors import ConfigError

JOURNAL = "notified.jsonl"
"""In the outbox: a line per summary that was taken on."""
_CALLS = re.compile(r"(?<=[<@])(?=\S)")
_WORD_JOINER = "\u2060"


@dataclass(frozen=True)
class Told:
    """What became of one summary at one address."""

    report: str
    """The folder's name: ``weekly-2026-W43``."""
    place: str
    """Where the address is kept: ``env:FINOPS_SLACK``. The address itself is a secret."""
    outcome: Literal["sent", "already sent", "failed"]
    what: str = ""
    """Why it failed."""
    next_step: str = ""


def notify(settings: Notify, workspace: Path, outbox: Path, folders: Sequence[Path]) -> list[Told]:
    """Tell every address of each of these report folders, the company's, that it wants to hear of.

    What failed is not noted, so that the next run tries it again. If the process is killed between telling and noting, the next
    one tells it twice.

    Args:
        workspace: what ``file:PATH`` starts from.
        outbox: the folder of the journal.
    """
    told: list[Told] = []
    known = _known(outbox / JOURNAL)
    for folder in folders:
        summary = _summary(folder)
        if not settings.urls or summary is None or summary["report"] not in settings.reports:
            continue
        for place in settings.urls:
            if (summary["report"], summary["period"], place.place) in known:
                told.append(Told(folder.name, place.place, "already sent"))
                continue
            answer = _tell(place, workspace, folder.name, summary)
            told.append(answer)
            if answer.outcome == "sent":
                _note(outbox / JOURNAL, summary, place)
    return told


def _summary(folder: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((folder / "mail" / "mail.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("summary") else None


def _tell(place: Secret, workspace: Path, report: str, summary: dict[str, Any]) -> Told:
    try:
        import apprise
    except ImportError:
        return Told(
            report, place.place, "failed", "the library apprise is not installed", "pip install 'finops-ledger[notify]'"
        )
    try:
        address = place.reveal(workspace)
    except ConfigError as error:
        return Told(report, place.place, "failed", error.what, error.next_step)
    service = apprise.Apprise()
    with _overheard() as said:
        taken = service.add(address)
        sent = taken and service.notify(
            title=harmless(str(summary["subject"])),
            body=harmless(str(summary["summary"])),
            body_format=apprise.NotifyFormat.TEXT,
        )
    if sent:
        return Told(report, place.place, "sent")
    if not taken:
        return Told(
            report, place.place, "failed", "the address is none that Apprise knows",
            "Write it as Apprise does, such as slack://… or json://…; see docs/scheduling.md.",
        )  # fmt: skip
    what = "; ".join(dict.fromkeys(without_secrets(each) for each in said)) or "the service did not take it on"
    return Told(report, place.place, "failed", what, "The next run tries it again.")


def harmless(text: str) -> str:
    """The text as it is to be read, in which nothing calls people: a resource may be named ``<!channel>`` or ``@everyone``."""
    return _CALLS.sub(_WORD_JOINER, text)


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(" ".join(record.getMessage().split()))


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What Apprise logs meanwhile; it would print it, and it may quote the address."""
    log = logging.getLogger("apprise")
    listener, passed_on = _Listener(), log.propagate
    log.addHandler(listener)
    log.propagate = False
    try:
        yield listener.said
    finally:
        log.removeHandler(listener)
        log.propagate = passed_on


def _known(journal: Path) -> set[tuple[str, str, str]]:
    known = set()
    try:
        lines = journal.read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    for line in lines:
        try:
            entry = json.loads(line)
            known.add((entry["report"], entry["period"], entry["to"]))
        except (ValueError, KeyError, TypeError):  # cut off by a crash: it is told again
            continue
    return known


def _note(journal: Path, summary: dict[str, Any], place: Secret) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    entry = {
        "report": summary["report"],
        "period": summary["period"],
        "to": place.place,
        "at": datetime.now(tz=UTC).isoformat("T", "seconds"),
    }
    with journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
