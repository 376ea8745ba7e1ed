"""Google Cloud's REST APIs, read only: one GET, all of its pages, and every refusal in plain words.

Vertex AI has a host for each location. Where the source names another address for a service, it stands for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from finops.collectors.gcp.access import credentials, identity
from finops.collectors.gcp.troubles import as_trouble, is_disabled, passing, source_errors
from finops.collectors.interface import Outcome, Trouble
from finops.collectors.retry import retrying
from finops.config.sources import GcpUtilisation

HOSTS = {
    "aiplatform": "https://{location}aiplatform.googleapis.com",
    "notebooks": "https://notebooks.googleapis.com",
    "tpu": "https://tpu.googleapis.com",
    "compute": "https://compute.googleapis.com",
    "monitoring": "https://monitoring.googleapis.com",
    "cloudresourcemanager": "https://cloudresourcemanager.googleapis.com",
}
TIMEOUT = (20, 60)
"""Seconds to connect and to wait for an answer."""


class Unsupported(Exception):  # noqa: N818 - it is an answer
    """The project or the location has no such service: there is nothing to be read, and nothing is missing."""

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(what)
        self.what, self.next_step = what, next_step


class Rest:
    """The APIs as one identity sees them. Nothing is called, and no credentials are looked for, before the first page."""

    def __init__(self, source: GcpUtilisation, folder: Path) -> None:
        self._source, self._folder = source, folder
        self._waited: set[str] = set()
        self._connected: tuple[Any, str] | Trouble | None = None
        self._lock = Lock()

    @property
    def who(self) -> str:
        """The identity that asks."""
        return self._connect()[1]

    def pages(
        self,
        service: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        project: str,
        permission: str,
        location: str = "",
    ) -> Iterator[dict[str, Any]]:
        """Every page of a list.

        Args:
            path: from the host on, ``/v1/projects/acme-ml/locations``.
            permission: what the call needs.
            location: of Vertex AI, for the host.

        Raises:
            Trouble: denied, expired, changed or, after the deadline, failed.
            Unsupported: the API is not enabled for the project, or not in this location.
        """
        host = HOSTS[service].format(location=f"{location}-" if location and location != "global" else "")
        url = self._source.endpoints.get(service, host).rstrip("/") + path
        where = f"project {project}, {service}" + (f" in {location}" if location else "")
        asked = dict(params or {})
        while True:
            page = self._page(service, url, asked, where, permission, project)
            yield page
            token = page.get("nextPageToken")
            if not token:
                return
            if token == asked.get("pageToken"):
                raise Trouble(
                    Outcome.CHANGED, f"{permission} names the same page again", where=where, next_step="Report it."
                )
            asked["pageToken"] = token

    def has_waited(self, service: str) -> bool:
        """Has the service been waited for until the deadline? It is then asked once more each time, and not waited for again."""
        return service in self._waited

    def _page(
        self, service: str, url: str, asked: Mapping[str, Any], where: str, permission: str, project: str
    ) -> dict[str, Any]:
        session, _ = self._connect()
        deadline = 0.0 if service in self._waited else float(self._source.deadline)
        try:
            page = retrying(
                lambda: _answer(session, url, asked), passing=passing, deadline=deadline, asked=_retry_after
            )
        except source_errors() as error:
            if is_disabled(error):
                trouble = as_trouble(error, where=where)
                raise Unsupported(f"the API is not enabled in project {project}", trouble.next_step) from None
            if _is_absent(error, " in " in where):
                raise Unsupported(f"{permission} has nothing to list there") from None
            trouble = as_trouble(error, where=where, permission=permission, resource=f"project {project}")
            if passing(error):
                self._waited.add(service)
            raise Trouble(
                trouble.outcome, f"{permission} {trouble.what}", where=where, next_step=trouble.next_step
            ) from None
        if not isinstance(page, dict):
            raise Trouble(
                Outcome.CHANGED, f"{permission} answers with something else than a page", where=where,
                next_step="Check 'endpoints' of the source, and the proxy in between.",
            )  # fmt: skip
        return page

    def _connect(self) -> tuple[Any, str]:
        with self._lock:
            if self._connected is None:
                from google.auth.transport.requests import AuthorizedSession

                try:
                    found, _ = credentials(self._source, self._folder)
                    self._connected = AuthorizedSession(found), identity(found)  # type: ignore[no-untyped-call]
                except Trouble as trouble:  # looking for them takes long where there are none
                    self._connected = trouble
            if isinstance(self._connected, Trouble):
                raise self._connected
            return self._connected


def _answer(session: Any, url: str, asked: Mapping[str, Any]) -> Any:
    from google.api_core.exceptions import from_http_response

    response = session.get(url, params=asked, timeout=TIMEOUT, allow_redirects=False)
    if response.status_code != 200:
        raise from_http_response(response)  # type: ignore[no-untyped-call]
    try:
        return response.json()
    except ValueError:
        return None


def _is_absent(error: BaseException, in_location: bool) -> bool:
    """A location lacks a part of Vertex AI, or a project a kind of metric. Anything else that is not there is missing."""
    said = str(getattr(error, "message", ""))
    if in_location:
        code = getattr(error, "code", None)
        return code in (404, 405, 501) or (code == 400 and "not supported" in said)
    return "Cannot find metric" in said or "valid combination of metric and monitored resource" in said


def _retry_after(error: BaseException) -> float:
    """Seconds that an answer asks to wait."""
    stated = getattr(getattr(error, "response", None), "headers", {}).get("Retry-After", "")
    return float(stated) if stated.isdecimal() else 0.0
