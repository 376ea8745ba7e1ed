"""What ``finops doctor`` says of a billing export in BigQuery: permissions one by one, the kind of export, its age."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.util import find_spec

from finops.collectors.gcp import access, statements
from finops.collectors.gcp.export import Export, export_of
from finops.collectors.gcp.jobs import Jobs, has_storage
from finops.collectors.interface import Finding, Outcome, Permission, Request, Trouble, Verdict
from finops.config.sources import GcpBigQuery
from finops.errors import FinopsError

STALE = timedelta(days=3)
"""An export without new rows for longer than that has probably been turned off."""
LOOK_BACK = timedelta(days=35)


def permissions(source: GcpBigQuery) -> Sequence[Permission]:
    """The least privilege: to ask in the paying project, and to read the one table."""
    project, table = f"project {source.project}", f"table {source.table}"
    listed = [
        Permission("bigquery.jobs.create", project, "to run queries, which this project pays for"),
        Permission("bigquery.tables.get", table, "to read the table's columns and partitions"),
        Permission("bigquery.tables.getData", table, "to read its rows"),
    ]
    if has_storage(source):
        why = "to fetch rows faster, by the storage API"
        listed += [
            Permission("bigquery.readsessions.create", project, why, optional=True),
            Permission("bigquery.readsessions.getData", project, why, optional=True),
        ]
    return [*listed, *access.acting_as(source)]


def examine(source: GcpBigQuery, jobs: Jobs, request: Request) -> Sequence[Finding]:
    """Look at everything that collecting needs; each trouble becomes a finding."""
    try:
        who = access.identity(jobs.client._credentials)
    except FinopsError as error:
        return [Finding("identity", Verdict.FAILED, error.what, error.next_step)]
    found = [Finding("identity", Verdict.OK, who)]
    try:
        table = jobs.table()
    except Trouble as trouble:
        if trouble.outcome is Outcome.EXPIRED:
            return [_finding("identity", trouble)]
        check = "table exists" if trouble.outcome is Outcome.MISSING else "bigquery.tables.get"
        return [*found, _finding(check, trouble)]
    found += [
        Finding("bigquery.tables.get", Verdict.OK, "granted"),
        Finding("table exists", Verdict.OK, f"{source.table} in {table.location or 'an unknown location'}"),
    ]
    if source.location and table.location and source.location.lower() != str(table.location).lower():
        found.append(Finding("location", Verdict.FAILED, f"the table is in {table.location}, not in {source.location}",
                             f"Set the source's location to {table.location!r}, or leave it out."))  # fmt: skip
    try:
        export = export_of(table, source.table)
    except Trouble as trouble:
        return [*found, _finding("columns", trouble)]
    return [*found, *_kind(export), *_fresh(export, jobs, request, table.modified)]


def _kind(export: Export) -> list[Finding]:
    found = [Finding("columns", Verdict.OK, "all that the ledger is made from")]
    if export.kind == "standard":
        found.append(Finding("kind of export", Verdict.WARNING, "standard: no resources",
                             "Enable the detailed usage cost export in Billing, Billing export, and name its table."))  # fmt: skip
    else:
        found.append(Finding("kind of export", Verdict.OK, export.kind))
    if not find_spec("google.cloud.bigquery_storage"):
        found.append(Finding("storage API", Verdict.WARNING, "not installed: large exports take long",
                             "Install finops with its extra 'bqstorage'."))  # fmt: skip
    if not export.partitioned:
        found.append(Finding("partitions", Verdict.WARNING, "none: every query scans the whole table",
                             "Name the table that Google exports to, and not a copy or view of it."))  # fmt: skip
    elif export.keeps:
        found.append(Finding("partitions", Verdict.WARNING, f"deleted after {export.keeps.days} days",
                             "Take the partition expiration off, to be able to collect older months."))  # fmt: skip
    else:
        found.append(Finding("partitions", Verdict.OK, f"by day, on {export.day_column}"))
    return found


def _fresh(export: Export, jobs: Jobs, request: Request, modified: datetime | None) -> list[Finding]:
    """May its rows be read, and how old are the newest? A dry request asks what the query would scan, which costs nothing and
    takes the same permissions; the rows are then as old as the table's last change."""
    query = statements.newest(export, request.today - LOOK_BACK)
    try:
        if request.dry:
            jobs.size(query)
        rows = [{"newest": modified}] if request.dry else jobs.rows(query)
    except Trouble as trouble:
        check = "bigquery.jobs.create" if "bigquery.jobs.create" in trouble.next_step else "bigquery.tables.getData"
        return [_finding(check, trouble)]
    found = [
        Finding("bigquery.jobs.create", Verdict.OK, "granted"),
        Finding("bigquery.tables.getData", Verdict.OK, "granted"),
    ]
    newest = rows[0]["newest"] if rows else None
    if newest is None:
        lack = "is not known" if request.dry else f"no rows in {LOOK_BACK.days} days"
        found.append(Finding("last export", Verdict.FAILED, lack,
                             "See in Billing, Billing export, whether the export is on."))  # fmt: skip
        return found
    gap = (request.today - newest.date()).days if hasattr(newest, "date") else (request.today - newest).days
    stale = gap > STALE.days
    found.append(Finding("last export", Verdict.WARNING if stale else Verdict.OK, f"{newest:%Y-%m-%d %H:%M}, {gap} days ago",
                         "See in Billing, Billing export, whether the export is on." if stale else ""))  # fmt: skip
    return found


def _finding(check: str, trouble: Trouble) -> Finding:
    return Finding(check, Verdict.FAILED, trouble.what, trouble.next_step)
