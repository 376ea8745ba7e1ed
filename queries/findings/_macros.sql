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

-- '10,539,800': for sentences only.
CREATE OR REPLACE MACRO findings.grouped(amount) AS
    regexp_replace(findings.thousands(CAST(CAST(amount AS DECIMAL(38, 1)) AS VARCHAR)), '\.0$', '');

-- A word of a command line, quoted where a shell would read more than a word.
CREATE OR REPLACE MACRO findings.shell(word) AS
    CASE WHEN regexp_full_match(word, '[A-Za-z0-9_./:@=+,-]+') THEN word
         ELSE '''' || replace(word, '''', '''\''''') || '''' END;

-- What kind of thing an id names, in the provider's word: training-job, volume, customJobs.
CREATE OR REPLACE MACRO findings.kind_of(id) AS
    CASE
        WHEN starts_with(id, 'arn:') THEN regexp_extract(split_part(id, ':', 6), '^[^/]+')
        WHEN starts_with(id, '/') THEN regexp_extract(id, '([^/]+)/[^/]+$', 1)
        ELSE CASE split_part(id, '-', 1) WHEN 'vol' THEN 'volume' WHEN 'snap' THEN 'snapshot' WHEN 'fs' THEN 'file-system' ELSE '' END
    END;

-- A rule's command for one resource: {id}, {name} (the end of the id), {parent} (what it is in), {account}, {region}, {zone}, and
-- {path1} to {path4}, the parts of an id after its type: app/{path1}/{path2}/{path3}/{path4}.
CREATE OR REPLACE MACRO findings.command(template, id, account, region) AS
    nullif(list_reduce(
        [
            {'name': '', 'word': template},
            {'name': '{id}', 'word': id},
            {'name': '{name}', 'word': regexp_extract(id, '[^/:]+$')},
            {'name': '{parent}', 'word': regexp_extract(id, '([^/]+)/[^/]+/[^/]+$', 1)},
            {'name': '{account}', 'word': account},
            {'name': '{region}', 'word': region},
            {'name': '{zone}', 'word': regexp_extract(id, '/(?:zones|locations)/([^/]+)', 1)},
            {'name': '{path1}', 'word': split_part(id, '/', 2)},
            {'name': '{path2}', 'word': split_part(id, '/', 3)},
            {'name': '{path3}', 'word': split_part(id, '/', 4)},
            {'name': '{path4}', 'word': split_part(id, '/', 5)}
        ],
        lambda text, each: {'name': '', 'word': replace(text.word, each.name, findings.shell(coalesce(nullif(each.word, ''), '?')))}
    ).word, '');

-- A list as 'a, b': each word once, in order. Much faster than string_agg(DISTINCT …) over many small groups.
CREATE OR REPLACE MACRO findings.words(list) AS
    nullif(array_to_string(list_sort(list_distinct(list)), ', '), '');

-- The first and the last word of a group: one, if they are the same. Of three kinds of machines on one day two are named.
CREATE OR REPLACE MACRO findings.both(first, last) AS
    CASE WHEN first = last THEN first ELSE first || ', ' || last END;

