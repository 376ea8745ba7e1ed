/*
id: untagged_by_owner
title: Spend without a tag of its own, by who can tag it
version: 1
owner: finops-ledger
why: >
  Nobody tags what nobody asks them to. Spend whose resource bears no tag that names its team, by whoever answers for the
  account: what belongs to nobody, and beside it what has a team only because the account, a project or a mapping has one.
misses: >
  An account is one owner's here, whoever works in it. Owners are words of yours, from teams.csv or from tags: two spellings of one
  person are two rows.
grain: period
reads: [allocation.charges, allocation.dimension_team, mapping.accounts, mapping.projects, mapping.pools, mapping.teams, mapping.tag_keys, mapping.tag_values, inventory.resources, ledger.dimension]
params:
  period: {type: period, default: last-month, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  Owner: Who answers for the account; "nobody known"
  OwnerSource: How that is known
  BillingCurrency: The currency of the bill. Currencies are never added.
  UntaggedCost: EffectiveCost that no tag of the resource gave to a team; the four parts that follow
  UnallocatedCost: The part that belongs to nobody
  InheritedCost: The part that has a team by a tag of something else, such as of the project
  MappedCost: The part that has a team by a mapping file or a default
  SharedCost: The part that teams share by a rule
  SharePercent: UntaggedCost in percent of everything spent in the currency in the period
  ResourceCount: Distinct resources among the charges
  AccountCount: Distinct accounts, projects and subscriptions among them
  TopAccount: The account with most of it, by name if the bill states one
  TopService: The service with most of it
*/
WITH mapped AS (            -- the first that names the account, of several ways to know its owner
    SELECT account_id, team, 'accounts.csv' AS place, 1 AS rank, valid_until FROM mapping.accounts
    UNION ALL
    SELECT project_id, team, 'projects.csv', 2, valid_until FROM mapping.projects
),
keys_of_accounts AS (
    SELECT key
    FROM (SELECT DISTINCT unnest(map_keys(Tags)) AS key FROM ledger.dimension)
    WHERE allocation.tag_bearer(key) = 'account'
),
account_tags AS (
    SELECT account_id, resource_type, unnest(map_keys(tags)) AS key, unnest(map_values(tags)) AS value
    FROM inventory.resources
    WHERE account_id IS NOT NULL AND tags IS NOT NULL AND resource_type IN ('account', 'project', 'subscription')
    UNION
    SELECT SubAccountId, 'project', unnest(map_keys(x_ProjectTags)), unnest(map_values(x_ProjectTags))
    FROM ledger.dimension
    WHERE SubAccountId IS NOT NULL AND x_ProjectTags IS NOT NULL
    UNION
    SELECT SubAccountId, 'account', allocation.bare_key(key), value
    FROM (
        SELECT DISTINCT d.SubAccountId, k.key, map_extract_value(d.Tags, k.key) AS value
        FROM ledger.dimension AS d
        JOIN keys_of_accounts AS k ON map_contains(d.Tags, k.key)
    )
    WHERE SubAccountId IS NOT NULL
),
owner_keys AS (
    SELECT unnest(range(1, 15)) AS place, unnest(['owner', 'owners', 'owned-by', 'owner-email', 'technical-owner',
        'business-owner', 'contact', 'technical-contact', 'contact-email', 'responsible', 'maintainer', 'lead', 'manager',
        'email']) AS key
),
known AS (
    SELECT
        m.account_id,
        coalesce(nullif(t.owner, ''), CASE WHEN p.pool IS NULL THEN 'team ' ELSE 'pool ' END || m.team) AS owner,
        CASE WHEN p.pool IS NULL THEN 'owner of ' || m.team || ' in teams.csv, to which ' || m.place || ' maps the account'
             ELSE m.place || ' maps the account to the pool' END AS source,
        m.rank, -datediff('day', DATE '2000-01-01', coalesce(m.valid_until, DATE '9999-12-31')) AS place, m.team AS word
    FROM mapped AS m
    LEFT JOIN mapping.teams AS t ON t.team = m.team
    LEFT JOIN mapping.pools AS p ON p.pool = m.team
    UNION ALL
    SELECT a.account_id, trim(a.value), 'tag ' || a.key || ' of the ' || a.resource_type, 3, o.place, a.value
    FROM account_tags AS a
    JOIN owner_keys AS o ON o.key = regexp_replace(lower(trim(a.key)), '[_ .:]', '-', 'g')
    WHERE trim(a.value) <> ''
    UNION ALL
    SELECT a.account_id, coalesce(nullif(t.owner, ''), 'team ' || v.team), 'owner of ' || v.team || ' in teams.csv, which the '
        || a.resource_type || ' is tagged with', 4, k.priority, a.value
    FROM account_tags AS a
    JOIN mapping.tag_keys AS k ON k.key = allocation.folded_key(a.key)
    JOIN mapping.tag_values AS v ON v.value = allocation.folded_value(a.value)
    LEFT JOIN mapping.teams AS t ON t.team = v.team
    UNION ALL
    SELECT account_id, 'folder ' || path, 'folder that the ' || resource_type || ' is in', 5, 0, path
    FROM (
        SELECT account_id, resource_type, coalesce(properties ->> 'UnitPath', properties ->> 'FolderPath') AS path
        FROM inventory.resources
    )
    WHERE account_id IS NOT NULL AND contains(path, '/')        -- the root itself says nothing
),
owners AS (
    SELECT account_id, owner, source
    FROM known
    QUALIFY ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY rank, place, word, owner, source) = 1
),
tagged_pools AS (           -- what a tag gave to a pool is tagged, though the pool is split
    SELECT DISTINCT x_AllocationRuleId AS rule_id
    FROM allocation.dimension_team
    WHERE x_AllocationMethod = 'direct'
),
totals AS (
    SELECT BillingCurrency, sum(AllocatedEffectiveCost) AS total
    FROM allocation.charges
    WHERE ChargePeriodStart >= CAST($period_start AS DATE)
      AND ChargePeriodStart < CAST($period_end AS DATE)
    GROUP BY BillingCurrency
),
shares AS (
    SELECT
        coalesce(owners.owner, 'nobody known') AS Owner,
        coalesce(owners.source, 'no mapping, tag or folder of the account names anybody') AS OwnerSource,
        coalesce(c.SubAccountId, c.BillingAccountId) AS account_id,
        coalesce(c.SubAccountName, c.BillingAccountName, c.SubAccountId, c.BillingAccountId) AS account_name,
        c.ServiceName AS service,
        c.ResourceId AS resource_id,
        c.BillingCurrency,
        CASE WHEN c.Team = 'unallocated' THEN 'unallocated' ELSE c.x_AllocationMethod END AS method,
        c.AllocatedEffectiveCost AS cost
    FROM allocation.charges AS c
    LEFT JOIN owners ON owners.account_id = coalesce(c.SubAccountId, c.BillingAccountId)
    WHERE c.ChargePeriodStart >= CAST($period_start AS DATE)
      AND c.ChargePeriodStart < CAST($period_end AS DATE)
      AND c.x_AllocationMethod <> 'direct'
      AND (c.x_AllocationPoolRuleId IS NULL OR c.x_AllocationPoolRuleId NOT IN (SELECT rule_id FROM tagged_pools))
),
by_service AS (
    SELECT Owner, BillingCurrency, service, sum(cost) AS cost
    FROM shares
    GROUP BY Owner, BillingCurrency, service
),
top_service AS (
    SELECT Owner, BillingCurrency, service
    FROM by_service
    QUALIFY ROW_NUMBER() OVER (PARTITION BY Owner, BillingCurrency ORDER BY cost DESC, service) = 1
),
by_account AS (
    SELECT Owner, BillingCurrency, account_id, max(account_name) AS account_name, sum(cost) AS cost
    FROM shares
    GROUP BY Owner, BillingCurrency, account_id
),
top_account AS (
    SELECT Owner, BillingCurrency, account_name
    FROM by_account
    QUALIFY ROW_NUMBER() OVER (PARTITION BY Owner, BillingCurrency ORDER BY cost DESC, account_id) = 1
),
sums AS (
    SELECT
        Owner,
        min(OwnerSource) AS OwnerSource,
        BillingCurrency,
        sum(cost) AS UntaggedCost,
        coalesce(sum(cost) FILTER (method = 'unallocated'), 0) AS UnallocatedCost,
        coalesce(sum(cost) FILTER (method = 'inherited'), 0) AS InheritedCost,
        coalesce(sum(cost) FILTER (method NOT IN ('unallocated', 'inherited', 'split')), 0) AS MappedCost,
        coalesce(sum(cost) FILTER (method = 'split'), 0) AS SharedCost,
        count(DISTINCT resource_id) AS ResourceCount,
        count(DISTINCT account_id) AS AccountCount
    FROM shares
    GROUP BY Owner, BillingCurrency
),
untagged_by_owner AS (
    SELECT
        sums.Owner,
        sums.OwnerSource,
        sums.BillingCurrency,
        sums.UntaggedCost,
        sums.UnallocatedCost,
        sums.InheritedCost,
        sums.MappedCost,
        sums.SharedCost,
        round(100.0 * sums.UntaggedCost / NULLIF(totals.total, 0), 1) AS SharePercent,
        sums.ResourceCount,
        sums.AccountCount,
        top_account.account_name AS TopAccount,
        top_service.service AS TopService
    FROM sums
    JOIN totals ON totals.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
    JOIN top_service ON top_service.Owner = sums.Owner
        AND top_service.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
    JOIN top_account ON top_account.Owner = sums.Owner
        AND top_account.BillingCurrency IS NOT DISTINCT FROM sums.BillingCurrency
)
SELECT * FROM untagged_by_owner
ORDER BY BillingCurrency, UnallocatedCost DESC, UntaggedCost DESC, Owner
