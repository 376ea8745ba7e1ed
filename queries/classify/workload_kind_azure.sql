/*
id: workload_kind_azure
title: What kind of ML work an Azure charge pays for
version: 1
owner: finops-ledger
order: 20
writes: [x_WorkloadKind]
why: >
  Azure Machine Learning bills its computers as virtual machines: only the resource id says that they are ML. Azure OpenAI
  comes under changing category names: the meter's words stay.
misses: >
  The bill does not say whether an Azure ML compute is somebody's instance or a cluster: both are 'compute.azureml'.
reads: [ledger.dimensions]
*/
WITH charges AS (
    SELECT
        x_DimensionId,
        lower(concat_ws(' | ', ServiceName, x_ServiceCode, x_ProductFamily, SkuMeter, x_UsageType, ChargeDescription))
            AS meter,
        lower(concat_ws(' | ', SkuMeter, x_UsageType)) AS meter_name,
        lower(coalesce(ResourceId, '')) AS resource,
        coalesce(PricingCategory, '') AS pricing
    FROM ledger.dimensions
    WHERE ledger.provider_of(coalesce(HostProviderName, ProviderName, ServiceProviderName)) = 'Azure'
),

workload_kind_azure AS (
    SELECT
        x_DimensionId,
        CASE
            WHEN resource LIKE '%/microsoft.machinelearningservices/%/onlineendpoints/%' THEN 'inference.endpoint'
            WHEN resource LIKE '%/microsoft.machinelearningservices/%/batchendpoints/%' THEN 'inference.batch'
            WHEN resource LIKE '%/microsoft.machinelearningservices/%/computes/%'
                 AND (pricing = 'Dynamic' OR regexp_matches(meter_name, '(^|[^a-z])(spot|low priority)'))
                THEN 'training.spot'
            WHEN resource LIKE '%/microsoft.machinelearningservices/%/computes/%' THEN 'compute.azureml'
            WHEN regexp_matches(meter, 'azure openai|foundry models|cognitive services')
                THEN CASE
                    WHEN meter LIKE '%provisioned%' OR meter LIKE '%ptu%' THEN 'inference.provisioned'
                    WHEN meter_name LIKE '%hosting%' THEN 'inference.endpoint'
                    WHEN regexp_matches(meter_name, 'training|(^|[^a-z])ft([^a-z]|$)') THEN 'training.customization'
                    ELSE ledger.token_kind(meter_name)
                END
            -- NC, ND and NV are the series with GPUs
            WHEN meter LIKE '%virtual machines%' AND regexp_matches(meter, '(^|[^a-z])(standard_)?n[cdvg][a-z]*[0-9 ]')
                THEN 'gpu.azure'
            WHEN meter LIKE '%snapshot%' THEN 'storage.snapshot'
            WHEN meter LIKE '%managed disk%' THEN 'storage.disk'
            WHEN meter LIKE '%blob%' AND meter_name LIKE '%data stored%' THEN 'storage.object'
        END AS x_WorkloadKind
    FROM charges
)

SELECT x_DimensionId, x_WorkloadKind
FROM workload_kind_azure
WHERE x_WorkloadKind IS NOT NULL
