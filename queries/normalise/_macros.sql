-- What the readers and the files in this folder share. Run once on every connection that loads.
--
-- Money arrives as text or as a binary double and leaves as DECIMAL(38,18), with exactly the digits that the provider
-- wrote: 9.2 stays 9.2 and does not become 9.199999999999999289. A double's own digits are its shortest decimal spelling.
-- Casting that spelling is exact but slow (1.4 s per million values), so money_double() first tries ten decimals as a 64-bit
-- number: below 200,000 a number with at most ten decimals that turns back into the same double is that shortest spelling.
-- Further shortcuts by size follow; what none of them takes is cast in full. That cast is strict: a number that cannot be kept is
-- an error, never NULL. The shortcuts are TRY_CASTs because DuckDB may evaluate a branch before its condition; their conditions
-- make sure that they fit (tests/test_money_reading.py tries every decade).

CREATE OR REPLACE TEMP MACRO money_double(x) AS
    CASE
        WHEN x IS NULL THEN NULL
        WHEN abs(x) < 200000 AND CAST(TRY_CAST(x AS DECIMAL(18, 10)) AS DOUBLE) = x
            THEN CAST(TRY_CAST(x AS DECIMAL(18, 10)) AS DECIMAL(38, 18))
        WHEN abs(x) < 5e-19 THEN 0                      -- DuckDB rounds 5e-324 up to 1e-18
        WHEN abs(x) >= 0.0001 AND abs(x) < 1            -- smaller ones are spelled with an exponent
            THEN CAST(TRY_CAST(CAST(x AS VARCHAR) AS DECIMAL(18, 18)) AS DECIMAL(38, 18))
        WHEN abs(x) >= 1 AND abs(x) < 100
            THEN CAST(TRY_CAST(CAST(x AS VARCHAR) AS DECIMAL(18, 16)) AS DECIMAL(38, 18))
        WHEN abs(x) >= 100 AND abs(x) < 10000
            THEN CAST(TRY_CAST(CAST(x AS VARCHAR) AS DECIMAL(18, 14)) AS DECIMAL(38, 18))
        ELSE CAST(CAST(x AS VARCHAR) AS DECIMAL(38, 18))
    END;

-- '$50,000.00' and '4e-07' are numbers; '1,5' and '0,123' are not guessed at. DuckDB would read '1_000' as 1000: a bill has
-- no such spelling.
CREATE OR REPLACE TEMP MACRO money_text(x) AS
    CASE
        WHEN x IS NULL THEN NULL
        WHEN regexp_full_match(x, '-?\d{1,7}(\.\d{0,10})?') THEN CAST(TRY_CAST(x AS DECIMAL(18, 10)) AS DECIMAL(38, 18))
        WHEN (contains(x, ',') OR contains(x, '$'))
             AND regexp_full_match(x, '\s*([-+]?\$?|\$-)([1-9]\d{0,2}(,\d{3})+(\.\d*)?|\d+(\.\d*)?|\.\d+)\s*')
            THEN CAST(replace(replace(x, '$', ''), ',', '') AS DECIMAL(38, 18))
        ELSE CAST(replace(x, '_', '?') AS DECIMAL(38, 18))
    END;

-- Quantities, in the same way, with twelve decimals and 26 digits before them: a petabyte for a month is 2.6e21 byte-seconds.
CREATE OR REPLACE TEMP MACRO quantity_double(x) AS
    CASE
        WHEN x IS NULL THEN NULL
        WHEN abs(x) < 200000 AND CAST(TRY_CAST(x AS DECIMAL(18, 10)) AS DOUBLE) = x
            THEN CAST(TRY_CAST(x AS DECIMAL(18, 10)) AS DECIMAL(38, 12))
        WHEN abs(x) < 9e15 AND x = trunc(x) THEN CAST(TRY_CAST(x AS BIGINT) AS DECIMAL(38, 12))
        WHEN abs(x) >= 0.0001 AND abs(x) < 1
            THEN CAST(TRY_CAST(CAST(x AS VARCHAR) AS DECIMAL(18, 18)) AS DECIMAL(38, 12))
        WHEN abs(x) >= 1 AND abs(x) < 10000
            THEN CAST(TRY_CAST(CAST(x AS VARCHAR) AS DECIMAL(18, 14)) AS DECIMAL(38, 12))
        ELSE CAST(CAST(x AS VARCHAR) AS DECIMAL(38, 12))
    END;
