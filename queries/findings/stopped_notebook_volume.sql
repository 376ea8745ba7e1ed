/*
id: stopped_notebook_volume
title: Notebook instances that are stopped, and whose volume is still billed
version: 1
owner: finops-ledger
why: >
  A stopped notebook costs no hours, but its volume is kept and billed for as long as the notebook exists. Both facts are in
  the bill: confidence high that it was not used, not that its files are worthless.
misses: >
  Notebooks with an hour of use in the window. Providers that bill a notebook's disk under the disk's own name (Google
  Workbench).
recommended_action: >
  Copy what is still needed to object storage, then delete the notebook instance together with its volume.
params:
  window_days: {type: integer, default: 30, unit: days, help: The days before today that are looked at.}
  billed_percent: {type: integer, default: 90, unit: percent, help: The volume was billed on at least this share of the days.}
reads: [findings.resource_day, findings.account_day]
*/
WITH volumes AS (
    SELECT * FROM findings.billed_in_window(['storage.notebook'], $today, $window_days)
    WHERE days_billed * 100 >= days_expected * $billed_percent
      AND days_expected * 100 >= $window_days * $billed_percent
      AND resource_id LIKE '%notebook-instance/%'
),

machines AS (
    SELECT provider, account_id, resource_id, currency
    FROM findings.billed_in_window(['notebook.instance'], $today, $window_days)
),

stopped_notebook_volume AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        'idle' AS status, 'high' AS confidence,
        window_start, window_end,
        CAST(0 AS DECIMAL(38, 18)) AS billed_hours,
        cost_in_window, monthly_cost, monthly_saveable AS monthly_saving, currency,
        'no machine hours in ' || $window_days || ' days, but its volume was billed on ' || days_billed || ' of '
            || days_expected || ' days; ' || findings.money(cost_in_window, currency) AS reason,
        evidence
    FROM volumes
    ANTI JOIN machines USING (provider, account_id, resource_id, currency)
)

SELECT * FROM stopped_notebook_volume
