/*
id: gcp_inventory
title: What Google Cloud projects have for machine learning, to the inventory
version: 1
owner: finops-ledger
provider: Google Cloud
why: >
  A bill says what was paid for and not what it is: whether models are deployed, how many replicas are held, whether a notebook
  shuts itself down. The providers' lists say so, and under which other names a bill may have the same resource.
sources:
  - Vertex AI v1, Workbench (notebooks) v2, Cloud TPU v2, Compute Engine v1, their list methods, as the collector writes them, a
    line per resource with some of its fields
misses: >
  What was deleted, and jobs that ended before the collector's history. Of a job with several worker pools the first pool's machine
  stands for all. A Workbench instance's machine is listed as the Workbench instance, without a line of its own. The machines of
  pipeline jobs are those of their custom jobs.
yields: inventory
detect: [assetType, resourceId, projectNumber, aliases]
reads:
  aliases: json
  asset_type: {type: text, from: assetType}
  changed_at: {type: timestamp, from: [resource.lastStartTimestamp, resource.lastDetachTimestamp, resource.updateTime]}
  created_at: {type: timestamp, from: [resource.createTime, resource.creationTimestamp]}
  display_name: {type: text, from: resource.displayName}
  name: {type: text, from: resource.name}
  project: text
  resource: json
  resource_id: {type: text, from: resourceId}
  state: {type: text, from: [resource.state, resource.status]}
  tags: {type: map, from: resource.labels}
*/
WITH listed AS (
    SELECT
        *,
        split_part(asset_type, '/', 2) AS kind,
        coalesce(
            nullif(regexp_extract(resource_id, '/(?:locations|zones|regions)/([^/]+)/', 1), ''),
            resource ->> '$.storageLocations[0]'
        ) AS location,
        coalesce(
            resource -> '$.jobSpec', resource -> '$.trialJobSpec',
            CASE WHEN (resource -> '$.trainingTaskInputs.workerPoolSpecs') IS NOT NULL THEN resource -> '$.trainingTaskInputs' END
        ) AS job,
        coalesce(resource -> '$.guestAccelerators', resource -> '$.specificReservation.instanceProperties.guestAccelerators') AS gpus,
        resource -> '$.gceSetup' AS setup
    FROM delivered
),

parts AS (
    SELECT
        *,
        CAST(job -> '$.workerPoolSpecs' AS JSON[]) AS pools,
        coalesce(
            job -> '$.workerPoolSpecs[0].machineSpec',
            resource -> '$.dedicatedResources.machineSpec'
        ) AS machine,
        -- what is deployed at an endpoint or an index endpoint
        list_transform(CAST(coalesce(resource -> '$.deployedModels', resource -> '$.deployedIndexes') AS JSON[]), lambda each:
            json_object(
                'Id', each ->> '$.id',
                'Model', each ->> '$.model',
                'Index', each ->> '$.index',
                'Name', each ->> '$.displayName',
                'CreatedAt', each ->> '$.createTime',
                'MachineType', each ->> '$.dedicatedResources.machineSpec.machineType',
                'AcceleratorType', each ->> '$.dedicatedResources.machineSpec.acceleratorType',
                'AcceleratorCount', CAST(each ->> '$.dedicatedResources.machineSpec.acceleratorCount' AS BIGINT),
                'MinReplicaCount', CAST(coalesce(each ->> '$.dedicatedResources.minReplicaCount',
                                                 each ->> '$.automaticResources.minReplicaCount') AS BIGINT),
                'MaxReplicaCount', CAST(coalesce(each ->> '$.dedicatedResources.maxReplicaCount',
                                                 each ->> '$.automaticResources.maxReplicaCount') AS BIGINT),
                'Spot', CAST(each ->> '$.dedicatedResources.spot' AS BOOLEAN),
                'SharedResources', each ->> '$.sharedResources'
            )) AS deployed
    FROM listed
)