-- Which service lists a resource, as inventory.reads names it. Of an id that does not say it, NULL.
CREATE OR REPLACE MACRO findings.service_of(resource_key) AS
    CASE
        WHEN regexp_matches(resource_key, '^(i|cr)-[0-9a-f]+$') THEN 'ec2'
        WHEN regexp_matches(resource_key, '^(vol|snap)-[0-9a-f]+$') THEN 'ebs'
        WHEN starts_with(resource_key, 'arn:') THEN
            CASE split_part(resource_key, ':', 3) WHEN 'elasticfilesystem' THEN 'efs' ELSE split_part(resource_key, ':', 3) END
        WHEN starts_with(resource_key, '//') THEN regexp_extract(resource_key, '^//([^./]+)', 1)
    END;

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
        WHERE list_contains(kinds, workload_kind) AND NOT is_earlier AND day >= today - days AND day < today
    ),

    usage AS (
        SELECT *, list_contains(kinds, workload_kind) AS in_kind
        FROM findings.resource_day
        WHERE day < today AND NOT is_earlier AND resource_id IN (SELECT resource_id FROM resources)
          -- a capacity reservation is no machine: it has a rule of its own
          AND (capacity_status IS NULL OR (capacity_status = 'Used' AND resource_id <> capacity_reservation_id))
    ),

    per_day AS (
        SELECT
            resource_number, day, day >= today - days AS in_window,
            bool_or(in_kind) AS in_kind,
            arg_max(workload_kind, effective_cost) FILTER (in_kind) AS workload_kind,
            coalesce(findings.both(min(machine) FILTER (in_kind AND NOT is_part), max(machine) FILTER (in_kind AND NOT is_part)),
                     findings.both(min(machine) FILTER (in_kind), max(machine) FILTER (in_kind))) AS machine,
            least(24, greatest(bit_count(coalesce(bit_or(hours_mask) FILTER (in_kind), 0)),
                               coalesce(max(long_hours) FILTER (in_kind), 0))) AS hours_seen,
            sum(billed_hours) FILTER (in_kind AND NOT is_part) AS billed_hours,
            sum(effective_cost) AS effective_cost,
            coalesce(sum(effective_cost) FILTER (in_kind), 0) AS kind_cost,
            coalesce(sum(committed_cost) FILTER (in_kind), 0) AS committed_cost
        FROM usage
        GROUP BY resource_number, day
    ),

    named AS (
        SELECT
            resource_number,
            any_value(provider) AS provider,
            any_value(account_id) AS account_id,
            any_value(resource_id) AS resource_id,
            any_value(currency) AS currency,
            max(resource_key) AS resource_key,
            max(billing_account_id) AS billing_account_id,
            max(region) AS region,
            max(resource_name) AS resource_name,
            max(resource_type) AS resource_type
        FROM usage
        GROUP BY resource_number
    ),

    per_resource AS (
        SELECT
            resource_number,
            arg_max(workload_kind, day) FILTER (in_kind) AS workload_kind,
            arg_max(machine, day) FILTER (in_kind) AS machine,
            min(day) FILTER (in_kind) AS first_day,
            max(day) FILTER (in_kind) AS last_day,
            count(*) FILTER (in_window AND in_kind) AS days_billed,
            coalesce(sum(hours_seen) FILTER (in_window), 0) AS hours_seen,
            count(*) FILTER (in_window AND hours_seen >= 24) AS full_days,
            coalesce(    -- both decimal: a float would show in its last digits
                sum(billed_hours) FILTER (in_window),
                CAST(round(sum(hours_seen) FILTER (in_window), 6) AS DECIMAL(38, 9))
            ) AS billed_hours,
            sum(effective_cost) FILTER (in_window) AS cost_in_window,
            sum(kind_cost) FILTER (in_window) AS kind_cost,
            sum(committed_cost) FILTER (in_window) AS committed_cost
        FROM per_day
        GROUP BY resource_number
    ),

    calendar AS (
        SELECT billing_account_id, list(day) AS days, count(*) AS days_expected, max(day) AS bill_through
        FROM findings.account_day
        WHERE day >= today - days AND day < today
        GROUP BY billing_account_id
    ),

    with_calendar AS (
        SELECT
            n.*, r.* EXCLUDE (resource_number), c.days_expected, c.bill_through,
            len(list_filter(c.days, lambda each: each >= r.first_day)) AS days_since_first
        FROM per_resource AS r
        JOIN named AS n ON n.resource_number = r.resource_number
        JOIN calendar AS c ON c.billing_account_id IS NOT DISTINCT FROM n.billing_account_id
        WHERE r.days_billed > 0
    )

    SELECT
        provider, account_id, region, resource_key, resource_id, resource_name, resource_type, workload_kind, machine, currency,
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
            'hours_seen', CAST(round(hours_seen, 3) AS DOUBLE),  -- adding up in another order must not show
            'hours_expected', 24 * days_expected,
            'days_billed', days_billed,
            'first_billed_day', CAST(first_day AS VARCHAR),
            'last_billed_day', CAST(last_day AS VARCHAR),
            'bill_through', CAST(bill_through AS VARCHAR),
            'machine', machine,
            'covered_by_commitments', CAST(CAST(committed_cost AS DECIMAL(38, 6)) AS VARCHAR),
            'excluded', 'credits, tax'
        ) AS evidence
    FROM with_calendar;

