/*
id: workload_kind_charges
title: Charges that are no workload - tax, credits, commitments, support
version: 1
owner: finops-ledger
order: 10
writes: [x_WorkloadKind]
why: >
  A SageMaker credit is no SageMaker usage. What is not work is named first, so that no provider's rule takes it for work.
misses: >
  A refund (ChargeClass 'Correction') stays with the usage that it corrects. A fee that is neither a commitment nor support
  has no kind.
reads: [ledger.dimensions]
*/
WITH workload_kind_charges AS (
    SELECT
        x_DimensionId,
        CASE
            WHEN ChargeCategory = 'Tax' THEN 'tax'
            WHEN ChargeCategory = 'Credit' THEN 'credit'
            WHEN CommitmentDiscountStatus = 'Unused' THEN 'commitment'
            WHEN ChargeCategory = 'Purchase' AND CommitmentDiscountId IS NOT NULL THEN 'commitment'
            WHEN ChargeDescription LIKE 'Commitment v%' OR ChargeDescription LIKE 'Commitment - %' THEN 'commitment'
            WHEN x_ServiceCode LIKE 'AWSSupport%' OR x_ServiceCode LIKE 'AWSDeveloperSupport%' THEN 'support'
            WHEN regexp_matches(ServiceName, '(^|\W)Support(\W|$)') AND ChargeCategory IN ('Purchase', 'Usage') THEN 'support'
        END AS x_WorkloadKind
    FROM ledger.dimensions
)

SELECT x_DimensionId, x_WorkloadKind
FROM workload_kind_charges
WHERE x_WorkloadKind IS NOT NULL
