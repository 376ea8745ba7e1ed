"""MLflow's tracking server: its two searches, page by page. They are POSTs, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from finops.collectors.interface import Outcome
from finops.collectors.mlflow.runs import Run, run_of
from finops.collectors.web import Server
from finops.config.servers import MLflow

EXPERIMENTS, RUNS = "/api/2.0/mlflow/experiments/search", "/api/2.0/mlflow/runs/search"
_PAGE = 1000
_AT_ONCE = 100
"""Experiments whose runs are asked for in one search."""


class TrackingServer:
    """One server: what it has of experiments and runs, deleted ones too."""

    def __init__(self, source: MLflow, folder: Path, page: int = _PAGE) -> None:
        self.server = Server("MLflow", source, folder)
        self.place = self.server.url.partition("://")[2]
        self._page = page

    def experiments(self) -> Mapping[str, str]:
        """The experiments' names by id.

        Raises:
            Trouble: as ``Server.ask``; changed: it is no list, or does not end.
        """
        found = self._all(EXPERIMENTS, "experiments", {"view_type": "ALL"})
        return {str(each.get("experiment_id")): str(each.get("name")) for each in found}

    def runs(self, experiments: Mapping[str, str], since: date) -> list[Run]:
        """The runs that began on a day or later.

        Raises:
            Trouble: as ``experiments``.
        """
        begin = int(datetime(since.year, since.month, since.day, tzinfo=UTC).timestamp()) * 1000
        ids, found = list(experiments), []
        for start in range(0, len(ids), _AT_ONCE):
            question = {
                "experiment_ids": ids[start : start + _AT_ONCE],
                "run_view_type": "ALL",
                "filter": f"attributes.start_time >= {begin}",
            }
            for each in self._all(RUNS, "runs", question):
                run = run_of(each)
                if run is None:
                    raise self._changed(RUNS, "has runs without an id")
                found.append(run)
        return found

    def _all(self, path: str, field: str, question: dict[str, Any]) -> Iterator[dict[str, Any]]:
        token, tokens = "", set[str]()
        while True:
            asked = {**question, "max_results": self._page, **({"page_token": token} if token else {})}
            answer = self.server.ask("POST", path, question=asked)
            # an empty list is left out of the answer
            listed = answer.get(field, []) if isinstance(answer, dict) else None
            if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
                raise self._changed(path, f"does not answer with a list of {field}")
            yield from listed
            token = str(answer.get("next_page_token") or "")
            if not token:
                return
            if token in tokens:
                raise self._changed(path, "names the same page again and again")
            tokens.add(token)

    def _changed(self, path: str, what: str) -> Exception:
        return self.server.trouble(
            Outcome.CHANGED, what, path, "Is it MLflow that answers at 'url'? Look for a newer finops."
        )
