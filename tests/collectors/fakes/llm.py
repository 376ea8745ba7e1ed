"""OpenAI's and Anthropic's administration APIs on a loopback port: costs, usage and names, in the vendors' published shapes.

    with LlmWorld() as world:
        world.openai.add(date(2026, 10, 3), "proj_1", "gpt-5, input", Decimal("1.25"), quantity=1_000_000, unit="tokens")
        world.openai.throttle(2)
        … endpoints = { openai = world.url, anthropic = world.url } …
        world.openai.calls

By hand: ``python -m tests.collectors.fakes.llm`` serves some days and says how to point finops at them.
"""

from __future__ import annotations

import base64
import json
import re
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

Results = list[dict[str, Any]]
Key = tuple[date, str | None, str, str | None]


@dataclass(frozen=True)
class Call:
    """One call that was made, and how it was answered."""

    path: str
    params: Mapping[str, list[str]]
    status: int


@dataclass
class Fault:
    """What goes wrong with calls whose path holds ``on``."""

    status: int = 200
    body: bytes | None = None
    """None: the vendor's usual error."""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 10**9
    on: str = ""
    change: Callable[[bytes], bytes] | None = None
    """Instead of an error: what becomes of a right answer."""


class Vendor(ABC):
    """What both vendors have: charges and usage by day, faults, a log."""

    prefix = ""
    costs_path = ""

    def __init__(self, key: str) -> None:
        self.key = key
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.page_limit = 10**9
        """At most so many buckets on a page, whatever was asked for."""
        self._as_put = False
        self._costs: dict[date, dict[Any, dict[str, Any]]] = defaultdict(dict)
        self._usage: dict[tuple[str, date], Results] = defaultdict(list)

    # what is there

    def put(self, results: Mapping[date, Results]) -> None:
        """All charges, as the API words them and whatever is asked for: what was there before is gone."""
        self._as_put = True
        self._costs.clear()
        for day, listed in results.items():
            self._costs[day] = dict(enumerate(listed))

    def grouped(self, day: date, groups: Iterable[str], measures: Iterable[str]) -> Results:
        """A day's charges, added up by groups."""
        charges = self._costs.get(day, {}).values()
        return [*charges] if self._as_put else summed(charges, groups, measures)

    def forget(self, first: date, last: date) -> None:
        """Days without charges and usage."""
        for day in [each for each in self._costs if first <= each <= last]:
            del self._costs[day]
        for kind, day in [each for each in self._usage if first <= each[1] <= last]:
            del self._usage[kind, day]

    # what goes wrong

    def fail(self, status: int = 500, *, times: int = 10**9, on: str = "", **headers: str) -> None:
        """Answer with a status; ``retry_after="2"`` is a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(status, headers=named, times=times, on=on))

    def throttle(self, times: int, retry_after: str = "0", on: str = "") -> None:
        """429, then fine."""
        self.fail(429, times=times, on=on, retry_after=retry_after)

    def revoke(self) -> None:
        """The key is none any more."""
        self.fail(401)

    def deny(self, on: str = "") -> None:
        """The key may not."""
        self.fail(403, on=on)

    def serve_html(self, *, times: int = 10**9) -> None:
        """A gateway's sign-in page."""
        self.faults.append(Fault(200, b"<!DOCTYPE html><title>Sign in</title>", times=times))

    def truncate(self, *, times: int = 10**9, on: str = "") -> None:
        """Answers that end in the middle of the JSON."""
        self.faults.append(Fault(change=lambda body: body[: len(body) // 2], times=times, on=on))

    def rename(self, old: str, new: str, on: str = "") -> None:
        """A field gets another name."""
        self.faults.append(
            Fault(
                change=lambda body: body.replace(f'"{old}":'.encode(), f'"{new}":'.encode()), on=on or self.costs_path
            )
        )

    def edit(self, change: Callable[[dict[str, Any]], None], on: str = "") -> None:
        """Pages are changed before they leave. Numbers lose their exact spelling."""

        def edited(body: bytes) -> bytes:
            page = json.loads(body)
            change(page)
            return json.dumps(page).encode()

        self.faults.append(Fault(change=edited, on=on or self.costs_path))

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.faults.clear()

    # how it answers

    def answer(
        self, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body and headers of a GET."""
        fault = next((each for each in self.faults if each.times > 0 and each.on in path), None)
        if fault:
            fault.times -= 1
        if fault and fault.change is None:
            return fault.status, fault.body if fault.body is not None else self.error(fault.status), fault.headers
        if not self.knows(headers):
            return 401, self.error(401), {}
        try:
            body = spelt(self.page(path, query))
        except KeyError:
            return 404, self.error(404), {}
        except ValueError as error:
            return 400, self.error(400, str(error)), {}
        return 200, fault.change(body) if fault and fault.change else body, {}

    def error(self, status: int, said: str = "") -> bytes:
        """The vendor's words, which quote the key as vendors do."""
        words = {
            400: said,
            401: f"Incorrect API key provided: {self.key}.",
            403: "You have insufficient permissions for this operation. Missing scopes: api.usage.read.",
            429: "Rate limit reached.",
        }
        return json.dumps(
            {"error": {"type": "error", "message": words.get(status, "The server had an error.")}}
        ).encode()

    @abstractmethod
    def knows(self, headers: Mapping[str, str]) -> bool:
        """Is the key in its header?"""

    @abstractmethod
    def page(self, path: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        """The page that is asked for.

        Raises:
            KeyError: no such path. ValueError: a parameter is wrong.
        """

    def paged(
        self,
        query: Mapping[str, list[str]],
        start: date,
        end: date,
        most: int,
        bucket: Callable[[date], dict[str, Any]],
    ) -> dict[str, Any]:
        """Buckets from the page's first day on, oldest first."""
        limit = int(query.get("limit", ["7"])[0])
        if not 1 <= limit <= most:
            raise ValueError(f"limit must be between 1 and {most}")
        limit = min(limit, self.page_limit)
        token = query.get("page", [""])[0]
        first = date.fromisoformat(base64.b64decode(token.removeprefix("page_")).decode()) if token else start
        days = [first + timedelta(days=number) for number in range((end - first).days)]
        more = len(days) > limit
        following = "page_" + base64.b64encode(str(days[limit]).encode()).decode() if more else None
        return {"data": [bucket(day) for day in days[:limit]], "has_more": more, "next_page": following}


class OpenAIVendor(Vendor):
    """OpenAI's part of the world."""

    costs_path = "/v1/organization/costs"
    needs = {  # noqa: RUF012
        "completions": ("input_tokens", "output_tokens", "input_cached_tokens", "num_model_requests"),
        "embeddings": ("input_tokens", "num_model_requests"),
        "moderations": ("input_tokens", "num_model_requests"),
        "images": ("images", "num_model_requests"),
        "audio_speeches": ("characters", "num_model_requests"),
        "audio_transcriptions": ("seconds", "num_model_requests"),
        "vector_stores": ("usage_bytes",),
        "code_interpreter_sessions": ("num_sessions",),
        "file_search_calls": ("num_requests",),
        "web_search_calls": ("num_requests", "num_model_requests"),
    }

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.projects: dict[str, str] = {}
        """Names by id."""
        self.keys: dict[str, tuple[str, str]] = {}
        """Project and name by id."""

    def add(self, day: date, project: str | None, line_item: str, amount: Decimal, *, key: str | None = None,
            currency: str = "usd", quantity: Decimal | int | None = None, unit: str | None = None) -> None:  # fmt: skip
        """A charge; the same project, line item and key on the same day once more: its new amount."""
        self._costs[day][project, line_item, key] = {
            "object": "organization.costs.result",
            "amount": {"value": amount, "currency": currency},
            "line_item": line_item,
            "project_id": project,
            "api_key_id": key,
            "quantity": quantity,
            "quantity_unit": unit,
        }

    restate = add

    def use(self, day: date, kind: str, project: str | None, model: str | None = None, **counts: int) -> None:
        """Some usage."""
        self._usage[kind, day].append(
            {"object": f"organization.usage.{kind}.result", **dict.fromkeys(self.needs[kind], 0), **counts,
             "project_id": project, "api_key_id": None, "model": model}
        )  # fmt: skip

    def total(self, month: str, currency: str = "usd") -> Decimal:
        """What a month comes to."""
        return sum(
            (Decimal(each["amount"]["value"]) for day, listed in self._costs.items() if f"{day:%Y-%m}" == month
             for each in listed.values() if each["amount"]["currency"] == currency),
            Decimal(0),
        )  # fmt: skip

    def knows(self, headers: Mapping[str, str]) -> bool:
        return headers.get("Authorization") == f"Bearer {self.key}"

    def page(self, path: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        kind = path.removeprefix("/v1/organization/usage/")
        groups = [each for name in ("group_by", "group_by[]") for each in query.get(name, [])]
        if path == self.costs_path:
            return self._buckets(query, 180, lambda day: self.grouped(day, groups, ("amount", "quantity")))
        if kind in self.needs:
            return self._buckets(query, 31, lambda day: summed(self._usage[kind, day], groups, self.needs[kind]))
        if path == "/v1/organization/projects":
            return listed([{"id": each, "object": "organization.project", "name": name, "created_at": 1750000000,
                            "archived_at": None, "status": "active"} for each, name in self.projects.items()], query, "after")  # fmt: skip
        found = re.fullmatch(r"/v1/organization/projects/([^/]+)/api_keys", path)
        if found and found[1] in self.projects:
            return listed([{"id": each, "object": "organization.project.api_key", "name": name, "created_at": 1750000000,
                            "redacted_value": "sk-abc…def", "owner": {"type": "user", "user": {"email": "who@example.com"}}}
                           for each, (project, name) in self.keys.items() if project == found[1]], query, "after")  # fmt: skip
        raise KeyError(path)

    def _buckets(self, query: Mapping[str, list[str]], most: int, results: Callable[[date], Results]) -> dict[str, Any]:
        if query.get("bucket_width", ["1d"]) != ["1d"]:
            raise ValueError("bucket_width")
        start, end = (datetime.fromtimestamp(int(query[name][0]), tz=UTC).date() for name in ("start_time", "end_time"))

        def bucket(day: date) -> dict[str, Any]:
            seconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
            return {"object": "bucket", "start_time": seconds, "end_time": seconds + 86400, "results": results(day)}

        return {"object": "page", **self.paged(query, start, end, most, bucket)}


class AnthropicVendor(Vendor):
    """Anthropic's part of the world. Amounts are given in dollars and stated in cents."""

    costs_path = "/v1/organizations/cost_report"
    counts = ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens")
    dimensions = ("workspace_id", "model", "service_tier", "context_window", "inference_geo")

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.name = "Acme"
        self.workspaces: dict[str, str] = {}
        """Names by id."""
        self.keys: dict[str, tuple[str | None, str]] = {}
        """Workspace and name by id."""

    def add(self, day: date, workspace: str | None, model: str, token_type: str, amount: Decimal, *,
            tokens: int | None = None, key: str | None = None, tier: str = "standard", window: str = "0-200k",
            geo: str = "global") -> None:  # fmt: skip
        """Dollars for tokens of a type; with ``tokens`` the usage report counts them too. Once more: its new amount."""
        known = {
            "workspace_id": workspace,
            "model": model,
            "service_tier": tier,
            "context_window": window,
            "inference_geo": geo,
        }
        self._costs[day][workspace, model, token_type, tier, window, geo] = {
            "currency": "USD", "amount": plain(amount * 100), **known, "cost_type": "tokens", "token_type": token_type,
            "description": f"{model} Usage - {token_type.replace('_', ' ')}",
        }  # fmt: skip
        if tokens is not None:
            self.use(day, key=key, **known, **{token_type: tokens})

    restate = add

    def add_other(self, day: date, workspace: str | None, cost_type: str, amount: Decimal) -> None:
        """Dollars for something that is no token: ``web_search``, ``code_execution``."""
        nothing = dict.fromkeys(("model", "service_tier", "context_window", "inference_geo", "token_type"))
        self._costs[day][workspace, cost_type] = {
            "currency": "USD", "amount": plain(amount * 100), **nothing, "workspace_id": workspace, "cost_type": cost_type,
            "description": f"{cost_type} usage",
        }  # fmt: skip

    def use(self, day: date, *, key: str | None = None, **fields: Any) -> None:
        """Some usage: ``cache_creation.ephemeral_1h_input_tokens`` is a field like the others."""
        hour, minutes = (fields.pop(f"cache_creation.ephemeral_{time}_input_tokens", 0) for time in ("1h", "5m"))
        self._usage["messages", day].append(
            {**dict.fromkeys(self.counts, 0), "server_tool_use": {"web_search_requests": 0},
             **dict.fromkeys(self.dimensions), "api_key_id": key, **fields,
             "cache_creation": {"ephemeral_1h_input_tokens": hour, "ephemeral_5m_input_tokens": minutes}}
        )  # fmt: skip

    def total(self, month: str) -> Decimal:
        """What a month comes to, in dollars."""
        found = (each for day, listed in self._costs.items() if f"{day:%Y-%m}" == month for each in listed.values())
        return sum((Decimal(each["amount"]) for each in found), Decimal(0)) / 100

    def knows(self, headers: Mapping[str, str]) -> bool:
        return headers.get("x-api-key") == self.key and headers.get("anthropic-version") == "2023-06-01"

    def page(self, path: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        groups = query.get("group_by[]", [])
        if path == self.costs_path:
            described = (
                ("description", "cost_type", "token_type", *self.dimensions[1:]) if "description" in groups else ()
            )
            wanted = [*described, *(each for each in groups if each == "workspace_id")]
            return self._buckets(query, lambda day: self.grouped(day, wanted, ("amount",)))
        if path == "/v1/organizations/usage_report/messages":
            return self._buckets(
                query,
                lambda day: summed(
                    self._usage["messages", day], groups, (*self.counts, "cache_creation", "server_tool_use")
                ),
            )
        if path == "/v1/organizations/me":
            return {"id": "5ff0c1d2-organization", "type": "organization", "name": self.name}
        if path == "/v1/organizations/workspaces":
            return listed([{"id": each, "type": "workspace", "name": name, "created_at": "2025-06-15T00:00:00Z",
                            "archived_at": None, "display_color": "#6C5BB9"} for each, name in self.workspaces.items()],
                          query, "after_id")  # fmt: skip
        if path == "/v1/organizations/api_keys":
            if "include_archived" in query:
                raise ValueError("include_archived: extra inputs are not permitted")
            return listed([{"id": each, "type": "api_key", "name": name, "workspace_id": workspace, "status": "active",
                            "created_at": "2025-06-15T00:00:00Z", "partial_key_hint": "sk-ant-api03-R2D...igAA",
                            "created_by": {"id": "user_1", "type": "user"}} for each, (workspace, name) in self.keys.items()],
                          query, "after_id")  # fmt: skip
        raise KeyError(path)

    def _buckets(self, query: Mapping[str, list[str]], results: Callable[[date], Results]) -> dict[str, Any]:
        if query.get("bucket_width", ["1d"]) != ["1d"]:
            raise ValueError("bucket_width")
        start, end = (datetime.fromisoformat(query[name][0]).date() for name in ("starting_at", "ending_at"))

        def bucket(day: date) -> dict[str, Any]:
            after = day + timedelta(days=1)
            return {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{after}T00:00:00Z", "results": results(day)}

        return self.paged(query, start, end, 31, bucket)


def summed(results: Iterable[Mapping[str, Any]], groups: Iterable[str], measures: Iterable[str]) -> Results:
    """Results added up by groups, as the endpoints do it: what is not grouped by is null."""
    kept = {*groups, *measures, "object"}
    found: dict[str, dict[str, Any]] = {}
    for each in results:
        whole = {name: value if name in kept or name == "currency" else None for name, value in each.items()}
        if "quantity" in each:
            whole["quantity_unit"] = each["quantity_unit"] if "line_item" in kept else None
        unit = each["amount"]["currency"] if isinstance(each.get("amount"), dict) else ""
        key = json.dumps([unit, *(str(whole.get(name)) for name in sorted(kept - {*measures}))])
        before = found.get(key)
        if before:
            for name in measures:
                before[name] = both(before.get(name), whole.get(name))
        else:
            found[key] = whole
    return list(found.values())


def both(one: Any, other: Any) -> Any:
    """The sum of two amounts, counts, or records of them."""
    if isinstance(one, dict):
        return {name: value if name == "currency" else both(value, other[name]) for name, value in one.items()}
    if one is None or other is None:
        return one if other is None else other
    return plain(Decimal(one) + Decimal(other)) if isinstance(one, str) else one + other


def plain(amount: Decimal) -> str:
    """A number with all its digits and no exponent."""
    return f"{amount:f}"


def listed(entries: list[dict[str, Any]], query: Mapping[str, list[str]], after: str) -> dict[str, Any]:
    """A page of a list by ids."""
    ids = [each["id"] for each in entries]
    first = ids.index(query[after][0]) + 1 if after in query else 0
    page = entries[first : first + int(query.get("limit", ["20"])[0])]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": first + len(page) < len(entries),
    }


def spelt(page: Mapping[str, Any]) -> bytes:
    """JSON in which decimals are numbers with exactly their digits."""
    marked = json.dumps(page, indent=1, default=lambda number: f"\0{number:f}\0")
    return re.sub(r'"\\u0000([^"\\]*)\\u0000"', r"\1", marked).encode()


class LlmWorld:
    """Both vendors behind one port."""

    def __init__(self, openai_key: str = "sk-admin-fake-OPENAI-0123456789", anthropic_key: str = "sk-ant-admin01-fake-ANTHROPIC-01",
                 port: int = 0) -> None:  # fmt: skip
        self.openai = OpenAIVendor(openai_key)
        self.anthropic = AnthropicVendor(anthropic_key)
        self._lock = Lock()
        self.pause = 0.0
        """Seconds between one byte of an answer and the next."""
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                status, body, headers = world.answer(self.path, self.headers)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "text/html" if body.startswith(b"<") else "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                step = 1 if world.pause else len(body) or 1
                with suppress(ConnectionError):
                    for start in range(0, len(body), step):
                        self.wfile.write(body[start : start + step])
                        time.sleep(world.pause)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> LlmWorld:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, target: str, headers: Any) -> tuple[int, bytes, Mapping[str, str]]:
        """Whoever the path is of answers, and notes the call."""
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        vendor: Vendor = self.anthropic if parts.path.startswith("/v1/organizations/") else self.openai
        with self._lock:
            status, body, more = vendor.answer(parts.path, query, headers)
            vendor.calls.append(Call(parts.path, query, status))
        return status, body, more


def main() -> None:
    """Serve some days until interrupted."""
    world = LlmWorld(port=8723)
    today = datetime.now(tz=UTC).date()
    world.openai.projects = {"proj_search": "Search"}
    world.anthropic.workspaces = {"wrkspc_chat": "Chat"}
    for back in range(60):
        day = today - timedelta(days=back)
        world.openai.add(day, "proj_search", "gpt-5, output", Decimal("3.25"), quantity=260_000, unit="tokens")
        world.openai.use(day, "completions", "proj_search", "gpt-5", input_tokens=1_000_000, output_tokens=260_000)
        world.anthropic.add(day, "wrkspc_chat", "claude-sonnet-5", "output_tokens", Decimal("1.5"), tokens=100_000)
    with world:
        print(f"endpoints = {{ openai = '{world.url}' }}, api_key: an env: or file: that holds {world.openai.key}")
        print(
            f"endpoints = {{ anthropic = '{world.url}' }}, api_key: an env: or file: that holds {world.anthropic.key}"
        )
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
