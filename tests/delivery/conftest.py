"""A small report's folder, written by hand, and real mail servers on loopback."""

from __future__ import annotations

import asyncio
import base64
import datetime
import email
import email.policy
import hashlib
import ipaddress
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PNG = b"\x89PNG\r\n\x1a\n a picture of thirteen weeks"
PASSWORD = "correct-horse-of-the-tests"
USD = [{"currency": "USD", "effective_cost": "55979.680000000000000001"}]


def write_report(
    folder: Path,
    *,
    report: str = "weekly",
    period: tuple[str, str, str] = ("2026-W43", "2026-10-19", "2026-10-26"),
    team: Mapping[str, str | None] | None = None,
    totals: list[dict[str, str]] = USD,
    subject: str = "Cloud spend, week 43: 55,979.68 USD",
    attachments: Mapping[str, bytes] | None = None,
    teams: tuple[Mapping[str, str | None], ...] = (),
    mail: Mapping[str, Any] | None = None,
) -> Path:
    """A report as ``finops report`` leaves it, with nothing in it that mailing does not read."""
    attached = (
        {"weekly.xlsx": b"PK\x03\x04 a workbook", "spend_by_team.csv": "Team,EffectiveCost\r\nzażółć,1.00\r\n".encode()}
        if attachments is None
        else attachments
    )
    said = {
        "subject": subject, "text": "mail/body.txt", "html": "mail/body.html",
        "images": [{"cid": "weeks-usd", "file": "mail/weeks-usd.png", "alt": "13 weeks"}],
        "attachments": list(attached), "summary": "Spend: 55,979.68 USD.", "totals": totals,
        "report": report, "period": period[0], "period_label": "Week 43", "team": team, **(mail or {}),
    }  # fmt: skip
    files = {
        "index.html": b"<!doctype html>",
        "mail/mail.json": json.dumps(said).encode(),
        "mail/body.txt": "Spend was 55,979.68 USD — naïve.\n.\nFrom here on: details.\n".encode(),
        "mail/body.html": '<!doctype html><html><body style="margin:0"><p>55,979.68 USD — <b>naïve</b></p>'
        '<img src="cid:weeks-usd" alt="13 weeks"></body></html>'.encode(),
        "mail/weeks-usd.png": PNG,
        **attached,
    }
    for each in teams:
        mine = write_report(
            folder / "teams" / str(each["id"]), report=report, period=period, team=each, totals=totals,
            subject=f"{each['name']}: {subject}",
        )  # fmt: skip
        files |= {path.relative_to(folder).as_posix(): path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    manifest = {
        "format": 1, "report": report, "team": team, "totals": totals,
        "period": {"name": period[0], "start": period[1], "end": period[2]},
        "files": [
            {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in sorted(files.items())
        ],
    }  # fmt: skip
    for name, content in {**files, "manifest.json": json.dumps(manifest).encode()}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def parsed(content: bytes) -> EmailMessage:
    """A mail as a client reads it."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not [defect for part in message.walk() for defect in part.defects]
    return message


@dataclass
class Office:
    """A mail server's mind: what came in, and what it does not want."""

    port: int = 0
    mails: list[tuple[str, bytes]] = field(default_factory=list)
    """Recipient and content, in the order they came."""
    senders: dict[str, str] = field(default_factory=dict)
    recipients: dict[str, str] = field(default_factory=dict)
    """What it answers to an address instead of 250."""
    content: str = ""
    """What it answers to every mail instead of 250."""
    hang_up_at: str = ""
    """``rcpt``: it ends the connection there. ``data``: after it has the whole mail, without an answer."""
    on_mail: Callable[[], None] = lambda: None
    """What happens when a mail has come in, before it is answered."""
    sessions: set[Session] = field(default_factory=set)

    def forget(self) -> None:
        """As it was on the first day."""
        self.__init__(port=self.port)  # type: ignore[misc]

    @property
    def to(self) -> list[str]:
        """Who got a mail."""
        return [recipient for recipient, _ in self.mails]

    @property
    def messages(self) -> list[EmailMessage]:
        """What they got."""
        return [parsed(content) for _, content in self.mails]

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.sessions.add(session)
        if address in self.senders:
            return self.senders[address]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.hang_up_at == "rcpt":
            server.transport.abort()
        if address in self.recipients:
            return self.recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.content:
            return self.content
        assert isinstance(envelope.content, bytes)
        self.mails.append((envelope.rcpt_tos[0], envelope.content))
        self.on_mail()
        if self.hang_up_at == "data":
            server.transport.abort()
            await asyncio.sleep(0)
        return "250 taken"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def opened(**options: Any) -> tuple[Office, Controller]:
    office = Office(free_port())
    controller = Controller(office, hostname="127.0.0.1", port=office.port, **options)
    controller.start()
    return office, controller


@pytest.fixture(scope="session")
def _office() -> Iterator[Office]:
    office, controller = opened()
    yield office
    controller.stop()


@pytest.fixture
def office(_office: Office) -> Office:
    """A server that asks for nothing."""
    _office.forget()
    return _office


@dataclass(frozen=True)
class Authority:
    """Who signs certificates in these tests, and what it signed for ``localhost``."""

    file: Path
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ) + pem
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "key.pem")
    return Authority(folder / "ca.pem", context)


def _knows(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
    """It quotes what it was given, as a server should not."""
    right = (given.login, given.password) == (b"finops", PASSWORD.encode())
    quoted = f"{given.password.decode()} {base64.b64encode(given.password).decode()}"
    return AuthResult(success=right, handled=right, message=f"535 5.7.8 wrong: {quoted}")


@pytest.fixture(scope="session")
def _guarded(authority: Authority) -> Iterator[Office]:
    office, controller = opened(
        tls_context=authority.context, require_starttls=True, authenticator=_knows, auth_required=True
    )
    yield office
    controller.stop()


@pytest.fixture
def guarded(_guarded: Office) -> Office:
    """A server that wants STARTTLS, a name and a password."""
    _guarded.forget()
    return _guarded
