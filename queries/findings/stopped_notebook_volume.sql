/*
id: stopped_notebook_volume
title: Notebook instances that are stopped, and whose volume is still billed
version: 2
owner: finops-ledger
why: >
  A stopped notebook costs no hours, but its volume is kept and billed for as long as the notebook exists. Both facts are in
  the bill: confidence high that it was not used, not that its files are worthless.
misses: >
  Notebooks with an hour of use in the window are 'active'; with a shorter history of bills than the window, or made or changed in
  it, or where the list of notebooks was denied, 'unknown'. Google Workbench disks that are billed under the disk's own name.
recommended_action: >
  Copy what is still needed to object storage, then delete the notebook instance together with its volume.
check:
  AWS: aws sagemaker describe-notebook-instance --notebook-instance-name {name} --region {region}
  GCP: gcloud workbench instances describe {name} --location={zone} --project={account}
change:
  AWS: aws sagemaker delete-notebook-instance --notebook-instance-name {name} --region {region}
  GCP: gcloud workbench instances delete {name} --location={zone} --project={account}
params:
  window_days: {type: integer, default: 30, unit: days, help: The days before today that are looked at.}
  billed_percent: {type: integer, default: 90, unit: percent, help: The volume was billed on at least this share of the days.}
reads: [findings.resource_day, findings.account_day, findings.resource, findings.monitoring]
*/
WITH machines AS (
    SELECT provider, account_id, resource_id, currency, last_day AS machine_day
    FROM findings.billed_in_window(['notebook.instance'], $today, $window_days)
),

volumes AS (
    SELECT
        v.*,
        m.machine_day,
        -- a list that was denied could have shown it
        CASE WHEN NOT v.known THEN findings.problem_of(v.inventory_problem, ['sagemaker', 'notebooks']) END AS problem,
        v.days_billed * 100 >= v.days_expected * $billed_percent
            AND v.days_expected * 100 >= $window_days * $billed_percent AS is_long,
        -- first billed days say nothing here: what was before them, the machine's hours would tell
        v.known AND v.since > v.window_start AS is_changed,
        coalesce(lower(v.state) IN ('inservice', 'active', 'pending', 'updating', 'starting'), false) AS is_on
    FROM findings.judged(['storage.notebook'], $today, $window_days) AS v
    LEFT JOIN machines AS m
        ON m.provider IS NOT DISTINCT FROM v.provider AND m.account_id IS NOT DISTINCT FROM v.account_id
       AND m.resource_id = v.resource_id AND m.currency IS NOT DISTINCT FROM v.currency
    WHERE v.resource_id LIKE '%notebook-instance/%' OR v.resource_id LIKE '//notebooks.googleapis.com/%/instances/%'
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN machine_day IS NOT NULL OR NOT still_billed OR is_on THEN 'active'
            WHEN problem IS NOT NULL OR is_changed OR NOT is_long THEN 'unknown'
            ELSE 'idle'
        END AS status
    FROM volumes
),

stopped_notebook_volume AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE status WHEN 'unknown' THEN 'low' ELSE 'high' END AS confidence,
        window_start, window_end,
        CAST(0 AS DECIMAL(38, 18)) AS billed_hours,
        cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_saveable END AS monthly_saving,
        currency,
        CASE
            WHEN machine_day IS NOT NULL THEN 'its machine was last billed on ' || machine_day
            WHEN NOT still_billed THEN 'last billed on ' || last_day
            WHEN is_on THEN 'the inventory has it as ' || lower(state)
            ELSE 'no machine hours in ' || $window_days || ' days, but its volume was billed on ' || days_billed || ' of '
                || days_expected || ' days'
        END
        || '; ' || findings.money(cost_in_window, currency)
        || CASE
            WHEN status <> 'unknown' THEN ''
            WHEN problem IS NOT NULL THEN '; no verdict: it could not be looked up (' || problem || '), so no saving is named'
            WHEN is_changed THEN '; no verdict: made or changed on ' || strftime(since, '%Y-%m-%d') || ', so no saving is named'
            ELSE '; no verdict: less than ' || $window_days || ' days of bills, so no saving is named'
        END AS reason,
        json_merge_patch(evidence, json_object('last_machine_day', CAST(machine_day AS VARCHAR))) AS evidence
    FROM verdicts
)

SELECT * FROM stopped_notebook_volume
