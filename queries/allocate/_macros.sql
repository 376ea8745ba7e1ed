-- What the allocation rules share. Made anew by every build.

-- A tag key as people mean it: 'Team', 'TEAM ', 'user:team', 'user_team' are 'team'; 'owner_team' is 'owner-team'.
CREATE OR REPLACE MACRO allocation.folded_key(key) AS
    regexp_replace(regexp_replace(lower(trim(key)), '^user[:_]', ''), '[_ ]', '-', 'g');

-- A tag value as people mean it: 'ML-Research' and 'Search ' are 'ml-research' and 'search'.
CREATE OR REPLACE MACRO allocation.folded_value(value) AS lower(trim(value));

-- Whose tag it is: CUR 2.0 writes 'accountTag/team' for the account's, 'iamPrincipal/team' for the caller's, 'costCategory/team'
-- for a cost category's value and 'resourceTags/team' or plain 'team' for the resource's own.
CREATE OR REPLACE MACRO allocation.tag_bearer(key) AS
    CASE regexp_extract(lower(key), '^(accounttag|iamprincipal|costcategory)/', 1)
        WHEN 'accounttag' THEN 'account' WHEN 'iamprincipal' THEN 'caller' WHEN 'costcategory' THEN 'cost category'
        ELSE 'resource' END;
CREATE OR REPLACE MACRO allocation.bare_key(key) AS
    regexp_replace(key, '^(accountTag|iamPrincipal|costCategory|resourceTags)/', '', 'i');

-- Azure spells one resource's id in upper and lower case; elsewhere case tells resources apart.
CREATE OR REPLACE MACRO allocation.folded_resource(id) AS CASE WHEN id ILIKE '/subscriptions/%' THEN lower(id) ELSE id END;

-- The team tags of charges: one row for each tag under a team key whose value is a team or an alias of one; with no teams.csv
-- every value is a team. Folding a few distinct words is cheap; folding every row's words is not.
CREATE OR REPLACE VIEW allocation.team_tags AS
    WITH tags AS (
        SELECT x_DimensionId, unnest(map_keys(Tags)) AS key, unnest(map_values(Tags)) AS value
        FROM ledger.dimensions
        WHERE Tags IS NOT NULL
    ),

    team_keys AS (
        SELECT d.key, k.priority, allocation.tag_bearer(d.key) AS bearer
        FROM (SELECT DISTINCT key FROM tags) AS d
        JOIN mapping.tag_keys AS k ON k.key = allocation.folded_key(allocation.bare_key(d.key))
    ),

    of_teams AS (
        SELECT t.x_DimensionId, t.key, t.value, k.priority, k.bearer
        FROM tags AS t
        JOIN team_keys AS k ON k.key = t.key
        WHERE trim(t.value) <> ''
    ),

    teams AS (
        SELECT
            d.value,
            coalesce(v.team, CASE WHEN (SELECT count(*) FROM mapping.teams) = 0 THEN allocation.folded_value(d.value) END) AS team
        FROM (SELECT DISTINCT value FROM of_teams) AS d
        LEFT JOIN mapping.tag_values AS v ON v.value = allocation.folded_value(d.value)
    )

    SELECT t.x_DimensionId, t.bearer AS Bearer, t.key AS Key, t.value AS Value, n.team AS Team, t.priority AS Priority
    FROM of_teams AS t
    JOIN teams AS n ON n.value = t.value
    WHERE n.team IS NOT NULL;

-- The team that the inventory's tags of a resource, account or unit name: one row for each that has such a tag.
CREATE OR REPLACE VIEW allocation.inventory_teams AS
    WITH tags AS (
        SELECT allocation.folded_resource(resource_id) AS ResourceId, seen_at, unnest(map_keys(tags)) AS key,
            unnest(map_values(tags)) AS value
        FROM inventory.resources
        WHERE tags IS NOT NULL
    )

    SELECT
        t.ResourceId,
        t.key AS Key,
        t.value AS Value,
        coalesce(v.team, CASE WHEN (SELECT count(*) FROM mapping.teams) = 0 THEN allocation.folded_value(t.value) END) AS Team
    FROM tags AS t
    JOIN mapping.tag_keys AS k ON k.key = allocation.folded_key(t.key)
    LEFT JOIN mapping.tag_values AS v ON v.value = allocation.folded_value(t.value)
    WHERE trim(t.value) <> '' AND (v.team IS NOT NULL OR (SELECT count(*) FROM mapping.teams) = 0)
    QUALIFY row_number() OVER (PARTITION BY t.ResourceId ORDER BY k.priority, t.seen_at DESC, t.key) = 1;