CREATE OR REPLACE TEMP MACRO quantity_text(x) AS
    CASE
        WHEN x IS NULL THEN NULL
        WHEN regexp_full_match(x, '-?\d{1,7}(\.\d{0,10})?') THEN CAST(TRY_CAST(x AS DECIMAL(18, 10)) AS DECIMAL(38, 12))
        WHEN contains(x, ',') AND regexp_full_match(x, '\s*[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?\s*')
            THEN CAST(replace(x, ',', '') AS DECIMAL(38, 12))
        ELSE CAST(replace(x, '_', '?') AS DECIMAL(38, 12))
    END;

-- [{key, value}, …] as a map; the first of two equal keys wins, because a bill lists the resource's own value first.
CREATE OR REPLACE TEMP MACRO map_of_pairs(pairs) AS
    CASE WHEN pairs IS NULL OR len(pairs) = 0 THEN NULL
         ELSE map_from_entries(list_transform(
                  list_filter(pairs, lambda e, i: list_position(list_transform(pairs, lambda p: p.key), e.key) = i),
                  lambda e: {'k': e.key, 'v': e.value}))
    END;

-- An empty map says nothing: NULL.
CREATE OR REPLACE TEMP MACRO map_or_null(m) AS CASE WHEN m IS NULL OR cardinality(m) = 0 THEN NULL ELSE m END;

-- AWS writes user:team, user_team, userAttribute/team: the key that the user typed is what follows.
CREATE OR REPLACE TEMP MACRO aws_tag_key(k) AS
    CASE WHEN starts_with(k, 'user:') OR starts_with(k, 'user_') THEN substr(k, 6)
         WHEN starts_with(k, 'userAttribute/') THEN substr(k, 15)
         ELSE k END;
-- Almost always the maps are what they should be; only then is a slower way needed that drops empty and repeated tags.
CREATE OR REPLACE TEMP MACRO aws_tags(resource_tags, tags) AS
    CASE
        WHEN (tags IS NULL OR cardinality(tags) = 0) AND NOT list_contains(map_values(resource_tags), '')
             AND list_count(map_values(resource_tags)) = cardinality(resource_tags)
             AND list_unique(list_transform(map_keys(resource_tags), lambda k: aws_tag_key(k))) = cardinality(resource_tags)
            THEN map_or_null(map(list_transform(map_keys(resource_tags), lambda k: aws_tag_key(k)), map_values(resource_tags)))
        ELSE map_or_null(map_of_pairs(list_transform(
            list_filter(map_entries(map_concat(coalesce(tags, MAP {}), coalesce(resource_tags, MAP {}))),
                        lambda e: e.value IS NOT NULL AND e.value <> ''),
            lambda e: {'key': aws_tag_key(e.key), 'value': e.value})))
    END;

-- A FOCUS file has tag keys as they were typed, but for a generator's prefix: of AWS's own, user: can only be that, while
-- user_ may be part of the key.
CREATE OR REPLACE TEMP MACRO aws_focus_tags(tags) AS
    map_or_null(map_of_pairs(list_transform(
        list_filter(map_entries(tags), lambda e: e.value IS NOT NULL AND e.value <> ''),
        lambda e: {'key': regexp_replace(e.key, '^user:', ''), 'value': e.value})));

