"""Asking Cost Explorer for a month, page by page, and what it may answer instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from finops.collectors.aws.session import client
from finops.collectors.aws.troubles import as_trouble, code_of
from finops.collectors.interface import Outcome, Trouble
from finops.config.secrets import without_secrets
from finops.config.sources import AwsCostExplorer

METRICS = ("AmortizedCost", "UnblendedCost", "UsageQuantity")
GROUPED_BY = ("SERVICE", "RECORD_TYPE")
"""By type of charge, so that credits, refunds and tax keep their sign. Cost Explorer takes two dimensions at most."""


def pages(
    source: AwsCostExplorer, caller: str, account: str, month: date, day: date
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What was asked and what AWS answered, a page at a time. Each page is paid for.

    Args:
        caller: the account that asks.
        account: the linked account whose costs are wanted; empty: all that the caller sees.
        day: the last day that is asked for, if the month has not ended before it.

    Raises:
        Trouble: denied, missing, changed, failed.
    """
    end = min(following(month), day + timedelta(days=1))
    asked: dict[str, Any] = {
        "TimePeriod": {"Start": month.isoformat(), "End": end.isoformat()},
        "Granularity": "DAILY",
        "Metrics": list(METRICS),
        "GroupBy": [{"Type": "DIMENSION", "Key": each} for each in GROUPED_BY],
    }
    if account:
        asked["Filter"] = {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [account]}}
    where, tokens = f"Cost Explorer of account {caller}", set()
    while True:
        try:
            answer = dict(client(source, "ce").get_cost_and_usage(**asked))
        except (BotoCoreError, ClientError) as error:
            raise _trouble(error, where, month, source.profile) from error
        answer.pop("ResponseMetadata", None)
        _check(answer, where, month)
        yield dict(asked), answer
        token = answer.get("NextPageToken")
        if not token:
            return
        if token in tokens:
            raise Trouble(Outcome.FAILED, "names the same next page again and again", where=where, period=month,
                          next_step="Run it again later.")  # fmt: skip
        tokens.add(token)
        asked = {**asked, "NextPageToken": token}


def following(month: date) -> date:
    """The first of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _check(answer: dict[str, Any], where: str, month: date) -> None:
    """A day outside of the month would replace another month; a group without its amounts would be no money."""
    days = answer.get("ResultsByTime")
    if not isinstance(days, list):
        raise Trouble(Outcome.CHANGED, "answers without ResultsByTime", where=where, period=month, next_step=_REPORT)
    first, last = month.isoformat(), following(month).isoformat()
    for day in days:
        if not first <= str((day.get("TimePeriod") or {}).get("Start", "")) < last:
            raise Trouble(Outcome.CHANGED, f"answers with a day that is not of the month: {day.get('TimePeriod')}", where=where,
                          period=month, next_step=_REPORT)  # fmt: skip
        for group in day.get("Groups") or []:
            lacks = [each for each in METRICS if "Amount" not in (group.get("Metrics") or {}).get(each, {})]
            if lacks or len(group.get("Keys") or []) != len(GROUPED_BY):
                raise Trouble(Outcome.CHANGED, f"answers with groups that lack {', '.join(lacks) or 'a key'}", where=where,
                              period=month, next_step=_REPORT)  # fmt: skip


_REPORT = "Run it again; if it stays, the API has changed: report it."


def _trouble(error: BaseException, where: str, month: date, profile: str) -> Trouble:
    code, said = code_of(error), without_secrets(str(error))
    if code == "DataUnavailableException":
        return Trouble(Outcome.MISSING, f"has no data for {month:%Y-%m} yet ({said})", where=where, period=month,
                       next_step="It has them within a day of being switched on. The next run asks again.")  # fmt: skip
    if re.search(r"not enabled|not subscribed", said, re.IGNORECASE):
        return Trouble(Outcome.MISSING, f"is not switched on ({said})", where=where,
                       next_step="Open Cost Explorer once in the Billing console; its data come within a day.")  # fmt: skip
    if code in ("AccessDeniedException", "ValidationException") and re.search("linked account", said, re.IGNORECASE):
        return Trouble(Outcome.DENIED, f"the management account does not let this account see its costs ({said})", where=where,
                       next_step="In the management account: Cost Management preferences, linked account access.")  # fmt: skip
    if code == "BillExpirationException" or (code == "ValidationException" and "months" in said):
        return Trouble(Outcome.MISSING, f"does not have {month:%Y-%m} by day any more ({said})", where=where, period=month,
                       next_step="Ask for less with --since.")  # fmt: skip
    found = as_trouble(error, where=where, action="ce:GetCostAndUsage", resource="*", period=month, profile=profile)
    if found.outcome in (Outcome.DENIED, Outcome.EXPIRED):
        found.period = None  # no month can be read
    return found