-- What would not be saved, in words: a commitment is paid anyway, and a volume stays when its machine stops.
CREATE OR REPLACE MACRO findings.unsaved_note(committed_cost, other_cost, currency) AS
    CASE WHEN committed_cost > 0
         THEN '; ' || findings.money(committed_cost, currency) || ' of it is paid by a commitment and not saved'
         ELSE '' END
    || CASE WHEN other_cost > 0
            THEN '; ' || findings.money(other_cost, currency) || ' of it is storage and the like, which stays'
            ELSE '' END;

-- How many accelerators a machine of AWS has; of several the least, and 1 where it is not known: what is divided by it is
-- rather too great than too small.
CREATE OR REPLACE MACRO findings.gpu_count(machine) AS
    coalesce(list_min(list_transform(string_split(machine, ', '), lambda each: coalesce(
        MAP {
            'g3.8xlarge': 2, 'g3.16xlarge': 4, 'g4dn.12xlarge': 4, 'g4dn.metal': 8, 'g4ad.8xlarge': 2, 'g4ad.16xlarge': 4,
            'g5.12xlarge': 4, 'g5.24xlarge': 4, 'g5.48xlarge': 8, 'g5g.16xlarge': 2, 'g5g.metal': 2,
            'g6.12xlarge': 4, 'g6.24xlarge': 4, 'g6.48xlarge': 8, 'g6e.12xlarge': 4, 'g6e.24xlarge': 4, 'g6e.48xlarge': 8,
            'g7e.12xlarge': 2, 'g7e.24xlarge': 4, 'g7e.48xlarge': 8,
            'p2.8xlarge': 8, 'p2.16xlarge': 16, 'p3.8xlarge': 4, 'p3.16xlarge': 8, 'p3dn.24xlarge': 8,
            'p4d.24xlarge': 8, 'p4de.24xlarge': 8, 'p5.48xlarge': 8, 'p5e.48xlarge': 8, 'p5en.48xlarge': 8,
            'p6-b200.48xlarge': 8, 'p6-b300.48xlarge': 8,
            'trn1.32xlarge': 16, 'trn1n.32xlarge': 16, 'trn2.48xlarge': 16, 'inf1.6xlarge': 4, 'inf1.24xlarge': 16,
            'inf2.24xlarge': 6, 'inf2.48xlarge': 12, 'dl1.24xlarge': 8
        }[regexp_replace(each, '^ml\.', '')], 1))), 1);

-- How many vCPUs a machine of AWS has, by its size: 4 for an xlarge, 8 for a 2xlarge. SageMaker adds up the cores' percentages. Of
-- several the least, and 1 where it is not known.
CREATE OR REPLACE MACRO findings.vcpu_count(machine) AS
    coalesce(list_min(list_transform(string_split(machine, ', '), lambda each: coalesce(
        CASE WHEN regexp_matches(each, '\.large$') THEN 2
             WHEN regexp_matches(each, '\.\d*xlarge$') THEN 4 * coalesce(TRY_CAST(regexp_extract(each, '\.(\d+)xlarge$', 1) AS INTEGER), 1)
        END, 1))), 1);

-- Has the machine an accelerator? NULL where the bill does not name it.
CREATE OR REPLACE MACRO findings.has_accelerator(machine) AS
    regexp_matches(lower(machine), '(^|[ .])(p[0-9]|gr?[0-9]|trn[0-9]|inf[0-9]|dl[0-9])[a-z0-9-]*\.|nvidia|gpu|tpu|(^|[ -])(a[2-4]|g[24])[ -]|(^|[ _])n[cdv][0-9a-z]');

