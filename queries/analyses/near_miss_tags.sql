/*
id: near_miss_tags
title: Tags that are nearly a team's
version: 1
owner: finops-ledger
why: >
  'tema', 'Teams' and 'ml-reserch' are money that goes to whoever the next rule finds, or to nobody. Each with the money behind
  it and the line for mappings/tag_aliases.csv that takes it for what was meant.
misses: >
  What is no near miss of anything: the check unknown_team_tags lists all values that are no team. Without a teams.csv every value
  is a team, and no value can be wrong. A charge with two such tags is behind two rows. A line may move more than it says: charges
  of the same resource that bear no tag follow it. Booked months stay as they are.
grain: period
reads: [allocation.charges, allocation.dimension_team, ledger.dimension, mapping.tag_keys, mapping.tag_values, mapping.teams]
params:
  period: {type: period, default: last-30-days, help: "The days to add up, by the day on which a charge begins (UTC)"}
columns:
  Kind: '"key" for a key that nearly is one of the team tag, "value" for a value that nearly is a team'
  Tag: The tag as people wrote it
  Suggestion: What was probably meant; empty if two teams are as near
  Why: What speaks for it
  AliasLine: The line to add to mappings/tag_aliases.csv (its header is kind,alias,canonical); empty without a suggestion
  BillingCurrency: The currency of the bill. Currencies are never added.
  AffectedCost: EffectiveCost of charges with this tag that no tag of their own gave to a team; the two parts that follow
  UnallocatedCost: The part that belongs to nobody now
  OtherwiseCost: The part that has a team by another rule now; it moves if that is another team
  ResourceCount: Distinct resources among the charges
*/
WITH tags AS (
    SELECT dimension_id, FALSE AS is_projects, unnest(map_keys(Tags)) AS key, unnest(map_values(Tags)) AS value
    FROM ledger.dimension
    WHERE Tags IS NOT NULL
    UNION ALL
    SELECT dimension_id, TRUE, unnest(map_keys(x_ProjectTags)), unnest(map_values(x_ProjectTags))
    FROM ledger.dimension
    WHERE x_ProjectTags IS NOT NULL
),
team_files AS (
    SELECT count(*) > 0 AS are_there FROM mapping.teams
),
-- every spelling once. Its letters are what is compared; digits and words of one or two letters must be the same: team-1 is
-- no misspelt team-2
keys AS (
    SELECT
        key,
        trim(allocation.bare_key(key)) AS spelling,
        allocation.folded_key(allocation.bare_key(key)) AS word,
        regexp_replace(allocation.folded_key(allocation.bare_key(key)), '[^\p{L}\p{N}]', '', 'g') AS letters,
        string_split_regex(allocation.folded_key(allocation.bare_key(key)), '[^\p{L}\p{N}]+') AS tokens,
        allocation.tag_bearer(key) AS bearer
    FROM (SELECT DISTINCT key FROM tags)
    WHERE allocation.tag_bearer(key) <> 'cost category'
),
team_keys AS (
    SELECT key AS word, regexp_replace(key, '[^\p{L}\p{N}]', '', 'g') AS letters
    FROM mapping.tag_keys
),
values_of_keys AS (
    SELECT DISTINCT k.word AS key_word, allocation.folded_value(p.value) AS word, p.value
    FROM (SELECT DISTINCT key, value FROM tags WHERE allocation.folded_value(value) <> '') AS p
    JOIN keys AS k ON k.key = p.key
),
teams AS (                  -- the words that mean a team; without a teams.csv, what the team tag says
    SELECT value AS word, team FROM mapping.tag_values
    UNION
    SELECT v.word, v.word
    FROM values_of_keys AS v
    JOIN mapping.tag_keys AS k ON k.key = v.key_word
    WHERE NOT (SELECT are_there FROM team_files)
),
spelt_like_keys AS (        -- keys whose spelling is close to one that we know, or that have it as one of their words
    SELECT
        k.word,
        min(CASE WHEN k.letters = t.letters OR list_contains(k.tokens, t.word) THEN 0
                 ELSE damerau_levenshtein(k.letters, t.letters) END) AS distance,
        min_by(t.word, (CASE WHEN k.letters = t.letters OR list_contains(k.tokens, t.word) THEN 0
                             ELSE damerau_levenshtein(k.letters, t.letters) END, t.word)) AS nearest
    FROM (SELECT DISTINCT word, letters, tokens FROM keys) AS k
    CROSS JOIN team_keys AS t
    WHERE k.word NOT IN (SELECT word FROM team_keys)
      AND (k.letters = t.letters OR list_contains(k.tokens, t.word)
           OR (abs(length(k.letters) - length(t.letters)) <= 2
               AND damerau_levenshtein(k.letters, t.letters)
                   <= CASE WHEN least(length(k.letters), length(t.letters)) < 4 THEN 0
                           WHEN least(length(k.letters), length(t.letters)) < 8 THEN 1 ELSE 2 END))
    GROUP BY k.word
),
doubtful_values AS (        -- values of the team tag, or of what may be it, that are no team
    SELECT
        v.word,
        regexp_replace(v.word, '[^\p{L}\p{N}]', '', 'g') AS letters,
        regexp_replace(v.word, '[^\p{N}]', '', 'g') AS digits,
        list_sort(list_filter(string_split_regex(v.word, '[^\p{L}\p{N}]+'), lambda part: length(part) IN (1, 2))) AS short_words,
        array_to_string(list_filter(string_split_regex(v.word, '[^\p{L}\p{N}]+'), lambda part: part NOT IN
            ('team', 'teams', 'squad', 'group', 'crew', 'tribe', 'department', 'dept', 'the')), '') AS core
    FROM (SELECT DISTINCT word FROM values_of_keys
          WHERE key_word IN (SELECT word FROM team_keys UNION SELECT word FROM spelt_like_keys)) AS v
    WHERE v.word NOT IN (SELECT word FROM teams)
),
team_words AS (
    SELECT
        team,
        word,
        regexp_replace(word, '[^\p{L}\p{N}]', '', 'g') AS letters,
        regexp_replace(word, '[^\p{N}]', '', 'g') AS digits,
        list_sort(list_filter(string_split_regex(word, '[^\p{L}\p{N}]+'), lambda part: length(part) IN (1, 2))) AS short_words,
        array_to_string(list_filter(string_split_regex(word, '[^\p{L}\p{N}]+'), lambda part: part NOT IN
            ('team', 'teams', 'squad', 'group', 'crew', 'tribe', 'department', 'dept', 'the')), '') AS core
    FROM teams
),
compared AS (
    SELECT
        v.word,
        t.team,
        t.word AS meant,
        CASE WHEN v.letters = t.letters THEN 0
             WHEN v.core = t.core AND length(v.core) > 2 THEN 1
             WHEN v.digits = t.digits AND v.short_words = t.short_words THEN damerau_levenshtein(v.letters, t.letters)
        END AS distance,
        CASE WHEN least(length(v.letters), length(t.letters)) < 4 THEN 0
             WHEN least(length(v.letters), length(t.letters)) < 8 THEN 1 ELSE 2 END AS farthest,
        v.core = t.core AND length(v.core) > 2 AS is_same_core
    FROM doubtful_values AS v
    JOIN team_words AS t ON (abs(length(v.letters) - length(t.letters)) <= 2 OR v.core = t.core)
        AND v.letters <> '' AND t.letters <> ''
),
near_values AS (            -- the teams that are nearest: one, or the suggestion is left to you
    SELECT
        word,
        CASE WHEN count(DISTINCT team) = 1 THEN min(team) END AS suggestion,
        CASE WHEN count(DISTINCT team) > 1 THEN 'as near to ' || string_agg(DISTINCT meant, ' as to ' ORDER BY meant)
             WHEN min(distance) = 0 THEN 'the same letters as ' || min(meant)
             WHEN bool_or(is_same_core) THEN 'the same name as ' || min(meant)
             ELSE min(distance) || CASE WHEN min(distance) = 1 THEN ' letter from ' ELSE ' letters from ' END || min(meant)
        END AS why
    FROM (
        SELECT * FROM compared
        WHERE distance <= farthest OR is_same_core
        QUALIFY rank() OVER (PARTITION BY word ORDER BY distance) = 1
    )
    GROUP BY word
),
evidence AS (               -- how many of a key's values are teams
    SELECT
        v.key_word AS word,
        count(DISTINCT v.word) AS all_values,
        count(DISTINCT v.word) FILTER (t.word IS NOT NULL) AS team_values,
        count(DISTINCT v.word) FILTER (t.word IS NOT NULL OR n.word IS NOT NULL) AS near_team_values,
        count(DISTINCT t.team) AS team_count
    FROM values_of_keys AS v
    LEFT JOIN teams AS t ON t.word = v.word
    LEFT JOIN near_values AS n ON n.word = v.word
    WHERE v.key_word NOT IN (SELECT word FROM team_keys)
    GROUP BY v.key_word
),
near_keys AS (              -- a close spelling with teams for half of its values, or teams for nearly all of them
    SELECT
        e.word,
        'team' AS suggestion,
        concat_ws('; ',
            CASE WHEN s.distance = 0 THEN 'has the word ' || s.nearest
                 WHEN s.distance = 1 THEN '1 letter from ' || s.nearest
                 ELSE s.distance || ' letters from ' || s.nearest END,
            CASE WHEN e.all_values = 1 AND e.team_values = 1 THEN 'its only value is a team'
                 WHEN e.team_values = e.all_values THEN 'all of its ' || e.all_values || ' values are teams'
                 ELSE e.team_values || ' of its ' || e.all_values || ' values are teams' END) AS why
    FROM evidence AS e
    LEFT JOIN spelt_like_keys AS s ON s.word = e.word
    WHERE (s.word IS NOT NULL AND (2 * e.near_team_values >= e.all_values OR NOT EXISTS (SELECT 1 FROM teams)))
       OR ((SELECT are_there FROM team_files) AND e.team_count >= 2 AND 4 * e.team_values >= 3 * e.all_values)
),
behind AS (                 -- the dimensions that a line would give a team
    SELECT 'value' AS kind, n.word, trim(t.value) AS spelling, t.dimension_id, k.bearer = 'resource' AND NOT t.is_projects AS is_own
    FROM tags AS t
    JOIN keys AS k ON k.key = t.key
    JOIN team_keys ON team_keys.word = k.word
    JOIN near_values AS n ON n.word = allocation.folded_value(t.value)
    UNION ALL
    SELECT 'key', n.word, k.spelling, t.dimension_id, k.bearer = 'resource' AND NOT t.is_projects
    FROM tags AS t
    JOIN keys AS k ON k.key = t.key
    JOIN near_keys AS n ON n.word = k.word
    WHERE allocation.folded_value(t.value) IN (SELECT value FROM mapping.tag_values)
       OR (allocation.folded_value(t.value) <> '' AND NOT (SELECT are_there FROM team_files))
),
dimensions AS (
    SELECT kind, word, dimension_id, min(spelling) AS spelling, bool_or(is_own) AS is_own
    FROM behind
    GROUP BY kind, word, dimension_id
),
tagged_pools AS (           -- what a tag gave to a pool is tagged, though the pool is split
    SELECT DISTINCT x_AllocationRuleId AS rule_id, x_AllocationMethod AS method
    FROM allocation.dimension_team
    WHERE is_pool
),
costs AS (
    SELECT
        d.kind,
        d.word,
        d.spelling,
        c.BillingCurrency,
        c.ResourceId,
        c.Team = 'unallocated' AS is_unallocated,
        c.AllocatedEffectiveCost AS cost
    FROM dimensions AS d
    JOIN allocation.charges AS c ON c.x_DimensionId = d.dimension_id
    LEFT JOIN tagged_pools AS p ON p.rule_id = c.x_AllocationPoolRuleId
    WHERE c.ChargePeriodStart >= CAST($period_start AS DATE)
      AND c.ChargePeriodStart < CAST($period_end AS DATE)
      AND coalesce(p.method, c.x_AllocationMethod) <> 'direct'
      AND (d.is_own OR coalesce(p.method, c.x_AllocationMethod) <> 'inherited')
),
sums AS (
    SELECT
        kind,
        word,
        BillingCurrency,
        min(spelling) AS spelling,
        sum(cost) AS AffectedCost,
        coalesce(sum(cost) FILTER (is_unallocated), 0) AS UnallocatedCost,
        coalesce(sum(cost) FILTER (NOT is_unallocated), 0) AS OtherwiseCost,
        count(DISTINCT ResourceId) AS ResourceCount
    FROM costs
    GROUP BY kind, word, BillingCurrency
),
near_miss_tags AS (
    SELECT
        s.kind AS Kind,
        s.spelling AS Tag,
        n.suggestion AS Suggestion,
        n.why AS Why,
        s.kind || ',' || CASE WHEN regexp_full_match(s.spelling, '[A-Za-z0-9 ._:@+=-]+') THEN s.spelling
                              ELSE '"' || replace(s.spelling, '"', '""') || '"' END
               || ',' || CASE WHEN regexp_full_match(n.suggestion, '[A-Za-z0-9 ._:@+=-]+') THEN n.suggestion
                              ELSE '"' || replace(n.suggestion, '"', '""') || '"' END AS AliasLine,
        s.BillingCurrency,
        s.AffectedCost,
        s.UnallocatedCost,
        s.OtherwiseCost,
        s.ResourceCount
    FROM sums AS s
    JOIN (SELECT 'value' AS kind, * FROM near_values UNION ALL SELECT 'key', * FROM near_keys) AS n
        ON n.kind = s.kind AND n.word = s.word
)
SELECT * FROM near_miss_tags
ORDER BY BillingCurrency, AffectedCost DESC, Kind, Tag
