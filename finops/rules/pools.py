"""Divides pools: every pool's rule gives weights, weights become fractions that add up to 1, pools in pools are followed through.

All of it is done in DECIMAL and whole numbers, per pool, month and currency; charges are divided by the view that reads it
(``warehouse.shares``). Months are those in which charges begin.
"""

from __future__ import annotations

from datetime import date

from finops.errors import AllocationError, QueryFileError
from finops.rules.catalogue import Catalogue
from finops.rules.contract import refuse_columns
from finops.rules.header import QueryFile, nearest
from finops.rules.outcomes import RuleOutcome
from finops.rules.problems import Problems, listed
from finops.rules.run import Params, columns_of, count, materialise, parameter_values
from finops.rules.tagging import POOLS, WHOLE_WEIGHT, answer_of, is_splitting, when_valid
from finops.warehouse.connection import Connection
from finops.warehouse.shares import BEGINNING, WEIGHT

_UNIT = "1000000000"
_PLACE = "month, valid_from, valid_until, BillingCurrency"
"""Where in time and currency a weight holds."""


def split(con: Connection, catalogue: Catalogue, params: Params, today: date) -> list[RuleOutcome]:
    """Fill the open book of ``allocation.pool_step`` and ``allocation.pool_share``.

    Reads ``temp.given``, to which the tagging rules have added theirs.

    Raises:
        QueryFileError: naming every rule that fails or breaks its contract.
        AllocationError: pools feed each other in a circle, or one that must not be empty has nothing to be divided by.
    """
    outcomes, problems = [], Problems()
    for query in filter(is_splitting, catalogue.layer("allocate")):
        with problems:
            outcomes.append(_ask(con, query, params, today))
    problems.tell()
    con.execute(f"CREATE OR REPLACE TEMP TABLE known_pool AS {POOLS}")
    _refuse_circles(con)
    con.execute("DELETE FROM allocation.pool_step WHERE book = 0")
    con.execute("DELETE FROM allocation.pool_share WHERE book = 0")
    if count(con, "FROM allocation.dimension_team WHERE book = 0 AND is_pool"):
        _months_in_use(con)
        _steps(con)
        _shares(con)
    for table in ("given", "matched", "said", "known_pool", "demand", "segment", "step", "path"):
        con.execute(f"DROP TABLE IF EXISTS temp.{table}")
    return outcomes


def _ask(con: Connection, query: QueryFile, params: Params, today: date) -> RuleOutcome:
    """What a rule that splits says about the pools that name it."""
    values = parameter_values(con, query, today, params.get(query.id, {}))
    matched = materialise(con, query, values, "matched")
    columns = columns_of(con, "temp.matched")
    refuse_columns(query, columns)
    if not matched:
        return RuleOutcome(query.id, 0, 0)
    _refuse_unknown_pools(con, str(query.path))
    begins, ends = when_valid(query, columns)
    weight = "CAST(Percent AS DECIMAL(38, 18))" if "Percent" in columns else WHOLE_WEIGHT
    currency = "nullif(upper(trim(r.BillingCurrency)), '')" if "BillingCurrency" in columns else "NULL::VARCHAR"
    reason = "r.x_AllocationReason" if "x_AllocationReason" in columns else "NULL::VARCHAR"
    with answer_of(con, query):
        con.execute(
            f"""CREATE OR REPLACE TEMP TABLE said AS
            SELECT p.pool, {begins} AS valid_from, {ends} AS valid_until, {currency} AS BillingCurrency,
                coalesce(nullif(trim(r.Team), ''), 'unallocated') AS Team, {weight} AS basis, {reason} AS reason
            FROM temp.matched AS r JOIN mapping.pools AS p ON p.pool = r.Pool AND p.split = $rule
            WHERE {begins} < {ends}""",
            {"rule": query.id},
        )
    if "Percent" in columns:
        _refuse_percentages(con, str(query.path))
    con.execute(
        "INSERT INTO temp.given SELECT pool, valid_from, valid_until, BillingCurrency, Team, basis, $rule, $version, reason "
        "FROM temp.said",
        {"rule": query.id, "version": query.version},
    )
    pools = count(con, "FROM (SELECT DISTINCT pool FROM temp.given WHERE rule_id = $rule)", {"rule": query.id})
    return RuleOutcome(query.id, pools, pools)


