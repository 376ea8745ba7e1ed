"""Explains a resource or a kind of charge: from its charges back to the rules that gave them to teams, to the weights that divided
them, and to the files that delivered them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from finops.pipeline.explained_rules import Row, decisions, rows, rules_tried
from finops.pipeline.explained_splits import arithmetic, splits
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection


@dataclass(frozen=True)
class Subject:
    """What is to be explained: a resource, or one dimension (a kind of charge), whole or in some days."""

    resource_id: str | None = None
    dimension_id: int | None = None
    first: datetime = datetime(1, 1, 1)
    until: datetime = datetime(9999, 12, 31)
    """Charges that begin from ``first`` until before this."""

    @property
    def where(self) -> str:
        """SQL over the columns of ``ledger.dimensions``; see ``values``."""
        return "ResourceId = $id" if self.resource_id is not None else "x_DimensionId = $id"

    @property
    def values(self) -> dict[str, Any]:
        """What ``where`` needs."""
        return {"id": self.resource_id if self.resource_id is not None else self.dimension_id}


def find_subjects(con: Connection, identifier: str) -> list[Subject]:
    """What an id stands for: a resource's id or name or the end of its id, a finding's id, or a dimension's number.

    Exact ones alone if there are any.
    """
    exact = con.execute(
        "SELECT DISTINCT ResourceId FROM ledger.dimensions WHERE ResourceId = $id UNION "
        "SELECT resource_id FROM findings.findings WHERE finding_id = $id OR resource_id = $id UNION "
        "SELECT resource_id FROM findings.lifecycle WHERE finding_id = $id ORDER BY 1",
        {"id": identifier},
    ).fetchall()
    if not exact and identifier.isdecimal() and len(identifier) < 19:
        number = {"id": int(identifier)}
        found = con.execute("SELECT 1 FROM ledger.dimension WHERE dimension_id = $id", number).fetchone()
        if found:
            return [Subject(dimension_id=number["id"])]
    loose = (
        exact
        or con.execute(
            "SELECT DISTINCT ResourceId FROM ledger.dimensions WHERE ResourceId IS NOT NULL AND "
            "(ResourceName = $id OR ends_with(ResourceId, '/' || $id) OR ends_with(ResourceId, ':' || $id)) UNION "
            "SELECT resource_id FROM findings.findings "  # a family of jobs, an app by its space: as finops findings shows it
            "WHERE resource_name = $id OR ends_with(resource_id, '/' || $id) OR ends_with(resource_id, '/' || $id || '/default') "
            "ORDER BY 1",
            {"id": identifier},
        ).fetchall()
    )
    return [Subject(resource_id=row[0]) for row in loose]


def explain(con: Connection, subject: Subject, catalogue: Catalogue, mappings: Path) -> Row:
    """Facts, charges by month, who has them and by which rule, the rules in order, weights, arithmetic, findings, deliveries.

    Args:
        mappings: the folder of the mapping files, to quote their lines.
    """
    _collect(con, subject)
    divided = splits(con)
    return {
        "resource_id": subject.resource_id,
        "dimension_id": subject.dimension_id,
        "facts": _facts(con, subject),
        "charges": _months(con),
        "frozen_months": rows(
            con,
            "SELECT strftime(month, '%Y-%m') AS month, frozen_at, frozen_by, reason FROM allocation.frozen_months "
            "WHERE book IN (SELECT book FROM temp.scope) ORDER BY month",
        ),
        "decisions": decisions(con, catalogue, mappings),
        "rules_tried": rules_tried(con, catalogue),
        "splits": divided,
        "arithmetic": arithmetic(con),
        "allocation": _teams(con, subject),
        "findings": rows(
            con,
            "SELECT finding_id, rule_id AS rule, status, confidence, cost_in_window, monthly_cost, monthly_saving, currency, "
            "reason, recommended_action AS action, state, since, found_on, cost_since_opened, resolved_on, "
            "verified_monthly_saving, verified_until, exception_owner, excepted_until, exception_reason, note "
            "FROM findings.followed WHERE resource_id = $id ORDER BY ALL",
            {"id": subject.resource_id},
        ),
        "findings_history": rows(
            con,
            'SELECT date, state, status, rule_id AS rule, since, monthly_cost, currency, "window", reason '
            "FROM findings.changes WHERE resource_id = $id ORDER BY date, rule",
            {"id": subject.resource_id},
        ),
        "deliveries": _deliveries(con),
    }


def _collect(con: Connection, subject: Subject) -> None:
    """``temp.scope``: the charges, each with what a tagging rule has decided on it."""
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE scope AS
        SELECT c.dimension_id, c.slice_id, c.ChargePeriodStart, c.ChargePeriodMicroseconds, c.BilledCost,
            CAST(c.BilledCost + c.EffectiveCostDelta AS DECIMAL(38, 18)) AS EffectiveCost, c.ConsumedQuantity,
            d.BillingCurrency, CAST(date_trunc('month', c.ChargePeriodStart) AS DATE) AS month, b.book, t.valid_from,
            t.valid_until, coalesce(t.Team, 'unallocated') AS team, coalesce(t.is_pool, FALSE) AS is_pool,
            t.x_AllocationRuleId AS rule, t.x_AllocationRuleVersion AS version, t.x_AllocationMethod AS method,
            t.x_AllocationReason AS reason
        FROM ledger.charge AS c
        JOIN (
            SELECT s.slice_id, coalesce(f.book, 0) AS book FROM ledger.slice AS s
            LEFT JOIN allocation.frozen_months AS f ON f.month = date_trunc('month', s.billing_period_start)
        ) AS b ON b.slice_id = c.slice_id
        JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
        LEFT JOIN allocation.dimension_team AS t ON t.dimension_id = c.dimension_id AND t.book = b.book
            AND c.ChargePeriodStart >= t.valid_from AND c.ChargePeriodStart < t.valid_until
        WHERE c.dimension_id IN (SELECT x_DimensionId FROM ledger.dimensions WHERE {subject.where})
          AND c.ChargePeriodStart >= $first AND c.ChargePeriodStart < $until""",
        subject.values | {"first": subject.first, "until": subject.until},
    )


