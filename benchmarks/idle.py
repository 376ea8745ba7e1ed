"""Measures finding what is idle: 20,000 resources, 15 days, 4 metrics by the hour; ``make bench-idle``.

The floor is plain DuckDB over the same warehouse: the metrics' daily rows added up by resource, the charges too, and both joined.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import duckdb

from benchmarks.run import Measured, measure

TODAY, FIRST, DAYS = "2026-10-16", "2026-10-01", 15
RESOURCES = """
CREATE TABLE resource AS
WITH numbered AS (
    SELECT i, hash(i * 7) % 100 AS kind, hash(i * 11) % 10 AS mood, lpad((100000000000 + hash(i * 3) % 20)::VARCHAR, 12, '0') AS account,
        ['us-east-1', 'eu-west-1'][1 + (i % 2)] AS region, lower(hex(hash(i))) AS name
    FROM range({resources}) AS t(i)
)
SELECT i, mood, account, region, name, k.*,
    CASE k.service WHEN 'ec2' THEN 'i-0' || name ELSE 'arn:aws:' || k.service || ':' || region || ':' || account || ':' || k.path || '/' || name
    END AS id
FROM numbered
JOIN (VALUES
    (0, 45, 'sagemaker', 'endpoint', 'AWS::SageMaker::Endpoint', 'Host:ml.g5.xlarge', 'ml.g5.xlarge', 'AmazonSageMaker', 1.408),
    (45, 55, 'sagemaker', 'endpoint', 'AWS::SageMaker::Endpoint', 'AsyncInf:ml.g4dn.xlarge', 'ml.g4dn.xlarge', 'AmazonSageMaker', 0.7364),
    (55, 70, 'sagemaker', 'notebook-instance', 'AWS::SageMaker::NotebookInstance', 'Notebk:ml.m5.xlarge', 'ml.m5.xlarge',
     'AmazonSageMaker', 0.23),
    (70, 85, 'ec2', 'instance', 'AWS::EC2::Instance', 'BoxUsage:g5.2xlarge', 'g5.2xlarge', 'AmazonEC2', 1.212),
    (85, 95, 'sagemaker', 'training-job', 'AWS::SageMaker::TrainingJob', 'Train:ml.g5.12xlarge', 'ml.g5.12xlarge', 'AmazonSageMaker', 7.09),
    (95, 100, 'bedrock', 'provisioned-model', 'AWS::Bedrock::ProvisionedModelThroughput', 'NovaLite-ProvisionedThroughput-NoCommit-ModelUnits',
     '', 'AmazonBedrock', 11.88)
) AS k(lowest, highest, service, path, type, meter, machine, product, rate) ON kind >= k.lowest AND kind < k.highest
"""
"""A fleet: a third of it does nothing, by its mood."""
BILL = f"""
COPY (
    SELECT 'Anniversary' AS bill_bill_type, 'AWS' AS bill_billing_entity, TIMESTAMP '2026-10-01' AS bill_billing_period_start_date,
        '900000000001' AS bill_payer_account_id, 'USD' AS line_item_currency_code, 'Usage' AS line_item_line_item_type,
        'RunInstance' AS line_item_operation, product AS line_item_product_code, id AS line_item_resource_id,
        rate::DOUBLE AS line_item_unblended_cost, rate::VARCHAR AS line_item_unblended_rate, account AS line_item_usage_account_id,
        1.0::DOUBLE AS line_item_usage_amount, ts + INTERVAL 1 HOUR AS line_item_usage_end_date, ts AS line_item_usage_start_date,
        meter AS line_item_usage_type, 'Hrs' AS pricing_unit, machine AS product_instance_type, region AS product_region_code,
        MAP {{'user_team': 'team-' || (i % 12)}} AS resource_tags
    FROM resource, (SELECT TIMESTAMP '{FIRST}' + to_hours(h::INTEGER) AS ts FROM range({DAYS * 24}) AS t(h))
) TO '{{folder}}/bill/cur2.parquet' (FORMAT parquet, COMPRESSION zstd)
"""
METRICS = f"""
COPY (
    SELECT id AS resource_id, m.metric, m.statistic,
        CASE WHEN path = 'endpoint' AND m.statistic = 'Sum' THEN 'AllTraffic' END AS part,
        CASE m.statistic WHEN 'Sum' THEN 'Count' ELSE 'Percent' END AS unit, TIMESTAMP '{FIRST}' + to_hours(h::INTEGER) AS hour,
        CASE WHEN mood < 3 THEN 0 ELSE hash(i * 31 + h) % 60 END::DOUBLE AS value
    FROM resource, range({DAYS * 24}) AS t(h),
        (VALUES ('Invocations', 'Sum'), ('CPUUtilization', 'Average'), ('GPUUtilization', 'Maximum'), ('GPUMemoryUtilization', 'Average'))
            AS m(metric, statistic)
) TO '{{folder}}/metrics/metrics.parquet' (FORMAT parquet, COMPRESSION zstd)
"""
INVENTORY = """
COPY (
    SELECT 'AWS' AS provider, account AS account_id, region, id AS resource_id, name AS resource_name, type AS resource_type,
        'InService' AS state, '2026-06-01T00:00:00Z' AS created_at, '2026-06-01T00:00:00Z' AS changed_at,
        {'InstanceType': machine, 'Async': meter LIKE 'Async%', 'AutoStop': false, 'Variants': [{'VariantName': 'AllTraffic'}]} AS properties
    FROM resource
) TO '{folder}/inventory/inventory.jsonl' (FORMAT json)
"""
READS = """
COPY (
    SELECT DISTINCT 'AWS' AS provider, account AS account_id, region, s.service, s.covers, 'complete' AS outcome
    FROM resource, (VALUES ('sagemaker', 'inventory'), ('ec2', 'inventory'), ('bedrock', 'inventory'), ('cloudwatch', 'metrics'))
        AS s(service, covers)
) TO '{folder}/reads/reads.jsonl' (FORMAT json)
"""
FLOOR = """
SELECT count(*), sum(cost), sum(total) FROM (
    SELECT d.ResourceId, sum(c.BilledCost + c.EffectiveCostDelta) AS cost
    FROM ledger.charge AS c JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
    GROUP BY d.ResourceId
) AS billed JOIN (
    SELECT resource_id, sum(value) FILTER (statistic = 'Sum') AS total, max(value) AS most, sum(samples) AS samples
    FROM utilisation.daily GROUP BY resource_id
) AS used ON used.resource_id = billed.ResourceId
"""


def generate(folder: Path, resources: int) -> None:
    """Write bill, inventory, metrics and reads, unless they are there already."""
    if (folder / "reads" / "reads.jsonl").is_file():
        return
    for part in ("bill", "metrics", "inventory", "reads"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    con = duckdb.connect(config={"preserve_insertion_order": False, "memory_limit": "4GB", "threads": 2})
    con.execute(RESOURCES.replace("{resources}", str(resources)))
    for sql in (BILL, METRICS, INVENTORY, READS):
        con.execute(sql.replace("{folder}", str(folder)))


def main() -> None:
    """Generate, measure, print; ``--json`` keeps the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=int, default=20_000)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = options.data / f"idle-{options.resources}"
    generate(data, options.resources)
    with tempfile.TemporaryDirectory(prefix="finops-bench-") as temporary:
        results = _measure_all(Path(temporary), data.resolve(), options.resources)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in results], indent=1))


