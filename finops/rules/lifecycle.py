"""What becomes of findings over the days: opened, changed, excepted, resolved with a saving that the bill shows, found again.

A finding is open from the run that flags its resource (idle or underused) until a run sees that it is not so any more. What could
not be measured is neither: it stays as it was. All money is summed from the resource's billed rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from finops.warehouse.connection import Connection
from finops.warehouse.reference import insert_text

CHANGE = (
    "date", "finding_id", "state", "status", "rule_id", "provider", "account_id", "resource_id", "resource_name", "currency",
    "team", "since", "found_on", "monthly_cost", "monthly_saving", "window", "reason",
)  # fmt: skip
"""The columns of ``findings.changes``."""
OPEN = ("opened", "changed", "excepted", "reopened")
STATES = (*OPEN, "resolved", "replaced", "rule gone")
"""What a change may bring a finding to."""
NEW_DAYS = 7
"""A finding is new for so many days."""
LEAST_DAYS = 3
"""A saving is told when the bill has this many whole days after the finding was resolved."""
MOST_DAYS = 30
"""So many days of the bill are looked at; then the saving stands."""


def follow(con: Connection, earlier: Sequence[Sequence[str | None]], rules: Sequence[str], today: date) -> None:
    """Fill ``findings.changes`` and ``findings.lifecycle`` from what earlier days knew and from ``findings.findings``.

    Args:
        earlier: changes before ``today``, in the columns of ``CHANGE``, the oldest first.
        rules: the ids of the rules that there are.
    """
    given = {
        "today": today, "rules": list(rules), "open": list(OPEN), "new_days": NEW_DAYS, "least": LEAST_DAYS, "most": MOST_DAYS,
    }  # fmt: skip
    con.execute("DELETE FROM findings.changes")
    con.execute("DELETE FROM findings.lifecycle")
    insert_text(con, "findings.changes", earlier)
    for sql in (_PRIOR, _VERDICT, _FLAGGED, _TRACKED, _OWN_DAY, _FIRST_DAY, _COVERED, _LEFT, _CHANGES, _LIFECYCLE):
        used = con.extract_statements(sql)[0].named_parameters
        con.execute(sql, {name: value for name, value in given.items() if name in used})
    for table in ("prior", "verdict_now", "flagged", "tracked", "own_day", "covered", "left_over"):
        con.execute(f"DROP TABLE IF EXISTS temp.{table}")


def exception_notes(con: Connection, today: date) -> list[str]:
    """The lines of exceptions.csv that except nothing, as sentences."""
    return [row[0] for row in con.execute(_NEEDLESS, {"today": today}).fetchall()]


_SAME = """{a}.resource_id = {b}.resource_id AND {a}.provider IS NOT DISTINCT FROM {b}.provider
        AND {a}.account_id IS NOT DISTINCT FROM {b}.account_id AND {a}.currency IS NOT DISTINCT FROM {b}.currency"""

_PRIOR = """
CREATE OR REPLACE TEMP TABLE prior AS
SELECT *, list_contains($open, state) AS is_open,
    bool_or(state = 'resolved') OVER (PARTITION BY finding_id) AS was_resolved
FROM findings.changes
QUALIFY ROW_NUMBER() OVER (PARTITION BY finding_id ORDER BY date DESC) = 1"""

_VERDICT = """
CREATE OR REPLACE TEMP TABLE verdict_now AS
SELECT *, CASE status WHEN 'excepted' THEN evidence ->> '$.verdict' ELSE status END AS verdict,
    status = 'excepted' AS is_excepted
FROM findings.findings"""

# what another rule said of the same resource before goes on: the money has been burning since then
_FLAGGED = f"""
CREATE OR REPLACE TEMP TABLE flagged AS
SELECT
    v.*,
    p.state AS prior_state,
    coalesce(p.is_open, false) AS was_open,
    coalesce(p.was_resolved, false) AS was_resolved,
    CASE WHEN p.is_open THEN p.since
         ELSE coalesce(o.since, greatest(CAST(v.window_start AS DATE), p.date)) END AS since,
    p.is_open IS NOT true AND o.since IS NULL AS begins,
    CASE WHEN p.is_open THEN p.found_on ELSE coalesce(o.found_on, $today) END AS found_on,
    p.status IS DISTINCT FROM v.verdict
        OR coalesce(abs(v.monthly_cost - p.monthly_cost) * 10 > abs(p.monthly_cost), v.monthly_cost IS NOT NULL) AS is_changed