SELECT
    'GCP' AS provider,
    project AS account_id,
    regexp_replace(location, '^([a-z]+-[a-z]+\d+)-[a-z]$', '\1') AS region,         -- of a zone, its region
    resource_id,
    coalesce(display_name, regexp_extract(name, '[^/]+$')) AS resource_name,
    asset_type AS resource_type,
    state,
    created_at,
    changed_at,
    tags,
    stated(json_object(
        'Aliases', aliases,
        'Zone', CASE WHEN regexp_matches(location, '^[a-z]+-[a-z]+\d+-[a-z]$') THEN location END,
        'MachineType', regexp_extract(coalesce(
            machine ->> '$.machineType', setup ->> '$.machineType', resource ->> '$.machineType',
            resource ->> '$.specificReservation.instanceProperties.machineType'
        ), '[^/]+$'),
        'AcceleratorType', coalesce(
            machine ->> '$.acceleratorType', setup ->> '$.acceleratorConfigs[0].type',
            resource ->> '$.acceleratorType', resource ->> '$.acceleratorConfig.type'
        ),
        'AcceleratorCount', coalesce(
            CAST(machine ->> '$.acceleratorCount' AS BIGINT),
            list_sum(list_transform(CAST(setup -> '$.acceleratorConfigs' AS JSON[]), lambda each: CAST(each ->> '$.coreCount' AS BIGINT)))
        ),
        'Topology', resource ->> '$.acceleratorConfig.topology',
        'GpuType', regexp_extract(gpus ->> '$[0].acceleratorType', '[^/]+$'),
        'GpuCount', list_sum(list_transform(CAST(gpus AS JSON[]), lambda each: CAST(each ->> '$.acceleratorCount' AS BIGINT))),
        'ReplicaCount', coalesce(
            list_sum(list_transform(pools, lambda each: CAST(each ->> '$.replicaCount' AS BIGINT))),
            CAST(resource ->> '$.dedicatedResources.startingReplicaCount' AS BIGINT)
        ),
        'Spot', coalesce(
            -- left out of a job's answer, the strategy is the standard one
            CASE WHEN job IS NOT NULL THEN coalesce(job ->> '$.scheduling.strategy', '') = 'SPOT' END,
            (resource ->> '$.scheduling.provisioningModel') = 'SPOT' OR CAST(resource ->> '$.scheduling.preemptible' AS BOOLEAN),
            (resource ->> '$.scheduling.provisioningModel') = 'SPOT',
            CAST(resource ->> '$.schedulingConfig.spot' AS BOOLEAN) OR CAST(resource ->> '$.schedulingConfig.preemptible' AS BOOLEAN),
            CAST(resource ->> '$.schedulingConfig.spot' AS BOOLEAN)
        ),
        'StartedAt', CASE WHEN kind LIKE '%Job' OR kind = 'TrainingPipeline' THEN resource ->> '$.startTime' END,
        'EndedAt', CASE WHEN kind LIKE '%Job' OR kind = 'TrainingPipeline' THEN resource ->> '$.endTime' END,
        'FailureReason', resource ->> '$.error.message',
        -- the name without the date, number or hash that tells one run from the next
        'Family', CASE WHEN kind LIKE '%Job' OR kind = 'TrainingPipeline' THEN coalesce(nullif(regexp_replace(
            display_name, '([-_. :]+(v?[0-9]+|[0-9a-f]{6,}|[0-9][0-9a-z]*))+$', '', 'i'), ''), display_name) END,
        'CustomJob', resource ->> '$.trainingTaskMetadata.backingCustomJob',
        'TrialCount', CAST(resource ->> '$.maxTrialCount' AS BIGINT),
        'DeployedModels', CASE WHEN kind = 'Endpoint' THEN coalesce(to_json(deployed), CAST('[]' AS JSON)) END,
        'DeployedIndexes', CASE WHEN kind = 'IndexEndpoint' THEN coalesce(to_json(deployed), CAST('[]' AS JSON)) END,
        'NodeCount', CAST(coalesce(
            resource ->> '$.onlineServingConfig.fixedNodeCount',
            resource ->> '$.onlineServingConfig.scaling.minNodeCount',
            resource ->> '$.bigtable.autoScaling.minNodeCount'
        ) AS BIGINT),
        'IdleTimeoutSeconds', TRY_CAST(setup ->> '$.metadata."idle-timeout-seconds"' AS BIGINT),
        -- it needs the time, and guest attributes to write the last activity to; without metadata nobody knows
        'IdleShutdown', CASE WHEN (setup -> '$.metadata') IS NOT NULL THEN
            coalesce(TRY_CAST(setup ->> '$.metadata."idle-timeout-seconds"' AS BIGINT), 0) > 0
            AND coalesce(lower(setup ->> '$.metadata."enable-guest-attributes"'), 'true') <> 'false' END,
        'Workers', CASE WHEN kind = 'Node' THEN to_json(list_transform(
            CAST(resource -> '$.networkEndpoints' AS JSON[]), lambda each: each ->> '$.ipAddress')) END,
        'QueuedResource', resource ->> '$.queuedResource',
        'InstanceCount', CAST(resource ->> '$.specificReservation.count' AS BIGINT),
        'InUseCount', CAST(resource ->> '$.specificReservation.inUseCount' AS BIGINT),
        'Commitment', regexp_extract(resource ->> '$.commitment', '[^/]+$'),
        'DeleteAt', resource ->> '$.deleteAtTime',
        'SizeGiB', CAST(coalesce(resource ->> '$.sizeGb', resource ->> '$.diskSizeGb') AS BIGINT),
        'VolumeType', CASE WHEN kind = 'Disk' THEN regexp_extract(resource ->> '$.type', '[^/]+$') END,
        -- only disks that nothing uses are listed
        'AttachedTo', CASE WHEN kind = 'Disk' THEN coalesce(resource -> '$.users', CAST('[]' AS JSON)) END,
        'LastDetachedAt', resource ->> '$.lastDetachTimestamp',
        'SourceDisk', regexp_replace(resource ->> '$.sourceDisk', '^.*/projects/', '//compute.googleapis.com/projects/'),
        'StorageBytes', CAST(resource ->> '$.storageBytes' AS BIGINT)
    )) AS properties
FROM parts
