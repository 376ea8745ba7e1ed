"""What a report says, as frozen dataclasses. Everything is computed here; a template only prints.

The names of the fields are the contract with users' own templates: they may grow, they do not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from finops.periods import Period
from finops.reports.analyses import Result
from finops.reports.charts import Chart
from finops.reports.money import Money
from finops.reports.slugs import slugs
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
    why: str = ""
    """``new``, ``gone``, ``more used``, ``less used``, ``dearer`` or ``cheaper``: most of it; empty if that cannot be told."""


@dataclass(frozen=True)
class Move:
    """A part of the change of the total. The parts add up to it."""

    id: str
    """``new``, ``gone``, ``volume``, ``price`` or ``rest``."""
    label: str
    """``New``, ``Gone``, ``More used``, ``Dearer``: in words, by its sign."""
    change: Money
    bar: str
    """Its part of the largest part, in percent, as CSS has it."""


@dataclass(frozen=True)
class Part:
    """A part of a total."""

    name: str
    cost: Money
    share: str
    """``37.7 %``."""


@dataclass(frozen=True)
class OldWaste:
    """A finding that has been open for long."""

    name: str
    team: str
    tint: str
    since: date
    cost: Money
    """What it has cost since then."""
    saving: Money
    """What stopping it saves in a month."""

    @property
    def sentence(self) -> str:
        """``endpoint fraud-v2 since 3 August 2026, USD 4,200 so far``."""
        cost = f", {self.cost.whole} so far" if self.cost.is_known else ""
        return f"{self.name} since {self.since.day} {self.since:%B %Y}{cost}"


@dataclass(frozen=True)
class Fix:
    """The one line that would give most money of a currency a team."""

    line: str
    """``value,ml-reserch,ml-research``; ``TEAM`` stands for a team that a person must name."""
    file: str
    """``mappings/tag_aliases.csv``."""
    why: str
    """``1 letter from ml-research``; ``the account labs-core has no team``."""
    needs_a_name: bool
    """Is ``TEAM`` in the line?"""
    cost: Money
    """What of the period would have a team."""
    share: str
    """Of what belongs to nobody."""
    command: str

    @property
    def sentence(self) -> str:
        """``USD 1,234, 12.0 % of what is nobody's, gets a team by the line value,a-tema,a-team in mappings/tag_aliases.csv: …``"""
        named = ", with a team's id for TEAM" if self.needs_a_name else ""
        share = f", {self.share} of what is nobody's," if self.share else ""
        return f"{self.cost.whole}{share} gets a team by the line {self.line} in {self.file}{named}: {self.why}."


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
    split: tuple[Move, ...]
    """What is new, what is gone, and of what stayed: how much is volume, how much price, and where it is unclear which. Empty if
    there is nothing to compare with."""
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
    per_day: str = ""
    """The same comparison by the day, in words; empty where both periods have as many days."""
    spent_on: tuple[Part, ...] = ()
    """The kinds of work that cost most."""
    oldest: tuple[OldWaste, ...] = ()
    """What is idle or underused for longest."""
    fix: Fix | None = None
    """How most of what belongs to nobody would get a team with one line; None in a team's report."""


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
    months: Chart | None
    """Thirteen months, in the monthly report."""
    months_table: Table | None
    """That chart's numbers."""


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
    invoiced: Money
    """The part that has an invoice id."""
    difference: Money
    """The larger of the two differences, over all billing months; zero is what it must be."""
    matches: bool | None
    """None: a side is unknown."""
    provisional: Money
    """The part of these months that has no invoice id yet."""


@dataclass(frozen=True)
class Book:
    """Does a team's report match the company's, for one currency, in effective cost."""

    currency: str
    here: Money
    """What the team's own charges and shares add up to."""
    company: Money
    """The team's row in the company's report."""
    difference: Money
    matches: bool | None
    """None: a side is unknown."""


@dataclass(frozen=True)
class Brand:
    """How the company looks: ``[company]`` in ``finops.toml``."""

    name: str = ""
    logo: str = ""
    """The picture as a ``data:`` URI, or nothing."""
    logo_file: str = ""
    """Where it was read from."""
    accent: str = ""
    """``#1f4f8f``, or nothing: ours."""
    colours: tuple[tuple[str, str], ...] = ()
    """Teams whose colour the company has set: ``("ml-research", "#b3541e")``."""
    css: str = ""
    """Rules for these, to go after ``style.css``: each colour readable on a light and on a dark page."""

    @property
    def tint_of(self) -> dict[str, str]:
        """The colour class of each of those teams: ``tint-own-0``."""
        return {team: f"tint-own-{index}" for index, (team, _) in enumerate(self.colours)}


@dataclass(frozen=True)
class Report:
    """All that a template may use, under these names."""

    name: str
    """``weekly`` or ``monthly``."""
    title: str
    organisation: str
    """Whose report it is; may be empty."""
    brand: Brand
    team: str
    """The team whose report it is; empty: the company's."""
    team_name: str
    """As people call it."""
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
    near_misses, shared, commitments, tokens, apart, bills, holes, sources, checks. A team's report lacks those that are about the
    whole company: teams, untagged, owners, coverage, near_misses, bills, checks."""
    balances: tuple[Balance, ...]
    """Empty in a team's report, which has ``books``."""
    matches: bool | None
    """All balances match, and a team's books; None if one is unknown or nothing is loaded."""
    incomplete_sources: tuple[str, ...]
    """Sources of which the last collection could not read something."""
    warnings: tuple[str, ...]
    """Sentences: sources that are stale or missing, checks that failed, totals that do not match."""
    trend_command: str
    coverage_commands: dict[str, str]
    """What to type for the rows of ``coverages``: weeks, months, teams."""
    results: tuple[Result, ...]
    """Every query's rows: the CSV files."""
    total_command: str = ""
    """What to type for the total of each team."""
    month_command: str = ""
    """The same for the months of ``trends``; empty in the weekly report."""
    books: tuple[Book, ...] = ()
    """Of a team: its total here and its row in the company's report."""
    company_matches: bool | None = None
    """Do the company's books match the bill?"""
    late_sources: tuple[str, ...] = ()
    """Sources that are not current: ``aws-labs (stale)``."""
    as_of: datetime | None = None
    """UTC: it was made again from what had landed by then; None: from all that has landed."""

    @property
    def as_of_label(self) -> str:
        """``as of 20 October 2026, 23:59:59 UTC``; empty where there is no ``as_of``."""
        return f"as of {self.as_of.day} {self.as_of:%B %Y, %H:%M:%S} UTC" if self.as_of else ""

    @property
    def so_far(self) -> str:
        """``25 of 31 days``: how much of the period was over on the report's day; empty if all of it was."""
        days = days_over(self.period, self.today)
        return f"{days} of {self.period.days} days" if days < self.period.days else ""

    @property
    def slug(self) -> str:
        """Its name as part of a file's name: ``weekly-2026-W43``, ``weekly-2026-W43-ml-research``,
        ``weekly-2026-W43-as-of-20261020T235959Z``."""
        as_of = f"-as-of-{self.as_of:%Y%m%dT%H%M%SZ}" if self.as_of else ""
        team = f"-{slugs([self.team])[self.team]}" if self.team else ""
        return f"{self.name}-{self.period.slug}{as_of}{team}"


def days_over(period: Period, today: date) -> int:
    """How many days of a period are over on a day."""
    return max((min(today, period.end) - period.start).days, 0)
