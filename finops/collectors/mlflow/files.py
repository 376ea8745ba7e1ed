"""Runs from a folder: a local file store (``mlruns``), or runs that somebody exported as JSON, JSON lines or CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from finops.collectors.interface import Outcome, Trouble
from finops.collectors.mlflow.runs import Run, moment, run_of, state

_EXPORTED = (".json", ".jsonl", ".ndjson", ".csv")


class Folder:
    """One folder."""

    def __init__(self, path: Path, place: str) -> None:
        self.path, self.place = path, place

    def read(self) -> tuple[Mapping[str, str], list[Run]]:
        """The experiments' names by id, and all runs.

        Raises:
            Trouble: missing: it is no folder; refused: a file in it is not what it should be.
        """
        if not self.path.is_dir():
            raise Trouble(
                Outcome.MISSING, "is no folder", where=str(self.path), next_step="Check 'path' of the source."
            )
        stored = sorted(self.path.glob("*/meta.yaml")) + sorted(self.path.glob(".trash/*/meta.yaml"))
        if stored:
            return self._store(stored)
        names: dict[str, str] = {}
        runs: list[Run] = []
        exported = [each for each in sorted(self.path.rglob("*")) if each.suffix in _EXPORTED and each.is_file()]
        if not exported and any(self.path.iterdir()):
            what = "has no file store and no exported runs: no meta.yaml, no JSON and no CSV"
            raise Trouble(Outcome.MISSING, what, where=str(self.path), next_step="Check 'path' of the source.")
        for path in exported:
            for each in _csv(path) if path.suffix == ".csv" else _json(path):
                if isinstance(each, Run):
                    runs.append(each)
                else:
                    names |= each
        return names, runs

    def _store(self, stored: list[Path]) -> tuple[Mapping[str, str], list[Run]]:
        names, runs = {}, []
        for path in stored:
            about = _yaml(path)
            names[str(about.get("experiment_id", path.parent.name))] = str(about.get("name", ""))
            runs += [
                _stored_run(each.parent) for each in sorted(path.parent.glob("*/meta.yaml")) if "run_id" in _yaml(each)
            ]
        return names, runs


def _stored_run(folder: Path) -> Run:
    """A run's folder: ``meta.yaml``, a file a tag, a parameter, a metric."""
    about, tags = _yaml(folder / "meta.yaml"), _texts(folder / "tags")
    return Run(
        str(about["run_id"]),
        str(about.get("experiment_id", folder.parent.name)),
        about.get("run_name") or tags.get("mlflow.runName"),
        state(about.get("status")),
        moment(about.get("start_time")),
        moment(about.get("end_time")),
        about.get("lifecycle_stage"),
        tags,
        _texts(folder / "params"),
        len([each for each in (folder / "metrics").rglob("*") if each.is_file()]),
    )


def _yaml(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        found = None
    if not isinstance(found, dict):
        raise _refused(path, "is no meta.yaml of MLflow")
    return found


def _texts(folder: Path) -> dict[str, str]:
    """The files of a folder by name; a name with a slash is in a folder."""
    try:
        return {
            path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8").strip()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
    except (OSError, ValueError):
        raise _refused(folder, "has a file that cannot be read") from None


def _json(path: Path) -> Iterator[Run | dict[str, str]]:
    """Runs, or experiments: answers of the API, lists, or a line each."""
    try:
        text = path.read_text(encoding="utf-8")
        lines = [text] if path.suffix == ".json" else [line for line in text.splitlines() if line.strip()]
        documents = [json.loads(line) for line in lines]
    except (OSError, ValueError, RecursionError):
        raise _refused(path, "is no JSON, or damaged") from None
    for each in (one for found in documents for one in (found if isinstance(found, list) else [found])):
        page = each if isinstance(each, dict) else {}
        if "runs" in page or "experiments" in page:
            runs, experiments = page.get("runs", []), page.get("experiments", [])
        else:
            runs, experiments = ([], [page]) if "name" in page and "info" not in page else ([page], [])
        for experiment in experiments:
            yield {str(experiment.get("experiment_id")): str(experiment.get("name"))}
        for one in runs:
            run = run_of(one)
            if run is None:
                raise _refused(path, "has entries that are no runs: they have no info.run_id")
            yield run


def _csv(path: Path) -> Iterator[Run]:
    """What ``mlflow.search_runs().to_csv()`` and ``mlflow experiments csv`` write: columns ``tags.…`` and ``params.…``."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        raise _refused(path, "is no CSV, or damaged") from None
    for row in rows:
        if not row.get("run_id") or None in row:
            raise _refused(path, "has lines without run_id, or with more cells than columns")
        tags, params = (
            {key.removeprefix(kind): value for key, value in row.items() if key.startswith(kind) and value}
            for kind in ("tags.", "params.")
        )
        yield Run(
            row["run_id"],
            row.get("experiment_id") or "",
            tags.get("mlflow.runName"),
            state(row.get("status")),
            moment(row.get("start_time")),
            moment(row.get("end_time")),
            row.get("lifecycle_stage") or None,
            tags,
            params,
            sum(1 for key, value in row.items() if key.startswith("metrics.") and value),
        )


def _refused(path: Path, what: str) -> Trouble:
    return Trouble(
        Outcome.REFUSED, what, where=str(path), next_step="Export the runs again; docs/sources.md shows the forms."
    )
