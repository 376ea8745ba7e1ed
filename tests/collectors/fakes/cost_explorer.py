"""Cost Explorer on a loopback port: it filters, groups, adds up and pages a list of charges, as GetCostAndUsage does; and the
STS call that says who asks.

By hand: ``python -m tests.collectors.fakes.cost_explorer`` serves three months of made-up charges and prints what to write
into ``finops.toml``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAYER = "111111111111"


@dataclass(frozen=True)
class Charge:
    """One line of the bill that Cost Explorer adds up."""

    day: date
    service: str
    record_type: str
    unblended: Decimal
    amortized: Decimal | None = None
    """None: as unblended."""
    account: str = PAYER
    quantity: Decimal = Decimal(0)
    unit: str = "N/A"


@dataclass
class Failure:
    """An error that is answered instead, a number of times or until it is lifted."""

    code: str
    message: str
    status: int
    times: int | None
    operation: str
    concerns: Callable[[dict[str, Any]], bool] = lambda asked: True

    def is_due(self, operation: str, asked: dict[str, Any]) -> bool:
        return operation == self.operation and self.times != 0 and self.concerns(asked)


@dataclass
class FakeCostExplorer:
    """One account's view. Put charges in, make it fail, and see what it was asked."""

    caller: str = PAYER
    charges: list[Charge] = field(default_factory=list)
    estimated_from: date = date.max
    """Days from here on are called estimated."""
    groups_per_page: int = 5000
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Operation and parameters, of every call that arrived: ``("ce:GetCostAndUsage", {"TimePeriod": …})``."""
    failures: list[Failure] = field(default_factory=list)

    def __enter__(self) -> FakeCostExplorer:
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoints(self) -> dict[str, str]:
        """What a source takes as ``endpoints``."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {"ce": url, "sts": url}

    @property
    def paid_calls(self) -> list[dict[str, Any]]:
        """The parameters of the calls that AWS takes money for."""
        return [asked for operation, asked in self.calls if operation.startswith("ce:")]

    def fail(
        self,
        code: str,
        message: str = "",
        *,
        status: int = 400,
        times: int | None = None,
        operation: str = "ce:GetCostAndUsage",
        concerns: Callable[[dict[str, Any]], bool] = lambda asked: True,
    ) -> None:
        """Answer an error from now on: so many times, or until ``failures`` is cleared."""
        self.failures.append(Failure(code, message, status, times, operation, concerns))

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What GetCostAndUsage answers."""
        first, last = (date.fromisoformat(asked["TimePeriod"][each]) for each in ("Start", "End"))
        dimensions = (asked.get("Filter") or {}).get("Dimensions") or {"Key": "", "Values": []}
        found: list[tuple[date, dict[str, Any] | None]] = []
        day = first
        while day < last:
            charges = [c for c in self.charges if c.day == day and _kept(c, dimensions["Key"], dimensions["Values"])]
            keys = [each["Key"] for each in asked["GroupBy"]]
            grouped: dict[tuple[str, ...], list[Charge]] = {}
            for charge in charges:
                grouped.setdefault(tuple(_value(charge, key) for key in keys), []).append(charge)
            groups = [_group(names, grouped[names], asked["Metrics"]) for names in sorted(grouped)]
            found += [(day, group) for group in groups] or [(day, None)]
            day += timedelta(days=1)
        start = int(asked.get("NextPageToken") or 0)
        shown = found[start : start + self.groups_per_page]
        days = dict.fromkeys(day for day, _ in shown)
        answer: dict[str, Any] = {
            "GroupDefinitions": asked["GroupBy"],
            "ResultsByTime": [
                {
                    "TimePeriod": {"Start": day.isoformat(), "End": (day + timedelta(days=1)).isoformat()},
                    "Total": {},
                    "Groups": [group for each, group in shown if each == day and group],
                    "Estimated": day >= self.estimated_from,
                }
                for day in days
            ],
            "DimensionValueAttributes": [],
        }
        if start + self.groups_per_page < len(found):
            answer["NextPageToken"] = str(start + self.groups_per_page)
        return answer


def _kept(charge: Charge, key: str, values: Sequence[str]) -> bool:
    return not key or _value(charge, key) in values


def _value(charge: Charge, key: str) -> str:
    return {"SERVICE": charge.service, "RECORD_TYPE": charge.record_type, "LINKED_ACCOUNT": charge.account}[key]


def _group(names: tuple[str, ...], charges: Sequence[Charge], metrics: Sequence[str]) -> dict[str, Any]:
    units = {charge.unit for charge in charges}
    amounts = {
        "UnblendedCost": (sum((c.unblended for c in charges), Decimal(0)), "USD"),
        "AmortizedCost": (
            sum((c.unblended if c.amortized is None else c.amortized for c in charges), Decimal(0)),
            "USD",
        ),
        "UsageQuantity": (sum((c.quantity for c in charges), Decimal(0)), units.pop() if len(units) == 1 else "N/A"),
    }
    return {
        "Keys": list(names),
        "Metrics": {each: {"Amount": str(amounts[each][0]), "Unit": amounts[each][1]} for each in metrics},
    }


class _Handler(BaseHTTPRequestHandler):
    fake: FakeCostExplorer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target", "")
        if target == "AWSInsightsIndexService.GetCostAndUsage":
            operation, asked = "ce:GetCostAndUsage", json.loads(body)
        elif b"Action=GetCallerIdentity" in body:
            operation, asked = "sts:GetCallerIdentity", {}
        else:
            operation, asked = target or body.decode(errors="replace"), {}
        self.fake.calls.append((operation, asked))
        failure = next((each for each in self.fake.failures if each.is_due(operation, asked)), None)
        if failure:
            failure.times = None if failure.times is None else failure.times - 1
            self._error(operation, failure)
        elif operation == "ce:GetCostAndUsage":
            self._send(200, json.dumps(self.fake.answer(asked)), "application/x-amz-json-1.1")
        elif operation == "sts:GetCallerIdentity":
            self._send(200, _IDENTITY.format(account=self.fake.caller), "text/xml")
        else:
            self._error(operation, Failure("UnknownOperationException", operation, 400, None, operation))

    def _error(self, operation: str, failure: Failure) -> None:
        if operation.startswith("sts:"):
            text = f"<ErrorResponse><Error><Code>{failure.code}</Code><Message>{failure.message}</Message></Error></ErrorResponse>"
            self._send(failure.status, text, "text/xml")
        else:
            text = json.dumps({"__type": failure.code, "Message": failure.message})
            self._send(failure.status, text, "application/x-amz-json-1.1")

    def _send(self, status: int, text: str, kind: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


_IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::{account}:role/finops-read</Arn><UserId>AROAEXAMPLE</UserId><Account>{account}</Account>"
    "</GetCallerIdentityResult><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
)


def main() -> None:
    """Serve until Ctrl-C."""
    today = date.today()
    days = [today - timedelta(days=back) for back in range(90)]
    with FakeCostExplorer(charges=[Charge(day, "AWS Lambda", "Usage", Decimal("1.25")) for day in days]) as fake:
        print('[sources.fake]\ntype = "aws-cost-explorer"\nanonymous = true')
        print("endpoints = { " + ", ".join(f'{name} = "{url}"' for name, url in fake.endpoints.items()) + " }")
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
