-- What commitments cost per UTC day, the used and the unused part, over the last $horizon_days days.
WITH dimensions AS (
    SELECT
        x_DimensionId AS dimension_id,
        ledger.provider_of(coalesce(HostProviderName, ProviderName, ServiceProviderName)) AS provider,
        SubAccountId AS account_id,
        RegionId AS region,
        CommitmentDiscountId AS commitment_id,
        CommitmentDiscountName AS commitment_name,
        CommitmentDiscountType AS commitment_type,
        CommitmentDiscountCategory AS category,
        CommitmentDiscountStatus AS status,
        BillingCurrency AS currency
    FROM ledger.dimensions
    WHERE CommitmentDiscountId IS NOT NULL
      AND CommitmentDiscountStatus IS NOT NULL
      AND ChargeCategory NOT IN ('Tax', 'Credit')
),

commitment_day AS (
    SELECT
        s.billing_account_id,
        d.* EXCLUDE (dimension_id),
        CAST(c.ChargePeriodStart AS DATE) AS day,
        CAST(sum(c.BilledCost + c.EffectiveCostDelta) AS DECIMAL(38, 18)) AS effective_cost
    FROM ledger.charge AS c
    JOIN dimensions AS d ON d.dimension_id = c.dimension_id
    JOIN ledger.slice AS s ON s.slice_id = c.slice_id
    WHERE c.ChargePeriodStart >= CAST($today AS DATE) - CAST($horizon_days AS INTEGER)
      AND c.ChargePeriodStart < CAST($today AS DATE)
    GROUP BY ALL
)

SELECT * FROM commitment_day
