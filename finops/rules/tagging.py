"""Gives each kind of charge a team or a pool, rule by rule: the first rule in order that answers has it, for the time it names.

Every rule of ``queries/allocate/`` but those that split is asked once, and answers for dimensions, never for rows of the bill.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import pairwise

from finops.errors import QueryFileError
from finops.rules.catalogue import Catalogue
from finops.rules.contract import refuse_columns
from finops.rules.header import QueryFile, header_line, nearest
from finops.rules.outcomes import RuleOutcome
from finops.rules.problems import Problems, listed
from finops.rules.run import Params, columns_of, count, materialise, parameter_values
from finops.rules.sql_errors import line_of
from finops.warehouse.connection import Connection, DatabaseError
from finops.warehouse.shares import BEGINNING, END

POOLS = "SELECT pool FROM mapping.pools UNION SELECT pool FROM temp.given"
"""The pools that there are: those of pools.csv, and those that the rules so far have made by giving weights."""


def tagging_rules(catalogue: Catalogue) -> list[QueryFile]:
    """The rules that decide on charges, in order."""
    return [query for query in catalogue.layer("allocate") if not is_splitting(query)]


def is_splitting(query: QueryFile) -> bool:
    """Does the rule divide pools, rather than decide on charges?"""
    return query.extra.get("splits") == "pools"


def tag(con: Connection, catalogue: Catalogue, params: Params, today: date) -> list[RuleOutcome]:
    """Fill the open book of ``allocation.dimension_team``, and ``temp.given`` with the weights that rules give at once.

    Raises:
        QueryFileError: naming every rule that fails or breaks its contract.
    """
    refuse_equal_orders(catalogue.layer("allocate"))
    _sum_up_months(con)
    con.execute("DELETE FROM allocation.dimension_team WHERE book = 0")
    con.execute("DELETE FROM allocation.gap")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE given (pool VARCHAR, valid_from TIMESTAMP, valid_until TIMESTAMP, "
        "BillingCurrency VARCHAR, Team VARCHAR, basis DECIMAL(38, 18), rule_id VARCHAR, rule_version INTEGER, reason VARCHAR)"
    )
    outcomes, problems = [], Problems()
    for query in tagging_rules(catalogue):
        with problems:
            values = parameter_values(con, query, today, params.get(query.id, {}))
            matched = materialise(con, query, values, "matched")
            columns = columns_of(con, "temp.matched")
            refuse_columns(query, columns)
            if not matched:
                outcomes.append(RuleOutcome(query.id, 0, 0))
                continue
            with answer_of(con, query):
                outcomes.append(_decide(con, query, columns))
    problems.tell()
    for table in ("matched", "answer", "weighed", "piece"):
        con.execute(f"DROP TABLE IF EXISTS temp.{table}")
    return outcomes


def _decide(con: Connection, query: QueryFile, columns: dict[str, str]) -> RuleOutcome:
    _normalise(con, query, columns)
    weighs = "Weight" in columns
    _refuse_two_answers(con, query, weighs)
    if weighs:
        _pool_weights(con, query)
    return _take(con, query, weighs)


def _sum_up_months(con: Connection) -> None:
    con.execute("DELETE FROM allocation.dimension_month")
    con.execute(
        """INSERT INTO allocation.dimension_month
        WITH sums AS (
            SELECT dimension_id, slice_id, CAST(date_trunc('month', ChargePeriodStart) AS DATE) AS month, count(*) AS charges,
                sum(BilledCost) AS billed, sum(BilledCost + EffectiveCostDelta) AS effective
            FROM ledger.charge GROUP BY ALL
        )
        SELECT c.dimension_id, c.month, min(s.billing_account_id), d.BillingCurrency, CAST(sum(c.charges) AS BIGINT),
            CAST(sum(c.billed) AS DECIMAL(38, 18)), CAST(sum(c.effective) AS DECIMAL(38, 18))
        FROM sums AS c
        JOIN ledger.slice AS s ON s.slice_id = c.slice_id
        JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
        GROUP BY c.dimension_id, c.month, d.BillingCurrency"""
    )


def _normalise(con: Connection, query: QueryFile, columns: dict[str, str]) -> None:
    """``temp.answer``: what the rule said, within the days in which the rule itself holds. No name is no answer; the weight
    of no name is nobody's, not the others'."""
    begins, ends = when_valid(query, columns)
    team, weight = "nullif(trim(Team), '')", "CAST(NULL AS DECIMAL(38, 18))"
    if "Weight" in columns:
        team, weight = f"coalesce({team}, 'unallocated')", WHOLE_WEIGHT
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE answer AS SELECT CAST(x_DimensionId AS BIGINT) AS dimension_id, {begins} AS valid_from, "
        f"{ends} AS valid_until, {team} AS Team, {weight} AS basis, x_AllocationReason AS reason FROM temp.matched "
        f"WHERE {team} IS NOT NULL AND x_DimensionId IS NOT NULL AND {begins} < {ends}"
    )


WHOLE_WEIGHT = (
    "CASE WHEN abs(Weight) >= 1000000000000000000 THEN error('a weight is below 10^18, not ' || Weight) "
    "ELSE CAST(Weight AS DECIMAL(38, 18)) END"
)
"""A weight as it is kept: sums of many of them have to fit too."""


def when_valid(query: QueryFile, columns: dict[str, str]) -> tuple[str, str]:
    """SQL for the beginning and the end of an answer: what its row says, within what the rule's header says."""
    begins = f"TIMESTAMP '{query.extra['valid_from']}'" if query.extra.get("valid_from") else BEGINNING
    ends = f"TIMESTAMP '{query.extra['valid_until']}'" if query.extra.get("valid_until") else END
    if "ValidFrom" in columns:
        begins = f"greatest({begins}, coalesce(CAST(ValidFrom AS TIMESTAMP), {BEGINNING}))"
    if "ValidUntil" in columns:
        ends = f"least({ends}, coalesce(CAST(ValidUntil AS TIMESTAMP), {END}))"
    return begins, ends


