/*
id: idle_vector_index
title: Vector indexes that nobody queries
version: 1
owner: finops-ledger
why: >
  A deployed index keeps its machines running, queried or not. It is idle if no query was measured in the whole window, and the
  queries were measured: confidence high.
misses: >
  Indexes that are not deployed cost storage only. Google does not document that an index without queries has no datapoint:
  without a zero there is no verdict.
recommended_action: >
  Ask who queries it; then undeploy the index. It stays, and can be deployed again.
check:
  GCP: gcloud ai index-endpoints describe {name} --region={region} --project={account}
change:
  GCP: gcloud ai index-endpoints undeploy-index {name} --deployed-index-id=DEPLOYED_INDEX_ID --region={region} --project={account}
params:
  window_days: {type: integer, default: 30, unit: days, help: The days before today in which nobody asked.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH stores AS (
    SELECT *, findings.covers(request_hours, hours_seen, $measured_percent) AS requests_measured
    FROM findings.judged(['inference.vector'], $today, $window_days)
    WHERE billed_hours > 0
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN requests > 0 THEN 'active'
            WHEN NOT still_billed THEN 'active'
            WHEN obstacle IS NOT NULL THEN 'unknown'
            WHEN requests_measured THEN 'idle'
            ELSE 'unknown'
        END AS status
    FROM stores
),

idle_vector_index AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE status WHEN 'unknown' THEN 'low' ELSE 'high' END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_if_deleted END AS monthly_saving,
        currency,
        CASE
            WHEN requests > 0 THEN findings.grouped(requests) || ' requests in ' || $window_days || ' days, the last on '
                || last_request_day
            WHEN status = 'active' THEN 'last billed on ' || last_day
            WHEN obstacle IS NOT NULL THEN 'no verdict: ' || obstacle
            WHEN status = 'unknown' THEN 'no verdict: its requests were not measured ('
                || findings.coverage(request_hours, hours_seen) || ')'
            ELSE 'no request in ' || $window_days || ' days (' || findings.coverage(request_hours, hours_seen) || ')'
        END
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE status WHEN 'idle' THEN findings.unsaved_note(committed_cost, 0, currency) ELSE '' END AS reason,
        evidence
    FROM verdicts
)

SELECT * FROM idle_vector_index
