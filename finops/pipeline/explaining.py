"""Explains a resource: from its charges back to the rule that gave them to a team and to the files that delivered them."""

from __future__ import annotations

from typing import Any

from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection


def find_resource(con: Connection, identifier: str) -> list[str]:
    """Resource ids that an id, a name, the end of an id, or a finding's id stands for; exact ones alone if there are any."""
    exact = con.execute(
        "SELECT DISTINCT ResourceId FROM ledger.dimensions WHERE ResourceId = $id UNION "
        "SELECT resource_id FROM findings.findings WHERE finding_id = $id OR resource_id = $id ORDER BY 1",
        {"id": identifier},
    ).fetchall()
    if exact:
        return [row[0] for row in exact]
    loose = con.execute(
        "SELECT DISTINCT ResourceId FROM ledger.dimensions WHERE ResourceId IS NOT NULL AND "
        "(ResourceName = $id OR ends_with(ResourceId, '/' || $id) OR ends_with(ResourceId, ':' || $id)) ORDER BY 1",
        {"id": identifier},
    ).fetchall()
    return [row[0] for row in loose]


def explain_resource(con: Connection, resource_id: str, catalogue: Catalogue) -> dict[str, Any]:
    """Facts, charges by month, teams with rule and reason, rules in order, findings, deliveries."""
    value = {"id": resource_id}
    return {
        "resource_id": resource_id,
        "facts": _facts(con, value),
        "charges": _rows(
            con,
            "SELECT strftime(BillingPeriodStart, '%Y-%m') AS month, ChargeCategory AS category, SkuMeter AS meter, "
            "x_WorkloadKind AS workload, count(*) AS rows, sum(BilledCost)::DECIMAL(38,18) AS billed_cost, "
            "sum(EffectiveCost)::DECIMAL(38,18) AS effective_cost, BillingCurrency AS currency "
            "FROM focus.cost_and_usage WHERE ResourceId = $id GROUP BY ALL ORDER BY ALL",
            value,
        ),
        "allocation": _rows(
            con,
            "SELECT Team AS team, x_AllocationRuleId AS rule, x_AllocationMethod AS method, x_AllocationReason AS reason, "
            "strftime(min(ChargePeriodStart), '%Y-%m-%d') AS first_day, strftime(max(ChargePeriodStart), '%Y-%m-%d') AS "
            "last_day, sum(AllocatedBilledCost)::DECIMAL(38,18) AS billed_cost, "
            "sum(AllocatedEffectiveCost)::DECIMAL(38,18) AS effective_cost, BillingCurrency AS currency "
            "FROM allocation.charges WHERE ResourceId = $id GROUP BY ALL ORDER BY first_day, team",
            value,
        ),
        "rules_tried": _tried(con, value, catalogue),
        "findings": _rows(
            con,
            "SELECT rule_id AS rule, status, confidence, cost_in_window, monthly_cost, currency, reason, recommended_action "
            "AS action FROM findings.findings WHERE resource_id = $id ORDER BY ALL",
            value,
        ),
        "deliveries": _rows(
            con,
            "SELECT l.source_id AS source, l.format, strftime(l.billing_period_start, '%Y-%m') AS month, "
            "strftime(l.delivered_at, '%Y-%m-%d %H:%M') AS delivered, l.files[1] AS file, l.load_id AS load "
            "FROM ops.loads AS l WHERE l.status = 'current' AND l.load_id IN "
            "(SELECT DISTINCT x_LoadId FROM focus.cost_and_usage WHERE ResourceId = $id) "
            "AND l.billing_period_start IN (SELECT DISTINCT BillingPeriodStart FROM focus.cost_and_usage "
            "WHERE ResourceId = $id) ORDER BY month",
            value,
        ),
    }


def _facts(con: Connection, value: dict[str, str]) -> dict[str, Any]:
    row = _rows(
        con,
        "SELECT string_agg(DISTINCT ServiceProviderName, ', ') AS provider, string_agg(DISTINCT ServiceName, ', ') AS "
        "service, string_agg(DISTINCT coalesce(SubAccountName, SubAccountId), ', ') AS account, "
        "string_agg(DISTINCT RegionId, ', ') AS region, string_agg(DISTINCT ResourceType, ', ') AS type, "
        "string_agg(DISTINCT x_WorkloadKind, ', ') AS workload, string_agg(DISTINCT Tags::VARCHAR, ' then ') AS tags "
        "FROM ledger.dimensions WHERE ResourceId = $id",
        value,
    )[0]
    return {key: fact for key, fact in row.items() if fact}


def _tried(con: Connection, value: dict[str, str], catalogue: Catalogue) -> list[dict[str, Any]]:
    """The allocation rules in order, and which of them took how many of the resource's dimensions."""
    taken = dict(
        con.execute(
            "SELECT coalesce(t.x_AllocationRuleId, ''), count(*) FROM ledger.dimensions AS d "
            "LEFT JOIN allocation.dimension_team AS t ON t.dimension_id = d.x_DimensionId "
            "WHERE d.ResourceId = $id GROUP BY 1",
            value,
        ).fetchall()
    )
    left = sum(taken.values())
    tried = []
    for rule in catalogue.layer("allocate"):
        if left == 0:
            break
        took = taken.get(rule.id, 0)
        left -= took
        outcome = f"won ({took} kinds of charges)" if took else "did not match"
        tried.append({"order": rule.order, "id": rule.id, "method": rule.extra["method"], "outcome": outcome})
    if left:
        tried.append(
            {"order": 9999, "id": "unallocated", "method": "default", "outcome": f"{left} kinds of charges left"}
        )
    return tried


def _rows(con: Connection, sql: str, value: dict[str, str]) -> list[dict[str, Any]]:
    result = con.execute(sql, value)
    names = [item[0] for item in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
