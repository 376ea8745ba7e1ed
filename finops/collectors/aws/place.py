"""An account in a region, and how it is asked: lists page by page, descriptions a few at a time, refusals said as a ``Trouble``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import boto3  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from finops.collectors.aws.session import client
from finops.collectors.aws.troubles import MISSING, as_trouble, code_of
from finops.collectors.interface import Outcome, Trouble
from finops.config.sources import AwsAccess

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 8
"""Descriptions that are asked for at the same time."""
QUICK = 5
"""Seconds for a service that the SDK does not know in the region."""
_PAGE = {"sagemaker": 100, "bedrock": 100, "resourcegroupstaggingapi": 100, "ec2": 500}
"""How many things are asked for at a time, where the service would else give ten, or all at once."""
_PREFIX = {"efs": "elasticfilesystem", "resourcegroupstaggingapi": "tag"}
"""What permissions call a service, where the SDK calls it otherwise."""
_NOT_HERE = frozenset(
    {"AuthFailure", "InvalidAction", "InvalidClientTokenId", "OptInRequired", "UnknownOperationException",
     "UnrecognizedClientException", "UnsupportedOperation", "UnsupportedOperationException"}
)  # fmt: skip
"""Answers of a region that does not have the service or that the account has not opted into: STS has taken the same credentials."""
_NOT_IN_REGION = re.compile(r"not (?:supported|available|enabled)\b.*\bregion", re.IGNORECASE)
_GONE = re.compile(r"could not find|cannot find|does not exist|not found|no such", re.IGNORECASE)


@dataclass(frozen=True)
class Resource:
    """What a service says about one of its resources."""

    type: str
    """CloudFormation's name of the type."""
    id: str
    """As the bill names it."""
    name: str | None
    state: str | None
    created_at: datetime | None
    changed_at: datetime | None = None
    tags: dict[str, str] | None = None
    """None: not known."""
    properties: dict[str, Any] = field(default_factory=dict)
    """None in it: not known."""


class Unsupported(Exception):  # noqa: N818
    """The service, or this part of it, is not in the region."""


@dataclass(frozen=True)
class Place:
    """An account in a region."""

    source: AwsAccess
    """How it is reached. To be kept alive: clients are cached by it."""
    account: str
    region: str

    @property
    def where(self) -> str:
        return f"account {self.account}, {self.region}"

    def call(self, service: str, operation: str, **asked: Any) -> dict[str, Any]:
        """One call.

        Raises:
            Unsupported: there is no such thing in the region.
            Trouble: everything else.
        """
        return self._asking(service, operation, lambda api: getattr(api, operation)(**asked))

    def listed(self, service: str, operation: str, field: str, **asked: Any) -> list[dict[str, Any]]:
        """All items of a list, page by page. A page may be empty and name a next one."""

        size = (
            None if operation == "describe_instance_types" else _PAGE.get(service)
        )  # which names the types it asks for

        def pages(api: Any) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            for page in api.get_paginator(operation).paginate(**asked, PaginationConfig={"PageSize": size}):
                if not isinstance(page.get(field), list):
                    what = f"{action_of(service, operation)} answers without {field}"
                    raise Trouble(Outcome.CHANGED, what, where=self.where, next_step="Report it.")
                found += page[field]
            return found

        return self._asking(service, operation, pages)

    def described(self, service: str, operation: str, **asked: Any) -> dict[str, Any] | None:
        """What a service says about one thing; None: it is gone since it was listed."""
        try:
            return self.call(service, operation, **asked)
        except Trouble as trouble:
            cause = trouble.__cause__
            if cause is not None and is_gone(cause):
                return None
            raise

    def each(self, function: Callable[[T], R | None], items: Iterable[T]) -> list[R]:
        """What the function gives for each item, in their order, without the Nones. The first trouble ends it."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                return [found for found in pool.map(function, items) if found is not None]
            except BaseException:  # Ctrl-C too: nobody waits for what has not begun
                pool.shutdown(cancel_futures=True)
                raise

    def if_allowed(self, call: Callable[[], T]) -> T | None:
        """A detail that may be forbidden or not be there: then None, not known. Every other trouble is raised."""
        try:
            return call()
        except Unsupported:
            return None
        except Trouble as trouble:
            if trouble.outcome is not Outcome.DENIED:
                raise
            return None

    def _asking(self, service: str, operation: str, ask: Callable[[Any], R]) -> R:
        action = action_of(service, operation)
        known = self.region in _regions(service) or service in self.source.endpoints
        try:
            return ask(client(self.source, service, region=self.region, deadline=None if known else QUICK))
        except (BotoCoreError, ClientError) as error:
            if _is_unsupported(error, known):
                raise Unsupported(
                    f"{service} is not there in {self.region}, or the account has not opted in"
                ) from error
            raise as_trouble(
                error, where=self.where, action=action, resource="*", profile=self.source.profile
            ) from error
        except ResponseParserError as error:  # which is no BotoCoreError
            what = f"{action} is answered with something that is not AWS's"
            step = "Look at the proxy and the endpoint, or run it again later."
            raise Trouble(Outcome.FAILED, what, where=self.where, next_step=step) from error


def action_of(service: str, operation: str) -> str:
    """The IAM action of an operation: ``sagemaker:DescribeEndpoint``."""
    return f"{_PREFIX.get(service, service)}:{''.join(part.capitalize() for part in operation.split('_'))}"


def is_gone(error: BaseException) -> bool:
    """Does AWS say that the thing is not there?"""
    code = code_of(error)
    said = code == "ValidationException" and _GONE.search(str(error)) is not None
    return said or code in MISSING or code.endswith(("NotFound", "NotFoundException"))


def text(moment: datetime | None) -> str | None:
    """A moment as ISO 8601 in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def tags_of(listed: Iterable[dict[str, str]] | None) -> dict[str, str]:
    """Tags as a dictionary."""
    return {each["Key"]: each["Value"] for each in listed or ()}


def _is_unsupported(error: BaseException, known: bool) -> bool:
    if isinstance(error, EndpointConnectionError):
        return not known
    return code_of(error) in _NOT_HERE or (isinstance(error, ClientError) and bool(_NOT_IN_REGION.search(str(error))))


@cache
def _regions(service: str) -> frozenset[str]:
    """Where the SDK knows the service."""
    session = _session()
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions(service, partition_name=partition)
    )


@cache
def _session() -> Any:
    return boto3.Session()
