"""Cloud Billing over gRPC on a loopback port, of the package's own messages: accounts, project links, services, SKUs.

By hand: ``python -m tests.collectors.fakes.cloudbilling`` serves one account with two projects and a small catalogue, and
prints the endpoint: ``endpoints = { cloudbilling = "127.0.0.1:…" }`` with ``anonymous = true``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.cloud import billing_v1 as api

ACCOUNTS, CATALOGUE = "google.cloud.billing.v1.CloudBilling", "google.cloud.billing.v1.CloudCatalog"


class FakeCloudBilling:
    """Put accounts, projects and SKUs in, make it fail, and see what it was asked."""

    def __init__(self) -> None:
        self.page_size = 1000
        self.accounts: dict[str, api.BillingAccount] = {}
        self.projects: dict[str, list[api.ProjectBillingInfo]] = {}
        self.services: dict[str, api.Service] = {}
        self.skus: dict[str, list[api.Sku]] = {}
        self.calls: list[tuple[str, str]] = []
        """Method and what it was of: ``("ListProjectBillingInfo", "billingAccounts/0A1B2C-3D4E5F-607182")``."""
        self._failures: list[list[Any]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> FakeCloudBilling:
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((self._handlers(ACCOUNTS), self._handlers(CATALOGUE)))
        self._port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._port}"

    def account(
        self, number: str, title: str, *projects: str, disabled: Sequence[str] = (), is_open: bool = True
    ) -> None:
        """Put or replace a billing account and what is linked to it."""
        name = f"billingAccounts/{number}"
        self.accounts[name] = api.BillingAccount(name=name, display_name=title, open_=is_open, currency_code="EUR")
        self.projects[name] = [
            api.ProjectBillingInfo(
                name=f"projects/{each}/billingInfo",
                project_id=each,
                billing_account_name=name,
                billing_enabled=each not in disabled,
            )
            for each in (*projects, *disabled)
        ]

    def service(self, number: str, title: str, *skus: api.Sku) -> None:
        """Put or replace a service of the catalogue."""
        name = f"services/{number}"
        self.services[name] = api.Service(name=name, service_id=number, display_name=title)
        self.skus[name] = list(skus)

    def fail(
        self,
        code: grpc.StatusCode,
        details: str = "",
        times: int | None = None,
        concerns: Callable[[str, str], bool] = lambda method, what: True,
    ) -> None:
        """Answer with an error: ``times`` times, or until ``works_again``."""
        self._failures.append([code, details, times, concerns])

    def works_again(self) -> None:
        self._failures.clear()

    def asked(self, method: str) -> list[str]:
        return [what for kind, what in self.calls if kind == method]

    def _handlers(self, service: str) -> grpc.GenericRpcHandler:
        methods = {
            ACCOUNTS: {
                "ListBillingAccounts": (api.ListBillingAccountsRequest, self._list_accounts),
                "GetBillingAccount": (api.GetBillingAccountRequest, self._get_account),
                "ListProjectBillingInfo": (api.ListProjectBillingInfoRequest, self._list_projects),
            },
            CATALOGUE: {
                "ListServices": (api.ListServicesRequest, self._list_services),
                "ListSkus": (api.ListSkusRequest, self._list_skus),
            },
        }[service]
        return grpc.method_handlers_generic_handler(
            service,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    self._watched(name, answer),
                    request_deserializer=request.deserialize,
                    response_serializer=lambda message: type(message).serialize(message),
                )
                for name, (request, answer) in methods.items()
            },
        )

    def _watched(self, method: str, answer: Callable[..., Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            what = str(getattr(request, "name", "") or getattr(request, "parent", ""))
            with self._lock:
                self.calls.append((method, what))
                for failure in self._failures:
                    code, details, times, concerns = failure
                    if times != 0 and concerns(method, what):
                        failure[2] = times and times - 1
                        context.abort(code, details or code.name)
            return answer(request, context)

        return handle

    def _list_accounts(self, request: Any, context: grpc.ServicerContext) -> Any:
        page, token = self._page(list(self.accounts.values()), request)
        return api.ListBillingAccountsResponse(billing_accounts=page, next_page_token=token)

    def _get_account(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.name not in self.accounts:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "The caller does not have permission")
        return self.accounts[request.name]

    def _list_projects(self, request: Any, context: grpc.ServicerContext) -> Any:
        page, token = self._page(self.projects[request.name], request)
        return api.ListProjectBillingInfoResponse(project_billing_info=page, next_page_token=token)

    def _list_services(self, request: Any, context: grpc.ServicerContext) -> Any:
        page, token = self._page(list(self.services.values()), request)
        return api.ListServicesResponse(services=page, next_page_token=token)

    def _list_skus(self, request: Any, context: grpc.ServicerContext) -> Any:
        page, token = self._page(self.skus[request.parent], request)
        return api.ListSkusResponse(skus=page, next_page_token=token)

    def _page(self, everything: list[Any], request: Any) -> tuple[list[Any], str]:
        start, size = int(request.page_token or 0), min(self.page_size, request.page_size or self.page_size)
        rest = start + size < len(everything)
        return everything[start : start + size], str(start + size) if rest else ""


def sku(
    number: str, description: str, *regions: str, family: str = "Compute", group: str = "CPU", unit: str = "h"
) -> api.Sku:
    """A SKU as the catalogue has it, price and all."""
    expression = api.PricingExpression(
        usage_unit=unit,
        tiered_rates=[api.PricingExpression.TierRate(unit_price={"currency_code": "USD", "nanos": 31_611_000})],
    )
    return api.Sku(
        name=f"services/x/skus/{number}",
        sku_id=number,
        description=description,
        category=api.Category(resource_family=family, resource_group=group, usage_type="OnDemand"),
        service_regions=list(regions),
        service_provider_name="Google",
        pricing_info=[api.PricingInfo(pricing_expression=expression)],
    )


if __name__ == "__main__":
    with FakeCloudBilling() as fake:
        fake.account("0A1B2C-3D4E5F-607182", "Example", "example-data", disabled=["example-old"])
        fake.service("6F81-5844-456A", "Compute Engine", sku("0000-0000-0001", "A core", "europe-west1"))
        print(fake.endpoint)
        threading.Event().wait()
