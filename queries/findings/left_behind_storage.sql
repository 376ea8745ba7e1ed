/*
id: left_behind_storage
title: Storage that outlived what it was made for
version: 2
owner: finops-ledger
why: >
  Volumes, snapshots and file systems are billed on when machines, notebooks and Studio domains are gone. What is attached, and
  what still exists, only the inventory knows: volumes and disks without a machine; snapshots whose volume, or the notebook in
  their tags, is gone; file systems of deleted Studio domains. A thing is gone only where the list in which it would stand was
  read whole.
misses: >
  Volumes that only the bill knows: whether they are attached is unknown, so nothing is said of them. Volumes of a Kubernetes claim
  that waits for its pod look left behind. Since when an EBS volume is unattached, AWS does not say. Snapshots that a backup plan or
  an image keeps are left out. Model artefacts that nobody serves: the bill knows buckets, and no objects in them.
recommended_action: >
  Ask the owner; snapshot what may still be needed, then delete it. A file system's mount targets go first.
check:
  AWS volume: aws ec2 describe-volumes --volume-ids {name} --region {region}
  AWS snapshot: aws ec2 describe-snapshots --snapshot-ids {name} --region {region}
  AWS file-system: aws efs describe-file-systems --file-system-id {name} --region {region}
  GCP disks: gcloud compute disks describe {name} --zone={zone} --project={account}
  GCP snapshots: gcloud compute snapshots describe {name} --project={account}
change:
  AWS volume: aws ec2 delete-volume --volume-id {name} --region {region}
  AWS snapshot: aws ec2 delete-snapshot --snapshot-id {name} --region {region}
  AWS file-system: aws efs delete-file-system --file-system-id {name} --region {region}
  GCP disks: gcloud compute disks delete {name} --zone={zone} --project={account}
  GCP snapshots: gcloud compute snapshots delete {name} --project={account}
params:
  window_days: {type: integer, default: 30, unit: days, help: Billed all the time in the days before today.}
  billed_percent: {type: integer, default: 90, unit: percent, help: Billed on at least this share of the days.}
reads: [findings.resource_day, findings.account_day, findings.activity_day, findings.resource, findings.alias, findings.monitoring,
        inventory.reads]
*/
WITH stored AS (
    SELECT *, split_part(replace(inventory_type, '::', '/'), '/', -1) AS kind
    FROM findings.judged(['storage.ebs', 'storage.snapshot', 'storage.disk', 'storage.filesystem'], $today, $window_days)
    WHERE known AND cost_in_window > 0
      AND inventory_type IN ('AWS::EC2::Volume', 'AWS::EC2::Snapshot', 'AWS::EFS::FileSystem', 'compute.googleapis.com/Disk')
),

reading AS (
    SELECT
        p.provider, p.account_id, p.region, i.service,
        bool_or(i.outcome IN ('complete', 'empty', 'unsupported')) AS is_whole,
        string_agg(DISTINCT i.service || ' ' || i.outcome || coalesce(': ' || i.what, ''), '; ') AS said
    FROM (SELECT DISTINCT provider, account_id, region FROM stored) AS p
    JOIN inventory.reads AS i
        ON (i.provider IS NULL OR ledger.provider_of(i.provider) = p.provider) AND i.account_id = p.account_id
       AND (coalesce(i.region, '') IN ('', 'global') OR i.region = p.region)
    WHERE i.covers = 'inventory'
    GROUP BY p.provider, p.account_id, p.region, i.service
),

places AS (
    SELECT
        provider, account_id, region,
        bool_or(is_whole) FILTER (service = 'ebs') AS volumes_whole,
        bool_or(is_whole) FILTER (service = 'sagemaker') AS sagemaker_whole,
        string_agg(said, '; ' ORDER BY said) FILTER (service = 'sagemaker' AND NOT is_whole) AS sagemaker_problem,
        map_from_entries(list((service, said)) FILTER (NOT is_whole)) AS problems
    FROM reading
    GROUP BY provider, account_id, region
),

