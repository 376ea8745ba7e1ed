/*
id: account_tag
title: The team tag of the account, subscription or organizational unit
version: 1
owner: finops-ledger
order: 35
method: inherited
why: >
  Who opened an account answers for what nothing in it answers for. CUR 2.0 hands an account's tags on as accountTag/team; else the
  inventory has them, and of an account without a team tag the nearest organizational unit above it that has one.
misses: >
  Fees follow the account's usage first, as with account_map. A tag of today is taken for the account's whole time. Tags of
  organizational units count only if the inventory lists the units.
reads: [allocation.remaining, ledger.dimensions, inventory.resources, mapping.tag_keys, mapping.tag_values, mapping.teams]
*/
WITH charges AS (
    SELECT x_DimensionId, SubAccountId
    FROM allocation.remaining
    WHERE NOT allocation.is_fee(x_WorkloadKind, ChargeCategory, ChargeClass, ResourceId)
),

on_the_bill AS (
    SELECT c.x_DimensionId, t.Team, 'account ' || coalesce(c.SubAccountId, '') || ' is tagged ' || allocation.bare_key(t.Key) || '='
        || t.Value AS reason, 0 AS distance, t.Priority AS priority, t.Key AS key
    FROM allocation.team_tags AS t
    JOIN charges AS c ON c.x_DimensionId = t.x_DimensionId
    WHERE t.Bearer = 'account'
),

-- an account is above itself; units are listed from the root down
above AS (
    SELECT regexp_replace(resource_id, '^/subscriptions/([^/]+)$', '\1', 'i') AS account,
        allocation.folded_resource(resource_id) AS unit, 1 AS distance
    FROM inventory.resources
    UNION ALL
    SELECT account, units[place], 2 + len(units) - place
    FROM (
        SELECT resource_id AS account, units, unnest(generate_series(1, len(units))) AS place
        FROM (SELECT resource_id, CAST(properties -> 'UnitIds' AS VARCHAR[]) AS units FROM inventory.resources)
    )
),

accounts AS (
    SELECT a.account, i.Team, a.unit, i.Key, i.Value, a.distance
    FROM above AS a
    JOIN allocation.inventory_teams AS i ON i.ResourceId = a.unit
    QUALIFY row_number() OVER (PARTITION BY a.account ORDER BY a.distance, a.unit) = 1
),

in_the_inventory AS (
    SELECT c.x_DimensionId, a.Team, CASE WHEN a.distance = 1 THEN 'account ' || a.account ELSE 'unit ' || a.unit || ' of account '
        || a.account END || ' is tagged ' || a.Key || '=' || a.Value AS reason, a.distance, 0 AS priority, a.Key AS key
    FROM charges AS c
    JOIN accounts AS a ON a.account = c.SubAccountId
),

ranked AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY x_DimensionId ORDER BY distance, priority, key) AS place
    FROM (FROM on_the_bill UNION ALL BY NAME FROM in_the_inventory)
),

account_tag AS (
    SELECT x_DimensionId, Team, reason AS x_AllocationReason
    FROM ranked
    WHERE place = 1
)

SELECT x_DimensionId, Team, x_AllocationReason
FROM account_tag