def _measure_all(work: Path, data: Path, resources: int) -> list[Measured]:
    finops = [sys.executable, "-m", "finops", "--today", TODAY, "--quiet"]
    (work / "finops.toml").write_text("[warehouse]\nthreads = 2\n")
    measured = [measure(f"finops load: {part}", [*finops, "load", str(data / part)], work, None)
                for part in ("bill", "metrics", "inventory", "reads")]  # fmt: skip
    measured.append(measure("finops build", [*finops, "build", "--json"], work, None, output=work / "build.json"))
    script = f"import duckdb; print(duckdb.connect('finops.duckdb', read_only=True, config={{'threads': 2}}).execute({FLOOR!r}).fetchall())"
    floor = measure("floor: both added up and joined", [sys.executable, "-c", script], work, None)
    find = next(each for each in json.loads((work / "build.json").read_text())["stages"] if each["stage"] == "find")
    rules = Measured(
        "the rules", round(find["seconds"], 2), round(find["seconds"] / floor.seconds, 2), measured[-1].peak_gb
    )
    points = resources * DAYS * 24 * 4
    print(f"\n{points / 1e6:.1f} million points of {resources:,} resources loaded in {measured[1].seconds:.1f} s; {find['rows']:,} findings "
          f"in {rules.seconds:.1f} s = {rules.ratio_to_floor:.1f} x floor")  # fmt: skip
    return [*measured, floor, rules]


if __name__ == "__main__":
    main()
