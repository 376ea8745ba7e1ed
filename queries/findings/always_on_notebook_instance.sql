/*
id: always_on_notebook_instance
title: Notebook instances that are never switched off
version: 1
owner: finops-ledger
why: >
  A running notebook bills every hour, used or not, and people go home. No provider has an API that says when somebody last
  worked in a notebook instance, so being billed around the clock is the best evidence there is: confidence medium.
misses: >
  Notebooks that are switched off at night but otherwise idle. Somebody may work around the clock, or run jobs in a notebook.
  A notebook younger than the window gets status 'unknown'.
recommended_action: >
  Ask the team; then stop it, and set a lifecycle script or an idle shutdown that stops it when nobody works.
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today that are looked at.}
  always_on_percent: {type: integer, default: 90, unit: percent, help: Billed for at least this share of the hours is always on.}
reads: [findings.resource_day, findings.account_day]
*/
WITH notebooks AS (
    SELECT
        *,
        hours_seen * 100 >= hours_expected * $always_on_percent AS always_on,
        hours_seen * 100 >= hours_since_first * $always_on_percent AS on_since_first
    FROM findings.billed_in_window(['notebook.instance'], $today, $window_days)
    WHERE hours_seen > 0
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN NOT still_billed THEN 'active'          -- it was switched off, and is off
            WHEN always_on THEN 'idle'
            WHEN on_since_first AND first_day > CAST(window_start AS DATE) THEN 'unknown'
            ELSE 'active'
        END AS status
    FROM notebooks
),

always_on_notebook_instance AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE status WHEN 'idle' THEN 'medium' ELSE 'low' END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_saveable END AS monthly_saving,
        currency,
        'billed ' || findings.number(hours_seen) || ' of ' || hours_expected || ' hours in ' || $window_days || ' days; '
            || coalesce(machine || '; ', '') || findings.money(cost_in_window, currency)
            || CASE status
                WHEN 'idle' THEN '; no activity API exists for notebook instances'
                    || findings.unsaved_note(committed_cost, other_cost, currency)
                WHEN 'unknown' THEN '; on without a break, but first billed on ' || first_day
                    || ': too young for a verdict, so no saving is named'
                ELSE '; it is switched off at times' END AS reason,
        evidence
    FROM verdicts
)

SELECT * FROM always_on_notebook_instance