-- Which fee a charge is, if it is one: 'tax', 'commitment' (what a commitment costs where no usage bears it: fees and the
-- part that nothing used), 'support', 'credit' (refunds and adjustments too), 'marketplace'. The last two only where no
-- resource is named: with one they are the resource's. A commitment is no resource that a team runs.
CREATE OR REPLACE MACRO allocation.fee(workload_kind, charge_category, charge_class, resource_id) AS
    CASE
        WHEN workload_kind IN ('tax', 'commitment', 'support') THEN workload_kind
        WHEN trim(coalesce(resource_id, '')) <> '' THEN NULL
        WHEN workload_kind = 'credit' OR charge_category = 'Adjustment' OR charge_class = 'Correction' THEN 'credit'
        WHEN workload_kind = 'marketplace' THEN 'marketplace'
    END;

-- Fees follow the usage that they belong to: the rules that map accounts, projects, folders and names leave them alone.
CREATE OR REPLACE MACRO allocation.is_fee(workload_kind, charge_category, charge_class, resource_id) AS
    allocation.fee(workload_kind, charge_category, charge_class, resource_id) IS NOT NULL;

-- What the rules before this one have decided: a team or a pool for a dimension's charges from one moment until another.
CREATE OR REPLACE VIEW allocation.tagged AS
    SELECT dimension_id AS x_DimensionId, valid_from AS ValidFrom, valid_until AS ValidUntil, Team, is_pool,
        x_AllocationRuleId, x_AllocationMethod
    FROM allocation.dimension_team
    WHERE book = 0;

-- What no rule has taken yet, for at least a part of the time. Rules with costly patterns read this instead of
-- ledger.dimensions. A dimension that is in allocation.gap is taken for a part of the time only.
CREATE OR REPLACE VIEW allocation.remaining AS
    SELECT d.* FROM ledger.dimensions AS d
    ANTI JOIN (
        SELECT dimension_id FROM allocation.dimension_team WHERE book = 0
        EXCEPT
        SELECT dimension_id FROM allocation.gap
    ) AS t ON t.dimension_id = d.x_DimensionId;

-- What each team (or pool) has in a month of what is decided so far, before any pool is split. Months are those in which
-- charges begin. What is decided for a part of a dimension's time is counted charge by charge.
CREATE OR REPLACE VIEW allocation.team_month AS
    WITH decided AS (
        SELECT *, valid_from <= TIMESTAMP '0001-01-01' AND valid_until >= TIMESTAMP '9999-12-31' AS is_whole
        FROM allocation.dimension_team
        WHERE book = 0
    )
    SELECT m.month AS Month, t.Team, t.is_pool, m.dimension_id AS x_DimensionId, m.BillingCurrency, m.BilledCost, m.EffectiveCost
    FROM allocation.dimension_month AS m
    JOIN decided AS t ON t.dimension_id = m.dimension_id AND t.is_whole
    UNION ALL
    SELECT
        CAST(date_trunc('month', c.ChargePeriodStart) AS DATE), t.Team, t.is_pool, c.dimension_id, d.BillingCurrency,
        CAST(sum(c.BilledCost) AS DECIMAL(38, 18)),
        CAST(sum(c.BilledCost + c.EffectiveCostDelta) AS DECIMAL(38, 18))
    FROM decided AS t
    JOIN ledger.charge AS c
        ON c.dimension_id = t.dimension_id AND c.ChargePeriodStart >= t.valid_from AND c.ChargePeriodStart < t.valid_until
    JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
    WHERE NOT t.is_whole
    GROUP BY ALL;

-- The payer of a kind of charges: the billing account whose bills it is in. What is in the bills of two is taken for the first's.
CREATE OR REPLACE VIEW allocation.payer AS
    SELECT dimension_id AS x_DimensionId, min(BillingAccountId) AS BillingAccountId
    FROM allocation.dimension_month
    GROUP BY dimension_id;

