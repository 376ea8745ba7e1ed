"""OpenAI: an organisation's costs by project, line item and key, and its usage by project and model.

Costs state how many tokens (calls, sessions, …) each line is for. Usage goes to ``utilisation.daily``, never into the ledger: its
tokens are those that the costs state already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from finops.collectors.interface import Permission
from finops.collectors.llm.collector import LlmCollector
from finops.collectors.llm.http import Vendor, several
from finops.collectors.llm.pages import Report, day_of_epoch, epoch
from finops.collectors.web import Params
from finops.config.sources import OpenAI

SCOPE, NAMES_SCOPE = "api.usage.read", "api.management.read"
VENDOR = Vendor(
    name="OpenAI",
    service="openai",
    url="https://api.openai.com",
    headers=lambda key: {"Authorization": f"Bearer {key}"},
    new_key="An owner of the organisation makes one at platform.openai.com, Settings, Organization, Admin keys (read only is "
    "enough); a project's key will not do.",
    allow=f"Give the admin key the scope {SCOPE} (Settings, Organization, Admin keys); a project's key cannot have it.",
)
_DAY = "1d"
_REQUESTS = ("num_model_requests", "num_requests")


def _params(groups: Sequence[str]) -> Callable[[date, date], Params]:
    # at most 31 days at a time (the endpoint takes 180), so that a month is a page
    return lambda start, end: [
        ("start_time", epoch(start)),
        ("end_time", epoch(end)),
        ("bucket_width", _DAY),
        ("limit", "31"),
        *several("group_by", groups),
    ]


def _usage(kind: str, groups: Sequence[str], *needs: tuple[str, ...]) -> Report:
    return Report(
        f"/v1/organization/usage/{kind}",
        _params(groups),
        lambda bucket: day_of_epoch(bucket["start_time"]),
        needs=needs,
    )


_BY_MODEL = ("project_id", "api_key_id", "model")
COSTS = Report(
    "/v1/organization/costs",
    _params(("project_id", "line_item", "api_key_id")),
    lambda bucket: day_of_epoch(bucket["start_time"]),
    needs=(("amount.value",), ("amount.currency",), ("line_item",), ("project_id",)),
    filled=("amount.value", "amount.currency"),
)
USAGE = {
    "completions": _usage("completions", _BY_MODEL, ("input_tokens",), ("output_tokens",), ("project_id",), ("model",)),
    "embeddings": _usage("embeddings", _BY_MODEL, ("input_tokens",), ("project_id",), ("model",)),
    "moderations": _usage("moderations", _BY_MODEL, ("input_tokens",), ("project_id",), ("model",)),
    "images": _usage("images", _BY_MODEL, ("images",), ("project_id",), ("model",)),
    "audio_speeches": _usage("audio_speeches", _BY_MODEL, ("characters",), ("project_id",), ("model",)),
    "audio_transcriptions": _usage("audio_transcriptions", _BY_MODEL, ("seconds",), ("project_id",), ("model",)),
    "vector_stores": _usage("vector_stores", ("project_id",), ("usage_bytes",), ("project_id",)),
    "code_interpreter_sessions": _usage(
        "code_interpreter_sessions", ("project_id",), ("num_sessions",), ("project_id",)
    ),
    "file_search_calls": _usage("file_search_calls", ("project_id",), _REQUESTS, ("project_id",)),
    "web_search_calls": _usage("web_search_calls", _BY_MODEL, _REQUESTS, ("project_id",), ("model",)),
}


class OpenAICollector(LlmCollector):
    """An organisation at OpenAI, as an admin key sees it."""

    vendor, costs, usage = VENDOR, COSTS, USAGE
    admin_prefix = "sk-admin-"
    names_permission = f"the scope {NAMES_SCOPE}"
    usage_settles = timedelta(days=7)

    def __init__(self, source_id: str, source: OpenAI, folder: Path) -> None:
        super().__init__(source_id, source, folder, usage=source.usage)

    def things(self) -> Iterator[dict[str, Any]]:
        """Projects, archived ones too, and the names of their keys."""
        for project in self.listed("/v1/organization/projects", "after", ("include_archived", "true")):
            project_id = str(project["id"])
            yield _thing("project", project) | {"state": project.get("status")}
            if re.fullmatch(r"[\w-]+", project_id):
                for key in self.listed(f"/v1/organization/projects/{project_id}/api_keys", "after"):
                    yield _thing("api key", key) | {"parent": project_id}

    def permissions(self) -> Sequence[Permission]:
        """The scopes of the admin key, by call."""
        needed = [Permission(f"GET {COSTS.path}", f"scope {SCOPE}", "the bill by day, project, line item and key")]
        if self._with_usage:
            needed += [
                Permission(f"GET {report.path}", f"scope {SCOPE}", f"how much was used: {name.replace('_', ' ')}")
                for name, report in USAGE.items()
            ]
        return [
            *needed,
            Permission("GET /v1/organization/projects", f"scope {NAMES_SCOPE}", "the projects' names", optional=True),
            Permission("GET /v1/organization/projects/{project_id}/api_keys", f"scope {NAMES_SCOPE}",
                       "the keys' names, never the keys", optional=True),
        ]  # fmt: skip


def _thing(kind: str, entry: dict[str, Any]) -> dict[str, Any]:
    created = str(entry.get("created_at"))
    return {
        "type": kind,
        "id": str(entry["id"]),
        "name": entry.get("name"),
        "created_at": datetime.fromtimestamp(int(created), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if created.isdigit()
        else None,
    }
