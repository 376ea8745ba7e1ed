"""Cost Explorer on a stage: an API that is asked for a month once a day, for money."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from collectors.fakes.cost_explorer import Charge, FakeCostExplorer

from .llm import NO_VERSIONS
from .stage import DEADLINE, Stage


class _Renaming(FakeCostExplorer):
    """Calls the amounts otherwise, while it is told to."""

    renames = False

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = super().answer(asked)
        for day in found["ResultsByTime"] if self.renames else ():
            for group in day["Groups"]:
                group["Metrics"] = {f"Net{name}": amount for name, amount in group["Metrics"].items()}
        return found


class CostExplorerStage(Stage):
    kind = "aws-cost-explorer"
    cannot: ClassVar = {"late old": NO_VERSIONS}
    half_is = "failed"
    refusals: ClassVar = {"ce:GetCostAndUsage": "ce:GetCostAndUsage"}

    @property
    def secrets(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "AKIACONTRACTSUITEKEY",
            "AWS_SECRET_ACCESS_KEY": "the/secret/key/of/the/contract/suite",
        }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.explorer = _Renaming()
        self._started.enter_context(self.explorer)

    def environment(self) -> dict[str, str]:
        nothing = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
        return {**self.secrets, **nothing, "AWS_EC2_METADATA_DISABLED": "true"}

    def toml(self, name: str) -> str:
        endpoints = ", ".join(f'{service} = "{url}"' for service, url in self.explorer.endpoints.items())
        return (
            f'[sources.{name}]\ntype = "aws-cost-explorer"\nallow_cost = true\ndeadline = {DEADLINE}\n'
            f"endpoints = {{ {endpoints} }}\n"
        )

    def write(self, month: date, costs: Sequence[Decimal]) -> None:
        """A cost a day, from the first on."""
        kept = [each for each in self.explorer.charges if each.day.replace(day=1) != month]
        self.explorer.charges = kept + [
            Charge(month + timedelta(days=number), "AWS Lambda", "Usage", cost) for number, cost in enumerate(costs)
        ]

    def small_pages(self) -> None:
        self.explorer.groups_per_page = 5

    def write_half(self, month: date, costs: Sequence[Decimal]) -> None:
        """The first page comes; the second fails, each time it is asked for."""
        self.write(month, costs)
        self.explorer.groups_per_page = 10
        self.explorer.fail(
            "InternalFailure",
            status=500,
            concerns=lambda asked: asked["TimePeriod"]["Start"] == f"{month}" and "NextPageToken" in asked,
        )

    def write_renamed(self, month: date, costs: Sequence[Decimal]) -> None:
        self.explorer.renames = True

    def deny(self, permission: str) -> None:
        self.explorer.fail("AccessDeniedException", operation=permission)

    def expire(self) -> None:
        for operation in ("sts:GetCallerIdentity", "ce:GetCostAndUsage"):
            self.explorer.fail("ExpiredTokenException", "The security token is expired.", operation=operation)

    def throttle(self, times: int) -> None:
        self.explorer.fail("ThrottlingException", "Rate exceeded", times=times)

    def break_for_ever(self) -> None:
        for operation in ("sts:GetCallerIdentity", "ce:GetCostAndUsage"):
            self.explorer.fail("InternalFailure", status=500, operation=operation)

    def mend(self) -> None:
        self.explorer.failures.clear()
        self.explorer.renames = False

    def calls_that_fetch(self) -> Sequence[str]:
        return [str(asked) for asked in self.explorer.paid_calls]

    def forget_calls(self) -> None:
        self.explorer.calls.clear()

    def permissions_used(self) -> set[str]:
        return {operation for operation, _ in self.explorer.calls} - {"sts:GetCallerIdentity"}