-- The circles of usage that a charge may belong to, from the nearest to the widest. A payer's own account is not one of them:
-- what a payer is billed for no one service is everybody's.
CREATE OR REPLACE MACRO allocation.circles(commitment, service, account, payer) AS list_filter(
    [
        {'circle': 'commitment', 'words': [commitment]},
        {'circle': 'service in account', 'words': [service, account]},
        {'circle': 'account', 'words': [CASE WHEN account IS DISTINCT FROM payer THEN account END]},
        {'circle': 'service of payer', 'words': [service, payer]},
        {'circle': 'payer', 'words': [payer]}
    ],
    lambda each: len(list_filter(each.words, lambda word: coalesce(word, '') = '')) = 0
);

-- What each team (or pool) used in a month, in every circle of usage. Fees are no usage; what nobody has yet is 'unallocated'.
CREATE OR REPLACE VIEW allocation.usage_mix AS
    WITH undecided AS (
        SELECT m.month AS Month, 'unallocated' AS Team, m.dimension_id AS x_DimensionId, m.BillingCurrency,
            m.EffectiveCost - coalesce(t.EffectiveCost, 0) AS EffectiveCost
        FROM allocation.dimension_month AS m
        SEMI JOIN allocation.remaining AS r ON r.x_DimensionId = m.dimension_id
        LEFT JOIN (
            SELECT x_DimensionId, Month, sum(EffectiveCost) AS EffectiveCost
            FROM allocation.team_month
            WHERE x_DimensionId IN (SELECT dimension_id FROM allocation.gap)
            GROUP BY ALL
        ) AS t ON t.x_DimensionId = m.dimension_id AND t.Month = m.month
    ),

    everything AS (
        SELECT Month, Team, x_DimensionId, BillingCurrency, EffectiveCost FROM allocation.team_month
        UNION ALL
        SELECT Month, Team, x_DimensionId, BillingCurrency, EffectiveCost FROM undecided
    ),

    usage AS (
        SELECT d.CommitmentDiscountId, coalesce(d.x_ServiceCode, d.ServiceName) AS service, d.SubAccountId, p.BillingAccountId,
            e.Month, e.BillingCurrency, e.Team, sum(e.EffectiveCost) AS cost
        FROM everything AS e
        JOIN ledger.dimensions AS d ON d.x_DimensionId = e.x_DimensionId
        LEFT JOIN allocation.payer AS p ON p.x_DimensionId = e.x_DimensionId
        WHERE NOT allocation.is_fee(d.x_WorkloadKind, d.ChargeCategory, d.ChargeClass, d.ResourceId)
        GROUP BY ALL
    ),

    placed AS (
        SELECT unnest(allocation.circles(CommitmentDiscountId, service, SubAccountId, BillingAccountId)) AS place,
            Month, BillingCurrency, Team, cost
        FROM usage
    )

    SELECT place.circle AS Circle, place.words AS Words, Month, BillingCurrency, Team, sum(cost) AS Cost
    FROM placed
    GROUP BY ALL
    HAVING sum(cost) > 0;