@contextmanager
def answer_of(con: Connection, query: QueryFile) -> Iterator[None]:
    """What the database can't do with a rule's answer is the rule's problem.

    Raises:
        QueryFileError: in place of the database's error.
    """
    try:
        yield
    except DatabaseError as error:
        told = str(error).splitlines()[0].strip().removeprefix("Invalid Input Error: ")
        raise QueryFileError(f"its answer can't be used: {told}", where=str(query.path)) from error


def _refuse_two_answers(con: Connection, query: QueryFile, weighs: bool) -> None:
    """At any time a dimension has one answer, or answers of one time span with weights."""
    spans = "SELECT DISTINCT dimension_id, valid_from, valid_until FROM temp.answer" if weighs else "FROM temp.answer"
    if count(con, f"FROM ({spans})") == count(con, "FROM (SELECT DISTINCT dimension_id FROM temp.answer)"):
        return
    row = con.execute(
        f"SELECT dimension_id, valid_from, lag(valid_until) OVER w AS before FROM ({spans}) "
        "WINDOW w AS (PARTITION BY dimension_id ORDER BY valid_from, valid_until) "
        "QUALIFY valid_from < before ORDER BY dimension_id LIMIT 1"
    ).fetchone()
    if row is None:
        return
    said = con.execute(
        "SELECT DISTINCT Team || coalesce(' (' || reason || ')', '') FROM temp.answer WHERE dimension_id = ? ORDER BY 1 LIMIT 4",
        [row[0]],
    ).fetchall()
    raise QueryFileError(
        f"says more than one thing about the charges of dimension {row[0]}: {'; '.join(each for (each,) in said)}",
        where=str(query.path),
        next_step="Rank its rows and keep the first, or return a column Weight if the charges are shared"
        + (
            ": all rows of a dimension must then have the same ValidFrom and ValidUntil, or not overlap."
            if weighs
            else "."
        ),
    )


def _pool_weights(con: Connection, query: QueryFile) -> None:
    """Make a pool of each distinct set of weights: dimensions that are shared alike share a pool."""
    con.execute(
        """CREATE OR REPLACE TEMP TABLE weighed AS
        WITH summed AS (
            SELECT dimension_id, valid_from, valid_until, Team, sum(greatest(basis, 0))::DECIMAL(38, 18) AS basis,
                min(reason) AS reason
            FROM temp.answer GROUP BY ALL
        ),
        listed AS (
            SELECT dimension_id, valid_from, valid_until, min(reason) AS reason,
                coalesce(list({'team': Team, 'basis': basis} ORDER BY Team) FILTER (basis > 0),
                         [{'team': 'unallocated', 'basis': 0}]) AS weights
            FROM summed GROUP BY ALL
        )
        SELECT *, $rule || ':' || left(md5(CAST(weights AS VARCHAR)), 12) AS pool FROM listed""",
        {"rule": query.id},
    )
    con.execute(
        f"""INSERT INTO temp.given
        SELECT pool, {BEGINNING}, {END}, NULL, w.team, w.basis, $rule, $version, NULL
        FROM (SELECT pool, unnest(any_value(weights)) AS w FROM temp.weighed GROUP BY pool)""",
        {"rule": query.id, "version": query.version},
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE answer AS SELECT dimension_id, valid_from, valid_until, pool AS Team, "
        "NULL::DECIMAL(38, 18) AS basis, reason FROM temp.weighed"
    )