FROM temp.verdict_now AS v
LEFT JOIN temp.prior AS p ON p.finding_id = v.finding_id
LEFT JOIN (
    SELECT provider, account_id, resource_id, currency, min(since) AS since, min(found_on) AS found_on
    FROM temp.prior WHERE is_open GROUP BY ALL
) AS o ON {_SAME.format(a="o", b="v")}
WHERE v.verdict IN ('idle', 'underused')"""

_TRACKED = """
CREATE OR REPLACE TEMP TABLE tracked AS
SELECT finding_id, provider, account_id, resource_id, currency, since, true AS is_flagged FROM temp.flagged
UNION ALL
SELECT finding_id, provider, account_id, resource_id, currency, since, false FROM temp.prior
WHERE finding_id NOT IN (SELECT finding_id FROM temp.flagged)"""

# as the rules count: of a commitment or a reservation the part that nobody used, of anything else all of its own charges
_OWN_DAY = """
CREATE OR REPLACE TEMP TABLE own_day AS
WITH dimensions AS (
    SELECT
        x_DimensionId AS dimension_id,
        ledger.provider_of(coalesce(HostProviderName, ProviderName, ServiceProviderName)) AS provider,
        SubAccountId AS account_id, BillingCurrency AS currency, ResourceId, CapacityReservationId, CapacityReservationStatus,
        CommitmentDiscountId, CommitmentDiscountStatus
    FROM ledger.dimensions
    WHERE ChargeCategory NOT IN ('Tax', 'Credit') AND EXISTS (FROM temp.tracked)
),

reservations AS (
    SELECT t.finding_id, d.dimension_id, false AS is_whole
    FROM temp.tracked AS t
    JOIN dimensions AS d ON coalesce(d.CapacityReservationId, d.ResourceId) = t.resource_id
        AND d.provider IS NOT DISTINCT FROM t.provider AND d.account_id IS NOT DISTINCT FROM t.account_id
        AND d.currency IS NOT DISTINCT FROM t.currency
    WHERE d.CapacityReservationStatus = 'Unused'
),

commitments AS (
    SELECT t.finding_id, d.dimension_id, d.CommitmentDiscountStatus = 'Unused' AS is_unused
    FROM temp.tracked AS t
    JOIN dimensions AS d ON d.CommitmentDiscountId = t.resource_id
        AND d.provider IS NOT DISTINCT FROM t.provider AND d.currency IS NOT DISTINCT FROM t.currency
    WHERE d.CommitmentDiscountStatus IS NOT NULL
),

plain AS (
    SELECT t.finding_id, d.dimension_id
    FROM temp.tracked AS t
    JOIN dimensions AS d ON coalesce(d.ResourceId, d.CapacityReservationId) = t.resource_id
        AND d.provider IS NOT DISTINCT FROM t.provider AND d.account_id IS NOT DISTINCT FROM t.account_id
        AND d.currency IS NOT DISTINCT FROM t.currency
    WHERE (d.CapacityReservationStatus IS NULL
           OR (d.CapacityReservationStatus = 'Used' AND d.ResourceId <> d.CapacityReservationId))
      AND t.finding_id NOT IN (SELECT finding_id FROM reservations)
      AND t.finding_id NOT IN (SELECT finding_id FROM commitments)
),

own AS (
    SELECT finding_id, dimension_id FROM reservations
    UNION ALL
    SELECT finding_id, dimension_id FROM commitments WHERE is_unused AND finding_id NOT IN (SELECT finding_id FROM reservations)
    UNION ALL
    SELECT finding_id, dimension_id FROM plain
)

SELECT o.finding_id, s.billing_account_id, CAST(c.ChargePeriodStart AS DATE) AS day,
    CAST(sum(c.BilledCost + c.EffectiveCostDelta) AS DECIMAL(38, 18)) AS cost
