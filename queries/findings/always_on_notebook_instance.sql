/*
id: always_on_notebook_instance
title: Notebook instances that are never switched off
version: 2
owner: finops-ledger
why: >
  A running notebook bills every hour, used or not, and people go home. No provider has an API that says when somebody last
  worked in a notebook instance, so being billed around the clock, unchanged, without anything that stops it by itself is the
  best evidence there is: confidence medium. One that stops by itself when nobody works and did not stop was worked in.
misses: >
  Notebooks that are switched off at night but otherwise idle. Somebody may work around the clock, or run jobs in a notebook.
  An auto-stop that does not work looks like work. One that the inventory does not have is judged from the bill alone. A
  notebook that was made or changed in the window gets status 'unknown'.
recommended_action: >
  Ask the team; then stop it, and set a lifecycle script or an idle shutdown that stops it when nobody works.
check:
  AWS: aws sagemaker describe-notebook-instance --notebook-instance-name {name} --region {region}
  GCP: gcloud workbench instances describe {name} --location={zone} --project={account}
change:
  AWS: aws sagemaker stop-notebook-instance --notebook-instance-name {name} --region {region}
  GCP: gcloud workbench instances stop {name} --location={zone} --project={account}
params:
  window_days: {type: integer, default: 14, unit: days, help: The days before today that are looked at.}
  always_on_percent: {type: integer, default: 90, unit: percent, help: Billed for at least this share of the hours is always on.}
reads: [findings.resource_day, findings.account_day, findings.resource, findings.monitoring]
*/
WITH settings AS (
    SELECT
        *,
        hours_seen * 100 >= hours_expected * $always_on_percent AS always_on,
        hours_seen * 100 >= hours_since_first * $always_on_percent AS on_since_first,
        findings.problem_of(inventory_problem, ['sagemaker', 'notebooks']) AS problem,
        nullif(coalesce(properties ->> '$.AutoStop', properties ->> '$.IdleShutdown', properties ->> '$.auto_stop',
                        properties ->> '$.idle_shutdown'), '') AS stated,
        CASE WHEN lower(stated) IN ('yes', 'on', 'enabled') THEN true
             WHEN lower(stated) IN ('no', 'off', 'disabled', 'none') THEN false
             ELSE TRY_CAST(stated AS BOOLEAN) END AS auto_stop,
        -- stated as not read; a list that never speaks of it is no such statement
        coalesce(json_type(properties, '$.AutoStop') = 'NULL' OR json_type(properties, '$.IdleShutdown') = 'NULL'
            OR (stated IS NOT NULL AND auto_stop IS NULL)
            -- a script of any name may stop it
            OR (stated IS NULL AND regexp_matches(lower(CAST(properties AS VARCHAR)), '"[a-z_]*lifecycle[a-z_]*": *"[^"]')), false)
            AS is_unread,
        coalesce(lower(state) IN ('stopped', 'stopping', 'deleting', 'deleted', 'suspended', 'suspending'), false) AS is_stopped
    FROM findings.judged(['notebook.instance'], $today, $window_days)
    WHERE hours_seen > 0
),

notebooks AS (
    SELECT
        *,
        CASE
            WHEN auto_stop IS NULL AND problem IS NOT NULL
                THEN 'whether it stops by itself could not be read (' || problem || ')'
            WHEN auto_stop IS NULL AND is_unread THEN 'whether it stops by itself was not read'
            WHEN too_young THEN 'made, changed or first billed on ' || strftime(since, '%Y-%m-%d') || ': too young for a verdict'
            WHEN NOT always_on THEN 'on without a break, but first billed on ' || first_day || ': too young for a verdict'
        END AS doubt
    FROM settings
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN NOT still_billed THEN 'active'          -- it was switched off, and is off
            WHEN is_stopped THEN 'active'
            WHEN NOT on_since_first THEN 'active'
            WHEN auto_stop THEN 'active'
            WHEN doubt IS NOT NULL THEN 'unknown'
            ELSE 'idle'
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
            || CASE
                WHEN status = 'idle' THEN '; no activity API exists for notebook instances'
                    || CASE WHEN auto_stop IS NOT NULL THEN '; nothing stops it when nobody works' ELSE '' END
                    || findings.unsaved_note(committed_cost, other_cost, currency)
                WHEN status = 'unknown' THEN '; no verdict: ' || doubt || ', so no saving is named'
                WHEN NOT still_billed THEN '; last billed on ' || last_day
                WHEN is_stopped THEN '; the inventory has it as ' || lower(state)
                WHEN NOT on_since_first THEN '; it is switched off at times'
                ELSE '; it stops by itself when nobody works, and did not' END AS reason,
        json_merge_patch(evidence, json_object('auto_stop', auto_stop, 'always_on_percent', $always_on_percent)) AS evidence
    FROM verdicts
)

SELECT * FROM always_on_notebook_instance
