"""Sources of names on a stage: they have no bills, but accounts and projects for the inventory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import grpc

from collectors.fakes.aws import FakeAws
from collectors.fakes.cloudbilling import FakeCloudBilling, sku

from .aws import AwsStage
from .stage import DEADLINE, Provider

BILLING_ACCOUNT = "0A1B2C-3D4E5F-607182"
PERMISSIONS = {
    "GetBillingAccount": "billing.accounts.get",
    "ListBillingAccounts": "billing.accounts.list",
    "ListProjectBillingInfo": "billing.resourceAssociations.list",
}
"""By call of Cloud Billing. The catalogue is public."""


class Names(Provider):
    """Accounts or projects, by their names."""

    always: ClassVar[str]
    """The name of what is there besides: the account that asks, the billing account."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.shown: set[str] = set()

    @property
    def truth(self) -> set[str]:
        return {self.always, *self.shown}

    def show(self, *names: str) -> None:
        """These are there from now on, and no others."""
        self.change(added=set(names) - self.shown, removed=self.shown - set(names))
        self.shown = set(names)

    @abstractmethod
    def change(self, added: set[str], removed: set[str]) -> None:
        """Some come, some go."""

    def calls_that_fetch(self) -> Sequence[str]:
        return []


class Organization(AwsStage, Names):
    kind = "aws-organizations"
    always = "master"
    refusals: ClassVar = {"organizations:ListAccounts": "organizations:ListAccounts"}

    def __init__(self, folder: Path, aws: FakeAws) -> None:
        super().__init__(folder, aws)
        self._api = aws.client("organizations")
        self._api.create_organization(FeatureSet="ALL")
        self._ids: dict[str, str] = {}

    def toml(self, name: str) -> str:
        return f'[sources.{name}]\ntype = "aws-organizations"\ndeadline = {DEADLINE}\n'

    def change(self, added: set[str], removed: set[str]) -> None:
        for name in sorted(added):
            made = self._api.create_account(AccountName=name, Email="who@example.com")["CreateAccountStatus"]
            self._ids[name] = made["AccountId"]
        for name in sorted(removed):
            self._api.remove_account_from_organization(AccountId=self._ids.pop(name))

    def throttle(self, times: int) -> None:
        self.aws.throttle("organizations:ListAccounts", times)


class CloudBilling(Names):
    kind = "gcp-billing"
    always = "Research"
    refusals: ClassVar = {each: each for each in ("billing.accounts.get", "billing.resourceAssociations.list")}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.google = self._started.enter_context(FakeCloudBilling())
        self.google.page_size = 40
        self.google.service("6F81-5844-456A", "Compute Engine", sku("0001", "A core", "europe-west1"))
        self.google.account(BILLING_ACCOUNT, self.always)

    def toml(self, name: str) -> str:
        return (
            f'[sources.{name}]\ntype = "gcp-billing"\nbilling_accounts = ["{BILLING_ACCOUNT}"]\nanonymous = true\n'
            f'deadline = {DEADLINE}\nendpoints = {{ cloudbilling = "{self.google.endpoint}" }}\n'
        )

    def change(self, added: set[str], removed: set[str]) -> None:
        self.google.account(BILLING_ACCOUNT, self.always, *sorted((self.shown | added) - removed))

    def deny(self, permission: str) -> None:
        self._fail(
            grpc.StatusCode.PERMISSION_DENIED, *(call for call, name in PERMISSIONS.items() if name == permission)
        )

    def expire(self) -> None:
        self._fail(grpc.StatusCode.UNAUTHENTICATED)

    def throttle(self, times: int) -> None:
        self.google.fail(grpc.StatusCode.RESOURCE_EXHAUSTED, times=times)

    def break_for_ever(self) -> None:
        self._fail(grpc.StatusCode.UNAVAILABLE)

    def mend(self) -> None:
        self.google.works_again()

    def forget_calls(self) -> None:
        self.google.calls.clear()

    def permissions_used(self) -> set[str]:
        return {PERMISSIONS[call] for call, _ in self.google.calls if call not in ("ListServices", "ListSkus")}

    def _fail(self, code: grpc.StatusCode, *calls: str) -> None:
        self.google.fail(code, concerns=lambda call, _: not calls or call in calls)
