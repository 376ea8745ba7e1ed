"""A large CUR 2.0 delivery: hourly rows over far fewer distinct resources, as real ones are.

``python -m benchmarks.generate FOLDER ROWS DIMENSIONS [MONTH]`` writes zstd Parquet parts of an invented bill of one month: 127
columns with real MAPs, 60 % steady hourly resources and 40 % whose usage differs every hour; of 125 kinds of charges one is tax, a credit,
support or the fee of a savings plan.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

TEXT = """bill_invoice_id line_item_iam_principal line_item_net_unblended_rate line_item_tax_type pricing_lease_contract_length
pricing_offering_class pricing_purchase_option product_comment product_fee_code product_fee_description product_from_location
product_from_location_type product_from_region_code product_instancesku product_location_type product_pricing_unit
product_to_location product_to_location_type product_to_region_code reservation_availability_zone reservation_end_time
reservation_modification_status reservation_normalized_units_per_reservation reservation_number_of_reservations
reservation_reservation_a_r_n reservation_start_time reservation_subscription_id reservation_total_reserved_normalized_units
reservation_total_reserved_units reservation_units_per_reservation savings_plan_end_time savings_plan_instance_type_family
savings_plan_offering_type savings_plan_payment_option savings_plan_purchase_term savings_plan_region savings_plan_start_time
split_line_item_parent_resource_id""".split()
MONEY = """discount_bundled_discount discount_total_discount line_item_net_unblended_cost
reservation_amortized_upfront_cost_for_usage reservation_amortized_upfront_fee_for_billing_period reservation_effective_cost
reservation_net_amortized_upfront_cost_for_usage reservation_net_amortized_upfront_fee_for_billing_period
reservation_net_effective_cost reservation_net_recurring_fee_for_usage
reservation_net_unused_amortized_upfront_fee_for_billing_period reservation_net_unused_recurring_fee
reservation_net_upfront_value reservation_recurring_fee_for_usage reservation_unused_amortized_upfront_fee_for_billing_period
reservation_unused_normalized_unit_quantity reservation_unused_quantity reservation_unused_recurring_fee
reservation_upfront_value savings_plan_amortized_upfront_commitment_for_billing_period
savings_plan_net_amortized_upfront_commitment_for_billing_period savings_plan_net_recurring_commitment_for_billing_period
savings_plan_net_savings_plan_effective_cost savings_plan_recurring_commitment_for_billing_period savings_plan_savings_plan_rate
savings_plan_total_commitment_to_date savings_plan_used_commitment split_line_item_actual_usage split_line_item_net_split_cost
split_line_item_net_unused_cost split_line_item_public_on_demand_split_cost split_line_item_public_on_demand_unused_cost
split_line_item_reserved_usage split_line_item_split_cost split_line_item_split_usage split_line_item_split_usage_ratio
split_line_item_unused_cost""".split()
FILLED = {
    "bill_bill_type": "'Anniversary'",
    "bill_billing_entity": "'AWS'",
    "bill_billing_period_end_date": "TIMESTAMP '{month}-01' + INTERVAL 1 MONTH",
    "bill_billing_period_start_date": "TIMESTAMP '{month}-01'",
    "bill_invoicing_entity": "'Amazon Web Services, Inc.'",
    "bill_payer_account_id": "'100000000000'",
    "bill_payer_account_name": "'payer'",
    "cost_category": "MAP {'CostCenter': 'CC-' || (i % 50)}",
    "discount": "CAST(MAP {} AS MAP(VARCHAR, DOUBLE))",
    "identity_line_item_id": "md5(i::VARCHAR || n::VARCHAR)",
    "identity_time_interval": "strftime(ts, '%Y-%m-%dT%H:%M:%SZ') || '/' || strftime(ts + INTERVAL 1 HOUR, '%Y-%m-%dT%H:%M:%SZ')",
    "line_item_availability_zone": "region || 'a'",
    "line_item_blended_cost": "round(rate * amount, 10)",
    "line_item_blended_rate": "rate::VARCHAR",
    "line_item_currency_code": "'USD'",
    "line_item_legal_entity": "'Amazon Web Services, Inc.'",
    "line_item_line_item_description": "'$' || rate || ' per ' || usage_type || ' in ' || region",
    "line_item_line_item_type": "CASE fee WHEN '' THEN if(plan, 'SavingsPlanCoveredUsage', 'Usage') WHEN 'Support' THEN 'Fee' ELSE fee END",
    "line_item_normalization_factor": "1.0::DOUBLE",
    "line_item_normalized_usage_amount": "amount",
    "line_item_operation": "'Operation' || (i % 30)",
    "line_item_product_code": "if(fee = 'Support', 'AWSSupportBusiness', service)",
    "line_item_resource_id": "if(i % 10 < 8 AND fee = '', 'arn:aws:' || service || ':' || region || ':' || account || ':res/' || md5(i::VARCHAR), '')",
    "line_item_unblended_cost": "round(rate * amount, 10)",
    "line_item_unblended_rate": "rate::VARCHAR",
    "line_item_usage_account_id": "account",
    "line_item_usage_account_name": "'account-' || account",
    "line_item_usage_amount": "amount",
    "line_item_usage_end_date": "ts + INTERVAL 1 HOUR",
    "line_item_usage_start_date": "ts",
    "line_item_usage_type": "usage_type",
    "pricing_currency": "'USD'",
    "pricing_public_on_demand_cost": "round(rate * amount, 10)",
    "pricing_public_on_demand_rate": "rate::VARCHAR",
    "pricing_rate_code": "'RC' || (i % 5000)",
    "pricing_rate_id": "(i % 5000)::VARCHAR",
    "pricing_term": "'OnDemand'",
    "pricing_unit": "'Hrs'",
    "product": "MAP {'region': region, 'product_name': service, 'instance_type': usage_type}",
    "product_instance_family": "'General purpose'",
    "product_instance_type": "split_part(usage_type, ':', 2)",
    "product_location": "region",
    "product_operation": "'Operation' || (i % 30)",
    "product_product_family": "'Family ' || (i % 12)",
    "product_region_code": "region",
    "product_servicecode": "service",
    "product_sku": "'SKU' || (i % 5000)",
    "product_usagetype": "usage_type",
    "resource_tags": "if(team = '' OR fee <> '', MAP {'user_env': env}, MAP {'user_team': team, 'user_env': env, 'user_app': 'app-' || (i % 300)})",
    "savings_plan_savings_plan_a_r_n": "if(fee IN ('', 'SavingsPlanRecurringFee') AND (plan OR fee <> ''), 'arn:aws:savingsplans::100000000000:savingsplan/x', '')",
    "savings_plan_savings_plan_effective_cost": "if(plan AND fee = '', round(rate * amount * 0.7, 10), NULL)",
    "tags": "CAST(MAP {} AS MAP(VARCHAR, VARCHAR))",
}
DIMENSIONS = """CREATE TABLE dimension AS SELECT i,
  ['AmazonEC2', 'AmazonSageMaker', 'AmazonS3', 'AmazonRDS', 'AWSLambda', 'AmazonBedrock', 'AmazonEKS', 'AmazonCloudWatch',
   'AWSDataTransfer', 'AmazonDynamoDB'][1 + (hash(i) % 10)::INT] AS service,
  lpad((100000000000 + (hash(i * 7) % 40))::VARCHAR, 12, '0') AS account,
  ['us-east-1', 'eu-west-1', 'us-west-2', 'ap-southeast-1'][1 + (hash(i * 3) % 4)::INT] AS region,
  ['BoxUsage:m5.large', 'BoxUsage:p4d.24xlarge', 'USE1-Host:ml.g5.xlarge', 'DataTransfer-Out-Bytes', 'EBS:VolumeUsage.gp3',
   'Requests-Tier1', 'TimedStorage-ByteHrs', 'USE1-Train:ml.p3.2xlarge'][1 + (hash(i * 11) % 8)::INT] AS usage_type,
  ['ml-research', 'search', 'platform', 'data-eng', 'payments', ''][1 + (hash(i * 13) % 6)::INT] AS team,
  ['prod', 'dev', 'staging'][1 + (hash(i * 17) % 3)::INT] AS env,
  (hash(i * 19) % 100000) / 10000.0 AS rate, hash(i * 23) % 10 < 6 AS steady, hash(i * 29) % 20 = 0 AS plan,
  coalesce(['Tax', 'Credit', 'Support', 'SavingsPlanRecurringFee'][1 + i % 500], '') AS fee
