/*
id: unused_capacity_reservation
title: Capacity that is reserved and not used
version: 2
owner: finops-ledger
why: >
  Reserved capacity is billed like running machines. AWS's bill itself says which hours nothing ran in it (usage type UnusedBox,
  CapacityReservationStatus 'Unused'): no metric is needed, confidence high. Where a bill only names the reservation, its inventory
  says how much of it was free at one moment: medium if all of it was, else no verdict.
misses: >
  Reservations that a bill does not name at all: unused capacity of Azure, and of Google where the export has no resources. A
  reservation that waits for a planned launch looks the same as a forgotten one. A capacity block cannot be given back.
recommended_action: >
  Ask who waits for this capacity; then cancel the reservation, or shrink it to what runs in it.
check:
  AWS: aws ec2 describe-capacity-reservations --capacity-reservation-ids {name} --region {region}
  GCP: gcloud compute reservations describe {name} --zone={zone} --project={account}
change:
  AWS: aws ec2 cancel-capacity-reservation --capacity-reservation-id {name} --region {region}
  GCP: gcloud compute reservations delete {name} --zone={zone} --project={account}
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today that are looked at.}
  idle_percent: {type: integer, default: 90, unit: percent, help: From this unused share of the hours on it is idle.}
  underused_percent: {type: integer, default: 20, unit: percent, help: From this unused share of the hours on it is underused.}
reads: [findings.resource_day, findings.account_day, findings.resource, findings.alias]
*/
WITH named AS (
    SELECT
        * EXCLUDE (resource_id, resource_key),
        coalesce(capacity_reservation_id, resource_id) AS resource_id,
        day >= $today - $window_days AS in_window,
        -- some bills state the reservation itself at no cost, with all of its hours; others state the machines in it
        capacity_status = 'Used' AND resource_id = coalesce(capacity_reservation_id, resource_id) AS is_statement
    FROM findings.resource_day
    WHERE day < $today AND NOT is_earlier
      AND (capacity_status IS NOT NULL OR regexp_matches(resource_key, '^cr-|^//compute\.googleapis\.com/.*/reservations/'))
),

billed AS (
    SELECT
        provider, account_id, resource_id, currency,
        max(billing_account_id) AS billing_account_id,
        max(region) AS region,
        max(resource_name) AS resource_name,
        max(resource_type) AS resource_type,
        max(workload_kind) AS workload_kind,
        string_agg(DISTINCT machine, ', ' ORDER BY machine) AS machine,
        min(day) AS first_day,
        max(day) AS last_day,
        bool_or(capacity_status IS NOT NULL) AS is_marked,
        coalesce(sum(billed_hours) FILTER (capacity_status = 'Unused' AND in_window), 0) AS unused_hours,
        greatest(sum(billed_hours) FILTER (is_statement AND in_window), sum(billed_hours) FILTER (NOT is_statement AND in_window))
            AS reserved_hours,
        coalesce(sum(billed_hours) FILTER (in_window), 0) AS own_hours,
        sum(effective_cost) FILTER (capacity_status = 'Unused' AND in_window) AS unused_cost,
        sum(effective_cost) FILTER (in_window) AS own_cost,
        coalesce(sum(committed_cost) FILTER (coalesce(capacity_status, 'Unused') = 'Unused' AND in_window), 0) AS committed_cost
    FROM named
    GROUP BY provider, account_id, resource_id, currency
),

calendar AS (
    SELECT billing_account_id, max(day) AS bill_through
    FROM findings.account_day
    WHERE day >= $today - $window_days AND day < $today
    GROUP BY billing_account_id
),

reservations AS (
    SELECT
        b.*,
        b.last_day < c.bill_through AS is_over,
        r.resource_key IS NOT NULL AS known,
        r.state,
        r.seen_at,
        CAST(coalesce(r.properties ->> '$.TotalInstanceCount', r.properties ->> '$.InstanceCount') AS BIGINT) AS machines,
        coalesce(CAST(r.properties ->> '$.AvailableInstanceCount' AS BIGINT),
                 CAST(r.properties ->> '$.InstanceCount' AS BIGINT) - CAST(r.properties ->> '$.InUseCount' AS BIGINT)) AS free,
        coalesce(greatest(r.created_at, r.changed_at), CAST(b.first_day AS TIMESTAMP)) AS since
    FROM billed AS b
    JOIN calendar AS c ON c.billing_account_id IS NOT DISTINCT FROM b.billing_account_id
    LEFT JOIN findings.alias AS a ON a.alias = ledger.resource_key(b.resource_id) AND NOT a.is_name
    LEFT JOIN findings.resource AS r ON r.resource_key = a.resource_key
    WHERE (b.is_marked AND b.unused_hours > 0) OR (NOT b.is_marked AND b.own_cost > 0)
),

