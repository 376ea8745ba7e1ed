/*
id: provisioned_throughput
title: Provisioned model throughput that nobody uses
version: 2
owner: finops-ledger
why: >
  Model units and PTUs are paid by the hour, invoked or not. They are idle if in the whole window there was no request: measured
  as zero, confidence high; without a datapoint although metrics could be read, medium, for Bedrock publishes Invocations only
  when there are any and has no hardware metrics. A committed term is paid to its end: nothing is saved before.
misses: >
  Vertex AI bills provisioned throughput without naming a resource: there is no row. Units that are used a little: the rule
  underused_throughput. Azure does not document that a deployment without requests has no datapoint: without a zero there is no
  verdict; an account's requests to other deployments count as its own.
recommended_action: >
  Ask the owner; then delete it, or go back to on-demand tokens. A committed term cannot be ended early: do not renew it.
check:
  AWS: aws bedrock get-provisioned-model-throughput --provisioned-model-id {id} --region {region}
  Azure: az cognitiveservices account deployment list --name {name} --resource-group {path4} --subscription {account}
change:
  AWS: aws bedrock delete-provisioned-model-throughput --provisioned-model-id {id} --region {region}
  Azure: az cognitiveservices account deployment delete --name {name} --resource-group {path4} --deployment-name DEPLOYMENT --subscription {account}
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today in which nobody used it.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
reads:
  - findings.resource_day
  - findings.account_day
  - findings.activity_day
  - findings.resource
  - findings.monitoring
  - ledger.dimensions
*/
WITH terms AS (
    SELECT
        ResourceId AS resource_id,
        bool_or(regexp_matches(meter, 'no[-_ ]?commit')) AS without_term,
        bool_or(regexp_matches(meter, '([0-9]+|one|six)[-_ ]?(weeks?|months?|years?)')) AS with_term
    FROM (SELECT ResourceId, lower(concat_ws(' ', x_UsageType, SkuMeter)) AS meter
          FROM ledger.dimensions WHERE x_WorkloadKind = 'inference.provisioned')
    GROUP BY ResourceId
),

units AS (
    SELECT
        u.*,
        TRY_CAST(u.properties ->> '$.CommitmentExpiresAt' AS TIMESTAMP) AS term_ends,
        u.properties ->> '$.CommitmentDuration' AS term,
        coalesce(t.without_term, false) AS without_term,
        coalesce(t.with_term, false) AS with_term,
        findings.covers(u.request_hours, u.hours_seen, $measured_percent) AS requests_measured,
        -- its metric was asked for, and the answer held nothing
        u.provider = 'AWS' AND u.known AND u.metrics_read
            AND NOT regexp_matches(coalesce(u.inventory_problem, ''), '(^|; )bedrock ') AS requests_asked
    FROM findings.judged(['inference.provisioned'], $today, $window_days) AS u
    LEFT JOIN terms AS t ON t.resource_id = u.resource_id
    WHERE u.billed_hours > 0
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN requests > 0 OR tokens > 0 OR throughput_p95 > 0 THEN 'active'
            WHEN NOT still_billed THEN 'active'
            WHEN obstacle IS NOT NULL THEN 'unknown'
            WHEN requests_measured OR requests_asked THEN 'idle'
            ELSE 'unknown'
        END AS status,
        CASE
            WHEN term_ends > CAST($today AS TIMESTAMP) THEN 'runs'
            WHEN term_ends IS NOT NULL OR without_term THEN 'none'
            WHEN term IS NOT NULL OR with_term THEN 'unknown'
            -- the inventory lists a term where there is one; Azure's terms are reservations, and known as commitments
            WHEN known OR provider = 'Azure' THEN 'none'
            ELSE 'unknown'
        END AS commitment
    FROM units
),

provisioned_throughput AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE
            WHEN status = 'unknown' THEN 'low'
            WHEN status = 'active' OR requests_measured THEN 'high'
            ELSE 'medium'
        END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE WHEN status = 'idle' AND commitment = 'none' THEN monthly_if_deleted
             WHEN status = 'idle' AND commitment = 'runs' THEN CAST(0 AS DECIMAL(38, 18)) END AS monthly_saving,
        currency,
        CASE
            WHEN requests > 0 THEN findings.grouped(requests) || ' requests in ' || $window_days || ' days, the last on '
                || last_request_day
            WHEN tokens > 0 THEN findings.grouped(tokens) || ' tokens in ' || $window_days || ' days'
            WHEN throughput_p95 > 0 THEN 'p95 of its use ' || findings.number(throughput_p95) || ' percent in ' || $window_days
                || ' days'
            WHEN status = 'active' THEN 'last billed on ' || last_day
            WHEN obstacle IS NOT NULL THEN 'no verdict: ' || obstacle
            WHEN status = 'unknown' THEN 'no verdict: its requests were not measured ('
                || findings.coverage(request_hours, hours_seen) || ')'
            WHEN requests_measured THEN 'no request in ' || $window_days || ' days ('
                || findings.coverage(request_hours, hours_seen) || ')'
            ELSE 'no datapoint of a request in ' || $window_days
                || ' days, though metrics could be read: they are published only when there are any'
        END
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE WHEN status <> 'idle' THEN ''
                WHEN commitment = 'runs' THEN '; committed until ' || strftime(term_ends, '%Y-%m-%d') || ': nothing is saved before'
                WHEN commitment = 'unknown' THEN '; it may be committed, and to when is not known, so no saving is named'
                ELSE findings.unsaved_note(committed_cost, 0, currency) END AS reason,
        json_merge_patch(evidence, json_object('commitment', commitment, 'commitment_duration', term,
            'commitment_expires_on', strftime(term_ends, '%Y-%m-%d'))) AS evidence
    FROM verdicts
)

SELECT * FROM provisioned_throughput
