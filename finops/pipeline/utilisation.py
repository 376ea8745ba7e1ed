"""Usage pages state activity and no money: they go to ``utilisation.daily`` instead of the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from finops.formats.read import TypedColumn, quote
from finops.formats.spec import FormatSpec
from finops.warehouse.connection import Connection, transaction
from finops.warehouse.landing import DeliveryRecord
from finops.warehouse.plan import LoadedSlice

_TOGETHER = """CASE
    WHEN statistic IN ('Average', 'p50') THEN sum(value * greatest(samples, 1)) / sum(greatest(samples, 1))
    WHEN statistic IN ('Minimum', 'HourMinimum') THEN min(value)
    WHEN statistic IS NULL OR statistic IN ('Sum', 'SampleCount') THEN sum(value)
    ELSE max(value) END"""


def load_utilisation(
    con: Connection, spec: FormatSpec, record: DeliveryRecord, typed: Sequence[TypedColumn], base: str
) -> list[LoadedSlice]:
    """Replace the days that a usage delivery states, per resource, part and metric.

    The mapping gives ``resource_id, metric, day, value, unit, samples`` from ``delivered``, and may give ``statistic`` (``Sum``,
    ``Average``, ``Maximum`` …, NULL where the metric has but one) and ``part`` (of the resource: a variant, a device). Rows that
    say the same thing twice are put together: counts are added, a maximum is the greater one, an average that of both.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE no_measures AS SELECT * EXCLUDE (source_id, load_id) FROM utilisation.daily LIMIT 0"
    )
    columns = ", ".join(f"{each.expression} AS {quote(each.name)}" for each in typed)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE measured AS WITH delivered AS (SELECT {columns} FROM ({base})) "
        f"SELECT resource_id, metric, statistic, part, day, CAST({_TOGETHER} AS DECIMAL(38, 18)) AS value, unit, "
        f"sum(samples)::BIGINT AS samples FROM (SELECT * FROM temp.no_measures UNION ALL BY NAME ({spec.query.body})) "
        "GROUP BY resource_id, metric, statistic, part, day, unit"
    )
    # days that a newer delivery has measured stay as they are
    newer = (
        "SELECT 1 FROM utilisation.daily AS d JOIN ops.loads AS l USING (load_id) WHERE d.source_id = $source "
        "AND d.resource_id = m.resource_id AND d.metric = m.metric AND d.day = m.day AND d.part IS NOT DISTINCT FROM m.part "
        "AND l.delivered_at > $delivered"
    )
    values = {"source": record.source_id, "delivered": record.delivered}
    with transaction(con):
        con.execute(f"DELETE FROM temp.measured AS m WHERE EXISTS ({newer})", values)
        con.execute(
            "DELETE FROM utilisation.daily USING temp.measured AS m WHERE daily.source_id = ? "
            "AND daily.resource_id = m.resource_id AND daily.metric = m.metric AND daily.day = m.day "
            "AND daily.part IS NOT DISTINCT FROM m.part",
            [record.source_id],
        )
        con.execute(
            "INSERT INTO utilisation.daily BY NAME SELECT ? AS source_id, *, ? AS load_id FROM temp.measured",
            [record.source_id, record.id],
        )
    con.execute("DROP TABLE temp.measured")
    con.execute("DROP TABLE temp.no_measures")
    return []
