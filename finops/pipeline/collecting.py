"""Fetch from the configured sources and load what they bring; one source's trouble does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from finops.collectors.files import FilesCollector
from finops.collectors.interface import Collector, Outcome
from finops.config.load import Workspace
from finops.errors import FinopsError, SourceError, UsageError
from finops.pipeline.loading import Loader, LoadReport, Progress
from finops.rules.header import nearest


@dataclass(frozen=True)
class SourceReport:
    """What became of one source."""

    source_id: str
    type: str
    outcome: Outcome
    detail: str
    loads: LoadReport


def collectors(workspace: Workspace, wanted: Sequence[str]) -> dict[str, tuple[str, str, Collector]]:
    """The configured sources: (type, format, collector) by name.

    Raises:
        UsageError: a wanted source is not configured.
    """
    sources = workspace.config.sources
    for name in wanted:
        if name not in sources:
            raise UsageError(
                f"there is no source '{name}'{nearest(name, list(sources))}",
                next_step=f"Configured: {', '.join(sources) or 'none'}.",
            )
    return {
        name: (source.type, source.detect_only, FilesCollector(name, workspace.path(source.path)))
        for name, source in sources.items()
        if not wanted or name in wanted
    }


def collect(
    loader: Loader,
    sources: Mapping[str, tuple[str, str, Collector]],
    progress: Progress | None = None,
    tell: Callable[[SourceReport], None] = lambda report: None,
) -> list[SourceReport]:
    """Fetch and load each source, and note in ``ops.sources`` how it went."""
    reports = []
    for name, (type_, wanted, collector) in sources.items():
        collected = collector.collect()
        loads, outcome, detail = LoadReport(), collected.outcome, collected.detail
        if outcome is Outcome.COMPLETE:
            try:
                loads = loader.load_paths(list(collected.paths), name, wanted, progress)
            except FinopsError as error:
                loads.problems.append(error)
            if loads.problems:
                outcome, detail = Outcome.INCOMPLETE, "; ".join(str(each).splitlines()[0] for each in loads.problems)
        elif outcome is not Outcome.EMPTY:
            loads.problems.append(SourceError(detail, where=f"source {name}"))
        report = SourceReport(name, type_, outcome, detail, loads)
        _note(loader, report)
        tell(report)
        reports.append(report)
    return reports


def _note(loader: Loader, report: SourceReport) -> None:
    loader.con.execute("DELETE FROM ops.sources WHERE source_id = ?", [report.source_id])
    loader.con.execute(
        "INSERT INTO ops.sources VALUES (?, ?, ?, ?, ?)",
        [report.source_id, report.type, loader.now.replace(tzinfo=None), report.outcome.value, report.detail],
    )
