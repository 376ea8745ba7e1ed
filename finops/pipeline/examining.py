"""What ``finops doctor`` looks at: the workspace first, then each source through its collector."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from finops.collectors.interface import Finding, Request, Verdict
from finops.config.load import Workspace
from finops.config.secrets import without_secrets
from finops.pipeline.collecting import Configured
from finops.pipeline.holes import as_trouble
from finops.warehouse.connection import Connection

LITTLE = 5_000_000_000
"""Bytes free, below which a disk is called nearly full."""
A_WEEK = 8
"""Days between two weekly runs, and one more."""


def examine_workspace(workspace: Workspace) -> Iterator[Finding]:
    """Can what is fetched be kept, and is there room?"""
    for name, path in (("landing folder", workspace.landing), ("warehouse", workspace.warehouse.parent)):
        place = path
        while not place.exists():
            place = place.parent
        if not _writable(place):
            yield Finding(
                name, Verdict.FAILED, f"{path} cannot be written", "Give the user who runs finops the right to."
            )
            continue
        free = shutil.disk_usage(place).free
        verdict = Verdict.OK if free > LITTLE else Verdict.WARNING
        yield Finding(
            name, verdict, f"{path}, {free / 1e9:,.1f} GB free", "" if free > LITTLE else "Make room, or move it."
        )
    if not workspace.config.sources:
        yield Finding("sources", Verdict.WARNING, "none is configured", "docs/configuration.md: [sources.NAME]")


def examine_source(each: Configured, request: Request, last_run: datetime | None) -> Iterator[Finding]:
    """What one collector finds, and how long ago the source was collected last; a fault of one check is a finding, not an end.

    Args:
        last_run: UTC, from ``ops.sources``; None: it is not known, and landing's newest delivery stands for it.
    """
    try:
        for finding in each.collector.examine(request):
            yield Finding(
                finding.check, finding.verdict, without_secrets(finding.detail), without_secrets(finding.next_step)
            )
    except Exception as error:
        trouble = as_trouble(error)
        yield Finding("source", Verdict.FAILED, without_secrets(trouble.what), without_secrets(trouble.next_step))
    newest = last_run or max((fetched.received_at for fetched in request.known.values()), default=None)
    if newest is None:
        yield Finding("last collected", Verdict.WARNING, "never", f"finops collect {each.source_id}")
        return
    age = (request.today - newest.date()).days
    late = age > A_WEEK
    ago = f", {age} days ago" if age > 0 else ""
    yield Finding(
        "last collected",
        Verdict.WARNING if late else Verdict.OK,
        f"{newest:%Y-%m-%d %H:%M} UTC{ago}",
        "Is the scheduled run still running?" if late else "",
    )


def last_runs(con: Connection) -> dict[str, datetime]:
    """When each source was collected last, however that ended."""
    return dict(con.execute("SELECT source_id, last_seen_at FROM ops.sources").fetchall())


def _writable(folder: Path) -> bool:
    probe = folder / ".finops-doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True
