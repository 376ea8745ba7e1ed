"""What ``finops doctor`` asks AWS: who am I, may I, how old is the newest delivery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TypeVar

from finops.collectors.aws.session import client
from finops.collectors.aws.troubles import calling
from finops.collectors.interface import Finding, Permission, Trouble, Verdict
from finops.config.sources import AwsAccess

T = TypeVar("T")
BILLING_REGION = "us-east-1"
"""Where AWS has its billing services."""
QUICK = 5
"""Seconds for calls that collecting can do without."""
LATE, STALE = 2, 7
"""Days since the last delivery that are worth a warning, and that mean it has stopped."""


def tried(
    check: str, call: Callable[[], T], say: Callable[[T], str], *, optional: bool = False
) -> tuple[Finding, T | None]:
    """A call as a finding, and what it gave; None where it failed."""
    try:
        value = call()
    except Trouble as trouble:
        verdict = Verdict.UNKNOWN if optional else Verdict.FAILED
        detail = f"{trouble.where}: {trouble.what}" if trouble.where else trouble.what
        return Finding(check, verdict, detail, trouble.next_step), None
    return Finding(check, Verdict.OK, say(value)), value


def identity(access: AwsAccess) -> Finding:
    """Who AWS takes us for."""
    if access.anonymous:
        return Finding("identity", Verdict.OK, "nobody: anonymous = true")

    def ask() -> str:
        with calling("AWS", "sts:GetCallerIdentity", "*", profile=access.profile):
            return str(client(access, "sts", deadline=QUICK).get_caller_identity()["Arn"])

    return tried("identity", ask, lambda arn: arn)[0]


def active_tags(access: AwsAccess, *, dry: bool) -> Finding:
    """The tags that AWS writes into the bill. Not asked in a dry run: AWS prices each request of this API at 0.01 USD."""
    if dry:
        detail = "not looked at: AWS prices each request of the Cost Explorer API at 0.01 USD"
        step = "Run `aws ce list-cost-allocation-tags --status Active`: the tags that name teams should be there."
        return Finding("cost allocation tags", Verdict.UNKNOWN, detail, step)

    def ask() -> Sequence[str]:
        with calling("cost allocation tags", "ce:ListCostAllocationTags", "*", profile=access.profile):
            pages = client(access, "ce", region=BILLING_REGION, deadline=QUICK).get_paginator(
                "list_cost_allocation_tags"
            )
            return [each["TagKey"] for page in pages.paginate(Status="Active") for each in page["CostAllocationTags"]]

    result = tried("cost allocation tags", ask, _name_some, optional=True)
    finding, tags = result
    if tags == []:
        step = "Activate the tags that name teams: Billing and Cost Management, Cost allocation tags."
        return Finding("cost allocation tags", Verdict.WARNING, "none is active: the bill names no tags", step)
    return finding


def _name_some(keys: Sequence[str]) -> str:
    return f"active: {', '.join(keys[:10])}" + (f" and {len(keys) - 10} more" if len(keys) > 10 else "")


def freshness(newest: datetime | None, today: date) -> Finding:
    """How old the newest delivery is."""
    if newest is None:
        step = "A new export delivers within 24 hours. Look at its status in the AWS console."
        return Finding("last delivery", Verdict.FAILED, "there is none", step)
    gap = max(0, (today - newest.date()).days)
    detail = f"{newest:%Y-%m-%d %H:%M} UTC, {gap} day{'' if gap == 1 else 's'} ago"
    step = "AWS delivers at least once a day: look at the export's status, and at the bucket's policy."
    if gap > STALE:
        return Finding("last delivery", Verdict.FAILED, detail, step)
    return (
        Finding("last delivery", Verdict.WARNING, detail, step)
        if gap > LATE
        else Finding("last delivery", Verdict.OK, detail)
    )


def setting(check: str, is_good: bool, stated: str, advice: str) -> Finding:
    """A setting of an export, against the recommended one."""
    return Finding(check, Verdict.OK if is_good else Verdict.WARNING, stated, "" if is_good else advice)


def role_permission(access: AwsAccess) -> Sequence[Permission]:
    """What the calling identity needs to take on the role; nothing where none is configured."""
    why = "for the identity that takes on the role; not for the role itself"
    return [Permission("sts:AssumeRole", access.role_arn, why)] if access.role_arn else []