def days_of(con: Connection, subject: Subject) -> tuple[str, str] | None:
    """The first and the last day with charges of a subject, whenever; None if there are none."""
    row = con.execute(
        "SELECT strftime(min(ChargePeriodStart), '%Y-%m-%d'), strftime(max(ChargePeriodStart), '%Y-%m-%d') "
        "FROM ledger.charge WHERE dimension_id IN "
        f"(SELECT x_DimensionId FROM ledger.dimensions WHERE {subject.where})",
        subject.values,
    ).fetchone()
    return (row[0], row[1]) if row and row[0] else None


def _facts(con: Connection, subject: Subject) -> Row:
    row = rows(
        con,
        "SELECT string_agg(DISTINCT ServiceProviderName, ', ') AS provider, string_agg(DISTINCT ServiceName, ', ') AS "
        "service, string_agg(DISTINCT coalesce(SubAccountName, SubAccountId), ', ') AS account, "
        "string_agg(DISTINCT RegionId, ', ') AS region, string_agg(DISTINCT ResourceType, ', ') AS type, "
        "string_agg(DISTINCT x_WorkloadKind, ', ') AS workload, string_agg(DISTINCT Tags::VARCHAR, ' then ') AS tags, "
        "any_value(ResourceId) AS resource, any_value(ChargeCategory) AS category, any_value(SkuMeter) AS meter, "
        f"any_value(ChargeDescription) AS description FROM ledger.dimensions WHERE {subject.where}",
        subject.values,
    )[0]
    if subject.resource_id is not None:  # it has many kinds of charges
        row = {key: row[key] for key in row if key not in ("resource", "category", "meter", "description")}
    return {key: fact for key, fact in row.items() if fact}


def _months(con: Connection) -> list[Row]:
    return rows(
        con,
        "SELECT strftime(s.billing_period_start, '%Y-%m') AS month, d.ChargeCategory AS category, d.SkuMeter AS meter, "
        "k.x_WorkloadKind AS workload, count(*) AS rows, sum(c.BilledCost)::DECIMAL(38,18) AS billed_cost, "
        "sum(c.EffectiveCost)::DECIMAL(38,18) AS effective_cost, c.BillingCurrency AS currency "
        "FROM temp.scope AS c JOIN ledger.slice AS s USING (slice_id) JOIN ledger.dimension AS d USING (dimension_id) "
        "LEFT JOIN ledger.dimension_class AS k USING (dimension_id) GROUP BY ALL ORDER BY ALL",
    )


def _teams(con: Connection, subject: Subject) -> list[Row]:
    return rows(
        con,
        "SELECT Team AS team, x_AllocationRuleId AS rule, x_AllocationMethod AS method, x_AllocationReason AS reason, "
        "strftime(min(ChargePeriodStart), '%Y-%m-%d') AS first_day, strftime(max(ChargePeriodStart), '%Y-%m-%d') AS "
        "last_day, sum(AllocatedBilledCost)::DECIMAL(38,18) AS billed_cost, "
        "sum(AllocatedEffectiveCost)::DECIMAL(38,18) AS effective_cost, BillingCurrency AS currency "
        f"FROM allocation.charges WHERE {subject.where} AND ChargePeriodStart >= $first AND ChargePeriodStart < $until "
        "GROUP BY ALL ORDER BY first_day, team, reason",
        subject.values | {"first": subject.first, "until": subject.until},
    )


def _deliveries(con: Connection) -> list[Row]:
    return rows(
        con,
        "SELECT l.source_id AS source, l.format, strftime(l.billing_period_start, '%Y-%m') AS month, "
        "strftime(l.delivered_at, '%Y-%m-%d %H:%M') AS delivered, l.files[1] AS file, l.load_id AS load "
        "FROM ops.loads AS l JOIN ledger.slice AS s USING (slice_id, load_id) "
        "WHERE l.status = 'current' AND slice_id IN (SELECT slice_id FROM temp.scope) ORDER BY l.billing_period_start",
    )
