"""What reading an account's resources and metrics needs, and what ``finops doctor`` says about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from finops.collectors.aws.examine import role_permission, tried
from finops.collectors.aws.inventory import DETAILS, LISTS, OPTIONAL
from finops.collectors.aws.metrics import PRICE
from finops.collectors.aws.place import Place, Unsupported, action_of
from finops.collectors.interface import Finding, Permission, Verdict
from finops.config.sources import AwsUtilisation


def permissions(accesses: Iterable[AwsUtilisation]) -> Sequence[Permission]:
    """Lists, descriptions and metrics; none of them gives the content of anything."""
    lists = [action_of(*call) for calls in LISTS.values() for call in calls]
    return [
        *(Permission(each, "*", "what there is") for each in lists),
        *(Permission(each, "*", "what it is like") for each in DETAILS),
        Permission("cloudwatch:GetMetricData", "*", "whether it is used"),
        Permission("cloudwatch:ListMetrics", "*", "which accelerators and hosts are measured"),
        *(Permission(each, "*", why, optional=True) for each, why in OPTIONAL.items()),
        *(each for access in accesses for each in role_permission(access)),
    ]


def examined(place: Place) -> Iterator[Finding]:
    """A finding for each service: may all its lists be asked for?"""
    for service, calls in LISTS.items():

        def ask(calls: Sequence[tuple[str, str]] = calls) -> str:
            for name, operation in calls:
                few = {"MaxResults": 5} if name == "ec2" else {}
                own = {"OwnerIds": ["self"]} if operation == "describe_snapshots" else {}
                try:
                    place.call(name, operation, **few, **own)
                except Unsupported as error:
                    if operation == calls[0][1]:
                        return str(error)
            return f"all {len(calls)} lists are allowed" if len(calls) > 1 else "its list is allowed"

        finding, _ = tried(f"{service} in {place.account}, {place.region}", ask, str)
        yield finding


def metrics(newest: date | None, source_id: str) -> Finding:
    """CloudWatch takes money for metrics, so none is asked for."""
    check = "cloudwatch:GetMetricData"
    if newest:
        return Finding(check, Verdict.OK, f"was answered on {newest}")
    detail = f"has not been asked yet; a series costs {PRICE} USD, so it is not tried here"
    return Finding(check, Verdict.UNKNOWN, detail, f"Run 'finops collect {source_id}'.")
