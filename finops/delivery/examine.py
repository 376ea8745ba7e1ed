"""What ``finops doctor`` looks at before a mail is sent: nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from finops.config.load import Workspace
from finops.config.mail import Mail
from finops.delivery.message import ascii_address
from finops.delivery.outbox import Outbox
from finops.delivery.outcome import ServerTrouble
from finops.delivery.smtp import SmtpServer
from finops.errors import ConfigError, OutboxError


class Look(NamedTuple):
    """One line of ``finops doctor``."""

    check: str
    verdict: Literal["ok", "warning", "failed", "unknown"]
    detail: str
    next_step: str = ""


def examine_mail(workspace: Workspace, teams: Sequence[str]) -> Iterator[Look]:
    """The sender, the recipients, the server, the outbox; nothing where nobody gets mail and no server is named.

    Args:
        teams: the names and ids of the teams that there are; none: it is not known.
    """
    mail = workspace.config.mail
    if not (mail.smtp or mail.ses):
        return
    yield from _recipients(mail, teams)
    if mail.sender is None:
        yield Look("mail: sender", "failed", "[mail] has no from", 'Add from = "finops@example.com" to [mail].')
        return
    server = f"mail: {'smtp' if mail.smtp else 'ses'}"
    try:
        yield from _smtp(mail, workspace.folder) if mail.smtp else _ses(mail)
    except (ServerTrouble, ConfigError) as error:
        yield Look(server, "failed", error.what, error.next_step)
    yield from _outbox(Outbox(workspace.path(workspace.config.paths.outbox)))


def _recipients(mail: Mail, teams: Sequence[str]) -> Iterator[Look]:
    addresses = {each.lower() for some in mail.recipients for each in some.to}
    if not addresses and not mail.team_owners:
        yield Look("mail: recipients", "warning", "nobody gets a report", 'Add [[mail.recipients]] with to = ["…"].')
        return
    owners = f", and teams' owners ({', '.join(mail.team_owners)})" if mail.team_owners else ""
    yield Look("mail: recipients", "ok", f"{len(addresses)} address{'es' if len(addresses) != 1 else ''}{owners}")
    known = {each.casefold() for each in teams}
    for team in dict.fromkeys(some.team for some in mail.recipients if some.team):
        if known and team.casefold() not in known:
            yield Look(
                "mail: recipients", "warning", f"there is no team '{team}'", "Write it as in mappings/teams.csv."
            )


def _smtp(mail: Mail, folder: Path) -> Iterator[Look]:
    assert mail.smtp is not None
    assert mail.sender is not None
    server = SmtpServer(mail.smtp, folder)
    try:
        limit = server.limit()
        encrypted = {"starttls": "STARTTLS", "tls": "TLS", "none": "not encrypted"}[mail.smtp.security]
        identified = ", AUTH accepted" if server.identified else ", no AUTH"
        size = f", mails up to {limit / 1_000_000:,.0f} MB" if limit else ""
        yield Look("mail: smtp", "ok", f"{server.place}, {encrypted}{identified}{size}")
        if limit and limit < mail.max_megabytes * 1_000_000:
            yield Look(
                "mail: smtp", "warning", f"[mail] max_megabytes = {mail.max_megabytes} is more than the server takes",
                "Larger mails go without their attachments.",
            )  # fmt: skip
        outcome = server.check_sender(ascii_address(mail.sender))
        if outcome.state == "sent":
            yield Look("mail: sender", "ok", f"{mail.sender} may send")
        else:
            yield Look("mail: sender", "failed", outcome.what, outcome.next_step)
    finally:
        server.close()


def _ses(mail: Mail) -> Iterator[Look]:
    assert mail.ses is not None
    assert mail.sender is not None
    from finops.delivery.ses import SesService

    for verdict, detail, next_step in SesService(mail.ses).examine(mail.sender):
        yield Look("mail: ses", verdict, detail, next_step)


def _outbox(outbox: Outbox) -> Iterator[Look]:
    try:
        found = outbox.standings().values()
    except OutboxError as error:
        yield Look("mail: outbox", "failed", error.what, error.next_step)
        return
    waiting = sum(each.waiting for each in found)
    unknown = sum(each.unknown for each in found)
    last = max((each.sent.at for each in found if each.sent), default=None)
    sent = f"last sent {last:%Y-%m-%d %H:%M} UTC" if last else "nothing sent yet"
    if waiting or unknown:
        said = [
            f"{waiting} to be tried again" if waiting else "",
            f"{unknown} may or may not have arrived" if unknown else "",
        ]
        yield Look("mail: outbox", "warning", ", ".join([sent, *filter(None, said)]), "finops send --status")
    else:
        yield Look("mail: outbox", "ok", sent)