def _refuse_unknown_pools(con: Connection, path: str) -> None:
    """A misspelt pool would be left to its fallback, in silence."""
    known = [pool for (pool,) in con.execute("SELECT pool FROM mapping.pools").fetchall()]
    said = con.execute("SELECT DISTINCT Pool FROM temp.matched WHERE Pool IS NOT NULL ORDER BY 1").fetchall()
    unknown = [f"'{pool}'{nearest(pool, known)}" for (pool,) in said if pool not in known]
    if unknown:
        raise QueryFileError(f"divides a pool that pools.csv does not have: {'; '.join(unknown)}", where=path)


def _refuse_percentages(con: Connection, path: str) -> None:
    """Percentages of a pool are not negative, and add up to 100 in each currency at every moment at which there are any."""
    wrong = con.execute(
        f"""WITH moments AS (
            SELECT DISTINCT pool, moment, currency FROM temp.said, unnest([valid_from, valid_until]) AS m(moment),
                (SELECT DISTINCT BillingCurrency AS currency FROM temp.said)
        ),
        sums AS (
            SELECT m.pool, m.moment, m.currency, sum(s.basis) AS total, min_by(s.Team, s.basis) AS team, min(s.basis) AS least
            FROM moments AS m
            JOIN temp.said AS s ON s.pool = m.pool AND m.moment >= s.valid_from AND m.moment < s.valid_until
                AND (s.BillingCurrency IS NULL OR s.BillingCurrency = m.currency)
            GROUP BY ALL
        )
        SELECT pool, CASE WHEN moment > {BEGINNING} THEN moment::DATE END AS day, currency, total, team, least
        FROM sums WHERE total <> 100 OR least < 0 ORDER BY ALL LIMIT 5"""
    ).fetchall()
    if wrong:
        told = "; ".join(
            f"pool '{pool}'{f' from {day}' if day else ''}{f' in {currency}' if currency else ''}: {total.normalize():f} %"
            + (f", with {least.normalize():f} % for '{team}'" if least < 0 else "")
            for pool, day, currency, total, team, least in wrong
        )
        positive = " and not be negative" if any(least < 0 for *_, least in wrong) else ""
        raise QueryFileError(f"percentages must add up to 100{positive}: {told}", where=path)


def _refuse_circles(con: Connection) -> None:
    """A pool that feeds itself, through others or not, could never be divided."""
    feeds: dict[str, set[str]] = {}
    for pool, receiver in con.execute(
        "SELECT DISTINCT g.pool, g.Team FROM temp.given AS g JOIN temp.known_pool AS p ON p.pool = g.Team WHERE g.basis > 0"
    ).fetchall():
        feeds.setdefault(pool, set()).add(receiver)
    circle = _circle(feeds)
    if circle:
        raise AllocationError(
            f"pools feed each other in a circle: {' -> '.join(circle)}",
            next_step="Take one of these receivers out: mappings/splits.csv, or the SQL of the rule that splits the pool.",
        )


def _circle(feeds: dict[str, set[str]]) -> list[str]:
    done: set[str] = set()

    def walk(pool: str, trail: list[str]) -> list[str]:
        if pool in trail:
            return [*trail[trail.index(pool) :], pool]
        if pool in done:
            return []
        for receiver in sorted(feeds.get(pool, ())):
            found = walk(receiver, [*trail, pool])
            if found:
                return found
        done.add(pool)
        return []

    for pool in sorted(feeds):
        if found := walk(pool, []):
            return found
    return []


def _months_in_use(con: Connection) -> None:
    """``temp.demand``: the pools, months and currencies that charges are in, and pools fed by these; ``temp.segment``: spans of
    months in which no weight begins or ends."""
    con.execute(
        """CREATE OR REPLACE TEMP TABLE demand AS
        SELECT DISTINCT t.Team AS pool, m.month, m.BillingCurrency
        FROM allocation.dimension_team AS t JOIN allocation.dimension_month AS m ON m.dimension_id = t.dimension_id
        WHERE t.book = 0 AND t.is_pool
          AND m.month < t.valid_until AND m.month + INTERVAL 1 MONTH > t.valid_from"""
    )
    while True:
        before = count(con, "FROM temp.demand")
        con.execute(
            """INSERT INTO temp.demand
            SELECT DISTINCT p.pool, d.month, d.BillingCurrency
            FROM temp.demand AS d JOIN temp.given AS g ON g.pool = d.pool JOIN temp.known_pool AS p ON p.pool = g.Team
            WHERE (p.pool, d.month, coalesce(d.BillingCurrency, ''))
              NOT IN (SELECT (pool, month, coalesce(BillingCurrency, '')) FROM temp.demand)"""
        )
        if count(con, "FROM temp.demand") == before:
            break
    con.execute(
        """CREATE OR REPLACE TEMP TABLE segment AS
        WITH months AS (SELECT DISTINCT month FROM temp.demand),
        cuts AS (
            SELECT month, CAST(month AS TIMESTAMP) AS moment FROM months
            UNION
            SELECT m.month, g.moment
            FROM (SELECT valid_from AS moment FROM temp.given UNION SELECT valid_until FROM temp.given) AS g
            JOIN months AS m ON g.moment > m.month AND g.moment < m.month + INTERVAL 1 MONTH
        )
        SELECT month, moment AS valid_from,
            coalesce(lead(moment) OVER (PARTITION BY month ORDER BY moment), month + INTERVAL 1 MONTH) AS valid_until
        FROM cuts"""
    )


