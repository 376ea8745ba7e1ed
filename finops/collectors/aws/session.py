"""Clients for AWS: who asks, at which address, and how long a call that fails is tried again.

The SDK's own retries count attempts. Ours look at the clock: ``source.deadline`` seconds for each call, pages one by one.
"""

from __future__ import annotations

import random
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from threading import RLock
from typing import Any

import boto3  # type: ignore[import-untyped]
import botocore.session  # type: ignore[import-untyped]
from botocore import UNSIGNED
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.credentials import (  # type: ignore[import-untyped]
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import ConnectionError as NoConnection  # type: ignore[import-untyped]
from botocore.exceptions import HTTPClientError, NoCredentialsError, SSLError
from botocore.loaders import create_loader  # type: ignore[import-untyped]
from botocore.utils import parse_timestamp  # type: ignore[import-untyped]

from finops.collectors.retry import FIRST_WAIT, LONGEST_WAIT
from finops.config.sources import AwsAccess

CONNECT_TIMEOUT, READ_TIMEOUT = 10, 60
"""Seconds."""
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded", "LimitExceededException", "PriorRequestNotComplete", "ProvisionedThroughputExceededException",
        "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown", "Throttling", "ThrottlingException",
        "ThrottledException", "TooManyRequestsException", "TransactionInProgressException",
        "InternalError", "InternalFailure", "InternalServerError", "InternalServerException", "RequestTimeout",
        "RequestTimeoutException", "ServiceUnavailable",
    }
)  # fmt: skip
"""Error codes that pass by themselves, whatever their HTTP status."""
_PASSING_STATUS = frozenset({429, 500, 502, 503, 504})

_clients: dict[int, dict[tuple[str, str, float], Any]] = {}
_sessions: dict[int, Any] = {}
_lock = RLock()


def client(source: AwsAccess, service: str, *, region: str | None = None, deadline: float | None = None) -> Any:
    """The client of a service for a source; the same one each time. No call is made before the first is asked for.

    Args:
        region: None: the source's.
        deadline: seconds for each call, its retries included, if less than the source's.

    Raises:
        BotoCoreError: the profile is not there; ``troubles.as_trouble`` says it for users.
    """
    where, patience = region or source.region, min(source.deadline, deadline or source.deadline)
    with _lock:
        if id(source) not in _clients:
            _clients[id(source)] = {}
            weakref.finalize(source, _forget, id(source))
        found = _clients[id(source)].get((service, where, patience))
        if found is None:
            found = _make(_session(source), source, service, where, patience)
            _clients[id(source)][service, where, patience] = found
        return found


def is_passing(error: BaseException) -> bool:
    """Is it an error that goes away by itself: throttled, the provider's own, a connection that broke?"""
    if isinstance(error, SSLError):
        return False
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return _passes(response)
    return isinstance(error, NoConnection | HTTPClientError)


def _session(source: AwsAccess) -> Any:
    if id(source) not in _sessions:
        base = _base(source)
        if source.role_arn:
            base = _as_role(base, source)
        _sessions[id(source)] = boto3.Session(botocore_session=base)
    return _sessions[id(source)]


def _base(source: AwsAccess) -> Any:
    base = botocore.session.Session(profile=source.profile or None)
    base.register_component("data_loader", _models(base.get_config_variable("data_path")))
    base.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    return base


def _moment(value: Any) -> datetime:
    """A time of an answer, in UTC. The SDK takes it through the machine's time zone: for a metric's hours ten times as slow."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return parse_timestamp(value)  # type: ignore[no-any-return,unused-ignore]


@cache
def _models(path: str | None) -> Any:
    """The SDK's descriptions of the services, read once for all sessions."""
    return create_loader(path)


def _forget(number: int) -> None:
    with _lock:
        _clients.pop(number, None)
        _sessions.pop(number, None)


def _make(session: Any, source: AwsAccess, service: str, region: str, deadline: float, **credentials: str) -> Any:
    made = session.client(
        service,
        region_name=region,
        endpoint_url=source.endpoints.get(service),
        config=_config(source, service, deadline),
        **credentials,
    )
    name = made.meta.service_model.service_id.hyphenize()
    made.meta.events.register_first(f"before-call.{name}", _note_start)
    made.meta.events.register_last(f"needs-retry.{name}", _until(deadline))
    return made


def _config(source: AwsAccess, service: str, deadline: float) -> Config:
    options: dict[str, Any] = {
        "retries": {"mode": "standard", "total_max_attempts": 1},
        "connect_timeout": min(CONNECT_TIMEOUT, deadline),
        "read_timeout": min(READ_TIMEOUT, deadline),
        "user_agent_extra": "finops",
    }
    if source.anonymous:
        options["signature_version"] = UNSIGNED
    if service == "s3" and "s3" in source.endpoints:
        options["s3"] = {"addressing_style": "path"}
    return Config(**options)


class _RoleProvider(CredentialProvider):  # type: ignore[misc,unused-ignore]
    """Takes on a role, and again before each hour is over."""

    METHOD = "assume-role"
    CANONICAL_NAME = "finops-assume-role"

    def __init__(self, fetch: Callable[[], Any]) -> None:
        super().__init__()
        self._fetch = fetch

    def load(self) -> Any:
        return DeferredRefreshableCredentials(refresh_using=self._fetch, method=self.METHOD)


def _as_role(base: Any, source: AwsAccess) -> Any:
    """A session that acts as the source's role. The role is taken on at the first call."""

    def sts(service: str, **credentials: str) -> Any:
        given = {key: value for key, value in credentials.items() if value}
        return _make(boto3.Session(botocore_session=base), source, service, source.region, source.deadline, **given)

    def fetch() -> Any:
        callers = base.get_credentials()
        if callers is None:
            raise NoCredentialsError
        asked = {"RoleSessionName": "finops"} | ({"ExternalId": source.external_id} if source.external_id else {})
        return AssumeRoleCredentialFetcher(sts, callers, source.role_arn, extra_args=asked).fetch_credentials()

    role = _base(source)
    role.register_component("credential_provider", CredentialResolver([_RoleProvider(fetch)]))
    return role


def _note_start(params: dict[str, Any], **_: Any) -> None:
    params["context"]["finops_started"] = time.monotonic()


def _until(deadline: float) -> Callable[..., float | None]:
    """What the SDK asks after each answer: how many seconds to wait before the next attempt, or None to give up."""

    def wait(
        request_dict: dict[str, Any], attempts: int, response: Any, caught_exception: Any, **_: Any
    ) -> float | None:
        answer = response[1] if response is not None else {}
        if not (is_passing(caught_exception) if caught_exception is not None else _passes(answer)):
            return None
        left: float = deadline - (time.monotonic() - request_dict["context"]["finops_started"])
        if left <= 0 or _asked(answer) > left:
            return None
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 20))
        return min(left, max(random.uniform(0, longest), _asked(answer)))  # noqa: S311

    return wait


def _passes(answer: dict[str, Any]) -> bool:
    error, status = answer.get("Error") or {}, (answer.get("ResponseMetadata") or {}).get("HTTPStatusCode", 200)
    return error.get("Code") in THROTTLED or status in _PASSING_STATUS


def _asked(answer: dict[str, Any]) -> float:
    """Seconds that the answer says to wait (``Retry-After``)."""
    headers = (answer.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
    try:
        return float(headers.get("retry-after", 0))
    except ValueError:
        return 0.0
