/*
id: empty_studio_domain_storage
title: Studio domains without apps whose storage is still billed
version: 1
owner: finops-ledger
why: >
  A domain outlives its users: the home folders stay on a file system that is billed by the gigabyte. No app of the domain
  was billed in the window, so nobody opened it. Whether the files matter the bill cannot tell: confidence medium.
misses: >
  Domains whose file system is billed under EFS in its own name. Apps that the bill names without their domain.
recommended_action: >
  Ask the last users; then delete the domain with its file system, or move the files to object storage.
params:
  window_days: {type: integer, default: 30, unit: days, help: The days before today that are looked at.}
  billed_percent: {type: integer, default: 90, unit: percent, help: The storage was billed on at least this share of the days.}
reads: [findings.resource_day, findings.account_day]
*/
WITH domains AS (
    SELECT *, regexp_extract(resource_id, '/(d-[a-z0-9]+)', 1) AS domain_id
    FROM findings.billed_in_window(['storage.notebook'], $today, $window_days)
    WHERE days_billed * 100 >= days_expected * $billed_percent
      AND days_expected * 100 >= $window_days * $billed_percent
      AND resource_id LIKE '%:domain/%'
),

apps AS (
    SELECT DISTINCT account_id, regexp_extract(resource_id, '/(d-[a-z0-9]+)', 1) AS domain_id
    FROM findings.billed_in_window(
        ['notebook.studio', 'notebook.rstudio', 'notebook.canvas', 'notebook.partner_app'], $today, $window_days
    )
),

empty_studio_domain_storage AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind,
        'idle' AS status, 'medium' AS confidence,
        window_start, window_end,
        CAST(0 AS DECIMAL(38, 18)) AS billed_hours,
        cost_in_window, monthly_cost, monthly_saveable AS monthly_saving, currency,
        'no app of the domain was billed in ' || $window_days || ' days, but its storage was on ' || days_billed || ' of '
            || days_expected || ' days; ' || findings.money(cost_in_window, currency) AS reason,
        evidence
    FROM domains
    ANTI JOIN apps USING (account_id, domain_id)
)

SELECT * FROM empty_studio_domain_storage