FROM own AS o
JOIN temp.tracked AS t ON t.finding_id = o.finding_id
JOIN ledger.charge AS c ON c.dimension_id = o.dimension_id
JOIN ledger.slice AS s ON s.slice_id = c.slice_id
WHERE c.ChargePeriodStart >= t.since AND c.ChargePeriodStart < CAST($today AS DATE)
GROUP BY ALL"""

# what begins has been seen from its first charge in the window on
_FIRST_DAY = """
UPDATE temp.flagged AS f SET since = b.day
FROM (SELECT finding_id, min(day) AS day FROM temp.own_day GROUP BY finding_id) AS b
WHERE b.finding_id = f.finding_id AND f.begins"""

# the days that the bill of a resource's account has: a day without a bill proves nothing
_COVERED = """
CREATE OR REPLACE TEMP TABLE covered AS
WITH accounts AS (
    SELECT DISTINCT d.finding_id, d.billing_account_id, t.since
    FROM temp.own_day AS d
    JOIN temp.tracked AS t ON t.finding_id = d.finding_id
    WHERE NOT t.is_flagged
    UNION
    -- what no bill names, such as a family of jobs: by the bills of its account
    SELECT t.finding_id, m.BillingAccountId, t.since
    FROM temp.tracked AS t
    JOIN ledger.dimension AS d ON d.SubAccountId = t.account_id
    JOIN allocation.dimension_month AS m ON m.dimension_id = d.dimension_id AND m.month >= date_trunc('month', t.since)
    WHERE NOT t.is_flagged AND t.finding_id NOT IN (SELECT finding_id FROM temp.own_day)
),

days AS (
    SELECT DISTINCT s.billing_account_id, CAST(c.ChargePeriodStart AS DATE) AS day
    FROM ledger.charge AS c
    JOIN ledger.slice AS s ON s.slice_id = c.slice_id
    WHERE c.ChargePeriodStart >= (SELECT min(since) FROM accounts) AND c.ChargePeriodStart < CAST($today AS DATE)
      AND c.ChargePeriodMicroseconds <= 25 * 3600000000
)

SELECT DISTINCT a.finding_id, d.day
FROM accounts AS a
JOIN days AS d ON d.billing_account_id IS NOT DISTINCT FROM a.billing_account_id AND d.day >= a.since"""

# open before and not flagged now. The last day of a bill may be incomplete: it takes a later one to believe that a day was free.
_LEFT = f"""
CREATE OR REPLACE TEMP TABLE left_over AS
WITH known AS (
    SELECT p.*, v.verdict, v.is_excepted, v.evidence, v.reason AS said, v.team AS team_now, f.rule_id AS rule_now,
        b.last_billed, c.bill_through,
        TRY_CAST(split_part(p."window", '/', 2) AS DATE) - TRY_CAST(split_part(p."window", '/', 1) AS DATE) AS window_days
    FROM temp.prior AS p
    LEFT JOIN temp.verdict_now AS v ON {_SAME.format(a="v", b="p")}
    LEFT JOIN temp.flagged AS f ON {_SAME.format(a="f", b="p")}
    LEFT JOIN (SELECT finding_id, max(day) AS last_billed FROM temp.own_day GROUP BY finding_id) AS b
        ON b.finding_id = p.finding_id
    LEFT JOIN (SELECT finding_id, max(day) AS bill_through FROM temp.covered GROUP BY finding_id) AS c
        ON c.finding_id = p.finding_id
    WHERE p.is_open AND p.finding_id NOT IN (SELECT finding_id FROM temp.flagged)
),

judged AS (
    SELECT *,
        CASE
            WHEN rule_now IS NOT NULL THEN 'replaced'
            WHEN verdict = 'unknown' THEN NULL
            WHEN NOT list_contains($rules, rule_id) THEN 'rule gone'
            WHEN bill_through >= last_billed + 2 THEN 'resolved'
            WHEN verdict = 'active' AND bill_through = last_billed THEN 'resolved'
            WHEN verdict IS NULL AND bill_through = last_billed
                AND last_billed >= $today - CAST(coalesce(window_days, 0) AS INTEGER) THEN 'resolved'
            WHEN last_billed IS NULL AND monthly_cost IS NULL AND coalesce(verdict, 'active') = 'active'
                AND bill_through >= $today - 3 THEN 'resolved'
        END AS new_state
    FROM known
)

