"""What can become of a mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

State = Literal["sent", "refused", "failed", "unknown"]
FORCE = (
    "'finops send DIR --to ADDRESS --force' mails it again; without --to, all who get DIR's report get it once more."
)
"""What to do about a mail that finops does not repeat by itself."""


@dataclass(frozen=True)
class Outcome:
    """How one mail was answered."""

    state: State
    """``sent``: the server has taken it on. ``refused``: because of this recipient or this mail. ``failed``: for another reason,
    which may pass. ``unknown``: the connection ended before the answer came, so it may or may not arrive."""
    what: str = ""
    """In a sentence, if it was not sent."""
    next_step: str = ""


SENT = Outcome("sent")


class ServerTrouble(Exception):  # noqa: N818
    """Nothing can be sent: the server is down, the password wrong … It holds for every mail."""

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(what)
        self.what, self.next_step = what, next_step


@dataclass(frozen=True)
class Envelope:
    """A mail as it is handed over."""

    sender: str
    recipient: str
    content: bytes
    """RFC 5322, with CRLF, lines of at most 998 bytes, seven bits."""


class Server(Protocol):
    """Who takes mails on."""

    def limit(self) -> int | None:
        """The largest mail that it takes, in bytes; None: it does not say.

        Raises:
            ServerTrouble: it cannot be asked, or lets nobody in. ConfigError: a secret is not there.
        """

    def send(self, envelope: Envelope) -> Outcome:
        """Hand a mail over, once.

        Raises:
            ServerTrouble: before anything was handed over, and so it would be with any other mail.
        """

    def close(self) -> None:
        """Say goodbye."""
