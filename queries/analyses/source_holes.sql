/*
id: source_holes
title: What is missing?
version: 1
owner: finops-ledger
why: >
  A month that could not be read is not a month without costs. Here is each one, what went wrong, and what to do about it.
misses: >
  What the last collection could not read, no more: a source that nobody configured is missing without anybody knowing. A
  hole is gone from here as soon as a collection has filled it.
reads: [ops.holes, ops.loads]
params: {}
columns:
  SourceId: The source as it is called in finops.toml
  BillingMonth: The month that is missing; empty where the whole source could not be read
  Outcome: '"denied", "expired", "missing", "incomplete", "changed", "refused", "unapproved" or "failed"'
  InTheLedger: '"nothing", or when the version was delivered that the ledger keeps in its place, UTC'
  What: What went wrong
  Place: Where
  NextStep: What to do about it
  FirstSeen: Since when it has been so, UTC
  LastSeen: When it was last so, UTC
*/
WITH held AS (
    SELECT source_id, CAST(billing_period_start AS DATE) AS billing_period, max(delivered_at) AS delivered_at
    FROM ops.loads
    WHERE status = 'current' AND billing_period_start IS NOT NULL
    GROUP BY ALL
),
source_holes AS (
    SELECT
        holes.source_id AS SourceId,
        holes.billing_period AS BillingMonth,
        holes.outcome AS Outcome,
        coalesce(strftime(max(held.delivered_at), '%Y-%m-%d %H:%M'), 'nothing') AS InTheLedger,
        holes.what AS What,
        holes.place AS Place,
        holes.next_step AS NextStep,
        holes.first_seen_at AS FirstSeen,
        holes.last_seen_at AS LastSeen
    FROM ops.holes
    LEFT JOIN held ON held.source_id = holes.source_id
        AND (held.billing_period = holes.billing_period OR holes.billing_period IS NULL)
    GROUP BY ALL
)
SELECT * FROM source_holes
ORDER BY SourceId, BillingMonth, Outcome, What, Place
