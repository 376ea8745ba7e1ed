/*
id: always_on_studio_app
title: Studio, RStudio and Canvas apps that are never switched off
version: 1
owner: finops-ledger
why: >
  An app in a Studio domain bills until somebody deletes it: closing the browser does not. Billed around the clock for a
  week, weekend included, is nobody's working day. The bill does not see the keyboard: confidence medium.
misses: >
  Apps that are idle but were restarted in the window. When the inventory has an app's last user activity, a rule that reads
  it can say more. An app younger than the window gets status 'unknown'.
recommended_action: >
  Ask the owner; then delete the app (its files stay in the space), and turn on idle shutdown for the domain.
params:
  window_days: {type: integer, default: 7, unit: days, help: The days before today that are looked at.}
  always_on_percent: {type: integer, default: 90, unit: percent, help: Billed for at least this share of the hours is always on.}
reads: [findings.resource_day, findings.account_day]
*/
WITH apps AS (
    SELECT
        *,
        hours_seen * 100 >= hours_expected * $always_on_percent AS always_on,
        hours_seen * 100 >= hours_since_first * $always_on_percent AS on_since_first
    FROM findings.billed_in_window(
        ['notebook.studio', 'notebook.rstudio', 'notebook.canvas', 'notebook.partner_app'], $today, $window_days
    )
    WHERE hours_seen > 0
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN NOT still_billed THEN 'active'
            WHEN always_on THEN 'idle'
            WHEN on_since_first AND first_day > CAST(window_start AS DATE) THEN 'unknown'
            ELSE 'active'
        END AS status
    FROM apps
),

always_on_studio_app AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE status WHEN 'idle' THEN 'medium' ELSE 'low' END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_saveable END AS monthly_saving,
        currency,
        'billed ' || findings.number(hours_seen) || ' of ' || hours_expected || ' hours in ' || $window_days || ' days; '
            || coalesce(machine || '; ', '') || findings.money(cost_in_window, currency)
            || CASE status
                WHEN 'idle' THEN '; on without a break since ' || CASE WHEN first_day < CAST(window_start AS DATE)
                        THEN first_day || ' or earlier' ELSE CAST(first_day AS VARCHAR) END
                    || '; last user activity not read' || findings.unsaved_note(committed_cost, other_cost, currency)
                WHEN 'unknown' THEN '; on without a break, but first billed on ' || first_day
                    || ': too young for a verdict, so no saving is named'
                ELSE '; it is switched off at times' END AS reason,
        evidence
    FROM verdicts
)

SELECT * FROM always_on_studio_app
