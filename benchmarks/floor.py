"""The floor: plain DuckDB reads the same Parquet into one wide table with the 65 FOCUS columns, typed. Nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

MONEY = "DECIMAL(38, 18)"
SELECT = f"""
SELECT NULL::JSON AS AllocatedMethodDetails, NULL::VARCHAR AS AllocatedMethodId, NULL::VARCHAR AS AllocatedResourceId,
  NULL::VARCHAR AS AllocatedResourceName, NULL::MAP(VARCHAR, VARCHAR) AS AllocatedTags,
  line_item_availability_zone AS AvailabilityZone, line_item_unblended_cost::{MONEY} AS BilledCost,
  bill_payer_account_id AS BillingAccountId, bill_payer_account_name AS BillingAccountName,
  NULL::VARCHAR AS BillingAccountType, line_item_currency_code AS BillingCurrency,
  bill_billing_period_end_date AS BillingPeriodEnd, bill_billing_period_start_date AS BillingPeriodStart,
  NULL::VARCHAR AS CapacityReservationId, NULL::VARCHAR AS CapacityReservationStatus,
  CASE line_item_line_item_type WHEN 'Tax' THEN 'Tax' WHEN 'Credit' THEN 'Credit' WHEN 'Fee' THEN 'Purchase' ELSE 'Usage' END
    AS ChargeCategory, NULL::VARCHAR AS ChargeClass, line_item_line_item_description AS ChargeDescription,
  'Usage-Based' AS ChargeFrequency, line_item_usage_end_date AS ChargePeriodEnd, line_item_usage_start_date AS ChargePeriodStart,
  NULL::VARCHAR AS CommitmentDiscountCategory, savings_plan_savings_plan_a_r_n AS CommitmentDiscountId,
  NULL::VARCHAR AS CommitmentDiscountName, NULL::{MONEY} AS CommitmentDiscountQuantity,
  NULL::VARCHAR AS CommitmentDiscountStatus, NULL::VARCHAR AS CommitmentDiscountType, NULL::VARCHAR AS CommitmentDiscountUnit,
  NULL::JSON AS CommitmentProgramEligibilityDetails, line_item_usage_amount::{MONEY} AS ConsumedQuantity,
  pricing_unit AS ConsumedUnit, NULL::JSON AS ContractApplied, line_item_unblended_cost::{MONEY} AS ContractedCost,
  line_item_unblended_rate::{MONEY} AS ContractedUnitPrice,
  coalesce(savings_plan_savings_plan_effective_cost, line_item_unblended_cost)::{MONEY} AS EffectiveCost,
  'AWS' AS HostProviderName, NULL::VARCHAR AS InvoiceDetailId, bill_invoice_id AS InvoiceId,
  bill_invoicing_entity AS InvoiceIssuerName, pricing_public_on_demand_cost::{MONEY} AS ListCost,
  pricing_public_on_demand_rate::{MONEY} AS ListUnitPrice, 'Standard' AS PricingCategory, pricing_currency AS PricingCurrency,
  NULL::{MONEY} AS PricingCurrencyContractedUnitPrice, NULL::{MONEY} AS PricingCurrencyEffectiveCost,
  NULL::{MONEY} AS PricingCurrencyListUnitPrice, line_item_usage_amount::{MONEY} AS PricingQuantity,
  pricing_unit AS PricingUnit, product_region_code AS RegionId, product_location AS RegionName,
  line_item_resource_id AS ResourceId, NULL::VARCHAR AS ResourceName, NULL::VARCHAR AS ResourceType,
  NULL::VARCHAR AS ServiceCategory, line_item_product_code AS ServiceName, 'AWS' AS ServiceProviderName,
  NULL::VARCHAR AS ServiceSubcategory, product_sku AS SkuId, line_item_usage_type AS SkuMeter, NULL::JSON AS SkuPriceDetails,
  pricing_rate_code AS SkuPriceId, line_item_usage_account_id AS SubAccountId, line_item_usage_account_name AS SubAccountName,
  NULL::VARCHAR AS SubAccountType, resource_tags AS Tags
FROM read_parquet(?)"""


def run(data: Path, database: Path) -> None:
    """Write the wide table."""
    con = duckdb.connect(str(database), config={"threads": 2, "preserve_insertion_order": False, "memory_limit": "3GB"})
    con.execute(f"CREATE TABLE cost_and_usage AS {SELECT}", [str(data / "*.parquet")])
    con.execute("CHECKPOINT")
    con.close()


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
