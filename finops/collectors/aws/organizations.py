"""AWS Organizations: the accounts, the organizational units they are in, and their tags. A line of JSON per account.

One offer, fetched each time: its bytes are the same as long as nothing changes. Email addresses are left out, they are personal
data. Units and tags may be forbidden: then the names alone come. But a permission that was there and is withdrawn makes a hole,
because what it told would else be forgotten without a word; the accounts as they were known stay.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finops.collectors.aws.examine import identity, role_permission, tried
from finops.collectors.aws.session import client
from finops.collectors.aws.troubles import calling
from finops.collectors.interface import (
    Fetched,
    Finding,
    Listing,
    Offer,
    Outcome,
    Permission,
    RemoteFile,
    Request,
    Tell,
    Trouble,
)
from finops.config.sources import AwsOrganizations

KEY = "aws-organizations://accounts"
FILE = "accounts.jsonl"
WHERE = "AWS Organizations"
TAGS, UNITS = "tags", "unit_ids"
"""What may be forbidden, by its field in the file."""
_CALLS = {
    TAGS: ("organizations:ListTagsForResource",),
    UNITS: (
        "organizations:ListRoots",
        "organizations:ListOrganizationalUnitsForParent",
        "organizations:ListAccountsForParent",
    ),
}
_LOST = {TAGS: "the accounts' tags", UNITS: "the organizational units"}


class AwsOrganizationsCollector:
    """Reads the organization of the account that asks: the management account, or a delegated administrator's."""

    def __init__(self, source_id: str, source: AwsOrganizations, folder: Path) -> None:
        self._source_id, self._source = source_id, source
        self._allowed: dict[str, Trouble | None] | None = None

    @property
    def source_id(self) -> str:
        """The source's name in ``finops.toml``."""
        return self._source_id

    def look(self, request: Request) -> Listing:
        """One offer. Says which of units and tags may not be read.

        Raises:
            Trouble: the accounts may not be listed, there is no organization, or a permission has been withdrawn.
        """
        self._allowed, before = None, _stated(request.known.get(KEY))
        listing = Listing([Offer(KEY, note="the accounts of the organization")])
        for part, refusal in self._try().items():
            if refusal and part in before:
                step = f"{refusal.next_step} If it is meant to be so, give the source another name in finops.toml."
                what = f"{refusal.what}; {_LOST[part]} were known before and are kept as they were"
                raise Trouble(Outcome.DENIED, what, where=refusal.where, next_step=step)
            if refusal:
                listing.notes.append(f"without {_LOST[part]}: {refusal.what}. {refusal.next_step}")
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Write the accounts in the order of their ids.

        Raises:
            Trouble: a call failed; a part that was allowed for one account and denied for another is denied.
        """
        allowed = {part for part, refusal in self._try().items() if refusal is None}
        units = dict(self._units()) if UNITS in allowed else {}
        lines = []
        for account in sorted(self._listed("list_accounts", "Accounts"), key=lambda each: str(each["Id"])):
            path = units.get(account["Id"])
            line = {
                "account": {name: _text(account[name]) if name in account else None for name in _KEPT},
                "unit_path": "/".join(unit["Name"] for unit in path) if path else None,
                UNITS: [unit["Id"] for unit in path] if path else None,
                TAGS: self._tags(account["Id"]) if TAGS in allowed else None,
            }
            lines.append(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n")
        text = "".join(lines)
        (folder / FILE).write_text(text, encoding="utf-8")
        tell(FILE, len(text.encode()))

    def permissions(self) -> Sequence[Permission]:
        """Lists only; none of them can be restricted to a resource in a way that helps."""
        return [
            Permission("organizations:ListAccounts", "*", "the accounts' names and states"),
            *(Permission(each, "*", "which unit an account is in", optional=True) for each in _CALLS[UNITS]),
            *(
                Permission(each, "*", "the accounts' tags, which may name teams", optional=True)
                for each in _CALLS[TAGS]
            ),
            *role_permission(self._source),
        ]

    def examine(self, request: Request) -> Sequence[Finding]:
        """Who asks, and each of the permissions."""
        self._allowed, found = None, [identity(self._source)]
        accounts, allowed = tried("organizations:ListAccounts", self._try, lambda _: "the accounts can be listed")
        found.append(accounts)
        for part, refusal in (allowed or {}).items():
            for call in _CALLS[part]:
                finding, _ = tried(call, lambda refusal=refusal: _raise(refusal), lambda _: "allowed", optional=True)  # type: ignore[misc]
                found.append(finding)
        return found

    def _try(self) -> dict[str, Trouble | None]:
        """List the accounts' first page, and see which of the optional parts are denied. Asked once."""
        if self._allowed is None:
            first = next(self._listed("list_accounts", "Accounts"), None)
            if first is None:
                raise Trouble(
                    Outcome.CHANGED, "names no account, not even the one that asks", where=WHERE, next_step="Report it."
                )
            self._allowed = {
                UNITS: _refusal(self._try_units),
                TAGS: _refusal(lambda: self._tags(first["Id"])),
            }
        return self._allowed

    def _try_units(self) -> None:
        for root in self._listed("list_roots", "Roots"):
            for operation, field in _BELOW:
                next(self._listed(operation, field, ParentId=root["Id"]), None)

    def _units(self) -> Iterator[tuple[str, list[dict[str, str]]]]:
        """Each account with the units from the root down to it."""
        waiting = [[root] for root in self._listed("list_roots", "Roots")]
        while waiting:
            path = waiting.pop()
            parent = path[-1]["Id"]
            units = self._listed("list_organizational_units_for_parent", "OrganizationalUnits", ParentId=parent)
            waiting += [[*path, unit] for unit in units]
            for account in self._listed("list_accounts_for_parent", "Accounts", ParentId=parent):
                yield account["Id"], path

    def _tags(self, account: str) -> dict[str, str]:
        found = self._listed("list_tags_for_resource", "Tags", ResourceId=account)
        return {each["Key"]: each["Value"] for each in found}

    def _listed(self, operation: str, field: str, **asked: str) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page. A page may be empty and name a next one."""
        action = "organizations:" + "".join(part.capitalize() for part in operation.split("_"))
        with calling(WHERE, action, "*", profile=self._source.profile):
            for page in client(self._source, "organizations").get_paginator(operation).paginate(**asked):
                if not isinstance(page.get(field), list):
                    raise Trouble(
                        Outcome.CHANGED, f"{action} answers without {field}", where=WHERE, next_step="Report it."
                    )
                yield from page[field]


_KEPT = ("Arn", "Id", "JoinedMethod", "JoinedTimestamp", "Name", "State", "Status")
_BELOW = (("list_organizational_units_for_parent", "OrganizationalUnits"), ("list_accounts_for_parent", "Accounts"))


def _text(value: object) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else str(value)


def _refusal(call: Callable[[], object]) -> Trouble | None:
    """The trouble of a call that is denied; every other trouble is raised."""
    try:
        call()
    except Trouble as trouble:
        if trouble.outcome is not Outcome.DENIED:
            raise
        return trouble
    return None


def _raise(trouble: Trouble | None) -> None:
    if trouble:
        raise trouble


def _stated(known: Fetched | None) -> set[str]:
    """Which of the optional parts landing's newest file has."""
    try:
        lines = known.files[FILE][1].read_text(encoding="utf-8").splitlines() if known else []
        return {part for line in lines for part in (TAGS, UNITS) if json.loads(line).get(part)}
    except (KeyError, OSError, ValueError):
        return set()
