"""Computes a report from a warehouse: runs the named queries, then fills the dataclasses."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from finops import __version__
from finops.periods import Period
from finops.reports.analyses import Result, run_analysis
from finops.reports.balance import all_match, balances, books
from finops.reports.care import disagreements, late, warnings
from finops.reports.colours import tints
from finops.reports.contexts import Brand, Headline, Report, Section
from finops.reports.coverage import coverages
from finops.reports.fixes import fixes
from finops.reports.headline import compared_days, headlines
from finops.reports.sections import COVERAGE_QUERIES, DAILY_QUERIES, MONTHLY_QUERIES, PLANS, TREND_QUERIES, Plan
from finops.reports.tables import Layout, build_tables
from finops.reports.trend import trends
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection
from finops.warehouse.scope import Lens

TITLES = {"weekly": "Cloud and AI spend", "monthly": "Cloud and AI spend of the month"}
"""The reports that there are, and what stands on their first line."""
_SPENT = ("spend_by_team", "spend_weekly", "spend_monthly")
_EVERYBODYS = ("sources_freshness", "source_holes")
"""Queries whose rows are the same for a team: of a source that it has no charge of it cannot say whether it came."""


def compute_report(
    con: Connection,
    catalogue: Catalogue,
    period: Period,
    today: date,
    *,
    name: str = "weekly",
    title: str = "",
    brand: Brand = Brand(),  # noqa: B008
    company: Report | None = None,
    team: str = "",
    team_name: str = "",
    as_of: datetime | None = None,
    lens: Lens | None = None,
) -> Report:
    """All numbers of a report.

    Args:
        con: may be read-only; nothing is written. For a team it is the ledger as the team sees it (``warehouse.scope``).
        today: what a query's ``$today`` is; the clock is never read.
        company: for a team, the company's report: what it says about the bill, the sources and the colours holds here too.
        as_of: the warehouse holds what had landed by then, and the report says so.
        lens: shows charges added up to the queries that need no more.

    Raises:
        QueryFileError: a query (perhaps the user's own) does not run or lacks a column that the report shows.
    """
    plans = [plan for plan in PLANS if not (team and plan.whole_company)]
    theirs = {result.query.id: result for result in company.results} if company else {}
    results = _results(con, catalogue, name, period, today, team, theirs, lens)
    everybodys = theirs or results
    currencies = _currencies(results, company)
    colour = tints([*_teams(results), *_teams(theirs)], brand)
    begins = _begins(con)
    days = compared_days(period, period.previous(), today, begins)
    fix = {} if team else fixes(results["near_miss_tags"], results["untagged_spend"], currencies, command)
    sources = results["sources_freshness"].records()
    is_short = any(each["Status"] == "stale" for each in sources)
    heads = headlines(results, currencies, colour, days, fix, _by_currency(company), is_short=is_short)
    balanced = balances(everybodys["reconciliation"], period, [each.currency for each in heads])
    matched = books(heads, team, theirs["spend_by_team"].records()) if company else ()
    apart = disagreements(results)
    company_matches = all_match([each.matches for each in balanced])
    return Report(
        name=name,
        title=title or TITLES[name],
        organisation=brand.name,
        brand=brand,
        team=team,
        team_name=team_name or team,
        period=period,
        previous=period.previous(),
        today=today,
        tool_version=__version__,
        data_through=min((each["DataThrough"] for each in sources if each["DataThrough"]), default=None),
        headlines=heads,
        trends=trends(
            results["spend_weekly"],
            results.get("spend_daily"),
            results.get("spend_monthly"),
            period,
            currencies,
            colour,
            company.results if company else (),
        ),
        coverages=()
        if team
        else coverages(
            results["coverage_by_week"],
            results["coverage_by_month"],
            results["coverage_by_team"],
            period,
            currencies,
            colour,
        ),
        sections={plan.id: _section(plan, results[plan.query_id], currencies, colour, today, team) for plan in plans},
        balances=() if team else balanced,
        matches=all_match([company_matches, *(book.matches for book in matched), *(False for _ in apart)]),
        incomplete_sources=tuple(sorted({each["SourceId"] for each in results["source_holes"].records()})),
        warnings=warnings(
            balanced,
            matched,
            sources,
            everybodys["data_checks"].records(),
            company.as_of if company else as_of,
            team,
            period,
            begins,
            apart,
        ),
        trend_command=command(results["spend_weekly"], team),
        coverage_commands={}
        if team
        else {span: command(results[f"coverage_by_{span.removesuffix('s')}"]) for span in ("weeks", "months", "teams")},
        results=tuple(results.values()),
        total_command=command(results["spend_by_team"], team),
        month_command=command(results["spend_monthly"], team) if "spend_monthly" in results else "",
        books=matched,
        company_matches=company_matches,
        late_sources=late(sources),
        as_of=company.as_of if company else as_of,
    )


def _begins(con: Connection) -> date | None:
    """The first day of which the ledger knows anything, in any currency."""
    row = con.execute("SELECT min(first_day) FROM ledger.reach").fetchone()
    return row[0] if row else None


def _by_currency(company: Report | None) -> dict[str, Headline]:
    return {headline.currency: headline for headline in company.headlines} if company else {}


def command(result: Result, team: str = "") -> str:
    """What to type to get the rows of a result again."""
    team = "" if result.query.id in _EVERYBODYS else team
    period = f" --period {result.period.name}" if result.period else ""
    return f"finops analyze {result.query.id}{period}{f' --team {shlex.quote(team)}' if team else ''}"


def query_ids(name: str, *, of_team: bool) -> list[str]:
    """The queries of a report, in the order in which they are run."""
    extra = {*TREND_QUERIES, *(MONTHLY_QUERIES if name == "monthly" else ())}
    extra |= set() if of_team else {*DAILY_QUERIES, *COVERAGE_QUERIES}
    return sorted({plan.query_id for plan in PLANS if not (of_team and plan.whole_company)} | extra)


def _results(
    con: Connection,
    catalogue: Catalogue,
    name: str,
    period: Period,
    today: date,
    team: str,
    company: Mapping[str, Result],
    lens: Lens | None,
) -> dict[str, Result]:
    results = {}
    for query_id in query_ids(name, of_team=bool(team)):
        if query_id in _EVERYBODYS and query_id in company:
            results[query_id] = company[query_id]
            continue
        query = catalogue.get(query_id, "analyses")
        arguments = {name: period.name for name, each in query.params.items() if each.type == "period"}
        if lens:
            lens.show(added_up=query.extra.get("grain") == "period")
        results[query_id] = run_analysis(con, query, arguments, today, team)
    return results


def _currencies(results: Mapping[str, Result], company: Report | None) -> list[str]:
    """The currencies of the period, the one with the most rows of the bill first; then those of the weeks before.

    Not by amount: amounts of two currencies can't be compared. A team has the company's order.
    """
    if company:
        mine = {record["BillingCurrency"] for name in _SPENT if name in results for record in results[name].records()}
        return [headline.currency for headline in company.headlines if headline.currency in mine]
    rows: dict[str, int] = {}
    for record in results["allocation_coverage"].records():
        rows[record["BillingCurrency"]] = rows.get(record["BillingCurrency"], 0) + record["ChargeCount"]
    ranked = sorted(rows, key=lambda currency: (-rows[currency], currency))
    earlier = (*results["spend_weekly"].records(), *results["coverage_by_month"].records())
    others = {record["BillingCurrency"] for record in earlier} - set(ranked)
    return ranked + sorted(others)


def _teams(results: Mapping[str, Result]) -> list[str]:
    names = ("spend_weekly", "spend_monthly", "spend_by_team", "idle_ml", "coverage_by_team")
    return [record["Team"] for name in names if name in results for record in results[name].records()]


def _section(
    plan: Plan,
    result: Result,
    currencies: Sequence[str],
    colour: Mapping[str, str],
    today: date,
    team: str,
) -> Section:
    tables = build_tables(result, _narrowed(plan.layout) if team else plan.layout, currencies, colour)
    lead = plan.lead.format(today=f"{today.day} {today:%B %Y}")
    return Section(plan.id, plan.title, lead, plan.empty, tables, command(result, team), f"{result.query.id}.csv")


def _narrowed(layout: Layout) -> Layout:
    """Without the column that would name the team in every row."""
    return replace(layout, shows=tuple(show for show in layout.shows if show.column != "Team"))