-- Some tools write lists of records as Python prints them, with single quotes: read those as JSON too. A quote is a delimiter
-- where it touches punctuation; inside 'it''s' it does not.
CREATE OR REPLACE TEMP MACRO json_of_repr(x) AS
    CASE WHEN x LIKE '[{''%' OR x LIKE '{''%'
         THEN regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
                  x, '([\[{,:]\s*)''', '\1"', 'g'), '''(\s*[,:}\]])', '"\1', 'g'),
                  ':\s*None\b', ': null', 'g'), ':\s*True\b', ': true', 'g'), ':\s*False\b', ': false', 'g')
         ELSE x END;

-- A list of records as JSON text; a single record is a list of one. What is neither stays as it is and is refused later.
CREATE OR REPLACE TEMP MACRO records_text(x) AS
    CASE WHEN trim(x) IN ('', '""', 'null') THEN NULL
         WHEN trim(x) = '{}' THEN '[]'
         WHEN left(trim(x), 1) = '{' THEN '[' || json_of_repr(trim(x)) || ']'
         ELSE json_of_repr(trim(x)) END;
-- The same with a field's name in the spelling that is asked for: 'Amount' is 'amount'.
CREATE OR REPLACE TEMP MACRO field_named(x, name) AS
    CASE WHEN contains(x, '"' || name || '"') THEN x
         ELSE regexp_replace(x, '"' || name || '"(\s*:)', '"' || name || '"\1', 'gi') END;

-- A JSON object, Azure's object without its braces, or a JSON list of {key, value}, as a map. Values that are not text keep
-- their JSON spelling; of two equal keys the first wins.
CREATE OR REPLACE TEMP MACRO map_json(j) AS
    CASE WHEN len(list_distinct(json_keys(j))) = len(json_keys(j)) THEN CAST(j AS MAP(VARCHAR, VARCHAR))
         ELSE map_of_pairs(list_transform(json_keys(j), lambda k: {'key': k, 'value': j ->> k})) END;
CREATE OR REPLACE TEMP MACRO map_text(x) AS
    CASE
        WHEN x IS NULL OR trim(x) IN ('', '""', '{}', 'null', 'NULL', '[]') THEN NULL
        WHEN left(trim(x), 1) = '{' THEN map_json(CAST(x AS JSON))
        WHEN left(trim(x), 1) = '['
            THEN map_of_pairs(from_json(json_of_repr(x), '[{"key":"VARCHAR","value":"VARCHAR"}]'))
        ELSE map_json(CAST('{' || x || '}' AS JSON))
    END;

-- The spelling that FOCUS allows: 'usage-based', 'UsageBased' and 'Usage-Based' are one value. What is none stays as it is,
-- so that the loader refuses it by name; known_of() gives NULL instead.
CREATE OR REPLACE TEMP MACRO fold_value(x) AS replace(replace(replace(lower(x), '-', ''), ' ', ''), '_', '');
CREATE OR REPLACE TEMP MACRO known_of(x, allowed) AS list_filter(allowed, lambda v: fold_value(v) = fold_value(x))[1];
CREATE OR REPLACE TEMP MACRO one_of(x, allowed) AS coalesce(known_of(x, allowed), x);

-- FOCUS 1.3 split ProviderName: who sells the service is the provider, but on a marketplace row of a cloud provider's own
-- bill the seller, whom PublisherName names.
CREATE OR REPLACE TEMP MACRO service_provider(stated, provider, publisher) AS
    CASE
        WHEN stated IS NOT NULL THEN stated
        WHEN regexp_matches(provider, '^(AWS|Amazon)') AND NOT regexp_matches(publisher, '^(AWS|Amazon)') THEN publisher
        WHEN regexp_matches(provider, '^(Microsoft|Azure)') AND NOT regexp_matches(publisher, '^(Microsoft|Azure)') THEN publisher
        WHEN regexp_matches(provider, '^(Google|GCP)') AND NOT regexp_matches(publisher, '^(Google|GCP)') THEN publisher
        WHEN regexp_matches(provider, '^(Oracle|OCI)') AND NOT regexp_matches(publisher, '^(Oracle|OCI)') THEN publisher
        ELSE coalesce(provider, publisher)
    END;

-- A JSON object without what is not stated; NULL where nothing is.
CREATE OR REPLACE TEMP MACRO stated(object) AS nullif(json_merge_patch('{}', object), '{}');
