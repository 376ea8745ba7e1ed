"""Who gets which report's mail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from finops.config.mail import Mail, mail_address
from finops.delivery.folder import ReportFolder
from finops.delivery.outbox import Key


@dataclass(frozen=True)
class Posting:
    """A report that one recipient is to get."""

    folder: ReportFolder
    to: str
    by_hand: bool = False
    """The recipient was given with ``--to``, not in ``finops.toml``."""

    @property
    def key(self) -> Key:
        """Once per recipient and report."""
        return Key(self.folder.report, self.folder.period, self.folder.team, self.to.lower())


def reports_named(mail: Mail) -> tuple[str, ...]:
    """The reports that somebody gets, as they are named first."""
    named = [each for some in mail.recipients for each in some.reports] + list(mail.team_owners)
    return tuple(dict.fromkeys(named))


def postings(folder: ReportFolder, mail: Mail, to: Sequence[str] = ()) -> list[Posting]:
    """The mails of a folder: the company's, then each team's. With ``to``: only this folder's own report, to these.

    Raises:
        MailError: a team's folder is not as it was written.
    """
    if to:
        return [Posting(folder, each, by_hand=True) for each in _once(to)]
    return [
        Posting(each, address)
        for each in (folder, *(() if folder.team else folder.teams))
        for address in _once(_addresses(each, mail))
    ]


def without_report(folder: ReportFolder, mail: Mail) -> list[str]:
    """The teams that somebody wants this report of, and that have none in this folder."""
    there = {name for team in folder.teams for name in _names(team)}
    wanted = {some.team: None for some in mail.recipients if some.team and folder.report in some.reports}
    return [] if folder.team else [team for team in wanted if team.casefold() not in there]


def _addresses(folder: ReportFolder, mail: Mail) -> Iterator[str]:
    for some in mail.recipients:
        if folder.report in some.reports and (some.team.casefold() in _names(folder) if folder.team else not some.team):
            yield from some.to
    if folder.team and folder.report in mail.team_owners and _is_address(folder.owner):
        yield folder.owner


def _names(folder: ReportFolder) -> set[str]:
    return {each.casefold() for each in (folder.team, folder.team_name) if each}


def _is_address(text: str) -> bool:
    try:
        mail_address(text)
    except ValueError:
        return False
    return True


def _once(addresses: Sequence[str] | Iterator[str]) -> list[str]:
    found: dict[str, str] = {}
    for each in addresses:
        found.setdefault(each.lower(), each)
    return list(found.values())
