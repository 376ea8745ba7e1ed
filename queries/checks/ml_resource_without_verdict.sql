/*
id: ml_resource_without_verdict
title: ML resources that are billed now and that no rule has looked at
version: 2
owner: finops-ledger
grade: warn
why: >
  Known gaps are better than unknown gaps: each ML resource that bills machine-hours on the last billed day has a verdict, if
  only 'unknown'. One without is a gap in the rules, or a kind of work that is new.
misses: >
  Jobs (they end, and have a verdict when they are long or have failed), tokens, storage and serverless endpoints are not
  expected to have one; neither are MLflow servers, whose use no metric tells. A charge without a resource cannot have one.
reads: [findings.resource_day, findings.account_day, findings.findings]
*/
WITH last_days AS (
    SELECT billing_account_id, max(day) AS day FROM findings.account_day GROUP BY billing_account_id
),

running AS (
    SELECT r.provider, r.account_id, r.resource_id, r.workload_kind, r.currency, sum(r.effective_cost) AS cost_on_last_day
    FROM findings.resource_day AS r
    JOIN last_days AS l ON l.billing_account_id IS NOT DISTINCT FROM r.billing_account_id AND l.day = r.day
    WHERE regexp_matches(r.workload_kind, '^(inference\.(endpoint|async|provisioned|vector)|notebook|compute|gpu|tpu|feature'
                                          || '|training\.(hyperpod|warmpool|plan))')
      AND r.billed_hours > 0 AND NOT r.is_earlier
      -- a reservation is no machine: the rule unused_capacity_reservation looks at it
      AND r.resource_id IS DISTINCT FROM r.capacity_reservation_id
    GROUP BY r.provider, r.account_id, r.resource_id, r.workload_kind, r.currency
),

ml_resource_without_verdict AS (
    SELECT r.*
    FROM running AS r
    ANTI JOIN findings.findings AS f
        ON f.resource_id = r.resource_id AND f.account_id IS NOT DISTINCT FROM r.account_id
    WHERE r.cost_on_last_day > 0
)

SELECT * FROM ml_resource_without_verdict