-- notebooks of SageMaker that a snapshot's tags name
tagged AS (
    SELECT DISTINCT resource_key, lower(regexp_extract(tag.value, '[^/]+$')) AS notebook
    FROM (SELECT resource_key, unnest(map_entries(tags)) AS tag FROM stored WHERE kind = 'Snapshot')
    WHERE regexp_matches(lower(tag.key), 'sagemaker.*notebook|notebook[-_: ]?instance') OR tag.value LIKE '%:notebook-instance/%'
),

notebooks AS (
    SELECT
        t.resource_key,
        string_agg(DISTINCT t.notebook, ', ' ORDER BY t.notebook) AS notebook,
        bool_or(r.resource_key IS NOT NULL) AS is_there
    FROM tagged AS t
    LEFT JOIN findings.resource AS r ON lower(r.resource_name) = t.notebook OR ends_with(r.resource_key, '/' || t.notebook)
    GROUP BY t.resource_key
),

domains AS (
    SELECT unnest([regexp_extract(resource_key, '[^/]+$'), lower(properties ->> '$.HomeEfsFileSystemId')]) AS id
    FROM findings.resource
    WHERE resource_type = 'AWS::SageMaker::Domain'
),

-- what it was for, and whether that is gone: NULL where nobody knows
looked_up AS (
    SELECT
        s.*,
        n.notebook,
        lower(s.properties ->> '$.VolumeId') AS volume,
        s.properties ->> '$.DomainId' AS domain,
        left(s.properties ->> '$.LastDetachedAt', 10) AS detached_on,
        p.problems[CASE WHEN s.provider = 'GCP' THEN 'compute' WHEN s.kind = 'FileSystem' THEN 'efs' ELSE 'ebs' END] AS own_problem,
        p.sagemaker_problem,
        n.notebook IS NOT NULL AND NOT n.is_there AS notebook_is_missing,
        CASE
            WHEN s.kind IN ('Volume', 'Disk') THEN
                coalesce(CASE s.provider WHEN 'AWS' THEN lower(s.state) = 'available' END,
                         json_array_length(s.properties, '$.AttachedTo') = 0)
            WHEN s.kind = 'FileSystem' THEN CASE WHEN coalesce(p.sagemaker_whole, false) THEN true END
            WHEN n.notebook IS NOT NULL AND NOT n.is_there AND p.sagemaker_whole THEN true
            WHEN volume IS NOT NULL AND v.resource_key IS NULL AND p.volumes_whole
                 AND NOT CAST(s.properties ->> '$.OfImage' AS BOOLEAN) THEN true
        END AS is_left
    FROM stored AS s
    LEFT JOIN places AS p
        ON p.provider = s.provider AND p.account_id IS NOT DISTINCT FROM s.account_id AND p.region IS NOT DISTINCT FROM s.region
    LEFT JOIN notebooks AS n ON n.resource_key = s.resource_key
    LEFT JOIN findings.resource AS v ON v.resource_key = lower(s.properties ->> '$.VolumeId')
    WHERE CASE s.kind
        WHEN 'Volume' THEN coalesce(lower(s.state), 'available') NOT IN ('in-use', 'deleting', 'deleted')
        WHEN 'Disk' THEN coalesce(json_array_length(s.properties, '$.AttachedTo'), 0) = 0
        WHEN 'FileSystem' THEN domain IS NOT NULL AND lower(domain) NOT IN (SELECT id FROM domains WHERE id IS NOT NULL)
            AND coalesce(lower(s.properties ->> '$.FileSystemId'), regexp_extract(s.resource_key, '[^/]+$'))
                NOT IN (SELECT id FROM domains WHERE id IS NOT NULL)
        -- a snapshot that a backup plan or an image keeps is there on purpose; of a copy (vol-ffffffff) nobody knows the volume
        ELSE NOT coalesce(CAST(s.properties ->> '$.OfImage' AS BOOLEAN), false)
            AND NOT regexp_matches(lower(concat_ws(' ', map_keys(s.tags))), 'aws:(backup|dlm):|dlm:managed')
            AND ((n.notebook IS NOT NULL AND NOT n.is_there)
                 OR (v.resource_key IS NULL AND volume <> 'vol-ffffffff' AND coalesce(p.volumes_whole, false)))
    END
),

