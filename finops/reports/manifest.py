"""``manifest.json``: what a report was made from, so that anyone can make it again and compare."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from finops.reports.contexts import Report
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection
from finops.warehouse.landing import DeliveryRecord

FORMAT = 1


def manifest(
    con: Connection,
    catalogue: Catalogue,
    report: Report,
    company: Report,
    inputs: Sequence[DeliveryRecord],
    files: Mapping[str, bytes],
    owner: str = "",
) -> dict[str, Any]:
    """The manifest of a report with these files. Money is text with all digits; nothing depends on the clock.

    Args:
        company: the company's report, whose checks hold for each team's.
        inputs: the landing folder's records; those that hold no slice today are left out.
        owner: who answers for the team whose report it is.
    """
    return {
        "format": FORMAT,
        "report": report.name,
        "team": {"id": report.team, "name": report.team_name, "owner": owner or None} if report.team else None,
        "title": report.title,
        "period": {"name": report.period.name, "start": str(report.period.start), "end": str(report.period.end)},
        "today": str(report.today),
        "tool_version": report.tool_version,
        "totals": [
            {
                "currency": headline.currency,
                "effective_cost": headline.total.plain,
                "billed_cost": headline.billed.plain,
                "previous_effective_cost": headline.previous.plain or None,
            }
            for headline in report.headlines
        ],
        "reconciliation": [
            {"currency": balance.currency, "matches": balance.matches, "difference": balance.difference.plain or None}
            for balance in report.balances
        ],
        "warnings": list(report.warnings),
        "checks": _checks(company),
        "inputs": _inputs(con, inputs),
        "rules": _rules(catalogue),
        "files": [
            {"name": each, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for each, content in sorted(files.items())
        ],
    }


def to_json(content: Mapping[str, Any]) -> bytes:
    """As text that reads well and compares well."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _checks(report: Report) -> list[dict[str, Any]]:
    checks = next(result for result in report.results if result.query.id == "data_checks")
    return [
        {"id": each["CheckId"], "grade": each["Grade"], "passed": each["Passed"], "detail": each["Detail"]}
        for each in checks.records()
    ]


def _inputs(con: Connection, records: Sequence[DeliveryRecord]) -> list[dict[str, Any]]:
    held = con.execute(
        "SELECT load_id, CAST(sum(row_count) AS BIGINT) FROM ops.loads WHERE status = 'current' GROUP BY load_id"
    ).fetchall()
    rows: dict[str, int] = dict(held)
    return [
        {
            "load": record.id,
            "source": record.source_id,
            "format": record.format,
            "rows": rows[record.id],
            "files": [{"name": file.name, "sha256": file.sha256, "bytes": file.bytes} for file in record.files],
        }
        for record in sorted(records, key=lambda each: (each.source_id, each.id))
        if record.id in rows
    ]


def _rules(catalogue: Iterable[Any]) -> list[dict[str, Any]]:
    """Every SQL file that had a part in the numbers: id, version, and the hash of its bytes."""
    return [
        {"layer": query.layer, "id": query.id, "version": query.version, "origin": query.origin, "sha256": query.digest}
        for query in catalogue
    ]