verdicts AS (
    SELECT
        *,
        CASE WHEN is_marked THEN unused_hours ELSE own_hours END AS hours,
        CASE WHEN is_marked THEN unused_cost ELSE own_cost END AS cost,
        CASE
            WHEN is_over THEN 'active'
            WHEN is_marked AND unused_hours * 100 < reserved_hours * $underused_percent THEN 'active'
            WHEN NOT is_marked AND free * 100 < machines * $underused_percent THEN 'active'
            WHEN since > CAST($today - $window_days AS TIMESTAMP) THEN 'unknown'
            WHEN is_marked AND unused_hours * 100 >= reserved_hours * $idle_percent THEN 'idle'
            WHEN is_marked THEN 'underused'
            WHEN machines > 0 AND free >= machines THEN 'idle'
            ELSE 'unknown'
        END AS status
    FROM reservations
),

unused_capacity_reservation AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE WHEN status = 'unknown' THEN 'low' WHEN is_marked OR is_over THEN 'high' ELSE 'medium' END AS confidence,
        CAST($today - $window_days AS TIMESTAMP) AS window_start,
        CAST($today AS TIMESTAMP) AS window_end,
        CAST(hours AS DECIMAL(38, 18)) AS billed_hours,
        CAST(cost AS DECIMAL(38, 18)) AS cost_in_window,
        findings.monthly(cost, $window_days) AS monthly_cost,
        CASE WHEN status IN ('idle', 'underused') THEN findings.monthly(cost - committed_cost, $window_days) END AS monthly_saving,
        currency,
        CASE
            WHEN is_over THEN 'last billed on ' || last_day || '; '
            WHEN status = 'unknown' AND since > CAST($today - $window_days AS TIMESTAMP)
                THEN 'no verdict: it is younger than the window: made, changed or first billed on '
                    || strftime(since, '%Y-%m-%d') || '; '
            WHEN status = 'unknown' AND NOT known
                THEN 'no verdict: the bill does not say which hours were unused, and no inventory knows it; '
            WHEN status = 'unknown' THEN 'no verdict: the bill does not say which hours were unused; '
            ELSE ''
        END
        || CASE WHEN is_marked
                THEN 'unused for ' || findings.number(unused_hours) || ' of ' || findings.number(reserved_hours)
                    || ' reserved machine-hours in ' || $window_days || ' days; '
                ELSE 'billed under its own name; ' END
        || coalesce(free || ' of ' || machines || ' machines were free when it was listed'
                    || coalesce(' on ' || strftime(seen_at, '%Y-%m-%d'), '') || '; ', '')
        || coalesce(machine || '; ', '') || findings.money(cost, currency)
        || CASE WHEN status IN ('idle', 'underused') THEN findings.unsaved_note(committed_cost, 0, currency) ELSE '' END AS reason,
        json_object('window_days', $window_days, 'unused_hours', CAST(CASE WHEN is_marked THEN unused_hours END AS DOUBLE),
                    'reserved_hours', CAST(CASE WHEN is_marked THEN reserved_hours END AS DOUBLE), 'marked_by_the_bill', is_marked,
                    'first_billed_day', CAST(first_day AS VARCHAR), 'last_billed_day', CAST(last_day AS VARCHAR),
                    'machine', machine, 'known_to_inventory', known, 'state', state, 'machines', machines, 'machines_free', free,
                    'covered_by_commitments', CAST(CAST(committed_cost AS DECIMAL(38, 6)) AS VARCHAR), 'excluded', 'credits, tax')
            AS evidence
    FROM verdicts
)

SELECT * FROM unused_capacity_reservation
