-- What the rules share. Made anew by every build, and kept in the warehouse so that a rule's SQL runs in any DuckDB client.

-- One short name for a provider, whatever the bill calls it.
CREATE OR REPLACE MACRO ledger.provider_of(name) AS
    CASE
        WHEN name IS NULL THEN NULL
        WHEN name ILIKE '%amazon%' OR name ILIKE 'aws%' THEN 'AWS'
        WHEN name ILIKE '%google%' OR name ILIKE 'gcp%' THEN 'GCP'
        WHEN name ILIKE '%microsoft%' OR name ILIKE '%azure%' THEN 'Azure'
        WHEN name ILIKE '%oracle%' OR name ILIKE 'oci%' THEN 'OCI'
        WHEN name ILIKE '%openai%' THEN 'OpenAI'
        WHEN name ILIKE '%anthropic%' OR name ILIKE '%claude%' THEN 'Anthropic'
        ELSE name
    END;

-- 'USE1-Studio:JupyterLab-ml.m7i.48xlarge' -> 'Studio': the word before the first colon; the region prefix is optional.
CREATE OR REPLACE MACRO ledger.meter_family(usage_type) AS
    nullif(regexp_extract(usage_type, '([A-Za-z0-9.]+):', 1), '');

-- Tokens by the words of a meter's name, in the order in which they would mislead: a cached input is no input.
CREATE OR REPLACE MACRO ledger.token_kind(meter) AS
    CASE
        WHEN regexp_matches(meter, 'cach(e|ed|ing)[^a-z]*(storage|write|creation)|cachewrite|write[^a-z]*cache')
            THEN 'tokens.cache_write'
        WHEN regexp_matches(meter, 'cach(e|ed|ing)|cchd') THEN 'tokens.cache_read'
        WHEN regexp_matches(meter, 'out(put|p|pt)?([^a-z]|text|audio|image|token|$)|outputtoken') THEN 'tokens.output'
        WHEN regexp_matches(meter, 'in(put|p|pt)([^a-z]|text|audio|image|token|$)|inputtoken|embedding') THEN 'tokens.input'
        ELSE 'tokens.other'
    END;

-- The spelling under which ids of resources are compared. ARNs of SageMaker fold capitals; EC2's bill has the bare id, its tags
-- and metrics sometimes the ARN.
CREATE OR REPLACE MACRO ledger.resource_key(id) AS
    lower(regexp_replace(id, '^arn:[^:]*:ec2:[^:]*:[^:]*:(instance|volume|snapshot|capacity-reservation)/', ''));

-- Is it an inference component, however its type is spelled, and on which endpoint?
CREATE OR REPLACE MACRO ledger.is_component(resource_key, resource_type) AS
    coalesce(contains(resource_key, ':inference-component/') OR resource_type = 'AWS::SageMaker::InferenceComponent', false);
CREATE OR REPLACE MACRO ledger.endpoint_of(resource_key, properties) AS
    coalesce(
        ledger.resource_key(properties ->> '$.EndpointArn'),
        regexp_replace(nullif(regexp_extract(resource_key, '^arn:.*:inference-component/'), ''), 'inference-component/$', 'endpoint/')
            || lower(properties ->> '$.EndpointName')
    );