SELECT *,
    CASE
        WHEN new_state = 'replaced' THEN rule_now || ' speaks of it now: ' || said
        WHEN new_state = 'rule gone' THEN 'there is no rule ' || rule_id || ' any more'
        WHEN new_state = 'resolved' AND verdict = 'active' THEN said
        WHEN new_state = 'resolved' AND bill_through > last_billed THEN 'last billed on ' || last_billed
        WHEN new_state = 'resolved' THEN rule_id || ' does not flag it any more'
        WHEN verdict = 'unknown' THEN 'not measured this time: ' || said
        WHEN last_billed IS NULL THEN 'not judged this time: none of its charges since ' || since || ' is in the ledger'
        WHEN bill_through > last_billed
            THEN 'not billed on ' || bill_through || ', but that is the last day of the bill, which may be incomplete'
        ELSE 'not judged this time: the bill ends on ' || last_billed
    END AS note
FROM judged"""

_CHANGES = """
INSERT INTO findings.changes BY NAME
SELECT
    $today AS date, finding_id,
    CASE
        WHEN is_excepted THEN 'excepted'
        WHEN prior_state IS NULL THEN 'opened'
        WHEN NOT was_open OR prior_state = 'excepted' THEN 'reopened'
        ELSE 'changed'
    END AS state,
    verdict AS status, rule_id, provider, account_id, resource_id, resource_name, currency, team, since, found_on, monthly_cost,
    monthly_saving,
    CAST(CAST(window_start AS DATE) AS VARCHAR) || '/' || CAST(CAST(window_end AS DATE) AS VARCHAR) AS "window", reason
FROM temp.flagged
WHERE NOT was_open OR is_changed OR is_excepted <> (prior_state = 'excepted')
UNION ALL BY NAME
SELECT $today AS date, finding_id, new_state AS state, status, rule_id, provider, account_id, resource_id, resource_name, currency,
    team, since, found_on, monthly_cost, monthly_saving, "window", note AS reason
FROM temp.left_over
WHERE new_state IS NOT NULL"""

_LIFECYCLE = """
INSERT INTO findings.lifecycle BY NAME
WITH open AS (
    SELECT finding_id, rule_id, provider, account_id, resource_id, resource_name, currency, team, since, found_on, was_resolved,
        verdict AS status, is_excepted, monthly_cost AS monthly_cost_when_open, monthly_saving, evidence,
        CAST(NULL AS VARCHAR) AS closed, CAST(NULL AS DATE) AS resolved_on, CAST(NULL AS VARCHAR) AS note, reason
    FROM temp.flagged
),

waiting AS (
    SELECT finding_id, rule_id, provider, account_id, resource_id, resource_name, currency, coalesce(team_now, team) AS team,
        since, found_on, was_resolved, 'unknown' AS status, coalesce(is_excepted, state = 'excepted') AS is_excepted,
        monthly_cost AS monthly_cost_when_open, monthly_saving, evidence,
        CAST(NULL AS VARCHAR) AS closed, CAST(NULL AS DATE) AS resolved_on, note, reason
    FROM temp.left_over
    WHERE new_state IS NULL
),

-- the last line of each that is closed, of today or before
closed AS (
    SELECT finding_id, rule_id, provider, account_id, resource_id, resource_name, currency, team, since, found_on,
        false AS was_resolved, status, false AS is_excepted, monthly_cost AS monthly_cost_when_open, monthly_saving,
        CAST(NULL AS JSON) AS evidence,
        state AS closed, date AS resolved_on, CAST(NULL AS VARCHAR) AS note, reason
    FROM findings.changes
    WHERE finding_id NOT IN (SELECT finding_id FROM open) AND finding_id NOT IN (SELECT finding_id FROM waiting)
    QUALIFY ROW_NUMBER() OVER (PARTITION BY finding_id ORDER BY date DESC) = 1
),

-- a job that ended, a commitment: idle, but no saving was ever named
every AS (
    SELECT *, closed = 'resolved' AND status = 'idle' AND monthly_saving IS NULL AS is_unsaveable
    FROM (FROM open UNION ALL BY NAME FROM waiting UNION ALL BY NAME FROM closed)
),

