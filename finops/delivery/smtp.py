"""A mail server, spoken to by SMTP: one connection, a mail per recipient."""

from __future__ import annotations

import base64
import smtplib
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from finops.config.mail import Smtp
from finops.config.secrets import without_secrets
from finops.delivery.outcome import FORCE, SENT, Envelope, Outcome, ServerTrouble

PORTS = {"starttls": 587, "tls": 465, "none": 25}
_LATER = "The next 'finops send' or 'finops run' tries again."
_LONGEST = 300


class SmtpServer:
    """The server of ``[mail.smtp]``. It is connected to when it is first needed.

    Args:
        folder: what paths start from, the workspace.
    """

    def __init__(self, settings: Smtp, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self.port = settings.port or PORTS[settings.security]
        self.place = f"{settings.host}:{self.port}"
        self._client: _Client | None = None
        self._hidden: tuple[str, ...] = ()

    def limit(self) -> int | None:
        client = self._connected()
        size = client.esmtp_features.get("size", "")
        return int(size) if size.isdigit() and int(size) else None

    def send(self, envelope: Envelope) -> Outcome:
        fresh = self._client is None
        client = self._connected()
        try:
            return self._hand_over(client, envelope)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            self._drop()
            if client.handed_over:
                return self._unknown(error)
            if fresh:
                return Outcome("failed", f"{self.place} ended the connection: {self._said(error)}", _LATER)
        return self.send(
            envelope
        )  # nothing was handed over, and servers end connections that have been used for a while

    def check_sender(self, sender: str) -> Outcome:
        """Would it take mails from this address? Nothing is sent."""
        client = self._connected()
        try:
            code, reply = client.mail(sender)
            client.rset()
        except (smtplib.SMTPException, OSError) as error:
            return Outcome("failed", self._said(error), "")
        return SENT if code == 250 else self._sender(sender, code, reply)

    def close(self) -> None:
        if self._client is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._client.quit()
            self._drop()

    @property
    def identified(self) -> bool:
        """Does it ask for a name and password?"""
        return bool(self._settings.username)

    def _hand_over(self, client: _Client, envelope: Envelope) -> Outcome:
        client.handed_over = False
        options = [f"SIZE={len(envelope.content)}"] if client.has_extn("size") else []
        code, reply = client.mail(envelope.sender, options)
        if code == 421:  # it has had enough of this connection
            raise smtplib.SMTPServerDisconnected(self._answer(code, reply))
        if code != 250:
            self._reset(client, code)
            return self._too_large(code, reply) or self._sender(envelope.sender, code, reply)
        code, reply = client.rcpt(envelope.recipient)
        if code not in (250, 251):
            self._reset(client, code)
            return self._recipient(envelope.recipient, code, reply)
        try:
            code, reply = client.data(envelope.content)
        except smtplib.SMTPDataError as error:
            code, reply = error.smtp_code, _bytes(error.smtp_error)
        if code == 250:
            return SENT
        self._reset(client, code)
        return self._too_large(code, reply) or self._content(code, reply)

    def _reset(self, client: _Client, code: int) -> None:
        if code == 421:
            self._drop()
            return
        with suppress(smtplib.SMTPException, OSError):
            client.rset()
            return
        self._drop()

    def _connected(self) -> _Client:
        if self._client is None:
            try:
                self._client = self._connect()
            except ServerTrouble:
                raise
            except (smtplib.SMTPException, OSError) as error:
                raise self._trouble(error) from None
        return self._client

    def _connect(self) -> _Client:
        settings = self._settings
        password = settings.password.reveal(self._folder) if settings.password else ""
        self._hidden = _forms(settings.username, password)
        context = self._context() if settings.security != "none" else None
        client: _Client = (
            _TlsClient(settings.host, self.port, timeout=settings.timeout, context=context)
            if settings.security == "tls"
            else _Client(settings.host, self.port, timeout=settings.timeout)
        )
        try:
            client.ehlo_or_helo_if_needed()
            if settings.security == "starttls":
                self._start_tls(client, context)
            if password:
                self._login(client, password)
        except BaseException:
            client.close()
            raise
        return client

    def _start_tls(self, client: _Client, context: ssl.SSLContext | None) -> None:
        if not client.has_extn("starttls"):
            raise ServerTrouble(
                f"{self.place} offers no STARTTLS, so nothing was said to it",
                'Ask its administrator, or set [mail.smtp] security = "tls" and its port.',
            )
        client.starttls(context=context)
        client.ehlo()

    def _login(self, client: _Client, password: str) -> None:
        settings = self._settings
        if not (settings.username + password).isascii():
            raise ServerTrouble("the user name or password is not ASCII, which AUTH cannot send", "Ask for another.")
        try:
            client.login(settings.username, password)
        except smtplib.SMTPNotSupportedError:
            raise ServerTrouble(
                f"{self.place} offers no AUTH that finops knows",
                "Leave out username and password, or use another port.",
            ) from None
        except smtplib.SMTPAuthenticationError as error:
            if 400 <= error.smtp_code < 500:
                raise ServerTrouble(f"{self.place} could not check the password: {self._said(error)}", _LATER) from None
            assert settings.password is not None
            raise ServerTrouble(
                f"{self.place} did not accept the user name and password: {self._said(error)}",
                f"Check [mail.smtp] username and what {settings.password.place} holds: "
                "some providers want a password made for programs.",
            ) from None

    def _context(self) -> ssl.SSLContext:
        given = self._settings.ca_file
        path = self._folder / given.expanduser() if given else None
        try:
            context = ssl.create_default_context(cafile=str(path) if path else None)
        except (OSError, ssl.SSLError) as error:
            raise ServerTrouble(
                f"{path} cannot be read as certificates: {error}", "Give [mail.smtp] ca_file a file in PEM form."
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _trouble(self, error: Exception) -> ServerTrouble:
        """What is wrong with the server, for people."""
        place, said = self.place, self._said(error)
        if isinstance(error, socket.gaierror):
            return ServerTrouble(f"there is no server '{self._settings.host}': {said}", "Check [mail.smtp] host.")
        if isinstance(error, ConnectionRefusedError):
            return ServerTrouble(f"nothing listens at {place}", f"Check [mail.smtp] host and port. {_LATER}")
        if isinstance(error, TimeoutError):
            return ServerTrouble(
                f"{place} did not answer within {self._settings.timeout} s",
                f"Is the port open from here? Clouds often block 25. {_LATER}",
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return ServerTrouble(
                f"the certificate of {place} is not to be trusted: {error.verify_message}",
                "Check [mail.smtp] host; for an authority of your own, name its certificate in ca_file.",
            )
        if isinstance(error, ssl.SSLError):
            return ServerTrouble(
                f"{place} speaks no TLS that finops knows: {said}",
                'Check [mail.smtp] security: "tls" is for port 465, "starttls" for 587.',
            )
        return ServerTrouble(f"{place} does not let us in: {said}", _LATER)

    def _sender(self, sender: str, code: int, reply: bytes) -> Outcome:
        if code < 500:
            return Outcome("failed", f"{self.place} takes nothing at the moment: {self._answer(code, reply)}", _LATER)
        return Outcome(
            "failed",
            f"{self.place} takes no mails from {sender}: {self._answer(code, reply)}",
            "Check [mail] from, and that this user may send as it."
            if self.identified
            else "Check [mail] from; the server may want [mail.smtp] username and password.",
        )

    def _recipient(self, recipient: str, code: int, reply: bytes) -> Outcome:
        if code < 500:
            return Outcome("failed", f"not now for {recipient}: {self._answer(code, reply)}", _LATER)
        return Outcome(
            "refused",
            f"{recipient} was refused: {self._answer(code, reply)}",
            "Check the address in [[mail.recipients]].",
        )

    def _content(self, code: int, reply: bytes) -> Outcome:
        if code < 500:
            return Outcome("failed", f"{self.place} did not take the mail: {self._answer(code, reply)}", _LATER)
        return Outcome(
            "refused",
            f"{self.place} refused the mail: {self._answer(code, reply)}",
            "Ask its administrator why: attachments, size or what it takes for spam.",
        )

    def _too_large(self, code: int, reply: bytes) -> Outcome | None:
        if code != 552 and not reply.startswith(b"5.3.4"):
            return None
        return Outcome(
            "failed",
            f"too large for {self.place}: {self._answer(code, reply)}",
            "Set [mail] max_megabytes to less than the server's limit: the mail then goes without attachments.",
        )

    def _unknown(self, error: Exception) -> Outcome:
        return Outcome(
            "unknown",
            f"the connection to {self.place} ended before it answered: {self._said(error)}",
            f"It may or may not have arrived: ask the recipient. {FORCE}",
        )

    def _answer(self, code: int, reply: bytes) -> str:
        return f"{code} {self._clean(reply.decode('utf-8', 'replace'))}"

    def _said(self, error: Exception) -> str:
        if isinstance(error, smtplib.SMTPResponseException):
            return self._answer(error.smtp_code, _bytes(error.smtp_error))
        return self._clean(str(error) or type(error).__name__)

    def _clean(self, text: str) -> str:
        for each in self._hidden:
            text = text.replace(each, "***")
        return " ".join("".join(c if c.isprintable() else " " for c in without_secrets(text)).split())[:_LONGEST]


class _Client(smtplib.SMTP):
    """Knows whether a whole mail has left us: from then on, no answer means that nobody knows."""

    handed_over = False

    def send(self, s: Any) -> None:
        super().send(s)
        if isinstance(s, bytes) and s.endswith(b"\r\n.\r\n"):
            self.handed_over = True


class _TlsClient(_Client, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")


def _forms(username: str, password: str) -> tuple[str, ...]:
    """How the password goes over the line, which a server might quote."""
    if not password:
        return ()
    raw = (password, f"\0{username}\0{password}")
    return (*(base64.b64encode(each.encode()).decode() for each in raw), password)
