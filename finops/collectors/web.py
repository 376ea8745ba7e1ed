"""HTTP as all who ask over it do it: one attempt, whole or not at all, no redirect followed, and nothing secret in a message.

httpx's own errors are never chained to ours, because a broken header is quoted in them. ``Server`` asks a server of the user's own.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from finops.collectors.interface import Outcome, Trouble
from finops.collectors.retry import retrying
from finops.config.secrets import Secret, without_secrets
from finops.config.servers import HttpServer
from finops.errors import ConfigError

CONNECT, READ = 10.0, 60.0
"""Seconds that one attempt waits for a connection, and for the next bytes of an answer."""
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that go away by themselves; 529 is Anthropic's 'overloaded'."""
_KEY_LIKE = re.compile(r"sk-[\w*.-]{3,}")
"""A vendor quotes keys in its errors, shortened."""

Params = list[tuple[str, str]]


class Again(Exception):  # noqa: N818 - it is no error before the deadline
    """A failure that may pass."""

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


def timeout(deadline: float) -> httpx.Timeout:
    """What one attempt may take."""
    return httpx.Timeout(min(READ, deadline), connect=min(CONNECT, deadline))


def read_whole(client: httpx.Client, request: httpx.Request, deadline: float) -> httpx.Response:
    """An answer as a whole. One that trickles in is given up at the deadline, though bytes never stop coming."""
    end, content = time.monotonic() + deadline, bytearray()
    response = client.send(request, stream=True)
    try:
        for block in response.iter_bytes():
            content += block
            if time.monotonic() > end:
                raise httpx.ReadTimeout("the answer does not end")
    finally:
        response.close()
    headers = {name: response.headers.get(name, "") for name in ("retry-after", "location")}
    return httpx.Response(response.status_code, headers=headers, content=bytes(content))