burnt AS (
    SELECT e.finding_id, CAST(sum(d.cost) AS DECIMAL(38, 18)) AS cost
    FROM every AS e
    JOIN temp.own_day AS d ON d.finding_id = e.finding_id AND d.day >= e.since AND d.day < coalesce(e.resolved_on, $today)
    GROUP BY e.finding_id
),

days_after AS (
    SELECT e.finding_id, e.resolved_on, c.day
    FROM every AS e
    JOIN (SELECT *, max(day) OVER (PARTITION BY finding_id) AS bill_through FROM temp.covered) AS c ON c.finding_id = e.finding_id
    WHERE e.closed = 'resolved' AND c.day >= e.resolved_on AND c.day < e.resolved_on + $most AND c.day < c.bill_through
),

own AS (
    SELECT finding_id, day, sum(cost) AS cost FROM temp.own_day GROUP BY finding_id, day
),

after AS (
    SELECT a.finding_id, count(*) AS days, max(a.day) + 1 AS until, coalesce(sum(o.cost), 0) AS cost
    FROM days_after AS a
    LEFT JOIN own AS o ON o.finding_id = a.finding_id AND o.day = a.day
    GROUP BY a.finding_id
)

SELECT
    e.finding_id, e.rule_id, e.provider, e.account_id, e.resource_id, e.resource_name, e.currency, e.team,
    coalesce(
        e.closed,
        CASE WHEN e.is_excepted THEN 'excepted'
             WHEN e.found_on <= $today - $new_days THEN 'open'
             WHEN e.was_resolved THEN 'reopened'
             ELSE 'new' END
    ) AS state,
    e.status, e.since, e.found_on, e.resolved_on, b.cost AS cost_since_opened, e.monthly_cost_when_open,
    CASE WHEN a.days >= $least AND NOT e.is_unsaveable
         THEN e.monthly_cost_when_open - findings.monthly(a.cost, a.days) END AS verified_monthly_saving,
    CASE WHEN a.days >= $least AND NOT e.is_unsaveable THEN a.until END AS verified_until,
    CASE
        WHEN e.closed IS DISTINCT FROM 'resolved' THEN e.note
        WHEN e.monthly_cost_when_open IS NULL THEN 'no saving: what it cost before is not known'
        WHEN e.is_unsaveable THEN 'no saving: it ended by itself, or a commitment goes on being paid'
        WHEN coalesce(a.days, 0) < $least THEN
            'no saving yet: the bill has ' || coalesce(a.days, 0) || ' of the ' || $least || ' whole days that it takes'
        ELSE 'saving verified on ' || a.days || ' days of the bill'
    END AS note,
    e.evidence ->> '$.exception.owner' AS exception_owner,
    TRY_CAST(e.evidence ->> '$.exception.until' AS DATE) AS excepted_until,
    e.evidence ->> '$.exception.reason' AS exception_reason,
    e.reason
FROM every AS e
LEFT JOIN burnt AS b ON b.finding_id = e.finding_id
LEFT JOIN after AS a ON a.finding_id = e.finding_id"""

_NEEDLESS = """
SELECT
    'exceptions.csv:' || e.line || ': '
    || CASE WHEN f.finding_id IS NULL THEN 'no rule speaks of ' || e.resource_id || ' now'
            WHEN e.rule_id NOT IN ('*', f.rule_id) THEN e.rule_id || ' does not speak of ' || e.resource_id || ' now; '
                || f.rule_id || ' does: ' || f.status
            ELSE e.resource_id || ' is active, so it needs no exception' END
    || CASE WHEN e.until <= $today THEN ' (ended on ' || e.until || ')' ELSE '' END
FROM mapping.exceptions AS e
LEFT JOIN findings.findings AS f ON ledger.resource_key(f.resource_id) = ledger.resource_key(e.resource_id)
WHERE NOT EXISTS (
    FROM findings.findings AS m
    WHERE ledger.resource_key(m.resource_id) = ledger.resource_key(e.resource_id) AND e.rule_id IN ('*', m.rule_id)
      AND m.status <> 'active'
)
QUALIFY ROW_NUMBER() OVER (PARTITION BY e.line ORDER BY f.finding_id) = 1
ORDER BY e.line"""
