"""``[metrics] textfile``: how the last run went, for a monitoring system.

The text is OpenMetrics, which ends with ``# EOF``; the older Prometheus format, which node_exporter's textfile collector reads,
takes that line for a comment. Both hold because there are gauges only and no time stamps. Values are floats in both formats: it is
the one edge at which an amount becomes one, after everything has been added up.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from finops import __version__
from finops.errors import naming
from finops.reports.analyses import run_analysis
from finops.reports.money import exact_sum

if TYPE_CHECKING:
    from finops.rules.catalogue import Catalogue
    from finops.warehouse.connection import Connection

LAST_SUCCESS = "finops_run_last_success_timestamp_seconds"
MAIL_OUTCOMES = ("sent", "refused", "failed", "unknown")
"""Those that are always there, if only as 0."""


class Metrics:
    """The numbers of one run. What is not known is left out: no number is not 0."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._known: dict[str, Gauge] = {}

    def run(self, path: Path, finished: datetime, seconds: float, exit_code: int) -> None:
        """How it ended.

        Args:
            path: the text file of the run before, which knows when one last succeeded.
        """
        self._set("finops_build_info", "Which finops it was.", 1, version=__version__)
        self._set("finops_run_last_timestamp_seconds", "When the last run ended.", finished.timestamp())
        self._set("finops_run_exit_code", "Its exit code: 0 is good, docs/messages.md has the others.", exit_code)
        self._set("finops_run_duration_seconds", "How long it took.", seconds)
        success = finished.timestamp() if exit_code == 0 else _last_success(path)
        if success is not None:
            self._set(LAST_SUCCESS, "When a run last ended with exit code 0.", success)

    def ledger(self, con: Connection, catalogue: Catalogue, today: date) -> None:
        """What the ledger knows of its sources, of what is wasted, and of its own soundness."""
        for source, status in con.execute(
            "SELECT source_id, status FROM ops.sources WHERE status IS NOT NULL"
        ).fetchall():
            self._set(
                "finops_source_status", "How the last reading of a source ended: 1 for the outcome that it has.", 1,
                source=source, outcome=status,
            )  # fmt: skip
        freshness = run_analysis(con, catalogue.get("sources_freshness", "analyses"), {"period": str(today)}, today)
        for each in freshness.records():
            if each["DataThrough"]:
                self._set(
                    "finops_source_data_age_days", "Days since the last day on which a source has a charge of use.",
                    (today - each["DataThrough"]).days, source=each["SourceId"],
                )  # fmt: skip
        for status, count in con.execute("SELECT status, count(*) FROM findings.followed GROUP BY status").fetchall():
            self._set("finops_findings", "Findings by status.", count, status=status)
        waste = run_analysis(con, catalogue.get("idle_ml", "analyses"), {}, today).records()
        for currency, saving in _savings(waste, con).items():
            self._set(
                "finops_waste_monthly", "What ending all that is idle or underused saves in a month, as far as known.",
                saving, currency=currency,
            )  # fmt: skip
        checks = run_analysis(con, catalogue.get("data_checks", "analyses"), {}, today).records()
        failed = Counter(str(each["Grade"]) for each in checks if not each["Passed"])
        for grade in sorted({"stop", "warn"} | failed.keys()):
            self._set("finops_checks_failed", "Checks that the last build did not pass.", failed[grade], grade=grade)

    def reports(self, folders: Iterable[Path]) -> None:
        """What the reports of this run say, from their manifests."""
        differences: dict[str, Decimal] = {}
        for folder in folders:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            for total in manifest["totals"]:
                if total["effective_cost"]:
                    self._set(
                        "finops_spend", "EffectiveCost of a report's period.", Decimal(total["effective_cost"]),
                        currency=_currency(total["currency"]), period=manifest["period"]["name"], report=manifest["report"],
                    )  # fmt: skip
            for each in manifest["reconciliation"]:
                if each["difference"]:
                    currency = _currency(each["currency"])
                    differences[currency] = max(
                        differences.get(currency, Decimal(0)), Decimal(each["difference"]), key=abs
                    )
        for currency, difference in differences.items():
            self._set(
                "finops_difference", "Between what was delivered, what the ledger holds and what teams got; must be 0.",
                difference, currency=currency,
            )  # fmt: skip

    def mails(self, outcomes: Sequence[str]) -> None:
        """What became of the mails of this run."""
        counts = Counter(outcomes)
        for outcome in (*MAIL_OUTCOMES, *sorted(counts.keys() - set(MAIL_OUTCOMES))):
            self._set(
                "finops_mails", "Mails of the last run, by what became of them.", counts[outcome], outcome=outcome
            )

    def text(self) -> bytes:
        """As it is written."""
        content: bytes = generate_latest(self._registry)  # type: ignore[no-untyped-call]
        return content

    def write(self, path: Path) -> None:
        """Write the file as a whole, readable for everybody: node_exporter has a user of its own.

        Raises:
            OSError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")  # of another ending: the collector does not read it
        try:
            with naming(path):
                fresh.write_bytes(self.text())
            fresh.chmod(0o644)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)

    def _set(self, name: str, meaning: str, value: float | Decimal, **labels: str) -> None:
        if name not in self._known:
            self._known[name] = Gauge(name, meaning, list(labels), registry=self._registry)
        gauge = self._known[name]
        (gauge.labels(**labels) if labels else gauge).set(float(value))


def _savings(waste: Sequence[Mapping[str, Any]], con: Connection) -> dict[str, Decimal]:
    """By currency. Nothing found is 0; something found of which no saving is known is left out."""
    rows = con.execute("SELECT DISTINCT BillingCurrency FROM focus.cost_and_usage").fetchall()
    found: dict[str, list[Decimal | None]] = {_currency(currency): [] for (currency,) in rows}
    for each in waste:
        if each["Status"] != "unknown":
            found.setdefault(_currency(each["BillingCurrency"]), []).append(each["MonthlySaving"])
    known = {currency: [each for each in savings if each is not None] for currency, savings in found.items()}
    return {currency: exact_sum(known[currency]) for currency in found if known[currency] or not found[currency]}


def _currency(code: str | None) -> str:
    return code or "none"


def _last_success(path: Path) -> float | None:
    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    return next((sample.value for family in families for sample in family.samples if sample.name == LAST_SUCCESS), None)