-- billed_in_window, and beside each resource what its inventory, its metrics and their reading say of the same window.
--   known, state, properties, tags   the inventory's row; known is false where it has none
--   since, too_young                 the later of creation and last change; first billed day where the inventory knows neither
--   metrics_problem, inventory_problem   what could not be read, as a clause; metrics_read: were metrics proven to be readable
--   requests, request_hours          sum, and hours in which they were measured (NULL, 0: never)
--   request_part_hours               the same hours, added up over parts (variants, components)
--   request_day_most/least, request_hour_most/least   of a day and of an hour; last_request_day; request_days: with traffic
--   parts_measured, parts_active     variants, components, devices that have the metric, and those with traffic
--   gpu_most, gpu_p95, gpu_hours; gpu_memory_p95; cpu_most, cpu_p95, cpu_hours; memory_p95   percent of one device
--   gpu_parts; gpu_greatest_known, cpu_greatest_known   GPUs measured; false where only averages were kept, which hide short work
--   gpu_p95_known, cpu_p95_known, gpu_least_parts, cpu_least_parts   the same of p95, and parts measured, each with its memory
--   backlog_most, gpu_pods_most, node_gpus, tokens, throughput_p95, concurrency_most, and their _hours
--   hardware_hours                   hours in which any hardware metric was measured
--   obstacle                         why an absence of activity proves nothing; NULL: nothing stands in the way
--   monthly_if_deleted               a month's cost of all of its charges, without what commitments pay
CREATE OR REPLACE MACRO findings.judged(kinds, today, days) AS TABLE
    WITH billed AS MATERIALIZED (
        FROM findings.billed_in_window(kinds, today, days)
    ),

    -- few types, of which many machines are
    machine_types AS (
        SELECT machine, findings.gpu_count(machine) AS gpus FROM (SELECT DISTINCT machine FROM billed)
    ),

    joined AS (
        SELECT
            b.*,
            r.resource_key IS NOT NULL AS known,
            r.resource_type AS inventory_type,
            r.state,
            r.created_at,
            r.changed_at,
            r.tags,
            r.properties,
            r.seen_at,
            coalesce(greatest(r.created_at, r.changed_at), CAST(b.first_day AS TIMESTAMP)) AS since,
            -- that of its own service first: denied tags must not hide a denied list
            nullif(concat_ws('; ', m.metrics_problems[findings.service_of(b.resource_key)], m.metrics_problem), '') AS metrics_problem,
            nullif(concat_ws('; ', m.inventory_problems[findings.service_of(b.resource_key)], m.inventory_problem), '')
                AS inventory_problem,
            coalesce(m.metrics_read, false) AS metrics_read,
            coalesce(m.inventory_read, false) AS inventory_read,
            a.* EXCLUDE (resource_key, window_days, evidence, gpu_most, gpu_p95, gpu_is_sum, gpu_memory_p95, gpu_memory_is_sum),
            t.gpus,
            a.gpu_most / CASE WHEN a.gpu_is_sum THEN t.gpus ELSE 1 END AS gpu_most,
            a.gpu_p95 / CASE WHEN a.gpu_is_sum THEN t.gpus ELSE 1 END AS gpu_p95,
            a.gpu_memory_p95 / CASE WHEN a.gpu_memory_is_sum THEN t.gpus ELSE 1 END AS gpu_memory_p95,
            a.evidence AS activity_evidence
        FROM billed AS b
        JOIN machine_types AS t ON t.machine IS NOT DISTINCT FROM b.machine
        LEFT JOIN findings.resource AS r ON r.resource_key = b.resource_key
        LEFT JOIN findings.activity_window AS a ON a.resource_key = b.resource_key AND a.window_days = days
        LEFT JOIN findings.monitoring AS m
            ON m.provider IS NOT DISTINCT FROM b.provider AND m.account_id IS NOT DISTINCT FROM b.account_id
           AND m.region IS NOT DISTINCT FROM b.region
    ),

    aged AS (
        SELECT *, since > window_start AS too_young FROM joined
    )

    SELECT
        * EXCLUDE (evidence, activity_evidence),
        findings.monthly(cost_in_window - committed_cost, days) AS monthly_if_deleted,
        CASE
            WHEN metrics_problem IS NOT NULL THEN 'its metrics could not be read (' || metrics_problem || ')'
            WHEN too_young THEN 'it is younger than the window: made, changed or first billed on ' || strftime(since, '%Y-%m-%d')
        END AS obstacle,
        json_merge_patch(evidence, json_object(
            'known_to_inventory', known,
            'state', state,
            'created_at', strftime(created_at, '%Y-%m-%dT%H:%M:%SZ'),
            'changed_at', strftime(changed_at, '%Y-%m-%dT%H:%M:%SZ'),
            'metrics_problem', metrics_problem,
            'samples_expected', CAST(hours_seen AS DOUBLE),
            'activity', coalesce(activity_evidence, json_object())
        )) AS evidence
    FROM aged
    -- rather no answer than 'not measured' for a window of which nothing was gathered
    WHERE CASE WHEN EXISTS (FROM findings.windows AS w WHERE w.window_days = days AND w.today = today) THEN true
               ELSE error('findings.judged() knows the windows of the rules: call it with $today and $window_days of a rule, or with a row '
                          || 'of findings.windows') END;

