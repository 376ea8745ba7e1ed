/*
id: workload_kind_gcp
title: What kind of ML work a Google Cloud charge pays for
version: 1
owner: finops-ledger
order: 20
writes: [x_WorkloadKind]
why: >
  Google names a machine's cores, memory and GPU as three SKUs. The GPU's SKU tells that the machine is an accelerator; its
  cores and memory follow by the resource.
misses: >
  TPU SKU names are taken from public price lists and may change. A bill without resources (the standard export) cannot tell
  which cores stand beside a GPU.
reads: [ledger.dimensions]
*/
WITH charges AS (
    SELECT
        x_DimensionId,
        lower(concat_ws(' | ', SkuMeter, ChargeDescription)) AS sku,
        coalesce(x_ServiceCode, '') AS code,
        lower(coalesce(ServiceName, '')) AS name,
        lower(coalesce(ResourceId, '')) AS resource
    FROM ledger.dimensions
    WHERE ledger.provider_of(coalesce(HostProviderName, ProviderName, ServiceProviderName)) = 'GCP'
),

-- services by id: 'Vertex AI' has been renamed before
vertex AS (
    SELECT
        x_DimensionId,
        CASE
            -- a notebook's disk stays when its machine stops
            WHEN resource LIKE '//notebooks.googleapis.com/%' AND regexp_matches(sku, 'pd capacity|hyperdisk') THEN 'storage.notebook'
            WHEN resource LIKE '//notebooks.googleapis.com/%' OR sku LIKE '%workbench%' OR sku LIKE '%notebook%'
                THEN 'notebook.instance'
            WHEN sku LIKE '%colab%' THEN 'notebook.studio'
            WHEN sku LIKE '%provisioned throughput%' THEN 'inference.provisioned'
            -- online and batch prediction share their SKUs
            WHEN resource LIKE '%/batchpredictionjobs/%' THEN 'inference.batch'
            WHEN sku LIKE '%online prediction%' OR sku LIKE '%online/batch prediction%' THEN 'inference.endpoint'
            WHEN sku LIKE '%batch prediction%' THEN 'inference.batch'
            WHEN sku LIKE '%feature store%' OR sku LIKE '%featurestore%' THEN 'featurestore'
            WHEN sku LIKE '%vector search%' OR sku LIKE '%matching engine%' THEN 'inference.vector'
            WHEN sku LIKE '%tuning%' THEN 'training.customization'
            WHEN sku LIKE '%pd capacity%' THEN 'storage.training'
            WHEN sku LIKE '%training%' AND sku LIKE '%spot%' THEN 'training.spot'
            WHEN sku LIKE '%training%' THEN 'training'
            WHEN sku LIKE '%pipeline%' THEN 'processing'
            WHEN regexp_matches(sku, 'gemini|claude|llama|token|predictions|text (in|out)put|embedding')
                THEN ledger.token_kind(sku)
            ELSE 'ml.other'
        END AS kind
    FROM charges
    WHERE code IN ('C7E2-9256-1C43', 'AEFD-7695-64FA')
       OR name IN ('vertex ai', 'gemini api', 'gemini enterprise agent platform')
),

accelerator_skus AS (
    SELECT
        x_DimensionId,
        resource,
        CASE WHEN regexp_matches(sku, '(^|[^a-z])tpu') THEN 'tpu' ELSE 'gpu.gce' END AS kind
    FROM charges
    WHERE (code = '6F81-5844-456A' OR name = 'compute engine' OR resource LIKE '//tpu.googleapis.com/%')
      AND regexp_matches(sku, '(^|[^a-z])tpu|nvidia|(^|[^a-z])gpu|(^|[^a-z0-9])(a[2-4]|g[24])(plus)? instance')
),

accelerator_machines AS (
    SELECT resource, min(kind) AS kind
    FROM accelerator_skus
    WHERE resource <> ''
    GROUP BY resource
),

elsewhere AS (
    SELECT
        c.x_DimensionId,
        CASE
            WHEN c.resource LIKE '//notebooks.googleapis.com/%' AND regexp_matches(c.sku, 'pd capacity|hyperdisk')
                THEN 'storage.notebook'
            WHEN c.resource LIKE '//notebooks.googleapis.com/%' THEN 'notebook.instance'
            WHEN c.sku LIKE '%snapshot%' THEN 'storage.snapshot'
            WHEN a.kind IS NOT NULL THEN a.kind
            WHEN m.kind IS NOT NULL AND regexp_matches(c.sku, 'instance (core|ram)|custom') THEN m.kind
            WHEN regexp_matches(c.sku, '(storage pd|pd) capacity|hyperdisk') THEN 'storage.disk'
            WHEN (c.code = '95FF-2EF5-5EA1' OR c.name = 'cloud storage') AND c.sku LIKE '%storage%'
                 AND c.sku NOT LIKE '%operations%' THEN 'storage.object'
        END AS kind
    FROM charges AS c
    LEFT JOIN accelerator_skus AS a ON a.x_DimensionId = c.x_DimensionId
    LEFT JOIN accelerator_machines AS m ON m.resource = c.resource
    WHERE NOT (c.code IN ('C7E2-9256-1C43', 'AEFD-7695-64FA')
               OR c.name IN ('vertex ai', 'gemini api', 'gemini enterprise agent platform'))
),

workload_kind_gcp AS (
    SELECT x_DimensionId, kind AS x_WorkloadKind FROM vertex
    UNION ALL
    SELECT x_DimensionId, kind FROM elsewhere WHERE kind IS NOT NULL
)

SELECT x_DimensionId, x_WorkloadKind
FROM workload_kind_gcp
