/*
id: canary_endpoint
title: Real-time endpoints that only a health check calls
version: 1
owner: finops-ledger
why: >
  A probe asks an endpoint once or twice an hour, day and night; people and programs do not. An endpoint with traffic in every
  hour, never more than a probe's, and every hour alike, answers its monitoring and nobody else. Where only days are known, each
  must have a probe's sum, and all must be alike.
misses: >
  Probes that ask more often than the limit. A program that asks exactly as steadily as a probe looks like one: confidence
  medium. A burst a week, or one busy hour, is no probe.
recommended_action: >
  Ask the owner what calls it; if it is a health check only, delete the endpoint and its check.
order: -1
check:
  AWS: aws sagemaker describe-endpoint --endpoint-name {name} --region {region}
  GCP: gcloud ai endpoints describe {name} --region={region} --project={account}
  Azure: az resource show --ids {id}
change:
  AWS: aws sagemaker delete-endpoint --endpoint-name {name} --region {region}
  GCP: gcloud ai endpoints undeploy-model {name} --deployed-model-id=DEPLOYED_MODEL_ID --region={region} --project={account}
  Azure: az resource delete --ids {id}
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today that are looked at.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
  requests_per_hour: {type: integer, default: 2, unit: requests, help: A health check asks once to this often in every hour.}
  alike_percent: {type: integer, default: 90, unit: percent, help: 'Days alone: the quietest has this share of the busiest.'}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH endpoints AS (
    SELECT *, request_hour_most IS NOT NULL AS by_hour
    FROM findings.judged(['inference.endpoint'], $today, $window_days)
    WHERE billed_hours > 0 AND still_billed AND NOT too_young
      AND NOT coalesce(CAST(properties ->> '$.Async' AS BOOLEAN), false)
      AND requests > 0
      AND findings.covers(request_hours, hours_seen, $measured_percent)
),

probed AS (
    SELECT *
    FROM endpoints
    WHERE CASE
        WHEN by_hour THEN request_hour_least >= 1 AND request_hour_most <= $requests_per_hour
        ELSE request_days >= days_billed AND request_day_least >= 24 AND request_day_most <= 24 * $requests_per_hour
            AND request_day_least * 100 >= request_day_most * $alike_percent
    END
),

canary_endpoint AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        'underused' AS status, 'medium' AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        monthly_if_deleted AS monthly_saving,
        currency,
        findings.grouped(requests) || ' requests in ' || $window_days || ' days, '
            || CASE WHEN by_hour
                    THEN findings.number(request_hour_least) || coalesce(' to ' || nullif(findings.number(request_hour_most),
                        findings.number(request_hour_least)), '') || ' in every hour'
                    ELSE findings.number(request_day_least) || coalesce(' to ' || nullif(findings.number(request_day_most),
                        findings.number(request_day_least)), '') || ' on every day' END
            || ' (' || findings.coverage(request_hours, hours_seen) || '): so steady is a health check; '
            || findings.billed_words(billed_hours, machine, cost_in_window, currency)
            || findings.unsaved_note(committed_cost, 0, currency) AS reason,
        json_merge_patch(evidence, json_object('requests_per_hour_at_most', $requests_per_hour,
            'judged_by', CASE WHEN by_hour THEN 'hours' ELSE 'days' END)) AS evidence
    FROM probed
)

SELECT * FROM canary_endpoint
