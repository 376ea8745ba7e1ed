/*
id: always_on_studio_app
title: Studio, RStudio and Canvas apps in which nobody works
version: 2
owner: finops-ledger
why: >
  An app in a Studio domain bills until somebody deletes it: closing the browser does not. The inventory says when somebody last
  worked in it: longer ago than the window, and it is idle, confidence high. An app that the inventory does not know is judged by
  the bill: around the clock for a week, weekend included, is nobody's working day, confidence medium.
misses: >
  Health checks move the time of the last activity; where it equals that of the last health check, it says nothing and the status
  is 'unknown'. So it is for an app whose last activity the inventory does not say, for one younger than the window, and where the
  list of apps is older than the last days. Long computations in a notebook are no user's activity.
recommended_action: >
  Ask the owner; then delete the app (its files stay in the space), and turn on idle shutdown for the domain. An
  app that belongs to a user profile and to no space is named by --user-profile-name in place of --space-name.
check:
  AWS: aws sagemaker list-apps --domain-id-equals {path1} --region {region}
change:
  AWS: aws sagemaker delete-app --domain-id {path1} --space-name {path2} --app-type {path3} --app-name {path4} --region {region}
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today that are looked at.}
  always_on_percent: {type: integer, default: 90, unit: percent, help: Billed for at least this share of the hours is always on.}
reads: [findings.resource_day, findings.account_day, findings.resource, findings.monitoring]
*/
WITH seen AS (
    SELECT
        *,
        hours_seen * 100 >= hours_expected * $always_on_percent AS always_on,
        hours_seen * 100 >= hours_since_first * $always_on_percent AS on_since_first,
        findings.problem_of(inventory_problem, ['sagemaker']) AS problem,
        coalesce(findings.moment(properties, '$.LastUserActivityAt'), findings.moment(properties, '$.LastUserActivityTimestamp'))
            AS active_at,
        coalesce(findings.moment(properties, '$.LastHealthCheckAt'), findings.moment(properties, '$.LastHealthCheckTimestamp'))
            AS checked_at,
        coalesce(lower(state) IN ('deleted', 'deleting'), false) AS is_deleted,
        coalesce(seen_at < window_end - INTERVAL 2 DAY, false) AS is_old_list
    FROM findings.judged(
        ['notebook.studio', 'notebook.rstudio', 'notebook.canvas', 'notebook.partner_app'], $today, $window_days
    )
    WHERE hours_seen > 0
),

apps AS (
    SELECT
        *,
        active_at >= window_start AND NOT is_checked AS is_used,
        CASE
            WHEN is_checked THEN 'the time of its last user activity is that of its last health check, which says nothing'
            WHEN problem IS NOT NULL AND (active_at IS NULL OR is_old_list)
                THEN 'its last user activity could not be read (' || problem || ')'
            WHEN active_at IS NOT NULL AND is_old_list
                THEN 'its last user activity is known as of ' || strftime(seen_at, '%Y-%m-%d') || ' only'
            WHEN too_young THEN 'made or first billed on ' || strftime(since, '%Y-%m-%d') || ': too young for a verdict'
            WHEN known AND active_at IS NULL THEN 'the inventory does not say when somebody last worked in it'
            WHEN active_at IS NULL AND NOT always_on
                THEN 'on without a break, but first billed on ' || first_day || ': too young for a verdict'
        END AS doubt
    FROM (SELECT *, coalesce(date_trunc('second', active_at) = date_trunc('second', checked_at), false) AS is_checked FROM seen)
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN NOT still_billed OR is_deleted THEN 'active'
            WHEN is_used THEN 'active'
            WHEN active_at IS NULL AND NOT on_since_first THEN 'active'
            WHEN doubt IS NOT NULL THEN 'unknown'
            ELSE 'idle'
        END AS status
    FROM apps
),

always_on_studio_app AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE
            WHEN status = 'idle' THEN CASE WHEN active_at IS NOT NULL THEN 'high' ELSE 'medium' END
            WHEN status = 'active' AND (is_used OR NOT still_billed) THEN 'high'
            ELSE 'low'
        END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_saveable END AS monthly_saving,
        currency,
        'billed ' || findings.number(hours_seen) || ' of ' || hours_expected || ' hours in ' || $window_days || ' days; '
            || coalesce(machine || '; ', '') || findings.money(cost_in_window, currency)
            || CASE
                WHEN status = 'idle' THEN
                    CASE WHEN active_at IS NOT NULL
                         THEN '; last user activity on ' || strftime(active_at, '%Y-%m-%d')
                         ELSE '; on without a break since ' || CASE WHEN first_day < CAST(window_start AS DATE)
                                THEN first_day || ' or earlier' ELSE CAST(first_day AS VARCHAR) END
                            || '; last user activity not read'
                    END || findings.unsaved_note(committed_cost, other_cost, currency)
                WHEN status = 'unknown' THEN '; no verdict: ' || doubt || ', so no saving is named'
                WHEN NOT still_billed THEN '; last billed on ' || last_day
                WHEN is_deleted THEN '; the inventory has it as ' || lower(state)
                WHEN is_used THEN '; last user activity on ' || strftime(active_at, '%Y-%m-%d')
                ELSE '; it is switched off at times' END AS reason,
        json_merge_patch(evidence, json_object(
            'last_user_activity', strftime(active_at, '%Y-%m-%dT%H:%M:%SZ'),
            'last_health_check', strftime(checked_at, '%Y-%m-%dT%H:%M:%SZ'),
            'inventory_of', strftime(seen_at, '%Y-%m-%dT%H:%M:%SZ')
        )) AS evidence
    FROM verdicts
)

SELECT * FROM always_on_studio_app
