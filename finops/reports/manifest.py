"""``manifest.json``: what a report was made from, so that anyone can make it again and compare."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finops.errors import UsageError
from finops.reports.contexts import Report
from finops.resources import shipped_templates
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection
from finops.warehouse.landing import DeliveryRecord

FORMAT = 1
NAME = "manifest.json"


@dataclass(frozen=True)
class Origins:
    """What the company's report and those of its teams are made from, as a manifest says it."""

    inputs: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    mappings: list[dict[str, str]]
    templates: list[dict[str, str]]
    settings: Mapping[str, Any]


def made_from(
    con: Connection,
    catalogue: Catalogue,
    records: Sequence[DeliveryRecord],
    templates: Path | None,
    mappings: Path | None,
    settings: Mapping[str, Any],
) -> Origins:
    """What every manifest of a report says in the same way.

    Args:
        records: the landing folder's; those that hold no slice in this warehouse are left out.
        templates, mappings: the user's folders.
        settings: see ``Options``.
    """
    return Origins(
        _inputs(con, records),
        _rules(catalogue),
        digests({"yours": mappings}, "*.csv"),
        digests({"shipped": shipped_templates(), "yours": templates}),
        settings,
    )


def manifest(
    report: Report, company: Report, origins: Origins, files: Mapping[str, bytes], owner: str = ""
) -> dict[str, Any]:
    """The manifest of a report with these files. Money is text with all digits; nothing depends on the clock.

    Args:
        company: the company's report, whose checks hold for each team's.
        owner: who answers for the team whose report it is.
    """
    return {
        "format": FORMAT,
        "report": report.name,
        "team": {"id": report.team, "name": report.team_name, "owner": owner or None} if report.team else None,
        "title": report.title,
        "period": {"name": report.period.name, "start": str(report.period.start), "end": str(report.period.end)},
        "today": str(report.today),
        "as_of": f"{report.as_of:%Y-%m-%dT%H:%M:%SZ}" if report.as_of else None,
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
            for balance in (report.books if report.team else report.balances)
        ],
        "warnings": list(report.warnings),
        "checks": _checks(company, told=not report.team),
        "inputs": [_for_team(each) for each in origins.inputs] if report.team else origins.inputs,
        "rules": origins.rules,
        "mappings": origins.mappings,
        "templates": origins.templates,
        "configuration": {
            "sha256": digest(json.dumps(origins.settings, sort_keys=True).encode()),
            **({} if report.team else {"settings": origins.settings}),
        },
        "files": [
            {"name": each, "sha256": digest(content), "bytes": len(content)} for each, content in sorted(files.items())
        ],
    }


def to_json(content: Mapping[str, Any]) -> bytes:
    """As text that reads well and compares well."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def digests(folders: Mapping[str, Path | None], pattern: str = "*") -> list[dict[str, str]]:
    """The files below these folders by name, with whose they are: one of a later folder replaces an earlier one's."""
    found = {}
    for origin, root in folders.items():
        for path in root.rglob(pattern) if root and root.is_dir() else ():
            if path.is_file():
                name = path.relative_to(root).as_posix() if root else path.name
                found[name] = {"name": name, "origin": origin, "sha256": digest(path.read_bytes())}
    return [found[name] for name in sorted(found)]


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Verdict:
    """How a folder compares with its manifest. Names are relative to the folder."""

    files: int
    """How many the manifest names."""
    manifest: str
    """The SHA-256 of the manifest itself."""
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    """What lies there and is not in the manifest."""

    @property
    def as_written(self) -> bool:
        """Is every file as it was written, and no other there?"""
        return not (self.changed or self.missing or self.extra)


def verify(folder: Path) -> Verdict:
    """Compare the files of a report with what its manifest says.

    Raises:
        UsageError: there is no manifest, or it is none of ours.
    """
    path = folder / NAME
    if not path.is_file():
        raise UsageError(
            "is no report: it has no manifest.json", where=str(folder), next_step="Give the folder that has one."
        )
    content = path.read_bytes()
    try:
        named = {str(each["name"]): str(each["sha256"]) for each in json.loads(content)["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "is no manifest of a report, or it is damaged",
            where=str(path),
            next_step="Write the report again: finops report.",
        ) from error
    there = {each.relative_to(folder).as_posix(): each for each in folder.rglob("*") if each.is_file()}
    there.pop(NAME, None)
    return Verdict(
        files=len(named),
        manifest=digest(content),
        changed=tuple(sorted(name for name in named.keys() & there if digest(there[name].read_bytes()) != named[name])),
        missing=tuple(sorted(named.keys() - there)),
        extra=tuple(sorted(there.keys() - named)),
    )


def _checks(report: Report, *, told: bool) -> list[dict[str, Any]]:
    """What a check says may be about another team: a team is told only whether it passed."""
    checks = next(result for result in report.results if result.query.id == "data_checks")
    return [
        {
            "id": each["CheckId"],
            "grade": each["Grade"],
            "passed": each["Passed"],
            "detail": each["Detail"] if told else None,
        }
        for each in checks.records()
    ]


def _inputs(con: Connection, records: Sequence[DeliveryRecord]) -> list[dict[str, Any]]:
    slices: dict[str, list[dict[str, Any]]] = {}
    for load_id, account, start, rows in con.execute(
        "SELECT load_id, billing_account_id, billing_period_start, row_count FROM ops.loads WHERE status = 'current' "
        "ORDER BY ALL"
    ).fetchall():
        month = f"{start:%Y-%m}" if start else None
        slices.setdefault(load_id, []).append({"billing_account_id": account, "billing_period": month, "rows": rows})
    return [
        {
            "load": record.id,
            "source": record.source_id,
            "format": record.format,
            "delivered_at": record.delivered_at,
            "rows": sum(each["rows"] for each in slices[record.id]),
            "slices": [each for each in slices[record.id] if each["billing_period"]],
            "files": [{"name": file.name, "sha256": file.sha256, "bytes": file.bytes} for file in record.files],
        }
        for record in sorted(records, key=lambda each: (each.source_id, each.id))
        if record.id in slices
    ]


def _for_team(given: Mapping[str, Any]) -> dict[str, Any]:
    """An input without the accounts that the company has."""
    return {name: value for name, value in given.items() if name != "slices"}


def _rules(catalogue: Iterable[Any]) -> list[dict[str, Any]]:
    """Every SQL file that had a part in the numbers: id, version, and the hash of its bytes."""
    return [
        {"layer": query.layer, "id": query.id, "version": query.version, "origin": query.origin, "sha256": query.digest}
        for query in catalogue
    ]