def is_markup(content: bytes) -> bool:
    """Is it a web page, where data was asked for?"""
    return content.lstrip()[:1] == b"<"


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds, from ``Retry-After`` in either of its forms."""
    asked = headers.get("retry-after", "")
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(tz=UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def clean(text: str) -> str:
    """One short line without keys."""
    line = " ".join(_KEY_LIKE.sub("***", without_secrets(text)).split())
    printable = "".join(each for each in line if each.isprintable())
    return printable[:300]


class Server:
    """A server of the user's own, asked with its token or password. Nothing is called before the first ``ask``."""

    def __init__(
        self, name: str, source: HttpServer, folder: Path, headers: Mapping[str, str] | None = None, ending: str = ""
    ) -> None:
        """``name``: as messages call it. ``headers``: further ones. ``ending``: what of the path need not be in the address."""
        self.name, self.url = name, source.url.rstrip("/").removesuffix(ending).rstrip("/")
        self.host = urlsplit(self.url).netloc
        self._source, self._folder, self._headers = source, folder, dict(headers or {})
        self._client: httpx.Client | None = None

    def ask(self, method: str, path: str, params: Params | None = None, question: Any = None) -> Any:
        """The JSON that a call answers with, tried again where that helps.

        Raises:
            Trouble: expired, denied, missing, changed or, after the deadline, failed.
        """
        try:
            return retrying(
                lambda: self._once(method, path, params or [], question),
                passing=lambda error: isinstance(error, Again),
                deadline=float(self._source.deadline),
                asked=lambda error: error.wait if isinstance(error, Again) else 0.0,
            )
        except Again as error:
            what = f"{error} for {self._source.deadline} seconds"
        next_step = "The next run tries again; 'deadline' in finops.toml is how long one tries."
        raise self.trouble(Outcome.FAILED, what, path, next_step)

    def trouble(self, outcome: Outcome, what: str, path: str, next_step: str) -> Trouble:
        """That of a call."""
        return Trouble(outcome, without_secrets(what), where=f"{self.url}{path}", next_step=next_step)

    def _once(self, method: str, path: str, params: Params, question: Any) -> Any:
        failure: Exception
        try:
            client = self._client = self._client or self._connect()
            asked = client.build_request(
                method, self.url + path, params=httpx.QueryParams(tuple(params)), json=question
            )
            response = read_whole(client, asked, self._source.deadline)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            failure = self.trouble(Outcome.MISSING, f"is no address: {clean(str(error))}", path, _ADDRESS)
        except httpx.TransportError as error:
            failure = Again(f"cannot be reached ({type(error).__name__}: {clean(str(error))})")
        except httpx.HTTPError as error:
            failure = self.trouble(Outcome.FAILED, f"cannot be read: {clean(str(error))}", path, _ADDRESS)
        else:
            return self._answer(path, response)
        raise failure from None

    def _connect(self) -> httpx.Client:
        auth, headers = None, dict(self._headers)
        if not self._source.anonymous:
            if self._source.token:
                headers["Authorization"] = f"Bearer {self._secret(self._source.token)}"
            if self._source.password:
                auth = httpx.BasicAuth(self._source.username, self._secret(self._source.password))
        # a redirect is not followed: it would lead the token to who knows whom
        return httpx.Client(headers=headers, auth=auth, timeout=timeout(self._source.deadline), follow_redirects=False)

    def _secret(self, place: Secret) -> str:
        try:
            secret = place.reveal(self._folder)
        except ConfigError as error:
            what, next_step = f"has no token or password: {error.what}", error.next_step
        else:
            if secret.isascii() and secret.isprintable():
                return secret
            what, next_step = (
                "holds something that is no token or password: it has line breaks or letters that none has",
                "",
            )
        raise Trouble(Outcome.EXPIRED, what, where=place.place, next_step=next_step or "Put it there alone.")

    def _answer(self, path: str, response: httpx.Response) -> Any:
        if response.status_code != httpx.codes.OK:
            raise self._refusal(path, response)
        if is_markup(response.content):
            what = "answers with a web page and not with data: something in between did, such as a sign-in page"
            raise self.trouble(Outcome.FAILED, what, path, _ADDRESS)
        answer: Any = None
        try:
            answer = json.loads(response.content)
        except (ValueError, RecursionError):
            broken = Again("answers with JSON that breaks off or is damaged")
        else:
            return answer
        raise broken

    def _refusal(self, path: str, response: httpx.Response) -> Exception:
        status, said = response.status_code, _said(response)
        if status in PASSING:
            wait = retry_after(response.headers)
            what = ("asks to slow down" if status == 429 else f"fails with status {status}") + said
            if wait > self._source.deadline:
                what = f"{what}, and asks to come back in {wait:,.0f} seconds"
                return self.trouble(Outcome.FAILED, what, path, "The next run tries again.")
            return Again(what, wait)
        if 300 <= status < 400:
            target = urlsplit(response.headers.get("location", ""))
            what = f"redirects to {clean(f'{target.scheme}://{target.netloc}') if target.netloc else 'another path'}"
            what += ", which is not followed: the token would go there"
            return self.trouble(Outcome.MISSING, what, path, "Give the address itself as 'url'.")
        given = " and ".join(each.place for each in (self._source.token, self._source.password) if each)
        outcome, what, next_step = {
            401: (
                Outcome.EXPIRED,
                f"does not accept what is in {given}"
                if given
                else "wants a token or a password, and the source has none",
                "Give 'token', or 'username' and 'password'.",
            ),
            403: (Outcome.DENIED, f"does not let {self.name} be read", "Give the token's owner the right to read."),
            404: (Outcome.MISSING, "is not there", _ADDRESS),
        }.get(
            status,
            (Outcome.CHANGED, f"refuses the question (status {status})", f"Is it {self.name}? Look at its version.")
            if status in (400, 405, 410, 422)
            else (Outcome.FAILED, f"answers with status {status}", _ADDRESS),
        )
        return self.trouble(outcome, what + said, path, next_step)


_ADDRESS = "Check 'url' of the source, with the path below which the server answers, and the proxy in between."


def _said(response: httpx.Response) -> str:
    """The server's own words, as the end of a sentence."""
    try:
        answer = response.json()
        text = next(
            (str(answer[key]) for key in ("message", "error", "detail") if isinstance(answer.get(key), str)), ""
        )
    except (ValueError, AttributeError, RecursionError):
        return ""
    return f": {clean(text)}" if text else ""
