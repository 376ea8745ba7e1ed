-- What the allocation rules share. Made anew by every build.

-- A tag key as people mean it: 'Team', 'TEAM ', 'user:team', 'user_team' are 'team'; 'owner_team' is 'owner-team'.
CREATE OR REPLACE MACRO allocation.folded_key(key) AS
    regexp_replace(regexp_replace(lower(trim(key)), '^user[:_]', ''), '[_ ]', '-', 'g');

-- A tag value as people mean it: 'ML-Research' and 'Search ' are 'ml-research' and 'search'.
CREATE OR REPLACE MACRO allocation.folded_value(value) AS lower(trim(value));

-- What no rule has taken yet. Rules with costly patterns read this instead of ledger.dimensions.
CREATE OR REPLACE VIEW allocation.remaining AS
    SELECT d.* FROM ledger.dimensions AS d
    ANTI JOIN allocation.dimension_team AS t ON t.dimension_id = d.x_DimensionId;
