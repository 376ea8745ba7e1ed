"""``[mail]``: who gets which report, and through which server. ``[notify]``: who is told in a chat."""

from __future__ import annotations

import re
from email.headerregistry import Address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from finops.config.secrets import Secret
from finops.config.section import Section


def mail_address(text: str) -> str:
    """The same text, if it is an address.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[^@\s<>()\[\],;:\\\"]+@[^@\s<>()\[\],;:\\\"]+", text):
        raise ValueError(f"'{text}' is no e-mail address: write name@example.com")
    Address(addr_spec=text)
    text.rpartition("@")[2].encode("idna")
    return text


def _unsubscribe(text: str) -> str:
    if not re.fullmatch(r"(mailto:[^@\s<>,]+@[^@\s<>,]+|https://[^\s<>,]+)?", text, re.ASCII) or not text.isascii():
        raise ValueError("is no address to unsubscribe at: write mailto:name@example.com or https://…")
    return text


MailAddress = Annotated[str, AfterValidator(mail_address)]
ReportName = Literal["weekly", "monthly"]


class Smtp(Section):
    """A mail server that is spoken to by SMTP."""

    host: Annotated[str, Field(min_length=1)]
    """Its name."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """0: 587 with ``starttls``, 465 with ``tls``, 25 with ``none``."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted. ``none`` sends no password, and is for a server on the same machine."""
    username: str = ""
    """For AUTH, with password."""
    password: Secret | None = None
    """Where the password is kept."""
    timeout: Annotated[int, Field(gt=0)] = 60
    """Seconds to wait for an answer."""
    ca_file: Path | None = None
    """A PEM file of the authorities that may have signed the server's certificate. Default: those that the system trusts."""

    @model_validator(mode="after")
    def _whole_identity(self) -> Smtp:
        if bool(self.username) != (self.password is not None):
            raise ValueError("needs username and password, or none of them")
        if self.password is not None and self.security == "none":
            raise ValueError('would send the password unencrypted: set security = "starttls" or "tls"')
        return self


class Ses(Section):
    """Amazon SES, through its API (version 2)."""

    region: Annotated[str, Field(min_length=1)]
    """Where the sender's identity is verified."""
    profile: str = ""
    """A profile of the AWS configuration. Default: the SDK's own search for credentials."""
    role_arn: str = ""
    """A role to take on for sending."""
    configuration_set: str = ""
    """Sent along as the configuration set's name."""
    endpoint: str = ""
    """Another address of the service; for private endpoints and emulators."""


class Recipients(Section):
    """Who gets which report: one ``[[mail.recipients]]`` each."""

    to: Annotated[list[MailAddress], Field(min_length=1)]
    """Addresses. Each gets a mail of its own."""
    reports: Annotated[list[ReportName], Field(min_length=1)] = ["weekly"]
    """Which reports."""
    team: str = ""
    """Whose report: a team's, by its name in ``mappings/teams.csv``. Left out: the company's."""


class Mail(Section):
    """How reports are mailed. Without recipients nothing is."""

    sender: MailAddress | None = Field(default=None, alias="from")
    """The address that mails come from."""
    sender_name: str = ""
    """Stands before that address. Default: the company's name."""
    reply_to: MailAddress | None = None
    """Where answers go, if not to the sender."""
    list_unsubscribe: Annotated[str, AfterValidator(_unsubscribe)] = ""
    """Who does not want these mails any more: ``mailto:…`` or ``https://…``, for the header List-Unsubscribe. At
    ``https`` it must take the POST of RFC 8058."""
    max_megabytes: Annotated[int, Field(ge=1, le=150)] = 10
    """A mail that would be larger goes without its attachments, and says so; one that still is too large is not sent."""
    corrections: bool = False
    """Mail a report again, marked as corrected, when its totals have changed since it was mailed. Without this, ``finops send``
    says that they have, and ``--force`` mails it."""
    smtp: Smtp | None = None
    """A mail server."""
    ses: Ses | None = None
    """Amazon SES."""
    team_owners: list[ReportName] = []
    """Which teams' reports also go to the team's owner, if ``mappings/teams.csv`` gives an address: ``["weekly"]``."""
    recipients: list[Recipients] = []
    """Who gets which report."""

    @model_validator(mode="after")
    def _can_be_sent(self) -> Mail:
        if self.smtp and self.ses:
            raise ValueError("needs [mail.smtp] or [mail.ses], not both")
        if (self.recipients or self.team_owners) and not (self.smtp or self.ses):
            raise ValueError("has recipients and no server: add [mail.smtp] or [mail.ses]")
        if (self.recipients or self.team_owners) and self.sender is None:
            raise ValueError('needs the address that mails come from: from = "finops@example.com"')
        return self


class Notify(Section):
    """A short summary to Slack, Teams, a webhook …: needs ``pip install 'finops-ledger[notify]'``."""

    urls: list[Secret] = []
    """Addresses as Apprise writes them (``slack://…``, ``json://…``), each kept outside of this file: ``env:NAME``."""
    reports: list[ReportName] = ["weekly"]
    """Which reports are told of."""
