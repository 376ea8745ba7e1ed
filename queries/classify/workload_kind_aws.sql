/*
id: workload_kind_aws
title: What kind of ML work an AWS charge pays for
version: 1
owner: finops-ledger
order: 20
writes: [x_WorkloadKind]
why: >
  AWS bills a notebook, an endpoint and a training job under one product; only the usage type tells them apart. The
  findings rules begin here.
misses: >
  Inference components have no usage type of their own. A GPU inside EKS or ECS is its EC2 instance.
reads: [ledger.dimensions]
*/
WITH charges AS (
    SELECT
        x_DimensionId,
        coalesce(x_UsageType, SkuMeter, '') AS usage_type,
        lower(coalesce(ResourceId, '')) AS resource,
        lower(coalesce(x_ServiceCode, '')) AS code,
        lower(coalesce(ServiceName, '')) AS name
    FROM ledger.dimensions
    WHERE ledger.provider_of(coalesce(HostProviderName, ProviderName, ServiceProviderName)) = 'AWS'
),

-- the word before the colon of a SageMaker usage type: what its machines are for, and what its volumes are
sagemaker_families (family, kind, volume_kind) AS (
    VALUES
        ('Host', 'inference.endpoint', 'storage.endpoint'),
        ('AsyncInf', 'inference.async', 'storage.endpoint'),
        ('ServerlessInf', 'inference.serverless', 'storage.endpoint'),
        ('ProvisionedConcurrency', 'inference.provisioned_concurrency', 'storage.endpoint'),
        ('Tsform', 'inference.batch', 'storage.training'),
        ('Train', 'training', 'storage.training'),
        ('TrSpt', 'training.spot', 'storage.training'),
        ('TrainWarmPool', 'training.warmpool', 'storage.training'),
        ('Cluster', 'training.hyperpod', 'storage.training'),
        ('Autopilot', 'training.autopilot', 'storage.training'),
        ('Processing', 'processing', 'storage.training'),
        ('Notebk', 'notebook.instance', 'storage.notebook'),
        ('Studio', 'notebook.studio', 'storage.notebook'),
        ('UnifiedStudio', 'notebook.studio', 'storage.notebook'),
        ('RStudio', 'notebook.rstudio', 'storage.notebook'),
        ('Canvas', 'notebook.canvas', 'storage.notebook'),
        ('FeatureStore', 'featurestore', 'featurestore'),
        ('Labeled', 'labeling', 'labeling'),
        ('MLflow', 'mlflow', 'mlflow'),
        ('PartnerApp', 'notebook.partner_app', 'storage.notebook')
),

sagemaker AS (
    SELECT
        c.x_DimensionId,
        CASE
            WHEN c.usage_type LIKE '%:VolumeUsage%' OR c.usage_type LIKE '%StorageIOUsage%'
                THEN coalesce(f.volume_kind, 'storage.other')
            WHEN c.usage_type LIKE '%Data-Bytes%' THEN 'inference.data'
            -- Mem- is what is kept warm, Usage- what is called
            WHEN c.usage_type LIKE '%ProvisionedConcurrency:Usage%' THEN 'inference.serverless'
            -- its fee is paid ahead, whatever then runs on it
            WHEN c.resource LIKE '%:training-plan/%' THEN 'training.plan'
            ELSE coalesce(f.kind, 'ml.other')
        END AS kind
    FROM charges AS c
    LEFT JOIN sagemaker_families AS f ON f.family = ledger.meter_family(c.usage_type)
    WHERE c.code LIKE 'amazonsagemaker%' OR c.name LIKE '%sagemaker%'
),

-- '-', '_' and capitals come and go in Bedrock's usage types: compare without them
bedrock AS (
    SELECT x_DimensionId, regexp_replace(lower(usage_type), '[-_ :.]', '', 'g') AS meter
    FROM charges
    WHERE code LIKE 'amazonbedrock%' OR name LIKE '%bedrock%'
),

bedrock_kinds AS (
    SELECT
        x_DimensionId,
        CASE
            WHEN meter LIKE '%provisionedthroughput%' OR meter LIKE '%modelunit%' OR meter LIKE '%reserved%tpm%'
                THEN 'inference.provisioned'
            WHEN meter LIKE '%customizationtraining%' THEN 'training.customization'
            WHEN meter LIKE '%customizationstorage%' OR meter LIKE '%custommodelstorage%' THEN 'storage.model'
            WHEN meter LIKE '%custommodelimport%' THEN 'inference.custom_import'
            WHEN meter LIKE '%guardrail%' THEN 'guardrail'
            WHEN meter LIKE '%agentcore%' OR meter LIKE '%runtime%' THEN 'inference.agent'
            WHEN meter LIKE '%cachewrite%' THEN 'tokens.cache_write'
            WHEN meter LIKE '%cacheread%' THEN 'tokens.cache_read'
            WHEN meter LIKE '%inputtoken%' THEN 'tokens.input'
            WHEN meter LIKE '%outputtoken%' THEN 'tokens.output'
            ELSE 'tokens.other'
        END AS kind
    FROM bedrock
),

elsewhere AS (
    SELECT
        x_DimensionId,
        CASE
            -- p, g, gr, trn, inf and dl are the families with accelerators
            WHEN regexp_matches(usage_type, ':(p[0-9]|gr?[0-9]|trn[0-9]|inf[0-9]|dl[0-9])[a-z0-9-]*\.')
                 AND (code = 'amazonec2' OR name LIKE '%elastic compute%') THEN 'gpu.ec2'
            WHEN usage_type LIKE '%EBS:Snapshot%' THEN 'storage.snapshot'
            WHEN usage_type LIKE '%EBS:Volume%' THEN 'storage.ebs'
            WHEN (code = 'amazonefs' OR name LIKE '%elastic file system%') AND usage_type LIKE '%TimedStorage%'
                THEN 'storage.filesystem'
            WHEN (code = 'amazons3' OR name LIKE '%simple storage service%') AND usage_type LIKE '%TimedStorage%'
                THEN 'storage.object'
        END AS kind
    FROM charges
    WHERE NOT (code LIKE 'amazonsagemaker%' OR name LIKE '%sagemaker%' OR code LIKE 'amazonbedrock%'
               OR name LIKE '%bedrock%')
),

workload_kind_aws AS (
    SELECT x_DimensionId, kind AS x_WorkloadKind FROM sagemaker
    UNION ALL
    SELECT x_DimensionId, kind FROM bedrock_kinds
    UNION ALL
    SELECT x_DimensionId, kind FROM elsewhere WHERE kind IS NOT NULL
)

SELECT x_DimensionId, x_WorkloadKind
FROM workload_kind_aws
