/*
id: unused_capacity_reservation
title: Capacity that is reserved and not used
version: 1
owner: finops-ledger
why: >
  Reserved capacity is billed like running machines. The bill itself says which hours nothing ran in it (usage type UnusedBox,
  CapacityReservationStatus 'Unused'): no metric is needed, confidence high.
misses: >
  Reservations of providers whose bill does not mark the unused part (Google, Azure on-demand reservations). A reservation
  that waits for a planned launch looks the same as a forgotten one.
recommended_action: >
  Ask who waits for this capacity; then cancel the reservation, or shrink it to what runs in it.
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today that are looked at.}
  idle_percent: {type: integer, default: 90, unit: percent, help: From this unused share of the hours on it is idle.}
  underused_percent: {type: integer, default: 20, unit: percent, help: From this unused share of the hours on it is underused.}
reads: [findings.resource_day]
*/
WITH marked AS (
    SELECT
        * EXCLUDE (resource_id),
        coalesce(capacity_reservation_id, resource_id) AS resource_id,
        -- some bills state the reservation itself at no cost, with all of its hours; others state the machines in it
        capacity_status = 'Used' AND resource_id = coalesce(capacity_reservation_id, resource_id) AS is_statement
    FROM findings.resource_day
    WHERE capacity_status IS NOT NULL AND day >= $today - $window_days AND day < $today
),

reservations AS (
    SELECT
        provider, account_id, resource_id, currency,
        max(region) AS region,
        max(resource_name) AS resource_name,
        max(resource_type) AS resource_type,
        max(workload_kind) AS workload_kind,
        string_agg(DISTINCT machine, ', ' ORDER BY machine) AS machine,
        min(day) AS first_day,
        max(day) AS last_day,
        sum(billed_hours) FILTER (capacity_status = 'Unused') AS unused_hours,
        greatest(sum(billed_hours) FILTER (is_statement), sum(billed_hours) FILTER (NOT is_statement)) AS reserved_hours,
        sum(effective_cost) FILTER (capacity_status = 'Unused') AS unused_cost,
        coalesce(sum(committed_cost) FILTER (capacity_status = 'Unused'), 0) AS committed_cost
    FROM marked
    GROUP BY provider, account_id, resource_id, currency
),

unused AS (
    SELECT
        *,
        CASE WHEN unused_hours * 100 >= reserved_hours * $idle_percent THEN 'idle'
             WHEN unused_hours * 100 >= reserved_hours * $underused_percent THEN 'underused'
             ELSE 'active' END AS status
    FROM reservations
    WHERE unused_hours > 0
),

unused_capacity_reservation AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        'high' AS confidence,
        CAST($today - $window_days AS TIMESTAMP) AS window_start,
        CAST($today AS TIMESTAMP) AS window_end,
        CAST(unused_hours AS DECIMAL(38, 18)) AS billed_hours,
        CAST(unused_cost AS DECIMAL(38, 18)) AS cost_in_window,
        findings.monthly(unused_cost, $window_days) AS monthly_cost,
        CASE WHEN status <> 'active' THEN findings.monthly(unused_cost - committed_cost, $window_days) END AS monthly_saving,
        currency,
        'unused for ' || findings.number(unused_hours) || ' of ' || findings.number(reserved_hours)
            || ' reserved machine-hours in ' || $window_days || ' days; ' || coalesce(machine || '; ', '')
            || findings.money(unused_cost, currency) || findings.unsaved_note(committed_cost, 0, currency) AS reason,
        json_object('window_days', $window_days, 'unused_hours', CAST(unused_hours AS DOUBLE),
                    'reserved_hours', CAST(reserved_hours AS DOUBLE), 'first_billed_day', CAST(first_day AS VARCHAR),
                    'last_billed_day', CAST(last_day AS VARCHAR), 'machine', machine, 'excluded', 'credits, tax')
            AS evidence
    FROM unused
)

SELECT * FROM unused_capacity_reservation
