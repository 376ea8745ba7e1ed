"""The calls of the Cloud Billing API that finops makes, each with all of its pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from finops.collectors.gcp.access import credentials, identity
from finops.collectors.gcp.troubles import as_trouble, passing
from finops.config.sources import GcpBilling

T = TypeVar("T")
Settings = dict[str, Any]

HOST = "cloudbilling.googleapis.com"
ATTEMPT = 60.0
"""Seconds for one attempt at a call."""


class BillingApi:
    """Cloud Billing over gRPC. A call is tried again for as long as its error passes and the source's deadline allows."""

    def __init__(self, source: GcpBilling, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._clients: tuple[Any, Any, str] | None = None

    @property
    def who(self) -> str:
        """The identity that asks."""
        return self._connect()[2]

    def accounts(self) -> list[Any]:
        """The billing accounts that the identity may see."""
        client, request = self._connect()[0], {"page_size": 100}
        return self._all(
            lambda settings: client.list_billing_accounts(request=request, **settings),
            "the billing accounts",
            "billing.accounts.list",
        )

    def account(self, name: str) -> Any:
        """One billing account, by ``billingAccounts/0A1B2C-3D4E5F-607182``."""
        client = self._connect()[0]
        return self._try(
            lambda settings: client.get_billing_account(name=name, **settings), name, "billing.accounts.get"
        )

    def projects(self, account: str) -> list[Any]:
        """The projects that are linked to an account."""
        client, request = self._connect()[0], {"name": account, "page_size": 500}
        return self._all(
            lambda settings: client.list_project_billing_info(request=request, **settings),
            account,
            "billing.resourceAssociations.list",
        )

    def services(self) -> list[Any]:
        """Every service of the public catalogue."""
        client, request = self._connect()[1], {"page_size": 5000}
        return self._all(lambda settings: client.list_services(request=request, **settings), f"{HOST}/services")

    def skus(self, service: str) -> list[Any]:
        """The SKUs of ``services/6F81-5844-456A``."""
        client, request = self._connect()[1], {"parent": service, "page_size": 5000}
        return self._all(lambda settings: client.list_skus(request=request, **settings), f"{HOST}/{service}")

    def _all(self, call: Callable[[Settings], Iterable[Any]], where: str, permission: str = "") -> list[Any]:
        return self._try(lambda settings: list(call(settings)), where, permission)

    def _try(self, call: Callable[[Settings], T], where: str, permission: str) -> T:
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.api_core.retry import Retry
        from google.auth.exceptions import GoogleAuthError

        deadline = float(self._source.deadline)
        again = Retry(predicate=passing, initial=0.5, maximum=30.0, multiplier=2.0, timeout=deadline)
        try:
            return call({"retry": again, "timeout": min(ATTEMPT, deadline)})
        except (GoogleAPICallError, RetryError, GoogleAuthError) as error:
            on = f"the billing account {where.rpartition('/')[2]}" if "/" in where else "the billing account"
            raise as_trouble(error, where=where, permission=permission, resource=on) from None

    def _connect(self) -> tuple[Any, Any, str]:
        """The clients of accounts and catalogue, and who we are. An address that is plain http is an emulator's."""
        if self._clients is None:
            from google.cloud import billing_v1

            endpoint = self._source.endpoints.get("cloudbilling", "")
            target = endpoint.partition("//")[2].rstrip("/") if "://" in endpoint else endpoint
            if target and (self._source.anonymous or endpoint.startswith("http://")):
                import grpc  # type: ignore[import-untyped]
                from google.cloud.billing_v1.services.cloud_billing.transports import CloudBillingGrpcTransport
                from google.cloud.billing_v1.services.cloud_catalog.transports import CloudCatalogGrpcTransport

                channel = grpc.insecure_channel(target)
                accounts = billing_v1.CloudBillingClient(transport=CloudBillingGrpcTransport(channel=channel))
                catalogue = billing_v1.CloudCatalogClient(transport=CloudCatalogGrpcTransport(channel=channel))
                self._clients = accounts, catalogue, "nobody (anonymous)"
            else:
                found, _ = credentials(self._source, self._folder)
                options = {"api_endpoint": target} if target else None
                self._clients = (
                    billing_v1.CloudBillingClient(credentials=found, client_options=options),
                    billing_v1.CloudCatalogClient(credentials=found, client_options=options),
                    identity(found),
                )
        return self._clients