def _steps(con: Connection) -> None:
    """``allocation.pool_step``: each pool's receivers with what they are measured by, and their fractions, which add up to 1."""
    con.execute(
        """CREATE OR REPLACE TEMP TABLE step AS
        SELECT d.pool, d.month, s.valid_from, s.valid_until, d.BillingCurrency, g.Team,
            sum(greatest(g.basis, 0))::DECIMAL(38, 18) AS basis, g.rule_id, g.rule_version,
            string_agg(DISTINCT g.reason, '; ' ORDER BY g.reason) AS reason
        FROM temp.demand AS d
        JOIN temp.segment AS s ON s.month = d.month
        JOIN temp.given AS g ON g.pool = d.pool AND (g.BillingCurrency IS NULL OR g.BillingCurrency = upper(d.BillingCurrency))
            AND g.valid_from <= s.valid_from AND g.valid_until >= s.valid_until
        GROUP BY ALL HAVING sum(greatest(g.basis, 0)) > 0"""
    )
    _fall_back(con)
    # a weight is the whole billionths in basis / sum of bases; bases are scaled so that their sum has 18 digits at most
    con.execute(
        f"""INSERT INTO allocation.pool_step
        WITH sized AS (
            SELECT *, length(nullif(CAST(trunc(sum(basis) OVER w) AS VARCHAR), '0')) AS digits FROM temp.step
            WINDOW w AS (PARTITION BY pool, {_PLACE})
        ),
        counted AS (
            SELECT *, CASE WHEN coalesce(digits, 0) <= 18
                THEN CAST(trunc(basis * CAST(rpad('1', (19 - coalesce(digits, 0))::INT, '0') AS DECIMAL(19, 0))) AS HUGEINT)
                ELSE CAST(trunc(basis) AS HUGEINT) // 100 END AS units
            FROM sized
        ),
        parts AS (
            SELECT *, CAST(CAST(units * {_UNIT}::HUGEINT // sum(units) OVER w AS DECIMAL(10, 0))
                * 0.000000001::DECIMAL(9, 9) AS {WEIGHT}) AS part
            FROM counted WINDOW w AS (PARTITION BY pool, {_PLACE})
        ),
        placed AS (
            SELECT *, row_number() OVER (PARTITION BY pool, {_PLACE} ORDER BY part DESC, Team) AS place,
                sum(part) OVER (PARTITION BY pool, {_PLACE}) AS total
            FROM parts
        )
        SELECT 0, p.pool, month, valid_from, valid_until, BillingCurrency, p.Team, m.pool IS NOT NULL, p.basis,
            CAST(part + CASE WHEN place = 1 THEN 1 - total ELSE 0 END AS {WEIGHT}), rule_id, rule_version, reason
        FROM placed AS p LEFT JOIN temp.known_pool AS m ON m.pool = p.Team"""
    )


