/*
id: underused_throughput
title: Provisioned model throughput that is hardly used
version: 1
owner: finops-ledger
why: >
  Units that are used for less than a fifth of what they hold in 95 percent of the hours are more than are needed; tokens on
  demand may cost less.
misses: >
  How many tokens a Bedrock model unit or a Vertex unit holds is not public: only a metric that states the share in use is
  believed (Azure OpenAI's utilisation of provisioned units). Units without one are not judged. Short peaks within an hour are
  not seen.
recommended_action: >
  Compare the tokens used with the price of tokens on demand; buy fewer units, or share them between deployments.
check:
  AWS: aws bedrock get-provisioned-model-throughput --provisioned-model-id {id} --region {region}
  Azure: az cognitiveservices account deployment list --name {name} --resource-group {path4} --subscription {account}
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today that are looked at.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
  used_percent: {type: integer, default: 20, unit: percent, help: A p95 of the use below this is little.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH units AS (
    FROM findings.judged(['inference.provisioned'], $today, $window_days)
    WHERE billed_hours > 0 AND still_billed AND NOT too_young
      AND findings.covers(throughput_hours, hours_seen, $measured_percent)
      AND throughput_p95 < $used_percent AND (throughput_p95 > 0 OR requests > 0)
),

underused_throughput AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        'underused' AS status, 'medium' AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving,
        currency,
        'p95 of its use ' || findings.number(throughput_p95) || ' percent in ' || $window_days || ' days ('
            || findings.coverage(throughput_hours, hours_seen) || '); '
            || findings.billed_words(billed_hours, machine, cost_in_window, currency)
            || '; what the tokens would cost otherwise is not in the bill, so no saving is named' AS reason,
        json_merge_patch(evidence, json_object('used_p95', CAST(throughput_p95 AS DOUBLE), 'below', $used_percent)) AS evidence
    FROM units
)

SELECT * FROM underused_throughput
