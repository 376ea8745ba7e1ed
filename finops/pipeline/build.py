"""From the ledger to findings: classify, allocate, find, check; each stage only if something that it reads has changed.

Each stage is one transaction: a stage that fails leaves its previous result.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from finops.errors import CheckFailedError
from finops.pipeline.findings_journal import FindingsJournal
from finops.pipeline.freezing import fill_books, note_open
from finops.pipeline.frozen_files import FrozenFiles, FrozenMonth, fingerprint
from finops.pipeline.linting import all_at_once, refuse
from finops.rules.catalogue import Catalogue
from finops.rules.contract import catalogue_problems
from finops.rules.finding import find, scope_notes
from finops.rules.lifecycle import exception_notes, follow
from finops.rules.mappings import Mappings, read_mappings, store_mappings
from finops.rules.outcomes import CheckOutcome, RuleOutcome
from finops.rules.run import Params, check_params, count
from finops.rules.shared import digest, layer_digest
from finops.rules.stages import allocate, check, classify
from finops.warehouse.connection import Connection, transaction

STAGES = ("mappings", "classify", "allocate", "find", "check")
_LAYERS = ("classify", "allocate", "findings", "checks")


@dataclass(frozen=True)
class StageReport:
    """What one stage did."""

    stage: str
    status: str
    """``built`` or ``unchanged``."""
    rows: int
    """Rows of its result: dimensions with a class, dimensions with a team, findings, checks."""
    seconds: float
    rules: tuple[RuleOutcome, ...] = ()
    """Query by query; empty if nothing was built."""


@dataclass
class BuildReport:
    """What a build did."""

    run_id: str
    stages: list[StageReport] = field(default_factory=list)
    checks: list[CheckOutcome] = field(default_factory=list)
    """Of this build or, if nothing changed, of the one that checked last."""
    exception_notes: list[str] = field(default_factory=list)
    """Lines of exceptions.csv that except nothing and thresholds of teams that there are not, as sentences."""

    @property
    def changed(self) -> bool:
        """Was anything built?"""
        return any(stage.status == "built" for stage in self.stages)

    @property
    def notes(self) -> list[str]:
        """Allocation rules that do nothing, as sentences."""
        return [f"{rule.query_id}: {rule.note}" for stage in self.stages if stage.stage == "allocate"
                for rule in stage.rules if rule.note]  # fmt: skip


def build(
    con: Connection,
    catalogue: Catalogue,
    workspace_mappings: Path | None,
    today: date,
    full: bool = False,
    params: Params | None = None,
    run_id: str | None = None,
    frozen_files: Path | None = None,
    findings_files: Path | None = None,
    lint: bool = True,
) -> BuildReport:
    """Bring classes, teams, findings and checks up to date with the ledger.

    Args:
        workspace_mappings: the folder with teams.csv and the others; need not exist.
        today: findings look at the days before it.
        full: build every stage, changed or not.
        params: parameters that differ from their defaults: query id -> name -> value.
        run_id: how ``ops.checks`` names this build; default a new one.
        frozen_files: the folder of the frozen months; need not exist.
        findings_files: the folder of the journal of findings; need not exist. Left out: findings are not followed over days.
        lint: look at all files before the first stage, and tell all of their problems; else a rule's show when it runs.

    Raises:
        ConfigError: a mapping file or a parameter is wrong.
        FrozenMonthError: what was booked of a frozen month is lost or damaged.
        FindingsJournalError: the journal of findings is damaged.
        QueryFileError: a query breaks its contract or fails.
        CheckFailedError: a stop-grade check failed. Its outcome is in ``ops.checks``.
    """
    given: Params = params or {}
    with all_at_once(catalogue, workspace_mappings, given) if lint else nullcontext():
        check_params(catalogue, given)
        mappings = read_mappings(con, catalogue, workspace_mappings)
        if lint:
            _check_own_queries(con, catalogue, mappings)
    frozen = FrozenFiles(frozen_files).verified(con) if frozen_files else []
    journal = FindingsJournal(findings_files) if findings_files else None
    noted = journal.fingerprint(today) if journal else ""
    report = BuildReport(run_id or uuid.uuid4().hex[:12])
    settings = digest(sorted((query_id, sorted(values.items())) for query_id, values in given.items()))
    ledger = _ledger_state(con)
    runner = _Runner(con, report, full)

    runner.stage("mappings", digest([mappings.digest]), lambda: _mappings(con, mappings), "FROM mapping.teams")
    classified = digest([layer_digest(catalogue, "classify"), mappings.digest, settings, ledger])
    runner.stage("classify", classified, lambda: classify(con, catalogue, given, today), "FROM ledger.dimension_class")
    allocated = digest([layer_digest(catalogue, "allocate"), classified, *fingerprint(frozen)])
    runner.stage(
        "allocate",
        allocated,
        lambda: _allocate(con, catalogue, given, today, frozen),
        "FROM allocation.dimension_team WHERE book = 0",
    )
    found = digest([layer_digest(catalogue, "findings"), allocated, today, noted])
    runner.stage("find", found, lambda: _find(con, catalogue, given, today, journal), "FROM findings.findings")
    report.exception_notes = [*exception_notes(con, today), *scope_notes(con, given)]
    checked = digest([layer_digest(catalogue, "checks"), found])
    _check(con, catalogue, given, today, runner, checked)
    if journal:  # after the checks, and whether or not anything was built: a run that was killed before it came here is made good
        journal.note(con, today)
    return report


def _check_own_queries(con: Connection, catalogue: Catalogue, mappings: Mappings) -> None:
    """Refuse a wrong query of the user's before the first stage. Not looked at again until a query or a table has changed.

    Raises:
        QueryFileError: naming every problem of every query.
    """
    if not any(query.origin != "shipped" for layer in _LAYERS for query in catalogue.layer(layer)):
        return
    tables = [(table.name, table.columns) for table in mappings.tables]
    state = digest([*(layer_digest(catalogue, layer) for layer in _LAYERS), *tables])
    if con.execute("FROM ops.stages WHERE stage = 'queries' AND fingerprint = ?", [state]).fetchall():
        return
    if problems := catalogue_problems(catalogue, mappings, _LAYERS)[1]:
        refuse(problems)
    _note_stage(con, "queries", state)


class _Runner:
    """Runs a stage unless its fingerprint is the one of its last result."""

    def __init__(self, con: Connection, report: BuildReport, full: bool) -> None:
        self.con, self.report, self.full = con, report, full
        self.known = dict(con.execute("SELECT stage, fingerprint FROM ops.stages").fetchall())

    def unchanged(self, stage: str, fingerprint: str) -> bool:
        return not self.full and self.known.get(stage) == fingerprint

    def stage(self, stage: str, fingerprint: str, work: Callable[[], list[RuleOutcome]], result: str) -> None:
        started = time.monotonic()
        rules: list[RuleOutcome] = []
        status = "unchanged"
        if not self.unchanged(stage, fingerprint):
            with transaction(self.con):
                rules = work()
                self.note(stage, fingerprint)
            status = "built"
        rows = count(self.con, result)
        self.report.stages.append(StageReport(stage, status, rows, time.monotonic() - started, tuple(rules)))

    def note(self, stage: str, fingerprint: str) -> None:
        _note_stage(self.con, stage, fingerprint)


def _note_stage(con: Connection, stage: str, fingerprint: str) -> None:
    con.execute(
        "INSERT OR REPLACE INTO ops.stages VALUES (?, ?, ?)",
        [stage, fingerprint, datetime.now(tz=UTC).replace(tzinfo=None)],
    )


def _mappings(con: Connection, mappings: Mappings) -> list[RuleOutcome]:
    store_mappings(con, mappings)
    return []


def _allocate(
    con: Connection, catalogue: Catalogue, params: Params, today: date, frozen: list[FrozenMonth]
) -> list[RuleOutcome]:
    outcomes = allocate(con, catalogue, params, today)
    note_open(con, frozen)
    fill_books(con, frozen)
    return outcomes


def _find(
    con: Connection, catalogue: Catalogue, params: Params, today: date, journal: FindingsJournal | None
) -> list[RuleOutcome]:
    readers = [
        *catalogue.layer("findings"),
        *(query for query in catalogue.layer("checks") if "findings." in query.body),
    ]
    if not readers and not journal:  # then nobody reads what is gathered for the rules
        con.execute("DELETE FROM findings.findings")
        return []
    outcomes = find(con, catalogue, params, today)
    if journal:
        follow(con, journal.before(today), [query.id for query in catalogue.layer("findings")], today)
    return outcomes


def _check(
    con: Connection, catalogue: Catalogue, params: Params, today: date, runner: _Runner, fingerprint: str
) -> None:
    started = time.monotonic()
    report = runner.report
    if runner.unchanged("check", fingerprint):
        report.checks = _last_outcomes(con, catalogue)
        report.stages.append(StageReport("check", "unchanged", len(report.checks), time.monotonic() - started))
        return
    with transaction(con):
        report.checks = check(con, catalogue, params, today)
        _note_checks(con, report)
        failed = [each for each in report.checks if not each.passed and each.grade == "stop"]
        if not failed:  # a failed check is not settled: the next build looks again
            runner.note("check", fingerprint)
    report.stages.append(StageReport("check", "built", len(report.checks), time.monotonic() - started))
    if failed:
        raise CheckFailedError(
            "; ".join(f"{each.check_id} ({each.title}): {each.detail}" for each in failed),
            next_step=f"Look at ops.checks, run {report.run_id}. Nothing should be published until this is understood.",
        )


def _note_checks(con: Connection, report: BuildReport) -> None:
    now = datetime.now(tz=UTC).replace(tzinfo=None)
    for each in report.checks:
        con.execute(
            "INSERT INTO ops.checks VALUES (?, ?, ?, ?, ?, ?)",
            [report.run_id, each.check_id, each.grade, each.passed, each.detail, now],
        )


def _last_outcomes(con: Connection, catalogue: Catalogue) -> list[CheckOutcome]:
    rows = con.execute(
        "SELECT check_id, grade, passed, detail FROM ops.checks "
        "WHERE run_id = (SELECT arg_max(run_id, checked_at) FROM ops.checks) ORDER BY check_id"
    ).fetchall()
    titles = {query.id: query.title for query in catalogue.layer("checks")}
    return [
        CheckOutcome(check_id, titles.get(check_id, check_id), grade, passed, int(not passed), detail)
        for check_id, grade, passed, detail in rows
    ]


def _ledger_state(con: Connection) -> str:
    """A name for what is in the ledger: it changes with every load and every dimension."""
    loads = con.execute(
        "SELECT load_id, slice_id, status, mapping_version, row_count, loaded_at FROM ops.loads ORDER BY ALL"
    ).fetchall()
    newest = con.execute(
        "SELECT load_id FROM inventory.resources GROUP BY load_id ORDER BY max(seen_at), load_id"
    ).fetchall()
    dimensions = con.execute("SELECT count(*), max(dimension_id) FROM ledger.dimension").fetchone()
    return digest([*loads, *newest, dimensions])
