/*
id: idle_tpu
title: TPU nodes whose chips do nothing
version: 1
owner: finops-ledger
why: >
  A TPU node is billed by its chips, used or not. It is idle if no worker's chips worked for more than 2 percent of any hour: the
  duty cycle, joined to the node by its workers. Where that cannot be joined there is no verdict, only the money.
misses: >
  Cloud Monitoring names a worker and not its node: workers whose names are not made of the node's are not joined. Time in which a
  node waits for data is idle only where it is all of the time.
recommended_action: >
  Ask the owner who still needs it; then delete the node: what is on its disks goes with it. Measure the duty cycle before, where it
  was not.
check:
  GCP: gcloud compute tpus tpu-vm describe {name} --zone={zone} --project={account}
change:
  GCP: gcloud compute tpus tpu-vm delete {name} --zone={zone} --project={account}
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today in which nothing ran.}
  idle_percent: {type: integer, default: 2, unit: percent, help: A duty cycle up to this is none.}
  measured_percent: {type: integer, default: 90, unit: percent, help: Measured in at least this share of the billed hours.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.monitoring]
*/
WITH nodes AS (
    SELECT
        *,
        coalesce(json_array_length(properties, '$.Workers'), 1) AS workers,
        findings.covers(gpu_hours, hours_seen, $measured_percent) AS is_covered
    FROM findings.judged(['tpu'], $today, $window_days)
    WHERE billed_hours > 0
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN gpu_most > $idle_percent THEN 'active'
            WHEN NOT still_billed THEN 'active'
            WHEN obstacle IS NOT NULL THEN 'unknown'
            WHEN is_covered AND gpu_greatest_known AND (gpu_parts = 0 OR gpu_parts >= workers) THEN 'idle'
            ELSE 'unknown'
        END AS status
    FROM nodes
),

idle_tpu AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE status WHEN 'unknown' THEN 'low' ELSE 'high' END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_if_deleted END AS monthly_saving,
        currency,
        CASE
            WHEN gpu_most > $idle_percent
                THEN 'its duty cycle reached ' || findings.number(gpu_most) || ' percent in ' || $window_days || ' days'
            WHEN status = 'active' THEN 'last billed on ' || last_day
            WHEN obstacle IS NOT NULL THEN 'no verdict: ' || obstacle
            WHEN status = 'idle' THEN
                CASE WHEN gpu_parts > 1 THEN 'none of ' || gpu_parts || ' workers had' ELSE 'it had not' END
                || ' a duty cycle above ' || findings.number(gpu_most) || ' percent in ' || $window_days || ' days ('
                || findings.coverage(gpu_hours, hours_seen) || ')'
            WHEN coalesce(gpu_hours, 0) = 0
                THEN 'no verdict: no duty cycle could be joined to it; billed ' || findings.number(hours_seen) || ' of ' || hours_expected
                || ' hours in ' || $window_days || ' days'
            WHEN gpu_parts > 0 AND gpu_parts < workers
                THEN 'no verdict: only ' || gpu_parts || ' of ' || workers || ' workers were measured'
            WHEN is_covered THEN 'no verdict: of its duty cycle only averages are known, which hide short work'
            ELSE 'no verdict: its duty cycle was not measured all the time (' || findings.coverage(gpu_hours, hours_seen) || ')'
        END
        || '; ' || findings.billed_words(billed_hours, machine, cost_in_window, currency)
        || CASE status WHEN 'idle' THEN findings.unsaved_note(committed_cost, 0, currency) ELSE '' END AS reason,
        json_merge_patch(evidence, json_object('idle_percent', $idle_percent, 'workers', workers, 'workers_measured', gpu_parts))
            AS evidence
    FROM verdicts
)

SELECT * FROM idle_tpu
