-- What the findings rules share. Made anew by every build, and kept in the warehouse so that a rule's SQL runs in any client.

-- '1234567.89' as '1,234,567.89'.
CREATE OR REPLACE MACRO findings.thousands(digits) AS
    if(left(digits, 1) = '-', '-', '')
    || reverse(array_to_string(regexp_extract_all(reverse(ltrim(split_part(digits, '.', 1), '-')), '\d{1,3}'), ','))
    || '.' || split_part(digits, '.', 2);

-- 'USD 1,130.04': for sentences only; the columns keep every digit.
CREATE OR REPLACE MACRO findings.money(amount, currency) AS
    currency || ' ' || findings.thousands(CAST(CAST(round(amount, 2) AS DECIMAL(38, 2)) AS VARCHAR));

-- '336', '12.5': for sentences only.
CREATE OR REPLACE MACRO findings.number(amount) AS
    regexp_replace(CAST(CAST(amount AS DECIMAL(38, 1)) AS VARCHAR), '\.0$', '');

-- cost × 730.5 ÷ hours. DuckDB divides decimals as floating point, so this divides whole numbers: 10^-12 of the currency,
-- rounded half up at the twelfth decimal.
CREATE OR REPLACE MACRO findings.monthly(cost, window_days) AS
    CAST(CAST((CAST(CAST(cost AS DECIMAL(38, 12)) * 1000000000000 AS HUGEINT) * 7305 + window_days * 120)
              // (window_days * 240) AS DECIMAL(38, 0)) * 0.000000000001 AS DECIMAL(38, 18));

-- What was billed on the days [today - days, today) for each resource that has charges of these workload kinds. The money
-- is that of all of the resource's charges; hours and saveable_cost are those of these kinds: a notebook that is stopped
-- keeps its volume.
--   hours_seen         clock hours in which it was billed (two machines side by side are one hour)
--   hours_expected     hours of the days for which its billing account has a bill at all
--   hours_since_first  the same, from the resource's first billed day on (that can lie before the window)
--   full_days          days on which it was billed for all of the 24 hours
--   billed_hours       machine-hours as the bill counts them (GPU- or chip-hours, where the bill counts these)
--   committed_cost     the part of these kinds' cost that a commitment pays: it would go on being paid
--   monthly_saveable   these kinds' cost without that part, for a month
CREATE OR REPLACE MACRO findings.billed_in_window(kinds, today, days) AS TABLE
    WITH resources AS (
        SELECT DISTINCT resource_id
        FROM findings.resource_day
        WHERE list_contains(kinds, workload_kind) AND day >= today - days AND day < today
    ),

    usage AS (
        SELECT *, day >= today - days AS in_window, list_contains(kinds, workload_kind) AS in_kind
        FROM findings.resource_day
        WHERE day < today AND resource_id IN (SELECT resource_id FROM resources)
          -- a capacity reservation is no machine: it has a rule of its own
          AND (capacity_status IS NULL OR (capacity_status = 'Used' AND resource_id <> capacity_reservation_id))
    ),

    per_day AS (
        SELECT
            provider, account_id, resource_id, currency, day, in_window,
            bool_or(in_kind) AS in_kind,
            max(billing_account_id) AS billing_account_id,
            max(region) AS region,
            max(resource_name) AS resource_name,
            max(resource_type) AS resource_type,
            arg_max(workload_kind, effective_cost) FILTER (in_kind) AS workload_kind,
            coalesce(string_agg(DISTINCT machine, ', ' ORDER BY machine) FILTER (in_kind AND NOT is_part),
                     string_agg(DISTINCT machine, ', ' ORDER BY machine) FILTER (in_kind)) AS machine,
            least(24, greatest(bit_count(coalesce(bit_or(hours_mask) FILTER (in_kind), 0)),
                               coalesce(max(long_hours) FILTER (in_kind), 0))) AS hours_seen,
            sum(billed_hours) FILTER (in_kind AND NOT is_part) AS billed_hours,
            sum(effective_cost) AS effective_cost,
            coalesce(sum(effective_cost) FILTER (in_kind), 0) AS kind_cost,
            coalesce(sum(committed_cost) FILTER (in_kind), 0) AS committed_cost
        FROM usage
        GROUP BY provider, account_id, resource_id, currency, day, in_window
    ),

    per_resource AS (
        SELECT
            provider, account_id, resource_id, currency,
            max(billing_account_id) AS billing_account_id,
            max(region) AS region,
            max(resource_name) AS resource_name,
            max(resource_type) AS resource_type,
            arg_max(workload_kind, day) FILTER (in_kind) AS workload_kind,
            arg_max(machine, day) FILTER (in_kind) AS machine,
            min(day) FILTER (in_kind) AS first_day,
            max(day) FILTER (in_kind) AS last_day,
            count(*) FILTER (in_window AND in_kind) AS days_billed,
            coalesce(sum(hours_seen) FILTER (in_window), 0) AS hours_seen,
            count(*) FILTER (in_window AND hours_seen >= 24) AS full_days,
            coalesce(sum(billed_hours) FILTER (in_window), sum(hours_seen) FILTER (in_window)) AS billed_hours,
            sum(effective_cost) FILTER (in_window) AS cost_in_window,
            sum(kind_cost) FILTER (in_window) AS kind_cost,
            sum(committed_cost) FILTER (in_window) AS committed_cost
        FROM per_day
        GROUP BY provider, account_id, resource_id, currency
    ),

    calendar AS (
        SELECT billing_account_id, day
        FROM findings.account_day
        WHERE day >= today - days AND day < today
    ),

    with_calendar AS (
        SELECT
            r.provider, r.account_id, r.resource_id, r.currency,
            any_value(r) AS r,
            count(*) AS days_expected,
            count(*) FILTER (c.day >= r.first_day) AS days_since_first,
            max(c.day) AS bill_through
        FROM per_resource AS r
        JOIN calendar AS c ON c.billing_account_id IS NOT DISTINCT FROM r.billing_account_id
        WHERE r.days_billed > 0
        GROUP BY r.provider, r.account_id, r.resource_id, r.currency
    ),

    unpacked AS (
        SELECT unnest(r), days_expected, days_since_first, bill_through FROM with_calendar
    )

    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, machine, currency,
        CAST(today - days AS TIMESTAMP) AS window_start,
        CAST(today AS TIMESTAMP) AS window_end,
        CAST(billed_hours AS DECIMAL(38, 18)) AS billed_hours,
        CAST(cost_in_window AS DECIMAL(38, 18)) AS cost_in_window,
        CAST(committed_cost AS DECIMAL(38, 18)) AS committed_cost,
        findings.monthly(cost_in_window, days) AS monthly_cost,
        CAST(cost_in_window - kind_cost AS DECIMAL(38, 18)) AS other_cost,
        findings.monthly(kind_cost - committed_cost, days) AS monthly_saveable,
        CAST(hours_seen AS DECIMAL(18, 3)) AS hours_seen,
        24 * days_expected AS hours_expected,
        24 * days_since_first AS hours_since_first,
        full_days, days_billed, days_expected, days_since_first, first_day, last_day, bill_through,
        last_day = bill_through AS still_billed,
        json_object(
            'window_days', days,
            'hours_seen', CAST(hours_seen AS DOUBLE),
            'hours_expected', 24 * days_expected,
            'days_billed', days_billed,
            'first_billed_day', CAST(first_day AS VARCHAR),
            'last_billed_day', CAST(last_day AS VARCHAR),
            'bill_through', CAST(bill_through AS VARCHAR),
            'machine', machine,
            'covered_by_commitments', CAST(CAST(committed_cost AS DECIMAL(38, 6)) AS VARCHAR),
            'excluded', 'credits, tax'
        ) AS evidence
    FROM unpacked;

-- What would not be saved, in words: a commitment is paid anyway, and a volume stays when its machine stops.
CREATE OR REPLACE MACRO findings.unsaved_note(committed_cost, other_cost, currency) AS
    CASE WHEN committed_cost > 0
         THEN '; ' || findings.money(committed_cost, currency) || ' of it is paid by a commitment and not saved'
         ELSE '' END
    || CASE WHEN other_cost > 0
            THEN '; ' || findings.money(other_cost, currency) || ' of it is storage and the like, which stays'
            ELSE '' END;