-- Was it measured in all but a few of the hours that it was billed?
CREATE OR REPLACE MACRO findings.covers(hours_measured, hours_billed, percent) AS
    coalesce(hours_measured, 0) > 0 AND hours_measured * 100 >= hours_billed * percent;

-- '336 of 336 hours measured'.
CREATE OR REPLACE MACRO findings.coverage(hours_measured, hours_billed) AS
    findings.number(least(coalesce(hours_measured, 0), hours_billed)) || ' of ' || findings.number(hours_billed) || ' billed hours measured';

-- '1,344 ml.g5.xlarge hours, USD 1,890.12 billed'.
CREATE OR REPLACE MACRO findings.billed_words(billed_hours, machine, cost, currency) AS
    regexp_replace(findings.thousands(CAST(CAST(billed_hours AS DECIMAL(38, 1)) AS VARCHAR)), '\.0$', '')
        || coalesce(' ' || regexp_replace(machine, ' hours$', ''), '') || ' hours, ' || findings.money(cost, currency) || ' billed';

-- The machines that are nodes of Kubernetes: their tags say so, on the bill or in the inventory, or kube-state-metrics does.
CREATE OR REPLACE MACRO findings.kubernetes_nodes() AS TABLE
    WITH tagged AS (
        SELECT resource_key, unnest(map_keys(tags)) AS key FROM findings.resource
        UNION ALL
        SELECT ledger.resource_key(ResourceId), unnest(map_keys(Tags)) FROM ledger.dimensions WHERE x_WorkloadKind LIKE 'gpu.%'
    )

    SELECT coalesce(a.resource_key, t.resource_key) AS resource_key
    FROM tagged AS t
    LEFT JOIN findings.alias AS a ON a.alias = t.resource_key AND NOT a.is_name
    WHERE regexp_matches(lower(t.key), 'kubernetes[._]io[/_]cluster|eks[:_-](cluster|nodegroup)|karpenter[._]sh|goog-(k8s|gke)-|aks-managed')
    UNION
    SELECT resource_key FROM findings.activity_day WHERE signal IN ('gpu_pods', 'node_gpus');

-- Of what could not be read, that of these services alone: a denied list of volumes says nothing about notebooks.
CREATE OR REPLACE MACRO findings.problem_of(problem, services) AS
    nullif(array_to_string(list_filter(string_split(problem, '; '),
        lambda each: list_contains(services, split_part(each, ' ', 1))), '; '), '');

-- A moment that an inventory states as text, in UTC; NULL where it states none.
CREATE OR REPLACE MACRO findings.moment(properties, path) AS
    CASE
        WHEN regexp_full_match(properties ->> path, '\d{9,10}(\.\d+)?')
            THEN make_timestamp(CAST(CAST(properties ->> path AS DECIMAL(38, 6)) * 1000000 AS BIGINT))
        WHEN regexp_full_match(properties ->> path, '\d{12,13}') THEN make_timestamp(CAST(properties ->> path AS BIGINT) * 1000)
        ELSE TRY_CAST(regexp_replace(properties ->> path, '(:\d\d(\.\d+)?)[+-]\d\d:?\d\d$', '\1') AS TIMESTAMP) - to_minutes(coalesce(
            TRY_CAST(regexp_extract(properties ->> path, ':\d\d(?:\.\d+)?([+-])\d\d:?\d\d$', 1) || '1' AS INTEGER)
            * (60 * TRY_CAST(regexp_extract(properties ->> path, ':\d\d(?:\.\d+)?[+-](\d\d):?\d\d$', 1) AS INTEGER)
               + TRY_CAST(regexp_extract(properties ->> path, ':\d\d(?:\.\d+)?[+-]\d\d:?(\d\d)$', 1) AS INTEGER)), 0))
    END;
