"""A made-up fleet of some 300 resources (fixtures/fleet): is each verdict what is true, and is the money that of the bill?

``pytest tests/test_fleet.py -s`` prints the misses. What is true is said by the generator, resource by resource, and not by the rules.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from conftest import REPO

from finops.cli import run
from finops.warehouse.connection import connect

sys.path.insert(0, str(REPO / "fixtures"))
from fleet import make, write
from fleet.model import Fleet, Label, monthly
from fleet.write import billed

EXPECTED, SEEN = (
    {"samples_expected", "hours_expected", "reserved_hours", "min_runs"},
    {"activity", "requests", "hours_seen", "unused_hours", "runs_in_window"},
)
"""In a finding's evidence: how many hours should have been measured or billed, and what was."""
UNBILLED = {"idle_inference_component", "on_demand_training"}
"""Rules for what is billed as a part of something else, or as several things: such has a verdict and no money of its own."""
FLAGGED = {"idle", "underused"}
Finding = dict[str, Any]


@dataclass
class Judged:
    """The fleet, and what the rules found of it."""

    fleet: Fleet
    findings: dict[str, Finding]
    """By the id that the bill has."""

    def each(self) -> Iterator[tuple[Label, Finding | None]]:
        for label in self.fleet.labels:
            yield label, self.findings.get(label.resource)

    def verdict(self, label: Label) -> str:
        found = self.findings.get(label.resource)
        return found["status"] if found else "none"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder = tmp_path_factory.mktemp("fleet")
    fleet = write(folder / "delivered")
    (folder / "finops.toml").write_text("")
    finops = ["--config", str(folder / "finops.toml"), "--today", "2026-10-26", "--quiet"]
    for part in ("bills", "inventory", "metrics", "reads"):
        assert run([*finops, "load", str(folder / "delivered" / part)]) == 0
    assert run([*finops, "build"]) == 0
    con = connect(folder / "finops.duckdb", read_only=True)
    rows = con.execute("SELECT * FROM findings.findings WHERE workload_kind IS DISTINCT FROM 'commitment'")
    names = [column[0] for column in rows.description or ()]
    findings = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    con.close()
    assert len({each["resource_id"] for each in findings}) == len(findings)
    return Judged(fleet, {each["resource_id"]: each for each in findings})


def test_verdicts_are_what_is_true(judged: Judged) -> None:
    assert len(judged.fleet.labels) >= 200
    misses = [
        (label, judged.verdict(label)) for label in judged.fleet.labels if judged.verdict(label) not in label.status
    ]
    for label, verdict in misses:
        found = judged.findings.get(label.resource)
        print(f"\n{label.kind}: {label.case}: is {'|'.join(label.status)}, found {verdict}", end="")
        print(f" by {found['rule_id']}: {found['reason']}" if found else "", end="")
    labelled = {label.resource for label in judged.fleet.labels}
    assert not [
        each for each in judged.findings.values() if each["status"] in FLAGGED and each["resource_id"] not in labelled
    ]
    for status in sorted(FLAGGED):
        found = [label for label in judged.fleet.labels if judged.verdict(label) == status]
        true = [label for label in judged.fleet.labels if label.status == (status,)]
        right = sum(status in label.status for label in found)
        caught = sum(judged.verdict(label) == status for label in true)
        print(f"\n{status}: {right} of {len(found)} right, {caught} of {len(true)} found", end="")
        assert true
        assert right == len(found), f"precision of {status}"
        assert caught >= len(true) * Decimal("0.98"), f"recall of {status}"
    assert not misses, Counter((label.kind, label.case, verdict) for label, verdict in misses)


def test_what_was_denied_or_not_measured_is_unknown(judged: Judged) -> None:
    unread = [label for label in judged.fleet.labels if label.status == ("unknown",)]
    assert len(unread) > 50
    assert {judged.verdict(label) for label in unread} == {"unknown"}
    for label in unread:
        found = judged.findings[label.resource]
        assert found["confidence"] == "low"
        assert found["rule_id"] in UNBILLED or found["cost_in_window"] > 0
        assert found["monthly_saving"] is None


def test_confidence_is_that_of_the_evidence(judged: Judged) -> None:
    wrong = [(label.kind, label.case, found["confidence"], label.confidence) for label, found in judged.each()
             if label.confidence and found and found["confidence"] != label.confidence]  # fmt: skip
    assert not wrong


def test_what_is_not_billed_is_not_found(judged: Judged) -> None:
    unbilled = [label for label in judged.fleet.labels if label.status == ("none",)]
    assert unbilled
    assert not [label for label in unbilled if label.resource in judged.findings]


def test_money_is_that_of_the_billed_rows(judged: Judged) -> None:
    wrong = []
    for label, found in judged.each():
        if not found or found["rule_id"] in UNBILLED:
            continue
        days = (found["window_end"] - found["window_start"]).days
        money = billed(judged.fleet, label, days)
        saved = found["monthly_saving"]
        if found["cost_in_window"] != money.cost or found["monthly_cost"] != monthly(money.cost, days):
            wrong.append((label.kind, label.case, "cost", found["cost_in_window"], money.cost))
        if label.window_days not in (None, days) and found["status"] in FLAGGED:
            wrong.append((label.kind, label.case, "window", days, label.window_days))
        if found["status"] != "idle":
            continue
        if saved is not None and not 0 <= saved <= monthly(money.cost - money.committed, days):
            wrong.append((label.kind, label.case, "saves more than it costs", saved, money))
        if label.saving == "all" and saved != monthly(money.cost - money.committed, days):
            wrong.append((label.kind, label.case, "saving", saved, monthly(money.cost - money.committed, days)))
        if label.saving == "none" and saved:
            wrong.append((label.kind, label.case, "saves before the term ends", saved, 0))
    assert not wrong


def test_every_finding_says_why(judged: Judged) -> None:
    for found in judged.findings.values():
        assert found["reason"].strip()
        assert found["recommended_action"].strip()
        evidence = json.loads(found["evidence"])
        assert evidence.get("window_days") == (found["window_end"] - found["window_start"]).days, found
        assert EXPECTED & evidence.keys(), found
        assert SEEN & evidence.keys(), found


def test_a_seed_always_gives_the_same_fleet() -> None:
    one, again, other = make(7), make(7), make(8)
    assert (one.charges, one.resources, one.labels) == (again.charges, again.resources, again.labels)
    assert one.charges != other.charges