-- What a kind of fees follows, month by month: of the circles that are named, the nearest in which anything was used. Where all
-- of it is nobody's, the fee is too, and there is no row.
CREATE OR REPLACE MACRO allocation.followed(fee, circles) AS TABLE
    WITH fees AS (
        SELECT r.x_DimensionId, m.month AS Month, m.BillingCurrency,
            unnest(allocation.circles(r.CommitmentDiscountId, coalesce(r.x_ServiceCode, r.ServiceName), r.SubAccountId,
                                      p.BillingAccountId)) AS place
        FROM allocation.remaining AS r
        JOIN allocation.dimension_month AS m ON m.dimension_id = r.x_DimensionId
        LEFT JOIN allocation.payer AS p ON p.x_DimensionId = r.x_DimensionId
        WHERE allocation.fee(r.x_WorkloadKind, r.ChargeCategory, r.ChargeClass, r.ResourceId) = fee
    ),

    mixes AS MATERIALIZED (
        SELECT * FROM allocation.usage_mix WHERE list_contains(circles, Circle)
    ),

    known AS (
        SELECT Circle, Words, Month, BillingCurrency, bool_or(Team <> 'unallocated') AS is_somebodys
        FROM mixes
        GROUP BY ALL
    ),

    nearest AS (
        SELECT f.x_DimensionId, f.Month, f.BillingCurrency, k.Circle, k.Words, k.is_somebodys
        FROM fees AS f
        JOIN known AS k ON k.Circle = f.place.circle AND k.Words = f.place.words AND k.Month = f.Month
            AND k.BillingCurrency IS NOT DISTINCT FROM f.BillingCurrency
        QUALIFY row_number() OVER (PARTITION BY f.x_DimensionId, f.Month ORDER BY list_position(circles, k.Circle)) = 1
    )

    SELECT
        n.x_DimensionId,
        n.Month AS ValidFrom,
        CAST(n.Month + INTERVAL 1 MONTH AS DATE) AS ValidUntil,
        m.Team,
        m.Cost AS Weight,
        'follows the usage of ' || CASE n.Circle
            WHEN 'commitment' THEN 'commitment ' || n.Words[1]
            WHEN 'service in account' THEN n.Words[1] || ' in account ' || n.Words[2]
            WHEN 'account' THEN 'account ' || n.Words[1]
            WHEN 'service of payer' THEN n.Words[1] || ' in all accounts of payer ' || n.Words[2]
            ELSE 'all accounts of payer ' || n.Words[1]
        END || ' in ' || strftime(n.Month, '%Y-%m') AS x_AllocationReason
    FROM nearest AS n
    JOIN mixes AS m ON m.Circle = n.Circle AND m.Words = n.Words AND m.Month = n.Month
        AND m.BillingCurrency IS NOT DISTINCT FROM n.BillingCurrency
    WHERE n.is_somebodys;

-- What each pool is measured over in a month: the month itself, the one before, or the three before.
CREATE OR REPLACE VIEW allocation.pool_window AS
    SELECT
        p.pool AS Pool,
        m.month AS Month,
        CAST(m.month - CASE p."window" WHEN 'previous-month' THEN INTERVAL 1 MONTH WHEN 'last-3-months' THEN INTERVAL 3 MONTH
                                       ELSE INTERVAL 0 MONTH END AS DATE) AS WindowStart,
        CAST(m.month + CASE WHEN p."window" IN ('previous-month', 'last-3-months') THEN INTERVAL 0 MONTH
                            ELSE INTERVAL 1 MONTH END AS DATE) AS WindowEnd
    FROM mapping.pools AS p
    CROSS JOIN (SELECT DISTINCT month FROM allocation.dimension_month) AS m;

-- A window in words: '2026-10', '2026-07 to 2026-09'.
CREATE OR REPLACE MACRO allocation.window_name(window_start, window_end) AS
    concat_ws(' to ', strftime(window_start, '%Y-%m'),
              nullif(strftime(window_end - INTERVAL 1 DAY, '%Y-%m'), strftime(window_start, '%Y-%m')));

-- A DECIMAL without zeros at its end.
CREATE OR REPLACE MACRO allocation.plain_number(number) AS
    rtrim(rtrim(CAST(CAST(number AS DECIMAL(38, 18)) AS VARCHAR), '0'), '.');

-- Whose the namespaces of Kubernetes are, of those whose activity is known: mappings/namespaces.csv, where '*' is any cluster.
CREATE OR REPLACE VIEW allocation.namespace_team AS
    WITH namespaces AS (
        SELECT DISTINCT resource_id, regexp_extract(resource_id, '^kubernetes:(.*)/([^/]*)$', ['cluster', 'namespace']) AS place
        FROM utilisation.daily
        WHERE starts_with(resource_id, 'kubernetes:')
    )
    SELECT n.resource_id, n.place.cluster AS cluster, n.place.namespace AS namespace, m.team,
        coalesce(m.valid_from, DATE '0001-01-01') AS valid_from, coalesce(m.valid_until, DATE '9999-12-31') AS valid_until,
        m.cluster <> '*' AS is_exact
    FROM namespaces AS n
    JOIN mapping.namespaces AS m ON m.namespace = n.place.namespace AND m.cluster IN (n.place.cluster, '*');