def _fall_back(con: Connection) -> None:
    """A pool that has nothing to be divided by goes where it declares: evenly to its teams, or to nobody."""
    con.execute(
        """CREATE OR REPLACE TEMP TABLE empty_pool AS
        SELECT d.pool, d.month, s.valid_from, s.valid_until, d.BillingCurrency, m.split, m.fallback, m.line
        FROM temp.demand AS d JOIN temp.segment AS s ON s.month = d.month LEFT JOIN mapping.pools AS m ON m.pool = d.pool
        WHERE NOT EXISTS (SELECT 1 FROM temp.step AS t WHERE t.pool = d.pool AND t.valid_from = s.valid_from
            AND t.BillingCurrency IS NOT DISTINCT FROM d.BillingCurrency)"""
    )
    wrong = con.execute(
        "SELECT pool, strftime(month, '%Y-%m'), coalesce(BillingCurrency, 'no currency'), line, split FROM temp.empty_pool "
        "WHERE fallback = 'error' ORDER BY ALL LIMIT 5"
    ).fetchall()
    if wrong:
        raise AllocationError(
            listed([f"mappings/pools.csv:{line}: pool '{pool}' has nothing to be divided by in {month} ({currency}): "
                    f"rule '{rule}' gives no weight above zero" for pool, month, currency, line, rule in wrong],
                   "shared costs"),
            next_step="Its fallback is 'error'. Another one (even, unallocated) lets the build go on.",
        )  # fmt: skip
    version = "(SELECT coalesce(max(rule_version), 1) FROM temp.given AS g WHERE g.rule_id = e.split)"
    con.execute(
        f"""INSERT INTO temp.step
        SELECT e.pool, e.month, e.valid_from, e.valid_until, e.BillingCurrency, t.team, 1, e.split, {version},
            'nothing to divide by: evenly, as pools.csv declares'
        FROM temp.empty_pool AS e JOIN mapping.pool_teams AS t ON t.pool = e.pool WHERE e.fallback = 'even'
        UNION ALL
        SELECT e.pool, e.month, e.valid_from, e.valid_until, e.BillingCurrency, 'unallocated', 1,
            coalesce(e.split, split_part(e.pool, ':', 1)), {version}, 'nothing to divide by: left unallocated'
        FROM temp.empty_pool AS e
        WHERE e.fallback IS DISTINCT FROM 'even' OR NOT EXISTS (SELECT 1 FROM mapping.pool_teams AS t WHERE t.pool = e.pool)"""
    )
    con.execute("DROP TABLE temp.empty_pool")


def _shares(con: Connection) -> None:
    """``allocation.pool_share``: pools followed through to teams; the largest share takes the rest."""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE path AS SELECT pool, {_PLACE}, Team, is_pool, weight, "
        "CAST(NULL AS VARCHAR) AS through, x_AllocationRuleId, x_AllocationRuleVersion, x_AllocationReason "
        "FROM allocation.pool_step WHERE book = 0"
    )
    while count(con, "FROM temp.path WHERE is_pool"):
        con.execute(
            f"""CREATE OR REPLACE TEMP TABLE path AS
            SELECT * FROM temp.path WHERE NOT is_pool
            UNION ALL
            SELECT p.pool, p.month, p.valid_from, p.valid_until, p.BillingCurrency, s.Team, s.is_pool,
                CAST(trunc(p.weight * s.weight, 9) AS {WEIGHT}), concat_ws(' and ', p.through, p.Team),
                p.x_AllocationRuleId, p.x_AllocationRuleVersion, p.x_AllocationReason
            FROM temp.path AS p
            JOIN allocation.pool_step AS s ON s.book = 0 AND s.pool = p.Team AND s.valid_from = p.valid_from AND s.month = p.month
                AND s.BillingCurrency IS NOT DISTINCT FROM p.BillingCurrency
            WHERE p.is_pool"""
        )
    con.execute(
        f"""INSERT INTO allocation.pool_share
        WITH summed AS (
            SELECT pool, {_PLACE}, Team, CAST(sum(weight) AS {WEIGHT}) AS weight,
                string_agg(DISTINCT through, ', ' ORDER BY through) AS through,
                any_value(x_AllocationRuleId) AS rule_id, any_value(x_AllocationRuleVersion) AS rule_version,
                string_agg(DISTINCT x_AllocationReason, '; ' ORDER BY x_AllocationReason) AS reason
            FROM temp.path GROUP BY ALL HAVING sum(weight) > 0
        ),
        placed AS (
            SELECT *, row_number() OVER (PARTITION BY pool, {_PLACE} ORDER BY weight DESC, Team) = 1 AS takes_rest,
                sum(weight) OVER (PARTITION BY pool, {_PLACE}) AS total
            FROM summed
        )
        SELECT 0, pool, month, valid_from, valid_until, BillingCurrency, Team,
            CAST(weight + CASE WHEN takes_rest THEN 1 - total ELSE 0 END AS {WEIGHT}), takes_rest, rule_id, rule_version,
            concat_ws('; ', 'pool ' || pool || ' by ' || rule_id || coalesce(', through ' || through, ''), reason)
        FROM placed"""
    )
