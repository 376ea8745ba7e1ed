-- Could the inventory and the metrics be read where billed resources are, and of which service not? A problem counts unless the same
-- was read in another way. Metrics are asked for what the inventory lists: where a service's list was denied, so are its metrics.
WITH places AS (
    SELECT DISTINCT provider, account_id, region FROM findings.resource_day
),

reads AS (
    SELECT
        p.provider, p.account_id, p.region, r.covers, r.service,
        r.service IN ('sagemaker', 'bedrock', 'ec2', 'ebs', 'efs', 'aiplatform', 'notebooks', 'tpu', 'compute') AS is_own,
        bool_or(r.outcome IN ('complete', 'empty')) AS is_read,
        bool_or(r.outcome IN ('complete', 'empty', 'unsupported')) AS is_settled,
        string_agg(DISTINCT r.outcome || coalesce(': ' || r.what, ''), '; ' ORDER BY r.outcome || coalesce(': ' || r.what, ''))
            FILTER (r.outcome NOT IN ('complete', 'empty', 'unsupported')) AS problem
    FROM places AS p
    JOIN inventory.reads AS r
        ON (r.provider IS NULL OR ledger.provider_of(r.provider) = p.provider)
       AND r.account_id = p.account_id
       -- a zone's reading is one of its region
       AND (r.region IS NULL OR r.region = '' OR r.region = 'global' OR r.region = p.region OR starts_with(r.region, p.region || '-'))
    GROUP BY p.provider, p.account_id, p.region, r.covers, r.service
),

-- a metric that has arrived proves that they can be read, though nobody said so
seen AS (
    SELECT DISTINCT provider, account_id, region
    FROM findings.resource_day
    WHERE resource_key IN (SELECT resource_key FROM findings.activity_day)
),

monitoring AS (
    SELECT
        p.provider, p.account_id, p.region,
        -- of one service: its own resources'. Of any other (cloudwatch, monitoring, prometheus): whatever is there
        map_from_entries(coalesce(list((r.service, r.service || ' ' || r.problem) ORDER BY r.service)
            FILTER (r.covers = 'metrics' AND NOT r.is_settled AND r.is_own), [])) AS metrics_problems,
        map_from_entries(coalesce(list((r.service, r.service || ' ' || r.problem) ORDER BY r.service)
            FILTER (r.covers = 'inventory' AND NOT r.is_settled AND r.is_own), [])) AS inventory_problems,
        string_agg(r.service || ' ' || r.problem, '; ' ORDER BY r.service)
            FILTER (r.covers = 'metrics' AND NOT r.is_settled AND NOT r.is_own) AS metrics_problem,
        string_agg(r.service || ' ' || r.problem, '; ' ORDER BY r.service)
            FILTER (r.covers = 'inventory' AND NOT r.is_settled AND NOT r.is_own) AS inventory_problem,
        coalesce(bool_or(r.covers = 'metrics' AND r.is_read), false) OR any_value(s.account_id) IS NOT NULL AS metrics_read,
        coalesce(bool_or(r.covers = 'inventory' AND r.is_read), false) AS inventory_read
    FROM places AS p
    LEFT JOIN reads AS r
        ON r.provider IS NOT DISTINCT FROM p.provider AND r.account_id = p.account_id AND r.region IS NOT DISTINCT FROM p.region
    LEFT JOIN seen AS s
        ON s.provider IS NOT DISTINCT FROM p.provider AND s.account_id = p.account_id AND s.region IS NOT DISTINCT FROM p.region
    GROUP BY p.provider, p.account_id, p.region
)

SELECT * FROM monitoring