FROM range({dimensions}) AS t(i)"""


def generate(folder: Path, rows: int, dimensions: int, month: str = "2026-09", parts: int = 8) -> None:
    """Write the delivery, unless it is there already."""
    if len(list(folder.glob("*.parquet"))) == parts:
        return
    folder.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect(config={"preserve_insertion_order": False, "memory_limit": "6GB"})
    con.execute(DIMENSIONS.format(dimensions=dimensions))
    columns = [
        *(f"{sql.replace('{month}', month)} AS {name}" for name, sql in FILLED.items()),
        *(f"NULL::VARCHAR AS {name}" for name in TEXT),
        *(f"NULL::DOUBLE AS {name}" for name in MONEY),
    ]
    each = rows // parts
    for part in range(parts):
        con.execute(
            f"""COPY (SELECT {", ".join(sorted(columns, key=lambda c: c.rsplit(" AS ", 1)[1]))} FROM (
              SELECT d.*, n, TIMESTAMP '{month}-01' + to_hours((n * 720 // {rows})::INT) AS ts,
                if(steady, 1.0, round((hash(n) % 1000000) / 1000.0, 4))::DOUBLE AS amount
              FROM range({part * each}, {(part + 1) * each}) AS t(n)
              JOIN dimension AS d ON d.i = (hash(n * 31) % {dimensions})::BIGINT))
            TO '{folder}/cur2-{part + 1:05}.parquet' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 200000)"""
        )
        print(f"  generated part {part + 1} of {parts}", file=sys.stderr)


if __name__ == "__main__":
    generate(Path(sys.argv[1]), int(float(sys.argv[2])), int(float(sys.argv[3])), *sys.argv[4:5])
