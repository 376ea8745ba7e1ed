"""Calls to the vendors' administration APIs: one GET, tried again where that helps, and every refusal in plain words.

The key is in a header and nowhere else. httpx's own errors are never chained to ours, because a broken header is quoted in them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from finops.collectors.interface import Outcome, Trouble
from finops.collectors.retry import retrying
from finops.collectors.web import PASSING, Again, Params, clean, is_markup, read_whole, retry_after, timeout
from finops.config.secrets import without_secrets
from finops.config.sources import LlmVendor
from finops.errors import ConfigError


@dataclass(frozen=True)
class Vendor:
    """What the two vendors differ in."""

    name: str
    service: str
    """Its name among a source's ``endpoints``."""
    url: str
    headers: Callable[[str], Mapping[str, str]]
    """From the key."""
    new_key: str
    """How a valid key is come by."""
    allow: str
    """How this key is given the right to read."""


@dataclass(frozen=True)
class Answer:
    """A page as it came, and what it says."""

    content: bytes
    page: Any
    """Numbers are the text that stands in the page."""


class Api:
    """One vendor, asked with one source's key. Nothing is called before the first ``get``."""

    def __init__(self, vendor: Vendor, source: LlmVendor, folder: Path) -> None:
        self.vendor = vendor
        self.url = source.endpoints.get(vendor.service, vendor.url).rstrip("/").removesuffix("/v1")
        self._source, self._folder = source, folder
        self._client: httpx.Client | None = None

    def get(self, path: str, params: Params) -> Answer:
        """Ask for one page.

        Raises:
            Trouble: expired, denied, missing, changed or, after the deadline, failed.
        """
        deadline = float(self._source.deadline)
        try:
            return retrying(
                lambda: self._ask(path, params),
                passing=lambda error: isinstance(error, Again),
                deadline=deadline,
                asked=lambda error: error.wait if isinstance(error, Again) else 0.0,
            )
        except Again as error:
            what = f"{error} for {self._source.deadline} seconds"
        raise Trouble(
            Outcome.FAILED,
            what,
            where=self.where(path),
            next_step="The next run tries again; 'deadline' in finops.toml is how long one tries.",
        )

    def where(self, path: str) -> str:
        """How an endpoint is named in messages."""
        return f"{self.url}{path}"

    def key(self) -> str:
        """The admin key.

        Raises:
            Trouble: expired: there is none, or it is none.
        """
        place = self._source.api_key.place
        try:
            key = self._source.api_key.reveal(self._folder)
        except ConfigError as error:
            raise Trouble(
                Outcome.EXPIRED, f"has no key: {error.what}", where=place, next_step=self.vendor.new_key
            ) from None
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise Trouble(
                Outcome.EXPIRED,
                "holds something that is no key: it has spaces, line breaks or letters that no key has",
                where=place,
                next_step=f"Put the key there alone. {self.vendor.new_key}",
            )
        return key

    def _ask(self, path: str, params: Params) -> Answer:
        if self._client is None:
            headers = {} if self._source.anonymous else dict(self.vendor.headers(self.key()))
            self._client = httpx.Client(headers=headers, timeout=timeout(self._source.deadline))
        failure: Exception
        try:
            asked = self._client.build_request("GET", self.url + path, params=httpx.QueryParams(tuple(params)))
            response = read_whole(self._client, asked, self._source.deadline)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            failure = self._trouble(Outcome.MISSING, f"is no address: {clean(str(error))}", path, _ADDRESS)
        except httpx.TransportError as error:
            failure = Again(f"cannot be reached ({type(error).__name__}: {clean(str(error))})")
        except httpx.HTTPError as error:
            failure = self._trouble(Outcome.FAILED, f"cannot be read: {clean(str(error))}", path, _ADDRESS)
        else:
            return self._answer(path, response)
        raise failure from None

    def _answer(self, path: str, response: httpx.Response) -> Answer:
        if response.status_code != httpx.codes.OK:
            raise self._refusal(path, response)
        if is_markup(response.content):
            what = "answers with a web page and not with data: something between here and the vendor did"
            raise self._trouble(Outcome.FAILED, what, path, _ADDRESS)
        page: Any = None
        try:
            page = json.loads(response.content, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError):
            broken = Again("answers with JSON that breaks off or is damaged")
        else:
            return Answer(response.content, page)
        raise broken

    def _refusal(self, path: str, response: httpx.Response) -> Exception:
        status, said = response.status_code, _said(response)
        if status in PASSING:
            what, wait = (
                "asks to slow down" if status == 429 else f"fails with status {status}",
                retry_after(response.headers),
            )
            if wait > self._source.deadline:
                what = f"{what}, and to come back in {wait:,.0f} seconds{said}"
                return self._trouble(Outcome.FAILED, what, path, "The next run tries again.")
            return Again(what + said, wait)
        outcome, what, next_step = {
            401: (
                Outcome.EXPIRED,
                f"does not accept the key in {self._source.api_key.place}",
                f"It was revoked, has run out, or is no admin key. {self.vendor.new_key}",
            ),
            403: (
                Outcome.DENIED,
                f"does not let the key in {self._source.api_key.place} read this",
                self.vendor.allow,
            ),
            404: (Outcome.MISSING, "is not there", _ADDRESS),
        }.get(
            status,
            (
                Outcome.CHANGED,
                f"refuses the question (status {status})",
                "Look for a newer finops; the API has changed.",
            )
            if status in (400, 405, 410, 422)
            else (Outcome.FAILED, f"answers with status {status}", _ADDRESS),
        )
        return self._trouble(outcome, what + said, path, next_step)

    def _trouble(self, outcome: Outcome, what: str, path: str, next_step: str) -> Trouble:
        return Trouble(outcome, without_secrets(what), where=self.where(path), next_step=next_step)


_ADDRESS = "Check 'endpoints' of the source, and the proxy in between."


def _said(response: httpx.Response) -> str:
    """The vendor's own words, as the end of a sentence."""
    try:
        error = response.json()["error"]
        text = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return f": {clean(text)}" if text else ""


def several(name: str, values: Iterable[str]) -> Params:
    """A parameter that is given several times."""
    return [(name, value) for value in values]