verdicts AS (
    SELECT
        *,
        days_billed * 100 >= days_expected * $billed_percent AND days_expected * 100 >= $window_days * $billed_percent AS is_steady,
        CASE
            WHEN requests > 0 THEN 'active'
            WHEN NOT still_billed THEN 'active'
            WHEN own_problem IS NOT NULL OR too_young THEN 'unknown'
            WHEN NOT is_steady THEN 'unknown'
            WHEN is_left THEN 'idle'
            ELSE 'unknown'
        END AS status
    FROM looked_up
),

left_behind_storage AS (
    SELECT
        provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, status,
        CASE
            WHEN status = 'unknown' THEN 'low'
            WHEN status = 'active' OR (kind = 'Disk' AND detached_on IS NOT NULL)
                 OR (kind = 'FileSystem' AND request_days = 0 AND findings.covers(request_hours, 24 * days_billed, $billed_percent))
                THEN 'high'
            ELSE 'medium'
        END AS confidence,
        window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CASE status WHEN 'idle' THEN monthly_if_deleted END AS monthly_saving,
        currency,
        CASE
            WHEN requests > 0 THEN 'clients were connected to it, the last on ' || last_request_day
            WHEN status = 'active' THEN 'last billed on ' || last_day
            WHEN own_problem IS NOT NULL THEN 'no verdict: it could not be listed again (' || own_problem || ')'
            WHEN too_young
                THEN 'no verdict: it is younger than the window: made, changed or first billed on ' || strftime(since, '%Y-%m-%d')
            WHEN NOT is_steady THEN 'no verdict: billed on ' || days_billed || ' of ' || $window_days || ' days only'
            WHEN kind = 'Disk' AND is_left AND detached_on IS NOT NULL
                THEN 'attached to nothing since ' || detached_on
            WHEN kind IN ('Volume', 'Disk') AND is_left
                THEN 'attached to nothing when it was listed' || coalesce(' on ' || strftime(seen_at, '%Y-%m-%d'), '')
                    || ', since when is not known'
            WHEN kind IN ('Volume', 'Disk') THEN 'no verdict: whether it is attached is not known'
            WHEN kind = 'FileSystem' AND is_left THEN 'made for the Studio domain ' || domain || ', which is gone'
            WHEN kind = 'FileSystem'
                THEN 'no verdict: made for the Studio domain ' || domain || ', which is not listed, but the list is not whole'
                    || coalesce(' (' || sagemaker_problem || ')', '')
            WHEN notebook_is_missing AND is_left THEN 'snapshot of the notebook ' || notebook || ', which is gone'
            WHEN notebook_is_missing
                THEN 'no verdict: snapshot of the notebook ' || notebook || ', which is not listed, but the list is not whole'
                    || coalesce(' (' || sagemaker_problem || ')', '')
            WHEN is_left THEN 'snapshot of the volume ' || volume || ', which is gone'
            ELSE 'no verdict: snapshot of the volume ' || volume || ', which is gone; whether an image needs it is not known'
        END
        || '; billed on ' || days_billed || ' of ' || $window_days || ' days; '
        || coalesce(findings.grouped(TRY_CAST(properties ->> '$.SizeGiB' AS DECIMAL(38, 1))) || ' GiB' || coalesce(' ' || (properties ->> '$.VolumeType'), '') || ', ', '')
        || findings.money(cost_in_window, currency) || ' billed' AS reason,
        evidence
    FROM verdicts
)

SELECT * FROM left_behind_storage
