/*
id: empty_studio_domain_storage
title: Studio domains without apps whose storage is still billed
version: 2
owner: finops-ledger
why: >
  A domain outlives its users: the home folders stay on a file system that is billed by the gigabyte. No app of the domain
  was billed in the window, so nobody computed in it; where the inventory lists the domain and no app of it, nobody has one open
  either: confidence high, otherwise medium. Whether the files matter neither can tell.
misses: >
  Domains whose file system is billed under EFS in its own name. Apps that the bill names without their domain. Apps on system
  machines cost nothing: only the inventory tells of them, so where it was denied the status is 'unknown'.
recommended_action: >
  Ask the last users; then delete the domain with its file system, or move the files to object storage.
check:
  AWS: aws sagemaker list-spaces --domain-id-equals {name} --region {region}
change:
  AWS: aws sagemaker delete-domain --domain-id {name} --region {region} --retention-policy HomeEfsFileSystem=Delete
params:
  window_days: {type: integer, default: 30, unit: days, help: The days before today that are looked at.}
  billed_percent: {type: integer, default: 90, unit: percent, help: The storage was billed on at least this share of the days.}
reads: [findings.resource_day, findings.account_day, findings.resource, findings.monitoring]
*/
WITH billed_apps AS (
    SELECT account_id, regexp_extract(resource_id, '/(d-[a-z0-9]+)', 1) AS domain_id, max(last_day) AS app_day
    FROM findings.billed_in_window(
        ['notebook.studio', 'notebook.rstudio', 'notebook.canvas', 'notebook.partner_app'], $today, $window_days
    )
    GROUP BY ALL
),

listed AS (
    SELECT
        account_id,
        lower(properties ->> '$.DomainId') AS domain_id,
        count(*) FILTER (resource_type = 'AWS::SageMaker::App' AND coalesce(lower(state), '') NOT IN ('deleted', 'failed')) AS apps,
        count(*) FILTER (resource_type = 'AWS::SageMaker::Space') AS spaces
    FROM findings.resource
    WHERE resource_type IN ('AWS::SageMaker::App', 'AWS::SageMaker::Space')
    GROUP BY ALL
),

domains AS (
    SELECT
        d.*,
        b.app_day,
        coalesce(l.apps, 0) AS apps,
        coalesce(l.spaces, 0) AS spaces,
        d.days_billed * 100 >= d.days_expected * $billed_percent
            AND d.days_expected * 100 >= $window_days * $billed_percent AS is_long,
        findings.problem_of(d.inventory_problem, ['sagemaker']) AS problem,
        d.known AND d.since > d.window_start AS is_changed,
        -- an old list proves no absence
        d.known AND d.inventory_read AND coalesce(d.seen_at >= d.window_end - INTERVAL 2 DAY, true) AS is_listed
    FROM (
        SELECT *, regexp_extract(resource_key, '/(d-[a-z0-9]+)', 1) AS domain_id
        FROM findings.judged(['storage.notebook'], $today, $window_days)
        WHERE resource_id LIKE '%:domain/%'
    ) AS d
    LEFT JOIN billed_apps AS b ON b.account_id IS NOT DISTINCT FROM d.account_id AND b.domain_id = d.domain_id
    LEFT JOIN listed AS l ON l.account_id IS NOT DISTINCT FROM d.account_id AND l.domain_id = d.domain_id
),

verdicts AS (
    SELECT
        *,
        CASE
            WHEN app_day IS NOT NULL OR apps > 0 OR NOT still_billed THEN 'active'
            WHEN problem IS NOT NULL OR is_changed OR NOT is_long THEN 'unknown'
            ELSE 'idle'
        END AS status
    FROM domains
),

empty_studio_domain_storage AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE
            WHEN status = 'unknown' THEN 'low'
            WHEN status = 'active' OR is_listed THEN 'high'
            ELSE 'medium'
        END AS confidence,
        window_start, window_end,
        CAST(0 AS DECIMAL(38, 18)) AS billed_hours,
        cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_saveable END AS monthly_saving,
        currency,
        CASE
            WHEN app_day IS NOT NULL THEN 'an app of the domain was last billed on ' || app_day
            WHEN apps > 0 THEN apps || ' apps of the domain are in the inventory'
            WHEN NOT still_billed THEN 'last billed on ' || last_day
            ELSE 'no app of the domain was billed in ' || $window_days || ' days'
                || CASE WHEN is_listed THEN ' and the inventory has none (' || spaces || ' spaces)' ELSE '' END
                || ', but its storage was on ' || days_billed || ' of ' || days_expected || ' days'
        END
        || '; ' || findings.money(cost_in_window, currency)
        || CASE
            WHEN status <> 'unknown' THEN ''
            WHEN problem IS NOT NULL THEN '; no verdict: its apps could not be read (' || problem || '), so no saving is named'
            WHEN is_changed THEN '; no verdict: made or changed on ' || strftime(since, '%Y-%m-%d') || ', so no saving is named'
            ELSE '; no verdict: less than ' || $window_days || ' days of bills, so no saving is named'
        END AS reason,
        json_merge_patch(evidence, json_object(
            'apps_listed', apps, 'spaces_listed', spaces, 'last_app_day', CAST(app_day AS VARCHAR)
        )) AS evidence
    FROM verdicts
)

SELECT * FROM empty_studio_domain_storage
