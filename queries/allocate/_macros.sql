-- What the allocation rules share. Made anew by every build.

-- A tag key as people mean it: 'Team', 'TEAM ', 'user:team', 'user_team' are 'team'; 'owner_team' is 'owner-team'.
CREATE OR REPLACE MACRO allocation.folded_key(key) AS
    regexp_replace(regexp_replace(lower(trim(key)), '^user[:_]', ''), '[_ ]', '-', 'g');

-- A tag value as people mean it: 'ML-Research' and 'Search ' are 'ml-research' and 'search'.
CREATE OR REPLACE MACRO allocation.folded_value(value) AS lower(trim(value));

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