def _take(con: Connection, query: QueryFile, weighs: bool) -> RuleOutcome:
    """Add what no rule before has taken, and note which dimensions are taken for a part of the time."""
    matched = count(con, "FROM (SELECT DISTINCT dimension_id FROM temp.answer)")
    con.execute(
        """CREATE OR REPLACE TEMP TABLE piece AS
        SELECT a.dimension_id, a.valid_from, a.valid_until, a.Team, a.reason
        FROM temp.answer AS a
        ANTI JOIN (SELECT dimension_id FROM allocation.dimension_team WHERE book = 0) AS t USING (dimension_id)
        UNION ALL
        SELECT a.dimension_id, greatest(a.valid_from, g.open_from), least(a.valid_until, g.open_until), a.Team, a.reason
        FROM temp.answer AS a
        JOIN allocation.gap AS g ON g.dimension_id = a.dimension_id
        WHERE greatest(a.valid_from, g.open_from) < least(a.valid_until, g.open_until)"""
    )
    con.execute(
        f"""INSERT INTO allocation.dimension_team
        SELECT 0, p.dimension_id, p.valid_from, p.valid_until, p.Team, m.pool IS NOT NULL OR $weighs, $rule, $version,
            $method, p.reason
        FROM temp.piece AS p LEFT JOIN ({POOLS}) AS m ON m.pool = p.Team""",
        {"rule": query.id, "version": query.version, "method": query.extra["method"], "weighs": weighs},
    )
    _note_gaps(con)
    return RuleOutcome(query.id, matched, count(con, "FROM (SELECT DISTINCT dimension_id FROM temp.piece)"))


def _note_gaps(con: Connection) -> None:
    """What is still open of the dimensions that the last rule has taken in part."""
    limited = count(con, f"FROM temp.piece WHERE valid_from > {BEGINNING} OR valid_until < {END}")
    if not limited:
        return
    con.execute("DELETE FROM allocation.gap WHERE dimension_id IN (SELECT dimension_id FROM temp.piece)")
    con.execute(
        f"""INSERT INTO allocation.gap
        WITH taken AS (
            SELECT dimension_id, valid_from, valid_until FROM allocation.dimension_team
            WHERE book = 0 AND dimension_id IN (SELECT dimension_id FROM temp.piece)
            UNION ALL
            SELECT DISTINCT dimension_id, {END}, {END} FROM temp.piece
        ),
        between AS (
            SELECT dimension_id, valid_from AS open_until,
                coalesce(lag(valid_until) OVER (PARTITION BY dimension_id ORDER BY valid_from), {BEGINNING}) AS open_from
            FROM taken
        )
        SELECT dimension_id, open_from, open_until FROM between WHERE open_from < open_until"""
    )


def refuse_equal_orders(queries: list[QueryFile]) -> None:
    """Two rules of one order would leave to chance which of them wins.

    Raises:
        QueryFileError: there are two.
    """
    for one, other in pairwise(queries):
        if one.order == other.order:
            raise QueryFileError(
                f"order {one.order} is taken by '{one.id}' and '{other.id}': which of the two wins must not depend on chance",
                where=f"{other.path}{header_line(other.path, 'order')}",
            )


def refuse_unknown_teams(con: Connection, catalogue: Catalogue) -> None:
    """Where teams are listed, a rule can't invent one.

    Raises:
        QueryFileError: naming every such team and the rule that gave it.
    """
    problems = list(_unknown_teams(con, catalogue))
    if problems:
        raise QueryFileError(
            listed(problems, "the queries"), next_step="Add the team to mappings/teams.csv, or correct the rule's SQL."
        )


def _unknown_teams(con: Connection, catalogue: Catalogue) -> Iterator[str]:
    known = [team for (team,) in con.execute("FROM mapping.teams SELECT team").fetchall()]
    if not known:
        return
    found = con.execute(
        "SELECT DISTINCT x_AllocationRuleId, Team FROM ("
        "SELECT x_AllocationRuleId, Team FROM allocation.dimension_team WHERE book = 0 AND NOT is_pool UNION "
        "SELECT x_AllocationRuleId, Team FROM allocation.pool_step WHERE book = 0 AND NOT is_pool) "
        "WHERE Team <> 'unallocated' AND Team NOT IN (SELECT team FROM mapping.teams) ORDER BY ALL"
    ).fetchall()
    for rule, team in found:
        query = catalogue.get(rule, "allocate")
        place = f"{query.path}{line_of(query, repr(team))}"
        yield f"{place}: returns the team '{team}', which teams.csv does not have{nearest(team, known)}"
