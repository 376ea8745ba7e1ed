"""AWS Cost Explorer: a month's daily totals for accounts that have no export. AWS takes 0.01 USD for each page.

An offer is a month. Looking is free: only STS is asked who asks. A month is fetched at most once a day, and no more once it was
asked for ``SETTLED`` after its end and AWS called none of its days estimated; a credit that AWS gives for it later is then not
seen. Answers are kept as AWS gave them, each beside its request, because an answer does not say whose costs it holds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from finops.collectors.aws.cost_explorer_pages import GROUPED_BY, METRICS, following, pages
from finops.collectors.aws.examine import role_permission
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
    Verdict,
)
from finops.config.sources import AwsCostExplorer

PRICE = Decimal("0.01")
"""USD for each request, pages included: the list price of the Cost Explorer API."""
MONTHS_KEPT = 14
"""Months of daily totals that Cost Explorer has, the present one included."""
SETTLED = timedelta(days=15)
"""AWS restates a month for about two weeks after its end."""
FRESH = timedelta(days=8)
"""A weekly schedule has asked more recently than this."""


class AwsCostExplorerCollector:
    """Reads one account's view of Cost Explorer: its own costs or, for a management account, the organization's."""

    def __init__(self, source_id: str, source: AwsCostExplorer, folder: Path) -> None:
        self._source_id, self._source = source_id, source
        self._accounts = sorted(set(source.accounts)) or [""]
        self._before: dict[date, set[tuple[str, str]]] = {}
        """By month: the accounts and days that have charges in landing's answers."""

    @property
    def source_id(self) -> str:
        """The source's name in ``finops.toml``."""
        return self._source_id

    def look(self, request: Request) -> Listing:
        """An offer for each month, with what its calls will cost.

        Raises:
            Trouble: nobody is signed in.
        """
        caller, listing = self._caller()["Account"], Listing()
        oldest = _months_before(request.today, MONTHS_KEPT - 1)
        gone = []
        for month in request.months():
            known = request.known.get(_key(caller, month))
            if month < oldest and not known:
                gone.append(month)
            elif month <= request.today:
                listing.offers.append(self._offer(caller, month, known, request.today, too_old=month < oldest))
        listing.troubles += [
            Trouble(
                Outcome.MISSING,
                f"keeps daily totals from {oldest:%Y-%m} on, and has none that are older",
                where=f"Cost Explorer of account {caller}, {month:%Y-%m}",
                next_step="Load exports or invoices for the older months, or ask for less with --since.",
                period=month,
            )
            for month in gone
        ]
        if not self._source.accounts:
            listing.notes.append(
                "the costs of all linked accounts come as one: to tell them apart, name them in accounts = […], at a call each"
            )
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Ask for a month, account by account and page by page.

        Raises:
            Trouble: also ``unapproved``, if it takes many more calls than were announced and nobody agreed to any number.
        """
        month, day = offer.period or date.min, date.fromisoformat(offer.version[:10])
        caller = offer.key.removeprefix(_SCHEME).split("/")[0]
        announced = int(offer.cost_usd / PRICE)
        allowed = None if self._source.allow_cost else max(3 * announced, announced + 10)
        for left in folder.glob("*.json"):
            left.unlink()  # pages of an interrupted run do not go with these
        calls, silent = 0, set(self._before.get(month, ()))
        for account in self._accounts:
            for number, (asked, answer) in enumerate(pages(self._source, caller, account, month, day), start=1):
                calls += 1
                name, request = _name(account, number), {"CallerAccount": caller, **asked}
                page = json.dumps({"request": request, "answer": answer}, indent=1, sort_keys=True)
                (folder / name).write_text(page, encoding="utf-8")
                tell(name, len(page))
                silent -= {(account, each["TimePeriod"]["Start"]) for each in answer["ResultsByTime"]}
                if answer.get("NextPageToken") and allowed is not None and calls >= allowed:
                    raise Trouble(
                        Outcome.UNAPPROVED,
                        f"{announced} calls were announced, {calls} were made and there are more pages",
                        where=f"Cost Explorer of account {caller}, {month:%Y-%m}",
                        next_step="Agree to any number with allow_cost = true in the source.",
                        period=month,
                    )
        if silent:
            raise Trouble(
                Outcome.INCOMPLETE,
                f"does not say anything about {min(day for _, day in silent)}, which had charges before",
                where=f"Cost Explorer of account {caller}, {month:%Y-%m}",
                next_step="The next run asks again; until then the month stays as it was.",
                period=month,
            )

    def permissions(self) -> Sequence[Permission]:
        """One paid call. Who asks, STS tells everyone."""
        return [Permission("ce:GetCostAndUsage", "*", "the daily totals"), *role_permission(self._source)]

    def examine(self, request: Request) -> Sequence[Finding]:
        """Identity and freshness. Whether the costs may be read shows only in a call that costs money, so none is made."""
        try:
            caller = self._caller()
        except Trouble as trouble:
            return [Finding("identity", Verdict.FAILED, trouble.what, trouble.next_step)]
        found = [Finding("identity", Verdict.OK, f"{caller.get('Arn', '')} in account {caller['Account']}")]
        asked = [date.fromisoformat(each.version[:10]) for each in request.known.values() if _DAY.match(each.version)]
        if asked and request.today - max(asked) < FRESH:
            found.append(Finding("ce:GetCostAndUsage", Verdict.OK, f"was answered on {max(asked)}"))
        else:
            since = f"was last answered on {max(asked)}" if asked else "has not been asked yet"
            detail = f"{since}; a call costs {PRICE} USD, so it is not tried here"
            step = f"Run 'finops collect {self._source_id}'."
            found.append(Finding("ce:GetCostAndUsage", Verdict.UNKNOWN, detail, step))
        if not self._source.allow_cost:
            detail = "a scheduled run does not fetch what costs money"
            step = "Write allow_cost = true in the source, or run 'finops collect --yes'."
            found.append(Finding("approval", Verdict.WARNING, detail, step))
        detail = "Cost Explorer gives daily totals: no resources, no hours, no tags"
        step = 'Where you can, set up a Data Export (CUR 2.0) and use type = "aws-data-export".'
        found.append(Finding("grade", Verdict.WARNING, detail, step))
        return found

    def _offer(self, caller: str, month: date, known: Fetched | None, today: date, *, too_old: bool) -> Offer:
        key, version = _key(caller, month), f"{today.isoformat()} {self._fingerprint()}"
        held = self._answers(known) if known else []
        answers = [answer for _, answer in held]
        self._before[month] = {
            (account, day["TimePeriod"]["Start"])
            for account, answer in held
            for day in answer["ResultsByTime"]
            if day.get("Groups")
        }
        if known and (too_old or self._is_settled(month, known, answers)):
            return Offer(key, known.version, period=month, note=f"settled, as it was on {known.version[:10]}")
        calls = max(len(self._accounts), len(answers))
        return Offer(
            key,
            version,
            period=month,
            cost_usd=calls * PRICE,
            needs_approval=not self._source.allow_cost,
            note=f"{calls} call{'s' if calls > 1 else ''} at {PRICE} USD, more if AWS answers in more pages",
        )

    def _is_settled(self, month: date, known: Fetched, answers: Sequence[dict[str, Any]]) -> bool:
        """Is what landing has the last word?"""
        day, _, asked = known.version.partition(" ")
        if not (answers and _DAY.match(known.version) and asked == self._fingerprint()):
            return False
        days = [each for answer in answers for each in answer["ResultsByTime"]]
        final = bool(days) and not any(each.get("Estimated") for each in days)
        return final and date.fromisoformat(day) >= following(month) + SETTLED

    def _answers(self, known: Fetched) -> list[tuple[str, dict[str, Any]]]:
        """The answers that landing has of a month with the account that was asked for, page after page; none if not whole."""
        found = []
        for account in self._accounts:
            token, number = "first", 0
            while token:
                number += 1
                try:
                    page = json.loads(
                        known.files[_name(account, number)][1].read_text(encoding="utf-8"), parse_float=str
                    )
                    found.append((account, page["answer"]))
                except (KeyError, OSError, ValueError):
                    return []
                token = page["answer"].get("NextPageToken")
        return found

    def _fingerprint(self) -> str:
        """Changes with what is asked for."""
        asked = json.dumps([self._accounts, METRICS, GROUPED_BY])
        return hashlib.sha256(asked.encode()).hexdigest()[:8]

    def _caller(self) -> dict[str, Any]:
        with calling("AWS", "sts:GetCallerIdentity", "*", profile=self._source.profile):
            return dict(client(self._source, "sts").get_caller_identity())


_SCHEME = "aws-cost-explorer://"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2} ")


def _key(caller: str, month: date) -> str:
    return f"{_SCHEME}{caller}/{month:%Y-%m}"


def _name(account: str, number: int) -> str:
    return f"{re.sub(r'[^0-9A-Za-z]+', '_', account) or 'all'}-{number:04}.json"


def _months_before(day: date, months: int) -> date:
    count = day.year * 12 + day.month - 1 - months
    return date(count // 12, count % 12 + 1, 1)
