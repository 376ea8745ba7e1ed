"""Find: run the findings rules, with the thresholds of each team and environment, and keep one verdict for each resource."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from finops.rules.catalogue import Catalogue
from finops.rules.header import QueryFile, nearest
from finops.rules.outcomes import RuleOutcome
from finops.rules.run import SCOPES, Params, count, materialise, parameter_values, refuse_repeats
from finops.rules.shared import make_finding_tables, make_macros
from finops.warehouse.connection import Connection

LONGEST_LOOK_BACK = 45
"""Days of charges that findings may look at, unless a window asks for more: a window of 30 days and what was before it."""


_KINDS = re.compile(r"findings\.(?:judged|billed_in_window)\(\s*\[([^\]]*)\]")
_BILL = re.compile(r"findings\.(?:judged|billed_in_window|resource_day|commitment_day)\b")


@dataclass(frozen=True)
class Trial:
    """A rule with the values of one scope."""

    query: QueryFile
    values: dict[str, Any]
    kind: str = ""
    """``team``, ``environment``, or empty: everybody for whom nothing else is said."""
    name: str = ""


def find(con: Connection, catalogue: Catalogue, params: Params, today: date) -> list[RuleOutcome]:
    """Fill ``findings.findings``: the engine adds the id, the rule, the team and what to do.

    Of several rules that speak of one resource the gravest verdict stands; what the others said is in its evidence.
    """
    trials = [trial for query in catalogue.layer("findings") for trial in _trials(con, query, params, today)]
    windows = {int(trial.values["window_days"]) for trial in trials if "window_days" in trial.values}
    make_finding_tables(con, catalogue, today, _horizon(trials), sorted(windows))
    make_macros(con, catalogue, "findings")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE verdict AS SELECT *, 0 AS place, '' AS scope_kind, '' AS scope_name, 0 AS found_by "
        "FROM findings.findings LIMIT 0"
    )
    billed = {row[0] for row in con.execute("SELECT DISTINCT workload_kind FROM findings.resource_day").fetchall()}
    found = [_note(con, trial, number) if _concerns(trial.query, billed) else 0 for number, trial in enumerate(trials)]
    _name_teams(con)
    _keep_scopes(con, [trial for trial in trials if trial.kind])
    _keep_gravest(con, today)
    outcomes: dict[str, RuleOutcome] = {}
    for trial, matched in zip(trials, found, strict=True):
        if not trial.kind:
            won = count(con, "FROM findings.findings WHERE rule_id = $rule", {"rule": trial.query.id})
            outcomes[trial.query.id] = RuleOutcome(trial.query.id, matched, won)
    con.execute("DROP TABLE IF EXISTS temp.found")
    con.execute("DROP TABLE temp.verdict")
    return list(outcomes.values())


def _concerns(query: QueryFile, billed: set[str]) -> bool:
    """May the rule find anything? Not if it starts from kinds of resources alone, and nobody was billed for one of them."""
    kinds = {kind for listed in _KINDS.findall(query.body) for kind in re.findall(r"'([^']+)'", listed)}
    return len(_KINDS.findall(query.body)) < len(_BILL.findall(query.body)) or not kinds.isdisjoint(billed)


def scope_notes(con: Connection, params: Params) -> list[str]:
    """Thresholds of teams that there are not, as sentences."""
    teams = "SELECT team FROM mapping.teams UNION SELECT Team FROM allocation.dimension_team WHERE Team IS NOT NULL"
    known = sorted({"unallocated", *(row[0] for row in con.execute(teams).fetchall())})
    return [
        f"[params.{query_id}.team.{team}]: no charge is {team}'s{nearest(team, known)}"
        for query_id, given in params.items()
        for team in given.get("team", {})
        if team not in known
    ]


def _trials(con: Connection, query: QueryFile, params: Params, today: date) -> Iterator[Trial]:
    given = params.get(query.id, {})
    base = {name: value for name, value in given.items() if name not in SCOPES}
    yield Trial(query, parameter_values(con, query, today, base))
    for kind in SCOPES:
        for name, values in given.get(kind, {}).items():
            yield Trial(query, parameter_values(con, query, today, base | values), kind, name)


def _horizon(trials: list[Trial]) -> int:
    """How many days back the longest window reaches, and what was before it."""
    windows = [
        int(trial.values[name])
        for trial in trials
        for name, parameter in trial.query.params.items()
        if parameter.type == "integer" and parameter.unit == "days" and name in trial.values
    ]
    return max([LONGEST_LOOK_BACK, *(days + 15 for days in windows)])


def _note(con: Connection, trial: Trial, number: int) -> int:
    """Run a rule and keep what it says; how many resources it speaks of."""
    query = trial.query
    found = materialise(con, query, trial.values, "found")
    if not found:
        return 0
    refuse_repeats(con, query, "temp.found", "provider, account_id, resource_id, currency")
    con.execute(
        """
        INSERT INTO temp.verdict BY NAME
        SELECT
            left(md5(concat_ws('|', $rule_id, f.provider, f.account_id, f.resource_id, f.currency)), 12) AS finding_id,
            $rule_id AS rule_id,
            $rule_version AS rule_version,
            f.*,
            concat_ws(chr(10), CASE WHEN f.status = 'active' THEN 'Nothing to do.' ELSE $action END,
                CASE WHEN f.status IN ('idle', 'underused', 'unknown') THEN 'Check: ' || findings.command(
                    coalesce(map($check_for, $checks)[f.provider || ' ' || findings.kind_of(f.resource_id)],
                        map($check_for, $checks)[f.provider]), f.resource_id, f.account_id, f.region) END,
                CASE WHEN f.status IN ('idle', 'underused') THEN 'Change: ' || findings.command(
                    coalesce(map($change_for, $changes)[f.provider || ' ' || findings.kind_of(f.resource_id)],
                        map($change_for, $changes)[f.provider]), f.resource_id, f.account_id, f.region) END
            ) AS recommended_action,
            $place AS place, $kind AS scope_kind, $name AS scope_name, $number AS found_by
        FROM temp.found AS f
        """,
        {
            "rule_id": query.id,
            "rule_version": query.version,
            "action": str(query.extra["recommended_action"]).strip(),
            **_commands(query, "check"),
            **_commands(query, "change"),
            "place": query.order,
            "kind": trial.kind,
            "name": trial.name,
            "number": number,
        },
    )
    return found


def _commands(query: QueryFile, key: str) -> dict[str, list[str]]:
    """The commands of a header, by provider or provider and kind of resource, as two lists."""
    commands = query.extra.get(key) or {"": ""}
    return {f"{key}_for": list(commands), f"{key}s": [str(text).strip() for text in commands.values()]}


def _keep_scopes(con: Connection, scoped: Sequence[Trial]) -> None:
    """Of what a rule says with several values, keep what it says with those of the resource's team or environment."""
    if not scoped:
        return
    con.execute("CREATE OR REPLACE TEMP TABLE scoped_rule (rule_id VARCHAR, kind VARCHAR, name VARCHAR)")
    con.executemany(
        "INSERT INTO temp.scoped_rule VALUES (?, ?, ?)", [[each.query.id, each.kind, each.name] for each in scoped]
    )
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE environments AS
        WITH tags AS (
            SELECT ResourceId AS resource_id, unnest(map_entries(Tags)) AS tag FROM ledger.dimension
            WHERE ResourceId IN (SELECT resource_id FROM temp.verdict)
            UNION ALL
            SELECT v.resource_id, unnest(map_entries(r.tags))
            FROM (SELECT DISTINCT resource_id FROM temp.verdict) AS v
            JOIN findings.resource AS r ON r.resource_key = ledger.resource_key(v.resource_id)
        )
        SELECT resource_id, min(lower(trim(tag.value))) AS environment
        FROM tags
        WHERE regexp_matches(lower(tag.key), '(^|[:_/.-])(environment|env|stage)$')
        GROUP BY resource_id
        """
    )
    con.execute(
        """
        DELETE FROM temp.verdict AS v USING (
            WITH scoped AS (
                SELECT rule_id, coalesce(list(name) FILTER (kind = 'team'), []) AS teams,
                    coalesce(list(lower(name)) FILTER (kind = 'environment'), []) AS environments
                FROM temp.scoped_rule GROUP BY rule_id
            ),

            of_resource AS (
                SELECT v.rule_id, v.scope_kind, v.scope_name, v.found_by, v.finding_id,
                    CASE v.scope_kind
                        WHEN 'team' THEN v.scope_name = v.team
                        WHEN 'environment' THEN lower(v.scope_name) = e.environment AND NOT list_contains(t.teams, v.team)
                        ELSE NOT list_contains(t.teams, v.team) AND NOT list_contains(t.environments, coalesce(e.environment, ''))
                    END AS applies
                FROM temp.verdict AS v
                LEFT JOIN temp.environments AS e ON e.resource_id = v.resource_id
                JOIN scoped AS t ON t.rule_id = v.rule_id
            )
            SELECT * FROM of_resource WHERE applies IS NOT true
        ) AS gone
        WHERE gone.finding_id = v.finding_id AND gone.found_by = v.found_by
        """
    )


def _keep_gravest(con: Connection, today: date) -> None:
    """One verdict for each resource; an exception speaks of the verdict that stands."""
    con.execute("DELETE FROM findings.findings")
    con.execute(
        """
        INSERT INTO findings.findings BY NAME
        WITH ranked AS (
            SELECT
                *,
                ROW_NUMBER() OVER (
                    PARTITION BY provider, account_id, resource_id, currency
                    ORDER BY CASE status WHEN 'idle' THEN 0 WHEN 'underused' THEN 1 WHEN 'unknown' THEN 2 ELSE 3 END,
                        CASE confidence WHEN 'high' THEN 0 WHEN 'medium' THEN 1 ELSE 2 END, place, rule_id
                ) AS rank
            FROM temp.verdict
        ),

        others AS (
            SELECT provider, account_id, resource_id, currency,
                list({'rule_id': rule_id, 'status': status, 'reason': reason} ORDER BY rank) AS said
            FROM ranked
            WHERE rank > 1
            GROUP BY ALL
        ),

        -- of several that speak of a finding, one that holds, then one for its own rule, then the last to end
        exceptions AS (
            SELECT v.finding_id, e.*, e.until > $today AS is_valid
            FROM ranked AS v
            JOIN mapping.exceptions AS e
                ON ledger.resource_key(e.resource_id) = ledger.resource_key(v.resource_id) AND e.rule_id IN ('*', v.rule_id)
            WHERE v.rank = 1
            QUALIFY ROW_NUMBER() OVER (
                PARTITION BY v.finding_id ORDER BY e.until > $today DESC, e.rule_id = '*', e.until DESC, e.line
            ) = 1
        )

        SELECT
            v.* EXCLUDE (place, scope_kind, scope_name, found_by, rank) REPLACE (
                CASE WHEN e.is_valid THEN 'excepted' ELSE v.status END AS status,
                v.reason || coalesce('; team ' || v.team, '')
                    || CASE WHEN e.is_valid THEN '; excepted until ' || e.until || ' by ' || e.owner || ': ' || e.reason
                            WHEN NOT e.is_valid THEN '; the exception of ' || e.owner || ' ended on ' || e.until
                            ELSE '' END AS reason,
                json_merge_patch(
                    v.evidence,
                    CASE WHEN o.said IS NULL THEN json_object() ELSE json_object('other_rules', o.said) END,
                    CASE WHEN e.is_valid THEN json_object('verdict', v.status, 'exception', json_object(
                             'owner', e.owner, 'until', CAST(e.until AS VARCHAR), 'reason', e.reason))
                         ELSE json_object() END
                ) AS evidence
            )
        FROM ranked AS v
        LEFT JOIN others AS o
            ON o.provider IS NOT DISTINCT FROM v.provider AND o.account_id IS NOT DISTINCT FROM v.account_id
           AND o.resource_id = v.resource_id AND o.currency IS NOT DISTINCT FROM v.currency
        LEFT JOIN exceptions AS e
            ON e.finding_id = v.finding_id AND v.status <> 'active'
        WHERE v.rank = 1
        """,
        {"today": today},
    )


def _name_teams(con: Connection) -> None:
    """A finding's team is the one that pays most of the resource in the finding's window, or ever if it cost nothing."""
    con.execute(
        """
        UPDATE temp.verdict AS f SET team = coalesce(p.team, 'unallocated')
        FROM (
            WITH resources AS (
                SELECT DISTINCT resource_id, resource_id AS billed_id, account_id, currency, window_start, window_end
                FROM temp.verdict
                UNION  -- what speaks of several resources, such as a family of jobs, names them
                SELECT resource_id, unnest(CAST(json_extract(evidence, '$.resource_ids') AS VARCHAR[])), account_id, currency,
                    window_start, window_end
                FROM temp.verdict
                WHERE json_type(evidence, '$.resource_ids') = 'ARRAY'
            ),
            dimensions AS MATERIALIZED (  -- used twice: a row must keep its number
                SELECT r.*, d.dimension_id, ROW_NUMBER() OVER () AS number
                FROM resources AS r
                JOIN ledger.dimension AS d
                    ON coalesce(d.ResourceId, d.CommitmentDiscountId, d.CapacityReservationId) = r.billed_id
                   AND d.SubAccountId IS NOT DISTINCT FROM r.account_id
                   AND d.BillingCurrency IS NOT DISTINCT FROM r.currency
            ),
            paid AS (
                SELECT d.number, c.Team AS team,
                    sum(c.AllocatedEffectiveCost)
                        FILTER (c.ChargePeriodStart >= d.window_start AND c.ChargePeriodStart < d.window_end) AS in_window,
                    sum(c.AllocatedEffectiveCost) AS ever
                FROM dimensions AS d
                JOIN allocation.charges AS c ON c.x_DimensionId = d.dimension_id
                GROUP BY d.number, c.Team
            ),
            costs AS (
                SELECT d.resource_id, d.account_id, d.currency, d.window_end, d.window_start, p.team,
                    sum(p.in_window) AS in_window, sum(p.ever) AS ever
                FROM paid AS p
                JOIN dimensions AS d ON d.number = p.number
                GROUP BY ALL
            ),
            ranked AS (
                SELECT *, ROW_NUMBER() OVER (
                    PARTITION BY resource_id, account_id, currency, window_start, window_end
                    ORDER BY coalesce(in_window, 0) DESC, ever DESC, team
                ) AS place
                FROM costs
            )
            SELECT * FROM ranked WHERE place = 1
        ) AS p
        WHERE p.resource_id = f.resource_id AND p.account_id IS NOT DISTINCT FROM f.account_id
          AND p.currency IS NOT DISTINCT FROM f.currency AND p.window_start = f.window_start AND p.window_end = f.window_end
        """
    )
    con.execute("UPDATE temp.verdict SET team = 'unallocated' WHERE team IS NULL")
