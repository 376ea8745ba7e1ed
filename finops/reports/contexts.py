"""What a report says, as frozen dataclasses. Everything is computed here; a template only prints.

The names of the fields are the contract with users' own templates: they may grow, they do not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from finops.periods import Period
from finops.reports.analyses import Result
from finops.reports.charts import Chart
from finops.reports.money import Money
from finops.reports.tables import Table


@dataclass(frozen=True)
class Contributor:
    """One thing that moved the total."""

    name: str
    """``HyperPod cluster q7m3xk2v9pab``."""
    team: str
    tint: str
    how: str
    """``new``, ``gone``, ``more`` or ``less``."""
    change: Money
    bar: str
    """Its part of the largest move, in percent, as CSS has it."""


@dataclass(frozen=True)
class Headline:
    """The answer for one currency."""

    currency: str
    total: Money
    billed: Money
    previous: Money
    change: Money
    change_percent: str
    """``+41.6 %``, or nothing if there is nothing to compare with."""
    direction: str
    """``up``, ``down``, ``same`` or ``unknown``."""
    reason: str
    """The largest moves in one sentence."""
    contributors: tuple[Contributor, ...]
    top_team: str
    top_team_tint: str
    top_team_cost: Money
    top_team_share: str
    unallocated: Money
    unallocated_share: str
    saving: Money
    """What stopping all that is idle or underused saves in a month, as far as known; unknown if no finding says."""
    waste_count: int
    unknown_count: int
    """Findings whose verdict is unknown."""
    unknown_cost: Money
    """What those cost in a month, as far as known."""


@dataclass(frozen=True)
class Section:
    """A named query with its tables."""

    id: str
    title: str
    lead: str
    empty: str
    """What to say if there are no tables."""
    tables: tuple[Table, ...]
    command: str
    """What to type to get all rows."""
    csv: str
    """The file beside the page that has all rows."""


@dataclass(frozen=True)
class Trend:
    """Thirteen weeks, and the days of the period, of one currency."""

    currency: str
    weeks: Chart
    table: Table
    """The chart's numbers."""
    days: Chart | None


@dataclass(frozen=True)
class Coverage:
    """How the spend of one currency found its team, over time."""

    currency: str
    weeks: Chart
    """Thirteen weeks, in percent, stacked by method."""
    months: Table
    """A row per month, a column per method."""
    teams: Table
    """A row per team: what was tagged directly, month by month."""


@dataclass(frozen=True)
class Balance:
    """Does it match the bill, for one currency and the billing months that the period touches."""

    currency: str
    months: str
    """``October 2026``."""
    delivered: Money
    ledger: Money
    allocated: Money
    difference: Money
    """The larger of the two differences, over all billing months; zero is what it must be."""
    matches: bool | None
    """None: a side is unknown."""
    provisional: Money
    """The part of these months that has no invoice id yet."""


@dataclass(frozen=True)
class WeeklyReport:
    """All that ``weekly.html`` may use, under these names."""

    title: str
    organisation: str
    """Whose report it is; may be empty."""
    period: Period
    previous: Period
    today: date
    tool_version: str
    data_through: date | None
    """The last day of the period up to which every source has charges."""
    headlines: tuple[Headline, ...]
    trends: tuple[Trend, ...]
    coverages: tuple[Coverage, ...]
    sections: dict[str, Section]
    """By id: teams, services, kinds, accounts, resources, changes, waste, resolved, unknowns, untagged, owners, coverage,
    near_misses, shared, commitments, tokens, apart, bills, holes, sources, checks."""
    balances: tuple[Balance, ...]
    matches: bool | None
    """All balances match; None if one is unknown or nothing is loaded."""
    incomplete_sources: tuple[str, ...]
    """Sources of which the last collection could not read something."""
    warnings: tuple[str, ...]
    """Sentences: sources that are stale or missing, checks that failed, totals that do not match."""
    trend_command: str
    coverage_commands: dict[str, str]
    """What to type for the rows of ``coverages``: weeks, months, teams."""
    results: tuple[Result, ...]
    """Every query's rows: the CSV files."""
